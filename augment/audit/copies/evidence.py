"""Evidence: numbers about an aligned pair from which a copy is told from a look-alike."""

from __future__ import annotations

import cv2
import numpy as np

from augment.audit.copies.alignment import FLAT, Aligned, Side, correlation, scales
from augment.audit.copies.images import COLOUR_SIDE
from augment.audit.copies.warps import Array, displaced, warped

NAMES = (
    "alike", "detail", "alike_bent", "detail_bent", "overlap", "bent", "stretched_least",
    "stretched_most", "colour_least", "gain", "offset", "contrast", "fineness", "residual",
)  # fmt: skip
"""What each number is:

- alike, detail: correlation of grey after the affine warp, of all of it and of what is finer than
  4 pixels; alike_bent, detail_bent: the same after the flow; all as Fisher's z.
- overlap: share of the query inside the candidate. bent: mean length of the flow, pixels.
  stretched: logarithm of the warp's least and greatest scale.
- colour_least: z of the correlation of the channel that agrees least. gain: greatest absolute
  logarithm of a channel's ratio of contrasts. offset: greatest difference of a channel's means, a
  share of the range.
- contrast, fineness: logarithm of the query's contrast, and of that of its detail: what is flat is
  like much. residual: logarithm of the mean difference in levels without gain and offset.
"""
_LARGEST = 0.9995
_DETAIL = (0.7, 4.0)


def evidence(query: Side, query_colour: Array, side: Side, colour: Array, pair: Aligned) -> Array:
    """(len(NAMES),) float64, finite, of a query and a protected image.

    query_colour, colour: (COLOUR_SIDE, COLOUR_SIDE, 3) uint8 of both.
    """
    inside, flow = pair.inside, pair.flow
    fine = _detail(query.full)
    moved = warped(_detail(side.full), pair.warp)
    least, most = scales(pair.warp)
    numbers = (
        _z(correlation(query.soft, pair.soft, inside)),
        _z(correlation(fine, moved, inside)),
        _z(correlation(query.soft, displaced(pair.soft, flow), inside)),
        _z(correlation(fine, displaced(moved, flow), inside)),
        float(inside.mean()),
        float(np.hypot(flow[..., 0], flow[..., 1])[inside].mean()),
        np.log(least),
        np.log(most),
        *_colours(query_colour, warped(colour, pair.warp), inside),
        np.log(query.soft[inside].std() + FLAT),
        np.log(fine[inside].std() + FLAT),
    )
    *before, residual, contrast, fineness = numbers
    return np.array([*before, contrast, fineness, residual], np.float64)


def _colours(query: Array, candidate: Array, inside: Array) -> tuple[float, float, float, float]:
    """colour_least, gain, offset, residual."""
    small = cv2.resize(
        inside.astype(np.uint8), (COLOUR_SIDE, COLOUR_SIDE), interpolation=cv2.INTER_NEAREST
    )
    x, y = (image[small > 0].astype(np.float64) for image in (candidate, query))
    (mean_x, spread_x), (mean_y, spread_y) = ((v.mean(axis=0), v.std(axis=0)) for v in (x, y))
    gain = (spread_y + FLAT) / (spread_x + FLAT)
    alike = [correlation(query[..., c], candidate[..., c], small > 0) for c in range(3)]
    rest = np.abs((y - mean_y) - (x - mean_x) * gain).mean()
    return (
        _z(min(alike)),
        float(np.abs(np.log(gain)).max()),
        float(np.abs(mean_x - mean_y).max() / 255),
        float(np.log(rest + FLAT)),
    )


def _detail(image: Array) -> Array:
    """What is between the two scales, pixels of SIDE."""
    fine, coarse = (cv2.GaussianBlur(image, (0, 0), scale) for scale in _DETAIL)
    band: Array = fine - coarse
    return band


def _z(correlation: float) -> float:
    """Fisher's transformation, which spreads what is near 1."""
    return float(np.arctanh(np.clip(correlation, -_LARGEST, _LARGEST)))
