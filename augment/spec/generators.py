"""What a job file may say of a generator: one spec class per family, and their union.

Everything here decides pixels or labels; how a generator is run stands under `execution`.
A family's class stands below its own sampling model; what families share is in
`generator_base.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
)
from pydantic_core import PydanticCustomError

from augment.policy import ClassPath
from augment.spec.base import ClassName, Free, Name, Spec
from augment.spec.generator_base import (
    ClassConditional,
    GeneratorBase,
    Precision,
    Preprocess,
    Translator,
    Truncation,
)

# ---- families ------------------------------------------------------------------------


class AutoregressiveSampling(Spec):
    """How tokens are drawn."""

    temperature: Annotated[float, Field(gt=0.0, le=10.0)] = 1.0
    """Divides the logits."""
    top_k: Annotated[int, Field(ge=1)] | None = None
    """Only so many of the likeliest tokens; not given: all."""
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Only the fewest likeliest tokens that have this share together."""
    guidance_scale: Annotated[float, Field(ge=1.0, le=100.0)] = 1.0
    """Of classifier-free guidance; above 1 the network needs a null class."""
    precision: Precision = "fp32"
    """Of the network's arithmetic."""


class AutoregressiveGenerator(ClassConditional):
    """Images token by token: ImageGPT, or a class-conditional transformer over a VQGAN."""

    family: Literal["autoregressive"]
    sampling: AutoregressiveSampling = AutoregressiveSampling()
    """How it samples; part of a sample's identity."""


class CustomGenerator(GeneratorBase):
    """A class of an installed package, where the operator's policy file allows it."""

    family: Literal["custom"]
    class_path: ClassPath
    """`package.module:Class`, as the policy lists it."""
    init_args: dict[str, Free] = {}
    """Its constructor's arguments; part of what it is, so of its identity."""
    classes: Annotated[list[ClassName], Field(min_length=1)] | None = None
    """Those of its classes that may be asked for; not given: all that it says it makes."""


Texts = Annotated[list[str], Field(min_length=1)]


class Prompts(Spec):
    """What a text-driven pipeline is told."""

    templates: Texts = ["{text}"]
    """Texts that take turns with a sample's index, with places for `{class}`, `{text}` (a text for
    the class; its name with spaces for `_` where `per_class` has none) and `{variable}`."""
    variables: dict[Name, Texts] = {}
    """Variable of the templates -> texts that are drawn for it."""
    negative_prompt: str | None = None
    """What the image should not show."""
    per_class: dict[ClassName, str | Texts] = {}
    """Class -> its `{text}`; a list is templates of that class alone."""


class Lora(Spec):
    """A low-rank adapter: changes pixels, so it is part of the identity."""

    type: Literal["lora"]
    path: str
    """A safetensors file: a path or a URI."""
    scale: Annotated[float, Field(gt=0.0, le=4.0)] = 1.0
    """Factor on what it adds."""


class SchedulerChoice(BaseModel):
    """A scheduler of diffusers by its class; every other key is one of its own options."""

    model_config = ConfigDict(
        frozen=True, extra="allow", populate_by_name=True, use_attribute_docstrings=True
    )
    __pydantic_extra__: dict[str, Free] = Field(init=False)

    class_: Annotated[str, Field(alias="class")]
    """Its name, for example `EulerDiscreteScheduler`."""


_MOST_STEPS = 1000
_WHOLE = {"num_inference_steps": _MOST_STEPS, "max_sequence_length": 4096}


def _known_call(call: dict[str, Any]) -> dict[str, Any]:
    """What says how much work a pipeline does is bounded; the rest only their pipeline knows."""
    for name, most in _WHOLE.items():
        if name in call and (type(call[name]) is not int or not 1 <= call[name] <= most):
            raise PydanticCustomError("call", f"{name}: a whole number from 1 to {most}")
    for name in ("sigmas", "timesteps"):
        if isinstance(call.get(name), list) and len(call[name]) > _MOST_STEPS:
            raise PydanticCustomError("call", f"{name}: at most {_MOST_STEPS} steps")
    scale = call.get("guidance_scale", 1)
    if type(scale) not in (int, float) or not 0 <= scale <= 100:
        raise PydanticCustomError("call", "guidance_scale: a number from 0 to 100")
    return call


