"""A data set by one attribute, as lines of text."""

from __future__ import annotations

from augment.audit.attributes.sliced import Slice, Sliced
from augment.audit.quality.gathering import Group
from augment.audit.quality.render import median_ratio
from augment.audit.quality.verdicts import fidelity
from augment.audit.shares import Share
from augment.escaping import name as shown
from augment.tables import fold, left_out, table

_COUNTS = ("rows", "real", "augmented", "generated", "generated share")
_QUALITY = ("fidelity", "coverage", "labels")


def attribute_lines(one: Sliced, *, everything: bool = False) -> list[str]:
    """A row for each value in each split. everything: leave none out."""
    places = [(split, each) for each in one.slices for split, share in each.shares.items()
              if share.rows]  # fmt: skip
    some, more = fold(
        places, lambda _: 0.0, lambda place: place[1].shares[place[0]].rows, everything=everything
    )
    measured = any(each.quality is not None for each in one.slices)
    head = ("split", one.attribute, *_COUNTS, *(_QUALITY if measured else ()))
    rows = [[shown(split), shown(each.value or "(none)"), *_counts(each.shares[split]),
             *(_quality(each, split) if measured else ())] for split, each in some]  # fmt: skip
    return [f"by {one.attribute}", *table(head, rows, 2), *left_out(more, "values")]


def _counts(share: Share) -> list[str]:
    numbers = (share.rows, share.real, share.augmented, share.generated)
    return [*map(str, numbers), f"{share.synthetic_share:.3f}"]


def _quality(one: Slice, split: str) -> list[str]:
    """Of all that was made of the value, in parts of what real images of the value give."""
    found = one.quality
    if found is None:
        return ["-"] * len(_QUALITY)
    groups = [g for each in found.compared if _of(g := each.group, split)]
    near = [ratio for group, ratio, _ in fidelity(found.compared) if _of(group, split)]
    cover = median_ratio(
        each for each in found.compared
        if each.group in groups and each.figure.measure == "coverage"
    )  # fmt: skip
    agree = [each.share for each in found.agreements if _of(each.group, split)]
    figures = (_worst(near), cover, _worst([-each for each in agree if each is not None]))
    return ["-" if each is None else f"{abs(each):.2f}" for each in figures]


def _of(group: Group, split: str) -> bool:
    return group.split == split and group.class_name is None and group.maker is not None


def _worst(values: list[float]) -> float | None:
    return max(values, default=None)
