"""Networks of NVIDIA's StyleGAN2-ADA and StyleGAN3 `.pkl` files, as data.

Such a file is a pickle of `torch_utils.persistence` objects: every module carries the whole
source text of the file that defines it, which NVIDIA's loader executes, and every storage is
a container of its own, which torch unpickles. Here the texts are hashed and dropped (they are
under NVIDIA's licence and are never written anywhere), and the containers are read as data.

Taken: class names, constructor arguments, plain attributes, parameters and buffers of one
network. Left aside and noted: the other entries of the file, whatever they name. Refused:
any global outside a closed list in the network itself; TensorFlow's pickles. Knows no
architecture.

Source: torch_utils/persistence.py and training/training_loop.py of NVlabs/stylegan2-ada-pytorch
and NVlabs/stylegan3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from augment.checkpoints.blob import Blob, Source, open_blob, shown
from augment.checkpoints.container import read_legacy
from augment.checkpoints.inert import Node, globals_in, read_pickle
from augment.checkpoints.limits import MAX_FILE_BYTES, MAX_HEADER_OPCODES
from augment.checkpoints.modules import ModuleReader, Modules, Record
from augment.checkpoints.plain import Plain, called, is_mapping, position
from augment.checkpoints.tensors import (
    LOAD_FROM_BYTES,
    TENSOR_GLOBALS,
    Storage,
    TensorReader,
    is_tensor,
    only,
)
from augment.checkpoints.torch_file import naming

PERSISTENT = "torch_utils.persistence._reconstruct_persistent_obj"
TENSORFLOW = "dnnlib.tflib.network.Network"
_GLOBALS = TENSOR_GLOBALS | {PERSISTENT}
_NETWORKS = ("G_ema", "G")
_CONSTRUCTOR = ("_init_args", "_init_kwargs")


@dataclass(frozen=True)
class NvidiaNetwork:
    """One network of the file.

    key: its entry. class_name, init_args, init_kwargs: how it was constructed. classes,
    attributes: class name and plain attributes of every module by path ("synthesis.b4");
    "" is the network. tensors: its state dict. buffers: which of these are buffers.
    transient: buffers that a state dict leaves out. source_sha256: of the embedded source
    texts, by class name. notes: what was left aside.
    """

    key: str
    class_name: str
    init_args: list[Any]
    init_kwargs: dict[str, Any]
    classes: dict[str, str]
    attributes: dict[str, dict[str, Any]]
    tensors: dict[str, np.ndarray]
    buffers: frozenset[str]
    transient: dict[str, np.ndarray]
    source_sha256: dict[str, str]
    notes: tuple[str, ...]


def read_nvidia(
    source: Source,
    name: str | None = None,
    *,
    key: str | None = None,
    max_bytes: int = MAX_FILE_BYTES,
) -> NvidiaNetwork:
    """The network under `key`; None takes `G_ema`, or `G` where there is none.

    Raises:
        UnsafeCheckpoint: damaged, too large, not of NVIDIA's form, or more than data.
        CheckpointError, StorageError: it cannot be opened.
    """
    blob = open_blob(source, name, max_bytes)
    pickled = read_pickle(blob)
    if not is_mapping(pickled.root):
        raise _not_nvidia(pickled.root, blob)
    if pickled.end != len(blob):
        raise blob.refusal("bytes after the pickle", "none", at=pickled.end)
    reader = _Reader(blob)
    entries = reader.plain.mapping(pickled.root, "the file")
    chosen = _chosen(entries, key, blob)
    _refuse_other_programs(entries[chosen], chosen, blob)
    only(_GLOBALS, entries[chosen], f"the network {shown(chosen)}", blob)
    return reader.network(entries, chosen)


def _chosen(entries: Mapping[Any, object], key: str | None, blob: Blob) -> str:
    for candidate in _NETWORKS if key is None else (key,):
        if entries.get(candidate) is not None:
            return candidate
    keys = ", ".join(shown(entry) for entry in list(entries)[:8])
    wanted = " or ".join(_NETWORKS) if key is None else repr(key)
    raise blob.refusal(f"no network; its keys are {keys}", wanted)


def _refuse_other_programs(network: object, key: str, blob: Blob) -> None:
    """Programs that came after StyleGAN3 keep its form and put torch's own modules into it."""
    foreign = sorted(globals_in(network) - _GLOBALS)
    if foreign and all(name.startswith("torch.nn.") for name in foreign):
        raise blob.refusal(
            f"the network {shown(key)} has modules of torch itself ({shown(foreign[0])[1:-1]})",
            "StyleGAN2 or StyleGAN3, which have none: it is of another program (StyleGAN-XL with "
            "classes, for one), whose networks are not hosted",
            "export it as ONNX, or host it as family custom",
        )


