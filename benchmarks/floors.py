"""Whether each benchmark's ratios are where floors.toml says they must be.

    python benchmarks/floors.py [--only NAME ...] [--rounds 3] [--json]

`make bench` runs it. Every round runs each command of floors.toml once, one after another, so
that what else the machine does in a while hits all; a ratio is judged by its median over the
rounds. Prints a table, what the machine is and how busy it was. Exit code 0: every ratio is
within its bound. 1: one is not, or could not be judged (a script failed, a ratio is missing or is
no number, there are no entries). 2: floors.toml or the command line is wrong.

Holds the reading of floors.toml, the running and the judging; what a ratio means is known to the
script that prints it, as `ratios` in the JSON document on its last line.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).parent
FILE = "floors.toml"
TEXTS = ("name", "command", "ratio", "source")
BOUNDS = ("at_least", "at_most")
STDERR_LINES = 12
NOT_JUDGED = "not judged"


class FloorsError(Exception):
    """floors.toml or what is asked of it is wrong; the text names the place and the way out."""


@dataclass(frozen=True)
class Floor:
    """One entry of floors.toml. command: a script beside it, and its arguments. ratio: its name
    in the script's `ratios`. kind: of BOUNDS."""

    name: str
    command: tuple[str, ...]
    ratio: str
    kind: str
    bound: float
    source: str


@dataclass(frozen=True)
class Failed:
    """A command that printed nothing to judge."""

    why: str
    stderr: str


Outcome = Mapping[str, object] | Failed
"""`ratios` of one run of a command, or why there are none."""


@dataclass(frozen=True)
class Verdict:
    """values: of each round; empty where not judged. word: ok, BELOW, ABOVE or NOT_JUDGED."""

    floor: Floor
    word: str
    why: str = ""
    values: tuple[float, ...] = ()

    @property
    def value(self) -> float | None:
        return statistics.median(self.values) if self.values else None


# ---- reading ---------------------------------------------------------------------------


def read(path: Path) -> list[Floor]:
    """The entries of a floors.toml, whose scripts lie beside it.

    Raises:
        FloorsError: it cannot be read, or an entry is not what it must be.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FloorsError(f"{path}: {error}; expected TOML with a [[floor]] a ratio") from None
    tables = document.pop("floor", [])
    if document or not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
        raise FloorsError(
            f"{path}: expected [[floor]] tables and nothing else, got "
            f"{', '.join(map(repr, document)) or 'another kind of `floor`'}; write a ratio as a "
            "[[floor]] of its own"
        )
    floors = [_entry(f"{path}: floor {i + 1}", t, path.parent) for i, t in enumerate(tables)]
    names = [floor.name for floor in floors]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise FloorsError(f"{path}: floor {i + 1}: {name!r} names another one, too; rename one")
    return floors


def _entry(place: str, table: Mapping[str, object], folder: Path) -> Floor:
    if isinstance(table.get("name"), str):
        place = f"{place} ({table['name']})"
    if unknown := sorted(set(table) - {*TEXTS, *BOUNDS}):
        known = ", ".join((*TEXTS, *BOUNDS))
        raise FloorsError(f"{place}: unknown key {unknown[0]!r}; known are {known}; remove it")
    name, command, ratio, source = (_text(place, table, key) for key in TEXTS)
    kind, bound = _bound(place, table)
    return Floor(name, _command(place, command, folder), ratio, kind, bound, source)


def _text(place: str, table: Mapping[str, object], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise FloorsError(f"{place}: `{key}` is {_shown(value)}; give it a text")
    return value


def _bound(place: str, table: Mapping[str, object]) -> tuple[str, float]:
    given = [kind for kind in BOUNDS if kind in table]
    if len(given) != 1:
        has = " and ".join(f"`{kind}`" for kind in given) or "no bound"
        raise FloorsError(f"{place}: has {has}; give it either `at_least` or `at_most`")
    number = _number(table[given[0]])
    if number is None:
        shown = _shown(table[given[0]])
        raise FloorsError(f"{place}: `{given[0]}` is {shown}; give it a finite number")
    return given[0], number


def _command(place: str, text: str, folder: Path) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise FloorsError(f"{place}: `command` is {text!r}: {error}; close it") from None
    known = sorted(path.name for path in folder.glob("*.py"))
    if words[0] not in known:
        there = ", ".join(known) or "none"
        raise FloorsError(f"{place}: no script {words[0]!r} in {folder}; name one of: {there}")
    return words


def _number(value: object) -> float | None:
    """A finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _shown(value: object) -> str:
    return "missing" if value is None else repr(value)


