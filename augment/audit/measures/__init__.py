"""Measures of made images against real ones: pure functions over feature arrays.

They know no files, no networks and no tables, and none of them says whether a set passes: each
gives a number with its n (`Figure`), or why there is none (`NotComputed`). docs/audit.md says of
every one what it is, its range, and how it lies.
"""

from augment.audit.measures.diversity import (
    by_class,
    class_coverage,
    classes_reached,
    duplicate_rate,
    intra_distance,
    intra_ratio,
)
from augment.audit.measures.figures import Figure, Interval, Measured, NotComputed
from augment.audit.measures.frechet import frechet
from augment.audit.measures.inception_score import inception_score
from augment.audit.measures.kid import kid
from augment.audit.measures.manifold import Manifold, manifold
from augment.audit.measures.moments import Moments, merged
from augment.audit.measures.neighbours import Base, Found, nearest
from augment.audit.measures.resampling import (
    Place,
    Reference,
    bootstrap,
    reference,
    references,
    where,
    with_interval,
    with_intervals,
)
from augment.audit.measures.samples import BottomK
from augment.audit.measures.sliced import sliced_wasserstein
from augment.audit.measures.vendi import vendi, vendi_ratio

__all__ = [
    "Base",
    "BottomK",
    "Figure",
    "Found",
    "Interval",
    "Manifold",
    "Measured",
    "Moments",
    "NotComputed",
    "Place",
    "Reference",
    "bootstrap",
    "by_class",
    "class_coverage",
    "classes_reached",
    "duplicate_rate",
    "frechet",
    "inception_score",
    "intra_distance",
    "intra_ratio",
    "kid",
    "manifold",
    "merged",
    "nearest",
    "reference",
    "references",
    "sliced_wasserstein",
    "vendi",
    "vendi_ratio",
    "where",
    "with_interval",
    "with_intervals",
]
