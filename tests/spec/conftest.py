"""A small job that is right, and a way to say what a change to it costs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augment.errors import SpecError
from augment.spec import Job, load_spec

SMALL: dict[str, Any] = {
    "version": 1,
    "name": "digits",
    "seed": 7,
    "sources": {
        "real": {
            "format": "imagefolder",
            "uri": "data/real",
            "splits": {"train": "train", "test": "test"},
        }
    },
    "generators": {"fake": {"family": "palette", "classes": ["0", "1"]}},
    "augmentations": [{"name": "light", "copies": 1, "ops": [{"Affine": {"rotate": [-10, 10]}}]}],
    "synthesize": [{"generators": ["fake"], "fill": {"to": 100}}],
    "filters": [{"degenerate": {}}],
    "output": {"uri": "out/digits"},
}

REMOVE = object()
Edits = dict[str, Any]


def edited(edits: Edits) -> dict[str, Any]:
    """SMALL with the values at `a.b.0.c` replaced; `REMOVE` removes."""
    job = copy.deepcopy(SMALL)
    for dotted, value in edits.items():
        *owners, last = [int(s) if s.isdigit() else s for s in dotted.split(".")]
        owner: Any = job
        for step in owners:
            owner = owner.setdefault(step, {}) if isinstance(owner, dict) else owner[step]
        if value is REMOVE:
            del owner[last]
        elif isinstance(owner, list) and last == len(owner):
            owner.append(value)
        else:
            owner[last] = value
    return job


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Job]:
    """Loads SMALL with edits; paths hang on tmp_path."""
    monkeypatch.chdir(tmp_path)

    def load(edits: Edits | None = None, **options: Any) -> Job:
        return load_spec(edited(edits or {}), **options)

    return load


@pytest.fixture
def problems(job: Callable[..., Job]) -> Callable[..., list[str]]:
    """The problems of SMALL with edits, as texts."""

    def found(edits: Edits, **options: Any) -> list[str]:
        try:
            job(edits, **options)
        except SpecError as error:
            return [str(p) for p in error.problems]
        return []

    return found


@pytest.fixture
def load_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Job]:
    """Loads a text as the file `job.yaml` of tmp_path."""
    monkeypatch.chdir(tmp_path)

    def load(text: str | bytes, name: str = "job.yaml", **options: Any) -> Job:
        Path(name).write_bytes(text.encode() if isinstance(text, str) else text)
        return load_spec(name, **options)

    return load


@pytest.fixture
def remove() -> object:
    return REMOVE
