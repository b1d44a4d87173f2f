"""What each input and output of a graph is for: latent, class or source image; the image made.

From what the job says, else from types and shapes where they can mean one thing only. Knows
no runtime; reads no file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from augment.checkpoints.onnx_graph import Graph, Value
from augment.errors import CheckpointError
from augment.spec.generators import OnnxGenerator
from augment.spec.problems import nearest, one_of

Layout = Literal["NCHW", "NHWC"]
MAX_LATENT = 1 << 20
MAX_SIDE = 16384
_INTEGERS = ("int32", "int64", "uint8")
_FLOATS = ("float32", "float16", "float64")


@dataclass(frozen=True)
class ImageRole:
    """An image among inputs or outputs."""

    value: Value
    layout: Layout
    channels: int
    height: int
    width: int


@dataclass(frozen=True)
class Roles:
    """z, class_: None where the graph has none. class_as: how a class is given. num_classes:
    width of a one-hot class, None where an index says nothing. batch: rows of every run
    where the graph was exported with a fixed number, else None."""

    z: Value | None
    class_: Value | None
    class_as: Literal["index", "onehot"] | None
    num_classes: int | None
    source: ImageRole | None
    image: ImageRole
    batch: int | None

    @property
    def z_shape(self) -> tuple[int, ...]:
        """Of one row's latent."""
        dims = () if self.z is None else self.z.dims or ()
        return tuple(d for d in dims[1:] if d is not None)

    @property
    def z_size(self) -> int:
        """Values of one row's latent."""
        return math.prod(self.z_shape)


def roles_of(name: str, spec: OnnxGenerator, graph: Graph) -> Roles:
    """The roles in the graph of the job's generator `name`.

    Raises:
        CheckpointError: they cannot be told, or an option has no effect.
    """
    return _Telling(name, spec, graph).roles()


