"""Train the class-conditional VAE of handwritten digits from the long-tailed train split only.

450 images: 80 of each of 0 to 4, 10 of each of 5 to 9. Batches hold as many of every class;
while training, images are turned, scaled and moved a little (see `LOOSE`), or ten images
would be learned by heart. One thread and fixed seeds: the script makes the same file again
on the same machine and torch build.

    python examples/digits/train_vae.py [--out examples/digits/checkpoint]

writes weights.safetensors and generator.json, then samples through the package's own host
and prints how often judges read the digit that was asked for. The judges are fit here on
real images; neither the judges nor the VAE sees the test split.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from evaluate import report
from prepare import CLASSES, images
from torch.nn import functional as f
from training import (
    Loose,
    Parameters,
    advance,
    asked,
    detached,
    drawn,
    normal,
    provenance,
    save_checkpoint,
    settle,
)

from augment.generators.families.vae.host import Decoder, VaeInit, parameter_shapes
from augment.spec.generators import VaeGenerator

INIT = VaeInit(latent=16, embedding=16, hidden=128, base=8, widths=[32, 16, 8], channels=1)
SEED = 0
STEPS = 1500
EACH = 10
"""Images of every class in a batch."""
RATE = 2e-3
BETA = 3.0
"""Weight of the KL term: 32x32 pixels repeat the 8x8 that was scanned 16 times over."""
LOOSE = Loose(degrees=8.0, scale=0.08, pixels=1.5)


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


def train(pixels: np.ndarray, labels: np.ndarray, steps: int) -> Parameters:
    """Parameters of the decoder, from (N, 32, 32) uint8 images and their (N,) classes."""
    rng = settle(SEED)
    encoder = Encoder(fresh(Encoder.shapes(), rng))
    parameters = fresh(parameter_shapes(INIT, len(CLASSES)), rng)
    decoder = Decoder(INIT, parameters)
    optimizer = torch.optim.Adam([*encoder.parameters.values(), *parameters.values()], lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    x_NCHW = torch.from_numpy(pixels.astype(np.float32) / 255.0)[:, None]
    for step in range(steps):
        rows = drawn(labels, EACH, rng)
        class_B = torch.from_numpy(labels[rows])
        noise_BZ = normal((len(rows), INIT.latent), rng)
        loss = loss_of(encoder, decoder, LOOSE(x_NCHW[rows], rng), class_B, noise_BZ)
        advance(optimizer, loss)
        schedule.step()
        if (step + 1) % 500 == 0:
            print(f"step {step + 1}: {loss.item():.1f} nats an image", flush=True)
    return detached(parameters)


def main() -> None:
    job = asked(__doc__, "checkpoint", STEPS, each=200)
    started = time.process_time()
    pixels, labels = images("train")
    parameters = train(pixels, labels, job.steps)
    learned = provenance(
        pixels, labels, LOOSE, "train_vae.py",
        seed=SEED, steps=job.steps, batch=EACH * len(CLASSES), beta=BETA,
    )  # fmt: skip
    sha256 = save_checkpoint(job.out, "vae", INIT, parameters, learned, CLASSES)
    print(f"{job.out}: sha256 {sha256}, {time.process_time() - started:.0f} s of CPU")
    report(VaeGenerator(family="vae", checkpoint=str(job.out)), job.each)


if __name__ == "__main__":
    main()
