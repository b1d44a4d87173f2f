"""Train a class-conditional StyleGAN2 of handwritten digits from the long-tailed train split only.

What is trained is the network of the family `stylegan2` itself, its parameters with gradients.
450 images are few: the discriminator sees real and made images alike turned, scaled and moved
(DiffAugment: Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training",
NeurIPS 2020), batches hold as many of every class, and the discriminator also reads the digit
(AC-GAN: Odena et al., ICML 2017). Loss: non-saturating, with R1 (Mescheder et al., ICML 2018)
every few steps, as StyleGAN2 does. Kept are averaged weights. One thread and fixed seeds: the
script makes the same file again on the same machine and torch build.

    python examples/digits/train_gan.py [--out examples/digits/checkpoint-gan]

Shape letters: B batch, Z latent, C channels, H height, W width.
"""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import torch
from evaluate import report
from prepare import CLASSES, images
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
    provenance,
    save_checkpoint,
    settle,
    trainable,
)

from augment.generators.families.stylegan.mapping import MappingInit
from augment.generators.families.stylegan.stylegan2 import (
    Generator,
    StyleGan2Init,
    parameter_shapes,
)
from augment.spec.generators import StyleGan2Generator

SEED = 0
STEPS = 1600
EACH = 6
"""Images of every class in a batch."""
RATE = 2e-3
DECAY = 0.995
GAMMA = 1.0
PENALTY_EVERY = 8
CLASS_WEIGHT = 0.5
LOOSE = Loose(degrees=8.0, scale=0.08, pixels=1.5)
INIT = StyleGan2Init(
    mapping=MappingInit(
        z_dim=32, c_dim=len(CLASSES), w_dim=64, num_layers=2, embed_features=32,
        layer_features=64, lr_multiplier=0.01, w_avg=True,
    ),
    widths=[64, 48, 32, 16], img_channels=1, architecture="skip", use_noise=False, taps=4,
    conv_clamp=None, activation="lrelu",
)  # fmt: skip
FIXED = frozenset(
    key for key in parameter_shapes(INIT) if key.endswith(("resample_filter", "w_avg"))
)


def fresh(rng: np.random.Generator) -> Parameters:
    """Unit normal weights, which the network scales when it uses them; zero biases, but ones
    where a style starts; filters [1, 3, 3, 1]."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    result = {}
    for key, shape in parameter_shapes(INIT).items():
        if key.endswith("resample_filter"):
            result[key] = taps.outer(taps) / taps.sum() ** 2
        elif key.endswith(("bias", "w_avg")):
            result[key] = torch.full(shape, float(key.endswith("affine.bias")))
        else:
            wide = 1.0 / INIT.mapping.lr_multiplier if key.startswith("mapping.fc") else 1.0
            result[key] = normal(shape, rng) * wide
    return result


class Discriminator(nn.Module):
    """Whether an image of a class is real (projection: Miyato and Koyama, ICLR 2018), and
    which class it is of; thrown away after training."""

    def __init__(self) -> None:
        super().__init__()
        widths = [1, 24, 48, 64, 64]
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=1 if a == 1 else 2, padding=1) for a, b in pairwise(widths)
        )
        self.hidden = nn.Linear((widths[-1] + 1) * 4 * 4, 64)
        self.real = nn.Linear(64, 1)
        self.match = nn.Embedding(len(CLASSES), 64)
        self.read = nn.Linear(64, len(CLASSES))

    def forward(
        self, x_BCHW: torch.Tensor, class_B: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(B,) logits of being real and (B, 10) logits of the classes."""
        x = x_BCHW
        for conv in self.convs:
            x = f.leaky_relu(conv(x), 0.2)
        # how much the batch varies, for a generator that makes one image looks fake at once
        spread = x.std(dim=0).mean().expand(len(x), 1, *x.shape[2:])
        h = f.leaky_relu(self.hidden(torch.cat([x, spread], dim=1).flatten(1)), 0.2)
        real = self.real(h)[:, 0] + (self.match(class_B) * h).sum(dim=1) / h.shape[1] ** 0.5
        return real, self.read(h)


