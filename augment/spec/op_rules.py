"""What albumentations checks of one value by code, said again; the packaged table names the
checks.

A check takes a value as its type made it, gives what the library makes of it, and raises
ValueError where the library refuses it or warns of it. A test holds the verdicts against the
installed library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

_INFINITE = float("inf")


def pair_of(value: Any, low: Any = None, bias: float = 0) -> tuple[Any, Any]:
    """A pair from a pair in any order, or from a number: (-number, number), or low and it."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) != 2:
            raise ValueError("two numbers")
        first, second = min(value), max(value)
    elif isinstance(value, int | float):
        first, second = (-value, value) if low is None else (min(low, value), max(low, value))
    else:
        raise TypeError("a number or two")
    first, second = bias + first, bias + second
    whole = isinstance(value if isinstance(value, int | float) else first, int)
    return (int(first), int(second)) if whole else (float(first), float(second))


def _within(pair: Sequence[Any], low: float, high: float) -> None:
    if not all(low <= x <= high for x in pair) or not pair[0] <= pair[1]:
        raise ValueError("numbers within bounds, in order")


def _bounds(value: Any, low: float, high: float | None, with_low: bool, with_high: bool) -> Any:
    for x in value if value is not None else ():
        if not (x >= low if with_low else x > low):
            raise ValueError("numbers within bounds")
        if high is not None and not (x <= high if with_high else x < high):
            raise ValueError("numbers within bounds")
    return value


def _nondecreasing(value: Any) -> Any:
    if not value[0] <= value[1]:
        raise ValueError("numbers in order")
    return value


def _non_negative(value: Any) -> Any:
    pair = pair_of(0 if value is None else value, 0)
    if not all(x >= 0 for x in pair):
        raise ValueError("numbers from 0")
    return pair


def _kernel(value: Any) -> tuple[int, int]:
    """Sizes of a blur's kernel. The library changes even and small ones with a warning, and
    every warning is an error here."""
    pair = (int(value[0]), int(value[1])) if isinstance(value, tuple) else (3, int(value))
    if pair[0] > pair[1] or any(size < 3 or size % 2 == 0 for size in pair):
        raise ValueError("odd sizes from 3, in order")
    return pair


def _around_one(value: Any) -> tuple[Any, Any]:
    pair = pair_of(value, 0)
    if not pair[0] < 1.0 < pair[1]:
        raise ValueError("numbers with 1 between them")
    return pair


def by_axis(value: Any, default: float = 1.0) -> dict[str, tuple[Any, Any]]:
    """Of Affine: one value for both axes, or {x, y}."""
    if isinstance(value, dict):
        if "x" not in value and "y" not in value:
            raise ValueError("x or y")
        return {axis: _both(value.get(axis, default)) for axis in ("x", "y")}
    return {"x": _both(value), "y": _both(value)}


def _both(value: Any) -> tuple[Any, Any]:
    return pair_of(value, value)


def _distortion(value: Any) -> tuple[Any, Any]:
    pair = pair_of(value)
    _within(pair, -1, 1)
    return pair


def _grid(value: Any) -> tuple[Any, Any]:
    pair = _both(value)
    _within(pair, 2, 1 << 53)
    return pair


def _bits(value: Any) -> Any:
    if isinstance(value, int):
        if not 1 <= value <= 7:
            raise ValueError("from 1 to 7")
        return value, value
    if len(value) > 2:
        return [_both(each) for each in value]
    return _both(value)


def _scale(value: Any) -> tuple[Any, Any]:
    pair = pair_of(value, bias=1.0)
    _within(pair, 0, _INFINITE)
    return pair


def _whole(value: Any) -> tuple[int, int]:
    return int(value[0]), int(value[1])


def _factor(value: Any) -> Any:
    """Of ColorJitter: a factor around 1."""
    return _jitter(value, 0, _INFINITE)


def _hue(value: Any) -> Any:
    return _jitter(value, -0.5, 0.5)


def _jitter(value: Any, low: float, high: float) -> Any:
    if isinstance(value, tuple):
        _within(value, low, high)
    elif value < 0:
        raise ValueError("a number from 0")
    return value


VALUES: Mapping[str, Callable[..., Any]] = {
    "bounds": _bounds,
    "nondecreasing": _nondecreasing,
    "process_non_negative_range": _non_negative,
    "create_symmetric_range": pair_of,
    "convert_to_0plus_range": lambda value: pair_of(value, 0),
    "convert_to_1plus_range": lambda value: pair_of(value, 1),
    "float2int": _whole,
    "AdvancedBlur._check_beta_limit": _around_one,
    "Affine._process_rotate": _both,
    "Affine._process_shear": by_axis,
    "Blur.process_blur": _kernel,
    "ColorJitter._check_ranges": _factor,
    "ColorJitter._check_ranges hue": _hue,
    "GridDistortion._check_limits": _distortion,
    "PiecewiseAffine._process_range": _grid,
    "Posterize._validate_num_bits": _bits,
    "RandomScale._check_scale_limit": pair_of,
    "ShiftScaleRotate._check_scale_limit": _scale,
    "UnsharpMask._process_blur": _kernel,
}
"""Checks of one value, by their names in the table."""
