"""Collapse: equal images, classes nobody reached, classes that shrank. Per class first: what one
class lost is lost in the distance of all.

Equal images are equal hashes, which the caller gives; what they are of is the caller's to say.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np

from augment.audit.measures.features import Array, blocks, checked, checked_pair
from augment.audit.measures.figures import Figure, Measured, NotComputed, too_few
from augment.audit.measures.manifold import K, manifold

LEAST_N = 20
"""Below it one image more or less moves a share by five percent."""

_BLOCK = 1024
_NEAR = 1e-6


def duplicate_rate(hashes: Sequence[Hashable], least: int = LEAST_N) -> Measured:
    """`duplicate_rate`: share of images that repeat an earlier one, 0 .. 1 - 1 / n. hashes: one an
    image, for example the sha256 of its pixels."""
    refused = too_few("duplicate_rate", max(1, least), len(hashes))
    if refused:
        return refused
    return Figure("duplicate_rate", 1 - len(set(hashes)) / len(hashes), len(hashes))


def classes_reached(
    real_labels: Sequence[Hashable], made_labels: Sequence[Hashable], least: int = LEAST_N
) -> Measured:
    """`classes_reached`: share of the real classes that a made image has as its label, 0 .. 1."""
    refused = too_few("classes_reached", max(1, least), len(made_labels), len(real_labels))
    if refused:
        return refused
    real = set(real_labels)
    share = len(real & set(made_labels)) / len(real)
    return Figure("classes_reached", share, len(made_labels), len(real_labels))


def class_coverage(
    real_ND: Array, real_labels: Sequence[Hashable], made_ND: Array,
    made_labels: Sequence[Hashable], k: int = K,
) -> dict[Hashable, Measured]:  # fmt: skip
    """`coverage` (Naeem et al. 2020) of each real class by made images of that class, 0 .. 1.

    Raises:
        ValueError: features or labels that are refused.
    """

    def coverage(real: Array, made: Array) -> Measured:
        return manifold(real, made, k).coverage

    return by_class(coverage, "coverage", real_ND, real_labels, made_ND, made_labels)


def by_class(
    statistic: Callable[[Array, Array], Measured], measure: str, real_ND: Array,
    real_labels: Sequence[Hashable], made_ND: Array, made_labels: Sequence[Hashable],
) -> dict[Hashable, Measured]:  # fmt: skip
    """A statistic of each class that the real images have, in the order of its first image; a class
    without made images is not computed. Labels: one a row.

    Raises:
        ValueError: features are refused, or labels do not fit them.
    """
    real, made = checked_pair(real_ND, made_ND)
    real_rows, made_rows = _rows("real", real, real_labels), _rows("made", made, made_labels)
    found: dict[Hashable, Measured] = {}
    for label, rows in real_rows.items():
        of_class = made_rows.get(label, [])
        found[label] = (
            statistic(real[rows], made[of_class])
            if of_class
            else NotComputed(measure, "n < 1", 0, len(rows))
        )
    return found


def intra_distance(made_ND: Array, least: int = LEAST_N) -> Measured:
    """`intra_distance`: mean Euclidean distance of two different images of one class, 0 (all
    equal) upwards, in units of the features. made_ND: (N, D), the images of that class.

    Raises:
        ValueError: features that are refused.
    """
    made = checked("made_ND", made_ND)
    refused = too_few("intra_distance", max(2, least), len(made))
    return refused or Figure("intra_distance", _mean_distance(made), len(made))


def intra_ratio(real_ND: Array, made_ND: Array, least: int = LEAST_N) -> Measured:
    """`intra_ratio`: mean distance inside the made class : inside the real one, 0 upwards; 1 is as
    spread as real. Not computed where all real images are equal.

    Raises:
        ValueError: features that are refused.
    """
    real, made = checked_pair(real_ND, made_ND)
    if refused := too_few("intra_ratio", max(2, least), len(made), len(real)):
        return refused
    if not (of_real := _mean_distance(real)):
        return NotComputed("intra_ratio", "all real images are equal", len(made), len(real))
    return Figure("intra_ratio", _mean_distance(made) / of_real, len(made), len(real))


def _mean_distance(features_ND: Array) -> float:
    """Over all pairs, a block at a time; pairs so near that a product would lose their digits are
    measured by their difference."""
    wide = features_ND.astype(np.float64)
    wide -= wide.mean(axis=0)
    squares = np.square(wide).sum(axis=1)
    total = 0.0
    for begin, x in blocks(wide, _BLOCK):
        for other, y in blocks(wide, _BLOCK):
            scale = squares[begin : begin + len(x), None] + squares[None, other : other + len(y)]
            apart = scale - 2 * (x @ y.T)
            rows, columns = np.nonzero(apart <= _NEAR * scale)
            for at, some in blocks(rows, _BLOCK):
                gap = features_ND[begin + some].astype(np.float64)
                gap -= features_ND[other + columns[at : at + len(some)]]
                apart[some, columns[at : at + len(some)]] = np.square(gap).sum(axis=1)
            total += float(np.sqrt(apart).sum())
    return total / (len(wide) * (len(wide) - 1))


def _rows(side: str, features: Array, labels: Sequence[Hashable]) -> dict[Hashable, list[int]]:
    if len(labels) != len(features):
        raise ValueError(f"{side}_labels: got {len(labels)}; expected {len(features)}, one a row")
    rows: dict[Hashable, list[int]] = {}
    for row, label in enumerate(labels):
        rows.setdefault(label, []).append(row)
    return rows
