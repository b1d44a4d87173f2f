"""Small jobs on real digits, and what a test asks of the data set that they make."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml
from PIL import Image
from sklearn.datasets import load_digits

from tests.waiting import run

CLASSES = ("0", "1", "2")


def write_digits(folder: Path, train: Mapping[str, int], test: int = 3) -> None:
    """Real scanned digits (8 x 8, levels 0 .. 16 scaled to 0 .. 255) as PNG files."""
    digits = load_digits()
    for label, n in train.items():
        images = digits.images[digits.target == int(label)]
        for split, some in (("train", images[:n]), ("test", images[n : n + test])):
            target = folder / split / label
            target.mkdir(parents=True, exist_ok=True)
            for i, image in enumerate(some):
                pixels = np.round(image * 255 / 16).astype(np.uint8)
                Image.fromarray(pixels).save(target / f"{i:03d}.png")


def job_document(root: Path, **changes: Any) -> dict[str, Any]:
    """A job with real rows, copies and a generator without weights."""
    document: dict[str, Any] = {
        "version": 1,
        "name": "small",
        "seed": 7,
        "sources": {
            "digits": {
                "format": "imagefolder",
                "uri": str(root / "data"),
                "splits": {"train": "train", "test": "test"},
            }
        },
        "generators": {"fake": {"family": "palette", "classes": list(CLASSES), "size": 8}},
        "augmentations": [
            {"name": "light", "copies": 1, "ops": [{"Affine": {"rotate": [-10, 10], "p": 1.0}}]}
        ],
        "synthesize": [{"generators": ["fake"], "fill": {"to": 30}}],
        "filters": [{"degenerate": {}}],
        "pool": str(root / "pool"),
        "output": {"uri": str(root / "out"), "shard": {"target_bytes": 65536}},
    }
    return document | changes


def write_job(path: Path, document: Mapping[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(dict(document), sort_keys=False))
    return path


def augment(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """The console command, as a user runs it."""
    return run([sys.executable, "-m", "augment", *arguments], cwd=cwd, env=os.environ | env)


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """The rows of a table by sample id."""
    return sorted(table.to_pylist(), key=lambda row: str(row["sample_id"]))


def pixels(row: Mapping[str, Any]) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB"))


def assert_alike(found: Sequence[Mapping[str, Any]], expected: Sequence[Mapping[str, Any]]) -> None:
    """Two runs' rows, by sample id: the same bytes of what was not generated; of what was, the
    same words, and pixels that differ by a level in fewer than 1 of 100 places."""
    assert [r["sample_id"] for r in found] == [r["sample_id"] for r in expected]
    for mine, theirs in zip(found, expected, strict=True):
        if not mine["generated"]:
            assert mine == theirs
            continue
        for column in ("label", "split", "rank", "generator", "parents", "marks", "width"):
            assert mine[column] == theirs[column]
        difference = np.abs(pixels(mine).astype(int) - pixels(theirs).astype(int))
        assert difference.max() <= 1
        assert (difference > 0).mean() < 0.01


def fingerprint(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """sample id -> sha256 of the image, as stored and as it is."""
    found = {}
    for row in rows:
        actual = hashlib.sha256(row["image"]["bytes"]).hexdigest()
        assert actual == row["sha256"]
        found[row["sample_id"]] = actual
    return found
