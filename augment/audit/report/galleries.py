"""Pictures of what a finding is about: made rows of the group that it names, beside real ones.

A collapsed class shows rows of the lowest rank, which is a seeded draw; wrong labels show the rows
that show least of their class. Pictures have a budget of their own, so that many findings leave
room for the rest of the page.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from augment.audit.picks import Part, Pick, Shown, lowest
from augment.audit.report.blocks import Picture, Strips
from augment.audit.table import DataSet

Json = Mapping[str, Any]
CHECKS = ("collapse", "labels")
MOST = 12
"""Galleries, those of findings that fail first. Findings of one check and group have one."""
EACH = 8
"""Pictures of either side of one."""
BUDGET = 200_000
"""Bytes of all of them together."""


class Galleries:
    """What is to be read for the galleries of a report, and the galleries once it was read."""

    def __init__(self, data: DataSet, report: Json) -> None:
        """Raises: StorageError where a shard cannot be read."""
        order = sorted(range(len(report["findings"])), key=lambda n: report["findings"][n]["warns"])
        some = ((n, report["findings"][n]) for n in order)
        first: dict[tuple[str, Part], int] = {}
        for n, one in some:
            if one["check"] in CHECKS and one.get("group"):
                first.setdefault((one["check"], _part(one["group"])), n)
        self._groups = {n: part for (_, part), n in itertools.islice(first.items(), MOST)}
        self._doubts = {
            n: [one for one in report["quality"]["quarantine"] if _is_of(one, group)][:EACH]
            for n, group in self._groups.items() if report["findings"][n]["check"] == "labels"
        }  # fmt: skip
        self._picks = lowest(data, {part for n in self._groups for part in self._parts(n)}, EACH)

    @property
    def ids(self) -> set[str]:
        """Samples of which a picture is shown by their id."""
        return {one["sample_id"] for some in self._doubts.values() for one in some}

    @property
    def picks(self) -> set[Pick]:
        """Rows that a draw gave."""
        return {pick for some in self._picks.values() for pick in some}

    def shown(
        self,
        by_id: Mapping[str, Shown],
        by_pick: Mapping[Pick, Shown],
        picture: Callable[[Shown, str], Picture],
        budget: int = BUDGET,
    ) -> dict[int, Strips]:
        """Number of a finding -> (caption, pictures) of the made rows and of the real ones. As many
        pictures of each as fit in the budget together; without room for one there are none.

        by_id: rows of `ids`, those that the data set has. by_pick: those of `picks`.
        """
        whole = {n: tuple(self._of(n, by_id, by_pick, picture)) for n in self._groups}
        for most in range(EACH, 0, -1):
            some = {n: tuple((title, pictures[:most]) for title, pictures in strips)
                    for n, strips in whole.items() if strips}  # fmt: skip
            every = [one for strips in some.values() for _, pictures in strips for one in pictures]
            if sum(len(one.image or b"") for one in every) <= budget:
                return some
        return {}

    def _parts(self, n: int) -> Iterator[Part]:
        """What is drawn: the group's own rows where none is doubtful, real ones of its class in its
        split, and in any."""
        split, name, maker = self._groups[n]
        if not self._doubts.get(n):
            yield split, name, maker
        if name is not None:
            yield split, name, None
            yield None, name, None

    def _of(
        self,
        n: int,
        by_id: Mapping[str, Shown],
        by_pick: Mapping[Pick, Shown],
        picture: Callable[[Shown, str], Picture],
    ) -> Iterator[tuple[str, tuple[Picture, ...]]]:
        split, name, maker = self._groups[n]
        doubts = [one for one in self._doubts.get(n, ()) if one["sample_id"] in by_id]
        if doubts:
            yield "what shows least of its class, with the probability of that", tuple(
                picture(by_id[one["sample_id"]],
                        f"{one['class']}, named {one['shows']} ({one['probability']:.2f})")
                for one in doubts
            )  # fmt: skip
        elif made := self._drawn((split, name, maker), by_pick, picture):
            yield "a seeded draw of its rows", made
        here = self._drawn((split, name, None), by_pick, picture)
        if real := here or self._drawn((None, name, None), by_pick, picture):
            yield f"real images of the class{'' if here else ', of another split'}", real

    def _drawn(
        self, part: Part, by_pick: Mapping[Pick, Shown], picture: Callable[[Shown, str], Picture]
    ) -> tuple[Picture, ...]:
        return tuple(picture(by_pick[one], "") for one in self._picks.get(part, ()))


def _part(group: Json) -> Part:
    return group["split"], group["class"], group["maker"]


def _is_of(doubt: Json, part: Part) -> bool:
    split, name, maker = part
    return (doubt["split"], doubt["maker"]) == (split, maker) and name in (None, doubt["class"])
