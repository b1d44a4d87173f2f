"""What a measure says: a number with its n and its interval, or why there is none. Values only.

Nothing here, and nothing in this package, says whether a number is good: a verdict needs the
distribution of the same number between real images, and more than one measure.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """low <= high: where the figure lies in repeated samples of the same n; level in (0, 1)."""

    low: float
    high: float
    level: float


@dataclass(frozen=True)
class Figure:
    """One number about a set of made images.

    measure: its name, for example `frechet`. value: finite. n: made images that it is of. n_real:
    real images that it was measured against, None where it needs none. interval: None where
    nobody asked for one.
    """

    measure: str
    value: float
    n: int
    n_real: int | None = None
    interval: Interval | None = None


@dataclass(frozen=True)
class NotComputed:
    """There is no number. reason: one line, for example `n < 100`; n and n_real as in `Figure`."""

    measure: str
    reason: str
    n: int
    n_real: int | None = None


Measured = Figure | NotComputed


def too_few(measure: str, least: int, n: int, n_real: int | None = None) -> NotComputed | None:
    """The refusal where a side has less than `least` images; None where both have enough."""
    if n < least:
        return NotComputed(measure, f"n < {least}", n, n_real)
    if n_real is not None and n_real < least:
        return NotComputed(measure, f"n_real < {least}", n, n_real)
    return None