def chosen(floors: Sequence[Floor], names: Sequence[str] | None) -> list[Floor]:
    """Those of some names, all where none are given.

    Raises:
        FloorsError: there is none of a name.
    """
    known = [floor.name for floor in floors]
    for name in names or ():
        if name not in known:
            raise FloorsError(f"--only: no entry {name!r}; name some of: {', '.join(known)}")
    return [floor for floor in floors if names is None or floor.name in names]


# ---- running and judging ---------------------------------------------------------------


def run(command: Sequence[str], folder: Path) -> Outcome:
    """One run of a script of the folder."""
    words = [sys.executable, str(folder / command[0]), *command[1:], "--json"]
    done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
    stderr = "\n".join(done.stderr.rstrip().splitlines()[-STDERR_LINES:])
    if done.returncode:
        return Failed(f"the script failed with {done.returncode}", stderr)
    lines = done.stdout.splitlines() or [""]
    try:
        document = json.loads(lines[-1])
    except ValueError:
        document = None
    ratios = document.get("ratios") if isinstance(document, dict) else None
    if not isinstance(ratios, dict):
        return Failed("the last line is no JSON document with `ratios`", stderr)
    return ratios


def judge(floor: Floor, outcomes: Sequence[Outcome]) -> Verdict:
    """By the median of the rounds; each of them must have the ratio."""
    values: list[float] = []
    for outcome in outcomes:
        if isinstance(outcome, Failed):
            return Verdict(floor, NOT_JUDGED, outcome.why)
        if floor.ratio not in outcome:
            there = ", ".join(outcome) or "none"
            return Verdict(floor, NOT_JUDGED, f"no ratio {floor.ratio!r}; there are: {there}")
        value = _number(outcome[floor.ratio])
        if value is None:
            told = outcome[floor.ratio]
            return Verdict(floor, NOT_JUDGED, f"{floor.ratio!r} is {told!r}, not a number")
        values.append(value)
    if not values:
        return Verdict(floor, NOT_JUDGED, "there was no round")
    middle = statistics.median(values)
    word = "ok"
    if floor.kind == "at_least" and middle < floor.bound:
        word = "BELOW"
    elif floor.kind == "at_most" and middle > floor.bound:
        word = "ABOVE"
    return Verdict(floor, word, values=tuple(values))


@dataclass(frozen=True)
class Report:
    """failures: of each command that failed. load: of the last minute, at the start and the end."""

    verdicts: Sequence[Verdict]
    failures: Mapping[tuple[str, ...], Failed]
    rounds: int
    load: tuple[float, float]

    @property
    def ok(self) -> bool:
        """There is something to judge, and all of it is within its bound."""
        return bool(self.verdicts) and all(v.word == "ok" for v in self.verdicts)


