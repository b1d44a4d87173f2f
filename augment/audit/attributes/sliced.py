"""A data set by one attribute: counts by value, skews, and where measured the quality by value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from augment.audit.attributes.counting import Cell, Counts
from augment.audit.attributes.skew import LEAST, Skew, skew
from augment.audit.findings import Check, Finding, counted, folded, not_judged
from augment.audit.quality import AUGMENTED, Quality
from augment.audit.quality.gathering import Group, order
from augment.audit.quality.verdicts import where
from augment.audit.shares import Share

NAME = "skew"
_ASKS = "generated rows have the attributes of real ones"
_SHOWN = 3


@dataclass(frozen=True)
class Slice:
    """The rows of one value. quality: of its made rows beside its real ones; None: not measured."""

    value: str | None
    shares: Mapping[str, Share]
    quality: Quality | None = None

    @property
    def rows(self) -> int:
        """In all splits."""
        return sum(share.rows for share in self.shares.values())

    @property
    def made(self) -> int:
        """Generated ones."""
        return sum(share.generated for share in self.shares.values())

    def to_json(self) -> dict[str, Any]:
        return {
            "value": self.value,
            "splits": {split: share.to_json() for split, share in self.shares.items()},
            "quality": None if self.quality is None else self.quality.to_json(),
        }


@dataclass(frozen=True)
class Sliced:
    """One attribute. slices: by value, rows without one last. skews: of what each generator put
    into each class of a split, and into all of them."""

    attribute: str
    slices: tuple[Slice, ...]
    skews: Mapping[Group, Skew]

    def with_quality(self, of: Mapping[str | None, Quality]) -> Sliced:
        """of: value -> what was measured of its rows."""
        slices = tuple(replace(one, quality=of.get(one.value)) for one in self.slices)
        return replace(self, slices=slices)

    def worse(self) -> list[Finding]:
        """What is wrong with the made rows of one value. It warns: with many values something is,
        by chance; what fails is judged on all rows."""
        found = []
        for one in self.slices:
            for finding in one.quality.findings if one.quality is not None else ():
                text = f"{self.attribute} {one.value or '(none)'}: {finding.text}"
                found.append(replace(finding, text=text, warns=True))
        return folded(found)

    def to_json(self) -> dict[str, Any]:
        """As in the report."""
        return {
            "attribute": self.attribute,
            "values": [one.to_json() for one in self.slices],
            "skews": [
                {**group.to_json(), **found.to_json()} for group, found in self.skews.items()
            ],
        }


def judge_attributes(
    counts: Counts, makers: Mapping[str, str], seed: int = 0
) -> tuple[tuple[Sliced, ...], list[Check], list[Finding]]:
    """Every attribute that was counted. makers: id -> name, of generators."""
    found = tuple(_sliced(name, cells, seed) for name, cells in counts.of.items())
    wrong = {one.attribute: folded(list(_skewed(one, makers))) for one in found}
    checks = [_check(found, wrong)] if found else []
    return found, checks, [finding for some in wrong.values() for finding in some]


def _sliced(name: str, cells: Counter[Cell], seed: int) -> Sliced:
    values = sorted({cell.value for cell in cells}, key=lambda v: (v is None, v or ""))
    splits = sorted({cell.split for cell in cells})
    slices = tuple(
        Slice(value, {s: _share(name, value, s, cells) for s in splits}) for value in values
    )
    groups = {
        Group(cell.split, some, cell.maker)
        for cell in cells
        if cell.maker not in (None, AUGMENTED)
        for some in (cell.class_name, None)
    }
    skews = {group: _skew(name, group, cells, seed) for group in sorted(groups, key=order)}
    return Sliced(name, slices, skews)


def _share(name: str, value: str | None, split: str, cells: Counter[Cell]) -> Share:
    counts = Counter[str]()
    for cell, n in cells.items():
        if cell.split == split and cell.value == value:
            kind = "real" if cell.maker is None else "generated"
            counts[AUGMENTED if cell.maker == AUGMENTED else kind] += n
    group = (("split", split), (name, value))
    return Share(group, counts["real"], counts[AUGMENTED], counts["generated"], None)


def _skew(name: str, group: Group, cells: Counter[Cell], seed: int) -> Skew:
    made, real = _values(cells, group), _values(cells, group._replace(maker=None))
    if sum(some.total() for some in real.values()) < LEAST:
        real = _values(cells, group._replace(maker=None), every_split=True)
    return skew(made, real, seed, f"{name}/{group.split}/{group.class_name}/{group.maker}")


def _values(
    cells: Counter[Cell], group: Group, every_split: bool = False
) -> dict[str, Counter[str]]:
    """class -> value -> rows of a group that have one."""
    found: dict[str, Counter[str]] = {}
    for cell, n in cells.items():
        mine = cell.maker == group.maker and (every_split or cell.split == group.split)
        if mine and group.class_name in (None, cell.class_name) and cell.value is not None:
            found.setdefault(cell.class_name, Counter())[cell.value] += n
    return found


def _skewed(one: Sliced, makers: Mapping[str, str]) -> Iterator[Finding]:
    for group, found in one.skews.items():
        if not found.warns:
            continue
        apart = sorted((found.values or {}).items(), key=lambda v: -abs(v[1][0] - v[1][1]))
        said = ", ".join(f"{v} {a:.2f} to {b:.2f}" for v, (a, b) in apart[:_SHOWN])
        text = (
            f"{where(group, makers)}: of {found.n} rows the shares of {one.attribute!r} are not "
            f"those of real rows ({said}; distance {found.distance:.2f}, by chance at most "
            f"{found.high:.2f}): ask for the values that are missing, or know which ones the "
            "generated part stands for"
        )
        yield Finding(NAME, text, found.n, warns=True)


def _check(found: Sequence[Sliced], wrong: Mapping[str, Sequence[Finding]]) -> Check:
    """One of all attributes: what each came to, in their order."""
    seen = [one for one in found if any(s.distance is not None for s in one.skews.values())]
    said = [_said(one, wrong[one.attribute]) for one in found]
    if not seen:
        return not_judged(NAME, _ASKS, "; ".join(said))
    return Check(NAME, not any(wrong.values()), f"{_ASKS}: {'; '.join(said)}")


def _said(one: Sliced, wrong: Sequence[Finding]) -> str:
    seen = sum(found.distance is not None for found in one.skews.values())
    if not one.skews:
        why = "there are no generated rows"
    elif not seen:
        why = f"not computed, {next(iter(one.skews.values())).why}"
    else:
        groups = counted(seen, "group", "groups")
        why = f"not so in {len(wrong)} of {groups}" if wrong else f"so in {groups}"
    return f"{one.attribute}: {why}"
