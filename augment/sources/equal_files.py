"""Which images hold the same bytes, so that a draw of splits can keep them together.

Images of one size alone can be equal; of those the first bytes are read, of those that agree the
last ones, and only of what is still alike the whole. Those of several sources are compared as
those of one, also where some lie in files and others in a column, whose bytes were seen already. A
store that tells the MD5 of its objects is asked to: one object of a source is read to see whether
it does. A file that cannot be read equals none: what becomes of it shows when its row is made.
Knows nothing of labels and splits.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from augment.errors import RequestError, StorageError
from augment.sources.reading import about_one_file, in_order
from augment.storage import Folder

HEAD_BYTES = 4 << 10
_TAIL_BYTES = 4 << 10
_BLOCK = 1 << 20
_AT_ONCE = 64  # files that one thread reads in turn
_MD5_TAG = re.compile(r"-?\d+-([0-9a-f]{32})")
"""A token of size and ETag, where the tag may be an MD5: of an object put in one part."""
_NO_NAMES = np.empty((0, 2), np.uint64)


@dataclass(frozen=True)
class Images:
    """Images of one source, of which some lie in files and some were seen.

    paths: (n,) text, relative to `folder`; null for an image that was seen. sizes: (n,) int64, -1
    where a store does not tell, 0 for what is no image. tokens: (n,) text. seen: (n, 3, 2)
    uint64, names of an image's parts as `name_parts` gives them; None where none was seen."""

    folder: Folder
    paths: pa.ChunkedArray | pa.StringArray
    sizes: np.ndarray
    tokens: pa.ChunkedArray | pa.StringArray
    seen: np.ndarray | None = None


def equal_files(
    sources: Sequence[Images], wanted: Sequence[bool] | None = None
) -> list[np.ndarray]:
    """For each source (n,) int64: the same number for images of equal bytes, in whatever source,
    -1 for an image that equals none. wanted: the sources that it is about; what equals no image
    of these gets -1 unread (None: all of them).

    Raises:
        StorageError: a store cannot be reached.
    """
    each = _Each(sources)
    asked = np.repeat(np.array(wanted or [True] * len(sources), bool), each.counts)
    sizes = np.concatenate([s.sizes for s in sources] or [np.empty(0, np.int64)])
    groups = np.where(sizes == 0, -1, _numbered(sizes))  # an empty file is no image
    groups = _about(shared(groups), asked)
    groups = _about(_told_apart(groups, *_tags(each, groups)), asked)
    for at, part in enumerate((_head, _tail, _whole)):
        rows = np.flatnonzero(groups >= 0)
        groups = _about(_told_apart(groups, rows, _names(each, rows, at, part)), asked)
    return np.split(groups, each.ends[:-1]) if sources else []


def name_parts(data: bytes) -> bytes:
    """Of an image that is at hand: 16 bytes each that name its beginning, its end and the whole,
    as those of a file of its size are named."""
    small = len(data) <= HEAD_BYTES  # the beginning was all of it
    parts = (data[:HEAD_BYTES], b"" if small else data[-_TAIL_BYTES:], b"" if small else data)
    return b"".join(hashlib.sha256(part).digest()[:16] for part in parts)


def shared(groups: np.ndarray) -> np.ndarray:
    """Groups as `equal_files` gives them: -1 where a group has one member, the others numbered
    anew from 0."""
    known = groups >= 0
    numbers = _numbered(groups[known])
    several = np.bincount(numbers, minlength=1)[numbers] > 1
    out = np.full(groups.size, -1, np.int64)
    out[np.flatnonzero(known)[several]] = _numbered(numbers[several])
    return out