class _Telling:
    def __init__(self, name: str, spec: OnnxGenerator, graph: Graph) -> None:
        self._place = f"generators.{name}"
        self._spec = spec
        self._graph = graph

    def roles(self) -> Roles:
        by_role = self._given() if self._spec.inputs is not None else self._guessed()
        z, class_, image = (by_role.get(role) for role in ("z", "class", "image"))
        if z is None and image is None:
            raise self._wrong(
                "inputs", "no latent and no image, so every sample of a class would be the same",
                "a graph that takes a latent z or a source image",
            )  # fmt: skip
        self._check_effects(z, class_, image)
        if z is not None:
            self._check_latent(z)
        class_as, num_classes = self._class_form(class_)
        return Roles(
            z, class_, class_as, num_classes,
            None if image is None else self._image(image, "inputs.image"),
            self._image(self._output(), "output"),
            self._batch([v for v in (z, class_, image) if v is not None]),
        )  # fmt: skip

    # ---- which input is which ----

    def _given(self) -> dict[str, Value]:
        assert self._spec.inputs is not None
        given = self._spec.inputs.model_dump(by_alias=True, exclude_none=True)
        known = {value.name: value for value in self._graph.inputs}
        for role, name in given.items():
            if name not in known:
                raise self._wrong(
                    f"inputs.{role}", repr(name), f"{one_of(known)}, the graph's inputs",
                    nearest(name, known),
                )  # fmt: skip
        if len(set(given.values())) < len(given):
            raise self._wrong("inputs", "one input in two roles", "one input for each role")
        if left := [str(value) for key, value in known.items() if key not in given.values()]:
            raise self._wrong(
                "inputs", f"no role for {', '.join(left)}, which the graph needs",
                "a graph that needs z, class and image only, each named here",
            )  # fmt: skip
        return {role: known[name] for role, name in given.items()}

    def _guessed(self) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for value in self._graph.inputs:
            role = _role(value)
            if role is None or role in found:
                listed = ", ".join(map(str, self._graph.inputs))
                raise self._wrong(
                    "inputs", f"no mapping, and {listed} can be read in several ways",
                    "inputs: {z: NAME, class: NAME, image: NAME}, as far as the graph has them",
                )  # fmt: skip
            found[role] = value
        return found

    def _check_effects(self, z: Value | None, class_: Value | None, image: Value | None) -> None:
        """Options without effect."""
        spec = self._spec
        if z is None and spec.sampling.model_fields_set:
            option = sorted(spec.sampling.model_fields_set)[0]
            raise self._no_effect(f"sampling.{option}", "the graph takes no latent")
        if class_ is None and spec.class_as is not None:
            raise self._no_effect("class_as", "the graph takes no class")
        if image is None and "image_range" in spec.model_fields_set:
            raise self._no_effect("image_range", "the graph takes no image")
        if image is not None and class_ is None:
            for option in ("class_index", "label"):
                if getattr(spec, option) is not None:
                    raise self._no_effect(option, "the graph takes an image and so any class")

    # ---- what each is like ----

    def _check_latent(self, z: Value) -> None:
        sizes = (z.dims or ())[1:]
        known = [d for d in sizes if d is not None]
        if z.dtype not in _FLOATS or not known or len(known) < len(sizes):
            raise self._wrong(
                "inputs.z", str(z), "floats of a fixed size for each row: export it so"
            )
        if math.prod(known) > MAX_LATENT:
            raise self._wrong("inputs.z", str(z), f"at most {MAX_LATENT} values for each row")

    def _class_form(
        self, class_: Value | None
    ) -> tuple[Literal["index", "onehot"] | None, int | None]:
        if class_ is None:
            return None, None
        dims = class_.dims or ()
        wide = len(dims) == 2 and dims[1] != 1
        form = self._spec.class_as or ("onehot" if wide else "index")
        fits = wide if form == "onehot" else (not wide and len(dims) in (1, 2))
        if class_.dtype not in (*_INTEGERS, *_FLOATS) or not fits:
            expected = "[rows, classes]" if form == "onehot" else "[rows] or [rows, 1]"
            raise self._wrong(
                "class_as", f"{form} for {class_}", f"an input of shape {expected} with {form}"
            )
        if form == "index":
            return "index", None
        if dims[1] is None:
            raise self._wrong("inputs.class", str(class_), "a fixed number of classes: export so")
        return "onehot", dims[1]

    def _output(self) -> Value:
        known = {value.name: value for value in self._graph.outputs}
        if self._spec.output is not None:
            if self._spec.output not in known:
                raise self._wrong(
                    "output", repr(self._spec.output), f"{one_of(known)}, the graph's outputs",
                    nearest(self._spec.output, known),
                )  # fmt: skip
            return known[self._spec.output]
        if len(known) != 1:
            listed = ", ".join(map(str, self._graph.outputs))
            raise self._wrong("output", f"no name, and the graph has {listed}", "one of them")
        return next(iter(known.values()))

    def _image(self, value: Value, at: str) -> ImageRole:
        dims = value.dims or ()
        if value.dtype not in (*_FLOATS, "uint8") or len(dims) != 4:
            raise self._wrong(at, str(value), "an image: four dimensions, floats or uint8")
        layout = self._spec.layout or self._layout(value, at)
        channels, height, width = dims[1:] if layout == "NCHW" else (dims[3], *dims[1:3])
        if channels is None or height is None or width is None:
            raise self._wrong(
                at, f"{value} as {layout}", "fixed channels, height and width: export it so"
            )
        if channels not in (1, 3) or max(height, width) > MAX_SIDE:
            raise self._wrong(
                at, f"{value} as {layout}", f"1 or 3 channels and sides of at most {MAX_SIDE}"
            )
        return ImageRole(value, layout, channels, height, width)

    def _layout(self, value: Value, at: str) -> Layout:
        dims = value.dims or ()
        first, last = dims[1] in (1, 3), dims[3] in (1, 3)
        if first == last:
            raise self._wrong(at, f"{value}, whose channels cannot be told", "layout: NCHW or NHWC")
        return "NCHW" if first else "NHWC"

    def _batch(self, values: list[Value]) -> int | None:
        fixed = {value.dims[0] for value in values if value.dims} - {None}
        if len(fixed) > 1:
            listed = ", ".join(map(str, values))
            raise self._wrong("inputs", f"different numbers of rows: {listed}", "the same for all")
        return next(iter(fixed), None)

    def _no_effect(self, option: str, why: str) -> CheckpointError:
        return CheckpointError(
            f"{self._place}.{option}: has no effect, {why}; expected no such key"
        )

    def _wrong(self, at: str, found: str, expected: str, hint: str = "") -> CheckpointError:
        text = f"{self._place}.{at}: got {found}; expected {expected}"
        return CheckpointError(f"{text}. {hint}" if hint else text)


def _role(value: Value) -> str | None:
    """What an input can only be, None where that is open."""
    dims = value.dims or ()
    if value.dtype in ("int32", "int64") and len(dims) in (1, 2):
        return "class"
    if value.dtype in _FLOATS and (len(dims) == 2 or (len(dims) == 4 and dims[2:] == (1, 1))):
        return "z"
    if value.dtype in (*_FLOATS, "uint8") and len(dims) == 4:
        return "image"
    return None
