"""Trained generators behind one Protocol: facts without loading, then a host that samples.

A family is one file or folder of `families`, chosen here by one exhaustive match over the job's
specs. Importing this package imports no torch; only `load_host` does, where the family needs it.
"""

from __future__ import annotations

from typing import assert_never

from augment.errors import CheckpointError
from augment.generators.halving import Halving
from augment.generators.protocol import (
    BATCH_TOLERANCE,
    GeneratedBatch,
    GeneratorHost,
    GeneratorInfo,
    Options,
    Placement,
    SampleRequest,
)
from augment.generators.remote import localized
from augment.seeds import digest
from augment.spec.generators import (
    AutoregressiveGenerator,
    BigGanGenerator,
    CustomGenerator,
    DiffusersGenerator,
    DiffusionGenerator,
    GeneratorSpec,
    OnnxGenerator,
    PaletteGenerator,
    ResnetI2iGenerator,
    StyleGan2Generator,
    StyleGan3Generator,
    TintGenerator,
    UnetI2iGenerator,
    VaeGenerator,
)

__all__ = [
    "BATCH_TOLERANCE",
    "GeneratedBatch",
    "GeneratorHost",
    "GeneratorInfo",
    "Halving",
    "Placement",
    "SampleRequest",
    "describe",
    "load_host",
    "universe",
]


def describe(name: str, spec: GeneratorSpec, options: Options = None) -> GeneratorInfo:
    """Facts of the job's generator `name`, its files checked, nothing of it loaded.

    options: fsspec options by protocol.

    Raises:
        CheckpointError: its files are missing, changed, malformed or not finite.
        StorageError: they cannot be read.
    """
    with localized(name, spec, options) as local:
        return _described(name, local, options)


def load_host(
    name: str,
    spec: GeneratorSpec,
    info: GeneratorInfo,
    *,
    placement: Placement | None = None,
    options: Options = None,
) -> GeneratorHost:
    """The generator, loaded where `placement` says (None: on the CPU, where palette always is).

    info: what `describe` said when the job was planned; it must still hold.

    Raises:
        CheckpointError: as `describe`, or something has changed since, or torch is not installed.
        StorageError: its files cannot be read.
    """
    with localized(name, spec, options) as local:
        try:
            return _loaded(name, local, info, placement or Placement(), options)
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            raise CheckpointError(
                f"generators.{name}: family {spec.family} needs torch, which is not installed; "
                "install augment-vision[torch]"
            ) from error


def universe(seed: int, info: GeneratorInfo) -> str:
    """The fixed set of samples (64 hex digits) that a seed, a generator and its sampling span."""
    return digest({"seed": seed, "generator": info.identity, "sampling": info.sampling_digest})


def _described(name: str, spec: GeneratorSpec, options: Options) -> GeneratorInfo:
    match spec:
        case AutoregressiveGenerator():
            from augment.generators.families.autoregressive import host as autoregressive

            return autoregressive.describe(name, spec, options)
        case CustomGenerator():
            from augment.generators.families import custom

            return custom.describe(name, spec)
        case DiffusersGenerator():
            from augment.generators.families.diffusers import host as diffusers

            return diffusers.describe(name, spec, options)
        case DiffusionGenerator():
            from augment.generators.families.diffusion import host as diffusion

            return diffusion.describe(name, spec, options)
        case OnnxGenerator():
            from augment.generators.families.onnx import host as onnx

            return onnx.describe(name, spec, options)
        case BigGanGenerator():
            from augment.generators.families import biggan

            return biggan.describe(name, spec, options)
        case PaletteGenerator():
            from augment.generators.families import palette

            return palette.describe(name, spec)
        case TintGenerator():
            from augment.generators.families import tint

            return tint.describe(name, spec)
        case ResnetI2iGenerator():
            from augment.generators.families.translation import host as translation
            from augment.generators.families.translation import resnet_i2i

            return translation.describe(resnet_i2i.FAMILY, name, spec, options)
        case UnetI2iGenerator():
            from augment.generators.families.translation import host as translation
            from augment.generators.families.translation import unet_i2i

            return translation.describe(unet_i2i.FAMILY, name, spec, options)
        case StyleGan2Generator():
            from augment.generators.families.stylegan import stylegan2

            return stylegan2.describe(name, spec, options)
        case StyleGan3Generator():
            from augment.generators.families.stylegan import stylegan3

            return stylegan3.describe(name, spec, options)
        case VaeGenerator():
            from augment.generators.families.vae import host as vae

            return vae.describe(name, spec, options)
        case _:
            assert_never(spec)


def _loaded(
    name: str, spec: GeneratorSpec, info: GeneratorInfo, placement: Placement, options: Options
) -> GeneratorHost:
    match spec:
        case AutoregressiveGenerator():
            from augment.generators.families.autoregressive import host as autoregressive

            return autoregressive.load(name, spec, info, placement, options)
        case CustomGenerator():
            from augment.generators.families import custom

            return custom.load(name, spec, info, placement)
        case DiffusersGenerator():
            from augment.generators.families.diffusers import host as diffusers

            return diffusers.load(name, spec, info, placement, options)
        case DiffusionGenerator():
            from augment.generators.families.diffusion import host as diffusion

            return diffusion.load(name, spec, info, placement, options)
        case OnnxGenerator():
            from augment.generators.families.onnx import host as onnx

            return onnx.load(name, spec, info, placement, options)
        case BigGanGenerator():
            from augment.generators.families import biggan

            return biggan.load(name, spec, info, placement, options)
        case PaletteGenerator():
            from augment.generators.families import palette

            return palette.load(name, spec, info)
        case TintGenerator():
            from augment.generators.families import tint

            return tint.load(name, spec, info)
        case ResnetI2iGenerator():
            from augment.generators.families.translation import host as translation
            from augment.generators.families.translation import resnet_i2i

            return translation.load(resnet_i2i.FAMILY, name, spec, info, placement, options)
        case UnetI2iGenerator():
            from augment.generators.families.translation import host as translation
            from augment.generators.families.translation import unet_i2i

            return translation.load(unet_i2i.FAMILY, name, spec, info, placement, options)
        case StyleGan2Generator():
            from augment.generators.families.stylegan import stylegan2

            return stylegan2.load(name, spec, info, placement, options)
        case StyleGan3Generator():
            from augment.generators.families.stylegan import stylegan3

            return stylegan3.load(name, spec, info, placement, options)
        case VaeGenerator():
            from augment.generators.families.vae import host as vae

            return vae.load(name, spec, info, placement, options)
        case _:
            assert_never(spec)
