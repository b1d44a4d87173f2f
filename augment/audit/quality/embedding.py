"""A map of images: a few of every class and origin, where their features vary most.

Principal components of the features of the very images that are shown, in float64, without random
numbers; the sign of each is fixed. Distances on it are part of those in the features: the report
says which share of the variance it shows. Nothing is judged by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Any

import numpy as np

from augment.audit.quality.gathering import AUGMENTED, Gathered, Group
from augment.seeds import order_key

MOST = 600
"""Images that are shown."""
LEAST = 10
"""With fewer the directions are those of single images."""
_FIRST = "task"
_DIGITS = 4


@dataclass(frozen=True)
class Point:
    """An image. x, y: in units of the features, around the mean of those that are shown."""

    sample_id: str
    group: Group
    x: float
    y: float

    def to_json(self) -> dict[str, Any]:
        """As in the report."""
        return {"sample_id": self.sample_id, **self.group.to_json(), "x": self.x, "y": self.y}


@dataclass(frozen=True)
class Embedding:
    """shares: of the variance of the features, that each of the two directions shows. points: in an
    order whose beginning is even over classes and origins, whatever its length."""

    extractor: str
    shares: tuple[float, float]
    points: tuple[Point, ...]

    def to_json(self) -> dict[str, Any]:
        """As in the report."""
        return {
            "extractor": self.extractor,
            "shares": list(self.shares),
            "points": [one.to_json() for one in self.points],
        }


def embedded(gathered: Mapping[str, Gathered], seed: int, most: int = MOST) -> Embedding | None:
    """Made images of every class beside the real ones of their splits, at most `most`, by the
    features of `task` or else of the first extractor. gathered: extractor -> samples.

    None where nothing was made, there are fewer than `LEAST`, or all features are equal.
    """
    name = _FIRST if _FIRST in gathered else next(iter(gathered), None)
    if name is None:
        return None
    chosen = list(islice(_even(gathered[name], seed), most))
    if len(chosen) < LEAST:
        return None
    found = _principal(np.stack([vector for _, _, vector in chosen]).astype(np.float64))
    if found is None:
        return None
    places_N2, shares = found
    points = (
        Point(sample_id, group, _rounded(x), _rounded(y))
        for (sample_id, group, _), (x, y) in zip(chosen, places_N2.tolist(), strict=True)
    )
    return Embedding(name, (_rounded(shares[0]), _rounded(shares[1])), tuple(points))


_Row = tuple[str, Group, np.ndarray]


def _even(gathered: Gathered, seed: int) -> Iterator[_Row]:
    """Rows of one class and origin after the other, then again: classes in a seeded order, rows
    in that of their sample."""
    made_in = {group.split for group in gathered.makers()}
    cells: dict[str, dict[str, list[Group]]] = {}
    for group in gathered.groups():
        if group.split in made_in and group.class_name is not None:
            origins = cells.setdefault(group.class_name, {})
            origins.setdefault(_origin(group), []).append(group)
    classes = sorted(cells, key=lambda name: order_key(seed, "audit/embedding", name))
    lines = [
        _in_turn([_sampled(gathered, group) for group in cells[name][origin]])
        for name in classes for origin in sorted(cells[name])
    ]  # fmt: skip
    return _in_turn(lines)


def _in_turn(lines: Sequence[Iterator[_Row]]) -> Iterator[_Row]:
    """The first of each, the second of each, and so on."""
    for some in zip_longest(*lines):
        yield from (one for one in some if one is not None)


def _sampled(gathered: Gathered, group: Group) -> Iterator[_Row]:
    sample = gathered.sample(group)
    if sample is not None:
        for name, vector in zip(sample.ids, sample.features, strict=True):
            yield name, group, vector


def _origin(group: Group) -> str:
    return "" if group.maker is None else group.maker if group.maker == AUGMENTED else "generated"


def _principal(features_ND: np.ndarray) -> tuple[np.ndarray, tuple[float, float]] | None:
    """(N, 2) and the share of variance of each; None where there is no variance. By the products of
    images, of which there are at most `MOST` whatever the dimensions: the greatest two are as exact
    as by singular values."""
    centred = features_ND - features_ND.mean(axis=0)
    values, vectors = np.linalg.eigh(centred @ centred.T)
    whole = float((centred**2).sum())
    if not whole > 1e-18 * max(1.0, float((features_ND**2).sum())):
        return None
    places, shares = np.zeros((len(centred), 2)), [0.0, 0.0]
    for n in range(2):
        value, vector = max(0.0, float(values[-1 - n])), vectors[:, -1 - n]
        if value <= 1e-12 * whole:
            break  # there is no other direction
        direction = vector @ centred
        sign = np.sign(direction[np.abs(direction).argmax()])
        places[:, n] = vector * np.sqrt(value) * sign
        shares[n] = value / whole
    return places, (shares[0], shares[1])


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
