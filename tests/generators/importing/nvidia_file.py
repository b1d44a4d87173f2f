"""A whole StyleGAN2 in the form of NVIDIA's pickles, from a state dict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from tests.checkpoints.nvidia_like import file, persistent

BUFFERS = ("noise_const", "resample_filter", "w_avg", "magnitude_ema")


def nvidia_file(
    tensors: Mapping[str, np.ndarray], init_kwargs: Mapping[str, Any], source: str
) -> bytes:
    """The pickle's bytes. source: the text that every module carries."""
    tree: dict[str, Any] = {}
    for key, value in tensors.items():
        *path, name = key.split(".")
        node = tree
        for part in path:
            node = node.setdefault(part, {})
        node[name] = torch.from_numpy(np.array(value))
    return file(_module("Generator", tree, source, _init_args=(), _init_kwargs=dict(init_kwargs)))


def _module(name: str, node: Mapping[str, Any], source: str, **attributes: Any) -> Any:
    own = {k: v for k, v in node.items() if isinstance(v, torch.Tensor)}
    return persistent(
        name,
        {k: v for k, v in own.items() if k not in BUFFERS},
        {k: v for k, v in own.items() if k in BUFFERS},
        {k: _module(k, v, source) for k, v in node.items() if isinstance(v, dict)},
        source=source,
        **attributes,
    )
