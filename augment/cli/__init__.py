"""The command line: one verb a function, the same verbs as `augment.api`.

`grammar.py` has every verb, one file a group of them what each does; `show/` is what people see.
Nothing else prints. Imports are inside the verbs: `validate` must answer fast.
"""

from augment.cli.command import main
from augment.cli.grammar import parser

__all__ = ["main", "parser"]
