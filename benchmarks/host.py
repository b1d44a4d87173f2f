"""How much of a bare sampling loop's speed each family's host keeps.

    python benchmarks/host.py --family stylegan2 resnet_i2i --rounds 7

Bare loop: sample + uint8 + PNG + Parquet with the same network, batch size and threads, without
ids, streams, scores, marks and records (host_plain.py); PNG by Pillow, image after image, as a
plain loop does it. `bare-batch` is that loop with our own encoder of whole batches. Host: the
worker of a pool unit as a run uses it, with all of them. All run in this process, in turn, so
that the machine's drift hits all; printed are, of each family, a batch's milliseconds, samples
and CPU microseconds of each peer, and the medians of the paired ratios, of wall and of CPU time.
Goal against `bare`: at least 0.90, and 0.95 where a batch takes more than 20 ms. --json adds the
figures as one line of JSON; its `ratios` are named FAMILY_wall and FAMILY_cpu (against `bare`),
FAMILY_batch_wall and FAMILY_batch_cpu (against `bare-batch`).
"""

from __future__ import annotations

import argparse
import datetime as dt
import io
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from host_networks import WORKLOADS, Words, Workload
from host_plain import Batch, Sampler, sampler
from PIL import Image

from augment.api import load_spec
from augment.codec import Style, encode, encode_pngs, to_uint8
from augment.generators import Placement
from augment.plan import PoolUnit
from augment.run.engines.engine import settle
from augment.run.prepare import freeze, prepare
from augment.run.synthesis.pool_unit import PoolTask, PoolWorker
from augment.sample import Stamp

NAME = "generator"
LABEL = "x"
"""Class of all source images."""
Spent = dict[str, list[tuple[float, float]]]
"""Peer -> (wall, CPU) seconds of each round."""


def clock() -> dt.datetime:
    return dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


# ---- the host --------------------------------------------------------------------------


def job(folder: Path, words: Words, seed: int, takes_image: bool) -> dict[str, Any]:
    """The job whose pool units the host makes; every round has a seed, so new samples."""
    rule: dict[str, Any] = {"generators": [NAME]}
    rule |= {"input": {"per_image": 1}} if takes_image else {"fill": {"to": 1}}
    return {
        "version": 1,
        "name": "bench",
        "seed": seed,
        "sources": {"images": {"format": "imagefolder", "uri": str(folder / "images"),
                               "splits": {"train": "train"}}},
        "generators": {NAME: words},
        "synthesize": [rule],
        "filters": [{"degenerate": {}}],
        "pool": str(folder / "pool"),
        "output": {"uri": str(folder / "out")},
    }  # fmt: skip


def host(folder: Path, words: Words, load: Workload, seed: int) -> Callable[[], None]:
    """One pool unit of a run's samples, spread over all classes."""
    prepared = prepare(load_spec(job(folder, words, seed, takes_image=bool(load.source))))
    placement, stamp = Placement(batch_size=load.batch), Stamp("bench", clock())
    if load.source:
        inputs = freeze(prepared, clock).inputs
        fed = inputs.lists[NAME]
        universe = prepared.universe(NAME, fed.digest)
        task = PoolTask(prepared, NAME, universe, stamp, placement, inputs.file, fed)
    else:
        universe = prepared.universe(NAME)
        task = PoolTask(prepared, NAME, universe, stamp, placement)
    worker, n = PoolWorker(task), load.batch * load.batches
    classes = prepared.infos[NAME].classes or (LABEL,)
    counts = [len(range(k, n, len(classes))) for k in range(len(classes))]
    ranges = tuple((label, 0, count) for label, count in zip(classes, counts, strict=True))
    unit = json.dumps(PoolUnit(universe, NAME, ranges).to_json())

    def once() -> None:
        assert json.loads(worker(unit))["entry"]["rows"] == n

    return once


# ---- the bare loop ---------------------------------------------------------------------


Png = Callable[[np.ndarray], list[bytes]]


def one_by_one(images_NHWC: np.ndarray) -> list[bytes]:
    height, width, channels = images_NHWC.shape[1:]
    style = Style("png", None, None, "L" if channels == 1 else "RGB", width, height)
    rgb = np.broadcast_to(images_NHWC, (*images_NHWC.shape[:3], 3))
    return [encode(image, style) for image in rgb]


