"""The regular files of a local model folder, or the reason why it is not touched.

A link is followed only where a model cache puts it: from `snapshots/<revision>/...` to a
file of `blobs/` of the same model. Links that lead anywhere else, links to folders, names
that could mean another place, two names that one file system may take for one, and files
that are no files are refused. Hidden entries are named and not looked into: nothing of them
is ever taken. Knows nothing of models.

Source of the cache's layout: huggingface_hub, "Manage your cache" (snapshots, blobs, refs).
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
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


def is_plain_name(name: str) -> bool:
    """Whether a file or folder may be called so: no separator, control or format character."""
    return _NAME.fullmatch(name) is not None


def twin_of(inside: str, seen: dict[str, str]) -> str:
    """A path that was seen before and that some file system may take for this one, or for a
    folder of this one; "" where there is none. seen: what was seen, filled here."""
    parts = inside.split("/")
    for end in range(1, len(parts) + 1):
        path = "/".join(parts[:end])
        other = seen.setdefault(unicodedata.normalize("NFKC", path).casefold(), path)
        if other != path:
            return other
    return ""


def folder_bytes(folder: Path) -> int:
    """Bytes of the files below a folder, of the first `MAX_FOLDER_FILES` entries; links to
    folders are not followed.

    Raises:
        OSError: it cannot be read.
    """
    todo, total, left = [folder], 0, MAX_FOLDER_FILES
    while todo and left:
        with os.scandir(todo.pop()) as entries:
            for entry in entries:
                if not (left := left - 1):
                    break
                if entry.is_dir(follow_symlinks=False):
                    todo.append(Path(entry.path))
                elif entry.is_file():
                    total += entry.stat().st_size
    return total


_CLEAN = "download the model again into a folder of its own"


def _walk(folder: Path, below: str, depth: int) -> Iterator[tuple[os.DirEntry[str], str]]:
    seen: dict[str, str] = {}
    with os.scandir(folder / below) as entries:
        for entry in entries:
            inside = f"{below}/{entry.name}" if below else entry.name
            if twin := twin_of(inside, seen):
                came = f"a name that differs from {shown(twin)} by its case alone"
                raise refused(folder, shown(inside), came, "names that no system confuses", _CLEAN)
            if not is_plain_name(entry.name):
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
