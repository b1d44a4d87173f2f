"""The record of what was retrieved for a study: a small JSON file, created once and whole.

It names images and what their bytes are known by. One that is damaged is as if it were not there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from augment.seeds import digest
from augment.storage import Folder
from augment.study.retrieval import CAUSES

FORMAT = "augment-study-retrieved/1"


class Chosen(NamedTuple):
    """An image. source, locator: as the census has it; label: a class of the study; sha256: of its
    bytes."""

    source: str
    locator: str
    label: str
    sha256: str


@dataclass(frozen=True)
class Looked:
    """What looking came to. chosen: class by class, nearest first. lost: cause -> images on offer
    that could not be taken. unnamed: real rows of the table that do not say what they show, so that
    nothing was looked up."""

    extractor: str
    chosen: tuple[Chosen, ...]
    lost: Mapping[str, int]
    unnamed: int = 0

    @property
    def id(self) -> str:
        """Digest of the images and their classes: what decides the trainings on them."""
        return digest([[one.label, one.sha256] for one in self.chosen])


def keep_looked(folder: Folder, path: str, looked: Looked) -> None:
    """Unless it is kept already.

    Raises:
        StorageError: it cannot be written.
    """
    body: dict[str, Any] = {
        "format": FORMAT,
        "extractor": looked.extractor,
        "images": [list(one) for one in looked.chosen],
        "lost": dict(looked.lost),
        "unnamed": looked.unnamed,
    }
    data = f"{json.dumps(body, indent=1, sort_keys=True)}\n".encode()
    if not folder.create(path, data) and read_looked(folder, path) is None:
        folder.replace(path, data)


def read_looked(folder: Folder, path: str) -> Looked | None:
    """None where nothing is that holds. Raises: StorageError."""
    try:
        body = json.loads(folder.read(path))
        if body["format"] != FORMAT:
            return None
        chosen = tuple(Chosen(*_texts(one)) for one in body["images"])
        lost = {str(cause): int(n) for cause, n in body["lost"].items() if cause in CAUSES}
        return Looked(str(body["extractor"]), chosen, lost, int(body["unnamed"]))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError,
            FileNotFoundError):  # fmt: skip
        return None


def _texts(one: Any) -> list[str]:
    if not all(isinstance(text, str) for text in one):
        raise ValueError("texts")
    return list(one)
