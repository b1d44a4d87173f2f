"""Actors of a generator on parts of a GPU: where they live, and what they leave behind.

Ray is imported inside functions; where it is not there, the row says so. In a dry run GPUs are
numbers that Ray counts, and the generator samples on the CPU.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gpu_contract import Small
from gpu_machine import Machine, there
from gpu_report import Item, Row, Tell, judged, not_run
from host_networks import WORKLOADS

from augment.generators import Placement

_LEFT_MIB = 64.0
"""Memory of the device that may be missing after all actors have ended."""
_WAIT_S = 60.0
_SOON_S = 3.0


def items(machine: Machine, folder: Path) -> list[Item]:
    def act(tell: Tell) -> None:
        if not there("ray"):
            tell(not_run("placement", "actors", "no ray here"))
            return
        with _cluster(machine):
            _placed(machine, folder, tell)

    return [Item("placement", "actors", 45.0 if there("ray") else 0.0, act)]


@contextlib.contextmanager
def _cluster(machine: Machine) -> Iterator[None]:
    """A Ray of our own: with this machine's GPUs, or two that are only counted."""
    import ray

    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    counted = None if machine.on_gpu else 2
    ray.init("local", num_cpus=4, num_gpus=counted, include_dashboard=False, log_to_driver=False)
    try:
        yield
    finally:
        ray.shutdown()


class Holder:
    """Hosts the shipped decoder of digits, as a worker of a run does."""

    def __init__(self, device: str, folder: str) -> None:
        self._device = device
        self._small = Small(WORKLOADS["vae"], Path(folder))

    def made(self) -> dict[str, Any]:
        """Where it lives, and the digest of what it makes."""
        import ray

        images = self._small.images(Placement(self._device))
        gpus = [str(one) for one in ray.get_gpu_ids()]
        return {
            "process": os.getpid(),
            "device": _uuid() if self._device != "cpu" else f"counted {gpus[0]}",
            "images": hashlib.sha256(images.tobytes()).hexdigest(),
        }


def _uuid() -> str:
    import torch

    return str(torch.cuda.get_device_properties(0).uuid)


def _placed(machine: Machine, folder: Path, tell: Tell) -> None:
    import ray

    kind = ray.remote(Holder)

    def actor(gpus: float) -> Any:
        return kind.options(num_gpus=gpus, num_cpus=1).remote(
            machine.device, str(folder / "placement")
        )

    before = _free_mib(machine)
    half = [actor(0.5), actor(0.5)]
    said = ray.get([one.made.remote() for one in half], timeout=_WAIT_S)
    tell(_row("two on half a GPU", _apart(said, "process") and _equal(said, "device", "images")))
    whole = int(ray.cluster_resources().get("GPU", 0))
    others = [actor(1.0) for _ in range(whole - 1)]  # the first GPU is taken by the halves
    if others:
        there_too = ray.get([one.made.remote() for one in others], timeout=_WAIT_S)
        everywhere = [said[0], *there_too]
        good = _apart(everywhere, "device") and _equal(everywhere, "images")
        tell(_row("distinct devices", good, {"devices": len(everywhere)}))
    else:
        tell(Row("placement", "actors", "distinct devices", "not run: one GPU here"))
    late = actor(0.5).made.remote()
    early, _ = ray.wait([late], timeout=_SOON_S)
    for one in [*half, *others]:
        ray.kill(one)
    came, _ = ray.wait([late], timeout=_WAIT_S)
    tell(_row("one more waits its turn", not early and bool(came)))
    del late  # the last handle: the actor ends
    _memory(machine, before, tell)


def _memory(machine: Machine, before: float, tell: Tell) -> None:
    import time

    if not machine.on_gpu:
        tell(Row("placement", "actors", "memory given back", "not run: no GPU here"))
        return
    end = time.monotonic() + _WAIT_S / 4
    while (lost := before - _free_mib(machine)) > _LEFT_MIB and time.monotonic() < end:
        time.sleep(0.2)
    tell(_row("memory given back", lost <= _LEFT_MIB, {"MiB missing": lost}))


def _free_mib(machine: Machine) -> float:
    if not machine.on_gpu:
        return 0.0
    import torch

    return float(torch.cuda.mem_get_info(machine.device)[0]) / 2**20


def _row(variant: str, good: bool, figures: dict[str, Any] | None = None) -> Row:
    return Row("placement", "actors", variant, judged(good), figures or {})


def _apart(said: Sequence[dict[str, Any]], what: str) -> bool:
    return len({one[what] for one in said}) == len(said)


def _equal(said: Sequence[dict[str, Any]], *what: str) -> bool:
    return all(len({one[key] for one in said}) == 1 for key in what)