class DiffusersSampling(Spec):
    """How a pipeline of diffusers is called."""

    prompts: Prompts | None = None
    """What a text-driven pipeline is told; not given: the class's name."""
    call: Annotated[dict[str, Free], AfterValidator(_known_call)] = {}
    """The pipeline's own arguments, for example `num_inference_steps` and `guidance_scale`."""
    scheduler: str | SchedulerChoice | None = None
    """A scheduler's name, or a mapping with `class` and its options; not given: the folder's."""
    precision: Precision = "fp32"
    """Of the network's arithmetic."""


class DiffusersGenerator(ClassConditional):
    """A whole pipeline that diffusers saved, or a single-file Stable Diffusion with `config`."""

    family: Literal["diffusers"]
    config: str | None = None
    """Beside a single file: the folder of its settings."""
    pipeline: Literal["text2img", "img2img", "inpaint", "controlnet"] = "text2img"
    """What it makes images from: text, an image, an image and a mask, or a control image."""
    controlnet: str | None = None
    """With `pipeline: controlnet`: the folder of the control network."""
    classes: Annotated[list[ClassName], Field(min_length=1)] | None = None
    """What a text-driven pipeline may be asked for."""
    adapters: list[Lora] = []
    """Low-rank adapters, in their order."""
    sampling: DiffusersSampling = DiffusersSampling()
    """How it is called; part of a sample's identity."""


class DiffusionSampling(Spec):
    """How noise becomes an image."""

    scheduler: Literal["ddim", "dpmpp_2m", "euler"] = "ddim"
    """The solver."""
    steps: Annotated[int, Field(ge=1, le=1000)] = 50
    """Its steps, one call of the network each."""
    guidance_scale: Annotated[float, Field(ge=1.0, le=100.0)] = 1.0
    """Of classifier-free guidance; above 1 the network needs a null class."""
    eta: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """Noise that each step of `ddim` puts back: 0 none, 1 as in ancestral sampling."""
    strength: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    """Each image is made from a source image, noised this far first; not given: from noise."""
    precision: Precision = "fp32"
    """Of the network's arithmetic."""


class DiffusionGenerator(ClassConditional):
    """Pixel diffusion with a (class-conditional) U-Net, diffusers' `UNet2DModel`."""

    family: Literal["diffusion"]
    sampling: DiffusionSampling = DiffusionSampling()
    """How it samples; part of a sample's identity."""


class OnnxInputs(Spec):
    """Names of the graph's inputs; not given: it has no such input."""

    z: str | None = None
    """Noise."""
    class_: str | None = Field(default=None, alias="class")
    """The class."""
    image: str | None = None
    """A source image."""


class OnnxSampling(Spec):
    """How noise for a graph is drawn."""

    temperature: Annotated[float, Field(gt=0.0, le=4.0)] = 1.0
    """Factor on every latent value."""
    truncation: Annotated[float, Field(ge=0.1, le=4.0)] | None = None
    """Values further from 0 than this are drawn again, before the factor; not given: none are."""


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
    """Which of the graph's inputs is which; not given: as its types and shapes say, where they can
    mean one thing only."""
    class_as: Literal["index", "onehot"] | None = None
    """How it takes a class: as a number, or as one 1 among zeros; not given: as its shape says."""
    output: str | None = None
    """Name of the image among the graph's outputs; not given: the only one."""
    range: ImageRange = (-1, 1)
    """Values of the graph's image: black and white."""
    image_range: ImageRange = (-1, 1)
    """Values that it takes as its source image: black and white."""
    layout: Literal["NCHW", "NHWC"] | None = None
    """Order of the image's axes; not given: as its shape says."""
    sampling: OnnxSampling = OnnxSampling()
    """How it samples; part of a sample's identity."""


