"""Train the class-conditional VAE of handwritten digits from the long-tailed train split only.

450 images: 80 of each of 0 to 4, 10 of each of 5 to 9. Batches hold as many of every class;
while training, images are turned, scaled and moved a little (see `LOOSE`), or ten images
would be learned by heart. One thread and fixed seeds: the script makes the same file again
on the same machine and torch build.

    python examples/digits/train_vae.py [--out examples/digits/checkpoint] [--sheet sheet.png]

writes weights.safetensors and generator.json, then samples through the package's own host
and prints how often judges read the digit that was asked for. The judges are fit here on
real images; neither the judges nor the VAE sees the test split.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from prepare import images
from safetensors.torch import save
from sklearn.svm import SVC
from torch.nn import functional as f

from augment.generators import SampleRequest, describe, load_host
from augment.generators.vae import Decoder, VaeInit, parameter_shapes
from augment.seeds import class_conditioning, synthetic_id
from augment.spec.generators import VaeGenerator

CLASSES = [str(digit) for digit in range(10)]
INIT = VaeInit(latent=16, embedding=16, hidden=128, base=8, widths=[32, 16, 8], channels=1)
SEED = 0
STEPS = 1500
BATCH = 100
RATE = 2e-3
BETA = 3.0
"""Weight of the KL term: 32x32 pixels repeat the 8x8 that was scanned 16 times over."""
LOOSE = {"degrees": 8.0, "scale": 0.08, "pixels": 1.5}
"""Largest turn, change of scale and shift, each drawn uniformly either way."""

Parameters = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Encoder:
    """Image and class -> mean and log variance of z; thrown away after training."""

    parameters: Parameters

    @staticmethod
    def shapes() -> dict[str, tuple[int, ...]]:
        """Name -> shape of every tensor."""
        flat = 32 * (INIT.side // 4) ** 2
        return {
            "down.0.weight": (16, 1, 3, 3),
            "down.0.bias": (16,),
            "down.1.weight": (32, 16, 3, 3),
            "down.1.bias": (32,),
            "hidden.weight": (128, flat + len(CLASSES)),
            "hidden.bias": (128,),
            "out.weight": (2 * INIT.latent, 128),
            "out.bias": (2 * INIT.latent,),
        }

    def __call__(
        self, x_BCHW: torch.Tensor, class_B: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        p = self.parameters
        h = f.silu(f.conv2d(x_BCHW, p["down.0.weight"], p["down.0.bias"], stride=2, padding=1))
        h = f.silu(f.conv2d(h, p["down.1.weight"], p["down.1.bias"], stride=2, padding=1))
        h = torch.cat([h.flatten(1), f.one_hot(class_B, len(CLASSES)).float()], dim=1)
        h = f.silu(f.linear(h, p["hidden.weight"], p["hidden.bias"]))
        mean, log_variance = f.linear(h, p["out.weight"], p["out.bias"]).chunk(2, dim=1)
        return mean, log_variance.clamp(-12.0, 6.0)


def fresh(shapes: Mapping[str, tuple[int, ...]], rng: np.random.Generator) -> Parameters:
    """He-normal weights (fan in), zero biases, unit normal embeddings."""
    result = {}
    for key, shape in shapes.items():
        spread = 1.0 if key.startswith("embedding") else math.sqrt(2.0 / math.prod(shape[1:]))
        if key.endswith("bias"):
            spread = 0.0
        values = (rng.standard_normal(shape) * spread).astype(np.float32)
        result[key] = torch.from_numpy(values).requires_grad_()
    return result


def loosen(x_BCHW: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Turned, scaled and moved copies; what comes in from outside is black."""
    n = x_BCHW.shape[0]
    turn, scale, right, down = rng.uniform(-1.0, 1.0, (4, n))
    angle = np.deg2rad(LOOSE["degrees"]) * turn
    size = 1.0 + LOOSE["scale"] * scale
    shift = LOOSE["pixels"] * 2.0 / INIT.side
    rows = [
        [np.cos(angle) * size, -np.sin(angle) * size, right * shift],
        [np.sin(angle) * size, np.cos(angle) * size, down * shift],
    ]
    affine = torch.from_numpy(np.array(rows).transpose(2, 0, 1).astype(np.float32))
    grid = f.affine_grid(affine, list(x_BCHW.shape), align_corners=False)
    return f.grid_sample(x_BCHW, grid, align_corners=False)


