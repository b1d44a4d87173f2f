"""Generated rows that their file format gives away, and those that it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage import data

from augment.api import audit, load_spec, run
from augment.audit import AuditReport
from tests.end_to_end.jobs import job_document

CLASSES = ("cat", "cup")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """JPEGs of several sizes and qualities, crops of two photographs."""
    root = tmp_path_factory.mktemp("photos")
    draws = np.random.default_rng(0)
    for label, photo in zip(CLASSES, (data.chelsea(), data.coffee()), strict=True):
        for split, n in (("train", 40), ("test", 4)):
            folder = root / "data" / split / label
            folder.mkdir(parents=True)
            for k in range(n):
                side = int(draws.integers(20, 40))
                y, x = (int(draws.integers(0, s - side)) for s in photo.shape[:2])
                crop = Image.fromarray(photo[y : y + side, x : x + side])
                crop.save(folder / f"{k}.jpg", quality=int(draws.choice([70, 85, 95])))
    return root


def audited(photos: Path, root: Path, image: dict[str, Any], fill: int = 80) -> AuditReport:
    document = job_document(
        photos,
        generators={"fake": {"family": "palette", "classes": list(CLASSES), "size": 32}},
        augmentations=[],
        synthesize=[{"generators": ["fake"], "fill": {"to": fill}}],
        pool=str(root / "pool"),
        output={"uri": str(root / "out"), "image": image},
    )
    run(load_spec(document), engine="local")
    return audit(str(root / "out"))


def shortcut(report: AuditReport) -> tuple[bool | None, str]:
    [check] = [check for check in report.checks if check.name == "shortcut"]
    return check.passed, check.text


def test_images_encoded_as_the_real_ones_are_pass(photos: Path, tmp_path: Path) -> None:
    report = audited(photos, tmp_path, {"format": "match_real"})
    passed, text = shortcut(report)
    assert passed, text
    assert text.startswith("the file format does not tell generated rows from real ones: split ")
    assert "of 80 generated and 80 real rows" in text
    assert not [found for found in report.findings if found.check == "shortcut"]


def test_a_format_of_their_own_fails(photos: Path, tmp_path: Path) -> None:
    report = audited(photos, tmp_path, {"format": "png"})
    assert report.verdict == "failed"
    [found] = [found for found in report.findings if found.check == "shortcut"]
    assert not found.warns
    assert found.n == 80
    assert found.text.startswith(
        "split train: encoding alone tells generated rows from real ones of their class, AUC 1.00 "
        "[1.00, 1.00] of 80 generated and 80 real rows, most by the container (alone 1.00; "
    )
    assert "`output.image.format: match_real`" in found.text


def test_of_too_few_rows_nothing_is_said(photos: Path, tmp_path: Path) -> None:
    passed, text = shortcut(audited(photos, tmp_path, {"format": "png"}, fill=50))
    assert passed is None
    assert text.endswith(
        "not judged, fewer than 40 real and 40 generated rows stand in classes that have both"
    )
