"""onnx, at import: a graph judged as it is, and what of its images only a run shows.

Exporters leave sizes open that the network never changes (the legacy one of torch does where
the number of rows is), and no graph says which values are black and white. So it is run once, in
the importing process: sizes stand in `generator.json`, values in what a job is told to say.
onnxruntime is imported inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import ValidationError

from augment.checkpoints.onnx_graph import Graph, read_graph
from augment.errors import CheckpointError
from augment.generators.families.onnx.host import feeds, run, session_of
from augment.generators.families.onnx.roles import MAX_SIDE, Roles, roles_of
from augment.generators.foreign import Conversion, Foreign
from augment.generators.protocol import Placement, SampleRequest
from augment.spec.generators import OnnxGenerator

_NAME = "imported"
_MUCH, _BYTE = 4.0, 256.0
_ASSUMED = (3, 1, 1)
"""Sizes that stand in for open ones while the other roles are told."""


def convert(foreign: Foreign, told: Mapping[str, Any]) -> Conversion:
    """A graph. told: what a job would say of it (`inputs`, `class_as`, `output`, `layout`).

    Raises:
        CheckpointError: it has what is refused (operators of its own, data outside, ...), its
            inputs and outputs cannot be told apart, or `told` does not fit it.
    """
    assert foreign.data is not None, "a graph is read whole"
    graph = read_graph(foreign.data, foreign.place)
    spec = _spec(told)
    roles, opened = _roles(foreign.place, graph, spec)
    quirks = (f"the size of {roles.image.value.name} is open: a run shows it",) if opened else ()
    return Conversion(
        "onnx", {}, {}, 0 if roles.class_ is None else roles.num_classes, quirks,
        graph=foreign.data, takes_image=roles.source is not None, words=dict(told),
        parameters=graph.parameters, to_be_run=opened,
    )  # fmt: skip


def observed(conversion: Conversion, place: str) -> Conversion:
    """A graph with the open sizes of its image, and its values, as one run of it has shown them.

    Raises:
        CheckpointError: the runtime is missing or refuses the graph, or no image came out.
    """
    assert conversion.graph is not None, "it is of a graph"
    spec = _spec(conversion.words)
    roles, _ = _roles(place, read_graph(conversion.graph, place), spec)
    session = session_of(_NAME, conversion.graph, Placement())
    source = np.zeros((8, 8, 3), np.uint8) if roles.source is not None else None
    batch = [SampleRequest("0" * 32, "any", 0, source)] * (roles.batch or 1)
    out = run(session, roles.image.value.name, feeds(roles, spec, {"any": 0}, batch), place)
    if out.ndim != 4 or not all(1 <= side <= MAX_SIDE for side in out.shape[1:]):
        raise CheckpointError(
            f"{place}: {roles.image.value.name} came out with the shape {list(out.shape)}; "
            "expected images: four dimensions; name another with --output"
        )
    words, values = _values(roles.image.value.name, out)
    found = replace(conversion, words={**conversion.words, **words}, to_be_run=False)
    if not conversion.to_be_run:
        return replace(found, quirks=(*found.quirks, *values))
    sizes = [int(side) for side in out.shape[1:]]
    quirk = f"the size of {roles.image.value.name} was open; a run made {sizes}"
    return replace(found, init={"image": sizes}, quirks=(quirk, *values))


def _values(name: str, out: np.ndarray) -> tuple[dict[str, Any], tuple[str, ...]]:
    """(what a job must say of the image's values, what they were) where they are other than from
    -1 to 1, a little more or less as networks make them."""
    finite = out[np.isfinite(out)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    said = f"the values of {name} lay from {low:.3g} to {high:.3g}"
    if out.dtype == np.uint8 or (low >= 0.0 and _MUCH < high <= _BYTE):
        return {"range": [0, 255]}, (f"{said}: a job says range: [0, 255]",)
    if low >= 0.0 and 0.0 < high <= 1.0:
        return {}, (f"{said}: where 0 is black, say range: [0, 1] in a job",)
    if max(-low, high) > _MUCH:
        return {}, (f"{said}, beyond every range that a job can say: black and white at the ends",)
    return {}, ()


def _roles(place: str, graph: Graph, spec: OnnxGenerator) -> tuple[Roles, bool]:
    """(roles, whether sizes of the image are open and stand in for others)."""
    try:
        return roles_of(_NAME, spec, graph), False
    except CheckpointError as error:
        shown = graph.showing(spec.output, _ASSUMED)
        if shown == graph:
            raise told_of(place, error) from None
    try:
        # where the channels stand is seen in what comes out
        return roles_of(_NAME, spec.model_copy(update={"layout": "NCHW"}), shown), True
    except CheckpointError as error:
        raise told_of(place, error) from None


def told_of(place: str, error: CheckpointError) -> CheckpointError:
    """What is wrong with the generator `imported` as what is wrong with its file, with the
    option that helps."""
    text = str(error)
    for start in (f"generators.{_NAME}.", f"generators.{_NAME}: ", f"{_NAME}: "):
        text = text.removeprefix(start)
    key = text.partition(":")[0].partition(".")[0]
    known = key in ("inputs", "output", "layout", "class_as")
    hint = f"; say it with --{key.replace('_', '-')}" if known else ""
    if "expected layout: " in text:
        hint = "; say it with --layout"
    return type(error)(f"{place}: {text}{hint}")


def _spec(told: Mapping[str, Any]) -> OnnxGenerator:
    try:
        return OnnxGenerator.model_validate({"family": "onnx", "checkpoint": ".", **told})
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]).replace("_", "-")
        raise CheckpointError(f"--{option}: {first['msg']}, got {first['input']!r:.80}") from None
