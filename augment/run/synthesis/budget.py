"""Bad inputs of a run against what the job's `errors` bears: in all, and the images of a class.

Counts from records, an input once however many copies of it were lost; what a later try of a
lost row says replaces what the first one said. Knows nothing of units or how rows are made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from augment.errors import ErrorBudgetExceeded
from augment.plan import Plan
from augment.run.prepare import Frozen
from augment.sample import Origin
from augment.spec.models import Errors

_SHOWN = 5
Place = tuple[str | None, str]
"""Of an input: its source or generator, and its locator or id."""
OfClass = tuple[str, str]
"""split, class"""
Record = Mapping[str, Any]


class Budget:
    """What was lost so far."""

    def __init__(self, frozen: Frozen) -> None:
        self._spec: Errors = frozen.prepared.job.spec.errors
        self._inputs = sum(stop - start for start, stop in frozen.ranges.values())
        self._images = images_by_class(frozen.plan)
        self._drawn = {(draw.split, draw.label_name) for draw in frozen.plan.draws}
        self._rows: dict[str, Mapping[str, Any]] = {}
        self._places: Counter[Place] = Counter()
        self._bad = 0
        self._bad_images: Counter[OfClass] = Counter()

    @property
    def lost(self) -> Iterable[Mapping[str, Any]]:
        """Quarantined rows, copies among them."""
        return self._rows.values()

    def add(self, record: Record) -> None:
        """What a unit left out; `tried`: ids that an earlier one had left out."""
        for sample_id in record.get("tried", ()):
            if (row := self._rows.pop(sample_id, None)) is not None:
                self._count(row, -1)
        for row in record["quarantine"]:
            self._rows[row["sample_id"]] = row
            self._count(row, 1)

    def _count(self, row: Mapping[str, Any], n: int) -> None:
        if row["reason"] == "parent":
            return
        place = _place(row)
        before, after = self._places[place], self._places[place] + n
        self._places[place] = after
        more = (after > 0) - (before > 0)
        self._bad += more
        if row["source"]:
            self._bad_images[row["split"], row["label_name"]] += more

    # ---- in all ----------------------------------------------------------------------

    @property
    def exceeded(self) -> bool:
        """Whether more inputs are bad than the job bears in all."""
        return self._bad > self._allowed

    @property
    def _allowed(self) -> float:
        return max(self._spec.min_count, self._spec.max_share * self._inputs)

    def refusal(self) -> ErrorBudgetExceeded:
        spec = self._spec
        return ErrorBudgetExceeded(
            f"{self._bad} bad inputs of {self._inputs}; errors allows {self._allowed:g} "
            f"(min_count {spec.min_count}, max_share {spec.max_share}){self._hit()}. First: "
            f"{self._first()}. Mend them or raise `errors`, then run the same command again: it "
            "tries them again, and finished units are kept"
        )

    def _hit(self) -> str:
        """The classes that lost most, by number."""
        some = [(place, n) for place, n in self._bad_images.most_common(_SHOWN) if n > 0]
        return "; most in " + ", ".join(self._of(place, n) for place, n in some) if some else ""

    def without_inputs(self) -> list[OfClass]:
        """Classes of a split that are made from images alone, of which every one is bad."""
        return sorted(
            place
            for place, n in self._bad_images.items()
            if n and n == self._images[place] and place not in self._drawn
        )

    # ---- of each class ---------------------------------------------------------------

    def over_share(self) -> list[OfClass]:
        """Classes of a split of which more is bad than the job bears of any."""
        most, spared = self._spec.max_share_per_class, set(self._spec.allow_empty_classes)
        return sorted(
            place
            for place, n in self._bad_images.items()
            if n > most * self._images[place] and place[1] not in spared
        )

    def refusal_of(self, classes: list[OfClass]) -> ErrorBudgetExceeded:
        """classes: of `over_share`."""
        named = "; ".join(self._of(place, self._bad_images[place]) for place in classes[:_SHOWN])
        more = f"; and {len(classes) - _SHOWN} more" if len(classes) > _SHOWN else ""
        return ErrorBudgetExceeded(
            f"bad images are more than errors.max_share_per_class "
            f"{self._spec.max_share_per_class:g} of {_count(classes)}: {named}{more}; nothing was "
            f"committed. First: {self._first(set(classes))}. Mend them or raise `errors`, then "
            "run the same command again: it tries them again, and finished units are kept"
        )

    def _of(self, place: OfClass, n: int) -> str:
        split, label = place
        return f"split {split}, class {label!r}: {n} of {self._images[place]}"

    def _first(self, classes: set[OfClass] | None = None) -> str:
        rows: dict[Place, Mapping[str, Any]] = {}
        for row in self._rows.values():
            wanted = classes is None or (row["split"], row["label_name"]) in classes
            if wanted and row["reason"] != "parent" and len(rows) < _SHOWN:
                rows.setdefault(_place(row), row)
        return "; ".join(
            f"{source}: {place}: {row['reason']} ({row['detail']})"
            for (source, place), row in rows.items()
        )


def images_by_class(plan: Plan) -> Counter[OfClass]:
    """(split, class) -> planned real images."""
    found: Counter[OfClass] = Counter()
    for cell in plan.cells:
        if cell.origin is Origin.REAL:
            found[cell.split, cell.label_name] += cell.n
    return found


def _place(row: Mapping[str, Any]) -> Place:
    return row["source"] or row["generator"], row["locator"] or row["sample_id"]


def _count(classes: list[OfClass]) -> str:
    return "1 class" if len(classes) == 1 else f"{len(classes)} classes"
