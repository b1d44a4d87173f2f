"""Small faults put into the core on purpose, to see which of them no test notices.

    python -m tests.mutants [--count 40] [--seed N] [--package NAME ...] [--minutes M] [--json FILE]

| module | holds |
|---|---|
| `operators` | the mutation operators: from one source text to its mutants |
| `sampling` | the modules of the core, a seeded sample of their mutants |
| `mirror` | which tests are a module's |
| `equal.toml` | mutants that are known to change nothing that can be seen, with the reason |
| `equal` | that list, read |
| `trial` | a private copy of the repository; tests run there on one mutant at a time |
| `report` | what became of the mutants: the table, the survivors, JSON, the exit code |
| `__main__` | one run from the arguments to the report |

A mutant is never written into the working tree: the tests run on a copy in a temporary folder,
so a run that is killed leaves nothing behind but that folder. A mutant that dies is no proof of a
good test, but a survivor is a line that could be wrong without anybody's notice, unless it is
equal.
"""
