"""How much of a bare sampling loop's speed a generator's host keeps.

    python benchmarks/host.py --rounds 7 --samples 4096 --batch 64

Bare loop: sample + uint8 + PNG + Parquet at the same batch size and the same threads, without
ids, streams, scores, marks and records. Host: the worker of a pool unit as a run uses it, with
all of them. Both run in this process, in turn, so that the machine's drift hits both; printed
are samples per second of each and the median of the paired ratios. Goal: at least 0.90.
"""

from __future__ import annotations

import argparse
import datetime as dt
import io
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from augment.api import load_spec
from augment.codec import Style, encode, to_uint8
from augment.generators import Placement, vae
from augment.plan import PoolUnit
from augment.run.pool_unit import PoolTask, PoolWorker, encoders
from augment.run.prepare import Prepared, prepare
from augment.sample import Stamp
from augment.spec.generators import VaeGenerator

_CHECKPOINT = Path(__file__).parent.parent / "examples" / "digits" / "checkpoint"


def job(folder: Path, seed: int) -> dict[str, Any]:
    """The job whose pool units the host makes; its source is never read."""
    return {
        "version": 1,
        "name": "bench",
        "seed": seed,
        "sources": {"none": {"format": "imagefolder", "uri": str(folder / "none"),
                             "splits": {"train": "train"}}},
        "generators": {"vae": {"family": "vae", "checkpoint": str(_CHECKPOINT)}},
        "synthesize": [{"generators": ["vae"], "fill": {"to": 1}}],
        "filters": [{"degenerate": {}}],
        "pool": str(folder / "pool"),
        "output": {"uri": str(folder / "out")},
    }  # fmt: skip


def host(prepared: Prepared, samples: int, batch: int) -> Callable[[], None]:
    """One pool unit of `samples` samples, spread over all classes."""
    stamp = Stamp("bench", dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    worker = PoolWorker(PoolTask(
        prepared, "vae", prepared.universe("vae"), stamp, Placement(batch_size=batch)
    ))
    classes = prepared.infos["vae"].classes
    each = samples // len(classes)
    ranges = tuple((label, 0, each) for label in classes)
    unit = PoolUnit(prepared.universe("vae"), "vae", ranges)

    def once() -> None:
        made = json.loads(worker(json.dumps(unit.to_json())))
        assert made["entry"]["rows"] == each * len(classes)

    return once


def bare(prepared: Prepared, samples: int, batch: int, folder: Path) -> Callable[[], None]:
    """The same network in a plain loop; the next batch is sampled while the last is encoded."""
    spec = prepared.job.spec.generators["vae"]
    assert isinstance(spec, VaeGenerator)
    host = vae.load("vae", spec, prepared.infos["vae"], Placement(), {})
    assert isinstance(host, vae.VaeHost)
    network = host.network
    classes, latent = len(prepared.infos["vae"].classes), network.init.latent
    samples -= samples % classes
    count = encoders("cpu")

    def images() -> Iterator[np.ndarray]:
        for at in range(0, samples, batch):
            n = min(batch, samples - at)
            with torch.inference_mode():
                x = network(torch.randn(n, latent), torch.randint(classes, (n,)))
            yield to_uint8(x.numpy())

    def png(images_NHWC: np.ndarray) -> list[bytes]:
        height, width = images_NHWC.shape[1:3]
        return [encode(x, Style("png", None, None, "L", width, height)) for x in images_NHWC]

    def once() -> None:
        done: list[bytes] = []
        with ThreadPoolExecutor(count) as threads:
            waiting: list[Future[list[bytes]]] = []
            for some in images():
                done += [data for f in waiting for data in f.result()]
                waiting = [threads.submit(png, part) for part in np.array_split(some, count)]
            done += [data for f in waiting for data in f.result()]
        sink = io.BytesIO()
        pq.write_table(pa.table({"image": pa.array(done, pa.binary())}), sink)
        (folder / "bare.parquet").write_bytes(sink.getvalue())

    return once


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--samples", type=int, default=4096)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    times: dict[str, list[float]] = {"bare": [], "host": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for round_ in range(-1, arguments.rounds):  # the first round warms up
            prepared = prepare(load_spec(job(folder, seed=round_ + 1)))
            runs = {
                "bare": bare(prepared, arguments.samples, arguments.batch, folder),
                "host": host(prepared, arguments.samples, arguments.batch),
            }
            order = ("bare", "host") if round_ % 2 else ("host", "bare")
            for which in order:
                begin = time.perf_counter()
                runs[which]()
                if round_ >= 0:
                    times[which].append(time.perf_counter() - begin)
    ratios = [b / h for b, h in zip(times["bare"], times["host"], strict=True)]
    rate = {w: arguments.samples / statistics.median(t) for w, t in times.items()}
    print(f"vae, batch {arguments.batch}, {arguments.samples} samples, {arguments.rounds} rounds")
    print(f"bare loop  {rate['bare']:8.0f} samples/s")
    print(f"host       {rate['host']:8.0f} samples/s")
    print(
        f"ratio      {statistics.median(ratios):8.3f}  (min {min(ratios):.3f}, "
        f"max {max(ratios):.3f}; goal >= 0.90)"
    )


if __name__ == "__main__":
    main()
