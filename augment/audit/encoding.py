"""How well the way in which images are encoded tells generated ones from real ones, by statistics.

A classifier that may look at nothing but container, size, quality and subsampling of a file is fit
on one half of the rows and asked about the other: naive Bayes over those facts, sizes and quality
in eight bins. Its area under the ROC curve is taken inside each class, so that a class whose real
images are large is no shortcut, and averaged by pairs. The mode of pixels is none of the facts: a
grey image stored as RGB gives the same pixels to whoever trains on them. Knows no table.

Source of the measure: Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27
(2006); of the interval: bootstrap percentiles over rows inside each class (Efron and Tibshirani,
"An Introduction to the Bootstrap", 1993).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from augment.codec import read_header, style_of
from augment.seeds import order_key, stream

FACTS = ("container", "subsampling", "quality", "width", "height", "shape")
LEAST = 40
"""Rows of each kind, in classes that have both, below which nothing is computed: with fewer, an
image in forty would move the figure by several hundredths."""
_BINS = 8
_DRAWS = 200
_NUMBERS = ("quality", "width", "height", "shape")


@dataclass(frozen=True)
class Encoded:
    """One row. facts: a value for each of `FACTS`, "" or NaN where it has none."""

    sample_id: str
    label_name: str
    generated: bool
    facts: Mapping[str, str | float]


@dataclass(frozen=True)
class Told:
    """auc: area under the ROC curve, 0.5 where nothing tells them apart, at most 1. low, high: its
    95 % interval. real, generated: rows that were compared. best: the fact that alone tells most,
    and its own area."""

    auc: float
    low: float
    high: float
    real: int
    generated: int
    best: tuple[str, float]


def facts_of(data: bytes, max_pixels: int) -> dict[str, str | float]:
    """What a file says of how it is encoded; nothing is decoded.

    Raises:
        SampleError: it is no image that can be read.
    """
    header = read_header(data, max_pixels)
    style = style_of(data, max_pixels) if header.format == "jpeg" else None
    return {
        "container": header.format,
        "subsampling": style.subsampling or "" if style else "",
        "quality": float(style.quality or 0) if style else math.nan,
        "width": float(header.width),
        "height": float(header.height),
        "shape": round(header.width / header.height, 3),
    }


def told(rows: Sequence[Encoded]) -> Told | None:
    """How well generated rows are told from real ones; None where fewer than `LEAST` of either
    stand in classes that have both. Depends on no order of the rows."""
    both = _in_both(rows)
    counts = Counter(row.generated for row in both)
    if min(counts[False], counts[True]) < LEAST:
        return None
    label_N = np.array([row.label_name for row in both])
    made_N = np.array([row.generated for row in both])
    fold_N = _folds(both)
    codes = {fact: _coded([row.facts[fact] for row in both], fact) for fact in FACTS}
    alone = {
        f: _area(_scores([code], made_N, fold_N), label_N, made_N) for f, code in codes.items()
    }
    score_N = _scores(list(codes.values()), made_N, fold_N)
    low, high = _interval(score_N, label_N, made_N)
    best = max(FACTS, key=lambda fact: alone[fact])
    area = _area(score_N, label_N, made_N)
    return Told(area, low, high, counts[False], counts[True], (best, alone[best]))


def _in_both(rows: Sequence[Encoded]) -> list[Encoded]:
    """Rows of classes that have at least two of each kind, in an order of their own."""
    counts = Counter((row.label_name, row.generated) for row in rows)
    found = [
        row for row in rows if min(counts[row.label_name, kind] for kind in (False, True)) >= 2
    ]
    return sorted(found, key=lambda row: order_key(0, "encoding", row.sample_id))


def _folds(rows: Sequence[Encoded]) -> np.ndarray:
    """0 or 1 for each row, alternating inside each class and kind."""
    seen = Counter[tuple[str, bool]]()
    folds = []
    for row in rows:
        key = (row.label_name, row.generated)
        folds.append(seen[key] % 2)
        seen[key] += 1
    return np.array(folds)


def _coded(values: Sequence[str | float], fact: str) -> np.ndarray:
    """A small number for each value; of numbers with many values, the eighth that they lie in."""
    if fact not in _NUMBERS:
        return np.unique(np.array(values, dtype=str), return_inverse=True)[1]
    numbers = np.array(values, dtype=float)
    there = numbers[np.isfinite(numbers)]
    if len(np.unique(there)) <= _BINS:
        return np.unique(np.where(np.isfinite(numbers), numbers, -1.0), return_inverse=True)[1]
    edges = np.unique(np.quantile(there, np.linspace(0, 1, _BINS + 1)[1:-1]))
    return np.where(np.isfinite(numbers), np.searchsorted(edges, numbers, side="right") + 1, 0)


def _scores(codes: Sequence[np.ndarray], made_N: np.ndarray, fold_N: np.ndarray) -> np.ndarray:
    """Log odds of being generated, each row's from the other half."""
    score_N = np.zeros(len(made_N))
    for fold in (0, 1):
        fit, ask = fold_N != fold, fold_N == fold
        for code_N in codes:
            width = int(code_N.max()) + 1
            odds = [np.bincount(code_N[fit & (made_N == kind)], minlength=width) + 1.0
                    for kind in (True, False)]  # fmt: skip
            log = np.log(odds[0] / odds[0].sum()) - np.log(odds[1] / odds[1].sum())
            score_N[ask] += log[code_N[ask]]
    return score_N


def _area(score_N: np.ndarray, label_N: np.ndarray, made_N: np.ndarray) -> float:
    """Of all pairs of a generated and a real row of one class, the share in which the generated
    one has the higher score; equal scores count half."""
    wins, pairs = 0.0, 0
    for label in np.unique(label_N):
        mine = label_N == label
        made, real = score_N[mine & made_N], np.sort(score_N[mine & ~made_N])
        below = np.searchsorted(real, made, side="left")
        upto = np.searchsorted(real, made, side="right")
        wins += float((below + upto).sum()) / 2
        pairs += len(made) * len(real)
    return wins / pairs


def _interval(score_N: np.ndarray, label_N: np.ndarray, made_N: np.ndarray) -> tuple[float, float]:
    draws = stream("audit/encoding", "bootstrap")
    groups = [
        np.flatnonzero((label_N == label) & (made_N == kind))
        for label in np.unique(label_N)
        for kind in (False, True)
    ]
    areas = []
    for _ in range(_DRAWS):
        at = np.concatenate([draws.choice(group, len(group)) for group in groups])
        areas.append(_area(score_N[at], label_N[at], made_N[at]))
    low, high = np.quantile(areas, [0.025, 0.975])
    return float(low), float(high)
