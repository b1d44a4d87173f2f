"""The plan: whole-number quotas by cell, what generators draw, what is copied, how it came
about. Frozen values with an exact JSON form whose size follows cells, never samples.

Knows nothing of how the quotas were found (`rules`, `make`) and holds no time of day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

from augment.intervals import Intervals
from augment.plan.quotas import spread
from augment.sample import Origin

PLAN_VERSION = 1

REAL = "real"
AUGMENTED = "augmented"
_GENERATOR = "generator:"


@dataclass(frozen=True)
class GeneratorFacts:
    """What planning knows of a generator.

    name: the job's name for it. identity, sampling_digest: enter its samples' ids.
    universe: 64 hex digits of (seed, identity, sampling). classes: those it can make.
    image_bytes: expected encoded bytes of one image. takes_image: whether it makes samples
    from images; takes_mask: and masks. varies: whether two samples of one image differ.
    capacity: of such a one, class -> samples that its images can give (None: without end).
    origin: of its rows.
    """

    name: str
    identity: str
    universe: str
    family: str
    classes: tuple[str, ...]
    image_bytes: int
    sampling_digest: str
    takes_image: bool = False
    takes_mask: bool = False
    varies: bool = True
    capacity: Mapping[str, int] | None = None
    origin: Origin = Origin.SYNTHETIC

    def room(self, label: str, drawn: int) -> int | None:
        """Samples of the class that it can make beside `drawn` ones; None: any number."""
        return None if self.capacity is None else max(0, self.capacity.get(label, 0) - drawn)


@dataclass(frozen=True)
class CensusFacts:
    """What planning knows of the real data, caps of the sources already applied.

    classes: position = label id. counts: split -> class -> source -> rows.
    image_bytes: mean encoded bytes of one image.
    """

    classes: tuple[str, ...]
    counts: Mapping[str, Mapping[str, Mapping[str, int]]]
    image_bytes: float


@dataclass(frozen=True)
class Cell:
    """Rows of one kind in one class of one split; n > 0. Exactly one of source (real) and
    generator / augmentation says what made them: a copy of a real row has only
    `augmentation`, a copy of a generated row has both and keeps its parent's origin."""

    split: str
    label_name: str
    origin: Origin
    source: str | None
    generator: str | None
    augmentation: str | None
    n: int


@dataclass(frozen=True)
class Draw:
    """n samples of a generator's class for one split: the n lowest accepted indexes that no
    earlier draw of the plan takes; with `exact` those very indexes (n = len(exact))."""

    generator: str
    label_name: str
    split: str
    n: int
    exact: Intervals | None = None


@dataclass(frozen=True)
class Copies:
    """`total` classical copies of the parents of a class in a split. Parents stand in order:
    `real` untouched real rows by rank, then each generator's rows by rank, generators by
    name; the parent at position p of P gets total // P + (p < total % P) copies."""

    augmentation: str
    split: str
    label_name: str
    real: int
    generators: tuple[tuple[str, int], ...]
    total: int

    @property
    def parents(self) -> int:
        return self.real + sum(n for _, n in self.generators)

    def groups(self) -> list[tuple[str | None, int, int]]:
        """(generator, its parents, their copies), in the order of parents; None: real ones."""
        names = [None, *(name for name, _ in self.generators)]
        sizes = [self.real, *(n for _, n in self.generators)]
        return list(zip(names, sizes, spread(self.total, sizes), strict=True))


@dataclass(frozen=True)
class Capped:
    """A class for which a rule wanted more rows than its caps allow."""

    rule: str
    split: str
    label_name: str
    wanted: int
    planned: int


class Count(NamedTuple):
    """kind: "real", "augmented" (copies of real rows) or `generator_kind(name)` (made by
    that generator, or a copy of such a row)."""

    split: str
    label_name: str
    kind: str
    n: int


def generator_kind(name: str) -> str:
    """The `Count.kind` of what the generator `name` made; never "real" or "augmented"."""
    return _GENERATOR + name


def generator_of(kind: str) -> str | None:
    """The generator that a `Count.kind` names, if any."""
    return kind.removeprefix(_GENERATOR) if kind.startswith(_GENERATOR) else None


@dataclass(frozen=True)
class Step:
    """What one rule added, and all rows after it. The first step is the sources."""

    rule: str
    added: tuple[Count, ...]
    counts: tuple[Count, ...]


