"""The state dict of a file that torch.save wrote, whatever stands around it.

Read: a state dict alone; one among others under a key (Lightning's `state_dict`, pythae's
`model_state_dict`, any that the caller names); a whole pickled `nn.Module`. Left aside, inert
and named in the notes: the state of a training (optimizers, callbacks, hyper-parameters ...),
whatever it names. Anything else that names more than tensors and plain values is refused.
Knows no architecture.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from augment.checkpoints.blob import Blob, Source, open_blob, shown
from augment.checkpoints.container import Container, read_container
from augment.checkpoints.inert import Global, Node, globals_in
from augment.checkpoints.limits import MAX_FILE_BYTES
from augment.checkpoints.modules import ModuleReader, Record, is_name
from augment.checkpoints.plain import Plain, called, is_mapping, position
from augment.checkpoints.tensors import TENSOR_GLOBALS, TensorReader, is_tensor, only

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

    name: what errors call it. key: where the state dict stands; None finds it. aside: keys
    beside it that may hold anything.

    Raises:
        UnsafeCheckpoint: damaged, too large, or more than data.
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
        chosen = root
        if is_mapping(root):
            entries = self._plain.mapping(root, "the file")
            chosen, place = self._chosen(root, entries, key)
            if place is not None:
                self._leave(entries, place, aside)
        elif key is not None:
            raise self._blob.refusal(f"holds {called(root)}", f"a dict with the key {key!r}")
        found = self._state_dict(chosen) if is_mapping(chosen) else self._module(chosen)
        if not found:
            raise self._blob.refusal("no tensor where its weights should be", "some")
        return Weights(found, self._form, tuple(self._notes))

    def _chosen(
        self, root: object, entries: Mapping[Any, object], key: str | None
    ) -> tuple[object, str | None]:
        """(state dict or module, its key); the key is None where it is the whole file."""
        for candidate in _STATE_DICTS if key is None else (key,):
            if candidate in entries:
                return entries[candidate], candidate
        if key is None and any(is_tensor(value) for value in entries.values()):
            return root, None
        keys = ", ".join(shown(entry) for entry in list(entries)[:8])
        wanted = f"one of {', '.join(_STATE_DICTS)}" if key is None else repr(key)
        raise self._blob.refusal(
            f"no state dict; its keys are {keys}", f"tensors, or {wanted}", "say which key holds it"
        )

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


def naming(value: object, seen: set[int]) -> str:
    """What the value names besides tensors and plain values, for notes: "" if nothing.
    seen: what an earlier note was about."""
    foreign = sorted(globals_in(value, seen) - TENSOR_GLOBALS)
    shortened = ", ".join(shown(path) for path in foreign[:8])
    return f" (names {shortened}{', ...' if len(foreign) > 8 else ''})" if foreign else ""


def _is_class_id(said: object) -> bool:
    return isinstance(said, tuple) and len(said) == 4 and said[0] == "module"
