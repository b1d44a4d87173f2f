"""How likely a pipeline of albumentations leaves an image as it is: no operation runs.

Follows how the compositions of albumentations 2.0.8 choose (core/composition.py there): inside
`OneOf` and `OneOrOther` what is chosen runs whatever its own p, inside the others each by its p.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from augment.transforms.albumentations_ops import load_library


def idle_chance(built: Any, forced: bool = False) -> float:
    """The chance, 0 to 1, that no operation of `built` runs; NoOp counts as none.

    built: an operation or a composition. forced: whether it runs whatever its own p.
    """
    kind, p = type(built).__name__, float(built.p)
    if not isinstance(built, load_library().BaseCompose):  # ColorJitter has `transforms` of its own
        return 1.0 if kind == "NoOp" else 0.0 if forced else 1.0 - p
    inner: Sequence[Any] = built.transforms
    match kind:
        case "OneOrOther":
            first, other = (idle_chance(one, True) for one in (inner[0], inner[-1]))
            return p * first + (1.0 - p) * other
        case "OneOf":
            weights = built.transforms_ps
            pairs = zip(weights, inner, strict=True)
            idle = float(sum(w * idle_chance(t, True) for w, t in pairs))
        case "SomeOf" | "RandomOrder":  # they ask for their p even where they are forced
            return 1.0 - p + p * _some([idle_chance(t) for t in inner], built.n, built.replace)
        case _:
            idle = math.prod(idle_chance(t) for t in inner)
    return idle if forced else 1.0 - p + p * idle


def _some(idle: Sequence[float], n: int, replace: bool) -> float:
    """The same where n of the inner ones are chosen, each as likely as any other."""
    if replace:
        return float((sum(idle) / len(idle)) ** n)
    sums = [1.0] + [0.0] * n  # elementary symmetric polynomials of the chances
    for chance in idle:
        for k in range(n, 0, -1):
            sums[k] += chance * sums[k - 1]
    return sums[n] / math.comb(len(idle), n)
