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
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO, cast

from augment import logs, streams
from augment.cli.show.progress import PlainReporter, RichReporter
from augment.folders import own_folder
from augment.secrecy import secret_values, struck
from augment.storage import Folder

if TYPE_CHECKING:
    from augment.run import Reporter
    from augment.spec import Job


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
        reporting(terminal, quiet=quiet) as reporter,
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
def reporting(terminal: streams.Stream, *, quiet: bool) -> Iterator[Reporter]:
    """Bars on a terminal, lines elsewhere, nothing where `quiet`."""
    from augment.run import Silent

    if quiet:
        yield Silent()
    elif not terminal.isatty():
        yield PlainReporter(terminal)
    else:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(file=cast(TextIO, terminal))
        with Progress(*RichReporter.columns(), console=console) as progress:
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
    return Folder(own_folder("state", "logs", os.environ)), name


def _noise_name(log: str) -> str:
    """Where file descriptor 2 goes: among lines of text into the log itself."""
    return f"{log.removesuffix('.jsonl')}.stderr.log" if log.endswith(".jsonl") else log
