"""Which files of a source hold the same bytes, so that a draw of splits can keep them together.

Files of one size alone can be equal; of those the first bytes are read, of those that agree the
last ones, and only of what is still alike the whole. A store that tells the MD5 of its objects is
asked to: one object is read to see whether it does. A file that cannot be read equals none: what
becomes of it shows when its row is made. Knows nothing of labels and splits.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from augment.errors import RequestError, StorageError
from augment.sources.reading import about_one_file, in_order
from augment.storage import Folder

HEAD_BYTES = 4 << 10
_TAIL_BYTES = 4 << 10
_BLOCK = 1 << 20
_AT_ONCE = 64  # files that one thread reads in turn
_MD5_TAG = re.compile(r"-?\d+-([0-9a-f]{32})")
"""A token of size and ETag, where the tag may be an MD5: of an object put in one part."""


def equal_files(folder: Folder, listing: pa.Table) -> np.ndarray:
    """(rows,) int64: the same number for files of equal bytes, -1 for a file that equals none.
    listing: columns locator (relative to `folder`), size and token.

    Raises:
        StorageError: the store cannot be reached.
    """
    sizes = listing.column("size").to_numpy()
    groups = shared(np.where(sizes == 0, -1, _numbered(sizes)))  # an empty file is no image
    groups = _told_apart(groups, *_tags(folder, listing, groups))
    for part in (_head, _tail, _whole):
        rows = np.flatnonzero(groups >= 0)
        groups = _told_apart(groups, rows, _read(folder, listing, rows, part))
    return groups


def shared(groups: np.ndarray) -> np.ndarray:
    """Groups as `equal_files` gives them: -1 where a group has one member, the others numbered
    anew from 0."""
    known = groups >= 0
    numbers = _numbered(groups[known])
    several = np.bincount(numbers, minlength=1)[numbers] > 1
    out = np.full(groups.size, -1, np.int64)
    out[np.flatnonzero(known)[several]] = _numbered(numbers[several])
    return out


def names_of(digests: Sequence[bytes]) -> np.ndarray:
    """(n, 2) uint64 of the first 16 bytes of digests; (0, 0) where there is none."""
    raw = b"".join(d[:16] or bytes(16) for d in digests)
    return np.frombuffer(raw, np.uint64).reshape(-1, 2)


def grouped(names: np.ndarray) -> np.ndarray:
    """Groups of equal names, (n, 2) uint64; (0, 0) equals none."""
    alone = (names == 0).all(axis=1)
    return shared(np.where(alone, -1, _numbered(names)))


def _numbered(values: np.ndarray) -> np.ndarray:
    """The place of each value, or row of values, among all of them in order."""
    axis = 0 if values.ndim > 1 else None
    inverse = np.unique(values, axis=axis, return_inverse=True)[1]
    return np.asarray(inverse, np.int64).reshape(-1)


def _told_apart(groups: np.ndarray, rows: np.ndarray, names: np.ndarray) -> np.ndarray:
    """The groups, cut by what is known of some rows. names: (rows, 2) uint64."""
    if not rows.size:
        return groups
    alone = (names == 0).all(axis=1)
    own = _numbered(np.column_stack([groups[rows].astype(np.uint64), names]))
    out = groups.copy()
    out[rows] = np.where(alone, -1, groups.size + own)  # apart from groups of other rows
    return shared(out)


# ---- what a store tells ----------------------------------------------------------------


def _tags(folder: Folder, listing: pa.Table, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(rows, MD5 of each) of the groups in which the store tells it of every row."""
    rows = np.flatnonzero(groups >= 0)
    nothing = np.empty(0, np.int64), np.empty((0, 2), np.uint64)
    if folder.is_local or not rows.size:
        return nothing
    tokens = listing.column("token").take(pa.array(rows)).to_pylist()
    found = [_MD5_TAG.fullmatch(token) for token in tokens]
    told = np.array([match is not None for match in found])
    whole = told & ~np.isin(groups[rows], groups[rows[~told]])
    tags = [bytes.fromhex(m[1]) for m, use in zip(found, whole, strict=True) if m and use]
    if not tags or not _is_md5(folder, listing, int(rows[whole][0]), tags[0]):
        return nothing
    return rows[whole], names_of(tags)


def _is_md5(folder: Folder, listing: pa.Table, row: int, tag: bytes) -> bool:
    """Whether a row's tag is the MD5 of its bytes: those of encrypted objects are not."""
    parts = _whole(folder, listing.column("locator")[row].as_py(), -1)
    return _digest(folder, parts, hashlib.md5()) == tag


# ---- what files hold -------------------------------------------------------------------

Part = Callable[[Folder, str, int], Iterator[bytes]]
"""(folder, path, size) -> some of the file's bytes; nothing where they are known already."""


def _head(folder: Folder, path: str, size: int) -> Iterator[bytes]:
    yield folder.start(path, HEAD_BYTES)


def _tail(folder: Folder, path: str, size: int) -> Iterator[bytes]:
    if not 0 <= size <= HEAD_BYTES:  # else the head was all of it
        with folder.open(path) as file:
            file.seek(max(0, file.seek(0, io.SEEK_END) - _TAIL_BYTES))
            yield file.read(_TAIL_BYTES)


def _whole(folder: Folder, path: str, size: int) -> Iterator[bytes]:
    if not 0 <= size <= HEAD_BYTES:
        with folder.open(path) as file:
            while part := file.read(_BLOCK):
                yield part


def _digest(folder: Folder, parts: Iterable[bytes], state: Any = None) -> bytes:
    """Of what was read; b"" where it cannot be read."""
    state = state or hashlib.sha256()
    try:
        for part in parts:
            state.update(part)
    except (FileNotFoundError, RequestError):
        return b""
    except StorageError as error:
        if about_one_file(folder, error):
            return b""
        raise
    return bytes(state.digest())


def _read(folder: Folder, listing: pa.Table, rows: np.ndarray, part: Part) -> np.ndarray:
    """(rows, 2) uint64: names of what a part of each file holds."""

    def one(some: np.ndarray) -> np.ndarray:
        files = listing.select(["locator", "size"]).take(pa.array(some))
        pairs = zip(*(column.to_pylist() for column in files.columns), strict=True)
        return names_of([_digest(folder, part(folder, *pair)) for pair in pairs])

    chunks = (rows[i : i + _AT_ONCE] for i in range(0, rows.size, _AT_ONCE))
    names = [np.empty((0, 2), np.uint64), *in_order(one, chunks, in_threads=True)]
    return np.concatenate(names)
