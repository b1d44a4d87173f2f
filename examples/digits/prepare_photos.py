"""Write two unpaired appearances of the digits: clean scans, and other scans over photographs.

The scans are those of `prepare`. Of each class of its train split every second scan (from the
first) stays clean; each of the others is laid over four patches of photographs. No scan is
in both domains, so nothing is paired. Test: the whole test split, clean, and over
patches of a photograph that the train split does not use.
Photographs, as they ship inside scikit-image: `astronaut` (NASA, public domain), `chelsea` and
`coffee` (CC0) for train, `rocket` (SpaceX, CC0) for test; halved, cut into patches of 32x32.
Laid over: the patch at 0.6 of its light, the scan's levels as the opacity of white ink.

    python examples/digits/prepare_photos.py --out data/digits-photos

writes <out>/clean/<split>/<class>/<nnnn>.png (mode L) and
<out>/photos/<split>/<class>/<nnnn>-<k>.png (RGB), where nnnn is the scan's number in
scikit-learn's order. Running it again writes the same bytes.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import skimage.data
from PIL import Image
from prepare import SIDE, enlarge, png, splits, write
from sklearn.datasets import load_digits

PHOTOGRAPHS = {"train": ("astronaut", "chelsea", "coffee"), "test": ("rocket",)}
PATCHES = {"train": 4, "test": 1}
"""Patches that a scan is laid over."""
LIGHT = 0.6
SEED = 0

Domain = Literal["clean", "photos"]
DOMAINS: tuple[Domain, Domain] = ("clean", "photos")


@dataclass(frozen=True)
class Picture:
    """name: of its file, without the ending. pixels: (32, 32) or (32, 32, 3) uint8."""

    name: str
    label: str
    pixels: np.ndarray


def patches(photographs: tuple[str, ...]) -> np.ndarray:
    """(N, 32, 32, 3) uint8: the photographs at half their size, cut without overlap."""
    found = []
    for name in photographs:
        image = Image.fromarray(getattr(skimage.data, name)())
        half = np.asarray(image.reduce(2))
        rows, columns = half.shape[0] // SIDE, half.shape[1] // SIDE
        cut = half[: rows * SIDE, : columns * SIDE].reshape(rows, SIDE, columns, SIDE, 3)
        found.append(cut.swapaxes(1, 2).reshape(-1, SIDE, SIDE, 3))
    return np.concatenate(found)


def laid_over(scan: np.ndarray, patch: np.ndarray) -> np.ndarray:
    """White ink of the scan's opacity over the darkened patch."""
    opacity = scan[:, :, None] / 255.0
    mixed = np.rint((1.0 - opacity) * LIGHT * patch + opacity * 255.0)
    return np.asarray(mixed, dtype=np.uint8)


def pictures(domain: Domain, split: str) -> list[Picture]:
    """Of the domain's split: `train` or `test`, or `rest`, the scans that `prepare` leaves out,
    over the patches of train."""
    scans = load_digits().images
    rows = _of(domain, splits()[split]) if split == "train" else splits()[split]
    if domain == "clean":
        return [Picture(f"{number:04d}", label, enlarge(scans[number])) for number, label in rows]
    ground = patches(PHOTOGRAPHS["test" if split == "test" else "train"])
    rng = np.random.default_rng(SEED)
    return [
        Picture(f"{number:04d}-{k}", label, laid_over(enlarge(scans[number]), patch))
        for number, label in rows
        for k, patch in enumerate(ground[rng.integers(len(ground), size=PATCHES.get(split, 4))])
    ]


def _of(domain: Domain, rows: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Every second row of each class: from the first clean, from the second over photographs."""
    start = 0 if domain == "clean" else 1
    by_class: dict[str, list[tuple[int, str]]] = {}
    for row in rows:
        by_class.setdefault(row[1], []).append(row)
    return [row for label in sorted(by_class) for row in by_class[label][start::2]]


def images(domain: Domain, split: str) -> tuple[np.ndarray, np.ndarray]:
    """(N, 32, 32, 3) uint8, grey as three equal channels, and (N,) class numbers."""
    rows = pictures(domain, split)
    pixels = np.stack([row.pixels for row in rows])
    if domain == "clean":
        pixels = np.repeat(pixels[..., None], 3, axis=3)
    return pixels, np.array([int(row.label) for row in rows])


def prepare(out: Path) -> dict[str, int]:
    """Write both domains below `out`; images written or already there, by folder."""
    counts = {}
    for domain in DOMAINS:
        for split in ("train", "test"):
            rows = pictures(domain, split)
            for row in rows:
                path = out / domain / split / row.label / f"{row.name}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                write(path, png(row.pixels))
            counts[f"{domain}/{split}"] = len(rows)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, default=Path("data/digits-photos"))
    out: Path = parser.parse_args().out
    for folder, n in prepare(out).items():
        print(f"{out / folder}: {n} images")


if __name__ == "__main__":
    main()
