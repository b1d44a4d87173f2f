"""Writes pickles, storages and zip archives byte by byte, so that nothing needs to exist
that they name. What is written here could run; nothing here reads a pickle."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch


@dataclass(frozen=True)
class G:
    """A global by module and name."""

    module: str
    name: str


@dataclass(frozen=True)
class Call:
    """func(*args), then items set and a state given."""

    func: Any
    args: tuple[Any, ...] = ()
    items: tuple[tuple[Any, Any], ...] = ()
    state: Any = None
    op: bytes = b"R"


@dataclass(frozen=True)
class Persistent:
    key: Any


@dataclass(frozen=True)
class Raw:
    """Instructions as they are."""

    code: bytes


@dataclass(frozen=True)
class Kept:
    """A value that is put into the memo."""

    value: Any
    index: int


@dataclass(frozen=True)
class Again:
    """A value of the memo."""

    index: int


@dataclass
class _Writer:
    protocol: int
    out: list[bytes] = field(default_factory=list)

    def put(self, value: Any) -> None:
        match value:
            case None | True | False:
                self.out.append({None: b"N", True: b"\x88", False: b"\x89"}[value])
            case int():
                data = value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)
                self.out.append(b"\x8b" + struct.pack("<i", len(data)) + data)
            case float():
                self.out.append(b"G" + struct.pack(">d", value))
            case str():
                data = value.encode()
                self.out.append(b"X" + struct.pack("<I", len(data)) + data)
            case bytes():
                self.out.append(b"B" + struct.pack("<I", len(value)) + value)
            case tuple() | list() | set() | dict():
                self.container(value)
            case _:
                self.special(value)

    def container(self, value: Any) -> None:
        match value:
            case tuple():
                self.many(b"(", value, b"t")
            case list():
                self.many(b"](", value, b"e")
            case set():
                self.many(b"\x8f(", sorted(value), b"\x90")
            case dict():
                self.many(b"}(", [part for item in value.items() for part in item], b"u")

    def special(self, value: Any) -> None:
        match value:
            case G(module, name):
                if self.protocol < 4:
                    self.out.append(f"c{module}\n{name}\n".encode())
                else:
                    self.put(module)
                    self.put(name)
                    self.out.append(b"\x93")
            case Call(func, args, items, state, op):
                self.put(func)
                self.put(args)
                self.out.append(op)
                if items:
                    self.many(b"(", [part for item in items for part in item], b"u")
                if state is not None:
                    self.put(state)
                    self.out.append(b"b")
            case Persistent(key):
                self.put(key)
                self.out.append(b"Q")
            case Kept(kept, index):
                self.put(kept)
                self.out.append(b"r" + struct.pack("<I", index))
            case Again(index):
                self.out.append(b"j" + struct.pack("<I", index))
            case Raw(code):
                self.out.append(code)
            case _:
                raise TypeError(value)

    def many(self, start: bytes, values: Any, end: bytes) -> None:
        self.out.append(start)
        for value in values:
            self.put(value)
        self.out.append(end)


def dumps(value: Any, protocol: int = 2) -> bytes:
    writer = _Writer(protocol)
    writer.put(value)
    return bytes([0x80, protocol]) + b"".join(writer.out) + b"."


ORDERED = G("collections", "OrderedDict")


def ordered(entries: Mapping[str, Any]) -> Call:
    return Call(ORDERED, (), tuple(entries.items()))


def system(canary: Path) -> Call:
    """Would make the canary file."""
    return Call(G("posix", "system"), (f"touch {canary}",))


def tensor(storage: Any, size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> Call:
    args = (storage, offset, size, stride, False, Call(ORDERED))
    return Call(G("torch._utils", "_rebuild_tensor_v2"), args)


def floats(count: int, key: str = "0") -> Persistent:
    """A storage of a zip or legacy container."""
    return Persistent(("storage", G("torch", "FloatStorage"), key, "cpu", count))


def zipped(value: Any, members: Mapping[str, bytes] | None = None, **written: Any) -> bytes:
    """The zip container around a tree or a whole pickle."""
    pickled = value if isinstance(value, bytes) else dumps(value)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **written) as archive:
        archive.writestr("a/data.pkl", pickled)
        for name, data in (members or {}).items():
            archive.writestr(name, data)
    return out.getvalue()


def saved(value: Any, new: bool = True) -> bytes:
    """torch.save in the zip or the legacy container."""
    out = io.BytesIO()
    torch.save(value, out, _use_new_zipfile_serialization=new)
    return out.getvalue()


def storage_bytes(value: torch.Tensor) -> bytes:
    """The container that torch embeds in a pickle for the storage of a tensor."""
    typed = torch.storage.TypedStorage(
        wrap_storage=value.untyped_storage(), dtype=value.dtype, _internal=True
    )
    data = typed.__reduce__()[1][0]
    assert isinstance(data, bytes)
    return data


def embedded(value: torch.Tensor) -> Call:
    """A tensor as it stands in a plain pickle."""
    load = Call(G("torch.storage", "_load_from_bytes"), (storage_bytes(value),))
    return tensor(load, tuple(value.shape), tuple(value.stride()), int(value.storage_offset()))


def parameter(value: torch.Tensor) -> Call:
    return Call(G("torch._utils", "_rebuild_parameter"), (embedded(value), True, Call(ORDERED)))
