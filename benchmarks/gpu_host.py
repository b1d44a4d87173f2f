"""A pool unit as a run makes it against the bare pipeline: samples a second, busy share, memory.

Bare: the same network at the same batch, precision and layout, compiled where the host is; noise
from torch's generator on the device, images to uint8 there and to pinned memory, one batch's
copy beside the next one's sampling; nothing is encoded, scored or written. Host: the worker of a
run, with all of that. Both are loaded at once and take turns; rates are medians of the rounds.
busy: seconds in which the device sampled, of the unit's. kernels: share of time with a kernel on
the device, as its driver tells it, of host and bare loop together.
"""

from __future__ import annotations

import datetime as dt
import gc
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from gpu_machine import Machine, Usage
from gpu_networks import Network, networks
from gpu_report import Item, Row, Tell, judged, not_run
from host import LABEL, NAME, job, photographs
from host_networks import Words, Workload
from host_plain import Batch, OnDevice, on_device

from augment.api import load_spec
from augment.generators import Placement
from augment.plan import PoolUnit
from augment.run.prepare import Prepared, freeze, prepare
from augment.run.synthesis.pool_unit import PoolTask, PoolWorker
from augment.sample import Stamp

KEPT = 0.97
"""Of the bare pipeline's speed, compiled."""
BUSY = 0.95
_MOMENT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class How:
    """A variant: the precision of arithmetic, and whether networks are compiled."""

    precision: str
    compiled: bool

    def __str__(self) -> str:
        return f"{self.precision} {'compiled' if self.compiled else 'eager'}"


def items(machine: Machine, folder: Path) -> list[Item]:
    """Every network as it is, then compiled, which takes minutes: so that there is a figure of
    each. On a CPU, where nothing is judged, compiling is tried with the networks that say so."""
    every = {
        name: Measured(name, network, machine, folder / name)
        for name, network in networks(machine.small, machine.device).items()
    }
    eager, compiled = How("bf16" if machine.on_gpu else "fp32", False), How("bf16", True)
    some = [one for one in every.values() if machine.on_gpu or one.network.tried]
    return [one.item(eager, one.network.eager_s) for one in every.values()] + [
        one.item(compiled, one.network.compiled_s) for one in some
    ]


class Measured:
    """One network, whose checkpoint is written once for all its variants."""

    def __init__(self, name: str, network: Network, machine: Machine, folder: Path) -> None:
        self._name, self.network, self._machine, self._folder = name, network, machine, folder
        self._rounds = 3 if machine.judges else 1
        self._made: tuple[Words, Batch] | None = None

    def item(self, how: How, needs: float) -> Item:
        return Item("host", self._name, needs, lambda tell: self._measure(how, tell))

    def _measure(self, how: How, tell: Tell) -> None:
        if self.network.diffusers and (why := self._machine.lacking.get("diffusers")):
            tell(not_run("host", self._name, why))
            return
        words, rows = self._made = self._made or self._written()
        own = self._folder / str(how).replace(" ", "-")  # a pool of its own: nothing is there yet
        peers = Peers(self._folder, own, words, self.network.load, how, self._machine, rows)
        with Usage(self._machine) as usage:
            found = peers.rounds(self._rounds)
        tell(_row(self._name, self.network, self._machine, how, {**found, **usage.figures()}))
        del peers
        _given_back(self._machine)

    def _written(self) -> tuple[Words, Batch]:
        load = self.network.load
        self._folder.mkdir(parents=True)
        words = load.write(self._folder / "checkpoint")
        count = load.batch * load.batches * (self._rounds + 1)
        return words, photographs(self._folder, load.source, count) if load.source else [
            None
        ] * count


def _given_back(machine: Machine) -> None:
    """Memory of the last variant."""
    gc.collect()
    if machine.on_gpu:
        torch.cuda.empty_cache()


def _row(name: str, network: Network, machine: Machine, how: How, figures: dict[str, float]) -> Row:
    verdict = "measured"
    if machine.judges and how.compiled:
        good = figures["kept"] >= KEPT and figures["busy"] >= BUSY
        fast = network.fast is None or figures["host/s"] >= network.fast
        verdict = judged(good and fast, "BELOW")
    return Row("host", name, str(how), verdict, figures)


