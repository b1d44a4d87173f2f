"""Noise schedules of diffusion models and the solvers that walk them backwards.

A schedule says how much of an image is left at each training time step; a solver turns a
network's predictions along a few of these steps into an image. Numbers of a schedule are
Python floats, made once; tensors only pass through. Knows no network and draws nothing.

Notation: a = square root of alpha-bar (what is left of the image), s = square root of
1 - alpha-bar (what is noise); x_t = a x_0 + s e.
Sources: `ddim` Song, Meng and Ermon, "Denoising Diffusion Implicit Models", ICLR 2021,
eq. 12 and 16; `euler` Karras et al., "Elucidating the Design Space of Diffusion-Based
Generative Models", NeurIPS 2022, algorithm 1 without churn: written in x_t it is DDIM's
step without noise and without clipping, on another grid; `dpmpp_2m` Lu et al.,
"DPM-Solver++", 2022, algorithm 2. Grids, first noise and last step are those of diffusers'
DDIMScheduler, EulerDiscreteScheduler and DPMSolverMultistepScheduler (Apache-2.0), with
which the results agree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    import torch

Solver = Literal["ddim", "dpmpp_2m", "euler"]
Beta = Annotated[float, Field(gt=0.0, lt=1.0)]


class ScheduleInit(BaseModel):
    """How a network was trained, in the words of diffusers' scheduler configs.

    trained_betas: every beta, instead of beta_start, beta_end and beta_schedule.
    prediction_type: what the network predicts. timestep_spacing: how steps are chosen.
    clip_sample: whether `ddim` clips its guess of the image to +- clip_sample_range.
    set_alpha_to_one: whether the last step of `ddim` ends without noise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    num_train_timesteps: Annotated[int, Field(ge=1, le=100_000)] = 1000
    beta_start: Beta = 0.0001
    beta_end: Beta = 0.02
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2"] = "linear"
    trained_betas: list[Beta] | None = None
    prediction_type: Literal["epsilon", "sample", "v_prediction"] = "epsilon"
    timestep_spacing: Literal["leading", "linspace", "trailing"] = "leading"
    steps_offset: Annotated[int, Field(ge=0, le=1000)] = 0
    clip_sample: bool = True
    clip_sample_range: Annotated[float, Field(gt=0.0, le=1000.0)] = 1.0
    set_alpha_to_one: bool = True

    @model_validator(mode="after")
    def _as_many_betas_as_steps(self) -> ScheduleInit:
        given = self.trained_betas
        if given is not None and len(given) != self.num_train_timesteps:
            raise ValueError(
                f"trained_betas: got {len(given)}; expected num_train_timesteps, "
                f"{self.num_train_timesteps}"
            )
        return self

    def alphas_bar(self) -> np.ndarray:
        """(num_train_timesteps,) float64: the share of the image's variance left at each."""
        return np.asarray(np.cumprod(1.0 - self._betas()))

    def _betas(self) -> np.ndarray:
        n = self.num_train_timesteps
        if self.trained_betas is not None:
            return np.array(self.trained_betas)
        if self.beta_schedule == "linear":
            return np.linspace(self.beta_start, self.beta_end, n)
        if self.beta_schedule == "scaled_linear":
            return np.linspace(self.beta_start**0.5, self.beta_end**0.5, n) ** 2
        left = np.cos((np.arange(n + 1) / n + 0.008) / 1.008 * math.pi / 2) ** 2
        return np.asarray(np.minimum(1.0 - left[1:] / left[:-1], 0.999))


@dataclass(frozen=True)
class Step:
    """One call of the network. t: what it is told. now, then: alpha-bar before and after."""

    t: float
    now: float
    then: float


@dataclass(frozen=True)
class Walk:
    """The way from noise to an image.

    steps: from the first to the last. first: standard deviation of x_T in x_t's scale.
    """

    solver: Solver
    steps: tuple[Step, ...]
    first: float
    init: ScheduleInit
    eta: float = 0.0

    def begun_from(self, strength: float) -> Walk:
        """The last part of the way, for an image that is first noised (SDEdit, Meng et al.,
        ICLR 2022): of n steps the last int(n * strength)."""
        n = min(int(len(self.steps) * strength), len(self.steps))
        steps = self.steps[len(self.steps) - n :]
        return Walk(self.solver, steps, self.first, self.init, self.eta)

    def noised(self, x0_BCHW: torch.Tensor, z_BCHW: torch.Tensor) -> torch.Tensor:
        """The image as it would look at the first step."""
        now = self.steps[0].now
        return math.sqrt(now) * x0_BCHW + math.sqrt(1.0 - now) * z_BCHW


