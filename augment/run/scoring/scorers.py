"""The scorers of a job: fit to its real images before the first sample is judged, and frozen.

Their digests stand in the job's work folder beside its plan, so that a resume judges by the same
ones, also where an image changed since; what they were fit to stands in the pool, for every job
that has the same real images.
"""

from __future__ import annotations

import json
import math
from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol, assert_never, get_args

import numpy as np

from augment.errors import InterruptedRun, RequestError, StorageError
from augment.features.needs import refuse_lacking
from augment.run.prepare import Frozen, Prepared
from augment.run.progress import Reporter
from augment.run.scoring import agreement, feature_outlier, near_copy
from augment.run.scoring.kept import Book, Scores
from augment.run.scoring.reference import Reference, reference_of
from augment.run.scoring.sides import RealSide, sides_of
from augment.spec.filters import FeatureOutlier, FilterSpec, NearCopy, Side
from augment.spec.models import JobSpec
from augment.storage import Folder

Kind = Literal["agreement", "feature_outlier", "near_copy"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_FROZEN = "scorers.json"


class Scorer(Protocol):
    """Scores images beside what it was fit to."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of its scores."""

    def __call__(self, images: Sequence[np.ndarray], labels: Sequence[str]) -> list[list[float]]:
        """Of each image its scores, in the order of `names`; NaN where it cannot say."""

    def about(self) -> Mapping[str, Any]:
        """What people are told of it."""


@dataclass(frozen=True)
class Scorers:
    """Of one job: kind -> digest, in the order of its filters. Picklable. missing: kinds that are
    not fit yet, so that nothing can be said by them."""

    pool: Folder
    own: tuple[tuple[Kind, str], ...] = ()
    missing: tuple[Kind, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.own or self.missing)

    def of(self, shard: str, sha256: str | None = None) -> list[Scores] | None:
        """Of each row of a pool shard all scores; None where some are not kept."""
        if self.missing:
            return None
        parts = [Book(self.pool, digest).get(shard, sha256) for _, digest in self.own]
        if any(part is None for part in parts):
            return None
        known = [part for part in parts if part is not None]
        return [dict(ChainMap(*map(dict, row))) for row in zip(*known, strict=True)]


def kinds_of(spec: JobSpec) -> tuple[Kind, ...]:
    """The scorers that the filters of a job need."""
    return tuple(kind for one in spec.filters for kind in KINDS if _has(one, kind))


def _has(spec: FilterSpec, kind: Kind) -> bool:
    return getattr(spec, kind) is not None


def refuse_unscorable(spec: JobSpec) -> None:
    """Before anything is made. Raises: RequestError: a library of an extractor is not installed."""
    for n, one in enumerate(spec.filters):
        refuse_lacking(one.extractors, f"filters[{n}]")


def known_scorers(prepared: Prepared) -> Scorers:
    """As far as the job has frozen them; writes nothing."""
    kinds = kinds_of(prepared.job.spec)
    if not kinds:
        return Scorers(prepared.pool)
    head = prepared.work.frozen(_FROZEN)
    if head is None:
        return Scorers(prepared.pool, missing=kinds)
    try:
        said = json.loads(head)
        return Scorers(prepared.pool, tuple((kind, str(said[kind])) for kind in kinds))
    except (KeyError, RecursionError, TypeError, ValueError) as error:
        raise InterruptedRun(
            f"{prepared.work.folder.url(f'plan/{_FROZEN}')}: no frozen scorers ({error}); it was "
            "changed by hand: remove that work folder and run again"
        ) from error


def scorers_of(frozen: Frozen, reporter: Reporter) -> Scorers:
    """The job's scorers, fit and frozen.

    Raises:
        RequestError: one cannot be fit. StorageError: real images changed since they were frozen
            and what was fit to them is gone; or a source or the pool cannot be reached.
    """
    prepared = frozen.prepared
    kinds = kinds_of(prepared.job.spec)
    if not kinds:
        return Scorers(prepared.pool)
    known = known_scorers(prepared)
    if not known.missing and all(Book(known.pool, d).fitted() for _, d in known.own):
        _refuse_uncalibrated(known, prepared.job.spec, reporter)
        return known
    reporter.stage("fit filters to real images", None)
    real = _Real(frozen)
    found = {kind: _digest(kind, prepared.job.spec, real) for kind in kinds}
    text = json.dumps(found, sort_keys=True).encode()
    if prepared.work.freeze(_FROZEN, text) != text:
        _refuse_others(prepared, known_scorers(prepared), found)
    for kind, digest in found.items():
        _fit(Book(prepared.pool, digest), kind, real, reporter)
    known = known_scorers(prepared)
    _refuse_uncalibrated(known, prepared.job.spec, reporter)
    return known


def _refuse_uncalibrated(scorers: Scorers, spec: JobSpec, reporter: Reporter) -> None:
    """Raises: RequestError: copies cannot be told by what was fit, and the job does not let their
    samples pass."""
    for kind, digest in scorers.own:
        fitted = Book(scorers.pool, digest).fitted() if kind == "near_copy" else None
        for why in near_copy.uncalibrated(fitted, _copies(spec)) if fitted else ():
            if _copies(spec).not_judged == "refuse":
                ways = "Raise it, look for images that stand in two splits, or say not_judged: pass"
                raise RequestError(f"filters: {kind}: {why}. {ways}")
            reporter.note(f"filter {kind}: not judged, but for equal pixels: {why}")


class _Real:
    """The real images of a job, read when somebody asks for them."""

    def __init__(self, frozen: Frozen) -> None:
        self.frozen = frozen
        self.spec = frozen.prepared.job.spec

    @cached_property
    def reference(self) -> Reference:
        return reference_of(self.frozen)

    @cached_property
    def sides(self) -> dict[Side, RealSide]:
        return sides_of(self.frozen)


def _refuse_others(prepared: Prepared, frozen: Scorers, found: Mapping[Kind, str]) -> None:
    for kind, digest in frozen.own:
        if digest != found[kind] and Book(frozen.pool, digest).fitted() is None:
            raise StorageError(
                f"{prepared.pool.url('_scores')}: what filters.{kind} of job {prepared.job_id} was "
                "fit to is gone, and the real images have changed since, so that it cannot be fit "
                "again: restore it or the images, or begin anew with another output.uri"
            )


def _digest(kind: Kind, spec: JobSpec, real: _Real) -> str:
    match kind:
        case "agreement":
            return agreement.digest_of(real.reference)
        case "feature_outlier":
            return feature_outlier.digest_of(real.reference, _outlier(spec))
        case "near_copy":
            return near_copy.digest_of(real.sides, _copies(spec))
        case _:
            assert_never(kind)


def _outlier(spec: JobSpec) -> FeatureOutlier:
    return next(one.feature_outlier for one in spec.filters if one.feature_outlier is not None)


def _copies(spec: JobSpec) -> NearCopy:
    return next(one.near_copy for one in spec.filters if one.near_copy is not None)


def _fit(book: Book, kind: Kind, real: _Real, reporter: Reporter) -> None:
    if book.fitted() is not None:
        return
    data = _fitted(kind, real, f"filters: {kind}", reporter)
    scorer = loaded(kind, book.keep_fitted(data, {"kind": kind, "scorer": book.scorer}))
    reporter.note(f"filter {kind}: {_told(scorer.about())}")


def _fitted(kind: Kind, real: _Real, place: str, reporter: Reporter) -> bytes:
    match kind:
        case "agreement":
            return agreement.fitted_to(real.reference, place)
        case "feature_outlier":
            return feature_outlier.fitted_to(real.reference, _outlier(real.spec), place)
        case "near_copy":
            return near_copy.fitted_to(real.sides, _copies(real.spec), reporter)
        case _:
            assert_never(kind)


def _told(about: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_figure(value)}" for name, value in about.items())


def _figure(value: Any) -> str:
    if isinstance(value, float):
        return "unknown" if math.isnan(value) else f"{value:.3g}"
    return str(value)


def loaded(kind: Kind, fitted: bytes) -> Scorer:
    """Raises: RequestError: torch is missing. CheckpointError: it is not what `_fit` made."""
    match kind:
        case "agreement":
            return agreement.Agreement(fitted)
        case "feature_outlier":
            return feature_outlier.FeatureOutlier(fitted)
        case "near_copy":
            return near_copy.NearCopy(fitted)
        case _:
            assert_never(kind)
