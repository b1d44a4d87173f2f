"""What the command line shows while a run goes on: its progress, and its log file.

Draws with rich on a terminal and as plain lines elsewhere; decides nothing.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import logging
import os
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO, cast

from augment import logs, streams
from augment.secrecy import secret_values, struck
from augment.storage import Folder

if TYPE_CHECKING:
    from augment.run import Reporter
    from augment.spec import Job

# ---- progress ------------------------------------------------------------------------


class PlainReporter:
    """Progress as lines, at most one every few seconds a stage."""

    every_s = 5.0

    def __init__(self, out: TextIO | streams.Stream) -> None:
        self._out = out
        self._name, self._total, self._rows = "", 0, 0
        self._began = self._said = time.monotonic()

    def stage(self, name: str, total: int) -> None:
        self._name, self._total, self._rows = name, total, 0
        self._began = self._said = time.monotonic()
        self.note(f"{name}: {total} units")

    def advance(self, done: int, rows: int) -> None:
        self._rows += rows
        at = time.monotonic()
        if done == self._total or at - self._said >= self.every_s:
            self._said = at
            left = (at - self._began) / done * (self._total - done)
            self.note(
                f"{self._name}: {done} of {self._total} units, {self._rows} rows, {left:.0f} s left"
            )

    def note(self, text: str) -> None:
        self._out.write(f"{streams.as_line(text)}\n")
        self._out.flush()


class RichReporter:
    """Progress as bars with counts and time left."""

    def __init__(self, progress: Any) -> None:
        self._progress = progress
        self._task: Any = None
        self._rows = 0

    def stage(self, name: str, total: int) -> None:
        self._rows = 0
        self._task = self._progress.add_task(streams.as_line(name), total=total, rows=0)

    def advance(self, done: int, rows: int) -> None:
        self._rows += rows
        self._progress.update(self._task, completed=done, rows=self._rows)

    def note(self, text: str) -> None:
        shown = streams.as_line(text)
        self._progress.console.print(shown, markup=False, highlight=False, emoji=False)


@dataclass(frozen=True)
class Session:
    """A run as the terminal sees it: its progress, and the file that holds everything else."""

    reporter: Reporter
    log: str


@contextlib.contextmanager
def session(job: Job, *, quiet: bool) -> Iterator[Session]:
    """Progress on standard error (unless `quiet`); everything else that this process and Ray's
    own code write there, and what `augment` and `ray` log, goes to one file. A log of JSON lines
    has what no logger wrote in a file beside it."""
    execution = job.spec.execution
    folder, name = _log_place(job)
    secrets = secret_values(execution.storage_options, os.environ, job.text)
    with (
        _open_log(folder, name) as log,
        _open_log(folder, _noise_name(name)) as noise,
        _terminal(noise, secrets) as terminal,
        _logging_to(log, logs.formatter(execution.log_format, secrets)),
        _reporter(terminal, quiet=quiet) as reporter,
    ):
        yield Session(reporter, folder.url(name))


@contextlib.contextmanager
def _logging_to(log: TextIO, formatter: logging.Formatter) -> Iterator[None]:
    """What `augment` and `ray` log goes to the file, and nowhere else. A handler each: Ray gives
    the first one that it finds on its own logger its own format."""
    before = {name: logging.getLogger(name).handlers for name in ("augment", "ray")}
    for name in before:
        handler = logging.StreamHandler(log)
        handler.setFormatter(formatter)
        logging.getLogger(name).handlers = [handler]
    ours = logging.getLogger("augment")
    ours.setLevel(logging.INFO)
    ours.propagate = False
    try:
        yield
    finally:
        ours.propagate = True
        ours.setLevel(logging.NOTSET)
        for name, handlers in before.items():
            logging.getLogger(name).handlers = handlers


@contextlib.contextmanager
def _terminal(log: TextIO, secrets: Collection[str]) -> Iterator[streams.Stream]:
    """The true standard error; file descriptors 1 and 2 are the log meanwhile, because Ray writes
    there past every logger, and standard output is for results. What Python code writes there is
    made plain."""
    encoding = sys.stderr.encoding
    kept = {number: os.dup(number) for number in (1, 2)}
    noise = streams.Plainly(streams.Stream(log), lambda text: struck(text, secrets))
    with contextlib.redirect_stdout(noise), contextlib.redirect_stderr(noise):
        for number in kept:
            os.dup2(log.fileno(), number)
        try:
            with os.fdopen(os.dup(kept[2]), "w", encoding=encoding) as terminal:
                yield streams.Stream(terminal)
        finally:
            noise.close()
            for number, before in kept.items():
                os.dup2(before, number)
                os.close(before)


@contextlib.contextmanager
def _reporter(terminal: streams.Stream, *, quiet: bool) -> Iterator[Reporter]:
    """Bars on a terminal, lines elsewhere, nothing where `quiet`."""
    from augment.run import Silent

    if quiet:
        yield Silent()
    elif not terminal.isatty():
        yield PlainReporter(terminal)
    else:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        with Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} units, {task.fields[rows]} rows"),
            TimeRemainingColumn(),
            console=Console(file=cast(TextIO, terminal)),
        ) as progress:
            yield RichReporter(progress)


@contextlib.contextmanager
def _open_log(folder: Folder, name: str) -> Iterator[TextIO]:
    """A log on a disk that is full ends, and no run with it."""
    log = io.TextIOWrapper(folder.appended(name), encoding="utf-8", errors="backslashreplace")
    try:
        yield log
    finally:
        with contextlib.suppress(OSError):
            log.close()


def _log_place(job: Job) -> tuple[Folder, str]:
    """The folder that the log lies below, and its path there."""
    stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    ending = "jsonl" if job.spec.execution.log_format == "json" else "log"
    name = f"{job.spec.name}-{stamp}.{ending}"
    output = Folder(job.spec.output.uri, job.spec.execution.storage_options)
    if output.is_local:
        return output, f"_work/logs/{name}"
    return Folder(tempfile.gettempdir()), f"augment-logs/{name}"


def _noise_name(log: str) -> str:
    """Where file descriptor 2 goes: among lines of text into the log itself."""
    return f"{log.removesuffix('.jsonl')}.stderr.log" if log.endswith(".jsonl") else log
