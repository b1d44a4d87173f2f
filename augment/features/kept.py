"""Features of a shard, kept: one file for each extractor and shard, written once and whole.

    _features/<extractor>/<shard>.safetensors     two hashes: of what decides the numbers, of a path

A file says what it is of (the extractor's digest, what the shard's bytes are known by) and holds
a hash of its numbers. One that is damaged, of other bytes, of another extractor or of another
version of this format is no error: it is as if it were not there, and is put in its place again.
Opened by anything that reads safetensors. Knows no table, no split and no measure.

Letters: N vectors, D dimensions.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import NamedTuple

import numpy as np
import xxhash

from augment.checkpoints.safetensors_file import read_safetensors
from augment.errors import CheckpointError
from augment.features.protocol import ExtractorInfo
from augment.storage import Folder

FOLDER = "_features"
"""Beside a table. Readers of tables take no folder for data whose name begins so."""
TOLD = "extractor.json"
"""What a folder of features is of, for people."""
TASK = "task"
"""Beside them: the weights of classifiers that were fit on the data set."""
TRIES = "tries"
"""Beside them: marks of tries to extract that have not ended."""
FORMAT = "augment-features/1"
ENDING = ".safetensors"
_DTYPES = ("F32", "I64", "U8")
_NAMES = ("rows", "features", "ends", "ids", "lost")


class Bytes(NamedTuple):
    """The bytes of a shard. path: in its data set. known_by: what changes when they do."""

    path: str
    known_by: str


@dataclass(frozen=True)
class Lost:
    """A row without a vector. row: its place in the shard, from 0. reason: a short code that is
    counted, for example `truncated`; detail: one sentence for a person."""

    row: int
    sample_id: str
    reason: str
    detail: str


@dataclass(frozen=True)
class Kept:
    """The features of one shard by one extractor.

    rows: (N,) int64, ascending, the places of their rows in the shard, from 0. sample_ids: of
    these rows, "" where the shard has none. features: (N, D) float32, finite. lost: the others.
    """

    rows: np.ndarray
    sample_ids: tuple[str, ...]
    features: np.ndarray
    lost: tuple[Lost, ...] = ()


class Shelf:
    """Where the features of the shards of one data set are kept. folder: of these alone.
    Picklable."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    def get(self, info: ExtractorInfo, shard: Bytes) -> Kept | None:
        """What is kept, None where nothing is that holds.

        Raises:
            StorageError: the place cannot be read.
        """
        path = path_of(info, shard.path)
        try:
            data = self.folder.read(path)
        except FileNotFoundError:
            return None
        return unpacked(data, info, shard)

    def put(self, info: ExtractorInfo, shard: Bytes, kept: Kept) -> None:
        """Keep it, unless something that holds is kept already: of two that extract the same
        features, one wins and both read those.

        Raises:
            StorageError: the place cannot be written.
        """
        path, data = path_of(info, shard.path), packed(kept, info, shard)
        if not self.folder.create(path, data) and self.get(info, shard) is None:
            self.folder.replace(path, data)

    def names(self, info: ExtractorInfo) -> frozenset[str]:
        """The names of all files of an extractor, by one listing; what they hold is not looked at.

        Raises:
            StorageError: the place cannot be read.
        """
        return frozenset(file.path for file in self.folder.files(folder_of(info)))


def folder_of(info: ExtractorInfo) -> str:
    """The folder of an extractor's files on a shelf."""
    return info.digest[:32]


def shard_name(path: str) -> str:
    """The name of a shard's file. path: of the shard, in its data set."""
    return hashlib.sha256(path.encode(errors="surrogateescape")).hexdigest()[:32] + ENDING


def path_of(info: ExtractorInfo, path: str) -> str:
    """The path of the file on a shelf. path: of the shard, in its data set."""
    return f"{folder_of(info)}/{shard_name(path)}"


# ---- the file --------------------------------------------------------------------------


def packed(kept: Kept, info: ExtractorInfo, shard: Bytes) -> bytes:
    """The file.

    Raises:
        ValueError: rows, ids and features are not of one number, or not of the extractor's size.
    """
    from safetensors.numpy import save

    if kept.features.shape != (len(kept.rows), info.dimensions) or len(kept.rows) != len(
        kept.sample_ids
    ):
        raise ValueError(
            f"{len(kept.rows)} rows, {len(kept.sample_ids)} ids and features of shape "
            f"{kept.features.shape}; expected one of each, and {info.dimensions} dimensions"
        )
    ids = [one.encode(errors="surrogateescape") for one in kept.sample_ids]
    tensors: dict[str, np.ndarray] = {
        "rows": np.ascontiguousarray(kept.rows, np.int64),
        "features": np.ascontiguousarray(kept.features, np.float32),
        "ends": np.cumsum([len(one) for one in ids], dtype=np.int64),
        "ids": np.frombuffer(b"".join(ids), np.uint8),
        "lost": np.frombuffer(json.dumps([astuple(one) for one in kept.lost]).encode(), np.uint8),
    }
    data: bytes = save(tensors, metadata_of(tensors, info, shard))
    return data


def unpacked(data: bytes, info: ExtractorInfo, shard: Bytes) -> Kept | None:
    """What a file holds; None where it is damaged, or of anything else. The arrays are views."""
    try:
        found = read_safetensors(data, "features", dtypes=_DTYPES)
        if set(found) != set(_NAMES):
            return None
        tensors = {name: found[name] for name in _NAMES}
        fits = found.metadata == metadata_of(tensors, info, shard)
        return _kept(tensors, info) if fits else None
    except (CheckpointError, ValueError, TypeError, RecursionError):
        return None


def metadata_of(
    tensors: Mapping[str, np.ndarray], info: ExtractorInfo, shard: Bytes
) -> dict[str, str]:
    """What the file says of itself: what it is of, and a hash of its numbers."""
    state = xxhash.xxh3_128()
    for name in _NAMES:
        array = tensors.get(name, np.empty(0))
        state.update(f"{name} {array.dtype.str} {array.shape}".encode())
        state.update(np.ascontiguousarray(array).data)
    return {
        "format": FORMAT,
        "extractor": info.digest,
        "name": info.name,
        "shard": shard.path.encode(errors="backslashreplace").decode(),
        "known_by": shard.known_by,
        "numbers": state.hexdigest(),
    }


def _kept(tensors: dict[str, np.ndarray], info: ExtractorInfo) -> Kept | None:
    """Also of a file that somebody made by hand, to whose hash it is no great feat to hold."""
    rows, features, ends = tensors["rows"], tensors["features"], tensors["ends"]
    text = tensors["ids"].tobytes()
    shapes = (features.shape, ends.shape, rows.shape)
    if shapes != ((len(rows), info.dimensions), rows.shape, (len(rows),)):
        return None
    if [one.dtype.str for one in (features, rows, ends)] != ["<f4", "<i8", "<i8"]:
        return None
    starts = [0, *ends.tolist()]
    if starts[-1] != len(text) or sorted(starts) != starts or not np.isfinite(features).all():
        return None
    ids = tuple(text[a:b].decode(errors="surrogateescape") for a, b in itertools.pairwise(starts))
    lost = tuple(Lost(int(n), str(i), str(r), str(d))
                 for n, i, r, d in json.loads(tensors["lost"].tobytes()))  # fmt: skip
    return Kept(rows, ids, features, lost)
