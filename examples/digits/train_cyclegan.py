"""Train a pair of translators between clean digits and digits over photographs, unpaired.

The recipe is CycleGAN's (Zhu et al., "Unpaired Image-to-Image Translation using Cycle-
Consistent Adversarial Networks", ICCV 2017): two residual generators, which are the networks
of the family `resnet_i2i` themselves, two patch discriminators, least squares, a cycle and an
identity loss. A is clean, B is over photographs (see `prepare_photos`); both are train splits
only. What differs: 32 px, narrow networks, larger batches at a higher rate, no history of made
images; clean digits are turned and moved a little. A clean digit does not say what ground it
would stand on. So the way there has dropout, two draws of it must differ (Mao et al., "Mode
Seeking Generative Adversarial Networks", CVPR 2019), and the cycle that would have to hide
the ground in a clean image weighs less. Labels decide how a batch is drawn, as many of every
class, and nothing else. One thread and fixed seeds: the script makes the same file again on
the same machine and torch build.

    python examples/digits/train_cyclegan.py [--out examples/digits/checkpoint-photos]

Shape letters: B batch, C channels, H height, W width.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict

import numpy as np
import torch
from evaluate import report
from prepare import CLASSES, SIDE
from prepare_photos import images
from torch import nn
from torch.nn import functional as f
from training import (
    Loose,
    Parameters,
    advance,
    asked,
    detached,
    drawn,
    follow,
    normal,
    save_checkpoint,
    settle,
    sha256_of,
    trainable,
)

from augment.generators.families.translation.host import DIRECTIONS, Direction, all_shapes, one_way
from augment.generators.families.translation.resnet_i2i import Resnet, ResnetInit
from augment.spec.generator_base import Preprocess, TranslationSampling
from augment.spec.generators import ResnetI2iGenerator

SEED = 0
STEPS = 1200
EACH = 1
"""Images of every class in a batch, of each domain."""
RATE = 1e-3
DECAY = 0.99
CYCLE_A, CYCLE_B = 10.0, 2.0
"""Weights of a cycle that starts in A, and in B."""
IDENTITY = 5.0
VARIETY = 0.2
LOOSE = Loose(degrees=8.0, scale=0.08, pixels=1.5)
INIT = ResnetInit(
    input_nc=3, output_nc=3, ngf=16, norm="instance", dropout=True, n_blocks=2, direction="both"
)


def fresh(rng: np.random.Generator) -> Parameters:
    """He-normal weights (fan in), zero biases."""
    result = {}
    for key, shape in all_shapes(INIT).items():
        spread = 0.0 if key.endswith("bias") else math.sqrt(2.0 / math.prod(shape[1:]))
        result[key] = normal(shape, rng) * spread
    return result


def translator(parameters: Parameters, direction: Direction) -> Resnet:
    """One of the two networks over its part of the parameters."""
    own = {
        k.removeprefix(f"{direction}."): v for k, v in parameters.items() if k.startswith(direction)
    }
    return Resnet(one_way(INIT, direction), own)


class Patches(nn.Sequential):
    """Whether each patch of 18 x 18 px is real; thrown away after training."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 32, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
            nn.Conv2d(32, 64, 4, stride=2, padding=1), nn.InstanceNorm2d(64), nn.LeakyReLU(0.2),
            nn.Conv2d(64, 1, 3, padding=1),
        )  # fmt: skip


def masks(n: int, rng: np.random.Generator) -> dict[str, torch.Tensor]:
    """Dropout of one half for n images, as hosts draw it under `dropout: seeded`."""
    shapes = INIT.dropped((SIDE, SIDE))
    return {k: torch.from_numpy(rng.integers(0, 2, (n, *s))) for k, s in shapes.items()}


def towards(seems: torch.Tensor, target: float) -> torch.Tensor:
    """Least squares (Mao et al., ICCV 2017)."""
    return (seems - target).square().mean()


