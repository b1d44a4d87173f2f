"""Exact nearest neighbours of queries in a base set, with memory that follows neither's square.

Blocks of queries meet blocks of the base in one matrix product, which screens in the features'
own precision: a pair is left out only where rounding cannot have hidden a neighbour (Higham,
"Accuracy and Stability of Numerical Algorithms", 2002, section 3.1). What is left is measured again
in float64 from the differences. So a distance, and which of two equal ones comes first (the lower
index), does not depend on blocks, threads or BLAS.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from augment.audit.measures.features import Array, blocks, checked, unit_rows

Metric = Literal["l2", "cosine"]
QUERY_BLOCK, BASE_BLOCK = 1024, 4096
_REFINED_BYTES = 16 << 20
_NOTHING = np.inf


@dataclass(frozen=True, eq=False)
class Found:
    """Of Q queries. index: (Q, k) int64, rows of the base, the nearest first. distance: (Q, k)
    float64, ascending: Euclidean, or 1 - cosine, in 0 .. 2."""

    index: Array
    distance: Array


class Base:
    """A set that is searched: holds the features as given and one centred copy of them.

    features_ND: (N, D) float32 or float64, finite. metric: `l2`, or `cosine`, which needs rows
    that are not zero. name: what errors call the array.

    Raises:
        ValueError: features that are refused, or another metric.
    """

    def __init__(self, features_ND: Array, metric: Metric = "l2", name: str = "base_ND") -> None:
        if metric not in ("l2", "cosine"):
            raise ValueError(f"metric: got {metric!r}; expected 'l2' or 'cosine'")
        self.metric = metric
        self.features = checked(name, features_ND)
        self.dtype, self.dim = self.features.dtype, self.features.shape[1]
        self._name = name
        # any centre near the rows will do: it saves digits and moves no distance
        some = self.features[:: max(1, len(self) // BASE_BLOCK)]
        self._centre = some.mean(axis=0, dtype=np.float64).astype(self.dtype)
        self._screen = np.empty((len(self), self.dim + 1), self.dtype)
        for begin, block in blocks(self.features, BASE_BLOCK):
            centred = self.prepared(block, begin)
            end = begin + len(block)
            self._screen[begin:end, :-1] = centred
            self._screen[begin:end, -1] = squared_lengths(name, centred) / -2
        self.longest = float(np.sqrt(-2 * self._screen[:, -1].min(initial=0.0)))
        self.error = (self.dim + 8) * float(np.finfo(self.dtype).eps) / 2

    def __len__(self) -> int:
        return len(self.features)

    def prepared(self, rows_BD: Array, first: int = 0) -> Array:
        """Rows in the space that is searched: unit rows for cosines, else centred; (B, D)."""
        if self.metric == "cosine":
            return unit_rows(self._name, rows_BD, first).astype(self.dtype)
        moved: Array = rows_BD - self._centre
        return moved.astype(self.dtype, copy=False)

    def scores(self, shift_N: Array | None = None) -> Iterator[tuple[int, Array]]:
        """Blocks (first row, (B, D + 1)) whose product with (query, 1) is x . y - |y|^2 / 2, and
        `shift_N` more: the greater, the nearer."""
        for begin, block in blocks(self._screen, BASE_BLOCK):
            if shift_N is not None:
                block = block.copy()
                block[:, -1] += shift_N[begin : begin + len(block)]
            yield begin, block

    def exact(self, query_ND: Array, rows: Array, columns: Array) -> Array:
        """(P,) float64: squared distances of the pairs (query row, base row), from differences."""
        out = np.empty(len(rows))
        for begin, some in blocks(rows, max(1, _REFINED_BYTES // (8 * self.dim))):
            end = begin + len(some)
            x, y = query_ND[some], self.features[columns[begin:end]]
            if self.metric == "cosine":
                x, y = unit_rows("queries_ND", x), unit_rows(self._name, y)
            apart = np.subtract(x, y, dtype=np.float64)
            out[begin:end] = np.einsum("ij,ij->i", apart, apart)
        return out

    def told(self, squares: Array) -> Array:
        """Distances of squared ones: of unit rows, half the square is 1 - cosine."""
        half: Array = squares / 2 if self.metric == "cosine" else np.sqrt(squares)
        return half


def nearest(base: Base, queries_ND: Array, k: int = 1) -> Found:
    """The k nearest rows of the base for each query; of equal distances the lower index first.

    queries_ND: (Q, D), float32 or float64, finite; the base's precision is that of the screen.
    A query that stands in the base finds itself, at distance 0.

    Raises:
        ValueError: queries that are refused, another D, or k outside 1 .. N.
    """
    if not 1 <= k <= len(base):
        raise ValueError(f"k: got {k}; expected 1 to {len(base)}, the rows of the base")
    found = [_of_block(block, base, k) for block in query_blocks(base, queries_ND)]
    index = np.concatenate([index for index, _ in found])
    return Found(index, base.told(np.concatenate([squares for _, squares in found])))


@dataclass(frozen=True, eq=False)
class Queries:
    """Of one block of B queries. rows: (B, D) as given. screen: (B, D + 1), the last column 1.
    half: (B,) half the squared length. slack: (B,) the most by which rounding moves a score."""

    rows: Array
    screen: Array
    half: Array
    slack: Array


def query_blocks(base: Base, queries_ND: Array) -> Iterator[Queries]:
    """Queries in blocks, as `Base.scores` wants them.

    Raises:
        ValueError: queries that are refused, or another D.
    """
    queries = checked("queries_ND", queries_ND)
    if queries.shape[1] != base.dim:
        raise ValueError(f"queries_ND: got D = {queries.shape[1]}; expected {base.dim}")
    for begin, block in blocks(queries, QUERY_BLOCK):
        if base.metric == "cosine":
            unit_rows("queries_ND", block, begin)
        centred = base.prepared(block)
        screen = np.ones((len(block), base.dim + 1), base.dtype)
        screen[:, :-1] = centred
        squares = squared_lengths("queries_ND", centred).astype(np.float64)
        yield Queries(block, screen, squares / 2, _slack(base, np.sqrt(squares)))


def squared_lengths(name: str, rows_BD: Array) -> Array:
    """(B,) in the rows' own precision.

    Raises:
        ValueError: one is too large for it.
    """
    with np.errstate(over="ignore"):
        squares: Array = np.einsum("ij,ij->i", rows_BD, rows_BD)
    if not np.isfinite(squares).all():
        most = float(np.sqrt(np.finfo(rows_BD.dtype).max))
        raise ValueError(
            f"{name}: got rows longer than {most:.1g}; expected shorter ones, whose squares "
            f"{rows_BD.dtype} holds. Scale the features"
        )
    return squares


def _slack(base: Base, length_B: Array) -> Array:
    """Bound on the error of a score: of centring, of the product and of the added column."""
    slack: Array = 2 * base.error * (length_B + base.longest) ** 2
    return slack


def stepped(bound_B: Array, base: Base, way: int) -> Array:
    """A bound on scores in the base's precision, one step down (way -1) or up (1), so that
    rounding it leaves nobody out."""
    near: Array = np.nextafter(bound_B.astype(base.dtype), base.dtype.type(way * np.inf))
    return near


def _of_block(queries: Queries, base: Base, k: int) -> tuple[Array, Array]:
    """(Q, k) index and squared distance of one block of queries."""
    n = len(queries.rows)
    index = np.full((n, k), len(base), np.int64)
    squares = np.full((n, k), _NOTHING)
    floor = np.full(n, -np.inf)  # below this score nothing is nearer than the k-th so far
    room = np.empty((n, min(len(base), BASE_BLOCK)), base.dtype)
    for begin, block in base.scores():
        scores = np.matmul(queries.screen, block.T, out=room[:, : len(block)])
        hit = np.flatnonzero(scores.max(axis=1) >= stepped(floor, base, -1))
        if not len(hit):
            continue
        some = scores if len(hit) == len(scores) else scores[hit]
        least = _least(some, floor[hit], queries.slack[hit], k)
        at, columns = np.nonzero(some >= stepped(least, base, -1)[:, None])
        rows = hit[at]
        apart = base.exact(queries.rows, rows, columns + begin)
        _merge(index, squares, rows, columns + begin, apart)
        floor = queries.half - squares[:, -1] / 2 - queries.slack
    return index, squares


def _least(some_HB: Array, floor_H: Array, slack_H: Array, k: int) -> Array:
    """(H,) the score from which a pair of a block may be among the k nearest."""
    if k > some_HB.shape[1]:
        return floor_H
    kth = some_HB.max(axis=1) if k == 1 else np.partition(some_HB, -k, axis=1)[:, -k]
    least: Array = np.maximum(floor_H, kth - 2 * slack_H)
    return least


def _merge(index: Array, squares: Array, rows: Array, columns: Array, apart: Array) -> None:
    """Put pairs (ascending rows) into the k nearest so far, by distance, then by index."""
    k = index.shape[1]
    touched, of = np.unique(rows, return_inverse=True)
    row = np.concatenate([np.repeat(np.arange(len(touched)), k), of])
    column = np.concatenate([index[touched].ravel(), columns])
    square = np.concatenate([squares[touched].ravel(), apart])
    order = np.lexsort((column, square, row))
    starts = np.searchsorted(row[order], np.arange(len(touched)))
    kept = order[starts[:, None] + np.arange(k)]
    index[touched], squares[touched] = column[kept], square[kept]