def measure(
    floors: Sequence[Floor], folder: Path, rounds: int, tell: Callable[[str], object]
) -> Report:
    """Each command once a round, until it fails; tell: hears what is done."""
    begun = os.getloadavg()[0]
    outcomes: dict[tuple[str, ...], list[Outcome]] = {floor.command: [] for floor in floors}
    failures: dict[tuple[str, ...], Failed] = {}
    for number in range(rounds):
        for command, found in outcomes.items():
            if command in failures:
                continue
            since = time.monotonic()
            outcome = run(command, folder)
            found.append(outcome)
            if isinstance(outcome, Failed):
                failures[command] = outcome
            word = "failed" if isinstance(outcome, Failed) else "done"
            took = f"{time.monotonic() - since:.0f} s"
            tell(f"round {number + 1}/{rounds}: {shlex.join(command)}: {word}, {took}")
    verdicts = [judge(floor, outcomes[floor.command]) for floor in floors]
    return Report(verdicts, failures, rounds, (begun, os.getloadavg()[0]))


# ---- showing ---------------------------------------------------------------------------


def machine() -> dict[str, object]:
    """What the ratios were measured on. memory: GiB."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    libraries = {name: _version(name) for name in ("torch", "ray")}
    return {"cores": cores, "memory_gib": round(memory, 1), "python": platform.python_version(),
            **libraries}  # fmt: skip


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def table(report: Report) -> str:
    """What people read."""
    lines = [("benchmark", "ratio", "bound", "verdict"), *map(_line, report.verdicts)]
    widths = [max(len(line[i]) for line in lines) for i in range(3)]
    shown = [
        "  ".join([*(c.ljust(w) for c, w in zip(line, widths, strict=False)), line[3]])
        for line in lines
    ]
    for command, failed in report.failures.items():
        shown += ["", f"{shlex.join(command)}: {failed.why}"]
        shown += [f"    {line}" for line in failed.stderr.splitlines()]
    if not report.verdicts:
        shown.append(f"{NOT_JUDGED}: there are no entries")
    return "\n".join([*shown, "", _surroundings(report)])


def _line(verdict: Verdict) -> tuple[str, str, str, str]:
    floor, values = verdict.floor, verdict.values
    ratio = "-"
    if values:
        ratio = f"{verdict.value:.3f} ({min(values):.3f} to {max(values):.3f})"
    bound = f"{floor.kind.replace('_', ' ')} {floor.bound:g}"
    return floor.name, ratio, bound, f"{verdict.word}{verdict.why and ': '}{verdict.why}"


def _surroundings(report: Report) -> str:
    here = machine()
    rounds = f"medians of {report.rounds} rounds (least to greatest)"
    rounds = "one round" if report.rounds == 1 else rounds
    busy = report.load[0] > float(str(here["cores"]))
    return (
        f"{here['cores']} cores, {here['memory_gib']} GiB, Python {here['python']}, torch "
        f"{here['torch']}, Ray {here['ray']}; load {report.load[0]:.1f} at the start, "
        f"{report.load[1]:.1f} at the end; {rounds}"
        + ("\nThe machine was busy before: ratios of wall time say little." if busy else "")
    )


def document(report: Report) -> dict[str, object]:
    """What programs read."""
    entries = [
        {
            "name": v.floor.name,
            "command": v.floor.command,
            "ratio": v.floor.ratio,
            v.floor.kind: v.floor.bound,
            "value": v.value,
            "values": v.values,
            "verdict": v.word,
            "why": v.why,
        }
        for v in report.verdicts
    ]
    return {"ok": report.ok, "entries": entries, "rounds": report.rounds, "machine": machine(),
            "load": report.load}  # fmt: skip


def main(words: Sequence[str] | None = None, folder: Path = HERE) -> int:
    """The exit code: see the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="of entries; else all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="one line of JSON, not the table")
    asked = parser.parse_args(words)
    if asked.rounds < 1:
        parser.error(f"--rounds is {asked.rounds}; give at least 1")
    try:
        floors = chosen(read(folder / FILE), asked.only)
    except FloorsError as error:
        print(error, file=sys.stderr)
        return 2
    report = measure(floors, folder, asked.rounds, lambda text: print(text, file=sys.stderr))
    print(json.dumps(document(report)) if asked.json else table(report))
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
