"""What a job file may say of a generator: one spec class per family, and their union.

Everything here decides pixels or labels; how a generator is run stands under `execution`.
A family's class holds its own sampling model; what families share stands once, above them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from augment.policy import ClassPath
from augment.spec.base import ClassName, Free, Name, Spec

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Precision = Literal["fp32", "bf16", "fp16"]
"""Of the network's arithmetic. It changes pixels, so it is part of the sampling."""


class TrainedOn(Spec):
    """Splits of one of the job's sources that the generator has seen.

    split_digest: where those splits are shares, which draw of them it was, as `augment plan`
    prints it. Another draw has other images in them; None: not known which.
    """

    source: Name
    splits: Annotated[list[Name], Field(min_length=1)]
    split_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")] | None = None


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


class Preprocess(Spec):
    """How a source image becomes a network's input, in the words of the program that CycleGAN
    and pix2pix come with (pytorch-CycleGAN-and-pix2pix, data/base_dataset.py).

    resize: `resize_and_crop` to load_size x load_size; `scale_width` to that width, crop_size
    being the least height; `crop` and `*_and_crop` cut out crop_size x crop_size at a place
    of the sample's own; `none` only rounds the sides to what the network can take.
    output: `model_size` leaves an image as the network made it, `input_size` brings it to its
    source's size.
    """

    resize: Literal["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"] = (
        "resize_and_crop"
    )
    load_size: Annotated[int, Field(ge=4, le=8192)] = 256
    crop_size: Annotated[int, Field(ge=4, le=8192)] = 256
    output: Literal["input_size", "model_size"] = "model_size"


class TranslationSampling(Spec):
    """norm_mode: of batch norms, the statistics of the training set or those of each sample,
    which is what the official test.py does without --eval. dropout: whether it stays on, as
    the source of variety, with every mask drawn from the sample's own streams."""

    norm_mode: Literal["running", "per_sample"] = "running"
    dropout: Literal["off", "seeded"] = "off"
    precision: Precision = "fp32"


class Translator(CheckpointBase):
    """A family that makes an image from an image. direction: which network, where the
    checkpoint holds both."""

    direction: Literal["AtoB", "BtoA"] | None = None
    preprocess: Preprocess = Preprocess()
    sampling: TranslationSampling = TranslationSampling()


class Truncation(Spec):
    """Of StyleGAN's w: variety given up for typical images."""

    truncation_psi: Annotated[float, Field(ge=0.0, le=2.0)] = 1.0
    """What is left of the distance to the average w; 1: all."""
    truncation_cutoff: Annotated[int, Field(ge=1)] | None = None
    """How many of the network's w are truncated, from the coarsest; None: all."""

    @field_validator("truncation_cutoff")
    @classmethod
    def _must_have_an_effect(cls, cutoff: int | None, info: ValidationInfo) -> int | None:
        if cutoff is not None and info.data.get("truncation_psi") == 1.0:
            raise ValueError("has no effect where truncation_psi is 1.0")
        return cutoff


# ---- families ------------------------------------------------------------------------


class AutoregressiveSampling(Spec):
    """temperature: divides the logits. top_k: the k likeliest tokens alone. top_p: the fewest
    likeliest tokens that have this share together. guidance_scale: as of `diffusion`."""

    temperature: Annotated[float, Field(gt=0.0, le=10.0)] = 1.0
    top_k: Annotated[int, Field(ge=1)] | None = None
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    guidance_scale: Annotated[float, Field(ge=1.0, le=100.0)] = 1.0
    precision: Precision = "fp32"


class AutoregressiveGenerator(ClassConditional):
    """Images token by token: ImageGPT, or a class-conditional transformer over a VQGAN."""

    family: Literal["autoregressive"]
    sampling: AutoregressiveSampling = AutoregressiveSampling()


class CustomGenerator(GeneratorBase):
    """A class of an installed package, where the operator's policy file allows it."""

    family: Literal["custom"]
    class_path: ClassPath
    init_args: dict[str, Free] = {}
    """Its constructor's arguments; part of what it is, so of its identity."""
    classes: Annotated[list[ClassName], Field(min_length=1)] | None = None
    """Those of its classes that may be asked for; None: all that it says it makes."""


Texts = Annotated[list[str], Field(min_length=1)]


class Prompts(Spec):
    """What a text-driven pipeline is told: `{class}`, `{text}` (a text for the class; its
    name with spaces for `_` where per_class has none) and `{variable}` in templates, which
    take turns with a sample's index. A list in per_class is the templates of that class."""

    templates: Texts = ["{text}"]
    variables: dict[Name, Texts] = {}
    negative_prompt: str | None = None
    per_class: dict[ClassName, str | Texts] = {}


class Lora(Spec):
    """A low-rank adapter: changes pixels, so it is part of the identity."""

    type: Literal["lora"]
    path: str
    scale: Annotated[float, Field(gt=0.0, le=4.0)] = 1.0


class SchedulerChoice(BaseModel):
    """A scheduler of diffusers by its class; every other key is one of its own options."""

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True)
    __pydantic_extra__: dict[str, Free] = Field(init=False)

    class_: Annotated[str, Field(alias="class")]


class DiffusersSampling(Spec):
    """call: the pipeline's own arguments. scheduler: instead of the folder's."""

    prompts: Prompts | None = None
    call: dict[str, Free] = {}
    scheduler: str | SchedulerChoice | None = None
    precision: Precision = "fp32"


