"""The record of one training: a small JSON file, created once and whole.

It has no clock and nothing of the machine but versions of libraries, so that the same training
leaves the same bytes. One that is damaged or of another training is as if it were not there.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from augment.storage import Folder
from augment.study.plan import Training
from augment.study.training import Outcome

FOLDER = "_studies"
"""Beside a table. Readers of tables take no folder for data whose name begins so."""
FORMAT = "augment-study-training/1"
RESULT = "study.json"


@dataclass(frozen=True)
class Record:
    """lost: ids of rows whose image could not be decoded, which nobody used. amounts: synthetic
    rows of each class that could be drawn. libraries: name -> version."""

    outcome: Outcome
    lost: tuple[str, ...]
    amounts: tuple[int, ...]
    libraries: Mapping[str, str]


def path_of(training: Training) -> str:
    """Below the folder of a study."""
    return f"units/{training.name}.json"


def keep(folder: Folder, training: Training, record: Record) -> None:
    """Unless it is kept already: of two that trained the same, one wins.

    Raises:
        StorageError: it cannot be written.
    """
    path, data = path_of(training), packed(training, record)
    if not folder.create(path, data) and kept(folder, training) is None:
        folder.replace(path, data)


def kept(folder: Folder, training: Training) -> Record | None:
    """What is kept, None where nothing is that holds. Raises: StorageError."""
    try:
        return unpacked(folder.read(path_of(training)), training)
    except FileNotFoundError:
        return None


def packed(training: Training, record: Record) -> bytes:
    """The file."""
    outcome = record.outcome
    body: dict[str, Any] = {
        "format": FORMAT,
        "training": training.name,
        "lost": list(record.lost),
        "amounts": list(record.amounts),
        "libraries": dict(record.libraries),
        "validation": outcome.validation.tolist(),
        "test_images": len(outcome.right),
        "right": _text(np.packbits(outcome.right)),
        "views_right": _text(outcome.views_right),
    }
    return f"{json.dumps(body, indent=1, sort_keys=True)}\n".encode()


def unpacked(data: bytes, training: Training) -> Record | None:
    """None where it is damaged, or of anything else."""
    try:
        body = json.loads(data)
        if (body["format"], body["training"]) != (FORMAT, training.name):
            return None
        n = int(body["test_images"])
        right = np.unpackbits(_bytes(body["right"]), count=n).astype(bool)
        views, validation = _bytes(body["views_right"]), np.array(body["validation"], np.int64)
        amounts = tuple(map(int, body["amounts"]))
        if views.shape != (n,) or validation.shape != (len(amounts), 2):
            return None
        libraries = {str(name): str(version) for name, version in body["libraries"].items()}
        lost = tuple(map(str, body["lost"]))
        return Record(Outcome(right, views, validation), lost, amounts, libraries)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def recorded(folder: Folder, trainings: Sequence[Training]) -> set[Training]:
    """Those of whom a record stands there, by one listing; what it holds is not looked at."""
    names = {file.path for file in folder.files("units")}
    return {one for one in trainings if path_of(one) in names}


def _text(array: np.ndarray) -> str:
    return base64.b64encode(array.astype(np.uint8).tobytes()).decode()


def _bytes(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
