"""Promises that every row must keep, checked on narrow columns batch by batch.

Each check is two masks over flat columns: the rows that it speaks of, and which of them are
bad. It keeps how many there are and where the first bad one stands. A shard without the columns
makes a check "not checked", and a version without such rows "not judged": neither is passed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from augment.audit.facts import Facts
from augment.audit.findings import Check, Finding, not_judged
from augment.sample import GENERATED_ORIGINS, DigitalSourceType, Origin

Mask = Callable[[Facts], Any]  # -> pa.BooleanArray, a value for each row


@dataclass(frozen=True)
class RowCheck:
    """name; asks: what must hold of every row; rows: what the rows are that it speaks of, and
    `of` which they are; fault: what is said of bad ones, and `bad` which those are among them;
    needs: columns without which it cannot be looked at."""

    name: str
    asks: str
    rows: str
    of: Mask
    fault: str
    bad: Mask
    needs: tuple[str, ...]


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
            elif n := self._seen[check.name]:
                checks.append(Check(check.name, True, f"{check.asks}: {n} {check.rows}"))
            else:
                checks.append(not_judged(check.name, check.asks, f"there are no {check.rows}"))
        return checks, findings

    def _note(self, check: RowCheck, facts: Facts) -> None:
        spoken_of = pc.fill_null(check.of(facts), True)
        self._seen[check.name] += pc.sum(spoken_of).as_py() or 0
        bad = pc.fill_null(_and(spoken_of, check.bad(facts)), True)
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


def _every(facts: Facts) -> Any:
    return pa.chunked_array([pa.repeat(True, facts.rows.num_rows)])


def _generated(facts: Facts) -> Any:
    return facts.rows["generated"]


def _by_one_generator(facts: Facts) -> Any:
    """Generated rows that have one generator; a composite has several and names none."""
    return _and(_generated(facts), pc.invert(_is(facts, Origin.COMPOSITE)))


def _by_one_model(facts: Facts) -> Any:
    """Of these, those that no procedural generator made."""
    procedural = pc.equal(
        pc.fill_null(facts.rows["digital_source_type"], ""),
        DigitalSourceType.ALGORITHMIC_MEDIA.value,
    )
    return _and(_by_one_generator(facts), pc.invert(procedural))


def _derived(facts: Facts) -> Any:
    """Rows that were made from images."""
    derived = _is(facts, Origin.AUGMENTED, Origin.TRANSLATED, Origin.COMPOSITE)
    copied = _and(_generated(facts), pc.greater(facts.rows["transforms"], 0))
    return pc.or_(derived, copied)


def _real(facts: Facts) -> Any:
    return _is(facts, Origin.REAL)


def _lacks(column: str) -> Mask:
    """Rows whose text is empty or missing."""
    return lambda facts: _empty(facts, column)


def _none(column: str) -> Mask:
    """Rows whose list is empty."""
    return lambda facts: pc.equal(facts.rows[column], 0)


def _wrong_origin(facts: Facts) -> Any:
    generated = _generated(facts)
    made = _and(_is(facts, *GENERATED_ORIGINS), generated)
    other = _and(_is(facts, Origin.REAL, Origin.AUGMENTED), pc.invert(generated))
    return pc.invert(pc.or_(pc.or_(made, other), _is(facts, Origin.COMPOSITE)))


def _wrong_label(facts: Facts) -> Any:
    names = pa.array(facts.classes, pa.string())
    place = pc.index_in(facts.rows["label_name"], value_set=names)
    return pc.not_equal(place.cast(pa.int64()), facts.rows["label"].cast(pa.int64()))


def _protected(protected: Mapping[str, frozenset[str]]) -> RowCheck:
    def guarded(facts: Facts) -> Any:
        job, split = facts.rows["job_id"], facts.rows["split"]
        found = pa.chunked_array([pa.repeat(False, facts.rows.num_rows)])
        for name, splits in protected.items():
            within = pc.is_in(split, value_set=pa.array(sorted(splits), pa.string()))
            found = pc.or_(found, _and(pc.equal(job, name), within))
        return found

    return RowCheck(
        "protected",
        "protected splits hold untouched real rows only",
        "rows of protected splits",
        guarded,
        "of protected splits are not untouched real images",
        lambda facts: pc.invert(_real(facts)),
        ("job_id",),
    )


_CHECKS = (
    RowCheck(
        "origin",
        "origin and generated agree",
        "rows",
        _every,
        "have an origin that is unknown or does not fit `generated`",
        _wrong_origin,
        ("origin", "generated"),
    ),
    RowCheck(
        "label",
        "label is the place of label_name in the class list",
        "rows",
        _every,
        "have a label that is not the place of their class in the class list",
        _wrong_label,
        ("label", "label_name", "classes"),
    ),
    RowCheck(
        "generator",
        "every generated row names its generator",
        "generated rows",
        _by_one_generator,
        "are generated and name no generator",
        _lacks("generator"),
        ("generator",),
    ),
    RowCheck(
        "checkpoint",
        "every generated row names its checkpoint, unless it is procedural",
        "rows that a model generated",
        _by_one_model,
        "are generated by a model and name no checkpoint",
        _lacks("checkpoint"),
        ("checkpoint", "digital_source_type"),
    ),
    RowCheck(
        "parents",
        "every row made from images names its parents",
        "rows made from images",
        _derived,
        "are made from images and name no parent",
        _none("parents"),
        ("parents", "transforms"),
    ),
    RowCheck(
        "marks",
        "every generated row lists its marks",
        "generated rows",
        _generated,
        "are generated and list no mark",
        _none("marks"),
        ("marks",),
    ),
    RowCheck(
        "source",
        "every untouched real row names its source",
        "untouched real rows",
        _real,
        "are real and name no source",
        _lacks("source"),
        ("source",),
    ),
)
