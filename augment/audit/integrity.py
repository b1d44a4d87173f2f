"""Promises that every row must keep, checked on narrow columns batch by batch.

Each check is a mask of bad rows over flat columns; it keeps how many there are and where
the first one stands. A shard without the columns makes a check "not checked", not passed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from augment.audit.facts import Facts
from augment.audit.findings import Check, Finding
from augment.sample import GENERATED_ORIGINS, DigitalSourceType, Origin

Mask = Callable[[Facts], Any]  # -> pa.BooleanArray, true for bad rows


@dataclass(frozen=True)
class RowCheck:
    """name; asks: what must hold of every row; fault: what is said of bad rows; needs:
    columns without which it cannot be looked at."""

    name: str
    asks: str
    fault: str
    needs: tuple[str, ...]
    bad: Mask


class RowChecks:
    """Runs the checks over batches and remembers the first bad row of each.

    protected: job id -> splits that hold untouched real rows only; {}: not known.
    """

    def __init__(self, protected: Mapping[str, frozenset[str]]) -> None:
        self._checks = (*_CHECKS, _protected(protected))
        self._seen = dict.fromkeys((check.name for check in self._checks), 0)
        self._bad: dict[str, tuple[int, str]] = {}
        self._skipped: dict[str, str] = {}
        if not protected:
            self._skipped["protected"] = "no job.json in _provenance/ names protected splits"

    def add(self, facts: Facts) -> None:
        """Check a batch."""
        for check in self._checks:
            if check.name in self._skipped:
                continue
            if lacking := facts.lacks(check.needs):
                self._skipped[check.name] = f"shard {facts.shard} has no {', '.join(lacking)}"
                continue
            self._seen[check.name] += facts.rows.num_rows
            self._note(check, facts)

    def results(self) -> tuple[list[Check], list[Finding]]:
        """All checks, and a finding for each that failed."""
        checks, findings = [], []
        for check in self._checks:
            n, first = self._bad.get(check.name, (0, ""))
            if n:
                text = f"{n} rows {check.fault}; the first: {first}"
                findings.append(Finding(check.name, text, n))
                checks.append(Check(check.name, False, f"{check.asks}: not so for {n} rows"))
            elif check.name in self._skipped:
                reason = self._skipped[check.name]
                checks.append(Check(check.name, None, f"{check.asks}: not checked, {reason}"))
            else:
                said = f"{check.asks}: {self._seen[check.name]} rows"
                checks.append(Check(check.name, True, said))
        return checks, findings

    def _note(self, check: RowCheck, facts: Facts) -> None:
        bad = pc.fill_null(check.bad(facts), True)
        n = pc.sum(bad).as_py() or 0
        if not n:
            return
        before, first = self._bad.get(check.name, (0, ""))
        self._bad[check.name] = (before + n, first or _first(facts, bad))


def _first(facts: Facts, bad: pa.ChunkedArray) -> str:
    row = facts.rows.slice(pc.index(bad, True).as_py(), 1).to_pylist()[0]
    sample = f"sample {row['sample_id']} in " if row.get("sample_id") else ""
    return (
        f"{sample}shard {facts.shard} (split {row['split']}, class {row['label_name']!r}, "
        f"{row['origin']}{', generated' if row['generated'] else ''}, label {row.get('label')})"
    )


def _empty(facts: Facts, name: str) -> Any:
    return pc.equal(pc.fill_null(facts.rows[name], ""), "")


def _is(facts: Facts, *origins: Origin) -> Any:
    return pc.is_in(facts.rows["origin"], value_set=pa.array([o.value for o in origins]))


def _and(*masks: Any) -> Any:
    out = masks[0]
    for mask in masks[1:]:
        out = pc.and_(out, mask)
    return out


def _by_one_generator(facts: Facts) -> Any:
    """Generated rows that have one generator; a composite has several and names none."""
    return _and(facts.rows["generated"], pc.invert(_is(facts, Origin.COMPOSITE)))


def _no_generator(facts: Facts) -> Any:
    return _and(_by_one_generator(facts), _empty(facts, "generator"))


def _no_checkpoint(facts: Facts) -> Any:
    procedural = pc.equal(
        pc.fill_null(facts.rows["digital_source_type"], ""),
        DigitalSourceType.ALGORITHMIC_MEDIA.value,
    )
    return _and(_by_one_generator(facts), pc.invert(procedural), _empty(facts, "checkpoint"))


def _no_parents(facts: Facts) -> Any:
    derived = _is(facts, Origin.AUGMENTED, Origin.TRANSLATED, Origin.COMPOSITE)
    copied = _and(facts.rows["generated"], pc.greater(facts.rows["transforms"], 0))
    return _and(pc.or_(derived, copied), pc.equal(facts.rows["parents"], 0))


def _no_marks(facts: Facts) -> Any:
    return _and(facts.rows["generated"], pc.equal(facts.rows["marks"], 0))


def _no_source(facts: Facts) -> Any:
    return _and(_is(facts, Origin.REAL), _empty(facts, "source"))


def _wrong_origin(facts: Facts) -> Any:
    generated = facts.rows["generated"]
    made = _and(_is(facts, *GENERATED_ORIGINS), generated)
    other = _and(_is(facts, Origin.REAL, Origin.AUGMENTED), pc.invert(generated))
    return pc.invert(pc.or_(pc.or_(made, other), _is(facts, Origin.COMPOSITE)))


def _wrong_label(facts: Facts) -> Any:
    names = pa.array(facts.classes, pa.string())
    place = pc.index_in(facts.rows["label_name"], value_set=names)
    return pc.not_equal(place.cast(pa.int64()), facts.rows["label"].cast(pa.int64()))


def _protected(protected: Mapping[str, frozenset[str]]) -> RowCheck:
    def bad(facts: Facts) -> Any:
        job, split = facts.rows["job_id"], facts.rows["split"]
        guarded = pa.chunked_array([pa.repeat(False, facts.rows.num_rows)])
        for name, splits in protected.items():
            within = pc.is_in(split, value_set=pa.array(sorted(splits), pa.string()))
            guarded = pc.or_(guarded, _and(pc.equal(job, name), within))
        return _and(guarded, pc.invert(_is(facts, Origin.REAL)))

    return RowCheck(
        "protected",
        "protected splits hold untouched real rows only",
        "of protected splits are not untouched real images",
        ("job_id",),
        bad,
    )


_CHECKS = (
    RowCheck(
        "origin",
        "origin and generated agree",
        "have an origin that is unknown or does not fit `generated`",
        ("origin", "generated"),
        _wrong_origin,
    ),
    RowCheck(
        "label",
        "label is the place of label_name in the class list",
        "have a label that is not the place of their class in the class list",
        ("label", "label_name", "classes"),
        _wrong_label,
    ),
    RowCheck(
        "generator",
        "every generated row names its generator",
        "are generated and name no generator",
        ("generator",),
        _no_generator,
    ),
    RowCheck(
        "checkpoint",
        "every generated row names its checkpoint, unless it is procedural",
        "are generated by a model and name no checkpoint",
        ("checkpoint", "digital_source_type"),
        _no_checkpoint,
    ),
    RowCheck(
        "parents",
        "every row made from images names its parents",
        "are made from images and name no parent",
        ("parents", "transforms"),
        _no_parents,
    ),
    RowCheck(
        "marks",
        "every generated row lists its marks",
        "are generated and list no mark",
        ("marks",),
        _no_marks,
    ),
    RowCheck(
        "source",
        "every untouched real row names its source",
        "are real and name no source",
        ("source",),
        _no_source,
    ),
)
