"""One unit of a study: one training, in a worker that decodes the images once for all of its
trainings. Nothing decoded leaves it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import overload

import numpy as np

from augment.audit.table import open_data_set
from augment.features.asked import read_asked
from augment.features.files import opened, read_tensors
from augment.run.studying.gathering import read_images, read_rows
from augment.run.studying.recording import Record, keep
from augment.run.studying.retrieval_unit import Reading, read_retrieved
from augment.storage import Folder, Options
from augment.study.corruptions import CORRUPTIONS, SEVERITIES, corrupted
from augment.study.plan import PRETRAINED, Arm, Training
from augment.study.rows import Rows, Splits, classes_of, drawn, pools, used
from augment.study.training import Images, Recipe, trained

_MOST_HELD = 256 << 20
"""Bytes of corrupted views that are kept between trainings; more are made again each time."""
IMAGE_S = 60.0


@dataclass(frozen=True)
class StudyTask:
    """What a worker is made from. uri, version, options: of the table. folder: of the records.
    weights: as `features.asked` names an extractor, with its sha256. retrieved: path of the record
    of retrieved images, in `folder`, and how these are read."""

    uri: str
    version: int
    options: Options
    folder: Folder
    splits: Splits
    network: str
    side: int
    steps: int
    seed: int
    corrupted: bool
    weights: str | None = None
    device: str = "cpu"
    retrieved: tuple[str, Reading] | None = None

    def worker(self, alone: bool = False) -> StudyWorker:
        return StudyWorker(self)


def unit_text(training: Training) -> str:
    """A training as a unit."""
    return json.dumps([list(training.arm), *training[1:]])


def training_of(unit: str) -> Training:
    """As `unit_text` wrote it."""
    arm, *more = json.loads(unit)
    return Training(Arm(*arm), *more)


class StudyWorker:
    """Trains; reads the images when it first does."""

    def __init__(self, task: StudyTask) -> None:
        self._task = task
        self._held: _Held | None = None
        self._weights: Mapping[str, np.ndarray] | None = None

    def __call__(self, unit: str) -> str:
        """JSON: `name`, of the training whose record stands now."""
        task, training = self._task, training_of(unit)
        held = self._held = self._held or _Held.of(task)
        if training.arm.start == PRETRAINED and self._weights is None:
            self._weights = weights_of(task.weights, task.options)
        draw = drawn(held.rows, task.splits, task.seed, training.draw)
        chosen = pools(held.rows, draw.fit, training.arm, held.classes)
        recipe = Recipe(task.network, len(held.classes), task.steps, task.seed, self._weights,
                        task.device)  # fmt: skip
        outcome = trained(
            held.images,
            chosen,
            held.validation(draw.left_out),
            held.test,
            held.views if task.corrupted else (),
            recipe,
            training,
        )
        amounts = tuple(len(pool.made) for pool in chosen)
        keep(task.folder, training, Record(outcome, held.lost, amounts, libraries(task.network)))
        return json.dumps({"name": training.name})


def weights_of(named: str | None, options: Options) -> dict[str, np.ndarray]:
    """The tensors of a weights file.

    Raises:
        RequestError, CheckpointError, StorageError: see `features.files`.
    """
    assert named is not None, "a pretrained arm has weights"
    asked = read_asked(named, "weights")
    with opened(asked, options) as (blob, _):
        return read_tensors(blob, asked.name)


def libraries(network: str) -> dict[str, str]:
    """Versions of what trains."""
    names = ("torch", "numpy", *(("torchvision",) if network != "small" else ()))
    return {name: version(name) for name in names}


@dataclass
class _Held:
    """Rows that serve and whose image was decoded, and these images. images: of all rows; test: of
    real test rows of `classes`."""

    rows: Rows
    classes: tuple[str, ...]
    images: Images
    test: Images
    views: Sequence[np.ndarray]
    lost: tuple[str, ...]
    _splits: Splits

    @classmethod
    def of(cls, task: StudyTask) -> _Held:
        data = open_data_set(task.uri, task.version, task.options)
        rows = used(read_rows(data), task.splits, task.seed)
        pixels, gone = read_images(data, rows, task.side, IMAGE_S)
        lost = tuple(rows.ids[n] for n in gone)
        there = np.setdiff1d(np.arange(len(rows)), np.array(gone, np.int64))
        if gone:
            rows, pixels = rows.some(there.tolist()), pixels[there]
        classes = classes_of(rows, task.splits)
        if task.retrieved is not None:
            more, images = read_retrieved(task.folder, task.retrieved[0], task.splits, task.side,
                                          task.retrieved[1])  # fmt: skip
            rows, pixels = rows.joined(more), np.concatenate([pixels, images])
        labels = labels_of(rows, classes)
        test = test_rows(rows, task.splits, classes)
        ids = [rows.ids[n] for n in test]
        return cls(
            rows,
            classes,
            Images(pixels, labels),
            Images(pixels[test], labels[test]),
            _Views(pixels[test], ids),
            lost,
            task.splits,
        )

    def validation(self, left_out: np.ndarray) -> np.ndarray:
        """(N,) int64 positions of the images that choices are made by."""
        split = self._splits.validation
        if split is None:
            at = left_out
        else:
            at = np.array([n for n, own in enumerate(self.rows.splits) if own == split], np.int64)
        return np.asarray(at[self.images.y_N[at] >= 0])


def labels_of(rows: Rows, classes: Sequence[str]) -> np.ndarray:
    """(N,) int64; -1 of rows of other classes, which nothing uses."""
    index = {name: n for n, name in enumerate(classes)}
    return np.array([index.get(label, -1) for label in rows.labels], np.int64)


def test_rows(rows: Rows, splits: Splits, classes: Sequence[str]) -> np.ndarray:
    """(M,) int64 positions of the test images, in order."""
    known = set(classes)
    return np.array(
        [n for n, split in enumerate(rows.splits)
         if split == splits.test and rows.labels[n] in known], np.int64,
    )  # fmt: skip


class _Views(Sequence[np.ndarray]):
    """Every corruption at every severity of the same test images, kept where they are few."""

    def __init__(self, test_NSS3: np.ndarray, ids: Sequence[str]) -> None:
        self._test, self._ids = test_NSS3, ids
        self._kinds = [(kind, severity) for kind in CORRUPTIONS for severity in SEVERITIES]
        self._keep = test_NSS3.nbytes * len(self._kinds) <= _MOST_HELD
        self._kept: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self._kinds)

    @overload
    def __getitem__(self, at: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[np.ndarray]: ...
    def __getitem__(self, at: int | slice) -> np.ndarray | Sequence[np.ndarray]:
        if isinstance(at, slice):
            return [self[n] for n in range(len(self))[at]]
        if (kept := self._kept.get(at)) is not None:
            return kept
        kind, severity = self._kinds[at]
        found: np.ndarray = np.empty_like(self._test)
        for n, own in enumerate(self._ids):
            found[n] = corrupted(self._test[n], kind, severity, own)
        if self._keep:
            self._kept[at] = found
        return found
