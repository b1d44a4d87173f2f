"""What verbs of several modules share: the parser, options, and words."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from augment import streams
from augment.errors import InterruptedRun, RequestError

if TYPE_CHECKING:
    from augment.run import Reporter
    from augment.spec import Job

ENGINES = ("auto", "ray", "processes", "local")
"""Names of engines, as `execution.engine` has them."""
RESUMES = ": the same command resumes"
"""What an interrupted verb says that makes units of work, before there are some."""
KEPT = ": finished units are kept; the same command resumes"
"""What it says then."""


class Keeping:
    """A reporter, which has an interrupt say that units are kept once there are some."""

    def __init__(self, reporter: Reporter, arguments: argparse.Namespace) -> None:
        self._reporter, self._arguments = reporter, arguments

    def stage(self, name: str, total: int | None) -> None:
        if total:
            self._arguments.kept = KEPT
        self._reporter.stage(name, total)

    def advance(self, done: int, rows: int) -> None:
        self._reporter.advance(done, rows)

    def doing(self, text: str) -> None:
        self._reporter.doing(text)

    def note(self, text: str) -> None:
        self._reporter.note(text)


def load(arguments: argparse.Namespace) -> Job:
    """The job file that was named, with the execution keys laid over it."""
    from augment.spec import load_spec

    keys = {"metrics.port": "metrics_port", "log_format": "log_format"}
    short = [(key, getattr(arguments, name, None)) for key, name in keys.items()]
    more = [f"{key}={value}" for key, value in short if value is not None]
    overrides = [*laid_over(arguments), *more]
    return load_spec(arguments.job, execution=arguments.execution, overrides=overrides)


def laid_over(arguments: argparse.Namespace) -> list[str]:
    """What `--set` says, and an `--engine` that takes an address, so that one may stand beside it
    in a job with `engine: local`. The other engines pass over the job's address in silence."""
    engine = getattr(arguments, "engine", None)
    taken = [f"engine={engine}"] if engine in ("auto", "ray") else []
    return [*taken, *arguments.overrides]


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


def unless_lost(code: int, arguments: argparse.Namespace) -> int:
    """The exit code of a verb, where standard output could be written. What a verb has done
    stands all the same; where all that it does is to print, it broke half-way."""
    if (why := streams.lost()) is None:
        return code
    text = f"standard output could not be written ({getattr(why, 'strerror', None) or why})"
    if arguments.lasting:
        streams.note(f"augment: {text}: the report is lost, what it reports of is done")
        return code
    streams.note(f"augment: {text}: the same command prints it again")
    return code or InterruptedRun.exit_code


_GONE = {("retry", "--failed"): "what failed is all that is tried again; leave it out"}
"""(verb, option) that people write and that is none -> why."""


class Parser(argparse.ArgumentParser):
    """What is wrong with a command line is a `RequestError` that names the nearest name."""

    def error(self, message: str) -> NoReturn:
        from augment.spec.problems import nearest, one_of

        choice = re.search(r"(.*): invalid choice: '(.*)' \(choose from (.*)\)", message)
        if choice:
            names = re.findall(r"[\w-]+", choice[3])
            message = f"{choice[1]}: got {choice[2]!r}; expected {one_of(names)}"
            message = f"{message}. {nearest(choice[2], names)}".rstrip(". ")
        verb = self.prog.removeprefix("augment").strip()
        where = f"{verb}: " if verb else ""
        raise RequestError(f"{where}{message}", f"(`{self.prog} --help` tells more)")

    def refuse(self, rest: Sequence[str]) -> NoReturn:
        """For arguments that the grammar has no place for."""
        from augment.spec.problems import nearest, one_of

        odd = next((word for word in rest if word.startswith("-")), None)
        if odd is None:
            self.error(f"got {rest[0]!r}, one argument too many")
        options = re.findall(r"--[a-z-]+", self.format_help())
        name = odd.partition("=")[0]
        if gone := _GONE.get((self.prog.rpartition(" ")[2], name)):
            self.error(f"got {name!r}, which has no effect: {gone}")
        hint = nearest(name, options)
        self.error(f"got {name!r}; expected {one_of(options)}{hint and f'. {hint}'}")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        if message:
            streams.hand_over(message, aside=True)
        sys.exit(unless_lost(status, argparse.Namespace(lasting=False)))

    def _print_message(self, message: str, file: object = None) -> None:
        """What argparse prints itself: help and version."""
        streams.hand_over(message, aside=file is sys.stderr)
