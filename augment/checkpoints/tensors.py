"""Tensors of an inert tree as numpy arrays: views into the bytes of the file.

A tensor is a rectangle in a storage: offset, sizes and strides, in elements. All of it must
lie inside the storage. Arrays are read-only and may be strided; bfloat16, which numpy lacks,
becomes float32 (its upper half). Where storages come from is the container's business.
Everything that a tensor names must be in `TENSOR_GLOBALS`.

Source: torch/_utils.py (`_rebuild_tensor_v2`, `_rebuild_parameter`), torch/_tensor.py
(`_rebuild_from_type_v2`) and torch/storage.py of PyTorch 2.14.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from augment.checkpoints.blob import Blob, shown
from augment.checkpoints.inert import Global, Node, globals_in
from augment.checkpoints.limits import (
    MAX_DIMENSIONS,
    MAX_ELEMENTS,
    MAX_TENSORS,
    SHARING,
    SHARING_FREE_BYTES,
)
from augment.checkpoints.plain import PLAIN_GLOBALS, called, is_shape, is_sizes, position

BFLOAT16 = "bf16"

_STORAGES = {
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "BFloat16Storage": BFLOAT16,
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "b1",
    "UntypedStorage": "u1",
}
_STORAGE_MODULES = ("torch", "torch.cuda", "torch.storage")

_TENSORS = {"torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor"}
_PARAMETERS = {
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
}
_WITH_ATTRIBUTES = "torch._tensor._rebuild_from_type_v2"
_IS_TENSOR = {*_TENSORS, *_PARAMETERS, _WITH_ATTRIBUTES}
LOAD_FROM_BYTES = "torch.storage._load_from_bytes"

TENSOR_GLOBALS = PLAIN_GLOBALS | {
    *_TENSORS,
    *_PARAMETERS,
    _WITH_ATTRIBUTES,
    LOAD_FROM_BYTES,
    "torch.Tensor",
    "torch.nn.parameter.Parameter",
    "torch.Size",
    *(f"{module}.{name}" for module in _STORAGE_MODULES for name in _STORAGES),
}
"""What a tensor, and the state dict around it, may name."""


@dataclass(frozen=True)
class Storage:
    """Numbers in a row. code: numpy's, or `BFLOAT16`. order: `<` or `>`."""

    data: memoryview
    code: str
    order: Literal["<", ">"] = "<"

    @property
    def itemsize(self) -> int:
        return itemsize(self.code)


class TensorReader:
    """Reads tensors out of one blob's tree. storage_of: the storage that a node stands for."""

    def __init__(self, blob: Blob, storage_of: Callable[[Node], Storage]) -> None:
        self._blob = blob
        self._storage_of = storage_of
        self._found: dict[int, np.ndarray] = {}
        self._checked: set[int] = set()
        self._tensors_left = MAX_TENSORS
        self._bytes_left = SHARING * len(blob) + SHARING_FREE_BYTES

    def array(self, value: object, place: str) -> np.ndarray:
        """The tensor or parameter that stands at `place`.

        Raises:
            UnsafeCheckpoint: it is none, names what no tensor needs, lies outside its
                storage or is too large.
        """
        self._tensors_left -= 1
        if self._tensors_left < 0:
            raise self._blob.refusal("too many tensors", f"at most {MAX_TENSORS}")
        if id(value) not in self._found:
            only(TENSOR_GLOBALS, value, place, self._blob, self._checked)
            self._found[id(value)] = self._array(value, place)
        found = self._found[id(value)]
        self._spend(found.nbytes, value, place)
        return found

    def _array(self, value: object, place: str) -> np.ndarray:
        for _ in range(3):  # a parameter around attributes around a tensor
            inner = _inner(value)
            if inner is None:
                break
            value = inner
        if not isinstance(value, Node) or value.path not in _TENSORS or len(value.args) < 4:
            raise self._blob.refusal(
                f"{place} is {called(value)}", "a dense tensor", at=position(value)
            )
        return self._view(value, place)

    def _view(self, node: Node, place: str) -> np.ndarray:
        holder, offset, size, stride = node.args[:4]
        size, stride = _of_torch_size(size), _of_torch_size(stride)
        whole = is_sizes(size) and is_sizes(stride) and is_sizes([offset])
        if not whole or len(size) != len(stride) or len(size) > MAX_DIMENSIONS:
            came = f"tensor {place} has a shape that is none (offset {shown(offset)})"
            expected = f"an offset, and up to {MAX_DIMENSIONS} sizes and strides, none negative"
            raise self._blob.refusal(came, expected, at=node.at)
        if not is_shape(size):
            came = f"tensor {place} has {shown(math.prod(size))} elements"
            raise self._blob.refusal(came, f"at most {MAX_ELEMENTS}", at=node.at)
        if not isinstance(holder, Node):
            raise self._blob.refusal(f"tensor {place} has no storage", "one", at=node.at)
        storage = self._storage_of(holder)
        # a stride along a single element means nothing, however large
        steps = [0 if n == 1 else step for n, step in zip(size, stride, strict=True)]
        last = offset + sum((n - 1) * step for n, step in zip(size, steps, strict=True))
        elements = len(storage.data) // storage.itemsize
        if math.prod(size) == 0:
            return np.zeros(size, _wide(storage.code))
        if last >= elements:
            came = f"tensor {place} reaches element {shown(last)} of a storage of {elements}"
            raise self._blob.refusal(came, "a tensor inside its storage", at=node.at)
        return numbers(storage, size, offset, steps)

    def _spend(self, count: int, value: object, place: str) -> None:
        self._bytes_left -= count
        if self._bytes_left < 0:
            came = f"tensor {place} and those before it repeat the file's {len(self._blob)} bytes"
            expected = f"at most {SHARING} times its size"
            raise self._blob.refusal(came, expected, at=position(value))


