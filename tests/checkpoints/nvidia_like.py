"""Pickles in the form of NVIDIA's: persistent objects that carry a source text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from tests.checkpoints.assembly import Call, G, dumps, embedded, ordered, parameter

SOURCE = "class Generator: 'not the text of any program'\n"
RECONSTRUCT = G("torch_utils.persistence", "_reconstruct_persistent_obj")


def persistent(
    name: str,
    parameters: Mapping[str, torch.Tensor] | None = None,
    buffers: Mapping[str, torch.Tensor] | None = None,
    modules: Mapping[str, Any] | None = None,
    *,
    transient: Any = None,
    holder: Callable[[Any], Any] = dict,
    source: str = SOURCE,
    **attributes: Any,
) -> Call:
    """holder: `ordered` for the OrderedDicts of old torch."""
    state = {
        "training": False,
        "_parameters": holder({k: parameter(v) for k, v in (parameters or {}).items()}),
        "_buffers": holder({k: embedded(v) for k, v in (buffers or {}).items()}),
        "_non_persistent_buffers_set": set() if transient is None else transient,
        "_backward_hooks": ordered({}),
        "_modules": holder(dict(modules or {})),
        **attributes,
    }
    meta = {
        "type": "class", "version": 6, "module_src": source, "class_name": name, "state": state,
    }  # fmt: skip
    return Call(RECONSTRUCT, (meta,))


def network(holder: Callable[[Any], Any] = dict, **changed: Any) -> Call:
    """A generator of two modules. Its tensors are `TENSORS` and one transient buffer."""
    layer = persistent(
        "SynthesisLayer",
        {"weight": TENSORS["b4.weight"]},
        {"noise": TENSORS["b4.noise"], "grid": GRID},
        transient={"grid"},
        holder=holder,
        resolution=4,
        conv_clamp=256,
        act_gain=2.5,
        **changed,
    )
    easy = Call(G("dnnlib.util", "EasyDict"), (), (("num_layers", 2),), op=b"\x81")
    return persistent(
        "Generator",
        {"const": TENSORS["const"]},
        {},
        {"b4": layer, "empty": None},
        holder=holder,
        z_dim=8,
        _init_args=(8,),
        _init_kwargs={"mapping_kwargs": easy, "c_dim": 0},
    )


TENSORS = {
    "const": torch.arange(6.0).reshape(2, 3),
    "b4.weight": torch.arange(8.0).reshape(2, 4).half(),
    "b4.noise": torch.tensor(0.5),
}
GRID = torch.arange(4.0)


def file(value: Any, protocol: int = 4, **entries: Any) -> bytes:
    return dumps({"training_set_kwargs": {"path": "x"}, **entries, "G_ema": value}, protocol)
