"""Which of the images on offer are taken: the nearest of the class, each once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from augment.study.retrieval import CAUSES, Retrieved, nearness, sample, taken, unit_length


def on_circle(*degrees: float) -> np.ndarray:
    angles = np.radians(np.array(degrees))
    return unit_length(np.stack([3 * np.cos(angles), 3 * np.sin(angles)], axis=1))


TRAIN = on_circle(0, 40, 90)
LABELS = np.array([0, 0, 1])


def test_nearness_is_the_largest_cosine_to_an_image_of_the_class() -> None:
    found = nearness(on_circle(50, 180), TRAIN, LABELS, 3)
    wanted = [[np.cos(np.radians(10)), np.cos(np.radians(40)), -np.inf],
              [np.cos(np.radians(140)), 0.0, -np.inf]]  # fmt: skip
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert unit_length(np.zeros((1, 2), np.float32)).tolist() == [[0.0, 0.0]]


def test_the_nearest_of_a_class_are_taken_and_no_more_than_asked() -> None:
    near = nearness(on_circle(20, 41, 60, 89, 130), TRAIN, LABELS, 2)
    labels, ids = np.array([0, 0, 0, 1, 1]), list("abcde")
    assert taken(near, labels, [2, 1], ids, 0) == [[1, 0], [3]]
    assert taken(near, labels, [0, 9], ids, 0) == [[], [3, 4]], "as many as there are"
    assert taken(near[:0], labels[:0], [2, 1], [], 0) == [[], []]


def test_an_image_without_a_label_is_of_the_class_of_the_nearest_train_image() -> None:
    near = nearness(on_circle(20, 41, 88, 120), TRAIN, LABELS, 2)
    assert taken(near, np.full(4, -1), [9, 9], list("abcd"), 0) == [[1, 0], [2, 3]]


def test_of_equally_near_ones_the_seed_decides_whatever_their_order() -> None:
    near = np.zeros((40, 1), np.float32)
    near[::2] += 4e-6  # as much as another batch may round
    ids = [f"i{n}" for n in range(40)]
    first = [ids[n] for n in taken(near, np.zeros(40, np.int64), [9], ids, 0)[0]]
    turned = [ids[::-1][n] for n in taken(near[::-1], np.zeros(40, np.int64), [9], ids[::-1], 0)[0]]
    other = [ids[n] for n in taken(near, np.zeros(40, np.int64), [9], ids, 1)[0]]
    assert first == turned
    assert {int(one[1:]) % 2 for one in first} == {0, 1}
    assert set(first) != set(other)


def test_a_sample_is_level_over_labels_and_a_matter_of_keys() -> None:
    labels = ["a"] * 50 + ["b"] * 3 + [None] * 50
    keys = [str(n) for n in range(103)]
    found = sample(labels, keys, 43, 5)
    of = [labels[n] for n in found]
    assert (of.count("a"), of.count("b"), of.count(None)) == (20, 3, 20)
    assert list(found) == sorted(found)
    assert sample(labels, keys, 43, 6) != found
    assert sample(labels, keys, 103, 5) == tuple(range(103))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "retrieved real images: 9 of 30 in more, of the same class, nearest to train images "
             "by random"),
        ({"had": {"a": 2, "b": 3}}, "9 were asked for, and 4 lack: a 2 of 6"),
        ({"by_class": False}, "of any label"),
        ({"left_out": dict.fromkeys(CAUSES, 2)}, "2 equal to a validation or test image"),
        ({"why": "nothing is there"}, "retrieved real images of more: not computed, nothing is"),
        ({"sources": ("x\x1b[31m",)}, "of 30 in "),
    ],
)  # fmt: skip
def test_what_was_retrieved_is_told(changes: dict[str, Any], text: str) -> None:
    usual: dict[str, Any] = {
        "sources": ("more",), "extractor": "random", "offered": 30,
        "asked": {"a": 6, "b": 3}, "had": {"a": 6, "b": 3},
    }  # fmt: skip
    found = Retrieved(**usual | changes).to_json()["text"]
    assert text in found
    assert "\x1b" not in found
    assert ("lack" in found) == ("had" in changes)
