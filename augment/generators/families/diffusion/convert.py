"""diffusion, at import: a `UNet2DModel` of diffusers and its scheduler's settings in the family's
own terms. Options that change what the network or the schedule does are refused where only their
default is hosted. Knows no sampling.

Source: `UNet2DModel.__init__` and the schedulers' of diffusers 0.30 to 0.42.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import ValidationError

from augment.errors import CheckpointError
from augment.generators.families.diffusion.host import DiffusionInit
from augment.generators.families.diffusion.solvers import ScheduleInit
from augment.generators.families.diffusion.unet2d import UnetInit
from augment.generators.foreign import Conversion, Foreign

_OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
_ONLY = {
    "center_input_sample": False,
    "time_embedding_type": "positional",
    "time_embedding_dim": None,
    "mid_block_type": "UNetMidBlock2D",
    "mid_block_scale_factor": 1,
    "downsample_type": "conv",
    "upsample_type": "conv",
    "act_fn": "silu",
    "attn_norm_num_groups": None,
    "resnet_time_scale_shift": "default",
    "class_embed_type": None,
}
"""Options of `UNet2DModel` of which only the default is hosted."""
_ONLY_SCHEDULE = {
    "thresholding": False,
    "rescale_betas_zero_snr": False,
    "use_karras_sigmas": False,
    "use_exponential_sigmas": False,
    "use_beta_sigmas": False,
    "use_lu_lambdas": False,
    "use_flow_sigmas": False,
    "timestep_type": "discrete",
    "interpolation_type": "linear",
}
_LINSPACE = ("EulerDiscreteScheduler", "DPMSolverMultistepScheduler")
"""Schedulers whose spacing is linspace where their config does not say; else leading."""


def convert(foreign: Foreign) -> Conversion | None:
    """Of a diffusers folder with a `UNet2DModel`: `config` is {"unet": unet/config.json,
    "scheduler": scheduler/scheduler_config.json}, or of the network's own folder its
    config.json, with the other under `scheduler_config`.

    Raises:
        CheckpointError: it is one, but with an option that is not hosted, or incomplete.
    """
    unet = foreign.config.get("unet", foreign.config)
    if not isinstance(unet, Mapping) or unet.get("_class_name") != "UNet2DModel":
        return None
    scheduler = foreign.config.get("scheduler", foreign.config.get("scheduler_config"))
    if not isinstance(scheduler, Mapping):
        raise CheckpointError(
            f"{foreign.place}: no scheduler_config.json; expected one beside the U-Net or in "
            "scheduler/, for it says how the network was trained: name the folder that holds both"
        )
    _refuse_others(f"{foreign.place}: unet config", unet, _ONLY)
    _refuse_others(f"{foreign.place}: scheduler config", scheduler, _ONLY_SCHEDULE)
    init, quirks = _converted_init(foreign.place, unet, scheduler)
    tensors = {_renamed(key): value for key, value in foreign.tensors.items()}
    if tensors.keys() != foreign.tensors.keys():
        quirks.append("attention tensors of an early diffusers renamed")
    return Conversion(
        family="diffusion",
        init=init.model_dump(),
        tensors={key: np.asarray(value, dtype=np.float32) for key, value in tensors.items()},
        num_classes=init.unet.num_class_embeds or 0,
        quirks=tuple(quirks),
        null_class=init.unet.num_class_embeds is not None,
    )


def _refuse_others(place: str, config: Mapping[str, Any], only: Mapping[str, Any]) -> None:
    for key, value in only.items():
        if config.get(key, value) != value:
            raise CheckpointError(
                f"{place}: {key} is {config[key]!r}; this family hosts {value!r} only"
            )


def _converted_init(
    place: str, unet: Mapping[str, Any], scheduler: Mapping[str, Any]
) -> tuple[DiffusionInit, list[str]]:
    quirks = []
    if unet.get("out_channels", 3) != unet.get("in_channels", 3):
        raise CheckpointError(
            f"{place}: unet config: {unet.get('in_channels', 3)} channels in and "
            f"{unet.get('out_channels', 3)} out; expected equally many (learned variances are "
            "not hosted)"
        )
    side = unet.get("sample_size")
    sides = [side, side] if isinstance(side, int) else side
    schedule = {k: v for k, v in scheduler.items() if k in ScheduleInit.model_fields}
    if "timestep_spacing" not in schedule:
        linear = scheduler.get("_class_name") in _LINSPACE
        schedule["timestep_spacing"] = "linspace" if linear else "leading"
        quirks.append(f"timestep_spacing not given: {schedule['timestep_spacing']}")
    known = {k: v for k, v in unet.items() if k in UnetInit.model_fields}
    known |= {"in_channels": unet.get("in_channels", 3), "sample_size": sides}
    try:
        init = DiffusionInit.model_validate_json(json.dumps({"unet": known, "schedule": schedule}))
    except ValidationError as e:
        text = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in e.errors()[:5])
        raise CheckpointError(f"{place}: not a U-Net that this family hosts ({text})") from None
    return init, quirks


def _renamed(key: str) -> str:
    parts = key.split(".")
    if "attentions" in parts and len(parts) > 2:
        parts[-2] = _OLD_ATTENTION.get(parts[-2], parts[-2])
    return ".".join(parts)
