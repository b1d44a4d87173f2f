"""What an operation sampled, as canonical JSON for the row: small things in full, large
arrays and lists by their sha256.

The same values give the same text on any machine: no addresses, no library's own `repr`.
Knows nothing of albumentations.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np

from augment.seeds import canonical_json

MAX_ELEMENTS = 16
"""Arrays with more are named by sha256, shape and dtype."""
MAX_TEXT = 512
"""So are lists whose JSON text is longer."""


def params_json(params: Mapping[Any, Any]) -> str:
    """`params` as canonical JSON."""
    return canonical_json(plain(params))


def plain(value: Any) -> Any:
    """`value` as JSON values: numpy scalars as Python's, tuples as lists, numbers that are
    not finite as text, an object of an unknown class as that class's name."""
    kind = type(value)
    if kind in _AS_THEY_ARE:  # asked once per number of every row: no `match` on the way
        return value
    if kind is float:
        return _number(value)
    if kind is tuple or kind is list:
        return _list([plain(v) for v in value])
    if kind is dict:
        return {str(k): plain(v) for k, v in value.items()}
    return _array(value) if kind is np.ndarray else _rarely(value)


_AS_THEY_ARE = frozenset({bool, int, str, type(None)})


def _rarely(value: Any) -> Any:
    match value:
        case Enum():
            return plain(value.value)
        case str():
            return str(value)
        case np.generic():
            return plain(value.item())
        case int():
            return int(value)
        case float():
            return _number(float(value))
        case Mapping():
            return plain(dict(value))
        case list() | tuple():
            return plain(list(value))
        case set() | frozenset():
            return _list(sorted((plain(v) for v in value), key=canonical_json))
        case _:
            return {"type": f"{type(value).__module__}.{type(value).__qualname__}"}


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def _list(items: list[Any]) -> Any:
    if len(items) <= MAX_ELEMENTS:
        return items
    text = canonical_json(items)
    if len(text) <= MAX_TEXT:
        return items
    return {"sha256": hashlib.sha256(text.encode()).hexdigest(), "length": len(items)}


def _array(value: np.ndarray) -> Any:
    if value.dtype == object or value.size <= MAX_ELEMENTS:
        return plain(value.tolist())
    # always little-endian, so that the hash does not depend on the machine
    data = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
    return {
        "sha256": hashlib.sha256(data.tobytes()).hexdigest(),
        "shape": list(value.shape),
        "dtype": value.dtype.name,
    }