class Pair:
    """Both translators, both critics, and their losses."""

    def __init__(self, parameters: Parameters) -> None:
        self.to_b, self.to_a = (translator(parameters, d) for d in DIRECTIONS)
        self.of_a, self.of_b = Patches(), Patches()

    def translators(
        self, a: torch.Tensor, b: torch.Tensor, rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The loss of both translators, and what they made of b and of a."""
        # each network takes all its sources of a step in one batch: norms are per image
        x = torch.cat([a, a, b])
        as_b, other_b, still_b = self.to_b(x, masks(len(x), rng)).chunk(3)
        as_a, still_a = self.to_a(torch.cat([b, a]), {}).chunk(2)
        again_a, again_b = self.to_a(as_b, {}), self.to_b(as_a, masks(len(b), rng))
        fools = towards(self.of_b(as_b), 1.0) + towards(self.of_a(as_a), 1.0)
        cycle = CYCLE_A * f.l1_loss(again_a, a) + CYCLE_B * f.l1_loss(again_b, b)
        identity = f.l1_loss(still_a, a) + f.l1_loss(still_b, b)
        alike = 1.0 / (f.l1_loss(as_b, other_b) + 0.1)
        loss = fools + cycle + IDENTITY * identity + VARIETY * alike
        return loss, as_a.detach(), as_b.detach()

    def critics(
        self, a: torch.Tensor, b: torch.Tensor, as_a: torch.Tensor, as_b: torch.Tensor
    ) -> torch.Tensor:
        """The loss of both critics."""
        real = towards(self.of_a(a), 1.0) + towards(self.of_b(b), 1.0)
        return (real + towards(self.of_a(as_a), 0.0) + towards(self.of_b(as_b), 0.0)) / 2


def train(
    clean: tuple[np.ndarray, np.ndarray], photos: tuple[np.ndarray, np.ndarray], steps: int
) -> Parameters:
    """Averaged parameters of both translators, from images and classes of both domains."""
    rng = settle(SEED)
    parameters = fresh(rng)
    average = detached(parameters)
    pair = Pair(parameters)
    of_translators = torch.optim.Adam(trainable(parameters), lr=RATE, betas=(0.5, 0.999))
    critics = [*pair.of_a.parameters(), *pair.of_b.parameters()]
    of_critics = torch.optim.Adam(critics, lr=RATE, betas=(0.5, 0.999))
    slower = [
        torch.optim.lr_scheduler.LambdaLR(o, lambda k: min(1.0, 2.0 - 2.0 * k / steps))
        for o in (of_translators, of_critics)
    ]
    a_NCHW, b_NCHW = (
        torch.from_numpy(x.astype(np.float32) / 255.0).permute(0, 3, 1, 2).contiguous()
        for x in (clean[0], photos[0])
    )
    for step in range(steps):
        a = LOOSE(a_NCHW[drawn(clean[1], EACH, rng)], rng) * 2.0 - 1.0
        b = b_NCHW[drawn(photos[1], EACH, rng)] * 2.0 - 1.0
        loss, as_a, as_b = pair.translators(a, b, rng)
        advance(of_translators, loss)
        seen = pair.critics(a, b, as_a, as_b)
        advance(of_critics, seen)
        for schedule in slower:
            schedule.step()
        follow(average, parameters, step, DECAY)
        if (step + 1) % 200 == 0:
            print(
                f"step {step + 1}: translators {loss.item():.2f}, critics {seen.item():.2f}",
                flush=True,
            )
    return average


def main() -> None:
    job = asked(__doc__, "checkpoint-photos", STEPS, each=1)
    started = time.process_time()
    clean, photos = images("clean", "train"), images("photos", "train")
    parameters = train(clean, photos, job.steps)
    learned = {
        "data": "train splits of examples/digits/prepare_photos.py: digits of scikit-learn, "
        "CC BY 4.0; photographs of scikit-image, public domain and CC0",
        "images": {"clean": len(clean[0]), "photos": len(photos[0])},
        "pixels_sha256": {"clean": sha256_of(clean[0]), "photos": sha256_of(photos[0])},
        "augmented_by": asdict(LOOSE), "script": "examples/digits/train_cyclegan.py",
        "seed": SEED, "steps": job.steps, "batch": EACH * len(CLASSES), "rate": RATE,
        "decay": DECAY, "cycle": [CYCLE_A, CYCLE_B], "identity": IDENTITY, "variety": VARIETY,
    }  # fmt: skip
    sha256 = save_checkpoint(job.out, "resnet_i2i", INIT, parameters, learned)
    print(f"{job.out}: sha256 {sha256}, {time.process_time() - started:.0f} s of CPU")
    for direction in DIRECTIONS:
        print(direction)
        spec = ResnetI2iGenerator(
            family="resnet_i2i", checkpoint=str(job.out), direction=direction,
            preprocess=Preprocess(resize="none"),
            sampling=TranslationSampling(dropout="seeded" if direction == "AtoB" else "off"),
        )  # fmt: skip
        report(spec, job.each)


if __name__ == "__main__":
    main()
