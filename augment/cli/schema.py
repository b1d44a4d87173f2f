"""The verb `schema`. `grammar.py` gives the grammar; imports are inside."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from augment import streams
from augment.errors import RequestError

Verb = Callable[[Any, str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]
"""(sub-parsers, name, function, help) -> the parser of one verb, with `--json`."""


def add_verb(verbs: Any, verb: Verb) -> None:
    """The verb, as a sub-parser of `augment`."""
    schema = verb(verbs, "schema", _schema, "the published schemas")
    names = ("job", "manifest", "sample", "audit", "comparison", "study", "policy", "keys")
    schema.add_argument("name", nargs="?", choices=names, help="keys: of a job file, as a page")
    schema.add_argument("--write", metavar="FOLDER", help="write all of them as files")


def _schema(arguments: argparse.Namespace) -> int:
    from augment.schemas import published, write_published

    arguments.lasting = bool(arguments.write)
    if arguments.write:
        paths = [str(path) for path in write_published(arguments.write)]
        if arguments.json:
            streams.tell({"written": paths})
        else:
            streams.say(*paths)
        return 0
    if arguments.name is None:
        raise RequestError(
            "schema: got no name; expected one of job, manifest, sample, audit, comparison, study, "
            "policy, keys, or --write FOLDER for all of them"
        )
    if arguments.name == "keys":
        from augment.spec.reference import reference

        streams.hand_over(reference())
        return 0
    streams.hand_over(published()[arguments.name])
    return 0
