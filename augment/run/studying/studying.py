"""A utility study of a committed version: what lacks is trained on the engine, then all of it is
reported. Whatever ends a run, trainings whose record stands are not done again by the next.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from augment.audit.table import DataSet, generator_names, open_data_set, read_jobs
from augment.errors import RequestError, StorageError
from augment.escaping import to_json
from augment.features.asked import read_asked, refuse_forbidden
from augment.features.files import opened
from augment.places import place_of
from augment.run.engines.engine import Engine, Resources
from augment.run.progress import Reporter, Silent
from augment.run.studying.gathering import read_rows, side_of
from augment.run.studying.recording import FOLDER, RESULT, Record, kept, path_of, recorded
from augment.run.studying.retrieving import Rival, retrieve
from augment.run.studying.study_unit import (
    StudyTask,
    labels_of,
    libraries,
    test_rows,
    unit_text,
)
from augment.seeds import digest
from augment.spec import Job
from augment.storage import Folder, Options, split_uri
from augment.study import Asked, Study, Training, arms_of, trainings_of
from augment.study.networks import check_network
from augment.study.plan import SMALL, TORCHVISION, checked
from augment.study.prediction import Measures, measures_of
from augment.study.report import About, reported
from augment.study.rows import COPIES, REAL, SYNTHETIC, Rows, Splits, classes_of, splits_of, used
from augment.study.training import BATCH

VERSION = 1
"""Raise it with every change of what a training is: records of others are not used then."""
_WITH_WEIGHTS = 224
_PER_GPU = 4


@dataclass(frozen=True, kw_only=True)
class How:
    """version: of the table, None: the newest. audit: place of an audit.json of that version, whose
    measures are asked whether they predicted the gains. workers: trainings at once, None: one a
    CPU. job: whose sources with `use: inputs` are looked through for real images, as a rival of
    synthetic ones; None: no such arm."""

    version: int | None = None
    audit: str | None = None
    workers: int | None = None
    reporter: Reporter | None = None
    job: Job | None = None


_USUAL = How()


def study(
    uri: str, asked: Asked, engine: Engine, how: How = _USUAL, options: Options | None = None
) -> Study:
    """The study of a data set that augment wrote, beside which its records and `study.json` are
    kept, in `_studies/`.

    Raises:
        RequestError: there is no such data set or split, it has nothing to compare, an option is
            out of its range, or torch is not installed. CheckpointError: weights are not what they
            must be. StorageError: a shard cannot be read, or a record not be written.
        InterruptedRun: it broke half-way; the same call goes on.
    """
    asked, reporter = checked(asked), how.reporter or Silent()
    check_network(asked.network)
    data = open_data_set(uri, how.version, options)
    if data.version is None:
        raise RequestError(
            f"{data.name}: has no Delta log, so it may change while it is studied; expected the "
            "output of a job: run it first"
        )
    measures = None if how.audit is None else _measures(how.audit, data, asked, options)
    study_of = _Study(data, asked, options or {})
    if how.job is not None:
        study_of.retrieve(how.job, engine, reporter)
    reporter.note(study_of.told)
    study_of.train(engine, how.workers, reporter)
    found = study_of.report(measures, how.audit)
    study_of.folder.replace(RESULT, f"{to_json(found.to_json())}\n".encode())
    return found


class _Study:
    """One study. folder: where its records stand."""

    def __init__(self, data: DataSet, asked: Asked, options: Options) -> None:
        self._data, self._asked = data, asked
        whole = read_rows(data)
        self._splits: Splits = splits_of(whole, asked)
        self._rows = used(whole, self._splits, asked.seed)
        serving = [n for n, split in enumerate(whole.splits) if split == self._splits.train
                   or (split in self._splits and whole.kinds[n] == REAL)]  # fmt: skip
        self._left_out = len(serving) - len(self._rows)
        side = asked.size or (_WITH_WEIGHTS if asked.weights else side_of(data))
        self._weights = None if asked.weights is None else _pinned(asked, options)
        makers = _ids_in_train(self._rows, self._splits)
        copies = COPIES in self._rows.kinds
        self._arms = partial(arms_of, asked, makers, copies)
        if len(arms := self._arms()) < 2:
            raise RequestError(
                f"{data.name}: train has neither copies nor synthetic rows, so there is nothing to "
                "compare with real images; expected a version with made images"
            )
        if asked.each_generator and len(makers) < 2:
            raise RequestError(
                f"each_generator: got it for {data.name}, whose train has rows of {len(makers)} "
                "generators, so it has no effect; expected several, or leave it out"
            )
        self._trainings: Sequence[Training] = trainings_of(arms, asked)
        self.id = self._digest(side)
        self.folder: Folder = data.folder.child(f"{FOLDER}/{self.id[:32]}")
        assert data.version is not None
        self._task = StudyTask(
            data.folder.uri, data.version, data.folder.options, self.folder, self._splits,
            asked.network, side, asked.steps, asked.seed, asked.corrupted, self._weights,
        )  # fmt: skip
        self._rival: Rival | None = None

    def retrieve(self, job: Job, engine: Engine, reporter: Reporter) -> None:
        """Real images that are no rows, where the job has such and there are synthetic ones to
        match; their arms stand among the trainings then."""
        self._rival = retrieve(job, self._data, self._rows, self._task, engine, reporter)
        if self._rival is not None and self._rival.id is not None:
            self._trainings = trainings_of(self._arms(self._rival.id), self._asked)
            self._task = replace(self._task, retrieved=(self._rival.path, self._rival.reading))

    def _digest(self, side: int) -> str:
        asked = self._asked
        return digest({
            "version": VERSION,
            "shards": [[shard.path, shard.size] for shard in self._data.shards],
            "splits": list(self._splits), "network": asked.network, "side": side,
            "steps": asked.steps, "seed": str(asked.seed), "corrupted": asked.corrupted,
            "weights": _sha256(self._weights),
        })  # fmt: skip

    @property
    def told(self) -> str:
        """What is trained, in a line."""
        there = len(recorded(self.folder, self._trainings))
        asked, n = self._asked, len(self._trainings)
        rates = f" x {len(asked.rates)} rates" if len(asked.rates) > 1 else ""
        return (
            f"study {self.id[:16]}: {n} trainings of {asked.steps} steps "
            f"({len({one.arm for one in self._trainings})} arms x {asked.draws} draws x "
            f"{asked.seeds} seeds{rates}), {there} of them done before"
        )

    def train(self, engine: Engine, workers: int | None, reporter: Reporter) -> None:
        """What has no record."""
        there = recorded(self.folder, self._trainings)
        self._make([one for one in self._trainings if one not in there], engine, workers, reporter)
        damaged = [one for one in self._trainings if kept(self.folder, one) is None]
        self._make(damaged, engine, workers, reporter)

    def _make(
        self, lacking: Sequence[Training], engine: Engine, workers: int | None, reporter: Reporter
    ) -> None:
        if not lacking:
            return
        engine.open()
        gpus, cpus = engine.gpus(), engine.cpus()
        task = replace(self._task, device="cuda" if gpus >= 1 else "cpu")
        reporter.stage("train", len(lacking))
        units = [unit_text(one) for one in lacking]
        resources = _resources(cpus, gpus, workers, len(units))
        with contextlib.closing(_closable(engine.run(task, units, resources))) as results:
            for done, _ in enumerate(results, start=1):
                reporter.advance(done, self._asked.steps * BATCH)

    def report(self, measures: Measures | None, audit: str | None) -> Study:
        """Of all records."""
        records: dict[Training, Record] = {}
        for one in self._trainings:
            if (found := kept(self.folder, one)) is None:
                raise StorageError(
                    f"{self.folder.url('units')}: the record of {one.name} was written and cannot "
                    "be read back; something else writes there, or the disk is bad"
                )
            records[one] = found
        lost = {record.lost for record in records.values()}
        if len(lost) > 1:
            raise StorageError(
                f"{self.folder.uri}: some trainings had images that others could not decode, so "
                "they do not compare; remove this folder and study again, on a machine that is "
                "less busy or with one version of the libraries"
            )
        (gone,) = lost
        rows = self._rows.some(n for n, own in enumerate(self._rows.ids) if own not in set(gone))
        classes = classes_of(rows, self._splits)
        labels = labels_of(rows, classes)[test_rows(rows, self._splits, classes)]
        return reported(
            self._about(rows, classes, len(gone)),
            labels,
            {one: record.outcome for one, record in records.items()},
            {one: record.amounts for one, record in records.items()},
            measures=measures,
            audit=audit,
            libraries=_versions(list(records.values())) or libraries(self._asked.network),
        )

    def _unused(self) -> int:
        """Records that stand there and are not of these trainings."""
        asked = {path_of(one) for one in self._trainings}
        return sum(file.path.endswith(".json") and file.path not in asked
                   for file in self.folder.files("units"))  # fmt: skip

    def _about(self, rows: Rows, classes: tuple[str, ...], lost: int) -> About:
        data, splits = self._data, self._splits
        names = generator_names(read_jobs(data))
        assert data.version is not None
        counts = {
            name: {
                **{
                    kind: rows.count(splits.train, name, kind) for kind in (REAL, COPIES, SYNTHETIC)
                },
                "validation": rows.count(splits.validation, name, REAL) if splits.validation else 0,
                "test": rows.count(splits.test, name, REAL),
            }
            for name in classes
        }
        makers = {own: names.get(own, own[:12]) for own in _ids_in_train(rows, splits)}
        return About(
            data.folder.uri, data.version, self.id, self._asked, splits, self._task.side, classes,
            counts, makers, _sha256(self._weights), self._left_out, lost, self._unused(),
            None if self._rival is None else self._rival.report,
        )  # fmt: skip


def _ids_in_train(rows: Rows, splits: Splits) -> tuple[str, ...]:
    return rows.some(n for n, own in enumerate(rows.splits) if own == splits.train).generators


def _closable(results: Any) -> Any:
    """An iterator that ends its work where nobody reads on."""
    return (one for one in results)


def _resources(cpus: int, gpus: float, workers: int | None, units: int) -> Resources:
    """A CPU each; on GPUs a few share one, for a small network does not fill it."""
    if gpus < 1:
        return Resources(workers=max(1, min(workers or cpus, units)))
    each = max(1, min(_PER_GPU, int(cpus // gpus)))
    return Resources(workers=max(1, min(workers or each * int(gpus), units)), gpus=1.0 / each)


def _versions(records: Sequence[Record]) -> dict[str, str]:
    """Of all records; where they differ, all of them."""
    found: dict[str, set[str]] = {}
    for record in records:
        for name, version in record.libraries.items():
            found.setdefault(name, set()).add(version)
    return {name: ", ".join(sorted(some)) for name, some in sorted(found.items())}


# ---- what the user names ---------------------------------------------------------------


def _pinned(asked: Asked, options: Options) -> str:
    """The weights as an extractor is named, with the sha256 of their file."""
    assert asked.weights is not None
    assert asked.network != SMALL
    named = f"{TORCHVISION}{asked.network.removeprefix(TORCHVISION)}={asked.weights}"
    found = read_asked(named, "weights")
    with opened(found, options) as (_, sha256):
        return named if found.sha256 else f"{named},sha256={sha256}"


def _sha256(pinned: str | None) -> str | None:
    return None if pinned is None else read_asked(pinned, "weights").sha256


def _measures(place: str, data: DataSet, asked: Asked, options: Options | None) -> Measures:
    """The measures of an audit of this version; {} where it judged no quality.

    Raises:
        RequestError: it is no such report, or of something else. StorageError: it cannot be read.
    """
    refuse_forbidden(place_of(place, "audit"), "audit")
    above, name = split_uri(place_of(place, "audit").uri)
    expected = "audit.json of this version: `augment audit DATASET --quality --report DIR` makes it"
    try:
        report = json.loads(Folder(above, options).read(name))
        version, quality = report["version"], report["quality"]
        size = int(report["rows"]), int(report["shards"])
        if report["schema_version"] != 1 or not isinstance(report["uri"], str):
            raise ValueError("another schema")
        found = {} if quality is None else measures_of(quality, asked.train)
    except FileNotFoundError:
        raise RequestError(f"audit: got {place}, where nothing is; expected {expected}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RequestError(
            f"audit: {place}: is no audit report ({type(error).__name__}); expected {expected}"
        ) from error
    if version != data.version:
        raise RequestError(
            f"audit: {place}: got the report of version {version}; expected one of version "
            f"{data.version}: audit that, or study the other with --version"
        )
    own = sum(shard.rows or 0 for shard in data.shards), len(data.shards)
    if size != own:
        raise RequestError(
            f"audit: {place}: got the report of {report['uri']} with {size[0]} rows in {size[1]} "
            f"shards; expected that of {data.name}, which has {own[0]} in {own[1]}"
        )
    return found
