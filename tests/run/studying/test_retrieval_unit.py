"""Images that were retrieved are read for training in the order of their record."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from augment.codec import decode
from augment.errors import StorageError
from augment.run.studying.gathering import fitted
from augment.run.studying.retrieval_unit import Reading, read_retrieved
from augment.run.studying.retrieved_record import Chosen, Looked, keep_looked
from augment.spec import load_spec
from augment.storage import Folder
from augment.study.rows import Splits
from tests.audit.conftest import png
from tests.run.studying.test_retrieving import document, write

SPLITS = Splits("train", None, "test")
PATH = "retrieved/x.json"


def reading(root: Path) -> Reading:
    """Two sources, of the same pictures."""
    for name in ("more", "another"):
        write(root / name / "train", {"0": [3, 4], "1": [5]})
    given = document(root)
    given["sources"]["another"] = given["sources"]["more"] | {"uri": str(root / "another")}
    given["synthesize"][0]["input"]["from"]["sources"] = ["more", "another"]
    sources = load_spec(given).spec.sources
    return Reading({name: sources[name] for name in ("more", "another")}, {}, 1 << 20, 60.0)


def chosen(source: str, label: str, number: int) -> Chosen:
    sha256 = hashlib.sha256(png(number)).hexdigest()
    return Chosen(source, f"train/{label}/{number:04}.png", label, sha256)


def test_rows_and_pixels_are_in_the_order_of_the_record(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / "study"))
    record = (chosen("more", "0", 4), chosen("another", "0", 3), chosen("more", "1", 5))
    keep_looked(folder, PATH, Looked("random", record, {}))
    rows, pixels = read_retrieved(folder, PATH, SPLITS, 16, reading(tmp_path))
    assert rows.labels == ["0", "0", "1"]
    assert set(rows.splits) == {"train"}
    assert len(set(rows.ids)) == 3
    wanted = [fitted(decode(png(number), 64), 16) for number in (4, 3, 5)]
    np.testing.assert_array_equal(pixels, np.stack(wanted))


def test_a_record_that_is_damaged_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"retrieved/x\.json: is damaged; .* retrieves again"):
        read_retrieved(Folder(str(tmp_path)), PATH, SPLITS, 16, reading(tmp_path))


def test_a_source_that_the_job_does_not_offer_is_told(tmp_path: Path) -> None:
    """Whoever writes beside a table names no image of another source."""
    folder = Folder(str(tmp_path / "study"))
    keep_looked(folder, PATH, Looked("random", (chosen("digits", "0", 0),), {}))
    with pytest.raises(StorageError, match=r"sources\.digits: train/0/0000\.png is not the image"):
        read_retrieved(folder, PATH, SPLITS, 16, reading(tmp_path))
