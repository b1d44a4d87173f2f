"""Bounds of how good the generated part must be."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from augment.spec.base import ClassName, Name, Spec

MeasureName = Literal[
    "frechet", "kid", "sliced_wasserstein", "precision", "recall", "density", "coverage",
    "vendi_ratio", "intra_ratio", "agreement", "repeats", "copies_of_train", "copies_of_holdout",
]  # fmt: skip


SHARES_OF_ROWS = ("agreement", "repeats", "copies_of_train", "copies_of_holdout")
"""Measures that are shares of rows: nothing is divided by the same between real images."""


class MeasureLimit(Spec):
    """Bounds of one measure of the generated part, which `augment audit --quality` judges for each
    generator and split. A figure that could not be computed is not judged."""

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
