"""Bounds of how good the generated part must be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from augment.spec.base import ClassName, Name, Spec

MeasureName = Literal[
    "frechet", "kid", "sliced_wasserstein", "precision", "recall", "density", "coverage",
    "vendi_ratio", "intra_ratio", "agreement", "repeats", "copies_of_train", "copies_of_holdout",
]  # fmt: skip


SHARES_OF_ROWS = ("agreement", "repeats", "copies_of_train", "copies_of_holdout")
"""Measures that are shares of rows: nothing is divided by the same between real images."""
GATE_EXTRACTORS = ("efficientnet_lite0", "task", "random")
"""By which a run measures before its commit: they need no file of the user's."""


class MeasureLimit(Spec):
    """Bounds of one measure of the generated part, which `augment audit --quality` judges for each
    generator and split, and the run itself before its commit where `gate` says so. A figure that
    could not be computed is not judged."""

    measure: MeasureName
    """`agreement`: share of rows whose class the task's classifier names. `repeats`: share of rows
    that repeat another one exactly. `copies_of_*`: share of rows that repeat a real image of the
    splits that are generated in, or of the others (ask with `--copies`). The rest: of features."""
    of: Literal["ratio", "value"] | None = None
    """`ratio`: divided by the median of the same figure between real images, so that 1 is as good
    as real ones; not of the last four measures, which are shares. Not given: the ratio where there
    is one."""
    extractor: str | None = None
    """Of this extractor alone; not given: the median over all that computed it."""
    classes: Literal["each", "overall"] | Annotated[list[ClassName], Field(min_length=1)] = "each"
    """Every class by itself, all of them as one, or these."""
    generators: Annotated[list[Name], Field(min_length=1)] | None = None
    """Rows of these; not given: of every one."""
    warn_below: float | None = None
    """A lower figure is a finding that warns."""
    fail_below: float | None = None
    """A lower figure fails the verdict."""
    warn_above: float | None = None
    """A higher figure is a finding that warns."""
    fail_above: float | None = None
    """A higher figure fails the verdict."""
    not_judged: Literal["hold", "pass"] | None = None
    """Beside `gate: before_commit`: what becomes of the commit where a figure with a `fail_*` bound
    could not be computed. `hold`, or not given: it is held back; `pass`: that is told and does not
    hold it back."""


def extractors_of(measures: Sequence[MeasureLimit]) -> tuple[str, ...]:
    """The extractors that a run needs to judge these bounds before its commit: a median over all is
    one over the three of an audit, and copies are looked for with all of them."""
    features = [one for one in measures if one.measure not in SHARES_OF_ROWS]
    if of_copies(measures) or any(one.extractor is None for one in features):
        return GATE_EXTRACTORS
    named = {one.extractor for one in features}
    named |= {"task"} if any(one.measure == "agreement" for one in measures) else set()
    return tuple(name for name in GATE_EXTRACTORS if name in named)


def of_copies(measures: Sequence[MeasureLimit]) -> bool:
    """Whether a bound speaks of copies, which have to be looked for."""
    return any(one.measure.startswith("copies_of_") for one in measures)
