"""The name of a picture: by its definition, and equal exactly where pixels are."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
import skimage.data
import xxhash
from PIL import Image

from augment.codec import Style, decode, encode, encode_pngs, pixels_sha256

PHOTO = np.ascontiguousarray(skimage.data.astronaut()[:48, 200:264])
_MAX = 1 << 20


def test_it_is_what_is_written_down() -> None:
    """Recomputed with Pillow and the two hashes alone, from a file."""
    out = io.BytesIO()
    Image.fromarray(PHOTO).save(out, "PNG")
    shown = Image.open(io.BytesIO(out.getvalue())).convert("RGB")
    inner = xxhash.xxh3_128(shown.tobytes()).digest()
    outer = hashlib.sha256(f"augment pixels 1 {shown.width} {shown.height} RGB8 ".encode() + inner)
    assert pixels_sha256(PHOTO) == outer.hexdigest()
    expected = "dab267293e75b7a969072873e867d00d175aa05a6113d3908efdbcf8da82a9ec"
    assert pixels_sha256(np.zeros((2, 3, 3), np.uint8)) == expected


def test_it_is_of_pixels_and_not_of_files() -> None:
    style = Style("png", None, None, "RGB", 64, 48)
    files = [encode(PHOTO, style), *encode_pngs(PHOTO[None])]
    assert len(set(files)) == 2
    assert {pixels_sha256(decode(file, _MAX)) for file in files} == {pixels_sha256(PHOTO)}


def test_grey_is_the_same_picture_in_one_channel_and_in_three() -> None:
    grey = PHOTO[..., :1]
    assert pixels_sha256(grey) == pixels_sha256(np.repeat(grey, 3, axis=2))
    assert pixels_sha256(grey) != pixels_sha256(PHOTO)


def test_how_an_array_lies_in_memory_does_not_matter() -> None:
    turned = PHOTO[::-1, ::-1]
    assert pixels_sha256(turned) == pixels_sha256(turned.copy())
    assert pixels_sha256(np.asfortranarray(PHOTO)) == pixels_sha256(PHOTO)


def test_whatever_differs_has_another_name() -> None:
    one_level = PHOTO.copy()
    one_level[-1, -1, -1] ^= 1
    others = [PHOTO[::-1], PHOTO[:, ::-1], PHOTO[..., ::-1], PHOTO[1:], PHOTO.swapaxes(0, 1)]
    others += [PHOTO.reshape(24, 128, 3), one_level]
    assert len({pixels_sha256(image) for image in [PHOTO, *others]}) == 8


@pytest.mark.parametrize(
    "image", [PHOTO.astype(np.float32), PHOTO[..., :2], PHOTO[..., 0], PHOTO.astype(np.uint16)]
)
def test_other_arrays_are_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected uint8 \(H, W, 3\) or \(H, W, 1\)"):
        pixels_sha256(image)
