"""What filters that are fit on real images need of the counts: known before anything is made."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from augment.errors import Problem
from augment.features.task_fit import LEAST_PER_CLASS, NotFit, judged
from augment.plan.plan import CensusFacts, Draw
from augment.spec.filters import LOOSEST, Agreement, FeatureOutlier, NearCopy, Side
from augment.spec.models import JobSpec

_SHOWN = 5
LEAST_NEAR = 20
"""Real images of a class that `feature_outlier` needs: a 95 % quantile is one image of twenty."""
LEAST_PROTECTED = 20
"""Real images of a side that `near_copy` needs, to learn from them what look-alikes are."""
_OUTSIDE: Mapping[Side, str] = {
    "train": "in the splits that rows are generated for",
    "holdout": "in other splits than those that rows are generated for",
}


def unscorable(spec: JobSpec, census: CensusFacts, draws: Iterable[Draw]) -> list[Problem]:
    """Filters that cannot judge what is drawn: they are fit on the untouched real images of the
    splits that rows are generated for."""
    wanted = list(draws)
    real: Counter[str] = Counter()
    for split in {draw.split for draw in wanted}:
        for label, by_source in census.counts.get(split, {}).items():
            real[label] += sum(by_source.values())
    total = sum(sum(c.values()) for some in census.counts.values() for c in some.values())
    sides: dict[Side, int] = {"train": real.total(), "holdout": total - real.total()}
    found: list[Problem] = []
    for n, one in enumerate(spec.filters if wanted else ()):
        place = f"filters[{n}]"
        if one.agreement is not None:
            found += _unfit(f"{place}.agreement", one.agreement, real, wanted)
        if one.feature_outlier is not None:
            found += _alone(f"{place}.feature_outlier", one.feature_outlier, real, wanted)
        if one.near_copy is not None and one.near_copy.not_judged == "refuse":
            found += _uncalibrated(f"{place}.near_copy", one.near_copy, sides)
    return found


def _unfit(
    place: str, spec: Agreement, real: Counter[str], draws: Iterable[Draw]
) -> Iterator[Problem]:
    fit = judged(list(real.elements()))
    if isinstance(fit, NotFit):
        yield Problem(place, "what nothing can be fit to", fit.reason, "Leave it out")
    elif spec.not_judged == "refuse":
        yield from _few(place, real, draws, LEAST_PER_CLASS)


def _alone(
    place: str, spec: FeatureOutlier, real: Counter[str], draws: Iterable[Draw]
) -> Iterator[Problem]:
    if max(real.values(), default=0) < LEAST_NEAR:
        came = f"no class with {LEAST_NEAR} real images"
        yield Problem(place, came, "one at least, to be near to", "Leave it out")
    elif spec.not_judged == "refuse":
        yield from _few(place, real, draws, LEAST_NEAR)


def held_out_for(false_positives: float) -> int:
    """Held-out real images without which no threshold can be shown to have that rate."""
    return math.ceil(1 / false_positives)


def _uncalibrated(place: str, spec: NearCopy, real: Mapping[Side, int]) -> Iterator[Problem]:
    """Sides that `near_copy` has too few real images for. real: how many each has."""
    needed = held_out_for(spec.false_positives)
    judged = {
        side: real[side] >= LEAST_PROTECTED and real[_other(side)] >= needed for side in spec.sides
    }
    for side in (side for side, known in judged.items() if not known):
        ways = ["not_judged: pass rejects no more than equal pixels there"]
        if judged.get(_other(side)):
            ways.insert(0, f"of: {_other(side)} looks for copies of the other side alone")
        if real[side] < LEAST_PROTECTED:
            came = f"{real[side]} real images {_OUTSIDE[side]}, to look for copies of"
            wants = f"at least {LEAST_PROTECTED}, to learn what look-alikes are"
        else:
            held = real[_other(side)]
            came = f"{held} real images {_OUTSIDE[_other(side)]}, to calibrate copies of {side} on"
            wants = f"at least {needed} for false_positives: {spec.false_positives:g}"
            if held >= held_out_for(LOOSEST):
                ways.insert(0, f"false_positives: {_shown_by(held)} is the least that {held} show")
        yield Problem(place, came, wants, "; ".join(ways))


def _other(side: Side) -> Side:
    return "holdout" if side == "train" else "train"


def _shown_by(held: int) -> str:
    """The least rate that so many show, rounded up to two digits."""
    unit = 10 ** (math.floor(math.log10(1 / held)) - 1)
    return f"{math.ceil(1 / held / unit - 1e-9) * unit:.2g}"


def _few(place: str, real: Counter[str], draws: Iterable[Draw], least: int) -> Iterator[Problem]:
    """Classes that are drawn and have fewer than the least number of real images."""
    few = sorted({draw.label_name for draw in draws if real[draw.label_name] < least})
    if few:
        told = ", ".join(f"{label!r}: {real[label]}" for label in few[:_SHOWN])
        more = f" and {len(few) - _SHOWN} more" if len(few) > _SHOWN else ""
        came = f"classes with too few real images to fit on ({told}{more})"
        way = "not_judged: pass lets their samples pass unjudged"
        yield Problem(place, came, f"at least {least} of each class that is generated", way)