def walk(init: ScheduleInit, solver: Solver, n: int, eta: float = 0.0) -> Walk:
    """`n` steps of a solver along a schedule. eta: noise put back by each step of `ddim`."""
    bars = init.alphas_bar()
    times = _times(init, solver, n)
    if solver == "ddim":
        now = bars[times.astype(np.int64)]
        earlier = times.astype(np.int64) - init.num_train_timesteps // n
        end = 1.0 if init.set_alpha_to_one else float(bars[0])
        then = np.where(earlier >= 0, bars[np.maximum(earlier, 0)], end)
    else:
        # between two training steps the ratio of noise to image is interpolated
        ratio = np.interp(times, np.arange(len(bars)), np.sqrt((1.0 - bars) / bars))
        now = 1.0 / (1.0 + ratio**2)
        then = np.append(now[1:], 1.0)
    steps = tuple(Step(*row) for row in np.stack([times, now, then], axis=1).tolist())
    spread = solver == "euler" and init.timestep_spacing != "leading"
    first = math.sqrt(1.0 - steps[0].now) if spread else 1.0
    return Walk(solver, steps, first, init, eta)


def _times(init: ScheduleInit, solver: Solver, n: int) -> np.ndarray:
    """(n,) float64, falling. `dpmpp_2m` spaces n + 1 and leaves out the last; `euler` may
    stand between two training steps."""
    total = init.num_train_timesteps
    spaced = n + 1 if solver == "dpmpp_2m" else n
    if init.timestep_spacing == "trailing":
        return np.round(total - np.arange(n) * (total / n)) - 1.0
    if init.timestep_spacing == "leading":
        rising = np.arange(spaced) * float(total // spaced) + init.steps_offset
    else:
        rising = np.linspace(0.0, total - 1.0, spaced)
        if solver != "euler":
            rising = rising.round()
    return rising[::-1][:n]


@dataclass
class Walker:
    """One batch on its way: what a multistep solver remembers of the step before."""

    walk: Walk
    _image: torch.Tensor | None = None
    _lambda: float = 0.0

    def step(
        self, k: int, x_BCHW: torch.Tensor, said_BCHW: torch.Tensor, noise_BCHW: torch.Tensor | None
    ) -> torch.Tensor:
        """x after step k. said: what the network said of x there. noise: standard normal,
        for `ddim` with eta > 0."""
        step = self.walk.steps[k]
        image, noise = _read(self.walk.init.prediction_type, step.now, x_BCHW, said_BCHW)
        if self.walk.solver == "dpmpp_2m":
            return self._multistep(k, x_BCHW, image)
        if self.walk.solver == "ddim" and self.walk.init.clip_sample:
            image = image.clamp(-self.walk.init.clip_sample_range, self.walk.init.clip_sample_range)
        back = self.walk.eta * math.sqrt(
            (1.0 - step.then) / (1.0 - step.now) * (1.0 - step.now / step.then)
        )
        x = math.sqrt(step.then) * image + math.sqrt(1.0 - step.then - back**2) * noise
        return x if noise_BCHW is None else x + back * noise_BCHW

    def _multistep(self, k: int, x_BCHW: torch.Tensor, image_BCHW: torch.Tensor) -> torch.Tensor:
        step = self.walk.steps[k]
        before, last = self._image, k == len(self.walk.steps) - 1
        lambda_now = _half_log_ratio(step.now)
        lambda_before, self._lambda, self._image = self._lambda, lambda_now, image_BCHW
        if last:  # no noise is left: lambda is infinite, and the guess itself is the image
            return image_BCHW
        h = _half_log_ratio(step.then) - lambda_now
        if before is not None:
            weight = 0.5 * h / (lambda_now - lambda_before)
            image_BCHW = (1.0 + weight) * image_BCHW - weight * before
        shrunk = math.sqrt((1.0 - step.then) / (1.0 - step.now)) * x_BCHW
        return shrunk - math.sqrt(step.then) * math.expm1(-h) * image_BCHW


def _half_log_ratio(bar: float) -> float:
    """lambda = log(a / s)."""
    return 0.5 * math.log(bar / (1.0 - bar))


def _read(
    kind: str, bar: float, x_BCHW: torch.Tensor, said_BCHW: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Image and noise that a prediction means."""
    a, s = math.sqrt(bar), math.sqrt(1.0 - bar)
    if kind == "epsilon":
        return (x_BCHW - s * said_BCHW) / a, said_BCHW
    if kind == "sample":
        return said_BCHW, (x_BCHW - a * said_BCHW) / s
    return a * x_BCHW - s * said_BCHW, a * said_BCHW + s * x_BCHW
