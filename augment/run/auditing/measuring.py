"""An audit that also judges how good the made part is: extraction, then measures, then one report.

Reads each shard once for all extractors and keeps the features; what is judged is a function of
the version, the extractors and the seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from augment.audit import AuditReport
from augment.audit.attributes import Sliced
from augment.audit.facts import ATTRIBUTE, read_facts
from augment.audit.quality import AUGMENTED, Gathered, Quality, Rows, Thresholds, judged
from augment.audit.quality.copied import Leaks, Searched
from augment.audit.quality.embedding import embedded
from augment.audit.quality.gathering import duplicates
from augment.audit.quality.labels import Labels
from augment.audit.quality.limited import PREFIX, judge_measures
from augment.audit.quality.report import Extractor
from augment.audit.table import DataSet, Shard, generator_names, open_data_set, read_jobs
from augment.features import read_all
from augment.run.auditing.copying import Planted, search_copies
from augment.run.engines.engine import Engine
from augment.run.extraction.extracting import Extraction, How, extract
from augment.run.progress import Reporter, Silent
from augment.sample import Origin

Options = Mapping[str, Mapping[str, Any]]
DEFAULT = ("efficientnet_lite0", "task", "random")
"""Extractors that need no file of the user's."""
_COLUMNS = ("sample_id", "pixels_sha256")
_TASK = "task"
LEAST = 20
"""Generated rows of a value of an attribute below which its quality is not measured."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is judged. extractors: as `features.asked` has them. seed: of every draw. cache,
    workers: see `extraction.How`. copies: also look for real images that generated ones repeat;
    planted: how many of them are planted for that."""

    extractors: Sequence[str] = DEFAULT
    seed: int = 0
    copies: bool = False
    planted: Planted = field(default_factory=Planted)
    cache: str | None = None
    workers: int | None = None
    thresholds: Thresholds | None = None


def measure_quality(
    report: AuditReport,
    asked: Asked,
    engine: Engine,
    *,
    options: Options | None = None,
    reporter: Reporter | None = None,
) -> AuditReport:
    """The report with `quality` beside it, its checks and findings among the others.

    Raises:
        RequestError: an extractor is none, its library is missing, or a place is not allowed.
        CheckpointError: weights are not what they must be. StorageError: a shard cannot be read.
    """
    data = open_data_set(report.uri, report.version, options)
    makers = generator_names(read_jobs(data)) if data.version is not None else {}
    return measured(report, data, makers, asked, engine, reporter)


def measured(
    report: AuditReport,
    data: DataSet,
    makers: Mapping[str, str],
    asked: Asked,
    engine: Engine,
    reporter: Reporter | None = None,
) -> AuditReport:
    """As `measure_quality`, of a data set that is open, or not committed yet. report: of it.
    makers: id -> name of generators."""
    told = reporter or Silent()
    how = How(cache=asked.cache, workers=asked.workers, reporter=told)
    named = any(check.name == "sample_id" and check.passed for check in report.checks)
    with extract(data, read_all(list(asked.extractors), "extractors"), engine, how) as found:
        quality = _judged(data, found, asked, makers, named, told)
        attributes = [
            _by_value(data, found, asked, makers, named, one) for one in report.attributes
        ]
    limits, warnings = judge_measures(quality.measurements(), report.of_measures)
    of_rows = [one for one in report.limits if not one.limit.startswith(PREFIX)]
    return replace(
        report,
        quality=quality,
        attributes=tuple(attributes),
        limits=(*of_rows, *limits),
        checks=(*report.checks, *quality.checks),
        findings=(
            *report.findings,
            *quality.findings,
            *warnings,
            *(finding for one in attributes for finding in one.worse()),
        ),
    )


