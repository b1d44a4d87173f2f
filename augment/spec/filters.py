"""What a job file may say of filters: what generated samples must pass."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from augment.spec.base import Share, Spec


class Degenerate(Spec):
    """Rejects blank, constant or saturated images."""

    min_std: Annotated[float, Field(ge=0.0)] = 2.0
    """Least standard deviation of the levels, which lie between 0 and 255."""
    max_saturated: Share = 0.98
    """Largest share of values that are 0 or 255."""


class Agreement(Spec):
    """Rejects images of another class: a small classifier is fit on the job's real images of the
    splits that rows are generated for, and asked for the row's own class. Needs torch
    (`augment-vision[torch]`)."""

    min: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    """Least probability that the classifier gives to the class that the row is of."""
    not_judged: Literal["refuse", "pass"] = "refuse"
    """What becomes of classes with too few real images to fit on (8). `refuse`: the plan is
    refused, and names them; `pass`: their samples pass without having been judged."""


class FeatureOutlier(Spec):
    """Rejects images far from the real images of their class: the distance to the third nearest one
    in an extractor's features, in units of that which 95 % of the class's real images keep among
    themselves. The real images are those of the splits that rows are generated for."""

    max: Annotated[float, Field(gt=0.0)] = 1.5
    """Largest distance, in those units: above 1 lies one real image in twenty."""
    extractor: Literal["efficientnet_lite0", "random"] = "efficientnet_lite0"
    """Whose features (docs/audit.md, Extractors). `efficientnet_lite0` needs
    `augment-vision[features]`, `random` needs `augment-vision[torch]`."""
    not_judged: Literal["refuse", "pass"] = "refuse"
    """What becomes of classes with too few real images (20). `refuse`: the plan is refused, and
    names them; `pass`: their samples pass without having been judged."""


Side = Literal["train", "holdout"]
SIDES: tuple[Side, ...] = get_args(Side)
TIGHTEST, LOOSEST = 0.00025, 0.05
"""Shares of false positives of `near_copy`: its detector is fit to show the latter, and calibrated
on no more images than the former needs."""


class NearCopy(Spec):
    """Rejects images that repeat a real image of the job, also mirrored, shifted, cropped, turned,
    noisy, recompressed or recoloured: by the detector of `augment audit --copies`, which is
    calibrated on the job's own real images: those of the splits that rows are generated for are
    `train`, those of all other splits `holdout`; copies of one are told by a threshold from the
    other."""

    false_positives: Annotated[float, Field(ge=TIGHTEST, le=LOOSEST)] = 0.005
    """Share of real images, none of them a copy, that may be called copies. It takes
    1 / false_positives held-out images to show that: 200 for 0.005."""
    of: Literal["all", "train", "holdout"] = "all"
    """Whose copies are looked for; `all`: of both, each with that share of false positives."""
    not_judged: Literal["refuse", "pass"] = "refuse"
    """What becomes of samples where there are too few real images for a threshold. `refuse`: the
    plan is refused, and says what is missing; `pass`: they pass, unless their pixels equal a real
    image's."""

    @property
    def sides(self) -> tuple[Side, ...]:
        """What is protected."""
        return tuple(side for side in SIDES if self.of in (side, "all"))


class FilterSpec(Spec):
    """What generated samples must pass; a rejected one is replaced. Exactly one key."""

    degenerate: Degenerate | None = None
    """Rejects blank, constant or saturated images; `{}` takes the defaults."""
    agreement: Agreement | None = None
    """Rejects images that a classifier of the real ones takes for another class; `{}` takes the
    defaults."""
    feature_outlier: FeatureOutlier | None = None
    """Rejects images far from the real images of their class; `{}` takes the defaults."""
    near_copy: NearCopy | None = None
    """Rejects copies of the job's real images, also changed ones; `{}` takes the defaults."""

    @property
    def extractors(self) -> tuple[str, ...]:
        """The extractors of features that it needs."""
        found = ("task",) if self.agreement is not None else ()
        return found if self.feature_outlier is None else (*found, self.feature_outlier.extractor)
