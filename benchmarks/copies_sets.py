"""Image sets for benchmarks/copies.py: each in three parts that share no pixel.

Protected, calibration and test. Digits and crops of photographs and of textures come from
scikit-learn and scikit-image (a part takes a vertical band of each picture, so that no crop of one
part overlaps one of another); the other three are drawn from a seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image as Pillow

Image = np.ndarray
Rng = np.random.Generator
SIZES = (500, 600, 600)
BANDS = ((0.0, 0.32), (0.32, 0.66), (0.66, 1.0))


@dataclass(frozen=True)
class Parts:
    """Images (H, W, 3) uint8."""

    protected: list[Image]
    calibration: list[Image]
    test: list[Image]


def coloured(grey: Image) -> Image:
    """Three equal channels of a grey picture; a colour one without its alpha."""
    return np.repeat(grey[..., None], 3, axis=2) if grey.ndim == 2 else grey[..., :3]


def cut(images: Sequence[Image], rng: Rng) -> Parts:
    order = [images[i] for i in rng.permutation(len(images))]
    a, b, c = SIZES
    return Parts(order[:a], order[a : a + b], order[a + b : a + b + c])


def digits(rng: Rng) -> Parts:
    """scikit-learn's digits as examples/digits/prepare.py enlarges them: 8x8 to 32x32, bicubic."""
    from sklearn.datasets import load_digits

    levels = (np.rint(scan * (255 / 16)).astype(np.uint8) for scan in load_digits().images)
    bicubic = Pillow.Resampling.BICUBIC
    return cut([coloured(np.asarray(Pillow.fromarray(x).resize((32, 32), bicubic)))
                for x in levels], rng)  # fmt: skip


def crops(pictures: Sequence[Image], side: int, step: int, rng: Rng) -> Parts:
    """Square crops, a band of every picture a part."""
    parts: list[list[Image]] = [[], [], []]
    for picture in map(coloured, pictures):
        height, width = picture.shape[:2]
        for part, (left, right) in zip(parts, BANDS, strict=True):
            for y in range(0, height - side + 1, step):
                for x in range(int(left * width), int(right * width) - side + 1, step):
                    part.append(picture[y : y + side, x : x + side].copy())
    a, b, c = (
        [part[i] for i in rng.permutation(len(part))[:most]]
        for part, most in zip(parts, SIZES, strict=True)
    )
    return Parts(a, b, c)


def photographs(rng: Rng) -> Parts:
    """Crops of 96 px, 60 % of a crop shared with the next: skies and walls among them."""
    from skimage import data
    from sklearn.datasets import load_sample_images

    return crops([
        data.astronaut(), data.coffee(), data.chelsea(), data.rocket(), data.camera(),
        data.stereo_motorcycle()[0], data.hubble_deep_field(), data.immunohistochemistry(),
        *load_sample_images().images,
    ], 96, 38, rng)  # fmt: skip


def textures(rng: Rng) -> Parts:
    """Crops of 64 px of brick, grass, gravel, print, coins and the moon."""
    from skimage import data

    pictures = (data.brick(), data.grass(), data.gravel(), data.page(), data.coins(), data.moon())
    return crops(pictures, 64, 24, rng)


def drawn(draw: Callable[[Rng], Image], rng: Rng) -> Parts:
    return cut([draw(rng) for _ in range(sum(SIZES))], rng)


def scans(rng: Rng) -> Parts:
    """Grey slices of a head, 96 px, all at the same place: what differs is inside."""
    return drawn(_scan, rng)


def drawings(rng: Rng) -> Parts:
    """Black lines on white, 64 px: curves, ellipses, waves, polygons."""
    return drawn(_drawing, rng)


def products(rng: Rng) -> Parts:
    """A thing with a print on it, on white, 96 px."""
    return drawn(_product, rng)


SETS: dict[str, Callable[[Rng], Parts]] = {
    made.__name__: made for made in (digits, photographs, textures, scans, drawings, products)
}