def loosened(x_BCHW: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Images of -1 (black) to 1, turned and moved; what comes in is black."""
    return LOOSE(x_BCHW + 1.0, rng) - 1.0


def train(pixels: np.ndarray, labels: np.ndarray, steps: int) -> Parameters:
    """Averaged parameters of the generator, from (N, 32, 32) uint8 images and their classes."""
    rng = settle(SEED)
    parameters = fresh(rng)
    average = detached(parameters)
    generator, critic = Generator(INIT, parameters), Discriminator()
    moved = trainable(parameters, FIXED)
    of_generator = torch.optim.Adam(moved, lr=RATE, betas=(0.0, 0.99))
    of_critic = torch.optim.Adam(critic.parameters(), lr=RATE, betas=(0.0, 0.99))
    x_NCHW = torch.from_numpy(pixels.astype(np.float32) / 127.5 - 1.0)[:, None]
    class_B = torch.arange(len(CLASSES)).repeat_interleave(EACH)

    def made() -> torch.Tensor:
        z_BZ = normal((len(class_B), INIT.mapping.z_dim), rng)
        return loosened(generator(class_B, {"z": z_BZ}), rng)

    for step in range(steps):
        real = loosened(x_NCHW[drawn(labels, EACH, rng)], rng)
        with torch.no_grad():
            fake = made()
        loss = critic_loss(critic, real, fake, class_B, penalised=step % PENALTY_EVERY == 0)
        advance(of_critic, loss)
        seems, read = critic(made(), class_B)
        lost = f.softplus(-seems).mean() + CLASS_WEIGHT * f.cross_entropy(read, class_B)
        advance(of_generator, lost)
        follow(average, parameters, step, DECAY)
        if (step + 1) % 250 == 0:
            print(
                f"step {step + 1}: critic {loss.item():.2f}, generator {lost.item():.2f}",
                flush=True,
            )
    return with_average_w(average, rng)


def critic_loss(
    critic: Discriminator, real: torch.Tensor, fake: torch.Tensor, class_B: torch.Tensor,
    penalised: bool,
) -> torch.Tensor:  # fmt: skip
    """Of telling real from fake and of reading real digits; R1 where `penalised`."""
    real.requires_grad_(penalised)
    seems, read = critic(real, class_B)
    loss = f.softplus(-seems).mean() + f.softplus(critic(fake, class_B)[0]).mean()
    loss = loss + CLASS_WEIGHT * f.cross_entropy(read, class_B)
    if penalised:
        (slope,) = torch.autograd.grad(seems.sum(), real, create_graph=True)
        loss = loss + slope.square().sum(dim=(1, 2, 3)).mean() * (GAMMA / 2 * PENALTY_EVERY)
    return loss


@torch.no_grad()
def with_average_w(parameters: Parameters, rng: np.random.Generator) -> Parameters:
    """The same with the average w of all classes, which truncation goes towards."""
    class_B = torch.arange(len(CLASSES)).repeat_interleave(1000)
    z_BZ = normal((len(class_B), INIT.mapping.z_dim), rng)
    w_BW = Generator(INIT, parameters).ws(z_BZ, class_B)[:, 0]
    return {**parameters, "mapping.w_avg": w_BW.mean(dim=0)}


def main() -> None:
    job = asked(__doc__, "checkpoint-gan", STEPS, each=200)
    started = time.process_time()
    pixels, labels = images("train")
    parameters = train(pixels, labels, job.steps)
    learned = provenance(
        pixels, labels, LOOSE, "train_gan.py", seed=SEED, steps=job.steps,
        batch=EACH * len(CLASSES), rate=RATE, decay=DECAY, gamma=GAMMA,
        class_weight=CLASS_WEIGHT,
    )  # fmt: skip
    sha256 = save_checkpoint(job.out, "stylegan2", INIT, parameters, learned, CLASSES)
    print(f"{job.out}: sha256 {sha256}, {time.process_time() - started:.0f} s of CPU")
    spec = StyleGan2Generator(family="stylegan2", checkpoint=str(job.out))
    report(spec, job.each)


if __name__ == "__main__":
    main()
