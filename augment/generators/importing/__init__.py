"""From somebody's checkpoint to a folder that a job can name, without executing anything in it.

    inspect            what it is, by content; what of it is refused, and why
    import_checkpoint  weights.safetensors + generator.json, whole or not at all

Both work in a child process with limits on memory and CPU time: a file that is made to be
large or slow ends the child, never the caller.

| module | does |
|---|---|
| `reading` | a file or folder -> `Foreign`, through `augment.checkpoints` |
| `naming` | which of a file's tensors are the network: prefixes, sub-modules |
| `families` | `Foreign` -> `Conversion`, by the first family whose own it is |
| `elsewhere` | files that need no import, and what to do with each |
| `writing` | `Conversion` -> folder, and what a smoke test says of it |
| `answers` | the four joined: what a checkpoint is, a folder made of it |
| `child` | one answer in a limited process |
| `launch` | starts the child and tells of its end |
"""

from augment.generators.importing.launch import (
    Bounds,
    Choice,
    ImportRequest,
    import_checkpoint,
    inspect,
)

__all__ = ["Bounds", "Choice", "ImportRequest", "import_checkpoint", "inspect"]
