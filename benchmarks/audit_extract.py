"""An audit's stage of features against a bare loop over the same network, and where the rest goes.

    python benchmarks/audit_extract.py [--images 4096] [--side 32] [--extractor random]
                                       [--rounds 3] [--whole] [--json]

A folder of Parquet files is made: ten classes of noisy gratings as PNG, three quarters real (train
and test in equal parts), one quarter generated. Of it, in one process with one thread, in turn:

    decode   every shard is read and every image decoded, and nothing else
    bare     the same, with the network over 32 images at a time
    stage    augment.run.extraction.extract on the local engine: bounds of pixels and time, lost
             rows, marks of tries, kept features, all read back

Least wall seconds of the rounds are told. --whole: then the audit with `--quality` as a user asks
it, on all cores, with features to be made, and again with features that are kept, which is what the
measures cost; the most memory that this process held. --json prints one line;
`ratios` has `extract`: bare seconds : stage seconds.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from augment import codec
from augment.api import audit
from augment.audit.table import open_data_set
from augment.features import build, read_all
from augment.features.protocol import Extractor
from augment.run import LocalEngine
from augment.run.extraction.extracting import How, extract

CLASSES, SHARD, GROUP, BATCH = 10, 2048, 256, 32
MOST = 1 << 28  # pixels of an image


def made(folder: Path, images: int, side: int) -> str:
    """The data set: three of four rows are real, every second of them test."""
    rng = np.random.default_rng(1)
    for first in range(0, images, SHARD):
        numbers = range(first, min(first + SHARD, images))
        kinds = [("real", "train"), ("real", "test"), ("real", "train"), ("synthetic", "train")]
        said = [kinds[n % 4] for n in numbers]
        table = {
            "sample_id": [f"{n:032x}" for n in numbers],
            "image": [{"bytes": _png(n // 4 % CLASSES, side, rng), "path": None} for n in numbers],
            "label_name": [str(n // 4 % CLASSES) for n in numbers],
            "split": [split for _, split in said],
            "origin": [origin for origin, _ in said],
            "generated": [origin != "real" for origin, _ in said],
        }
        path = folder / f"part-{first:07}.parquet"
        pq.write_table(pa.table(table), path, row_group_size=GROUP)
    return str(folder)


def _png(label: int, side: int, rng: np.random.Generator) -> bytes:
    """A grating whose direction is the class's, in a colour and phase of its own."""
    y, x = np.mgrid[:side, :side] / side
    angle, phase = np.pi * (label + 0.3 * rng.random()) / CLASSES, 2 * np.pi * rng.random()
    wave = np.sin(2 * np.pi * 3 * (x * np.cos(angle) + y * np.sin(angle)) + phase)
    levels = 128 + 60 * wave[..., None] * rng.random(3) + rng.normal(0, 12, (side, side, 3))
    out = io.BytesIO()
    Image.fromarray(levels.clip(0, 255).astype(np.uint8)).save(out, format="PNG")
    return out.getvalue()


def decoded(uri: str) -> Iterator[np.ndarray]:
    for path in sorted(Path(uri).glob("*.parquet")):
        file = pq.ParquetFile(path)
        for batch in file.iter_batches(64, columns=["sample_id", "image"]):
            for line in batch.to_pylist():
                yield codec.decode(line["image"]["bytes"], MOST)


def decode(uri: str) -> int:
    return sum(1 for _ in decoded(uri))


def bare(uri: str, network: Extractor) -> int:
    images, features = [], []
    for image in decoded(uri):
        images.append(image)
        if len(images) == BATCH:
            features.append(network(images))
            images = []
    if images:
        features.append(network(images))
    return sum(map(len, features))


def stage(uri: str, name: str) -> int:
    with (
        tempfile.TemporaryDirectory() as cache,
        extract(open_data_set(uri), read_all([name]), LocalEngine(), How(cache=cache)) as found,
    ):
        return sum(len(kept.features) for _, kept in found.shards(name))


def measure(uri: str, images: int, name: str, rounds: int) -> dict[str, float]:
    """Least seconds of each way."""
    import torch

    torch.set_num_threads(1)
    (asked,) = read_all([name])
    network = build(asked)
    bare(uri, network)  # what a first call costs is nobody's
    ways: dict[str, Callable[[], int]] = {
        "decode": lambda: decode(uri),
        "bare": lambda: bare(uri, network),
        "stage": lambda: stage(uri, name),
    }
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        for way, act in ways.items():
            begun = time.perf_counter()
            rows = act()
            times.setdefault(way, []).append(time.perf_counter() - begun)
            if rows != images:
                raise AssertionError(f"{way} looked at {rows} of {images} images")
    return {way: min(each) for way, each in times.items()}


def whole(uri: str, name: str) -> dict[str, float]:
    """Seconds of an audit that makes features, and of one that has them; MiB at most."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as cache:
        for what in ("audit", "measures"):
            begun = time.perf_counter()
            report = audit(uri, quality=True, extractors=[name], cache=cache)
            found[what] = time.perf_counter() - begun
            if report.quality is None:
                raise AssertionError("nothing was judged")
    return found | {"mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10}


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--images", type=int, default=4096)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--extractor", default="random", choices=["random", "efficientnet_lite0"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        uri = made(Path(folder), asked.images, asked.side)
        found: dict[str, float] = {}
        if asked.rounds:
            found = measure(uri, asked.images, asked.extractor, asked.rounds)
        if asked.whole:
            found |= whole(uri, asked.extractor)
    ratios = {"extract": found["bare"] / found["stage"]} if asked.rounds else {}
    if asked.json:
        print(json.dumps({**found, "ratios": ratios}))
        return
    for what, value in found.items():
        unit, per = ("MiB", "") if what.endswith("mib") else ("s", "")
        if unit == "s":
            per = f"  {1e6 * value / asked.images:8.0f} us an image"
        print(f"{what:<10} {value:9.2f} {unit}{per}")
    for what, ratio in ratios.items():
        print(f"{what}: {ratio:.2f} of the bare loop's speed")


if __name__ == "__main__":
    main()
