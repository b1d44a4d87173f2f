"""Feature arrays as every measure takes them: checked once, at the door."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

Array = np.ndarray
_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
_CHECKED_AT_ONCE = 1 << 22


def checked(name: str, features_ND: Array, least_rows: int = 1) -> Array:
    """The same array, C-contiguous.

    features_ND: (N, D) float32 or float64, finite, D >= 1. name: what the error calls it.

    Raises:
        ValueError: it is something else; the text names place, what came and what was expected.
    """
    array = np.asarray(features_ND)
    if array.ndim != 2 or array.dtype not in _FLOATS:
        raise ValueError(
            f"{name}: got shape {array.shape} of {array.dtype}; expected (N, D) of float32 or "
            "float64, a row an image"
        )
    if len(array) < least_rows or array.shape[1] < 1:
        raise ValueError(
            f"{name}: got shape {array.shape}; expected at least {least_rows} rows and 1 column"
        )
    for begin, block in blocks(array, max(1, _CHECKED_AT_ONCE // array.shape[1])):
        if not (finite := np.isfinite(block).all(axis=1)).all():
            row = begin + int(np.argmin(finite))
            column = int(np.argmin(np.isfinite(array[row])))
            raise ValueError(
                f"{name}[{row}, {column}]: got {array[row, column]}; expected finite numbers. "
                "Leave out the image, or look at its extractor"
            )
    return np.ascontiguousarray(array)


def checked_pair(real_ND: Array, made_ND: Array, least_rows: int = 1) -> tuple[Array, Array]:
    """Both arrays as `checked` gives them, of one D and one dtype (the wider of the two).

    Raises:
        ValueError: one is refused, or D differs.
    """
    real, made = checked("real_ND", real_ND, least_rows), checked("made_ND", made_ND, least_rows)
    if real.shape[1] != made.shape[1]:
        raise ValueError(
            f"made_ND: got D = {made.shape[1]}; expected {real.shape[1]}, as real_ND has. "
            "Take both from one extractor"
        )
    wider = np.result_type(real, made)
    return real.astype(wider, copy=False), made.astype(wider, copy=False)


def blocks(array: Array, rows: int) -> Iterator[tuple[int, Array]]:
    """(index of its first row, view of at most `rows` rows), in order."""
    for begin in range(0, len(array), rows):
        yield begin, array[begin : begin + rows]


def unit_rows(name: str, features_ND: Array, first: int = 0) -> Array:
    """Each row divided by its length, (N, D) float64. first: index of row 0, for the error.

    Raises:
        ValueError: a row is all zeros and has no direction.
    """
    wide = features_ND.astype(np.float64)
    wide /= np.abs(wide).max(axis=1, keepdims=True, initial=0.0).clip(min=np.finfo(float).tiny)
    lengths = np.sqrt(np.einsum("ij,ij->i", wide, wide))
    if not (some := lengths > 0).all():
        raise ValueError(
            f"{name}[{first + int(np.argmin(some))}]: got a row of zeros; expected a direction, "
            "which a cosine needs"
        )
    wide /= lengths[:, None]
    return wide
