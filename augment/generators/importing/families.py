"""Which family a foreign checkpoint is of: the first whose `convert` knows it.

One list; a family that is not in it cannot be imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from augment.errors import CheckpointError
from augment.generators import (
    autoregressive,
    biggan,
    diffusion,
    onnx,
    resnet_i2i,
    stylegan2,
    stylegan3,
    unet_i2i,
    vae,
)
from augment.generators.foreign import Conversion, Foreign

_FAMILIES: Mapping[str, Callable[[Foreign], Conversion | None]] = {
    "stylegan2": stylegan2.convert,
    "stylegan3": stylegan3.convert,
    "biggan": biggan.convert,
    "resnet_i2i": resnet_i2i.convert,
    "unet_i2i": unet_i2i.convert,
    "vae": vae.convert,
    "diffusion": diffusion.convert,
    "autoregressive": autoregressive.convert,
    "onnx": onnx.convert,
}
_SHOWN = 5


def convert(foreigns: Sequence[Foreign]) -> Conversion:
    """The checkpoint in its family's terms. foreigns: one, or both directions of a pair.

    Raises:
        CheckpointError: of no family, or of one but not hosted; says why.
    """
    if len(foreigns) == 2:
        return _pair(*foreigns)
    (foreign,) = foreigns
    for family in _FAMILIES.values():
        if (found := family(foreign)) is not None:
            return found
    raise _unknown(foreign)


def _pair(a: Foreign, b: Foreign) -> Conversion:
    if resnet_i2i.convert(a) is not None:
        return resnet_i2i.convert_pair(a, b)
    if unet_i2i.convert(a) is not None:
        return unet_i2i.convert_pair(a, b)
    raise _unknown(a)


def _unknown(foreign: Foreign) -> CheckpointError:
    names = ", ".join(sorted(foreign.tensors)[:_SHOWN]) or "none"
    more = ", ..." if len(foreign.tensors) > _SHOWN else ""
    settings = ", ".join(sorted(foreign.config)) or "none"
    return CheckpointError(
        f"{foreign.place}: of no family that is hosted (kind {foreign.kind}; "
        f"{len(foreign.tensors)} tensors: {names}{more}; settings: {settings}); expected one of "
        f"{', '.join(_FAMILIES)}; `augment generators list` says what each loads"
    )