def _about(groups: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """The groups in which an image is asked about; -1 in the others."""
    return groups if asked.all() else np.where(np.isin(groups, groups[asked]), groups, -1)


def _numbered(values: np.ndarray) -> np.ndarray:
    """The place of each value, or row of values, among all of them in order."""
    axis = 0 if values.ndim > 1 else None
    inverse = np.unique(values, axis=axis, return_inverse=True)[1]
    return np.asarray(inverse, np.int64).reshape(-1)


def _told_apart(groups: np.ndarray, rows: np.ndarray, names: np.ndarray) -> np.ndarray:
    """The groups, cut by what is known of some rows. names: (rows, 2) uint64; (0, 0) where an
    image cannot be read."""
    if not rows.size:
        return groups
    alone = (names == 0).all(axis=1)
    own = _numbered(np.column_stack([groups[rows].astype(np.uint64), names]))
    out = groups.copy()
    out[rows] = np.where(alone, -1, groups.size + own)  # apart from groups of other rows
    return shared(out)


class _Each:
    """Rows of all sources, numbered through."""

    def __init__(self, sources: Sequence[Images]) -> None:
        self.sources = sources
        self.counts = [s.sizes.size for s in sources]
        self.ends = np.cumsum(self.counts)

    def of(self, rows: np.ndarray) -> Iterator[tuple[Images, slice, np.ndarray]]:
        """Each source, where its own of some sorted rows stand among them, and their numbers
        within it."""
        cuts = [0, *np.searchsorted(rows, self.ends).tolist()]
        for source, end, n, (a, b) in zip(
            self.sources, self.ends.tolist(), self.counts, pairwise(cuts), strict=True
        ):
            yield source, slice(a, b), rows[a:b] - (end - n)


# ---- what a store tells ----------------------------------------------------------------


def _tags(each: _Each, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(rows, MD5 of each) of the groups in which stores tell it of every row."""
    rows = np.flatnonzero(groups >= 0)
    names, told = np.zeros((rows.size, 2), np.uint64), np.zeros(rows.size, bool)
    for source, at, own in each.of(rows):
        tags = [] if source.folder.is_local else _said(source, own)
        if any(tags):
            names[at], told[at] = names_of(tags), [bool(tag) for tag in tags]
    for source, at, own in each.of(rows):
        used = _of_all(told, groups[rows])[at]
        if used.any():
            first = int(np.flatnonzero(used)[0])
            told[at] &= _is_md5(source, int(own[first]), names[at][first])
    whole = _of_all(told, groups[rows])
    return rows[whole], names[whole]


def _of_all(told: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Of what is told, what is so of every member of a group."""
    return told & ~np.isin(groups, groups[~told])


def _said(source: Images, rows: np.ndarray) -> list[bytes]:
    """What may be the MD5 of some rows; b"" where it is not told."""
    tokens = source.tokens.take(pa.array(rows)).to_pylist()
    found = [_MD5_TAG.fullmatch(token or "") for token in tokens]
    return [bytes.fromhex(match[1]) if match else b"" for match in found]


def _is_md5(source: Images, row: int, name: np.ndarray) -> bool:
    """Whether a row's tag is the MD5 of its bytes: those of encrypted objects are not."""
    parts = _whole(source.folder, source.paths[row].as_py(), -1)
    found = names_of([_digest(source.folder, parts, hashlib.md5())])
    return bool((found[0] == name).all())


# ---- what images hold ------------------------------------------------------------------

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


def names_of(digests: Sequence[bytes]) -> np.ndarray:
    """(n, 2) uint64 of the first 16 bytes of digests; (0, 0) where there is none."""
    raw = b"".join(d[:16] or bytes(16) for d in digests)
    return np.frombuffer(raw, np.uint64).reshape(-1, 2)


def _names(each: _Each, rows: np.ndarray, at: int, part: Part) -> np.ndarray:
    """(rows, 2) uint64: names of a part of each image. at: its place among those of `seen`."""
    out = [_NO_NAMES]
    for source, _, own in each.of(rows):
        filed = pc.is_valid(source.paths).to_numpy(zero_copy_only=False)[own]
        names = np.zeros((own.size, 2), np.uint64)
        if source.seen is not None:
            names[~filed] = source.seen[own[~filed], at]
        names[filed] = _read(source, own[filed], part)
        out.append(names)
    return np.concatenate(out)


def _read(source: Images, rows: np.ndarray, part: Part) -> np.ndarray:
    """(rows, 2) uint64: names of what a part of each file holds."""

    def one(some: np.ndarray) -> np.ndarray:
        paths = source.paths.take(pa.array(some)).to_pylist()
        whats = (part(source.folder, p, s) for p, s in zip(paths, source.sizes[some], strict=True))
        return names_of([_digest(source.folder, what) for what in whats])

    chunks = (rows[i : i + _AT_ONCE] for i in range(0, rows.size, _AT_ONCE))
    return np.concatenate([_NO_NAMES, *in_order(one, chunks, in_threads=True)])


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