def _judged(
    data: DataSet,
    found: Extraction,
    asked: Asked,
    makers: Mapping[str, str],
    named: bool,
    reporter: Reporter,
) -> Quality:
    lost: set[tuple[str, int]] = set()
    gathered, labels = dict[str, Gathered](), None
    for info in found.infos:
        samples = gathered[info.name] = Gathered(asked.seed)
        classifier: Any = found.extractor(_TASK) if info.name == _TASK else None
        if classifier is not None:
            labels = Labels(classifier.fit.classes, asked.seed)
        for shard, kept in found.shards(info.name):
            of_shard = _rows(data, shard, named)
            samples.add(of_shard, kept.features, kept.rows)
            lost |= {(shard.path, one.row) for one in kept.lost}
            if labels is not None and classifier is not None:
                labels.add(of_shard, classifier.probabilities(kept.features), kept.rows)
    searched: tuple[tuple[Searched, ...], Leaks] | None = None
    if asked.copies:
        searched = search_copies(
            data,
            found,
            lambda shard: _rows(data, shard, named),
            asked.seed,
            asked.planted,
            reporter,
        )
    reporter.stage("judge", None)
    extractors = [Extractor(info.name, {**asdict(info), "digest": info.digest})
                  for info in found.infos]  # fmt: skip
    extractors += [Extractor(name, {}, why) for name, why in found.not_computed.items()]
    quality = judged(
        gathered,
        seed=asked.seed,
        extractors=extractors,
        makers=makers,
        lost=len(lost),
        repeats=duplicates(_rows(data, shard, named) for shard in data.shards),
        labels=labels,
        searched=searched,
        thresholds=asked.thresholds,
        told=lambda done, of: reporter.doing(f"{done} of {of} groups"),
    )
    return replace(quality, embedding=embedded(gathered, asked.seed))


def _by_value(
    data: DataSet,
    found: Extraction,
    asked: Asked,
    makers: Mapping[str, str],
    named: bool,
    one: Sliced,
) -> Sliced:
    """The attribute with what the rows of each value are like. Copies are looked for in all rows
    alone."""
    values = [each.value for each in one.slices if each.made >= LEAST]
    gathered: dict[Any, dict[str, Gathered]] = {value: {} for value in values}
    labels: dict[Any, Labels] = {}
    for info in found.infos:
        classifier: Any = found.extractor(_TASK) if info.name == _TASK else None
        for value in values:
            gathered[value][info.name] = Gathered(asked.seed)
            if classifier is not None:
                labels[value] = Labels(classifier.fit.classes, asked.seed)
        for shard, kept in found.shards(info.name):
            of_shard = _rows(data, shard, named)
            value_of = _values(data, shard, one.attribute)[kept.rows]
            for value in values:
                mine = np.array([each == value for each in value_of], bool)
                features, at = kept.features[mine], kept.rows[mine]
                gathered[value][info.name].add(of_shard, features, at)
                if classifier is not None and len(at):
                    labels[value].add(of_shard, classifier.probabilities(features), at)
    extractors = [Extractor(i.name, {**asdict(i), "digest": i.digest}) for i in found.infos]
    qualities = {
        value: judged(
            gathered[value],
            seed=asked.seed,
            extractors=extractors,
            makers=makers,
            labels=labels.get(value),
            thresholds=asked.thresholds,
        )
        for value in values
    }
    return one.with_quality(qualities)


def _values(data: DataSet, shard: Shard, attribute: str) -> np.ndarray:
    """(n,) object: the attribute's value of every row of a shard, None where it has none."""
    found: list[str | None] = []
    for facts in read_facts(data, shard, ("split",), (attribute,)):
        found += facts.rows[f"{ATTRIBUTE}{attribute}"].to_pylist()
    return np.array(found, object)


def _rows(data: DataSet, shard: Shard, named: bool) -> Rows:
    """named: every row of the version has a sample id of its own; else rows go by their place."""
    ids: list[str] = []
    splits: list[str] = []
    names: list[str] = []
    makers: list[str | None] = []
    pixels: list[str] = []
    for facts in read_facts(data, shard, _COLUMNS):
        table = facts.rows
        splits += table["split"].to_pylist()
        names += table["label_name"].to_pylist()
        makers += list(_makers(table))
        if "sample_id" in table.column_names:
            ids += [one or "" for one in table["sample_id"].to_pylist()]
        if "pixels_sha256" in table.column_names:
            pixels += [_text(one) for one in table["pixels_sha256"].to_pylist()]
    if not named or len(ids) != len(splits):
        ids = [f"{shard.path}\n{row}" for row in range(len(splits))]
    return Rows(ids, splits, names, makers, pixels if len(pixels) == len(ids) else ())


def _makers(table: Any) -> Iterator[str | None]:
    """A generator's id, `AUGMENTED`, or None of a real image. A copy of a generated image is its
    generator's."""
    for origin, generated, generator in zip(
        table["origin"].to_pylist(), table["generated"].to_pylist(),
        table["generator"].to_pylist(), strict=True,
    ):  # fmt: skip
        if generated:
            yield generator or "generated"
        else:
            yield None if origin == Origin.REAL.value else AUGMENTED


def _text(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value or "")
