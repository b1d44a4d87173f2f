"""What a job file may say of a generator: one spec class per family, and their union.

Everything here decides pixels or labels; how a generator is run stands under `execution`.
A family's class holds its own sampling model; what families share stands once, above them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from augment.spec.base import ClassName, Name, Spec

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Precision = Literal["fp32", "bf16", "fp16"]
"""Of the network's arithmetic. It changes pixels, so it is part of the sampling."""


class TrainedOn(Spec):
    """Splits of one of the job's sources that the generator has seen."""

    source: Name
    splits: Annotated[list[Name], Field(min_length=1)]


class ClassIndexFile(Spec):
    """A text file with one class name a line (line = index, from 0), or a YAML or JSON
    mapping of name to index."""

    file: str


ClassIndex = Annotated[dict[ClassName, Annotated[int, Field(ge=0)]], Field(min_length=1)]


class GeneratorBase(Spec):
    """What every family may say."""

    license: str | None = None
    """SPDX expression of what it makes; None: as its checkpoint says."""
    trained_on: Annotated[list[TrainedOn], Field(min_length=1)] | None = None
    """None: unknown, which an audit reports."""


class CheckpointBase(GeneratorBase):
    """A family with weights: an imported folder, `weights.safetensors` + `generator.json`."""

    checkpoint: str
    sha256: Sha256 | None = None
    """Of weights.safetensors; checked before anything is loaded."""


class ClassConditional(CheckpointBase):
    """A family whose network takes a class, or whose images are all of one class.

    class_index: which of the network's indexes is which class; needed where the checkpoint
    knows its classes only as indexes. label: the class of everything that an unconditional
    network makes. A checkpoint that names its classes needs neither.
    """

    class_index: ClassIndex | ClassIndexFile | None = None
    label: ClassName | None = None


# ---- families ------------------------------------------------------------------------


class DiffusionSampling(Spec):
    """eta: noise that each step of `ddim` puts back, 0 none, 1 as in ancestral sampling.
    guidance_scale: of classifier-free guidance; above 1 the network needs a null class.
    strength: None, or each image is made from a source image, noised this far first."""

    scheduler: Literal["ddim", "dpmpp_2m", "euler"] = "ddim"
    steps: Annotated[int, Field(ge=1, le=1000)] = 50
    guidance_scale: Annotated[float, Field(ge=1.0, le=100.0)] = 1.0
    eta: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    strength: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    precision: Precision = "fp32"


class DiffusionGenerator(ClassConditional):
    """Pixel diffusion with a (class-conditional) U-Net, diffusers' `UNet2DModel`."""

    family: Literal["diffusion"]
    sampling: DiffusionSampling = DiffusionSampling()


class PaletteSampling(Spec):
    contrast: Annotated[float, Field(ge=0.0, le=1.0)] = 0.8


class PaletteGenerator(Spec):
    """Procedural coloured patterns, a hue per class: seeded, CPU, no weights. The fake."""

    family: Literal["palette"]
    classes: Annotated[list[ClassName], Field(min_length=1)]
    size: Annotated[int, Field(ge=4, le=4096)] = 32
    sampling: PaletteSampling = PaletteSampling()


class VaeSampling(Spec):
    temperature: Annotated[float, Field(gt=0.0, le=4.0)] = 1.0
    """Standard deviation of the latent z."""


class VaeGenerator(ClassConditional):
    """Class-conditional variational autoencoder: `weights.safetensors` + `generator.json`."""

    family: Literal["vae"]
    sampling: VaeSampling = VaeSampling()


GeneratorSpec = Annotated[
    DiffusionGenerator
    | PaletteGenerator
    | VaeGenerator,
    Field(discriminator="family"),
]  # fmt: skip
