"""What the command line shows: progress, tables, the last word of a run, and its log file.

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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TextIO

from augment import logs
from augment.secrecy import secret_values
from augment.storage import Folder

if TYPE_CHECKING:
    from augment.run import Reporter, RunResult
    from augment.run.accounts import Account, Synthesis
    from augment.run.cost import Estimate, Spent
    from augment.spec import Job


_MOST = 20  # lines of one kind before the rest is counted

# ---- progress ------------------------------------------------------------------------


class PlainReporter:
    """Progress as lines, at most one every few seconds a stage."""

    every_s = 5.0

    def __init__(self, out: TextIO) -> None:
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
        print(text, file=self._out, flush=True)


class RichReporter:
    """Progress as bars with counts and time left."""

    def __init__(self, progress: Any) -> None:
        self._progress = progress
        self._task: Any = None
        self._rows = 0

    def stage(self, name: str, total: int) -> None:
        self._rows = 0
        self._task = self._progress.add_task(name, total=total, rows=0)

    def advance(self, done: int, rows: int) -> None:
        self._rows += rows
        self._progress.update(self._task, completed=done, rows=self._rows)

    def note(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False)


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
        _terminal(noise) as terminal,
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
def _terminal(log: TextIO) -> Iterator[TextIO]:
    """The true standard error; file descriptors 1 and 2 are the log meanwhile, because Ray writes
    there past every logger, and standard output is for results."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = {number: os.dup(number) for number in (1, 2)}
    for number in kept:
        os.dup2(log.fileno(), number)
    try:
        with os.fdopen(os.dup(kept[2]), "w", encoding="utf-8") as terminal:
            yield terminal
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, before in kept.items():
            os.dup2(before, number)
            os.close(before)


@contextlib.contextmanager
def _reporter(terminal: TextIO, *, quiet: bool) -> Iterator[Reporter]:
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
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} units, {task.fields[rows]} rows"),
            TimeRemainingColumn(),
            console=Console(file=terminal),
        ) as progress:
            yield RichReporter(progress)


def _open_log(folder: Folder, name: str) -> TextIO:
    return io.TextIOWrapper(folder.appended(name), encoding="utf-8")


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


# ---- tables --------------------------------------------------------------------------


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Lines of a table: the first column left, the others right."""
    texts = [list(head), *([_text(value) for value in row] for row in rows)]
    widths = [max(len(line[i]) for line in texts) for i in range(len(head))]
    return [
        "  ".join(t.ljust(w) if i == 0 else t.rjust(w) for i, (t, w) in enumerate(zip(
            line, widths, strict=True))).rstrip()
        for line in texts
    ]  # fmt: skip


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def size(n: float) -> str:
    """Bytes in the unit that leaves a whole number of at least two digits, if there is one."""
    for unit, each in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n >= 10 * each:
            return f"{n / each:.0f} {unit}"
    return f"{n:.0f} bytes"


def duration(seconds: float) -> str:
    """In the unit that a person would choose."""
    for unit, each in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * each:
            return f"{seconds / each:.3g} {unit}"
    return f"{seconds:.3g} s"


def show_result(result: RunResult, log: str) -> None:
    """The last word of a run: what was made, the shares, and where everything is."""
    from augment.audit import render

    if result.already:
        print(f"already committed: {result.job_id} is version {result.version} or older")
    if result.changes is not None and result.changes.lines:
        print("\n".join(result.changes.lines))
    print("\n".join(_cells(result)))
    if result.accounts:
        print()
        print("\n".join(_accounts(result.accounts)))
    if result.estimates:
        print()
        print("\n".join(cost_lines(result.estimates, result.spent)))
    print()
    print(render(result.audit))
    lost = sum(c.quarantined for c in result.cells)
    print()
    provenance = f"{result.output}/_provenance/{result.job_id}"
    print(f"quarantined:   {lost} rows  {provenance}/quarantine.parquet")
    print(f"data set:      {result.output}  (version {result.version})")
    if result.accounts:
        print(f"pool:          {result.pool}  ({result.made_now} samples generated now)")
    print(f"log:           {log}")
    print(f"read it:       datasets.load_dataset({result.output!r})")
    print(f"look at it:    augment audit {result.output} --sheet sheet.png")


def _cells(result: RunResult) -> list[str]:
    kinds = sorted({c.origin for c in result.cells})
    rows: list[tuple[str, list[int]]] = []
    for split in sorted({c.split for c in result.cells}):
        for label in sorted({c.label_name for c in result.cells if c.split == split}):
            own = [c for c in result.cells if c.split == split and c.label_name == label]
            by_kind = [sum(c.written for c in own if c.origin == k) for k in kinds]
            planned, written = sum(c.planned for c in own), sum(c.written for c in own)
            lost, short = sum(c.quarantined for c in own), sum(c.short for c in own)
            rows.append((f"{split} {label}", [*by_kind, written, planned, lost, short]))
    totals = [sum(figures) for figures in zip(*(f for _, f in rows), strict=True)]
    head = ("split class", *kinds, "written", "planned", "quarantined", "short")
    return table(head, [(name, *figures) for name, figures in [*rows, ("total", totals)]])


def _accounts(accounts: Sequence[Account]) -> list[str]:
    rows = [
        (
            f"{a.generator} {a.label_name}",
            a.attempted,
            a.accepted,
            sum(a.rejected.values()),
            a.failed,
            a.target,
            a.selected,
            a.shortfall,
        )
        for a in accounts
    ]
    head = (
        "generator class", "attempted", "accepted", "rejected", "failed",
        "target", "selected", "shortfall",
    )  # fmt: skip
    return table(head, rows)


def cost_lines(
    estimates: Sequence[Estimate], spent: Mapping[str, Spent] | None = None
) -> list[str]:
    """What generators are estimated to cost, and what was spent on them where that is known."""
    from augment.run.cost import counts

    rows = []
    for one in estimates:
        seen = one.measured
        walls = ", ".join(f"{n}: {duration(one.wall_s(n))}" for n in counts(one.actors))
        used = (spent or {}).get(one.generator)
        rows.append(
            (
                one.generator,
                seen.device,
                one.rows,
                f"{1e3 * seen.batch_s:.3g} ms of {seen.batch_rows}",
                size(one.bytes),
                walls,
                f"{one.gpu_hours():.3g}",
                "-" if used is None else f"{used.gpu_hours:.3g}",
                "-" if used is None else duration(used.busy_s),
            )
        )
    head = ("generator", "device", "to make", "batch", "bytes", "actors: wall time",
            "GPU hours", "spent", "busy")  # fmt: skip
    return table(head, rows) if rows else []


def show_synthesis(result: Synthesis, pool: str, log: str) -> None:
    """What `augment synthesize` did."""
    print("\n".join(_accounts(result.accounts)))
    for text in result.emptied[:_MOST]:
        print(f"FAIL  {text}")
    if (more := len(result.emptied) - _MOST) > 0:
        print(f"      ... and {more} more cells with nothing (--json names all)")
    print(f"generated now: {result.made_now} samples")
    print(f"pool:          {pool}")
    print(f"log:           {log}")


def synthesis_json(result: Synthesis, pool: str, log: str) -> dict[str, Any]:
    """A synthesis's result for programs."""
    return {
        "pool": pool,
        "made_now": result.made_now,
        "accounts": [asdict(a) | {"shortfall": a.shortfall} for a in result.accounts],
        "emptied": result.emptied,
        "log": log,
    }