@dataclass(frozen=True)
class PlannedGenerator:
    """A generator that the plan draws from: enough to name its samples.

    origin: of its rows. capacity: class -> samples that its images can give, None for one
    that takes no image.
    """

    name: str
    family: str
    identity: str
    sampling_digest: str
    universe: str
    image_bytes: int
    origin: Origin = Origin.SYNTHETIC
    capacity: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Plan:
    """What a job will make. `draws` are in the order in which they take indexes.

    digest: of the request. units: data-set units per split. expected_bytes: per split, from
    mean image sizes. max_attempts: indexes that may be looked at per wanted sample.
    """

    name: str
    digest: str
    seed: int
    classes: tuple[str, ...]
    max_attempts: int
    generators: tuple[PlannedGenerator, ...]
    cells: tuple[Cell, ...]
    draws: tuple[Draw, ...]
    copies: tuple[Copies, ...]
    steps: tuple[Step, ...]
    capped: tuple[Capped, ...]
    units: Mapping[str, int]
    expected_bytes: Mapping[str, int]

    def rows(self, split: str | None = None) -> int:
        """Rows of a split, or of all."""
        return sum(c.n for c in self.cells if split is None or c.split == split)

    def generator(self, name: str) -> PlannedGenerator:
        """The generator called `name` in the job."""
        return next(g for g in self.generators if g.name == name)

    def to_json(self) -> dict[str, Any]:
        """A JSON value from which `from_json` makes an equal plan."""
        return {
            "plan_version": PLAN_VERSION,
            "name": self.name,
            "digest": self.digest,
            "seed": self.seed,
            "classes": list(self.classes),
            "max_attempts": self.max_attempts,
            "generators": [asdict(g) for g in self.generators],
            "cells": [_values(c) for c in self.cells],
            "draws": [_draw_json(d) for d in self.draws],
            "copies": [_values(c) for c in self.copies],
            "steps": [[s.rule, [list(c) for c in s.added]] for s in self.steps],
            "capped": [_values(c) for c in self.capped],
            "units": dict(self.units),
            "expected_bytes": dict(self.expected_bytes),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Plan:
        """The plan that `to_json` wrote.

        Raises:
            ValueError: another version wrote it. KeyError, TypeError: it is no plan.
        """
        if document["plan_version"] != PLAN_VERSION:
            raise ValueError(
                f"plan_version is {document['plan_version']!r}; expected {PLAN_VERSION}: it was "
                "written by another version of augment"
            )
        return cls(
            name=document["name"],
            digest=document["digest"],
            seed=document["seed"],
            classes=tuple(document["classes"]),
            max_attempts=document["max_attempts"],
            generators=tuple(_generator(g) for g in document["generators"]),
            cells=tuple(_cell(c) for c in document["cells"]),
            draws=tuple(_draw(d) for d in document["draws"]),
            copies=tuple(_copies(c) for c in document["copies"]),
            steps=replay_steps(
                [(rule, [Count(*c) for c in added]) for rule, added in document["steps"]]
            ),
            capped=tuple(Capped(*c) for c in document["capped"]),
            units=dict(document["units"]),
            expected_bytes=dict(document["expected_bytes"]),
        )


def replay_steps(added: list[tuple[str, list[Count]]]) -> tuple[Step, ...]:
    """Steps with their running counts, from what each rule added; counts stand in the
    order in which their (split, class, kind) first appear."""
    counts: dict[tuple[str, str, str], int] = {}
    steps = []
    for rule, more in added:
        for split, label, kind, n in more:
            counts[split, label, kind] = counts.get((split, label, kind), 0) + n
        steps.append(Step(rule, tuple(more), tuple(Count(*key, n) for key, n in counts.items())))
    return tuple(steps)


def _values(value: Any) -> list[Any]:
    return [getattr(value, f.name) for f in fields(value)]


def _draw_json(draw: Draw) -> list[Any]:
    exact = None if draw.exact is None else draw.exact.to_json()
    return [draw.generator, draw.label_name, draw.split, draw.n, exact]


def _draw(values: list[Any]) -> Draw:
    generator, label, split, n, exact = values
    indexes = None if exact is None else Intervals([(a, b) for a, b in exact])
    return Draw(generator, label, split, n, indexes)


def _generator(values: Mapping[str, Any]) -> PlannedGenerator:
    return PlannedGenerator(**{**values, "origin": Origin(values["origin"])})


def _cell(values: list[Any]) -> Cell:
    split, label, origin, source, generator, augmentation, n = values
    return Cell(split, label, Origin(origin), source, generator, augmentation, n)


def _copies(values: list[Any]) -> Copies:
    augmentation, split, label, real, generators, total = values
    pairs = tuple((name, n) for name, n in generators)
    return Copies(augmentation, split, label, real, pairs, total)
