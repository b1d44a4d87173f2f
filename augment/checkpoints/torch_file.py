"""The state dict of a file that torch.save wrote, whatever stands around it.

Read: a state dict alone; one among others under a key (Lightning's `state_dict`, pythae's
`model_state_dict`, any that the caller names); a whole pickled `nn.Module`. Left aside, inert
and named in the notes: the state of a training (optimizers, callbacks, hyper-parameters ...),
whatever it names. Anything else that names more than tensors and plain values is refused.
Knows no architecture.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from augment.checkpoints.blob import Blob, Source, open_blob, shown
from augment.checkpoints.container import Container, read_container
from augment.checkpoints.inert import Global, Node, globals_in
from augment.checkpoints.limits import MAX_FILE_BYTES
from augment.checkpoints.modules import ModuleReader, Record, is_name
from augment.checkpoints.plain import Plain, called, is_mapping, position
from augment.checkpoints.tensors import (
    TENSOR_GLOBALS,
    TensorReader,
    elements_of,
    is_tensor,
    only,
)
from augment.errors import UnsafeCheckpoint

TRAINING_STATE = frozenset(
    {
        "callbacks", "datamodule_hparams_name", "datamodule_hyper_parameters", "epoch",
        "global_step", "hparams_name", "hparams_type", "hyper_parameters", "loops",
        "lr_scheduler", "lr_schedulers", "native_amp_scaling_state", "optimizer",
        "optimizer_state_dict", "optimizer_states", "pytorch-lightning_version", "scheduler",
        "scaler", "args", "config", "MixedPrecision", "MixedPrecisionPlugin",
    }
)  # fmt: skip
"""Keys beside a state dict that may hold objects of any class: they are not looked into."""

_STATE_DICTS = ("state_dict", "model_state_dict")
_NESTED = 4
"""Dicts in dicts that are looked into."""
_SHOWN = 8


@dataclass(frozen=True)
class Weights:
    """tensors: by name, read-only, as stored; bfloat16 as float32. container: as in
    `Container.form`. notes: what was left aside, and the classes of a pickled module."""

    tensors: dict[str, np.ndarray]
    container: Literal["zip", "legacy"]
    notes: tuple[str, ...]


def read_torch(
    source: Source,
    name: str | None = None,
    *,
    key: str | None = None,
    aside: Collection[str] = TRAINING_STATE,
    max_bytes: int = MAX_FILE_BYTES,
) -> Weights:
    """The weights of a `.pt`, `.pth`, `.bin` or `.ckpt` file.

    name: what errors call it. key: where the state dict stands, of dicts inside dicts as
    `outer.inner`; None finds it where there is one. aside: keys beside it that may hold anything.

    Raises:
        UnsafeCheckpoint: damaged, too large, more than data, or of several networks.
        CheckpointError, StorageError: it cannot be opened.
    """
    blob = open_blob(source, name, max_bytes)
    container = read_container(blob)
    reader = _Reader(blob, container)
    return reader.weights(container.root, key, aside)


class _Reader:
    def __init__(self, blob: Blob, container: Container) -> None:
        self._blob = blob
        self._form = container.form
        self._tensors = TensorReader(blob, container.storage_of)
        self._plain = Plain(blob)
        self._checked: set[int] = set()
        self._named: set[int] = set()
        self._notes: list[str] = []

    def weights(self, root: Any, key: str | None, aside: Collection[str]) -> Weights:
        chosen, left, above = root, key or "", ""
        for _ in range(_NESTED):
            if not is_mapping(chosen):
                break
            entries = self._plain.mapping(chosen, "the file")
            step, left = self._step(entries, left, above)
            if step is None:
                break
            self._leave(entries, step, aside)
            chosen, above = entries[step], f"{above}{step}."
        if left:
            raise self._blob.refusal(f"holds {called(chosen)}", f"a dict with the key {left!r}")
        found = self._state_dict(chosen) if is_mapping(chosen) else self._module(chosen)
        if not found:
            raise self._blob.refusal("no tensor where its weights should be", "some")
        return Weights(found, self._form, tuple(self._notes))

    def _step(
        self, entries: Mapping[Any, object], wanted: str, above: str
    ) -> tuple[str | None, str]:
        """(the entry to look into, None for the dict itself; what is left of the key). above:
        the keys that led here."""
        if wanted:
            names = [n for n in entries if isinstance(n, str) and f"{wanted}.".startswith(f"{n}.")]
            if not names:
                raise self._unchosen(entries, repr(wanted[:100]), above)
            name = max(names, key=len)
            return name, wanted[len(name) + 1 :]
        for candidate in _STATE_DICTS:
            if candidate in entries:
                return candidate, ""
        if any(is_tensor(value) for value in entries.values()):
            return None, ""
        held = [name for name in entries if self._holds(name, entries[name])]
        if len(held) == 1:
            return held[0], ""
        if above and not held:
            return None, ""
        raise self._unchosen(entries, f"tensors, or one of {', '.join(_STATE_DICTS)}", above)

    def _holds(self, name: object, value: object, depth: int = 0) -> bool:
        """Whether an entry is, or has somewhere in it, a state dict."""
        if not isinstance(name, str) or name in TRAINING_STATE or depth >= _NESTED:
            return False
        if not is_mapping(value):
            return False
        inside = self._plain.mapping(value, "an entry")
        return any(is_tensor(v) or self._holds(n, v, depth + 1) for n, v in inside.items())

    def _unchosen(self, entries: Mapping[Any, object], wanted: str, above: str) -> UnsafeCheckpoint:
        said = []
        for name, value in list(entries.items())[:_SHOWN]:
            called_so = shown(above + name) if isinstance(name, str) else shown(name)
            held = _sized(value) or _odd(value)
            said.append(f"{called_so} ({held})" if held else called_so)
        more = ", ..." if len(entries) > _SHOWN else ""
        several = sum(1 for name in entries if self._holds(name, entries[name]))
        came = f"{several} state dicts" if several > 1 else "no state dict"
        way_out = "say which with --key" if several else "save the network's own state_dict()"
        return self._blob.refusal(f"{came}; its keys are {', '.join(said)}{more}", wanted, way_out)

    def _leave(self, entries: Mapping[Any, object], kept: str, aside: Collection[str]) -> None:
        for key, value in entries.items():
            if key == kept:
                continue
            if key not in aside:
                only(TENSOR_GLOBALS, value, f"the entry {shown(key)}", self._blob, self._checked)
            self._notes.append(f"left aside: {shown(key)}{naming(value, self._named)}")

    def _state_dict(self, value: object) -> dict[str, np.ndarray]:
        only(TENSOR_GLOBALS, value, "the state dict", self._blob)
        found = {}
        for name, item in self._plain.mapping(value, "the state dict").items():
            if not is_name(name):
                raise self._blob.refusal(f"a tensor called {shown(name)}", "a short text")
            if is_tensor(item):
                found[name] = self._tensors.array(item, shown(name))
            else:
                self._notes.append(f"left aside: {shown(name)} ({called(item)})")
        return found

    def _module(self, value: object) -> dict[str, np.ndarray]:
        reader = ModuleReader(self._blob, self._tensors, self._plain, self._record)
        found = reader.read(value)
        classes = sorted({name for name, _ in found.records.values()})
        self._notes.append(f"a whole pickled module; classes not loaded: {', '.join(classes)}")
        return found.tensors

    def _record(self, value: object, place: str) -> Record:
        """A module is an object whose class is made without a call and given its state."""
        made = value if isinstance(value, Node) else None
        owner = made.func if made is not None else None
        if made is not None and made.path == "copyreg._reconstructor" and made.args:
            owner = made.args[0]
        elif made is None or made.kind != "new":
            raise self._not_module(value, place)
        if isinstance(owner, Node) and owner.kind == "persistent":  # ("module", class, ...)
            owner = owner.args[0][1] if _is_class_id(owner.args[0]) else None
        if not isinstance(owner, Global) or not is_mapping(made.state):
            raise self._not_module(value, place)
        return shown(owner.path), self._plain.mapping(made.state, place)

    def _not_module(self, value: object, place: str) -> Exception:
        return self._blob.refusal(
            f"{place} is {called(value)}", "a state dict or a torch module", at=position(value)
        )


def _sized(value: object) -> str:
    """How many tensors and numbers an entry holds itself, for people; "" of none."""
    items: Iterable[object] = ()
    if isinstance(value, dict):
        items = value.values()
    elif isinstance(value, Node) and value.items:
        items = [item for _, item in value.items]
    sizes = [elements_of(item) for item in items if is_tensor(item)]
    return f"{len(sizes)} tensors, {sum(sizes)} numbers" if sizes else ""


def _odd(value: object) -> str:
    """What an entry is that is neither plain nor a tensor as they are stored here; "" else."""
    odd = isinstance(value, Node) and not is_tensor(value) and not is_mapping(value)
    return called(value) if odd else ""


def naming(value: object, seen: set[int]) -> str:
    """What the value names besides tensors and plain values, for notes: "" if nothing.
    seen: what an earlier note was about."""
    foreign = sorted(globals_in(value, seen) - TENSOR_GLOBALS)
    shortened = ", ".join(shown(path) for path in foreign[:8])
    return f" (names {shortened}{', ...' if len(foreign) > 8 else ''})" if foreign else ""


def _is_class_id(said: object) -> bool:
    return isinstance(said, tuple) and len(said) == 4 and said[0] == "module"
