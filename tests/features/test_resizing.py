"""Images of any size as one batch of one size."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from augment.features.resizing import cropped, resized


def photo(height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(height * 1000 + width)
    coarse = rng.integers(0, 256, (height // 4 + 1, width // 4 + 1, 3))
    return np.kron(coarse, np.ones((4, 4, 1)))[:height, :width].astype(np.uint8)


@pytest.mark.parametrize("size", [(32, 32), (40, 64), (64, 40), (33, 100), (8, 250)])
def test_the_middle_is_cut_out_after_resizing(size: tuple[int, int]) -> None:
    image = photo(*size)
    scale = 32 / min(size)
    whole = Image.fromarray(image).resize(
        (int(size[1] * scale), int(size[0] * scale)), Image.Resampling.BICUBIC
    )
    top, left = (whole.height - 24) // 2, (whole.width - 24) // 2
    expected = np.asarray(whole)[top : top + 24, left : left + 24]
    np.testing.assert_array_equal(cropped([image], 32, 24)[0], expected)


@pytest.mark.parametrize("upright", [True, False])
def test_the_middle_of_a_line_costs_no_more_than_a_square(upright: bool) -> None:
    """Resized as a whole it would have 32 x 6,400,000 px."""
    image = np.zeros((200_000, 1, 3), np.uint8) if upright else np.zeros((1, 200_000, 3), np.uint8)
    along = image if upright else image.transpose(1, 0, 2)
    along[100_000:] = 240  # the middle of the picture is the step between black and grey
    found = cropped([image], 32, 24)[0].astype(int)
    rows = found.mean((1, 2)) if upright else found.mean((0, 2))
    assert (np.diff(rows) >= 0).all()
    assert abs(rows + rows[::-1] - 240).max() <= 2
    assert rows[0] < 120 < rows[-1]


def test_a_long_image_is_cut_as_a_shorter_one_is() -> None:
    """Just below and above where only the middle is resized, the same picture is seen."""
    image = np.tile(photo(20, 20), (1, 45, 1))
    short = image[:, 10 * 20 + 10 : 35 * 20 - 10]  # the same middle
    one, other = cropped([image], 32, 32)[0], cropped([short], 32, 32)[0]
    assert image.shape[1] / 20 > 32 > short.shape[1] / 20
    assert abs(one.astype(int) - other).max() <= 12  # beyond its edge a box sees nothing
    assert abs(one.astype(int) - other)[:, 4:-4].max() <= 1


@pytest.mark.parametrize("resize", [lambda i: resized(i, 16), lambda i: cropped(i, 16, 16)])
def test_what_is_no_image_is_named(resize: object) -> None:
    with pytest.raises(
        ValueError, match=r"image 1: got \(8, 8\) uint8; expected \(H, W, 3\) uint8"
    ):
        resize([photo(8, 8), np.zeros((8, 8), np.uint8)])  # type: ignore[operator]
