"""A checkpoint as somebody else wrote it, read inertly, and what a family makes of it.

A family's `convert` looks at a `Foreign` and gives a `Conversion`, or None where it is none
of its own; whatever decides is structure (keys, shapes, configuration), never a file's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Foreign:
    """What lay in a file or folder.

    place: its name, for errors. kind: what it is by content, as `augment.checkpoints` says:
    `nvidia`, `state_dict`, `safetensors`, `diffusers`, `transformers`, `pythae` ...
    tensors: by the names that its own program gave them. config: what stood beside them as
    JSON values (constructor arguments, a config.json, metadata); {} where nothing did.
    """

    place: str
    kind: str
    tensors: Mapping[str, np.ndarray]
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Conversion:
    """A checkpoint in a family's own terms.

    init: the architecture, as `init` in `generator.json`. tensors: float32, by the family's
    names. num_classes: of the network; 0: unconditional, or made from an image.
    quirks: what was mended or left out on the way, for people.
    """

    family: str
    init: Mapping[str, Any]
    tensors: Mapping[str, np.ndarray]
    num_classes: int = 0
    quirks: tuple[str, ...] = ()
    license_note: str | None = None
