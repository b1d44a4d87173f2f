"""Make the checkpoints that the job files beside this script name: random weights, in seconds.

    python examples/digits/prepare.py --out data/digits
    python examples/families/make_checkpoints.py --out data/families
    augment run examples/families/biggan.yaml

Each network is written as its own program writes it (<out>/foreign/...) and imported from
there (<out>/<family>), which is what `augment generators import FILE --out DIR` does: the way
that a checkpoint of one's own takes. Pictures made of random weights show nothing; what the
jobs show are the words for each family. Needs `pip install 'augment-vision[diffusers,onnx]' onnx`.
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from foreign_files import biggan_folder, llamagen_file, onnx_file, stylegan3_file, unet_file
from PIL import Image
from sklearn.datasets import load_digits
from tiny_pipeline import pipeline_folder

from augment.generators.importing import ImportRequest, import_checkpoint

NAMES = [str(digit) for digit in range(10)]
WRITERS = {
    "biggan": (biggan_folder, NAMES),
    "stylegan3": (stylegan3_file, NAMES),
    "unet_i2i": (unet_file, None),
    "autoregressive": (llamagen_file, NAMES),
    "onnx": (onnx_file, NAMES),
}
"""Family -> what writes its foreign form, and the names of its classes."""
MAPS = 3
"""Label maps of each class."""


def make(out: Path) -> dict[str, dict[str, Any]]:
    """Write and import every checkpoint; what each import said. `out` must not hold any yet."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # each import is a process of its own
        said = dict(zip(WRITERS, threads.map(lambda f: _imported(f, out), WRITERS), strict=True))
    pipeline_folder(out / "diffusers")
    label_maps(out / "maps")
    return said


def _imported(family: str, out: Path) -> dict[str, Any]:
    write, classes = WRITERS[family]
    foreign = write(out / "foreign" / family)
    request = ImportRequest(str(foreign), str(out / family), classes=classes, license="CC0-1.0")
    return import_checkpoint(request)


def label_maps(folder: Path) -> None:
    """<folder>/train/<digit>/<n>.png: 64 x 64 palette images, 0 the ground and 1 the stroke."""
    digits = load_digits()
    for name in NAMES:
        target = folder / "train" / name
        target.mkdir(parents=True)
        for n, scan in enumerate(digits.images[digits.target == int(name)][:MAPS]):
            image = Image.fromarray((scan > 7).astype(np.uint8), mode="P")
            image.putpalette([20, 30, 80, 240, 200, 60] + [0] * 762)
            image.resize((64, 64), Image.Resampling.NEAREST).save(target / f"{n}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, default=Path("data/families"))
    out: Path = parser.parse_args().out
    for family, said in make(out).items():
        print(f"{out / family}: {said['family']}, {said['height']} x {said['width']}")


if __name__ == "__main__":
    main()
