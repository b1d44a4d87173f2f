"""Whether measures of an audit predicted what training gained. Pure.

One observation is a class, an arm with synthetic images and its maker: the measure of what that
maker made of that class, and the difference in the class's recall to the same arm without. Ranks of
both are freed of the ranks of the share and of the number of synthetic images, and of whether the
arm has copies, by least squares; what is left is correlated (Spearman, partial).

Shares of one class show the same images, so they are no independent observations: the interval
counts groups of class and maker alone. Fisher's z with the error of Fieller, Hartley and Pearson,
"Tests for rank correlation coefficients I", Biometrika 1957; for all measures together.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from augment.study.arithmetic import normal_quantile, ranks
from augment.study.plan import Arm
from augment.study.statistics import LEVEL, Interval

Measures = Mapping[str, Mapping[tuple[str, str], float]]
"""Name of a measure -> (class, maker) -> its figure."""
_FIELLER = 1.06
_LEAST_FREE = 1


class Gain(NamedTuple):
    """amount: synthetic rows that the arm can draw of the class. value: in parts of 1."""

    class_name: str
    maker: str
    arm: Arm
    amount: int
    value: float


@dataclass(frozen=True)
class Predicted:
    """measure: of the audit. groups: of class and maker; rows: with their shares and arms.
    correlation: in [-1, 1], None: why says the reason. verdict: `predicted`, `no evidence` or
    `not judged`."""

    measure: str
    groups: int
    rows: int
    correlation: float | None
    interval: Interval | None
    why: str | None

    @property
    def verdict(self) -> str:
        if self.interval is None:
            return "not judged"
        return "predicted" if self.interval.low > 0 or self.interval.high < 0 else "no evidence"


def measures_of(quality: Mapping[str, Any], split: str) -> Measures:
    """The measures of classes in the quality part of an audit report: of figures their ratio to
    real images, the median over extractors; of labels the agreement. split: train.

    Raises:
        KeyError, TypeError, ValueError: it is no such part.
    """
    ratios: dict[str, dict[tuple[str, str], list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in quality["figures"]:
        if one["split"] == split and one["class"] is not None and one["maker"] is not None:
            ratio = one["ratio"]
            if ratio is not None and math.isfinite(float(ratio)):
                group = str(one["class"]), str(one["maker"])
                ratios[str(one["measure"])][group].append(float(ratio))
    found = {name: {group: median(some) for group, some in of.items()}
             for name, of in ratios.items()}  # fmt: skip
    for one in quality["labels"]:
        if one["split"] == split and one["class"] and one["maker"] and one["agreement"] is not None:
            group = str(one["class"]), str(one["maker"])
            found.setdefault("labels", {})[group] = float(one["agreement"])
    return found


def predicted(measures: Measures, gains: Sequence[Gain]) -> tuple[Predicted, ...]:
    """Of every measure, by name."""
    judgeable = [name for name in sorted(measures) if _free(_rows(measures[name], gains)) > 0]
    return tuple(
        _one(name, _rows(measures[name], gains), max(1, len(judgeable)))
        for name in sorted(measures)
    )


_Row = tuple[float, Gain]


def _rows(of: Mapping[tuple[str, str], float], gains: Sequence[Gain]) -> list[_Row]:
    return [(of[gain.class_name, gain.maker], gain) for gain in gains
            if (gain.class_name, gain.maker) in of]  # fmt: skip


def _groups(rows: Sequence[_Row]) -> set[tuple[str, str]]:
    return {(gain.class_name, gain.maker) for _, gain in rows}


def _free(rows: Sequence[_Row]) -> int:
    """Degrees of freedom of the interval: groups, less 3, less what is controlled and differs
    between them."""
    amounts = {(gain.class_name, gain.maker): gain.amount for _, gain in rows}
    return len(amounts) - 3 - (len(set(amounts.values())) > 1)


def _one(name: str, rows: Sequence[_Row], family: int) -> Predicted:
    groups, free = len(_groups(rows)), _free(rows)
    if free < _LEAST_FREE:
        need = groups - free + _LEAST_FREE
        why = f"{groups} groups of class and generator; at least {need} are needed"
        return Predicted(name, groups, len(rows), None, None, why)
    controls = np.stack([
        np.ones(len(rows)),
        ranks(np.array([gain.arm.share for _, gain in rows])),
        ranks(np.array([float(gain.amount) for _, gain in rows])),
        np.array([float(gain.arm.copies) for _, gain in rows]),
        np.array([float(gain.arm.start == "pretrained") for _, gain in rows]),
    ], axis=1)  # fmt: skip
    x, y = (
        _freed(ranks(np.array(values)), controls)
        for values in ([value for value, _ in rows], [gain.value for _, gain in rows])
    )
    scale = math.sqrt(float(x @ x) * float(y @ y))
    if scale < 1e-9 * len(rows):
        why = "the measure or the gain is the same everywhere, once amounts are controlled for"
        return Predicted(name, groups, len(rows), None, None, why)
    rho = max(-1.0, min(1.0, float(x @ y) / scale))
    z = math.atanh(max(-1 + 1e-12, min(1 - 1e-12, rho)))
    reach = normal_quantile(1 - (1 - LEVEL) / (2 * family)) * math.sqrt(_FIELLER / free)
    interval = Interval(math.tanh(z - reach), math.tanh(z + reach))
    return Predicted(name, groups, len(rows), rho, interval, None)


def _freed(values_N: np.ndarray, controls_NK: np.ndarray) -> np.ndarray:
    """What least squares of the controls leaves."""
    solved = np.linalg.lstsq(controls_NK, values_N, rcond=None)[0]
    return np.asarray(values_N - controls_NK @ solved)