def _not_nvidia(root: object, blob: Blob) -> Exception:
    if TENSORFLOW in globals_in(root):
        return blob.refusal(
            f"a TensorFlow pickle ({TENSORFLOW})", "one of the PyTorch programs",
            "convert it with legacy.py of NVlabs/stylegan3",
        )  # fmt: skip
    return blob.refusal(f"holds {called(root)}", "a dict of networks", at=position(root))


class _Reader:
    def __init__(self, blob: Blob) -> None:
        self._blob = blob
        self.plain = Plain(blob)
        self._tensors = TensorReader(blob, self._storage)
        self._storages: dict[int, Storage] = {}
        self._sources: dict[str, str] = {}
        self._hashes: dict[int, str] = {}
        self._notes: list[str] = []

    def network(self, entries: Mapping[Any, object], key: str) -> NvidiaNetwork:
        reader = ModuleReader(self._blob, self._tensors, self.plain, self._record)
        found = reader.read(entries[key])
        args, kwargs = self._constructor(found)
        attributes = {
            path.removesuffix("."): self._attributes(state, path)
            for path, (_, state) in found.records.items()
        }
        named: set[int] = set()
        self._notes += [
            f"left aside: {shown(other)}{naming(value, named)}"
            for other, value in entries.items()
            if other != key and value is not None
        ]
        classes = {path.removesuffix("."): name for path, (name, _) in found.records.items()}
        return NvidiaNetwork(
            key, classes[""], args, kwargs, classes, attributes,
            found.tensors, frozenset(found.buffers), found.transient,
            self._sources, tuple(self._notes),
        )  # fmt: skip

    def _constructor(self, found: Modules) -> tuple[list[Any], dict[str, Any]]:
        _, state = found.records[""]
        args, kwargs = (self.plain.value(state.get(name), name) for name in _CONSTRUCTOR)
        if not isinstance(args, list) or not isinstance(kwargs, dict):
            raise self._blob.refusal("no constructor arguments", " and ".join(_CONSTRUCTOR))
        return args, kwargs

    def _attributes(self, state: Mapping[Any, object], path: str) -> dict[str, Any]:
        """Plain ones that are not torch's own; a tensor that is no buffer is left aside."""
        found = {}
        for name, value in state.items():
            if not isinstance(name, str) or name.startswith("_") or name == "training":
                continue
            if is_tensor(value):
                self._notes.append(f"left aside: the attribute {shown(path + name)} (a tensor)")
                continue
            found[name] = self.plain.value(value, f"the attribute {shown(path + name)}")
        return found

    def _record(self, value: object, place: str) -> Record:
        meta = _meta(value)
        if not is_mapping(meta):
            raise self._blob.refusal(
                f"{place} is {called(value)}", f"an object of {PERSISTENT}", at=position(value)
            )
        fields = self.plain.mapping(meta, place)
        name, text = fields.get("class_name"), fields.get("module_src")
        if fields.get("type") != "class" or not isinstance(name, str) or not isinstance(text, str):
            raise self._blob.refusal(f"{place} has no class name or source", "both")
        if not name.isidentifier():
            raise self._blob.refusal(f"{place} has the class name {shown(name)}", "an identifier")
        self._sources[name] = self._sha256(text)
        return name, self.plain.mapping(fields.get("state"), f"the state of {place}")

    def _sha256(self, text: str) -> str:
        """Modules of one file share one text: it is hashed once."""
        if id(text) not in self._hashes:
            data = text.encode("utf-8", "surrogatepass")
            self._hashes[id(text)] = hashlib.sha256(data).hexdigest()
        return self._hashes[id(text)]

    def _storage(self, node: Node) -> Storage:
        """A container of one storage inside the pickle."""
        data = node.args[0] if node.path == LOAD_FROM_BYTES and len(node.args) == 1 else None
        if not isinstance(data, bytes):
            raise self._blob.refusal(
                f"a storage that is {called(node)}", f"an object of {LOAD_FROM_BYTES}", at=node.at
            )
        if id(data) not in self._storages:
            inner = Blob(f"{self._blob.name}: storage at byte {node.at}", data)
            container = read_legacy(inner, MAX_HEADER_OPCODES)
            if not isinstance(container.root, Node):
                raise inner.refusal(f"holds {called(container.root)}", "one storage")
            self._storages[id(data)] = container.storage_of(container.root)
        return self._storages[id(data)]


def _meta(value: object) -> object:
    """What the persistent object is made from, None if it is none."""
    if not isinstance(value, Node) or value.kind != "call" or value.path != PERSISTENT:
        return None
    return value.args[0] if len(value.args) == 1 else None
