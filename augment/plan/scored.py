"""What filters that are fit on real images need of the counts: known before anything is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from augment.errors import Problem
from augment.features.task_fit import LEAST_PER_CLASS, NotFit, judged
from augment.plan.plan import CensusFacts, Draw
from augment.spec.models import JobSpec

_SHOWN = 5


def unscorable(spec: JobSpec, census: CensusFacts, draws: Iterable[Draw]) -> list[Problem]:
    """Filters that cannot judge what is drawn: they are fit on the untouched real images of the
    splits that rows are generated for."""
    wanted = list(draws)
    real: Counter[str] = Counter()
    for split in {draw.split for draw in wanted}:
        for label, by_source in census.counts.get(split, {}).items():
            real[label] += sum(by_source.values())
    found: list[Problem] = []
    for n, one in enumerate(spec.filters):
        if one.agreement is None or not wanted:
            continue
        place = f"filters[{n}].agreement"
        fit = judged(list(real.elements()))
        if isinstance(fit, NotFit):
            found.append(Problem(place, "what nothing can be fit to", fit.reason, "Leave it out"))
        elif one.agreement.not_judged == "refuse":
            few = sorted({draw.label_name for draw in wanted} - set(fit[0]))
            if few:
                told = ", ".join(f"{label!r}: {real[label]}" for label in few[:_SHOWN])
                more = f" and {len(few) - _SHOWN} more" if len(few) > _SHOWN else ""
                came = f"classes with too few real images to fit on ({told}{more})"
                way = "not_judged: pass lets their samples pass unjudged"
                wants = f"at least {LEAST_PER_CLASS} of each class that is generated"
                found.append(Problem(place, came, wants, way))
    return found
