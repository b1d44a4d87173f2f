"""What became of the mutants: the table, the survivors, the same as JSON, and the verdict."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.mutants.sampling import Drawn

WANTED = 0.9
"""Of the mutants that are not equal, so many must be killed."""
FATES = ("killed", "timed out", "alive", "equal")
"""`timed out` counts as killed: somebody would notice. `equal`: on the kept list, not run."""


@dataclass(frozen=True)
class Judged:
    """A mutant and its fate. tests: those that were run on it. reason: of an equal one."""

    drawn: Drawn
    fate: str
    tests: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Report:
    """asked: mutants of the sample; fewer were judged where the time was over. refused: why
    nothing is judged, or ""."""

    asked: int
    seed: int
    judged: tuple[Judged, ...] = ()
    refused: str = ""

    def count(self, *fates: str) -> int:
        return sum(one.fate in fates for one in self.judged)

    @property
    def killed(self) -> int:
        return self.count("killed", "timed out")

    @property
    def real(self) -> int:
        """Mutants that were tried."""
        return self.killed + self.count("alive")

    @property
    def verdict(self) -> str:
        """enough, too few or not judged"""
        if self.refused or not self.real:
            return "not judged"
        return "enough" if self.killed >= WANTED * self.real else "too few"


def lines_of(report: Report) -> Iterator[str]:
    """As people read it."""
    if report.judged:
        yield from _table(report.judged)
    for one in report.judged:
        if one.fate == "alive":
            yield from _survivor(one)
    if report.asked > len(report.judged) and not report.refused:
        yield f"{len(report.judged)} of {report.asked} mutants were tried in the time given"
    yield _closing(report)


def as_json(report: Report) -> str:
    """As programs read it."""
    mutants = [
        {
            "package": one.drawn.package,
            "file": one.drawn.file,
            **{k: v for k, v in dataclasses.asdict(one.drawn.mutant).items() if k != "text"},
            "fate": one.fate,
            "tests": list(one.tests),
            "reason": one.reason,
        }
        for one in report.judged
    ]
    head = {
        "verdict": report.verdict, "refused": report.refused, "seed": report.seed,
        "asked": report.asked, "killed": report.killed, "tried": report.real,
    }  # fmt: skip
    return json.dumps({**head, "mutants": mutants}, indent=2)


def _table(judged: Sequence[Judged]) -> Iterator[str]:
    counts: dict[str, Counter[str]] = {}
    for one in judged:
        counts.setdefault(one.drawn.package, Counter())[one.fate] += 1
    counts["all"] = sum(counts.values(), Counter[str]())
    wide = max(map(len, counts))
    yield f"{'':{wide}}" + "".join(f"{fate:>11}" for fate in FATES)
    for package, found in counts.items():
        yield f"{package:{wide}}" + "".join(f"{found[fate]:>11}" for fate in FATES)


def _survivor(one: Judged) -> Iterator[str]:
    mutant = one.drawn.mutant
    yield f"ALIVE {one.drawn.place}  ({mutant.operator})"
    if mutant.within != mutant.before:
        yield f"      within: {mutant.within}"
    yield f"      {mutant.before}  ->  {mutant.after or '(nothing)'}"
    yield f"      tests: {' '.join(one.tests)}"


def _closing(report: Report) -> str:
    if report.verdict == "not judged":
        return f"not judged: {report.refused or 'no mutant was tried'}"
    share = f"{report.killed} of {report.real} mutants killed ({report.killed / report.real:.0%})"
    return f"{share}, seed {report.seed}: {report.verdict}; wanted: {WANTED:.0%}"
