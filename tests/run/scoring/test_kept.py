"""Scores of a shard as one file: whole, or as if it were not there."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from augment.run.scoring.kept import Book, path_of
from augment.storage import Folder

SCORER, SHARD, SHA = "ab" * 16, "data/0123456789abcdef/unit-1-aaaaaaaaaaaa.parquet", "c" * 64
ROWS = [[0.25, math.nan], [1.0, 3.5]]


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(Folder(str(tmp_path)), SCORER)


def test_what_is_put_is_had(book: Book) -> None:
    assert book.get(SHARD) is None
    book.put(SHARD, SHA, ["a.p", "b.d"], ROWS)
    for found in (book.get(SHARD), book.get(SHARD, SHA)):
        assert found is not None
        first, second = found
        assert (first["a.p"], math.isnan(first["b.d"])) == (0.25, True)
        assert second == {"a.p": 1.0, "b.d": 3.5}
    assert book.get(SHARD, "d" * 64) is None


def test_the_first_ones_stay_and_damaged_ones_give_way(book: Book, tmp_path: Path) -> None:
    book.put(SHARD, SHA, ["a.p"], [[0.5]])
    book.put(SHARD, SHA, ["a.p"], [[0.75]])
    assert book.get(SHARD) == [{"a.p": 0.5}]
    file = tmp_path / path_of(SCORER, SHARD)
    file.write_text(file.read_text().replace("0.5", "0.6"))
    assert book.get(SHARD) is None
    book.put(SHARD, SHA, ["a.p"], [[0.75]])
    assert book.get(SHARD) == [{"a.p": 0.75}]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"scores": 1}', "[" * 9000, '{"digest": 1, "scores": {"names": 3}}']
)
def test_what_is_no_file_of_scores_is_none(book: Book, tmp_path: Path, text: str) -> None:
    file = tmp_path / path_of(SCORER, SHARD)
    file.parent.mkdir(parents=True)
    file.write_text(text)
    assert book.get(SHARD) is None


def test_scores_of_another_shard_under_the_name_are_none(book: Book, tmp_path: Path) -> None:
    other = SHARD.replace("unit-1", "unit-2")
    book.put(SHARD, SHA, ["a.p"], [[0.5]])
    (tmp_path / path_of(SCORER, SHARD)).rename(tmp_path / path_of(SCORER, other))
    assert book.get(other) is None


def test_what_a_scorer_was_fit_to(book: Book, tmp_path: Path) -> None:
    assert book.fitted() is None
    assert book.keep_fitted(b"mine", {"kind": "agreement"}) == b"mine"
    assert book.keep_fitted(b"later", {"kind": "agreement"}) == b"mine"
    assert book.fitted() == b"mine"
    folder = tmp_path / f"_scores/{SCORER}"
    assert json.loads((folder / "scorer.json").read_text())["kind"] == "agreement"
    (folder / "fitted.safetensors").write_bytes(b"damaged")
    assert book.fitted() is None
    assert book.keep_fitted(b"again", {"kind": "agreement"}) == b"again"
    assert book.fitted() == b"again"


def test_a_fit_that_was_stopped_before_it_was_named_gives_way(book: Book, tmp_path: Path) -> None:
    place = tmp_path / f"_scores/{SCORER}/fitted.safetensors"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"half")
    assert book.fitted() is None
    assert book.keep_fitted(b"whole", {}) == b"whole"
    assert book.fitted() == b"whole"