class BigGanSampling(Spec):
    """How z is drawn."""

    truncation: Annotated[float, Field(ge=0.02, le=1.0)] = 1.0
    """Scale of z, whose numbers lie within +-2; the normalisation has statistics for each."""
    precision: Precision = "fp32"
    """Of the network's arithmetic."""


class BigGanGenerator(ClassConditional):
    """BigGAN-deep."""

    family: Literal["biggan"]
    sampling: BigGanSampling = BigGanSampling()
    """How it samples; part of a sample's identity."""


class PaletteSampling(Spec):
    """How patterns are drawn."""

    contrast: Annotated[float, Field(ge=0.0, le=1.0)] = 0.8
    """Strength of the pattern over its ground."""


class PaletteGenerator(Spec):
    """Procedural coloured patterns, a hue per class: seeded, CPU, no weights. The fake."""

    family: Literal["palette"]
    classes: Annotated[list[ClassName], Field(min_length=1)]
    """What it makes."""
    size: Annotated[int, Field(ge=4, le=4096)] = 32
    """Side of the square images in pixels."""
    sampling: PaletteSampling = PaletteSampling()
    """How it samples; part of a sample's identity."""


class TintSampling(Spec):
    """How the light is drawn."""

    strength: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    """Of the light; 1 leaves little of the image's own colours."""


class TintGenerator(Spec):
    """A source image under a seeded coloured light, no weights. The fake that takes images."""

    family: Literal["tint"]
    size: Annotated[int, Field(ge=4, le=4096)] | None = None
    """Side of the square images in pixels; not given: as each source."""
    sampling: TintSampling = TintSampling()
    """How it samples; part of a sample's identity."""


class ResnetI2iGenerator(Translator):
    """Residual image translator: CycleGAN, CUT, pix2pix with a resnet."""

    family: Literal["resnet_i2i"]


class UnetI2iGenerator(Translator):
    """U-Net image translator: pix2pix, CycleGAN with a U-Net."""

    family: Literal["unet_i2i"]


class StyleGan2Sampling(Truncation):
    """How w and the noise of the layers are drawn."""

    noise_mode: Literal["const", "random", "none"] = "const"
    """Noise that each layer adds: the checkpoint's own, the sample's own, or none."""
    precision: Precision = "fp32"
    """Of the network's arithmetic."""


class StyleGan2Generator(ClassConditional):
    """StyleGAN2 and StyleGAN2-ADA."""

    family: Literal["stylegan2"]
    sampling: StyleGan2Sampling = StyleGan2Sampling()
    """How it samples; part of a sample's identity."""


class StyleGan3Sampling(Truncation):
    """How w is drawn."""

    precision: Precision = "fp32"
    """Of the network's arithmetic."""


class StyleGan3Generator(ClassConditional):
    """StyleGAN3-T and StyleGAN3-R."""

    family: Literal["stylegan3"]
    sampling: StyleGan3Sampling = StyleGan3Sampling()
    """How it samples; part of a sample's identity."""


class VaeSampling(Spec):
    """How the latent is drawn."""

    temperature: Annotated[float, Field(gt=0.0, le=4.0)] = 1.0
    """Standard deviation of the latent z."""
    variation: Annotated[float, Field(gt=0.0, le=4.0)] | None = None
    """Of an AutoencoderKL: standard deviation of the noise that is added to a source's latent, in
    units of what latents vary by over images (1 / scaling_factor); not given: 0.25."""
    precision: Precision = "fp32"
    """Of the network's arithmetic."""


class VaeGenerator(ClassConditional):
    """Variational autoencoder: augment's own, conditional on a class; pythae's default decoder;
    diffusers' AutoencoderKL, which varies a source image."""

    family: Literal["vae"]
    preprocess: Preprocess | None = None
    """Of an AutoencoderKL: how a source image becomes its input."""
    sampling: VaeSampling = VaeSampling()
    """How it samples; part of a sample's identity."""


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
