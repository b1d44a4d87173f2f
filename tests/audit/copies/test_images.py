"""Images as they are searched: one size, equal digests for equal pixels alone, clear refusals."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from augment.audit.copies.images import (
    BLOCK,
    COLOUR_SIDE,
    SIDE,
    Decoded,
    Image,
    ImageSet,
    blocks_of,
    reduced,
    reduced_set,
)
from tests.audit.copies.pictures import blotches, colours


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (40, 48), (3, 900), (64, 64), (1000, 700)])
def test_any_size_becomes_one(size: tuple[int, int]) -> None:
    small = reduced([np.full((*size, 3), (200, 100, 50), np.uint8)])
    assert small.grey.shape == (1, SIDE, SIDE)
    assert small.colour.shape == (1, COLOUR_SIDE, COLOUR_SIDE, 3)
    assert (small.colour == (200, 100, 50)).all()
    assert np.unique(small.grey).tolist() == [124]  # 0.299 R + 0.587 G + 0.114 B


def test_digests_are_of_size_and_pixels() -> None:
    zeros = [np.zeros((2, 8, 3), np.uint8), np.zeros((4, 4, 3), np.uint8)]
    one, other = blotches(2)
    moved = np.asfortranarray(one)
    found = reduced([*zeros, one, moved, other]).digests
    assert found[2] == found[3]
    assert len(set(found)) == 4


@pytest.mark.parametrize(
    "bad",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32),
     np.zeros((0, 4, 3), np.uint8)],
)  # fmt: skip
def test_what_is_no_image_is_refused_with_its_place(bad: np.ndarray) -> None:
    text = f"made[8]: got {bad.shape} {bad.dtype}; expected (H, W, 3) uint8 RGB"
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        reduced([blotches(1)[0], bad], "made", 7)


class Counting(Sequence[Image]):
    """Images that are made as they are asked for, and how often each was."""

    def __init__(self, n: int) -> None:
        self.asked = [0] * n

    def __len__(self) -> int:
        return len(self.asked)

    def __getitem__(self, row: int) -> Image:  # type: ignore[override]
        self.asked[row] += 1
        return np.full((2, 2, 3), row % 256, np.uint8)

    def __iter__(self) -> Iterator[Image]:
        raise AssertionError("all at once")


def test_a_set_is_read_block_by_block() -> None:
    images = Counting(BLOCK + 3)
    small = reduced_set(images, "images")
    assert small.grey[:, 0, 0].tolist() == [row % 256 for row in range(BLOCK + 3)]
    assert len(small) == BLOCK + 3
    assert images.asked == [1] * (BLOCK + 3)
    assert len(reduced_set([], "images")) == 0


def test_labels_and_features_are_one_an_image() -> None:
    images = blotches(3)
    ImageSet(images, ["a", "b", "a"], {"colours": colours(images)}).check("made")
    with pytest.raises(ValueError, match=r"^made\.labels: got 2; expected 3, one an image$"):
        ImageSet(images, ["a", "b"]).check("made")
    with pytest.raises(
        ValueError, match=r"^made\.features\['x'\]: got 2 rows; expected 3, one an image$"
    ):
        ImageSet(images, features={"x": np.zeros((2, 4))}).check("made")
    with pytest.raises(ValueError, match=r"^made\.features\['x'\]\[1, 0\]: got nan"):
        ImageSet(images, features={"x": np.array([[0.0], [np.nan], [0.0]])}).check("made")


def test_large_images_are_held_a_few_at_a_time() -> None:
    images = [np.zeros((4, 5, 3), np.uint8) for _ in range(7)]
    found = list(blocks_of(images, most_bytes=121))
    assert [(first, len(block)) for first, block in found] == [(0, 3), (3, 3), (6, 1)]
    found = list(blocks_of(images, most_bytes=1))
    assert [(first, len(block)) for first, block in found] == [(n, 1) for n in range(7)]
    assert list(blocks_of([])) == []


def test_images_are_decoded_when_they_are_asked_for() -> None:
    asked: list[int] = []

    def decode(level: int) -> np.ndarray:
        asked.append(level)
        return np.full((2, 3, 3), level, np.uint8)

    stored = Decoded([3, 5, 9], decode)
    assert (len(stored), asked) == (3, [])
    assert (stored[1] == 5).all()
    assert [int(image[0, 0, 0]) for image in stored[1:]] == [5, 9]
    assert asked == [5, 5, 9]
