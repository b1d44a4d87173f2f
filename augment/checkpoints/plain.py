"""JSON-like values from an inert tree: numbers, texts, lists, and dicts with text keys.

The containers that checkpoints use become lists and dicts (tuples, sets, OrderedDict,
NVIDIA's EasyDict); numpy's scalars and small arrays of numbers become numbers and lists,
decoded from their bytes here. Everything else is refused and named. Knows no checkpoint.

Source of the numpy forms: numpy/core/src/multiarray/methods.c (`array_setstate`),
scalartypes.c and numeric.py (`_frombuffer`), in numpy 1.26 and 2.4.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np

from augment.checkpoints.blob import Blob, shown
from augment.checkpoints.inert import Global, Node
from augment.checkpoints.limits import (
    MAX_DEPTH,
    MAX_DIMENSIONS,
    MAX_ELEMENTS,
    MAX_VALUES,
)
from augment.errors import UnsafeCheckpoint

_DICTS = {"collections.OrderedDict", "dnnlib.util.EasyDict", "builtins.dict", "__builtin__.dict"}
_SETS = {"builtins.set", "__builtin__.set", "builtins.frozenset", "__builtin__.frozenset"}
_CORES = ("numpy.core", "numpy._core")
_SCALARS = {f"{core}.multiarray.scalar" for core in _CORES}
_ARRAYS = {f"{core}.multiarray._reconstruct" for core in _CORES}
_BUFFERS = {f"{core}.numeric._frombuffer" for core in _CORES}
_ENCODE = "_codecs.encode"
_DTYPE = "numpy.dtype"

PLAIN_GLOBALS = frozenset(
    {*_DICTS, *_SETS, *_SCALARS, *_ARRAYS, *_BUFFERS, _ENCODE, _DTYPE, "numpy.ndarray"}
)
"""What a plain value may name."""

_DTYPES = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"}


class Plain:
    """Takes plain values out of one blob's tree; counts them, so that a tree whose parts
    are shared a million times is not written out."""

    def __init__(self, blob: Blob) -> None:
        self._blob = blob
        self._left = MAX_VALUES

    def value(self, value: object, place: str, depth: int = 0) -> Any:
        """The value that stands at `place`.

        Raises:
            UnsafeCheckpoint: it holds anything that is not plain, or too much of it.
        """
        self._spend(1, place)
        if depth > MAX_DEPTH:
            raise self._blob.refusal(
                f"{place} is nested more than {MAX_DEPTH} deep", "a plain value"
            )
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, list | tuple):
            return [self.value(item, place, depth + 1) for item in value]
        if is_mapping(value):
            return self._dict(self.mapping(value, place), place, depth)
        if isinstance(value, Node):
            return self._node(value, place, depth)
        raise self.refused(value, place)

    def texts(self, value: object, place: str) -> set[str]:
        """The members of a set or list of texts."""
        found = self.value(value, place)
        if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
            raise self.refused(value, place)
        return set(found)

    def refused(self, value: object, place: str) -> UnsafeCheckpoint:
        return self._blob.refusal(
            f"{place} holds {called(value)}", "numbers, texts, lists and dicts", at=position(value)
        )

    def mapping(self, value: object, place: str) -> Mapping[Any, object]:
        """The entries of a dict, as they stand.

        Raises:
            UnsafeCheckpoint: it is no dict, or there are too many.
        """
        if not is_mapping(value):
            raise self._blob.refusal(f"{place} is {called(value)}", "a dict", at=position(value))
        if isinstance(value, dict):
            self._spend(len(value), place)
            return value
        pairs = _pairs(value)
        if pairs is None:
            raise self._blob.refusal(f"{place} is {called(value)} of no entries", "some")
        self._spend(len(pairs), place)
        return dict(pairs)

    def _spend(self, count: int, place: str) -> None:
        self._left -= count
        if self._left < 0:
            came = f"{place} and what was read before hold more than {MAX_VALUES} values"
            raise self._blob.refusal(came, "a checkpoint's settings")

    def _dict(self, items: Mapping[Any, object], place: str, depth: int) -> dict[str, Any]:
        for key in items:
            if not isinstance(key, str):
                raise self.refused(key, f"a key of {place}")
        return {key: self.value(item, place, depth + 1) for key, item in items.items()}

    def _node(self, node: Node, place: str, depth: int) -> Any:
        if node.kind == "set":
            return self.value(list(node.args), place, depth + 1)
        if node.path in _SETS:
            return self.value(node.args[0] if node.args else [], place, depth + 1)
        array = _array(node)
        if array is None:
            raise self.refused(node, place)
        self._spend(array.size, place)
        return array.tolist()


def is_mapping(value: object) -> TypeGuard[dict[Any, object] | Node]:
    """Whether the value is a dict or one of the known kinds of dict."""
    return isinstance(value, dict) or (isinstance(value, Node) and value.path in _DICTS)


def is_sizes(value: object) -> TypeGuard[Sequence[int]]:
    """Whether the value is a short tuple or list of whole numbers from 0 below 2**63."""
    return (
        isinstance(value, tuple | list)
        and len(value) <= MAX_DIMENSIONS
        and all(type(n) is int and 0 <= n < 1 << 63 for n in value)
    )


def is_shape(value: object) -> TypeGuard[Sequence[int]]:
    """Whether the value is a shape within the limits; sizes of 0 hide no large ones."""
    if not is_sizes(value):
        return False
    return math.prod(max(n, 1) for n in value) <= MAX_ELEMENTS


def called(value: object) -> str:
    """What a value is, for errors."""
    if isinstance(value, Global):
        return f"the global {shown(value.path)}"
    if isinstance(value, Node) and value.path:
        return f"an object of {shown(value.path)}"
    if isinstance(value, Node):
        return f"a {value.kind} object"
    return f"the value {shown(value)}" if isinstance(value, str | int | float) else shown(value)


def position(value: object) -> int | None:
    """The byte where a global or an object stands in its pickle."""
    return value.at if isinstance(value, Global | Node) else None


def _pairs(node: Node) -> list[tuple[Any, object]] | None:
    """Python 2 gave the entries of an OrderedDict as an argument, before any other."""
    given = node.args[0] if node.args else []
    if node.kwargs or len(node.args) > 1 or not isinstance(given, list):
        return None
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in given):
        return None
    if not all(isinstance(key, str) for key, _ in given):
        return None
    return [*((key, value) for key, value in given), *node.items]


def _array(node: Node) -> np.ndarray | None:
    """A numpy scalar (0-d) or array of plain numbers, None if it is none."""
    if node.path in _SCALARS and len(node.args) == 2:
        return _numbers(node.args[0], node.args[1], ())
    if node.path in _ARRAYS and isinstance(node.state, tuple) and len(node.state) == 5:
        _, shape, dtype, fortran, data = node.state
        return _numbers(dtype, data, shape, fortran is True)
    if node.path in _BUFFERS and len(node.args) == 4:
        data, dtype, shape, order = node.args
        return _numbers(dtype, data, shape, order == "F")
    return None


def _numbers(
    dtype: object, data: object, shape: object, fortran: bool = False
) -> np.ndarray | None:
    found, raw = _dtype(dtype), _bytes(data)
    if found is None or raw is None or not is_shape(shape):
        return None
    if math.prod(shape) * found.itemsize != len(raw):
        return None
    flat = np.frombuffer(raw, "u1") != 0 if found.kind == "b" else np.frombuffer(raw, found)
    return np.asarray(flat.reshape(tuple(shape), order="F" if fortran else "C"))


def _dtype(value: object) -> np.dtype[Any] | None:
    """From `numpy.dtype(code, ...)` and its state (version, byte order, ...)."""
    if not isinstance(value, Node) or value.path != _DTYPE or not value.args:
        return None
    code = value.args[0]
    if not isinstance(code, str) or code not in _DTYPES:
        return None
    state = value.state
    big = isinstance(state, tuple) and len(state) > 1 and state[1] == ">"
    return np.dtype(code).newbyteorder(">" if big else "<")


def _bytes(value: object) -> bytes | None:
    """Protocol 2 has no bytes: they stand as `_codecs.encode(text, "latin1")`."""
    if isinstance(value, bytes):
        return value
    text = value
    if isinstance(value, Node) and value.path == _ENCODE and value.args[1:] == ("latin1",):
        text = value.args[0]
    try:
        return text.encode("latin1") if isinstance(text, str) else None
    except UnicodeEncodeError:
        return None
