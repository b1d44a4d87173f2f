"""PNG of whole batches: exact for every decoder, the same whatever stands beside it."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image

from augment.codec import decode, encode_pngs
from augment.codec.png_writing import filtered

PHOTO = np.ascontiguousarray(skimage.data.astronaut()[:96, 200:296])
SIZES = [(1, 1), (1, 7), (7, 1), (2, 3), (32, 32), (33, 17), (200, 150)]
_MAX = 1 << 20


def noise(n: int, height: int, width: int, channels: int) -> np.ndarray:
    rng = np.random.Generator(np.random.Philox(key=5))
    return rng.integers(0, 256, (n, height, width, channels), dtype=np.uint8)


def mixed(height: int, width: int, channels: int) -> np.ndarray:
    """A flat image, a ramp, noise, and a photograph scaled to the size."""
    ramp = np.add.outer(np.arange(height) * 3, np.arange(width) * 2) % 256
    photo = cv2.resize(PHOTO, (width, height))
    images = [np.full((height, width, 3), 200), np.repeat(ramp[..., None], 3, axis=2)]
    images += [noise(1, height, width, 3)[0], photo]
    return np.stack([np.asarray(x, dtype=np.uint8) for x in images])[..., :channels]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_every_decoder_gives_the_pixels_back(height: int, width: int, channels: int) -> None:
    images = mixed(height, width, channels)
    for image, data in zip(images, encode_pngs(images), strict=True):
        whole = np.broadcast_to(image, (height, width, 3))
        opened = Image.open(io.BytesIO(data))
        assert opened.mode == ("L" if channels == 1 else "RGB")
        assert (np.array(opened.convert("RGB")) == whole).all()
        assert (decode(data, _MAX) == whole).all()
        by_opencv = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert (by_opencv[..., ::-1] == whole).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_batch_gives_the_bytes_of_its_images_alone(channels: int) -> None:
    images = np.concatenate([mixed(40, 30, channels), noise(30, 40, 30, channels)])
    assert encode_pngs(images) == [encode_pngs(image[None])[0] for image in images]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_large_image_is_filtered_in_bands_as_in_one(channels: int) -> None:
    image = mixed(401, 600, channels)[2:]  # several bands, and a last one of few rows
    for one, data in zip(image, encode_pngs(image), strict=True):
        (size,) = struct.unpack_from(">I", data, 33)
        assert zlib.decompress(data[41 : 41 + size]) == filtered(one[None])[0].tobytes()
        assert (decode(data, _MAX) == one).all()


def test_a_view_gives_the_bytes_of_its_copy() -> None:
    images = mixed(20, 24, 3)
    view = images[::2, :, ::-1, :1]
    assert encode_pngs(view) == encode_pngs(view.copy())


def test_nothing_but_pixels_is_written() -> None:
    data, kinds, at = encode_pngs(PHOTO[None])[0], [], 8
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        kinds.append(data[at + 4 : at + 8])
        at += 12 + size
    assert kinds == [b"IHDR", b"IDAT", b"IEND"]


def test_photographs_are_no_larger_than_pillow_makes_them() -> None:
    out = io.BytesIO()
    Image.fromarray(PHOTO).save(out, "PNG", compress_level=6)
    assert len(encode_pngs(PHOTO[None])[0]) <= len(out.getvalue())


def test_each_filter_undone_by_the_standards_formulas() -> None:
    """Reconstruction byte by byte, as PNG 3rd edition 9.2 writes it."""
    images = np.concatenate([mixed(24, 21, 3), PHOTO[None, :24, :21]])
    seen = set()
    for image, rows in zip(images, filtered(images), strict=True):
        assert (_undone(rows, 3).reshape(image.shape) == image).all()
        seen |= set(rows[:, 0].tolist())
    assert seen == {0, 1, 2, 3, 4}


def _undone(rows: np.ndarray, channels: int) -> np.ndarray:
    out = np.zeros((len(rows), rows.shape[1] - 1), dtype=np.int64)
    for y, row in enumerate(rows.tolist()):
        for x, value in enumerate(row[1:]):
            a = int(out[y, x - channels]) if x >= channels else 0
            b = int(out[y - 1, x]) if y else 0
            c = int(out[y - 1, x - channels]) if y and x >= channels else 0
            p = a + b - c
            near = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            out[y, x] = (value + (0, a, b, (a + b) // 2, near)[row[0]]) % 256
    return out


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (np.zeros((2, 4, 4, 3), np.float32), r"images are float32 \(2, 4, 4, 3\)"),
        (np.zeros((4, 4, 3), np.uint8), r"images are uint8 \(4, 4, 3\)"),
        (np.zeros((1, 4, 4, 2), np.uint8), r"expected uint8 \(N, H, W, 1 or 3\)"),
    ],
)
def test_what_is_no_batch_of_images(images: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        encode_pngs(images)