class DiffusersGenerator(ClassConditional):
    """A whole pipeline that diffusers saved, or a single-file Stable Diffusion with `config`,
    a folder of its settings.

    sha256: of the single file. classes: what a text-driven pipeline may be asked for.
    """

    family: Literal["diffusers"]
    config: str | None = None
    pipeline: Literal["text2img", "img2img", "inpaint", "controlnet"] = "text2img"
    controlnet: str | None = None
    classes: Annotated[list[ClassName], Field(min_length=1)] | None = None
    adapters: list[Lora] = []
    sampling: DiffusersSampling = DiffusersSampling()


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


class OnnxInputs(Spec):
    """Which of the graph's inputs is which: its name, None where it has no such input."""

    z: str | None = None
    class_: str | None = Field(default=None, alias="class")
    image: str | None = None


class OnnxSampling(Spec):
    """temperature: factor on every latent value. truncation: values further from 0 than this
    are drawn again, before the factor; None: none are."""

    temperature: Annotated[float, Field(gt=0.0, le=4.0)] = 1.0
    truncation: Annotated[float, Field(ge=0.1, le=4.0)] | None = None


def _known_range(value: tuple[int, int]) -> tuple[int, int]:
    if value not in ((-1, 1), (0, 1), (0, 255)):
        raise PydanticCustomError("range", "[-1, 1], [0, 1] or [0, 255]")
    return value


ImageRange = Annotated[tuple[int, int], AfterValidator(_known_range)]
"""Of an image's values: black and white."""


class OnnxGenerator(ClassConditional):
    """A graph in the ONNX format: `model.onnx` + `generator.json`; sha256 is of model.onnx."""

    family: Literal["onnx"]
    inputs: OnnxInputs | None = None
    """None: as its types and shapes say, where they can mean one thing only."""
    class_as: Literal["index", "onehot"] | None = None
    output: str | None = None
    """Name of the image among the graph's outputs; None: the only one."""
    range: ImageRange = (-1, 1)
    """Of the values of the graph's image."""
    image_range: ImageRange = (-1, 1)
    """Of the values that it takes as its source image."""
    layout: Literal["NCHW", "NHWC"] | None = None
    sampling: OnnxSampling = OnnxSampling()


class BigGanSampling(Spec):
    truncation: Annotated[float, Field(ge=0.02, le=1.0)] = 1.0
    """Scale of z, whose numbers lie within +-2; the normalisation has statistics for each."""
    precision: Precision = "fp32"


class BigGanGenerator(ClassConditional):
    """BigGAN-deep."""

    family: Literal["biggan"]
    sampling: BigGanSampling = BigGanSampling()


class PaletteSampling(Spec):
    contrast: Annotated[float, Field(ge=0.0, le=1.0)] = 0.8


class PaletteGenerator(Spec):
    """Procedural coloured patterns, a hue per class: seeded, CPU, no weights. The fake."""

    family: Literal["palette"]
    classes: Annotated[list[ClassName], Field(min_length=1)]
    size: Annotated[int, Field(ge=4, le=4096)] = 32
    sampling: PaletteSampling = PaletteSampling()


class TintSampling(Spec):
    strength: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5


class TintGenerator(Spec):
    """A source image under a seeded coloured light, no weights. The fake that takes images."""

    family: Literal["tint"]
    size: Annotated[int, Field(ge=4, le=4096)] | None = None
    """Side in pixels of the square images; None: as each source."""
    sampling: TintSampling = TintSampling()


class ResnetI2iGenerator(Translator):
    """Residual image translator: CycleGAN, CUT, pix2pix with a resnet."""

    family: Literal["resnet_i2i"]


class UnetI2iGenerator(Translator):
    """U-Net image translator: pix2pix, CycleGAN with a U-Net."""

    family: Literal["unet_i2i"]


class StyleGan2Sampling(Truncation):
    noise_mode: Literal["const", "random", "none"] = "const"
    """Of the noise that each layer adds: the checkpoint's own, the sample's own, or none."""
    precision: Precision = "fp32"


class StyleGan2Generator(ClassConditional):
    """StyleGAN2 and StyleGAN2-ADA."""

    family: Literal["stylegan2"]
    sampling: StyleGan2Sampling = StyleGan2Sampling()


class StyleGan3Sampling(Truncation):
    precision: Precision = "fp32"


class StyleGan3Generator(ClassConditional):
    """StyleGAN3-T and StyleGAN3-R."""

    family: Literal["stylegan3"]
    sampling: StyleGan3Sampling = StyleGan3Sampling()


class VaeSampling(Spec):
    """temperature: standard deviation of the latent z. variation: of an AutoencoderKL, the
    standard deviation of the noise that is added to a source's latent, in units of what
    latents vary by over images (1 / scaling_factor); None: 0.25."""

    temperature: Annotated[float, Field(gt=0.0, le=4.0)] = 1.0
    variation: Annotated[float, Field(gt=0.0, le=4.0)] | None = None
    precision: Precision = "fp32"


class VaeGenerator(ClassConditional):
    """Variational autoencoder: augment's own, conditional on a class; pythae's default decoder;
    diffusers' AutoencoderKL, which varies a source image. preprocess: of those sources."""

    family: Literal["vae"]
    preprocess: Preprocess | None = None
    sampling: VaeSampling = VaeSampling()


GeneratorSpec = Annotated[
    AutoregressiveGenerator
    | BigGanGenerator
    | CustomGenerator
    | DiffusersGenerator
    | DiffusionGenerator
    | OnnxGenerator
    | PaletteGenerator
    | ResnetI2iGenerator
    | StyleGan2Generator
    | StyleGan3Generator
    | TintGenerator
    | UnetI2iGenerator
    | VaeGenerator,
    Field(discriminator="family"),
]  # fmt: skip
