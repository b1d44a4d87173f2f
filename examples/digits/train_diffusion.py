"""Train a class-conditional diffusion model of handwritten digits from the long-tailed train
split only.

What is trained is the U-Net of the family `diffusion` itself, its parameters with gradients.
It predicts v (Salimans and Ho, "Progressive Distillation", ICLR 2022) of images that are
turned, scaled and moved a little; one in ten loses its class, for classifier-free guidance
(Ho and Salimans, 2022). Batches hold as many of every class. Kept are averaged weights. One
thread and fixed seeds: the script makes the same file again on the same machine and torch
build.

    python examples/digits/train_diffusion.py [--out examples/digits/checkpoint-diffusion]

Shape letters: B batch, C channels, H height, W width.
"""

from __future__ import annotations

import math
import time

import numpy as np
import torch
from evaluate import report
from prepare import CLASSES, SIDE, images
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

from augment.generators.families.diffusion.host import DiffusionInit
from augment.generators.families.diffusion.solvers import ScheduleInit
from augment.generators.families.diffusion.unet2d import Unet, UnetInit, parameter_shapes
from augment.spec.generators import DiffusionGenerator, DiffusionSampling

SEED = 0
STEPS = 1200
EACH = 4
"""Images of every class in a batch."""
RATE = 3e-3
DECAY = 0.995
NULL = len(CLASSES)
"""The class index that means none."""
UNNAMED = 0.1
"""Share of images that lose their class."""
LOOSE = Loose(degrees=8.0, scale=0.08, pixels=1.5)
INIT = DiffusionInit(
    unet=UnetInit(
        sample_size=[SIDE, SIDE], in_channels=1, block_out_channels=[16, 32, 48],
        down_block_types=["DownBlock2D"] * 3, up_block_types=["UpBlock2D"] * 3,
        layers_per_block=1, norm_num_groups=8, num_class_embeds=NULL + 1,
    ),
    schedule=ScheduleInit(prediction_type="v_prediction", timestep_spacing="trailing"),
)  # fmt: skip
SAMPLING = DiffusionSampling(scheduler="ddim", steps=12, guidance_scale=2.0)


def fresh(rng: np.random.Generator) -> Parameters:
    """Normal weights of variance 1 / fan in, zero biases, norms of 1; what a block adds to its
    input starts at 0, and so does the prediction."""
    result = {}
    for key, shape in parameter_shapes(INIT.unet).items():
        if key.endswith("bias") or ".conv2." in key or ".to_out." in key or "conv_out" in key:
            result[key] = torch.zeros(shape)
        elif "norm" in key:
            result[key] = torch.ones(shape)
        else:
            result[key] = normal(shape, rng) / math.sqrt(math.prod(shape[1:]))
    return result


def train(pixels: np.ndarray, labels: np.ndarray, steps: int) -> Parameters:
    """Averaged parameters of the U-Net, from (N, 32, 32) uint8 images and their classes."""
    rng = settle(SEED)
    parameters = fresh(rng)
    average = detached(parameters)
    network = Unet(INIT.unet, parameters)
    optimizer = torch.optim.Adam(trainable(parameters), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    x_NCHW = torch.from_numpy(pixels.astype(np.float32) / 255.0)[:, None]
    for step in range(steps):
        rows = drawn(labels, EACH, rng)
        x_BCHW = LOOSE(x_NCHW[rows], rng) * 2.0 - 1.0
        unnamed = rng.random(len(rows)) < UNNAMED
        class_B = torch.from_numpy(np.where(unnamed, NULL, labels[rows]))
        loss = loss_of(network, x_BCHW, class_B, rng)
        advance(optimizer, loss)
        schedule.step()
        follow(average, parameters, step, DECAY)
        if (step + 1) % 200 == 0:
            print(f"step {step + 1}: {loss.item():.4f}", flush=True)
    return average


def loss_of(
    network: Unet, x_BCHW: torch.Tensor, class_B: torch.Tensor, rng: np.random.Generator
) -> torch.Tensor:
    """Mean square error of v at time steps spread evenly over the batch."""
    n = len(x_BCHW)
    alphas_bar = INIT.schedule.alphas_bar()
    even = (rng.permutation(n) + rng.random(n)) / n
    t_B = (even * len(alphas_bar)).astype(np.int64)
    left = torch.from_numpy(alphas_bar[t_B].astype(np.float32))[:, None, None, None]
    image, noise = left.sqrt(), (1.0 - left).sqrt()
    e_BCHW = normal(tuple(x_BCHW.shape), rng)
    said = network(image * x_BCHW + noise * e_BCHW, torch.from_numpy(t_B).float(), class_B)
    return f.mse_loss(said, image * e_BCHW - noise * x_BCHW)


def main() -> None:
    job = asked(__doc__, "checkpoint-diffusion", STEPS, each=50)
    started = time.process_time()
    pixels, labels = images("train")
    parameters = train(pixels, labels, job.steps)
    learned = provenance(
        pixels, labels, LOOSE, "train_diffusion.py", seed=SEED, steps=job.steps,
        batch=EACH * len(CLASSES), rate=RATE, decay=DECAY, unnamed=UNNAMED,
    )  # fmt: skip
    sha256 = save_checkpoint(job.out, "diffusion", INIT, parameters, learned, CLASSES)
    print(f"{job.out}: sha256 {sha256}, {time.process_time() - started:.0f} s of CPU")
    spec = DiffusionGenerator(family="diffusion", checkpoint=str(job.out), sampling=SAMPLING)
    report(spec, job.each)


if __name__ == "__main__":
    main()
