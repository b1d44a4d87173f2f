"""Readers of foreign bytes, given bytes that nobody wrote on purpose.

    python -m tests.fuzz [--target NAME ...] [--seconds 60] [--seed N]
    python -m tests.fuzz --target NAME FILE ...        the files alone, as they are

| module | holds |
|---|---|
| `targets/` | one module a reader: inputs to begin with, and `one(data)`, which reads |
| `frame` | what a target is; one input within its budget of work and memory |
| `mutation` | other inputs from those to begin with, by a seed |
| `search` | a target's long search in a process of its own |
| `__main__` | all targets, what they found |

What a reader must do with any bytes: give a result, or raise what it documents, within a
budget. Where atheris is installed (`pip install 'augment-vision[fuzz]'`) the long search follows
the coverage of the code; without it, and in `make test`, the seeded mutations do.
"""
