"""What an audit finds of problems that are planted, and what it says of data without any.

    python benchmarks/planted.py [--sets digits photographs] [--kinds clean collapsed ...]
                                 [--seeds 1 2] [--json]

Sets: five of scikit-learn's digits (8 x 8, enlarged), and six photographs of scikit-image and
scikit-learn, each a class, cut into cells of 48 px of which no two parts share one. Of each class
80 images are train, 70 are test and 40 are a generator's: images that nobody else has, so as good
as a generator can be. Then a problem is planted. An audit with `--quality` (extractors task and
random), and with `--copies` where copies are planted, is asked. A problem is found where its check
has a finding that names its class, or no class where it is not of one; a false finding is one that
fails and is of another class, or any that fails where nothing is planted. Of copies it is counted
how many of the twelve are listed, and how many images are that nobody planted. Every row has a
site, a or b, as often as the other; planted is a generator that makes nine of ten rows at site a.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from copies_sets import coloured
from PIL import Image as Pillow

from augment.api import audit
from augment.audit import AuditReport
from augment.audit.copies import KINDS as CHANGED

Image = np.ndarray
Rng = np.random.Generator
TRAIN, TEST, MADE, PLANTED = 80, 70, 40, 12
CELL, CROP, EACH, CONTRAST = 48, 40, 4, 15.0


@dataclass(frozen=True)
class Data:
    """Class -> images, of each part. shown: what generated rows are written as."""

    train: dict[str, list[Image]]
    test: dict[str, list[Image]]
    made: dict[str, list[Image]]
    real_format: str = "PNG"
    extra: dict[str, list[Image]] = field(default_factory=dict)
    """Of the split `val`."""
    at_a: float = 0.5
    """Share of the generated rows at site a."""


# ---- sets --------------------------------------------------------------------------------


def digits(rng: Rng) -> Data:
    from sklearn.datasets import load_digits

    found = load_digits()
    levels = np.rint(found.images * (255 / 16)).astype(np.uint8)
    of: dict[str, list[Image]] = {}
    for label in (0, 1, 3, 5, 8):
        rows = rng.permutation(np.flatnonzero(found.target == label))
        of[str(label)] = [_enlarged(levels[row]) for row in rows]
    return _parted({name: [[image] for image in some] for name, some in of.items()}, rng, 1)


def photographs(rng: Rng) -> Data:
    from skimage import data
    from sklearn.datasets import load_sample_images

    china, _ = load_sample_images().images
    pictures = {
        "astronaut": data.astronaut(),
        "coffee": data.coffee(),
        "motorcycle": data.stereo_motorcycle()[0],
        "temple": china,
        "cat": data.chelsea(),
        "tissue": data.immunohistochemistry(),
    }
    cells: dict[str, list[list[Image]]] = {}
    for name, picture in ((n, coloured(p)) for n, p in pictures.items()):
        high, wide = picture.shape[0] - CELL + 1, picture.shape[1] - CELL + 1
        places = [(y, x) for y in range(0, high, CELL) for x in range(0, wide, CELL)]
        some = [picture[y : y + CELL, x : x + CELL] for y, x in places]
        cells[name] = [_crops(cell, rng) for cell in filter(_holds_something, some)]
    return _parted(cells, rng, EACH)


SETS: dict[str, Callable[[Rng], Data]] = {"digits": digits, "photographs": photographs}


def _enlarged(scan: Image) -> Image:
    large = Pillow.fromarray(scan).resize((32, 32), Pillow.Resampling.BICUBIC)
    return coloured(np.asarray(large))


def _holds_something(cell: Image) -> bool:
    """Not a piece of sky, which is like every other."""
    return float(cell.mean(axis=2).std()) >= CONTRAST


def _crops(cell: Image, rng: Rng) -> list[Image]:
    places = rng.integers(0, CELL - CROP + 1, (EACH, 2))
    return [cell[y : y + CROP, x : x + CROP].copy() for y, x in places]


def _parted(cells: dict[str, list[list[Image]]], rng: Rng, each: int) -> Data:
    """Cells of a class -> the images of its three parts."""
    train: dict[str, list[Image]] = {}
    test: dict[str, list[Image]] = {}
    made: dict[str, list[Image]] = {}
    for name, some in cells.items():
        order = [some[n] for n in rng.permutation(len(some))]
        begin = 0
        for part, most in zip((train, test, made), (TRAIN, TEST, MADE), strict=True):
            end = begin + -(-most // each)
            part[name] = [image for cell in order[begin:end] for image in cell][:most]
            begin = end
    return Data(train, test, made)


# ---- problems ----------------------------------------------------------------------------

Plant = Callable[[Data, Rng], Data]


def clean(data: Data, rng: Rng) -> Data:
    return data


def collapsed(data: Data, rng: Rng) -> Data:
    """The first class is three images over and over, with noise that no hash sees."""
    name = next(iter(data.made))
    some = [CHANGED["noisy"](data.made[name][n % 3], rng) for n in range(MADE)]
    return replace(data, made={**data.made, name: some})


def repeated(data: Data, rng: Rng) -> Data:
    """The first class is one image."""
    name = next(iter(data.made))
    return replace(data, made={**data.made, name: [data.made[name][0]] * MADE})


def wrong_class(data: Data, rng: Rng) -> Data:
    """The first class shows the second."""
    first, second = list(data.made)[:2]
    return replace(data, made={**data.made, first: data.made[second]})


def wrong_labels(data: Data, rng: Rng) -> Data:
    """A tenth of every class's generated rows shows the next class."""
    names, made = list(data.made), {}
    for n, name in enumerate(names):
        others = data.made[names[(n + 1) % len(names)]]
        made[name] = [*others[: MADE // 10], *data.made[name][MADE // 10 :]]
    return replace(data, made=made)


def shortcut(data: Data, rng: Rng) -> Data:
    """Real rows are JPEG files, generated ones PNG."""
    return replace(data, real_format="JPEG")


def skewed(data: Data, rng: Rng) -> Data:
    return replace(data, at_a=0.9)


def copies(data: Data, rng: Rng) -> Data:
    """Twelve generated rows are train images, pixel by pixel."""
    return _copied(data, data.train, lambda image: image)


def warped_copies(data: Data, rng: Rng) -> Data:
    """Twelve generated rows are train images, mirrored, turned or cut."""
    kinds = [CHANGED[name] for name in ("flipped", "rotated", "cropped")]
    return _copied(data, data.train, lambda image: kinds[rng.integers(3)](image, rng))


def noisy_copies(data: Data, rng: Rng) -> Data:
    """Twelve generated rows are train images with noise, as a JPEG of quality 50, or in other
    light."""
    kinds = [CHANGED[name] for name in ("noisy", "jpeg", "recoloured")]
    return _copied(data, data.train, lambda image: kinds[rng.integers(3)](image, rng))


def test_copies(data: Data, rng: Rng) -> Data:
    """Twelve generated rows are test images, mirrored or turned."""
    kinds = [CHANGED[name] for name in ("flipped", "rotated")]
    return _copied(data, data.test, lambda image: kinds[rng.integers(2)](image, rng))


def leak(data: Data, rng: Rng) -> Data:
    """A split `val` of test images, of which twelve are train images, mirrored."""
    extra = {name: list(some[:20]) for name, some in data.test.items()}
    name = next(iter(extra))
    extra[name] = [CHANGED["flipped"](image, rng) for image in data.train[name][:PLANTED]]
    rest = {name: some[20:] for name, some in data.test.items()}
    return replace(data, test=rest, extra=extra)


def _copied(data: Data, of: dict[str, list[Image]], change: Callable[[Image], Image]) -> Data:
    made = {name: list(some) for name, some in data.made.items()}
    name = next(iter(made))
    made[name][:PLANTED] = [change(image) for image in of[name][:PLANTED]]
    return replace(data, made=made)


FINDS: dict[str, tuple[Plant, str, bool, bool]] = {
    "clean": (clean, "", False, False),
    "collapsed class": (collapsed, "collapse", True, False),
    "repeated image": (repeated, "collapse", True, False),
    "wrong class": (wrong_class, "labels", True, False),
    "10 % wrong labels": (wrong_labels, "labels", False, False),
    "format shortcut": (shortcut, "shortcut", False, False),
    "attribute skew": (skewed, "skew", False, False),
    "exact copies of train": (copies, "memorization", False, True),
    "noisy copies of train": (noisy_copies, "memorization", False, True),
    "warped copies of train": (warped_copies, "memorization", False, True),
    "warped copies of test": (test_copies, "memorization", False, True),
    "split in train": (leak, "leaks", False, True),
}
"""Kind -> how it is planted, the check that must find it, whether the finding names a class, and
whether copies are looked for. Checks of hashes find exact copies as well."""
_ALSO = {"exact copies of train": ("real_pictures",), "repeated image": ("different",)}


# ---- asking ------------------------------------------------------------------------------


def written(data: Data, folder: Path, rng: Rng) -> str:
    """A foreign data set: one Parquet file."""
    rows: dict[str, list[object]] = {name: [] for name in (
        "sample_id", "image", "label_name", "split", "origin", "generated", "site")}  # fmt: skip
    parts = (
        ("train", data.train, "real"),
        ("test", data.test, "real"),
        ("val", data.extra, "real"),
        ("train", data.made, "synthetic"),
    )
    for split, part, origin in parts:
        for name, images in part.items():
            for n, image in enumerate(images):
                kind = data.real_format if origin == "real" else "PNG"
                rows["sample_id"].append(f"{split}-{origin}-{name}-{n}")
                rows["image"].append({"bytes": _encoded(image, kind), "path": None})
                rows["label_name"].append(name)
                rows["split"].append(split)
                rows["origin"].append(origin)
                rows["generated"].append(origin != "real")
                share = 0.5 if origin == "real" else data.at_a
                rows["site"].append("a" if rng.random() < share else "b")
    pq.write_table(pa.table(rows), folder / "part.parquet", row_group_size=100)
    return str(folder)


def _encoded(image: Image, kind: str) -> bytes:
    out = io.BytesIO()
    Pillow.fromarray(image).save(out, format=kind, **({"quality": 95} if kind == "JPEG" else {}))
    return out.getvalue()


def ask(set_name: str, kind: str, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng([seed, sum(map(ord, set_name))])
    plant, check, of_class, with_copies = FINDS[kind]
    data = plant(SETS[set_name](rng), rng)
    with tempfile.TemporaryDirectory() as folder:
        place = written(data, Path(folder), rng)
        told, listed = list(audit(place, attributes=["site"]).findings), None
        if kind != "attribute skew":
            report = audit(place, quality=True, copies=with_copies, extractors=["task", "random"],
                           seed=seed, cache="none")  # fmt: skip
            told += report.findings
            listed = _listed(report, next(iter(data.made)), check) if with_copies else None
    told = [one for one in told if one.check != "declared"]  # nothing is marked in these sets
    first = next(iter(data.made))
    found = [one for one in told if one.check in (check, *_ALSO.get(kind, ()))
             and (not of_class or repr(first) in one.text)]  # fmt: skip
    return {
        "set": set_name,
        "kind": kind,
        "seed": seed,
        "found": bool(found),
        "fails": any(not one.warns for one in found),
        "false": [one.text for one in told if not one.warns and one not in found
                  and (kind == "clean" or repr(first) not in one.text)],
        "warned": len({one.text for one in told if one.warns and one not in found}),
        "listed": listed,
    }  # fmt: skip


def _listed(report: AuditReport, first: str, check: str) -> tuple[int, int]:
    """Planted copies that the audit's check lists, of twelve; and images that it lists and nobody
    planted."""
    quality = report.quality
    assert quality is not None
    if check == "leaks":
        assert quality.leaks is not None
        ids, part = {one.sample_id for one in quality.leaks.leaks}, "val-real"
    else:
        ids = {one.sample_id for of in quality.searched or () for one in of.copies}
        part = "train-synthetic"
    planted = {f"{part}-{first}-{n}" for n in range(PLANTED)}
    return len(ids & planted), len(ids - planted)


def _shares(told: Sequence[Mapping[str, Any]]) -> str:
    """Of all audits, `30 of 36 | 2`: what `_listed` has found."""
    found = [one["listed"] for one in told if one["listed"] is not None]
    if not found:
        return "- | -"
    return f"{sum(n for n, _ in found)} of {PLANTED * len(found)} | {sum(n for _, n in found)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--kinds", nargs="+", choices=FINDS, default=list(FINDS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    print("| planted | set | audits | found | of these fail | false findings that fail | "
          "copies listed | others listed |")  # fmt: skip
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for kind in asked.kinds:
        for set_name in asked.sets:
            told = [ask(set_name, kind, seed) for seed in asked.seeds]
            if asked.json:
                print(*map(json.dumps, told), sep="\n", flush=True)
            found, fails = (sum(bool(one[key]) for one in told) for key in ("found", "fails"))
            false = sum(bool(one["false"]) for one in told)
            shown = "-" if kind == "clean" else str(found)
            print(f"| {kind} | {set_name} | {len(told)} | {shown} | "
                  f"{'-' if kind == 'clean' else fails} | {false} | {_shares(told)} |",
                  flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
