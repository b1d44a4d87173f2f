"""Tiles of the photographs that scikit-learn and scikit-image ship, as an image folder of JPEGs.

Every photograph is a class; its tiles are 128 x 128 px and do not overlap, so that a train and
a validation tile never share a pixel. Deterministic: the same packages give the same bytes.

    python examples/photos/prepare.py --out data/photos
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

TILE = 128
QUALITY = 90
_SKLEARN = ("china.jpg", "flower.jpg")
_SKIMAGE = ("astronaut", "chelsea", "coffee", "hubble_deep_field", "retina", "rocket")


def photographs() -> dict[str, np.ndarray]:
    """name -> (H, W, 3) uint8 RGB."""
    import skimage.data
    from sklearn.datasets import load_sample_image

    found = {name.removesuffix(".jpg"): load_sample_image(name) for name in _SKLEARN}
    return found | {name: getattr(skimage.data, name)() for name in _SKIMAGE}


def prepare(out: Path) -> int:
    """Write `<out>/<photograph>/<row>-<column>.jpg`; the number of tiles."""
    written = 0
    for name, image in photographs().items():
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        for row in range(image.shape[0] // TILE):
            for column in range(image.shape[1] // TILE):
                tile = image[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]
                path = folder / f"{row:02d}-{column:02d}.jpg"
                Image.fromarray(tile).save(path, quality=QUALITY)
                written += 1
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    print(f"{prepare(out)} tiles of {TILE} x {TILE} px in {out}")


if __name__ == "__main__":
    main()
