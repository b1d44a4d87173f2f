"""A checkpoint as somebody else wrote it, read inertly, and what a family makes of it.

A family's `convert` looks at a `Foreign` and gives a `Conversion`, or None where it is none
of its own; whatever decides is structure (keys, shapes, configuration), never a file's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError

from augment.errors import CheckpointError
from augment.generators.checkpoint import differences

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Foreign:
    """What lay in a file or folder.

    place: its name, for errors. kind: what it is by content, as `augment.checkpoints` says:
    `nvidia`, `state_dict`, `safetensors`, `diffusers`, `transformers`, `pythae` ...
    tensors: by the names that its own program gave them. config: what stood beside them as
    JSON values (constructor arguments, a config.json, metadata); {} where nothing did.
    data: the bytes of a file that is more than tensors (a graph), and is judged as a whole.
    """

    place: str
    kind: str
    tensors: Mapping[str, np.ndarray]
    config: Mapping[str, Any] = field(default_factory=dict)
    data: bytes | None = None

    def refusal(self, came: str, expected: str, way_out: str = "") -> CheckpointError:
        """The error that says why a family cannot host this."""
        end = f"; {way_out}" if way_out else ""
        return CheckpointError(f"{self.place}: {came}; expected {expected}{end}")

    def sizes(self, key: str, rank: int) -> tuple[int, ...]:
        """The shape of a tensor that has `rank` axes.

        Raises:
            CheckpointError: it is missing, or has more or fewer.
        """
        if key not in self.tensors:
            raise self.refusal(f"tensor {key!r} is missing", f"one with {rank} axes")
        shape = self.tensors[key].shape
        if len(shape) != rank:
            raise self.refusal(f"tensor {key!r} has shape {list(shape)}", f"{rank} axes")
        return shape

    def fitted(self, model: type[M], init: Mapping[str, Any]) -> M:
        """What was found as a family's architecture.

        Raises:
            CheckpointError: it is outside of what the family can be.
        """
        try:
            return model.model_validate(dict(init))
        except ValidationError as e:
            found = [f"{'.'.join(map(str, p['loc']))}: {p['msg']}, got {p['input']!r:.80}"
                     for p in e.errors()[:5]]  # fmt: skip
            raise CheckpointError(f"{self.place}: cannot be hosted: {'; '.join(found)}") from None


@dataclass(frozen=True)
class Conversion:
    """A checkpoint in a family's own terms.

    init: the architecture, as `init` in `generator.json`. tensors: float32, by the family's
    names. num_classes: of the network; 0: unconditional, or made from an image; None: of a
    graph that does not tell. quirks: what was mended or left out on the way, for people.
    graph: the file that stands in the place of tensors. takes_image: whether its samples are
    made from images. null_class: whether the last class may stand for none, so that names
    may be one fewer. words: what a job must say of it besides. parameters: of a graph, the
    numbers that it holds. to_be_run: whether only a run of it shows what it makes.
    """

    family: str
    init: Mapping[str, Any]
    tensors: Mapping[str, np.ndarray]
    num_classes: int | None = 0
    quirks: tuple[str, ...] = ()
    license_note: str | None = None
    graph: bytes | None = None
    takes_image: bool = False
    null_class: bool = False
    words: Mapping[str, Any] = field(default_factory=dict)
    parameters: int | None = None
    to_be_run: bool = False


def matched(
    place: str, tensors: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    """The tensors as contiguous float32, in the order of `shapes`.

    Raises:
        CheckpointError: they are not exactly those of `shapes`, or are no real numbers.
    """
    text = differences({key: array.shape for key, array in tensors.items()}, shapes)
    if text:
        raise CheckpointError(
            f"{place}: its tensors are not those of the architecture that it shows ({text}); "
            "expected the whole generator as its own program saved it"
        )
    for key in shapes:
        if tensors[key].dtype.kind != "f":
            raise CheckpointError(
                f"{place}: tensor {key!r} has dtype {tensors[key].dtype}; expected real numbers"
            )
    return {key: np.array(tensors[key], dtype=np.float32, order="C") for key in shapes}
