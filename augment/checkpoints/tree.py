"""The regular files of a local model folder, or the reason why it is not touched.

A link is followed only where a model cache puts it: from `snapshots/<revision>/...` to a
file of `blobs/` of the same model. Links that lead anywhere else, links to folders, names
that could mean another place, and files that are no files are refused. Hidden entries are
not looked into. Knows nothing of models.

Source of the cache's layout: huggingface_hub, "Manage your cache" (snapshots, blobs, refs).
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from augment.checkpoints.blob import shown
from augment.checkpoints.limits import MAX_FOLDER_DEPTH, MAX_FOLDER_FILES
from augment.errors import CheckpointError, StorageError, UnsafeCheckpoint

_NAME = re.compile(r"[\w.,+@()\[\]= -]{1,255}")


@dataclass(frozen=True)
class File:
    """inside: the path in the folder, '/'-separated. size: bytes."""

    inside: str
    path: Path
    size: int

    @property
    def folder(self) -> str:
        """The folder inside that holds it, "" the outermost."""
        return self.inside.rpartition("/")[0]

    @property
    def name(self) -> str:
        return self.inside.rpartition("/")[2]


def refused(folder: Path, inside: str, came: str, expected: str, way_out: str) -> UnsafeCheckpoint:
    """The error about a file of the folder."""
    return UnsafeCheckpoint(f"{folder.name}/{inside}: {came}; expected {expected}; {way_out}")


def list_files(folder: Path) -> tuple[list[File], list[str]]:
    """(files, hidden entries), both sorted.

    Raises:
        UnsafeCheckpoint: a link, a name or a file that is refused, or too many.
        CheckpointError: there is no such folder.
        StorageError: it cannot be read.
    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder.name}: no such folder: {folder}")
    files: list[File] = []
    hidden: list[str] = []
    try:
        for entry, inside in _walk(folder, "", 0):
            if entry.name.startswith("."):
                hidden.append(inside)
                continue
            files.append(_file(folder, entry, inside))
            if len(files) > MAX_FOLDER_FILES:
                raise refused(folder, inside, "one file too many", f"{MAX_FOLDER_FILES}", _CLEAN)
    except OSError as error:
        raise StorageError(f"{folder}: cannot be read: {error}") from error
    return sorted(files, key=lambda file: file.inside), sorted(hidden)


_CLEAN = "download the model again into a folder of its own"


def _walk(folder: Path, below: str, depth: int) -> Iterator[tuple[os.DirEntry[str], str]]:
    with os.scandir(folder / below) as entries:
        for entry in entries:
            inside = f"{below}/{entry.name}" if below else entry.name
            if not _NAME.fullmatch(entry.name):
                raise refused(folder, shown(inside), "an odd name", "plain characters", _CLEAN)
            if not entry.is_dir(follow_symlinks=False) or entry.name.startswith("."):
                yield entry, inside
            elif depth >= MAX_FOLDER_DEPTH:
                raise refused(folder, inside, "a folder too deep", f"{MAX_FOLDER_DEPTH}", _CLEAN)
            else:
                yield from _walk(folder, inside, depth + 1)


def _file(folder: Path, entry: os.DirEntry[str], inside: str) -> File:
    path = Path(entry.path)
    if entry.is_symlink():
        path = _blob_of(folder, path, inside)
    found = os.lstat(path)
    if not stat.S_ISREG(found.st_mode):
        raise refused(folder, inside, "no regular file", "one", _CLEAN)
    return File(inside, path, found.st_size)


def _blob_of(folder: Path, link: Path, inside: str) -> Path:
    """The file of the cache that a link of a snapshot stands for."""
    target = Path(os.path.realpath(link))
    here = Path(os.path.realpath(folder))
    for snapshots in (above for above in here.parents if above.name == "snapshots"):
        if target.parent == snapshots.parent / "blobs":
            return target
    raise refused(
        folder, inside, "a link that leaves the model", "files, or links of a model cache to its "
        "own blobs", _CLEAN,
    )  # fmt: skip