def bare(
    folder: Path, sample: Sampler, channels: int, batches: Sequence[Batch], png: Png
) -> Callable[[], None]:
    """The same network in a plain loop; the next batch is sampled while the last is encoded."""
    count = 1  # as a run has it beside a network on the CPU

    def once() -> None:
        done: list[bytes] = []
        with ThreadPoolExecutor(count) as threads:
            waiting: list[Future[list[bytes]]] = []
            for batch in batches:
                some = to_uint8(sample(batch))[..., :channels]
                done += [data for f in waiting for data in f.result()]
                waiting = [threads.submit(png, part) for part in np.array_split(some, count)]
            done += [data for f in waiting for data in f.result()]
        sink = io.BytesIO()
        pq.write_table(pa.table({"image": pa.array(done, pa.binary())}), sink)
        (folder / "bare.parquet").write_bytes(sink.getvalue())

    return once


def photographs(folder: Path, side: int, n: int) -> list[Path]:
    """n JPEG images of smooth noise, as source images."""
    rng = np.random.default_rng(0)
    target = folder / "images" / "train" / LABEL
    target.mkdir(parents=True)
    paths = [target / f"{i:05d}.jpg" for i in range(n)]
    for path in paths:
        small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        small.resize((side, side), Image.Resampling.BICUBIC).save(path, quality=90)
    return paths


# ---- measuring -------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """batch_ms: of sampling alone, in the bare loop."""

    samples: int
    batch_ms: float
    spent: Spent

    def speeds(self, peer: str, kind: int) -> list[float]:
        """The host's speed against a peer's in each round. kind: 0 wall, 1 CPU."""
        pairs = zip(self.spent[peer], self.spent["host"], strict=True)
        return [one[kind] / other[kind] for one, other in pairs]

    def ratios(self, family: str) -> dict[str, float]:
        """The medians, by the names that the module gives them."""
        return {
            f"{family}{short}_{clock}": statistics.median(self.speeds(peer, kind))
            for peer, short in (("bare", ""), ("bare-batch", "_batch"))
            for kind, clock in enumerate(("wall", "cpu"))
        }

    def ratio(self, peer: str, kind: int) -> str:
        """Median, least and greatest."""
        values = self.speeds(peer, kind)
        return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"

    def report(self, family: str, load: Workload) -> None:
        print(f"{family}: {self.samples} samples in batches of {load.batch}, "
              f"{self.batch_ms:.1f} ms each")  # fmt: skip
        for peer, rounds in self.spent.items():
            wall, cpu = (statistics.median(values) for values in zip(*rounds, strict=True))
            print(f"  {peer:10} {self.samples / wall:7.1f} samples/s, "
                  f"{1e6 * cpu / self.samples:7.0f} us CPU a sample")  # fmt: skip
        for peer in ("bare", "bare-batch"):
            wall_ratio, cpu_ratio = self.ratio(peer, 0), self.ratio(peer, 1)
            print(f"  host against {peer:10} wall {wall_ratio}, CPU {cpu_ratio}", flush=True)


def measure(load: Workload, rounds: int) -> Measured:
    """All peers of one family in every round; the order turns from round to round."""
    n = load.batch * load.batches
    spent: Spent = {"bare": [], "bare-batch": [], "host": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = load.write(folder / "checkpoint")
        rows: Batch = photographs(folder, load.source, n) if load.source else [None] * n
        batches = [rows[at : at + load.batch] for at in range(0, n, load.batch)]
        prepared = prepare(load_spec(job(folder, words, 0, takes_image=bool(load.source))))
        info = prepared.infos[NAME]
        sample = sampler(prepared.job.spec.generators[NAME], info)
        peers = {
            "bare": bare(folder, sample, info.channels, batches, one_by_one),
            "bare-batch": bare(folder, sample, info.channels, batches, encode_pngs),
        }
        batch_ms = []
        for number in range(-1, rounds):  # the first round warms up
            runs = {**peers, "host": host(folder, words, load, seed=number + 1)}
            batch_ms.append(1e3 * _timed(lambda: sample(batches[0]))[0])
            turn = number % len(runs)
            for which in [*runs, *runs][turn : turn + len(runs)]:
                took = _timed(runs[which])
                if number >= 0:
                    spent[which].append(took)
    return Measured(n, statistics.median(batch_ms[1:]), spent)


def _timed(act: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds."""
    begun = time.perf_counter(), time.process_time()
    act()
    return time.perf_counter() - begun[0], time.process_time() - begun[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--family", nargs="+", default=sorted(WORKLOADS), choices=WORKLOADS)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1, help="of the network")
    parser.add_argument("--json", action="store_true", help="add the figures as one line of JSON")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    settle()  # all peers, as the worker of a run is
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)  # ONNX Runtime is told so
    spent, ratios = dict[str, Spent](), dict[str, float]()
    for family in arguments.family:
        load = WORKLOADS[family]
        measured = measure(load, arguments.rounds)
        measured.report(family, load)
        spent[family] = measured.spent
        ratios |= measured.ratios(family)
    if arguments.json:
        print(json.dumps({"spent": spent, "ratios": ratios}))


if __name__ == "__main__":
    main()
