"""What verbs of several modules share: options, and words. `augment.cli` gives the grammar."""

from __future__ import annotations

import argparse

from augment.errors import RequestError

KEPT = ": finished units are kept; the same command resumes"
"""What an interrupted verb says that makes units of work."""


def foldable(sub: argparse.ArgumentParser) -> None:
    """For a verb that shows tables."""
    sub.add_argument("--all", action="store_true",
                     help="show every row of tables, not those alone that matter most")  # fmt: skip


def check_all(arguments: argparse.Namespace) -> None:
    """Raises:
    RequestError: `--all` has no effect.
    """
    if getattr(arguments, "all", False) and arguments.json:
        raise RequestError(
            "--all has no effect with --json, which leaves nothing out; expected one of them"
        )
