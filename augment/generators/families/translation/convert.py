"""The state dict of an image translator as its official program wrote it, made tidy and
judged; two of them as a pair. Knows no architecture: a family infers its own.

Source of the facts: models/networks.py and models/base_model.py of
junyanz/pytorch-CycleGAN-and-pix2pix (BSD-2), which saves no hyper-parameter at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError

from augment.errors import CheckpointError
from augment.generators.checkpoint import differences
from augment.generators.families.translation.host import (
    DIRECTIONS,
    Direction,
    Family,
    Init,
    all_shapes,
    one_way,
)
from augment.generators.foreign import Conversion, Foreign

_KINDS = ("state_dict", "safetensors")

Tensors = dict[str, np.ndarray]


def tidied(foreign: Foreign) -> tuple[Tensors, list[str]]:
    """Tensors under their plain names, without what no translator needs, and what was done;
    no tensors where it is no state dict."""
    if foreign.kind not in _KINDS:
        return {}, []
    tensors, quirks = dict(foreign.tensors), []
    if tensors and all(key.startswith("module.") for key in tensors):
        tensors = {key.removeprefix("module."): value for key, value in tensors.items()}
        quirks.append("prefix module. (of DataParallel) taken off")
    counters = [key for key in tensors if key.endswith(".num_batches_tracked")]
    if counters:
        quirks.append(f"left out: {len(counters)} counters num_batches_tracked")
    unused = [key for key in tensors if _of_instance_norm(key, tensors)]
    if unused:
        quirks.append(
            f"left out: {len(unused)} running statistics of instance norms, which torch before "
            "0.4 wrote and nothing uses"
        )
    for key in (*counters, *unused):
        del tensors[key]
    return tensors, quirks


def _of_instance_norm(key: str, tensors: Mapping[str, np.ndarray]) -> bool:
    """Statistics without an affine map: a batch norm has both."""
    norm, _, kind = key.rpartition(".")
    return kind in ("running_mean", "running_var") and f"{norm}.weight" not in tensors


def norm_of(tensors: Mapping[str, np.ndarray], conv: str) -> Literal["batch", "instance", "none"]:
    """The norm of a network whose convolution `conv` stands before one."""
    if any(key.endswith(".running_mean") for key in tensors):
        return "batch"
    return "instance" if f"{conv}.bias" in tensors else "none"


def converted(
    family: Family[Init],
    foreign: Foreign,
    tensors: Tensors,
    inferred: Mapping[str, Any],
    direction: Direction | None,
    quirks: list[str],
) -> Conversion:
    """The conversion, where the tensors are exactly those of the architecture inferred.

    Raises:
        CheckpointError: they are not, or the architecture is none that can be hosted.
    """
    said = ", ".join(f"{key} {value}" for key, value in inferred.items())
    try:
        init = family.init.model_validate({**inferred, "direction": direction})
    except ValidationError as error:
        text = "; ".join(
            f"{'.'.join(map(str, p['loc']))}: {p['msg']}, got {p['input']!r:.80}"
            for p in error.errors()[:5]
        )
        raise CheckpointError(
            f"{foreign.place}: a generator of {family.name} by its names, but {text}"
        ) from None
    found = {key: value.shape for key, value in tensors.items()}
    if text := differences(found, init.shapes()):
        raise CheckpointError(
            f"{foreign.place}: a generator of {family.name} by its names ({said}), but its tensors "
            f"are not those of one ({text}); expected the state dict of an unchanged official "
            "network: export one, or host the network as custom code"
        )
    return Conversion(
        family.name,
        init.model_dump(),
        {key: value.astype(np.float32) for key, value in tensors.items()},
        quirks=(f"inferred from names and shapes: {said}", *quirks),
        takes_image=True,
    )


def paired(
    family: Family[Init], a: Conversion | None, b: Conversion | None, place: str
) -> Conversion:
    """Both directions as one: `a` goes AtoB, `b` BtoA. place: of the second, for errors.

    Raises:
        CheckpointError: they are not the two networks of one training.
    """
    if a is None or b is None:
        raise CheckpointError(
            f"{place}: no pair: {'the first' if a is None else 'the second'} is no generator of "
            f"{family.name}; expected latest_net_G_A and latest_net_G_B of one training"
        )
    both = family.init.model_validate({**a.init, "direction": "both"})
    expected = one_way(both, "BtoA").model_dump()
    found = {**b.init, "direction": "BtoA"}
    wrong = [
        f"{k} is {v}, the first one's way back has {expected[k]}"
        for k, v in found.items()
        if v != expected[k]
    ]
    if wrong:
        raise CheckpointError(
            f"{place}: no pair: {'; '.join(wrong)}; expected latest_net_G_A and latest_net_G_B "
            "of one training"
        )
    tensors = {
        f"{direction}.{key}": value
        for direction, one in zip(DIRECTIONS, (a, b), strict=True)
        for key, value in one.tensors.items()
    }
    assert tensors.keys() == all_shapes(both).keys()
    quirks = tuple(dict.fromkeys((*a.quirks, *b.quirks)))
    return Conversion(family.name, both.model_dump(), tensors, quirks=quirks, takes_image=True)
