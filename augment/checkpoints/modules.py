"""A pickled tree of torch modules as a flat state dict, as `Module.state_dict()` gives it.

A module is its `__dict__`: parameters, buffers and sub-modules by name, and whatever its
class keeps besides. Only these three are read here. How a node says that it is a module is
the caller's business. Knows no class.

Source: torch/nn/modules/module.py of PyTorch 2.14; older ones lack
`_non_persistent_buffers_set` (before 1.6) and keep OrderedDicts for dicts (before 2.1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from augment.checkpoints.blob import Blob, shown
from augment.checkpoints.limits import MAX_DEPTH, MAX_KEY_CHARS, MAX_TENSORS
from augment.checkpoints.plain import Plain
from augment.checkpoints.tensors import TensorReader

Record = tuple[str, Mapping[Any, object]]
"""A module's class name and its `__dict__`."""


@dataclass
class Modules:
    """tensors: parameters and persistent buffers, in the order of a state dict.
    buffers: names of those that are buffers. transient: buffers that a state dict leaves
    out. records: every module by its path, "" the outermost."""

    tensors: dict[str, np.ndarray] = field(default_factory=dict)
    buffers: set[str] = field(default_factory=set)
    transient: dict[str, np.ndarray] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)


@dataclass(frozen=True)
class ModuleReader:
    """record: what a value is as a module; raises UnsafeCheckpoint where it is none."""

    blob: Blob
    tensors: TensorReader
    plain: Plain
    record: Callable[[object, str], Record]

    def read(self, root: object) -> Modules:
        """All modules below `root`.

        Raises:
            UnsafeCheckpoint: something is no module or no tensor, or there is too much.
        """
        found = Modules()
        self._walk(root, "", 0, found)
        return found

    def _walk(self, value: object, path: str, depth: int, found: Modules) -> None:
        place = f"module {shown(path)}"
        if len(path) > MAX_KEY_CHARS:
            raise self.blob.refusal(f"{place} has a long path", f"{MAX_KEY_CHARS} characters")
        if depth > MAX_DEPTH or len(found.records) >= MAX_TENSORS:
            expected = f"at most {MAX_DEPTH} levels and {MAX_TENSORS} modules"
            raise self.blob.refusal(f"{place} is one too many or too deep", expected)
        found.records[path] = record = self.record(value, place)
        state = record[1]
        for name, item in self._part(state, "_parameters", place):
            self._put(found.tensors, found, path + name, item)
        transient = self._transient(state, place)
        for name, item in self._part(state, "_buffers", place):
            if name not in transient:
                found.buffers.add(path + name)
            self._put(
                found.transient if name in transient else found.tensors, found, path + name, item
            )
        for name, item in self._part(state, "_modules", place):
            self._walk(item, f"{path}{name}.", depth + 1, found)

    def _part(self, state: Mapping[Any, object], part: str, place: str) -> list[tuple[str, object]]:
        entries = self.plain.mapping(state.get(part), f"{part} of {place}")
        for name in entries:
            if not is_name(name) or "." in name:
                came = f"{part} of {place} has the name {shown(name)}"
                raise self.blob.refusal(came, "a name without dots")
        return [(name, item) for name, item in entries.items() if item is not None]

    def _transient(self, state: Mapping[Any, object], place: str) -> set[str]:
        names = state.get("_non_persistent_buffers_set", ())
        return self.plain.texts(names, f"_non_persistent_buffers_set of {place}")

    def _put(self, into: dict[str, np.ndarray], found: Modules, key: str, item: object) -> None:
        if key in found.tensors or key in found.transient:
            raise self.blob.refusal(f"tensor {shown(key)} stands there twice", "once")
        into[key] = self.tensors.array(item, shown(key))


def is_name(name: object) -> bool:
    """Whether a key may name a tensor or a module."""
    return isinstance(name, str) and 0 < len(name) <= MAX_KEY_CHARS and name.isprintable()
