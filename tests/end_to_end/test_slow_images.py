"""An image whose rows take for ever costs itself: it is quarantined, everything else is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from augment.api import audit, load_spec, open_dataset, run
from augment.run import Engine, LocalEngine, ProcessEngine
from tests.end_to_end.jobs import job_document, write_digits

SLOW = "train/1/slow.png"


@pytest.fixture
def document(tmp_path: Path) -> dict[str, Any]:
    """Every copy takes time for every pixel: a minute of the one image, nothing of the others."""
    write_digits(tmp_path / "data", {"0": 6, "1": 3}, test=1)
    pixels = np.random.default_rng(0).integers(0, 255, (500, 500, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "data" / SLOW)
    op = {"GlassBlur": {"iterations": 40, "mode": "exact", "p": 1.0}}
    copies = {"augmentations": [{"name": "glass", "copies": 1, "ops": [op]}]}
    whole = job_document(tmp_path, **copies, execution={"image_timeout_s": 2.0})
    synthesis = {"generators", "synthesize", "filters", "pool"}
    return {key: value for key, value in whole.items() if key not in synthesis}


def quarantine(root: Path) -> list[tuple[str, str, str]]:
    (path,) = (root / "out").glob("_provenance/*/quarantine.parquet")
    rows = pq.read_table(path).to_pylist()
    return sorted((r["locator"], r["reason"], r["detail"]) for r in rows)


def check(root: Path, document: dict[str, Any], engine: Engine) -> None:
    result = run(load_spec(document), engine=engine)
    assert result.ok
    assert sum(cell.written for cell in result.cells) == 20
    copy, image = quarantine(root)
    why = "its rows took longer than image_timeout_s allows (2 s each)"
    assert image == (SLOW, "timeout", why)
    assert copy == (SLOW, "parent", f"{SLOW}: timeout: {why}")
    assert open_dataset(result.output).count_rows() == 20
    assert audit(result.output, verify=True).ok


def test_in_this_process(tmp_path: Path, document: dict[str, Any]) -> None:
    check(tmp_path, document, LocalEngine())


def test_in_processes(tmp_path: Path, document: dict[str, Any]) -> None:
    with ProcessEngine() as engine:
        check(tmp_path, document, engine)
