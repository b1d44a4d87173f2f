"""Sets of indexes by class that grow piece by piece. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from augment.intervals import Interval, Intervals

ByClass = Mapping[str, Intervals]
_NONE = Intervals()


class Growing:
    """Sets of indexes by class, to which is added often and at which is looked seldom."""

    def __init__(self) -> None:
        self._sets: dict[str, Intervals] = {}
        self._new: dict[str, list[Interval]] = {}

    def add(self, label: str, spans: Iterable[Interval]) -> None:
        self._new.setdefault(label, []).extend(spans)

    def merge(self, by_class: ByClass) -> None:
        for label, found in by_class.items():
            self._sets[label] = self[label] | found

    def __getitem__(self, label: str) -> Intervals:
        if new := self._new.pop(label, None):
            self._sets[label] = self._sets.get(label, _NONE) | Intervals(new)
        return self._sets.get(label, _NONE)

    def by_class(self) -> dict[str, Intervals]:
        """Every class to which something was added, by name."""
        return {label: self[label] for label in sorted({*self._sets, *self._new})}
