"""Which family a foreign checkpoint is of: the first whose `convert` knows it, or a part of it.

One list; a family that is not in it cannot be imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from augment.errors import CheckpointError
from augment.generators.families import biggan
from augment.generators.families.autoregressive import convert as autoregressive_convert
from augment.generators.families.diffusion import convert as diffusion_convert
from augment.generators.families.onnx import trial as onnx_import
from augment.generators.families.stylegan import stylegan2, stylegan3
from augment.generators.families.translation import resnet_i2i, unet_i2i
from augment.generators.families.vae import host as vae
from augment.generators.foreign import Conversion, Foreign
from augment.generators.importing.elsewhere import way_out
from augment.generators.importing.naming import inside, sub_modules, unwrapped

_FAMILIES: Mapping[str, Callable[[Foreign], Conversion | None]] = {
    "stylegan2": stylegan2.convert,
    "stylegan3": stylegan3.convert,
    "biggan": biggan.convert,
    "resnet_i2i": resnet_i2i.convert,
    "unet_i2i": unet_i2i.convert,
    "vae": vae.convert,
    "diffusion": diffusion_convert.convert,
    "autoregressive": autoregressive_convert.convert,
}
_SHOWN = 5


def convert(
    foreigns: Sequence[Foreign],
    prefix: str | None = None,
    told: Mapping[str, Any] | None = None,
) -> Conversion:
    """The checkpoint in its family's terms. foreigns: one, or both directions of a pair.
    prefix: of the sub-module that is the network. told: what a job would say of a graph.

    Raises:
        CheckpointError: of no family, or of one but not hosted, or of several networks; says why.
    """
    if foreigns[0].kind == "onnx":
        if prefix is not None:
            raise CheckpointError(f"--prefix {prefix}: has no effect, a graph has no sub-modules")
        return onnx_import.convert(foreigns[0], told or {})
    if told:
        option = next(iter(told)).replace("_", "-")
        raise CheckpointError(f"--{option}: has no effect, {foreigns[0].place} is no ONNX graph")
    if len(foreigns) == 2:
        if prefix is not None:
            raise CheckpointError(f"--prefix {prefix}: has no effect, the pair has two files")
        return _pair(*foreigns)
    foreign, quirks = unwrapped(foreigns[0])
    if prefix is not None:
        foreign, more = unwrapped(inside(foreign, prefix))
        quirks += (f"the sub-module {prefix.rstrip('.')}. alone", *more)
    found = _recognised(foreign) or (None if prefix is not None else _of_a_part(foreign))
    if found is None:
        raise _unknown(foreign)
    return replace(found, quirks=(*quirks, *found.quirks))


def _recognised(foreign: Foreign) -> Conversion | None:
    for family in _FAMILIES.values():
        if (found := family(foreign)) is not None:
            return found
    return None


def _of_a_part(foreign: Foreign) -> Conversion | None:
    """The one sub-module that is a hosted network, as trainings keep several under one roof."""
    if way_out(foreign):
        return None
    for parts in sub_modules(foreign):
        known: dict[str, Conversion] = {}
        errors: dict[str, CheckpointError] = {}
        for prefix, part in parts.items():
            plain, quirks = unwrapped(part)
            try:
                found = _recognised(plain)
            except CheckpointError as error:
                errors[prefix] = error
                continue
            if found is not None:
                own = (f"the sub-module {prefix} alone", *quirks)
                known[prefix] = replace(found, quirks=(*own, *found.quirks))
        if len(known) > 1:
            listed = ", ".join(f"{p} ({found.family})" for p, found in sorted(known.items()))
            raise foreign.refusal(
                f"several networks: {listed}", "one", "say which with --prefix, or save it alone"
            )
        if known:
            return next(iter(known.values()))
        if len(errors) == 1:
            ((at, why),) = errors.items()
            raise CheckpointError(f"its sub-module {at}: {why}")
    return None


def _pair(a: Foreign, b: Foreign) -> Conversion:
    (a, more), (b, _) = unwrapped(a), unwrapped(b)
    if resnet_i2i.convert(a) is not None:
        found = resnet_i2i.convert_pair(a, b)
    elif unet_i2i.convert(a) is not None:
        found = unet_i2i.convert_pair(a, b)
    else:
        raise _unknown(a)
    return replace(found, quirks=(*more, *found.quirks))


def _unknown(foreign: Foreign) -> CheckpointError:
    if known := way_out(foreign):
        return CheckpointError(f"{foreign.place}: {known}")
    names = ", ".join(sorted(foreign.tensors)[:_SHOWN]) or "none"
    more = ", ..." if len(foreign.tensors) > _SHOWN else ""
    settings = ", ".join(sorted(foreign.config)[:_SHOWN]) or "none"
    return CheckpointError(
        f"{foreign.place}: of no family that is hosted (kind {foreign.kind}; "
        f"{len(foreign.tensors)} tensors: {names}{more}; settings: {settings}); expected one of "
        f"{', '.join(_FAMILIES)}, onnx, or a pipeline folder of diffusers; `augment generators "
        "list` says what each loads. A network of another program can be exported as ONNX "
        "(docs/generators.md shows how), or hosted as family custom"
    )
