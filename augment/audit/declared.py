"""What images say in their own files of where they come from, and what nothing says.

    machine      a mark says that a machine made the image, wholly or in part (`codec.CLAIMS`)
    otherwise    a mark names another origin, as a capture or a human's edits
    undeclared   the row is generated, and its file does not say so
    unknown      neither the row nor the file says where the image comes from
    silent       the row says that the image is real, or a copy of one, and the file says nothing

A file is believed, not verified, and marks are easily lost: nothing follows from silence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from augment.audit.facts import Facts, named
from augment.audit.findings import Check, Finding, not_judged
from augment.tables import few

MACHINE, OTHERWISE, UNDECLARED, UNKNOWN, SILENT = KINDS = (
    "machine", "otherwise", "undeclared", "unknown", "silent",
)  # fmt: skip
_NAME = "declared"
_ASKS = "every generated image says in its file that a machine made it"
_MOST_MARKS = 8
_TEXTS = {
    MACHINE: "say that a machine made them",
    OTHERWISE: "name another origin",
    UNDECLARED: "are generated and do not say so",
    UNKNOWN: "say nothing, and no row says where they come from; they count as real here",
    SILENT: "say nothing; their rows call them real, or copies of real ones",
}
TITLES = {
    MACHINE: "machine-made, declared",
    OTHERWISE: "another origin, declared",
    UNDECLARED: "generated, undeclared",
    UNKNOWN: "unknown",
    SILENT: "real by its row, silent",
}
"""Of columns of a table."""
_NO_ORIGIN = ("c2pa", "xmp:other", "c2pa:other")
"""Marks that name no origin."""


@dataclass(frozen=True)
class Declared:
    """Rows by what declares their origin. splits: split -> `KINDS` -> rows. marks: mark -> rows
    that hold it, most first."""

    splits: Mapping[str, Mapping[str, int]]
    marks: Mapping[str, int]

    def total(self, kind: str) -> int:
        """Rows of one of `KINDS`, in all splits."""
        return sum(counts.get(kind, 0) for counts in self.splits.values())

    @property
    def rows(self) -> int:
        """All of them."""
        return sum(sum(counts.values()) for counts in self.splits.values())

    def lines(self) -> list[str]:
        """What a person is told: one line for each kind that has rows; nothing where files need
        not say anything, as of rows that all say that they are real."""
        told = [(kind, self.total(kind)) for kind in KINDS]
        if self.total(SILENT) == self.rows:
            return []
        lines = [f"  {n} {_TEXTS[kind]}" for kind, n in told if n]
        if self.marks:
            named = few([f"{mark} {n}" for mark, n in self.marks.items()], _MOST_MARKS)
            lines.append(f"  marks: {named}")
        return [f"origin of the images, as their files declare it: {self.rows} rows", *lines]

    def to_json(self) -> dict[str, Any]:
        return {
            **{kind: self.total(kind) for kind in KINDS},
            "splits": {
                split: {kind: counts.get(kind, 0) for kind in KINDS}
                for split, counts in self.splits.items()
            },
            "marks": dict(self.marks),
        }


@dataclass
class Origins:
    """Counts over batches. looked: whether marks of some rows were read from their images. asked:
    rows that are generated, as they say themselves."""

    splits: dict[str, Counter[str]] = field(default_factory=dict)
    marks: Counter[str] = field(default_factory=Counter)
    looked: bool = False
    asked: int = 0
    skipped: str = ""
    first: str = ""

    def add(self, facts: Facts) -> None:
        """Look at a batch."""
        if facts.lacks(["marks"], seen=True):
            self.skipped = f"shard {facts.shard} has neither marks nor images"
            return
        self.looked = self.looked or "marks" in facts.seen
        rows = facts.rows
        if _told(facts):
            self.asked += pc.sum(rows["generated"]).as_py() or 0
        for mark, n in _counts(pc.list_flatten(rows["said"])).items():
            self.marks[str(mark)] += n
        kinds = _kinds(facts)
        pairs = pa.table({"split": rows["split"], "kind": kinds}).group_by(["split", "kind"])
        for line in pairs.aggregate([([], "count_all")]).to_pylist():
            self.splits.setdefault(line["split"], Counter())[line["kind"]] += line["count_all"]
        if not self.first and (at := pc.index(kinds, UNDECLARED).as_py()) >= 0:
            self.first = named(rows, at, facts.shard)

    def results(self) -> tuple[Declared | None, list[Check], list[Finding]]:
        """None where some rows' marks are not known. A warning where generated images do not say
        what they are. Nothing is asked of rows that list their marks: the check `marks` does."""
        if self.skipped:
            return None, [Check(_NAME, None, f"{_ASKS}: not checked, {self.skipped}")], []
        splits = {split: dict(counts) for split, counts in sorted(self.splits.items())}
        found = Declared(splits, dict(sorted(self.marks.items(), key=lambda m: (-m[1], m[0]))))
        if not self.looked:
            return found, [], []
        bad = found.total(UNDECLARED)
        if bad:
            text = (
                f"{bad} generated images do not say in their files what they are; the first: "
                f"{self.first}. Who gets such a file alone cannot know: mark them before they "
                "leave (IPTC DigitalSourceType in XMP, or C2PA)"
            )
            return (
                found,
                [Check(_NAME, False, f"{_ASKS}: not so for {bad}")],
                [Finding(_NAME, text, bad, warns=True)],
            )
        if not self.asked:
            return found, [not_judged(_NAME, _ASKS, _nothing(found))], []
        return found, [Check(_NAME, True, f"{_ASKS}: {self.asked} rows")], []


def _nothing(found: Declared) -> str:
    if found.total(UNKNOWN):
        return "no row says where its image comes from"
    return "there are no generated rows"


def _kinds(facts: Facts) -> pa.ChunkedArray:
    """Of `KINDS`, for each row."""
    rows = facts.rows
    told = _told(facts)
    otherwise = _any(rows["said"])
    generated = rows["generated"] if told else pa.repeat(False, rows.num_rows)
    return pc.case_when(
        pc.make_struct(rows["claims"], generated, otherwise),
        MACHINE,
        UNDECLARED,
        OTHERWISE,
        SILENT if told else UNKNOWN,
    )


def _told(facts: Facts) -> bool:
    """Whether the rows themselves say where they come from."""
    return len(facts.lacks(["origin", "generated"])) < 2


def _any(said: pa.ChunkedArray) -> pa.Array:
    """Whether a mark names an origin."""
    names = pc.invert(pc.is_in(pc.list_flatten(said), value_set=pa.array(_NO_ORIGIN)))
    rows = pc.list_parent_indices(said).filter(names)
    return pc.is_in(pa.array(range(len(said)), rows.type), value_set=rows)


def _counts(values: pa.ChunkedArray) -> dict[Any, int]:
    return {pair["values"]: pair["counts"] for pair in pc.value_counts(values).to_pylist()}
