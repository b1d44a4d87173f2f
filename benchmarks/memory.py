"""What a run holds in memory when its data is ten times the object store.

    python benchmarks/memory.py --images 3000

An image folder of noise JPEGs, ten times Ray's object store in bytes, goes through the mix stage
with one copy each. Printed are the bytes of data, the most that the object store held of it, the
largest resident set of each kind of process (a worker holds the units in its hands: the bound is
units in flight x unit bytes, and the libraries), and the same with twice the images: what grows
with the data is a leak. --json adds the figures as one line of JSON; its `ratios` are `worker` and
`driver` (the second's peak : the first's) and `store` (most held, of the whole store, in either).
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import threading
from collections import defaultdict
from pathlib import Path

import numpy as np
import psutil
import ray
from PIL import Image

from augment.api import load_spec, run
from augment.run.engines.ray_engine import RayEngine

SIDE = 512
MIB = 1 << 20


def write_images(folder: Path, n: int) -> int:
    """n JPEGs of noise; their bytes together."""
    rng = np.random.default_rng(0)
    target = folder / "train" / "x"
    target.mkdir(parents=True)
    files = []
    for _ in range(16):  # different files of 16 contents
        sink = io.BytesIO()
        pixels = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(sink, "JPEG", quality=90)
        files.append(sink.getvalue())
    for i in range(n):
        (target / f"{i:06d}.jpg").write_bytes(files[i % 16])
    return sum(len(files[i % 16]) for i in range(n))


class Peaks:
    """The largest resident set of each kind of process below this one, and of the store."""

    def __init__(self) -> None:
        self.rss: dict[str, int] = defaultdict(int)
        self.store = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Peaks:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        own = psutil.Process()
        while not self._stop.wait(0.5):
            self._look("driver", own)
            for child in own.children(recursive=True):
                try:
                    self._look(_kind(child), child)
                except psutil.Error:
                    continue
            total = ray.cluster_resources().get("object_store_memory", 0.0)
            free = ray.available_resources().get("object_store_memory", total)
            self.store = max(self.store, int(total - free))

    def _look(self, kind: str, process: psutil.Process) -> None:
        memory = process.memory_info()
        self.rss[kind] = max(self.rss[kind], memory.rss - memory.shared)


def _kind(process: psutil.Process) -> str:
    words = process.cmdline()
    name = words[0] if words else ""
    return "worker" if "MapWorker" in name or "MapBatches" in name else "Ray's own"


def measure(images: int, store: int, unit_bytes: int) -> Peaks:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        total = write_images(folder / "data", images)
        ray.init(
            "local", num_cpus=4, object_store_memory=store, include_dashboard=False,
            logging_level="ERROR", log_to_driver=False,
        )  # fmt: skip
        job = {
            "version": 1, "name": "memory", "seed": 1,
            "sources": {"s": {"format": "imagefolder", "uri": str(folder / "data"),
                              "splits": {"train": "train"}}},
            "augmentations": [{"name": "flip", "copies": 1, "ops": ["HorizontalFlip"]}],
            "output": {"uri": str(folder / "out"), "shard": {"target_bytes": unit_bytes}},
            "execution": {"workers": 2},
        }  # fmt: skip
        with Peaks() as peaks:
            result = run(load_spec(job), engine=RayEngine())
        assert result.ok
        ray.shutdown()
    print(f"{images} images, {total / MIB:.0f} MiB of data, {total / store:.1f} x the object "
          f"store ({store / MIB:.0f} MiB), which held at most {peaks.store / MIB:.1f} MiB",
          flush=True)  # fmt: skip
    bound = 2 * unit_bytes
    for kind, most in sorted(peaks.rss.items()):
        print(f"  {kind:10} {most / MIB:7.0f} MiB at most")
    print(f"  2 units in flight of {unit_bytes / MIB:.0f} MiB each are {bound / MIB:.0f} MiB",
          flush=True)  # fmt: skip
    return peaks


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--store", type=int, default=80, help="MiB")
    parser.add_argument("--unit", type=int, default=32, help="MiB")
    parser.add_argument("--json", action="store_true", help="add the figures as one line of JSON")
    arguments = parser.parse_args()
    store, unit = arguments.store * MIB, arguments.unit * MIB
    sizes = (arguments.images, 2 * arguments.images)
    one, two = (measure(images, store, unit) for images in sizes)
    if arguments.json:
        grown = {kind: two.rss[kind] / one.rss[kind] for kind in ("worker", "driver")}
        ratios = {**grown, "store": max(one.store, two.store) / store}
        peaks = [{"images": n, "store": p.store, "rss": p.rss}
                 for n, p in zip(sizes, (one, two), strict=True)]  # fmt: skip
        print(json.dumps({"peaks": peaks, "ratios": ratios}))


if __name__ == "__main__":
    main()
