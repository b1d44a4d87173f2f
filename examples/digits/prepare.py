"""Write scikit-learn's handwritten digits as an image folder with a long-tailed train split.

The data: 1,797 scans of digits, 8x8 pixels, levels 0 to 16 (E. Alpaydin and C. Kaynak,
"Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998; CC BY 4.0),
as they ship inside scikit-learn.
What is done to them: level * 255 / 16, rounded; then 32x32 by Pillow's bicubic filter; PNG,
mode L. The strokes are light on black.
The split: 30 % test, stratified by class, fixed; of the rest the first 80 images of 0 to 4
and the first 10 of 5 to 9 are the train split. The test split is whole.

    python examples/digits/prepare.py --out data/digits

writes <out>/train/<class>/<nnnn>.png and <out>/test/..., where nnnn is the image's number
in scikit-learn's order. Running it again writes the same bytes.
"""

from __future__ import annotations

import argparse
import io
import os
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SIDE = 32
CLASSES = [str(digit) for digit in range(10)]
COMMON = ("0", "1", "2", "3", "4")
TRAIN_COMMON = 80
TRAIN_RARE = 10
TEST_SHARE = 0.3
SPLIT_SEED = 0


def enlarge(scan: np.ndarray) -> np.ndarray:
    """(8, 8) levels 0 to 16 -> (32, 32) uint8, bicubic."""
    levels = np.rint(scan * (255 / 16)).astype(np.uint8)
    image = Image.fromarray(levels).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(image)


def splits() -> dict[str, list[tuple[int, str]]]:
    """Split -> (number of the scan, class) in scikit-learn's order. `rest`: neither of the
    two, left out to make the train split long-tailed."""
    labels = [str(label) for label in load_digits().target]
    pool, test = train_test_split(
        np.arange(len(labels)), test_size=TEST_SHARE, stratify=labels, random_state=SPLIT_SEED
    )
    taken: dict[str, int] = {}
    result: dict[str, list[tuple[int, str]]] = {"train": [], "rest": []}
    for number in sorted(pool.tolist()):
        label = labels[number]
        taken[label] = taken.get(label, 0) + 1
        wanted = TRAIN_COMMON if label in COMMON else TRAIN_RARE
        result["train" if taken[label] <= wanted else "rest"].append((number, label))
    result["test"] = [(number, labels[number]) for number in sorted(test.tolist())]
    return result


def images(split: str) -> tuple[np.ndarray, np.ndarray]:
    """(N, 32, 32) uint8 and (N,) class numbers of a split."""
    scans = load_digits().images
    rows = splits()[split]
    pixels = np.stack([enlarge(scans[number]) for number, _ in rows])
    return pixels, np.array([int(label) for _, label in rows])


def prepare(out: Path) -> dict[str, int]:
    """Write both splits below `out`; images written or already there, per split."""
    scans = load_digits().images
    counts = {}
    for split in ("train", "test"):
        rows = splits()[split]
        for number, label in rows:
            path = out / split / label / f"{number:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, png(enlarge(scans[number])))
        counts[split] = len(rows)
    return counts


def png(image: np.ndarray) -> bytes:
    """The image as a PNG file."""
    data = io.BytesIO()
    Image.fromarray(image).save(data, format="PNG", optimize=True)
    return data.getvalue()


def write(path: Path, data: bytes) -> None:
    """Leaves a file that is already right alone: its time is part of what a plan freezes."""
    if path.exists() and path.read_bytes() == data:
        return
    part = path.with_suffix(".part")
    part.write_bytes(data)
    os.replace(part, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, default=Path("data/digits"))
    out: Path = parser.parse_args().out
    for split, n in prepare(out).items():
        print(f"{out / split}: {n} images")


if __name__ == "__main__":
    main()