def draw(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Positions of a batch with as many of every class."""
    each = BATCH // len(CLASSES)
    return np.concatenate([rng.choice(np.flatnonzero(labels == k), each) for k in range(10)])


def loss_of(
    encoder: Encoder, decoder: Decoder, x_BCHW: torch.Tensor, class_B: torch.Tensor,
    noise_BZ: torch.Tensor,
) -> torch.Tensor:  # fmt: skip
    """Negative evidence lower bound per image in nats, its KL term weighed by BETA; levels
    are taken as probabilities of white (Kingma and Welling 2014, appendix C.1)."""
    mean, log_variance = encoder(x_BCHW, class_B)
    z_BZ = mean + noise_BZ * (0.5 * log_variance).exp()
    logits = decoder.logits(z_BZ, class_B)
    missed = f.binary_cross_entropy_with_logits(logits, x_BCHW, reduction="sum")
    divergence = 0.5 * (mean**2 + log_variance.exp() - 1.0 - log_variance).sum()
    return (missed + BETA * divergence) / x_BCHW.shape[0]


def train(pixels: np.ndarray, labels: np.ndarray) -> Parameters:
    """Parameters of the decoder, from (N, 32, 32) uint8 images and their (N,) classes."""
    rng = np.random.default_rng(SEED)
    encoder = Encoder(fresh(Encoder.shapes(), rng))
    parameters = fresh(parameter_shapes(INIT, len(CLASSES)), rng)
    decoder = Decoder(INIT, parameters)
    optimizer = torch.optim.Adam([*encoder.parameters.values(), *parameters.values()], lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    x_NCHW = torch.from_numpy(pixels.astype(np.float32) / 255.0)[:, None]
    for step in range(STEPS):
        rows = draw(labels, rng)
        class_B = torch.from_numpy(labels[rows])
        noise_BZ = torch.from_numpy(rng.standard_normal((BATCH, INIT.latent)).astype(np.float32))
        loss = loss_of(encoder, decoder, loosen(x_NCHW[rows], rng), class_B, noise_BZ)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if (step + 1) % 500 == 0:
            print(f"step {step + 1}: {loss.item():.1f} nats an image", flush=True)
    return {key: value.detach() for key, value in parameters.items()}


def save_checkpoint(out: Path, parameters: Parameters, trained_on: Mapping[str, Any]) -> str:
    """Writes both files; sha256 of the weights."""
    weights = save(dict(parameters))
    sha256 = hashlib.sha256(weights).hexdigest()
    config = {
        "format": "augment-generator/1",
        "family": "vae",
        "init": INIT.model_dump(),
        "classes": CLASSES,
        "license": "CC-BY-4.0",
        "weights_sha256": sha256,
        "trained_on": trained_on,
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "weights.safetensors").write_bytes(weights)
    (out / "generator.json").write_text(json.dumps(config, indent=2) + "\n")
    return sha256


def provenance(pixels: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """What the weights were learned from and how."""
    return {
        "data": "train split of examples/digits/prepare.py: digits of scikit-learn, CC BY 4.0",
        "images": {name: int((labels == k).sum()) for k, name in enumerate(CLASSES)},
        "pixels_sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
        "augmented_by": LOOSE,
        "script": "examples/digits/train_vae.py",
        "seed": SEED,
        "steps": STEPS,
        "batch": BATCH,
        "beta": BETA,
    }


def sample(checkpoint: Path, each: int) -> tuple[np.ndarray, np.ndarray]:
    """(N, 32, 32) uint8 and (N,) classes: `each` samples of every class, class by class."""
    spec = VaeGenerator(family="vae", checkpoint=str(checkpoint))
    info = describe("digits", spec)
    host = load_host("digits", spec, info)
    made = []
    for name in CLASSES:
        ids = [
            synthetic_id(SEED, info.identity, info.sampling_digest, class_conditioning(name), index)
            for index in range(each)
        ]
        rows = [SampleRequest(sample_id, name, index) for index, sample_id in enumerate(ids)]
        made.append(host.generate(rows).images[:, 0])
    levels = np.floor(np.concatenate(made) * 127.5 + 128.0).clip(0, 255).astype(np.uint8)
    return levels, np.repeat(np.arange(10), each)


def agreement(judge: SVC, pixels: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(10,) share of every class that the judge reads as labelled."""
    right = judge.predict(pixels.reshape(len(pixels), -1) / 255.0) == labels
    return np.array([right[labels == k].mean() for k in range(10)])


def report(made: tuple[np.ndarray, np.ndarray]) -> None:
    """Prints, for two judges, agreement with real test images and with the samples."""
    train_x, train_y = images("train")
    rest_x, rest_y = images("rest")
    pools = {
        "fit on the 450 train images": (train_x, train_y),
        "fit on all 1,257 images outside test": (
            np.concatenate([train_x, rest_x]),
            np.concatenate([train_y, rest_y]),
        ),
    }
    for name, (x, y) in pools.items():
        judge = SVC(C=10.0, gamma="scale", class_weight="balanced")
        judge.fit(x.reshape(len(x), -1) / 255.0, y)
        for what, rows in (("real test", images("test")), ("samples", made)):
            per_class = agreement(judge, *rows)
            shown = " ".join(f"{share:.2f}" for share in per_class)
            print(f"judge {name}, {what}: mean {per_class.mean():.3f}; 0 to 9: {shown}")


def contact_sheet(pixels: np.ndarray, labels: np.ndarray, path: Path, columns: int = 12) -> None:
    """A row of samples for every class."""
    rows = [np.concatenate(list(pixels[labels == k][:columns]), axis=1) for k in range(10)]
    Image.fromarray(np.concatenate(rows, axis=0)).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "checkpoint")
    parser.add_argument("--sheet", type=Path, help="also write a contact sheet of samples (PNG)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    started = time.perf_counter()
    pixels, labels = images("train")
    parameters = train(pixels, labels)
    sha256 = save_checkpoint(arguments.out, parameters, provenance(pixels, labels))
    print(f"{arguments.out}: sha256 {sha256}, {time.perf_counter() - started:.0f} s")
    made = sample(arguments.out, each=200)
    report(made)
    if arguments.sheet:
        contact_sheet(*made, arguments.sheet)


if __name__ == "__main__":
    main()
