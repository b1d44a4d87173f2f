"""Whether every family keeps its contract on a device, and makes there what it makes on the CPU.

Networks are the small ones of host_networks.py, whose random weights are the same everywhere, as
are the requests: so images are compared with those of this machine's CPU, and with golden ones that
are kept beside the tests. Bounds are of values in [-1, 1]:

    fp32         1e-3 from the CPU and from the golden images, channels last or not, compiled or
                 not; 1e-4 (`BATCH_TOLERANCE`) between a batch and its rows alone
    bf16, fp16   0.03 and 0.005 on average from the CPU's fp32, and half of that between a batch
                 and its rows alone; a token of an autoregressive network may be another one, so
                 of these images it is only asked that they are finite

On a CPU the families' worst were 0.0073 and 0.00094. Diffusion walks two steps here: with random
weights each further one doubles what rounding does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from gpu_report import Act, Item, Row, Tell, judged, not_run
from host_networks import WORKLOADS, Words, Workload
from pydantic import TypeAdapter
from safetensors.numpy import load_file, save_file

from augment.generators import (
    BATCH_TOLERANCE,
    GeneratorInfo,
    Placement,
    SampleRequest,
    describe,
    load_host,
)
from augment.generators.contract import questions
from augment.seeds import stream
from augment.spec.generators import GeneratorSpec

GOLDEN = Path(__file__).parent.parent / "tests" / "golden" / "host_networks.safetensors"
CLOSE = 1e-3
HALF = {"bf16": 0.03, "fp16": 0.005}
"""Mean difference of half precisions from the CPU's fp32."""
ON_CPU = {
    "palette": "it makes its images on the CPU wherever it is placed",
    "tint": "it makes its images on the CPU wherever it is placed",
    "custom": "it is a stranger's class: `augment generators check` asks it",
}
_SPEC: TypeAdapter[GeneratorSpec] = TypeAdapter(GeneratorSpec)
_ROWS = 6
_SIDE = 64


def items(device: str, folder: Path, lacking: Mapping[str, str]) -> list[Item]:
    """Every family as it is. lacking: family -> why it cannot be made here."""
    asked = [
        Item("contract", family, 5.0, _asked(family, device, folder, lacking))
        for family in WORKLOADS
    ]
    return asked + [Item("contract", family, 0.0, _left_out(family)) for family in ON_CPU]


def compiled_items(device: str, folder: Path, lacking: Mapping[str, str]) -> list[Item]:
    """The same families as `torch.compile` makes them, which takes longer: on a CPU, where that is
    only tried, one of them. (onnx is not torch's.)"""
    families = [family for family in WORKLOADS if family != "onnx"] if device != "cpu" else ["vae"]
    return [
        Item("contract", family, 30.0, _compiled(family, device, folder, lacking))
        for family in families
    ]


def _left_out(family: str) -> Act:
    return lambda tell: tell(not_run("contract", family, ON_CPU[family]))


def requests(info: GeneratorInfo, rows: int = _ROWS) -> list[SampleRequest]:
    """The same for all versions of a generator: they depend on its classes alone."""
    classes = info.classes or ("any",)
    return [
        SampleRequest(f"{n:032x}", classes[n % len(classes)], n, _source(n, info.takes_image))
        for n in range(rows)
    ]


def _source(n: int, wanted: bool) -> np.ndarray | None:
    if not wanted:
        return None
    return stream(f"{n:032x}", "source").integers(0, 256, (_SIDE, _SIDE, 3)).astype(np.uint8)


def _walked_shortly(words: Words) -> Words:
    if words["family"] != "diffusion":
        return words
    return {**words, "sampling": {**words["sampling"], "steps": 2}}


class Small:
    """A small network of one family, as a job names it."""

    def __init__(self, load: Workload, folder: Path) -> None:
        self._words = _walked_shortly(load.write(folder))
        self.info = describe("small", self.spec())
        self.requests = requests(self.info)

    def spec(self, precision: str = "fp32") -> GeneratorSpec:
        words: Words = self._words
        if precision != "fp32":
            words = {**words, "sampling": {**words.get("sampling", {}), "precision": precision}}
        return _SPEC.validate_python(words)

    def halves(self) -> Sequence[str]:
        """The half precisions that its family knows."""
        sampling = getattr(self.spec(), "sampling", None)
        return tuple(HALF) if hasattr(sampling, "precision") else ()

    def images(self, placement: Placement, precision: str = "fp32", alone: bool = False) -> Any:
        """(N, C, H, W) of its requests, all together or each alone."""
        spec = self.spec(precision)
        host = load_host("small", spec, describe("small", spec), placement=placement)
        batches = [[one] for one in self.requests] if alone else [self.requests]
        made = [host.generate(batch) for batch in batches]
        assert not any(reason for one in made for reason in one.failed), "a row failed"
        return np.concatenate([one.images for one in made])


