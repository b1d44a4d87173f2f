"""What the training scripts of the digits share: one thread and fixed seeds, batches with as
many of every class, images turned and moved a little, averaged weights, and the two files of
a checkpoint.

Knows no network. Every random number is drawn from a generator that is an argument.
Shape letters: B batch, C channels, H height, W width, N images.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from prepare import CLASSES
from pydantic import BaseModel
from safetensors.torch import save
from torch.nn import functional as f

Parameters = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Asked:
    """Of a training script. out: the checkpoint's folder. each: samples of every class that
    are judged afterwards; 0: none are."""

    out: Path
    steps: int
    each: int


def asked(doc: str | None, out: str, steps: int, each: int) -> Asked:
    """The command line, with its defaults; `out` lies beside the script."""
    parser = argparse.ArgumentParser(description=(doc or "").split("\n\n")[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / out)
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--each", type=int, default=each, help="samples of every class to judge")
    return Asked(**vars(parser.parse_args()))


def settle(seed: int) -> np.random.Generator:
    """One thread, deterministic algorithms, torch's generator seeded; another one to draw from.
    The same machine and torch build then make the same weights again, bit for bit."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)
    return np.random.default_rng(seed)


def drawn(labels: np.ndarray, each: int, rng: np.random.Generator) -> np.ndarray:
    """Positions of a batch with `each` of every class, class by class."""
    return np.concatenate(
        [rng.choice(np.flatnonzero(labels == k), each) for k in range(len(CLASSES))]
    )


def normal(shape: tuple[int, ...], rng: np.random.Generator) -> torch.Tensor:
    """Float32 numbers of mean 0 and variance 1."""
    return torch.from_numpy(rng.standard_normal(shape).astype(np.float32))


@dataclass(frozen=True)
class Loose:
    """Largest turn, change of scale and shift, each drawn uniformly either way."""

    degrees: float
    scale: float
    pixels: float

    def __call__(self, x_BCHW: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Turned, scaled and moved copies; what comes in from outside is 0."""
        n, side = x_BCHW.shape[0], x_BCHW.shape[3]
        turn, scale, right, down = rng.uniform(-1.0, 1.0, (4, n))
        angle = np.deg2rad(self.degrees) * turn
        size = 1.0 + self.scale * scale
        shift = self.pixels * 2.0 / side
        rows = [
            [np.cos(angle) * size, -np.sin(angle) * size, right * shift],
            [np.sin(angle) * size, np.cos(angle) * size, down * shift],
        ]
        affine = torch.from_numpy(np.array(rows).transpose(2, 0, 1).astype(np.float32))
        grid = f.affine_grid(affine, list(x_BCHW.shape), align_corners=False)
        return f.grid_sample(x_BCHW, grid, align_corners=False)


def advance(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """One step down."""
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


@torch.no_grad()
def follow(average: Parameters, parameters: Parameters, step: int, decay: float) -> None:
    """Moves an exponential moving average on; the first steps weigh as in a plain mean."""
    share = min(decay, (1.0 + step) / (10.0 + step))
    for key, value in average.items():
        value.lerp_(parameters[key], 1.0 - share)


def trainable(parameters: Parameters, fixed: frozenset[str] = frozenset()) -> list[torch.Tensor]:
    """The tensors that an optimizer moves, marked so; `fixed`: names of those that it leaves."""
    return [value.requires_grad_() for key, value in parameters.items() if key not in fixed]


def detached(parameters: Mapping[str, torch.Tensor]) -> Parameters:
    """Copies that no gradient reaches."""
    return {key: value.detach().clone() for key, value in parameters.items()}


def provenance(
    pixels: np.ndarray, labels: np.ndarray, loose: Loose, script: str, **settings: Any
) -> dict[str, Any]:
    """What weights were learned from and how, as `trained_on` in generator.json."""
    return {
        "data": "train split of examples/digits/prepare.py: digits of scikit-learn, CC BY 4.0",
        "images": {name: int((labels == k).sum()) for k, name in enumerate(CLASSES)},
        "pixels_sha256": sha256_of(pixels),
        "augmented_by": asdict(loose),
        "script": f"examples/digits/{script}",
        **settings,
    }


def sha256_of(pixels: np.ndarray) -> str:
    """Of an array's bytes."""
    return hashlib.sha256(pixels.tobytes()).hexdigest()


def save_checkpoint(
    out: Path, family: str, init: BaseModel, parameters: Parameters, trained_on: Mapping[str, Any],
    classes: list[str] | None = None,
) -> str:  # fmt: skip
    """Writes weights.safetensors and generator.json; sha256 of the weights."""
    weights = save(dict(parameters))
    sha256 = hashlib.sha256(weights).hexdigest()
    config = {
        "format": "augment-generator/1",
        "family": family,
        "init": init.model_dump(),
        **({} if classes is None else {"classes": classes}),
        "license": "CC-BY-4.0",
        "weights_sha256": sha256,
        "trained_on": trained_on,
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "weights.safetensors").write_bytes(weights)
    (out / "generator.json").write_text(json.dumps(config, indent=2) + "\n")
    return sha256
