"""What families of generators share: checkpoints, classes, source images, precision.

Knows no family; each stands in `generators.py` with its own sampling model.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from augment.spec.base import ClassName, Name, Spec

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Precision = Literal["fp32", "bf16", "fp16"]
"""Of the network's arithmetic. It changes pixels, so it is part of the sampling."""


class TrainedOn(Spec):
    """What of the job's sources a generator has seen in training."""

    source: Name
    """Name of the source."""
    splits: Annotated[list[Name], Field(min_length=1)]
    """Its splits that were seen; a protected one is refused."""
    split_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")] | None = None
    """Where those splits are shares, which draw of them it was, as `augment plan` prints it.
    Another draw has other images in them; not given: not known which."""


class ClassIndexFile(Spec):
    """Indexes of a network by class name, in a file."""

    file: str
    """Text with one class name a line, the first being index 0; or a YAML or JSON mapping of name
    to index."""


ClassIndex = Annotated[dict[ClassName, Annotated[int, Field(ge=0)]], Field(min_length=1)]


class GeneratorBase(Spec):
    """What every family may say that is trained."""

    license: str | None = None
    """SPDX expression of what it makes; not given: as its checkpoint says."""
    trained_on: Annotated[list[TrainedOn], Field(min_length=1)] | None = None
    """What of the job's sources it has seen; not given: unknown, which plan and audit say."""


class CheckpointBase(GeneratorBase):
    """A family with weights."""

    checkpoint: str
    """The imported folder (`augment generators import`), which holds `weights.safetensors` and
    `generator.json`: a path or a URI."""
    sha256: Sha256 | None = None
    """Of the file of weights, 64 hex digits; checked before anything is loaded."""


class ClassConditional(CheckpointBase):
    """A family whose network takes a class, or whose images are all of one class."""

    class_index: ClassIndex | ClassIndexFile | None = None
    """Class -> index of the network, for a checkpoint that knows its classes only as indexes; a
    mapping, or `{file: FILE}`."""
    label: ClassName | None = None
    """The class of everything that an unconditional network makes."""


class Preprocess(Spec):
    """How a source image becomes a network's input, in the words of the program that CycleGAN
    and pix2pix come with (pytorch-CycleGAN-and-pix2pix, data/base_dataset.py)."""

    resize: Literal["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"] = (
        "resize_and_crop"
    )
    """`resize_and_crop`: to load_size x load_size; `scale_width`: to that width, crop_size being
    the least height; `crop` and `..._and_crop` cut out crop_size x crop_size at a place of the
    sample's own; `none` only rounds the sides to what the network can take."""
    load_size: Annotated[int, Field(ge=4, le=8192)] = 256
    """Pixels of a side after resizing."""
    crop_size: Annotated[int, Field(ge=4, le=8192)] = 256
    """Pixels of a side of what is cut out."""
    output: Literal["input_size", "model_size"] = "model_size"
    """`model_size` leaves an image as the network made it; `input_size` brings it to its source's
    size."""


class TranslationSampling(Spec):
    """How a translator samples."""

    norm_mode: Literal["running", "per_sample"] = "running"
    """Statistics of batch norms: those of the training set, or of each sample, which is what the
    official test.py does without --eval."""
    dropout: Literal["off", "seeded"] = "off"
    """`seeded`: it stays on, as the source of variety, with every mask drawn for the sample."""
    precision: Precision = "fp32"
    """Of the network's arithmetic."""


class Translator(CheckpointBase):
    """A family that makes an image from an image."""

    direction: Literal["AtoB", "BtoA"] | None = None
    """Which network, where the checkpoint holds both."""
    preprocess: Preprocess = Preprocess()
    """How a source image becomes its input."""
    sampling: TranslationSampling = TranslationSampling()
    """How it samples; part of a sample's identity."""


class Truncation(Spec):
    """Of StyleGAN's w: variety given up for typical images."""

    truncation_psi: Annotated[float, Field(ge=0.0, le=2.0)] = 1.0
    """What is left of the distance to the average w, as a factor; 1: all."""
    truncation_cutoff: Annotated[int, Field(ge=1)] | None = None
    """How many of the network's w are truncated, from the coarsest; not given: all."""

    @field_validator("truncation_cutoff")
    @classmethod
    def _must_have_an_effect(cls, cutoff: int | None, info: ValidationInfo) -> int | None:
        if cutoff is not None and info.data.get("truncation_psi") == 1.0:
            raise ValueError("has no effect where truncation_psi is 1.0")
        return cutoff