class Peers:
    """The host and the bare loop of one network in one variant, loaded."""

    def __init__(
        self,
        folder: Path,
        own: Path,
        words: Words,
        load: Workload,
        how: How,
        machine: Machine,
        rows: Batch,
    ) -> None:
        """folder: has the sources. own: for pool and output."""
        sampling = {**words.get("sampling", {}), "precision": how.precision}
        document = job(folder, {**words, "sampling": sampling}, 0, takes_image=bool(load.source))
        document |= {"pool": str(own / "pool"), "output": {"uri": str(own / "out")}}
        prepared = prepare(load_spec(document))
        mode: Any = "default" if how.compiled else "off"
        placement = Placement(machine.device, compile=mode, batch_size=load.batch)
        self._load, self._rows, self._machine = load, rows, machine
        self._info = prepared.infos[NAME]
        self._universe, task = _task(prepared, placement, takes_image=bool(load.source))
        self._worker = PoolWorker(task)
        self._sample = on_device(prepared.job.spec.generators[NAME], self._info, placement)
        self._begun = 0

    def rounds(self, count: int) -> dict[str, float]:
        """The first of `count` and one more warms up, and is not counted."""
        bare, host, busy = [], [], []
        for number in range(count + 1):
            unbound, (whole, share) = self._bare(), self._host()
            if number:
                bare.append(unbound)
                host.append(whole)
                busy.append(share)
        kept = [h / b for h, b in zip(host, bare, strict=True)]
        named = {"host/s": host, "bare/s": bare, "kept": kept, "busy": busy}
        return {name: statistics.median(values) for name, values in named.items()}

    def _host(self) -> tuple[float, float]:
        """Samples a second of one unit, its loading left out, and the busy share."""
        n = self._load.batch * self._load.batches
        record = json.loads(self._worker(self._unit(n)))
        assert record["made"], "the pool had the unit"
        assert record["entry"]["rows"] == n, f"{len(record['failed'])} of {n} rows failed"
        took = record["seconds"]["make"]
        return n / took, sum(s for _, s in record["batches"]["each"]) / took

    def _unit(self, n: int) -> str:
        """The next n samples, spread over all classes."""
        classes = self._info.classes or (LABEL,)
        begun, self._begun = self._begun, self._begun + n
        ranges = []
        for k, label in enumerate(classes):
            first, last = (-(-(at - k) // len(classes)) for at in (begun, begun + n))
            if first < last:
                ranges.append((label, max(0, first), last))
        return json.dumps(PoolUnit(self._universe, NAME, tuple(ranges)).to_json())

    def _bare(self) -> float:
        """Samples a second of the plain pipeline."""
        size, count = self._load.batch, self._load.batches
        batches = [self._rows[at : at + size] for at in range(0, size * count, size)]
        return size * count / plain_seconds(self._sample, batches, self._machine)


def _task(prepared: Prepared, placement: Placement, takes_image: bool) -> tuple[str, PoolTask]:
    """Its universe, and what a worker of it is made from."""
    stamp, gpus = Stamp("bench", _MOMENT), 0.0 if placement.device == "cpu" else 1.0
    if not takes_image:
        universe = prepared.universe(NAME)
        return universe, PoolTask(prepared, NAME, universe, stamp, placement, gpus=gpus)
    inputs = freeze(prepared, lambda: _MOMENT).inputs
    fed = inputs.lists[NAME]
    universe = prepared.universe(NAME, fed.digest)
    return universe, PoolTask(
        prepared, NAME, universe, stamp, placement, inputs.file, fed, gpus=gpus
    )


def plain_seconds(sample: OnDevice, batches: Sequence[Batch], machine: Machine) -> float:
    """What the bare pipeline takes for these batches, by CUDA's events on a GPU."""
    if not machine.on_gpu:
        begun = time.perf_counter()
        for batch in batches:
            pixels(sample(batch)).numpy()
        return time.perf_counter() - begun
    cuda: Any = torch.cuda  # streams and events have no types
    copies, buffers = cuda.Stream(), dict[int, torch.Tensor]()
    start, end = (cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for number, batch in enumerate(batches):
        made = pixels(sample(batch))
        turn = number % 2
        if turn not in buffers:
            buffers[turn] = torch.empty(made.shape, dtype=torch.uint8, pin_memory=True)
        copies.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(copies):
            buffers[turn].copy_(made, non_blocking=True)
            made.record_stream(copies)
    torch.cuda.current_stream().wait_stream(copies)
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) / 1000


def pixels(x_BCHW: torch.Tensor) -> torch.Tensor:
    """(B, H, W, C) uint8 of values in [-1, 1], where they are."""
    levels = (x_BCHW.float() * 127.5 + 128).clamp(0, 255).to(torch.uint8)
    return levels.permute(0, 2, 3, 1).contiguous()