def _scan(r: Rng, side: int = 96) -> Image:
    image = np.zeros((2 * side, 2 * side), np.float32)
    x, y = side + r.normal(0, 3, 2)
    a, b, turn = (
        side * 0.78 * r.uniform(0.9, 1.05),
        side * 0.62 * r.uniform(0.9, 1.1),
        r.normal(0, 6),
    )

    def ellipse(cx: float, cy: float, a: float, b: float, turn: float, level: float) -> None:
        cv2.ellipse(image, ((cx, cy), (2 * a, 2 * b), turn + 90), float(level), -1, cv2.LINE_AA)

    ellipse(x, y, a, b, turn, 200)
    ellipse(x, y, a * 0.93, b * 0.93, turn, r.uniform(70, 110))
    for way in (-1, 1):
        ellipse(x + way * r.uniform(12, 22), y + r.normal(0, 6), r.uniform(14, 30),
                r.uniform(5, 11), turn + way * r.normal(15, 6), r.uniform(20, 40))  # fmt: skip
    for _ in range(r.integers(2, 6)):
        at, far = r.uniform(0, 2 * np.pi), r.uniform(0.2, 0.75)
        ellipse(x + b * far * np.cos(at), y + a * far * np.sin(at), r.uniform(4, 14),
                r.uniform(4, 10), r.uniform(0, 180), r.uniform(50, 170))  # fmt: skip
    shade = cv2.GaussianBlur(r.normal(0, 1, image.shape).astype(np.float32), (0, 0), 8) * 90
    soft = cv2.GaussianBlur(image, (0, 0), 2) + shade
    small = cv2.resize(soft, (side, side), interpolation=cv2.INTER_AREA)
    return coloured(_levels(small + r.normal(0, 4, small.shape)))


def _drawing(r: Rng, side: int = 64) -> Image:
    size = 3 * side
    image, kind = np.full((size, size), 255, np.uint8), r.integers(0, 4)
    for _ in range(r.integers(2, 5)):
        points = _line(r, int(kind), size)
        cv2.polylines(image, [np.rint(points).astype(np.int32)], False, 0, 5, cv2.LINE_AA)
    return coloured(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA))


def _line(r: Rng, kind: int, size: int) -> np.ndarray:
    middle = size / 2
    if kind == 0:
        return middle + r.normal(0, size / 6, (4, 2)).cumsum(axis=0) / 2
    if kind == 1:
        t = np.linspace(0, 2 * np.pi, 40)
        ring = np.stack([np.cos(t) * r.uniform(20, 80), np.sin(t) * r.uniform(20, 80)], axis=1)
        return middle + r.normal(0, 12, 2) + ring
    if kind == 2:
        x = np.linspace(10, size - 10, 60)
        wave = r.uniform(10, 50) * np.sin(x * r.uniform(0.02, 0.08) + r.uniform(0, 6))
        return np.stack([x, middle + r.normal(0, 30) + wave], axis=1)
    points = middle + r.uniform(-80, 80, (r.integers(3, 6), 2))
    return np.vstack([points, points[:1]])


def _product(r: Rng, side: int = 96) -> Image:
    size = 2 * side
    image = np.full((size, size, 3), 255, np.float32)
    half = r.uniform(0.2, 0.38, 2) * size
    x, y = size / 2 + r.normal(0, 5, 2)
    cover = np.zeros((size, size), np.uint8)
    if r.random() < 0.5:
        cv2.ellipse(cover, ((x, y), tuple(2 * half), r.uniform(-20, 20)), 1, -1)
    else:
        corners = np.array([(-1, 1), (1, 1), (1, -1), (-1, -1)]) * r.uniform(0.6, 1, (4, 2))
        cv2.fillPoly(cover, [(corners * half + (x, y)).astype(np.int32)], 1)
    painted = np.broadcast_to(r.uniform(20, 235, 3), image.shape).astype(np.float32).copy()
    for _ in range(r.integers(2, 6)):  # the print
        at, level = (x, y) + r.uniform(-0.7, 0.7, 2) * half, r.uniform(20, 235, 3).tolist()
        box = (tuple(at), tuple(r.uniform(0.1, 0.6, 2) * half), r.uniform(0, 180))
        if r.random() < 0.5:
            cv2.ellipse(painted, box, level, -1, cv2.LINE_AA)
        else:
            cv2.fillPoly(painted, [cv2.boxPoints(box).astype(np.int32)], level, cv2.LINE_AA)
    down, across = np.mgrid[:size, :size] / size
    shade = np.clip(1 - 0.35 * (across * r.uniform(-1, 1) + down * r.uniform(0, 1)), 0.5, 1.2)
    image[cover > 0] = (painted * shade[..., None])[cover > 0]
    soft = cv2.GaussianBlur(image, (0, 0), 1)
    small = cv2.resize(soft, (side, side), interpolation=cv2.INTER_AREA)
    return _levels(small + r.normal(0, 1.5, small.shape))


def _levels(values: np.ndarray) -> Image:
    levels: Image = np.rint(values).clip(0, 255).astype(np.uint8)
    return levels