def _asked(family: str, device: str, folder: Path, lacking: Mapping[str, str]) -> Act:
    def act(tell: Tell) -> None:
        if why := lacking.get(family):
            tell(not_run("contract", family, why))
            return
        small = Small(WORKLOADS[family], folder / f"contract-{family}")
        here = Placement(device)
        tell(_questions(family, small, here))
        on_cpu, images = small.images(Placement()), small.images(here)
        tell(_row(family, "fp32", _far(images, on_cpu), CLOSE))
        if (golden := golden_images(family)) is not None:
            tell(_row(family, "fp32 golden", _far(grid(images), golden), CLOSE))
        alone = small.images(here, alone=True)
        tell(_row(family, "fp32 rows alone", _far(images, alone), BATCH_TOLERANCE))
        for last in (True, False):
            laid = small.images(replace(here, channels_last=last))
            variant = f"channels_last {'on' if last else 'off'}"
            tell(_row(family, variant, _far(laid, on_cpu), CLOSE))
        for precision in small.halves():
            _half(family, small, here, precision, on_cpu, tell)

    return act


def _questions(family: str, small: Small, here: Placement) -> Row:
    """All questions of the contract, asked of hosts on the device."""
    spec = small.spec()
    factory = lambda: load_host("small", spec, small.info, placement=here)  # noqa: E731
    answers = list(questions(factory, small.requests))
    broken = [f"{one.name}: {one.detail}" for one in answers if one.ok is False]
    verdict = f"FAILED: {broken[0]}"[:200] if broken else "ok"
    figures = {"asked": sum(one.ok is not None for one in answers), "broken": len(broken)}
    return Row("contract", family, "questions", verdict, figures)


def _half(
    family: str, small: Small, here: Placement, precision: str, on_cpu: np.ndarray, tell: Tell
) -> None:
    images = small.images(here, precision)
    alone = small.images(here, precision, alone=True)
    apart = float(np.abs(images - on_cpu).mean())
    moved = float(np.abs(images - alone).mean())
    figures = {"mean": apart, "bound": HALF[precision], "rows alone": moved}
    verdict = judged(apart <= HALF[precision] and moved <= HALF[precision] / 2)
    if family == "autoregressive":
        verdict = judged(bool(np.isfinite(images).all()))
    tell(Row("contract", family, precision, verdict, figures))


def _compiled(family: str, device: str, folder: Path, lacking: Mapping[str, str]) -> Act:
    def act(tell: Tell) -> None:
        if why := lacking.get(family):
            tell(not_run("contract", family, why))
            return
        small = Small(WORKLOADS[family], folder / f"compiled-{family}")
        placement = Placement(device, compile="default", batch_size=_ROWS)
        on_cpu, images = small.images(Placement()), small.images(placement)
        tell(_row(family, "fp32 compiled", _far(images, on_cpu), CLOSE))

    return act


def _row(family: str, variant: str, worst: float, bound: float) -> Row:
    figures = {"worst": worst, "bound": bound}
    return Row("contract", family, variant, judged(worst <= bound), figures)


def _far(some: np.ndarray, others: np.ndarray) -> float:
    """The largest difference."""
    assert some.shape == others.shape, f"{some.shape} and {others.shape}"
    return float(np.abs(some - others).max())


# ---- golden images ---------------------------------------------------------------------


def grid(images_BCHW: np.ndarray) -> np.ndarray:
    """4 x 4 pixels of each of the first two."""
    height, width = images_BCHW.shape[2] // 4, images_BCHW.shape[3] // 4
    return np.ascontiguousarray(images_BCHW[:2, :, ::height, ::width])


def golden_images(family: str) -> np.ndarray | None:
    """None of diffusers, whose random weights are its versions' own."""
    found: dict[str, np.ndarray] = load_file(GOLDEN)
    return found.get(family)


def write_golden(folder: Path) -> None:
    """Anew, on the CPU: only after the families' own golden tests have passed."""
    found = {
        family: grid(Small(load, folder / family).images(Placement()))
        for family, load in WORKLOADS.items()
        if family != "diffusers"
    }
    save_file(found, GOLDEN)
