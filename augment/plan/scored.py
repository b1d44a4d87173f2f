"""What filters that are fit on real images need of the counts: known before anything is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from augment.errors import Problem
from augment.features.task_fit import LEAST_PER_CLASS, NotFit, judged
from augment.plan.plan import CensusFacts, Draw
from augment.spec.models import JobSpec

_SHOWN = 5
LEAST_NEAR = 20
"""Real images of a class that `feature_outlier` needs: a 95 % quantile is one image of twenty."""


def unscorable(spec: JobSpec, census: CensusFacts, draws: Iterable[Draw]) -> list[Problem]:
    """Filters that cannot judge what is drawn: they are fit on the untouched real images of the
    splits that rows are generated for."""
    wanted = list(draws)
    real: Counter[str] = Counter()
    for split in {draw.split for draw in wanted}:
        for label, by_source in census.counts.get(split, {}).items():
            real[label] += sum(by_source.values())
    found: list[Problem] = []
    for n, one in enumerate(spec.filters if wanted else ()):
        if one.agreement is not None:
            place, fit = f"filters[{n}].agreement", judged(list(real.elements()))
            if isinstance(fit, NotFit):
                came = "what nothing can be fit to"
                found.append(Problem(place, came, fit.reason, "Leave it out"))
            elif one.agreement.not_judged == "refuse":
                found += _few(place, real, wanted, LEAST_PER_CLASS)
        if one.feature_outlier is not None:
            place = f"filters[{n}].feature_outlier"
            if max(real.values(), default=0) < LEAST_NEAR:
                came = f"no class with {LEAST_NEAR} real images"
                wants = "one at least, to be near to"
                found.append(Problem(place, came, wants, "Leave it out"))
            elif one.feature_outlier.not_judged == "refuse":
                found += _few(place, real, wanted, LEAST_NEAR)
    return found


def _few(place: str, real: Counter[str], draws: Iterable[Draw], least: int) -> Iterator[Problem]:
    """Classes that are drawn and have fewer than the least number of real images."""
    few = sorted({draw.label_name for draw in draws if real[draw.label_name] < least})
    if few:
        told = ", ".join(f"{label!r}: {real[label]}" for label in few[:_SHOWN])
        more = f" and {len(few) - _SHOWN} more" if len(few) > _SHOWN else ""
        came = f"classes with too few real images to fit on ({told}{more})"
        way = "not_judged: pass lets their samples pass unjudged"
        yield Problem(place, came, f"at least {least} of each class that is generated", way)
