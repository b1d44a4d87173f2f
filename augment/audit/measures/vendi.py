"""Vendi score: how many different images a set amounts to, in the eyes of the extractor.

exp of the entropy of the eigenvalues of K / n, K the cosines between images. Source: Friedman and
Dieng, "The Vendi Score: A Diversity Evaluation Metric for Machine Learning", TMLR 2023. With
n > D the same eigenvalues come from the (D, D) second moment, so memory does not follow n^2.
"""

from __future__ import annotations

import numpy as np

from augment.audit.measures.features import Array, blocks, checked, checked_pair, unit_rows
from augment.audit.measures.figures import Figure, Measured, too_few
from augment.audit.measures.streams import some_rows, stream

LEAST_N = 20
"""A set of n images scores at most n: below it the ceiling is all that is seen."""

_BLOCK = 4096
_STILL = 1e-12  # of the length of the centre, which is all that rounding leaves


def vendi(made_ND: Array, least: int = LEAST_N) -> Measured:
    """`vendi`, 1 (all images point the same way) .. n. made_ND: (N, D), no row of zeros. Grows with
    n: compare with the same n only, or take `vendi_ratio`.

    Raises:
        ValueError: features that are refused.
    """
    made = checked("made_ND", made_ND)
    refused = too_few("vendi", least, len(made))
    return refused or Figure("vendi", score("made_ND", made), len(made))


def vendi_ratio(real_ND: Array, made_ND: Array, *, seed: int, least: int = LEAST_N) -> Measured:
    """`vendi_ratio`: score of the made images : score of as many real ones, above 0; 1 is as
    diverse as real. Cosines are taken around the mean of these real images: what all images have
    in common, which is most of many features, would hide what they differ in. The larger side is
    cut to the smaller one's n by a seeded draw; n and n_real are that n.

    Raises:
        ValueError: features that are refused.
    """
    real, made = checked_pair(real_ND, made_ND)
    if refused := too_few("vendi_ratio", least, len(made), len(real)):
        return refused
    n = min(len(real), len(made))
    real, made = (
        rows[some_rows(n, len(rows), stream(seed, f"vendi/{side}"))]
        for side, rows in (("real", real), ("made", made))
    )
    scale = max(float(np.abs(real).max()), float(np.abs(made).max())) or 1.0
    centre = (real / scale).mean(axis=0)
    around = [_around(rows / scale, centre) for rows in (made, real)]
    ratio = score("made_ND", around[0]) / score("real_ND", around[1])
    return Figure("vendi_ratio", ratio, n, n)


def _around(rows_ND: Array, centre_D: Array) -> Array:
    """(N, D + 1): the rows as seen from the centre. Rows that lie in it have no direction: they
    share one of their own, the last column."""
    away = rows_ND - centre_D
    least = _STILL * max(1.0, float(np.linalg.norm(centre_D)))
    still = np.linalg.norm(away, axis=1, keepdims=True) <= least
    return np.concatenate([np.where(still, 0.0, away), still.astype(np.float64)], axis=1)


def score(name: str, features_ND: Array) -> float:
    """The score itself. name: what an error calls the array."""
    n, dim = features_ND.shape
    if n <= dim:
        unit = unit_rows(name, features_ND)
        gram = unit @ unit.T
    else:
        gram = np.zeros((dim, dim))
        for begin, block in blocks(features_ND, _BLOCK):
            unit = unit_rows(name, block, begin)
            gram += unit.T @ unit
    shares = np.linalg.eigvalsh(gram / n)
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))
