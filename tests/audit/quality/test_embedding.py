"""The map: even over classes and origins, the same every time, and as principal components are."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from augment.audit.quality import AUGMENTED, Gathered
from augment.audit.quality.embedding import LEAST, embedded
from tests.audit.quality.conftest import CLASSES, D, gathered, real, rows_of


def test_every_class_and_origin_has_as_many_images() -> None:
    some = gathered(0, {"g": real, "h": real, AUGMENTED: real})
    found = embedded({"one": some}, 0, 90)
    assert found is not None
    assert found.extractor == "one"
    assert {one.group.split for one in found.points} == {"train"}, "made rows are in no other"
    for n in (9, 45, 90):  # whatever the length
        cells = Counter((one.group.class_name, _origin(one.group.maker))
                        for one in found.points[:n])  # fmt: skip
        assert len(cells) == 9
        assert set(cells.values()) == {n // 9}
    makers = Counter(one.group.maker for one in found.points)
    assert (makers["g"], makers["h"]) == (15, 15)
    assert len({one.sample_id for one in found.points}) == 90


def _origin(maker: str | None) -> str | None:
    return maker if maker in (None, AUGMENTED) else "generated"


def test_of_more_classes_than_points_a_seeded_draw_is_shown() -> None:
    some = Gathered(0)
    for n in range(40):
        for maker in (None, "g"):
            rows = rows_of("train", f"class {n}", maker, 3)
            some.add(rows, np.random.default_rng(n).normal(size=(3, D)), np.arange(3))
    of_seed = [embedded({"one": some}, seed, 20) for seed in (0, 0, 1)]
    classes = [{one.group.class_name for one in each.points} for each in of_seed if each]
    assert len(classes[0]) == 10
    assert classes[0] == classes[1] != classes[2]
    assert of_seed[0] == of_seed[1]


def test_points_lie_at_principal_components_with_four_digits() -> None:
    some = gathered(0, {"g": real})
    found = embedded({"one": gathered(1, {"g": real}), "task": some}, 0)
    assert found is not None
    assert found.extractor == "task"
    by_id = {
        name: vector
        for group in some.groups() if (sample := some.sample(group)) is not None
        for name, vector in zip(sample.ids, sample.features, strict=True)
    }  # fmt: skip
    features = np.stack([by_id[one.sample_id] for one in found.points]).astype(np.float64)
    centred = features - features.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    expected = centred @ vectors[:, ::-1][:, :2]
    got = np.array([(one.x, one.y) for one in found.points])
    for n in range(2):
        sign = 1 if vectors[np.abs(vectors[:, -1 - n]).argmax(), -1 - n] > 0 else -1
        assert got[:, n] == pytest.approx(expected[:, n] * sign, rel=6e-4, abs=1e-6)
    assert found.shares == pytest.approx(values[::-1][:2] / values.sum(), rel=6e-4)
    assert all(float(f"{one.x:.4g}") == one.x for one in found.points)


def test_it_does_not_depend_on_the_order_of_rows() -> None:
    rng = np.random.default_rng(0)
    there, back = Gathered(0), Gathered(0)
    parts = [
        (rows_of("train", name, maker, 30), real(rng, name, 30))
        for name in CLASSES for maker in (None, "g")
    ]  # fmt: skip
    for one, order in ((there, parts), (back, parts[::-1])):
        for rows, vectors in order:
            one.add(rows, vectors, np.arange(30))
    assert embedded({"one": there}, 0) == embedded({"one": back}, 0)


@pytest.mark.parametrize("n", [0, LEAST // 2 - 1])
def test_too_few_images_have_no_map(n: int) -> None:
    some = Gathered(0)
    for maker in (None, "g") if n else ():
        some.add(rows_of("train", "a", maker, n), np.eye(n, D), np.arange(n))
    assert embedded({"one": some}, 0) is None
    assert embedded({}, 0) is None


def test_without_made_images_or_any_difference_there_is_none() -> None:
    alone, equal = Gathered(0), Gathered(0)
    alone.add(rows_of("train", "a", None, 30), np.eye(30, D), np.arange(30))
    for maker in (None, "g"):
        equal.add(rows_of("train", "a", maker, 30), np.full((30, D), 3.7), np.arange(30))
    assert embedded({"one": alone}, 0) is None
    assert embedded({"one": equal}, 0) is None


def test_one_dimension_is_one_direction() -> None:
    some = Gathered(0)
    for at, maker in enumerate((None, "g")):
        some.add(rows_of("train", "a", maker, 20), np.arange(20.0)[:, None] + at, np.arange(20))
    found = embedded({"one": some}, 0)
    assert found is not None
    assert found.shares == (1.0, 0.0)
    assert {one.y for one in found.points} == {0.0}
