"""Candidates: the original of a changed copy is among the few, with a warp that nearly fits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from augment.audit.copies import KINDS
from augment.audit.copies.candidates import Index, Pixels, Start, of_length_one
from augment.audit.copies.images import Image, reduced
from tests.audit.copies.pictures import blotches, colours, things

PROTECTED = [*blotches(30), *things(30)]


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def indexed(
    images: list[Image],
    features: Mapping[str, np.ndarray] | None = None,
    labels: list[str] | None = None,
) -> Index:
    pixels = Pixels.of(reduced(images), np.arange(len(images)), rng())
    return Index(pixels, features or {}, labels)


@pytest.fixture(scope="module")
def index() -> Index:
    return indexed(PROTECTED)


def asked(index: Index, images: list[Image], k: int = 3, **options: object) -> list[list[Start]]:
    return index.starts(index.queries(reduced(images)), {}, k, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_originals_are_found(index: Index, kind: str) -> None:
    r, rows = rng(), range(0, 60, 4)
    found = asked(index, [KINDS[kind](PROTECTED[row], r) for row in rows])
    hits = [row in {start.protected for start in starts}
            for row, starts in zip(rows, found, strict=True)]  # fmt: skip
    assert np.mean(hits) >= (0.8 if kind == "compound" else 0.9)


def test_a_mirrored_copy_begins_mirrored(index: Index) -> None:
    (starts,) = asked(index, [np.ascontiguousarray(PROTECTED[7][:, ::-1])])
    assert [start.protected for start in starts[:2]] == [7, 7]
    assert all(np.linalg.det(start.warp[:2, :2]) < 0 for start in starts[:2])


def test_there_are_at_most_k_of_each_space_with_two_starts_each(index: Index) -> None:
    for starts in asked(index, blotches(5, seed=9), k=2):
        rows = [start.protected for start in starts]
        assert len(set(rows)) <= 4
        assert rows[::2] == rows[1::2]
        assert len(set(rows)) == len(rows) // 2


def test_more_are_asked_for_than_there_are() -> None:
    small = indexed(PROTECTED[:2])
    for starts in asked(small, PROTECTED[:3], k=5):
        assert {start.protected for start in starts} == {0, 1}


def test_rows_that_are_none_are_looked_past(index: Index) -> None:
    (starts,) = asked(index, [PROTECTED[3]], k=1, without=[{3}])
    assert starts
    assert 3 not in {start.protected for start in starts}


def test_with_labels_a_query_meets_its_own_class_alone() -> None:
    labels = ["even", "odd"] * 30
    index = indexed(PROTECTED, labels=labels)
    found = asked(index, [PROTECTED[3]] * 3, labels=["odd", "even", "never seen"])
    assert found[0][0].protected == 3
    assert {start.protected % 2 for start in found[1]} == {0}
    assert found[2] == []


def test_features_are_a_space_of_their_own() -> None:
    """Grey pixels of both are the same; only colours tell them apart."""
    features = of_length_one(np.eye(60))
    index = indexed(PROTECTED, {"one-hot": features})
    queries = index.queries(reduced([PROTECTED[0]]))
    found = index.starts(queries, {"one-hot": features[41:42]}, 1)
    assert {start.protected for start in found[0]} == {0, 41}


def test_features_of_zeros_have_no_direction_and_no_error() -> None:
    rows = np.stack([np.zeros(4), np.full(4, 1e300), np.full(4, 1e-300)])
    np.testing.assert_allclose(of_length_one(rows), [[0] * 4, [0.5] * 4, [0.5] * 4])
    assert of_length_one(colours(PROTECTED[:1])).dtype == np.float32
