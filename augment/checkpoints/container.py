"""The two containers of torch.save: a pickle and, beside it, the raw storages it names.

zip (since 2020): `<root>/data.pkl` and one member `<root>/data/<key>` for each storage.
legacy (before): three small pickles (magic number, protocol, system), the pickle, the keys
in order, and for each its number of elements as int64 and its elements, little-endian.

Refused with their reasons: TorchScript (a program), `.pt2` archives (torch.export opens the
pickles inside as code), big-endian legacy files, storages whose size is not the one that
the pickle says. Knows nothing of what the tree means.

Source: torch/serialization.py (`_save`, `_load`, `_legacy_save`, `_legacy_load`) and
caffe2/serialize/inline_container.cc of PyTorch 2.14.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeGuard

from augment.checkpoints.blob import DAMAGED, Blob, shown
from augment.checkpoints.inert import Node, opening, read_pickle
from augment.checkpoints.limits import MAX_HEADER_OPCODES, MAX_OPCODES
from augment.checkpoints.plain import is_sizes
from augment.checkpoints.stored_zip import Archive
from augment.checkpoints.tensors import Storage, itemsize, storage_code

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
ZIP_START = b"PK\3\4"
_ORDERS: dict[bytes, Literal["<", ">"]] = {b"little": "<", b"big": ">"}

ZipKind = Literal["torch", "torchscript", "pt2", "other"]


_NOT_DATA = {
    "torchscript": (
        "a TorchScript archive, which is a program", "weights",
        "save the model's state_dict() with torch.save or as .safetensors",
    ),
    "pt2": (
        "a torch.export archive, whose inner pickles may run code", "weights",
        "save the model's state_dict() with torch.save or as .safetensors",
    ),
    "other": (
        "a zip archive without data.pkl", "a file of torch.save",
        "unpack it and take the checkpoint inside",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Container:
    """The tree of a file, and what holds the numbers of a storage in it."""

    form: Literal["zip", "legacy"]
    root: Any
    storage_of: Callable[[Node], Storage]


class _Place(NamedTuple):
    """What a persistent id says of a storage. view: (offset, elements) inside it."""

    code: str
    key: str
    elements: int
    view: tuple[int, int] | None


def read_container(blob: Blob) -> Container:
    """Whatever torch.save wrote.

    Raises:
        UnsafeCheckpoint: it is none of the two, damaged, or more than data.
    """
    return read_zip(blob) if blob.view[:4] == ZIP_START else read_legacy(blob)


def zip_kind(names: Iterable[str]) -> ZipKind:
    """What an archive is, by the names below its one root folder."""
    inside = {name.split("/", 1)[-1] for name in names}
    tops = {name.split("/", 1)[0] for name in inside}
    if "archive_format" in inside or "models" in tops or "sample_inputs" in tops:
        return "pt2"
    if "constants.pkl" in inside or "code" in tops:
        return "torchscript"
    return "torch" if "data.pkl" in inside else "other"


def read_zip(blob: Blob) -> Container:
    """The zip container.

    Raises:
        UnsafeCheckpoint: it is no archive of torch.save, damaged, or TorchScript or `.pt2`.
    """
    archive = Archive(blob)
    root = _root(archive, blob)
    order = _order(archive, root, blob)
    inside = Blob(f"{blob.name}:{root}data.pkl", bytes(archive.read(root + "data.pkl")))
    found: dict[tuple[str, str], Storage] = {}

    def storage_of(node: Node) -> Storage:
        place = _place(node, inside)
        if (place.key, place.code) not in found:
            member = f"{root}data/{place.key}"
            if member not in archive.members:
                raise inside.refusal(f"storage {shown(place.key)} is missing", "it", DAMAGED)
            data = archive.read(member)
            if len(data) != place.elements * itemsize(place.code):
                came = f"storage {shown(place.key)} has {len(data)} bytes"
                raise inside.refusal(came, f"{place.elements} elements of {place.code}", DAMAGED)
            found[place.key, place.code] = Storage(data, place.code, order)
        return _viewed(found[place.key, place.code], place, inside)

    return Container("zip", read_pickle(inside).root, storage_of)


def _order(archive: Archive, root: str, blob: Blob) -> Literal["<", ">"]:
    """Files before 2.1 do not say it and are little-endian."""
    if root + "byteorder" not in archive.members:
        return "<"
    said = bytes(archive.read(root + "byteorder"))
    if said not in _ORDERS:
        raise blob.refusal(f"byteorder {shown(str(said))}", "little or big", DAMAGED)
    return _ORDERS[said]


def read_legacy(blob: Blob, max_opcodes: int = MAX_OPCODES) -> Container:
    """The container before zip, which pickled storages still use. max_opcodes: of its pickle.

    Raises:
        UnsafeCheckpoint: it is none, or damaged.
    """
    main = read_pickle(blob, _legacy_header(blob), max_opcodes)
    places = {place.key: place for place in _storages(main.persistent, blob)}
    keys = read_pickle(blob, main.end)
    if not _are_texts(keys.root) or set(keys.root) != places.keys():
        raise blob.refusal("a list of storages that is not the pickle's", "it", DAMAGED, main.end)
    found: dict[str, Storage] = {}
    at = keys.end
    for key in keys.root:
        place = places[key]
        stop = at + 8 + place.elements * itemsize(place.code)
        if place.key in found or stop > len(blob) or _int64(blob, at) != place.elements:
            came = f"storage {shown(place.key)} is not whole"
            raise blob.refusal(came, f"{place.elements} elements of {place.code}", DAMAGED, at)
        found[place.key] = Storage(blob.view[at + 8 : stop], place.code)
        at = stop
    if at != len(blob):
        raise blob.refusal(f"{len(blob) - at} bytes after the last storage", "none", DAMAGED, at)

    def storage_of(node: Node) -> Storage:
        place = _place(node, blob)
        return _viewed(found[place.key], place, blob)

    return Container("legacy", main.root, storage_of)


def _are_texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _legacy_header(blob: Blob) -> int:
    """The byte after it."""
    if MAGIC not in opening(blob, steps=3)[0]:
        raise blob.refusal("another magic number or none", "a file of torch.save")
    values, at = [], 0
    for _ in range(3):
        found = read_pickle(blob, at, MAX_HEADER_OPCODES)
        values.append(found.root)
        at = found.end
    if values[1] != PROTOCOL:
        raise blob.refusal(f"protocol {shown(values[1])}", f"{PROTOCOL}")
    if not isinstance(values[2], dict) or values[2].get("little_endian") is not True:
        raise blob.refusal("no little-endian machine's file", "one")
    return at


def _storages(nodes: list[Node], blob: Blob) -> Iterable[_Place]:
    for node in nodes:
        if isinstance(node.args[0], tuple) and node.args[0][:1] == ("module",):
            continue  # a class with its source text, in files of whole modules
        yield _place(node, blob)


def _place(node: Node, blob: Blob) -> _Place:
    """("storage", class, key, device, elements[, view]) as `_Place`."""
    said = node.args[0] if node.kind == "persistent" else None
    if not isinstance(said, tuple) or len(said) not in (5, 6) or said[0] != "storage":
        raise blob.refusal("an object that is no storage of this file", "one", at=node.at)
    code = storage_code(said[1], blob, node.at)
    key, count = said[2], said[4]
    whole = isinstance(key, str) and key.isalnum() and is_sizes([count])
    if not whole:
        came = f"a storage called {shown(key)} of {shown(count)} elements"
        raise blob.refusal(came, "a number as name, and a size", at=node.at)
    view = said[5] if len(said) == 6 else None
    if view is None:
        return _Place(code, key, count, None)
    if not isinstance(view, tuple) or len(view) != 3 or not is_sizes(view[1:]):
        raise blob.refusal(f"a storage view that is {shown(view)}", "one", at=node.at)
    return _Place(code, key, count, (view[1], view[2]))


def _viewed(storage: Storage, place: _Place, blob: Blob) -> Storage:
    if place.code != storage.code:
        came = f"storage {shown(place.key)} as {storage.code} and as {place.code}"
        raise blob.refusal(came, "one type")
    if place.view is None:
        return storage
    offset, count = place.view
    if offset + count > place.elements:
        came = f"a view of {count} elements at {offset} of {place.elements}"
        raise blob.refusal(came, "one inside its storage")
    size = storage.itemsize
    return Storage(storage.data[offset * size : (offset + count) * size], storage.code)


def _int64(blob: Blob, at: int) -> int:
    return int(struct.unpack_from("<q", blob.view, at)[0])


def _root(archive: Archive, blob: Blob) -> str:
    """The one folder of the archive, with its slash."""
    kind = zip_kind(archive.members)
    if kind != "torch":
        raise blob.refusal(*_NOT_DATA[kind])
    pickles = [name for name in archive.members if name.endswith("data.pkl")]
    root = pickles[0].removesuffix("data.pkl")
    if root.count("/") != 1 or not all(name.startswith(root) for name in archive.members):
        raise blob.refusal("zip archive with more than one root", "a file of torch.save")
    return root
