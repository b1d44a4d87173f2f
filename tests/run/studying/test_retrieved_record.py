"""The record of what was retrieved: whole or none, and named by what decides a training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from augment.run.studying.retrieved_record import Chosen, Looked, keep_looked, read_looked
from augment.storage import Folder

LOOKED = Looked(
    "random", (Chosen("more", "train/a/1.png", "a", "01" * 32),), {"repeated": 2, "unreadable": 1}
)
PATH = "retrieved/x.json"


def test_it_reads_back_and_is_kept_once(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    assert read_looked(folder, PATH) is None
    keep_looked(folder, PATH, LOOKED)
    before = (tmp_path / PATH).read_bytes()
    keep_looked(folder, PATH, Looked("random", (), {}))
    assert read_looked(folder, PATH) == LOOKED
    assert (tmp_path / PATH).read_bytes() == before, "of two that looked, one wins"


def test_its_name_is_of_images_and_classes_wherever_they_lie() -> None:
    one = LOOKED.chosen[0]
    moved = Looked("other", (one._replace(source="x", locator="y"),), {})
    assert moved.id == LOOKED.id
    for change in ({"label": "b"}, {"sha256": "02" * 32}):
        assert Looked("random", (one._replace(**change),), {}).id != LOOKED.id


@pytest.mark.parametrize(
    "change",
    [
        {"format": "augment-study-retrieved/0"},
        {"images": [["more", "a", "b"]]},
        {"images": [["more", "a", "b", 1]]},
        {"images": 3},
        {"lost": [1]},
        {"lost": {"repeated": "x"}},
        {"unnamed": None},
    ],
)
def test_one_that_is_damaged_is_none_and_is_replaced(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    folder = Folder(str(tmp_path))
    keep_looked(folder, PATH, LOOKED)
    body = json.loads((tmp_path / PATH).read_text())
    (tmp_path / PATH).write_text(json.dumps(body | change))
    assert read_looked(folder, PATH) is None
    keep_looked(folder, PATH, LOOKED)
    assert read_looked(folder, PATH) == LOOKED


def test_causes_that_nobody_knows_are_left_out(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    keep_looked(folder, PATH, LOOKED)
    body = json.loads((tmp_path / PATH).read_text())
    (tmp_path / PATH).write_text(json.dumps(body | {"lost": {"repeated": 2, "\x1b": 3}}))
    found = read_looked(folder, PATH)
    assert found is not None
    assert found.lost == {"repeated": 2}