def is_tensor(value: object) -> bool:
    """Whether the value says that it is a tensor or a parameter."""
    return isinstance(value, Node) and value.path in _IS_TENSOR


def elements_of(value: object) -> int:
    """How many numbers a tensor says that it has, for people; 0 where it says none."""
    for _ in range(3):
        value = inner if (inner := _inner(value)) is not None else value
    size = value.args[2] if isinstance(value, Node) and len(value.args) > 2 else None
    size = _of_torch_size(size)
    return math.prod(size) if is_shape(size) else 0


def only(
    allowed: frozenset[str], value: object, place: str, blob: Blob, seen: set[int] | None = None
) -> None:
    """Raises:
    UnsafeCheckpoint: the value names a global outside `allowed`; seen: as in `inert.walk`.
    """
    foreign = sorted(globals_in(value, seen) - allowed)
    if foreign:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise blob.refusal(
            f"{place} names {shown(foreign[0])}{more}", "only tensors and plain values"
        )


def storage_code(value: object, blob: Blob, at: int) -> str:
    """Of a storage class such as `torch.FloatStorage`.

    Raises:
        UnsafeCheckpoint: it is no class of plain numbers.
    """
    known = isinstance(value, Global) and value.module in _STORAGE_MODULES
    if not isinstance(value, Global) or not known or value.name not in _STORAGES:
        expected = f"one of {', '.join(_STORAGES)}"
        raise blob.refusal(f"a storage of {called(value)}", expected, at=at)
    return _STORAGES[value.name]


def itemsize(code: str) -> int:
    """Bytes of one element."""
    return 2 if code == BFLOAT16 else np.dtype(code).itemsize


def numbers(
    storage: Storage, shape: Sequence[int], offset: int = 0, steps: Sequence[int] | None = None
) -> np.ndarray:
    """A view of checked sizes; steps: strides in elements, else in C order. A copy where
    the numbers must be widened, turned to the machine's byte order, or made bool."""
    size = storage.itemsize
    code = {BFLOAT16: "u2", "b1": "u1"}.get(storage.code, storage.code)
    array: np.ndarray = np.ndarray(
        tuple(shape),
        np.dtype(code).newbyteorder(storage.order),
        storage.data,
        offset * size,
        None if steps is None else tuple(step * size for step in steps),
    )
    if storage.code == BFLOAT16:
        wide = array.astype(np.uint32) << np.uint32(16)
        return np.asarray(wide, np.uint32).view(np.float32)
    if storage.code == "b1":
        return np.asarray(array != 0)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _wide(code: str) -> str:
    return "f4" if code == BFLOAT16 else code


def _inner(node: object) -> object | None:
    """The tensor inside a parameter or a tensor with attributes."""
    if not isinstance(node, Node) or node.kind != "call":
        return None
    if node.path in _PARAMETERS and node.args:
        return node.args[0]  # type: ignore[no-any-return]
    if node.path == _WITH_ATTRIBUTES and len(node.args) == 4:
        func, kind, args, _ = node.args
        plain = isinstance(kind, Global) and kind.path in TENSOR_GLOBALS
        if plain and isinstance(func, Global) and isinstance(args, tuple):
            return Node("call", func, args, node.at)
    return None


def _of_torch_size(value: Any) -> Any:
    if isinstance(value, Node) and value.path == "torch.Size" and len(value.args) == 1:
        return value.args[0]
    return value
