"""What of a remote folder is fetched, judged by its listing alone: names, number and sizes of its
files, before a byte of one moves.

Refused are names that could mean another place, programs, files whose size the store does not
tell, and more than `limits` allow. What no reader here would take stays where it is. Knows no
store.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from augment.checkpoints.blob import shown
from augment.checkpoints.folder_weights import is_weights, variant_of
from augment.checkpoints.folders import CODE, SETTINGS, STEMS, WORDS
from augment.checkpoints.limits import (
    MAX_FILE_BYTES,
    MAX_FOLDER_BYTES,
    MAX_FOLDER_DEPTH,
    MAX_FOLDER_FILES,
)
from augment.checkpoints.tree import File, is_plain_name, twin_of
from augment.errors import UnsafeCheckpoint

Listed = tuple[str, int]
"""(path in the folder, bytes)."""

_READ = {".safetensors", ".json", ".pkl", ".pth", ".pt", ".ckpt", ".bin", ".onnx"}
"""Endings of what an import may read."""


def of_pipeline(place: str, files: Iterable[Listed]) -> list[Listed]:
    """The files of a pipeline, or of one of its networks, that a library may need.

    Raises:
        UnsafeCheckpoint: the listing is refused; says the file and why.
    """
    groups: dict[str, list[File]] = defaultdict(list)
    for inside, size in _judged(place, files):
        file = File(inside, Path(inside), size)
        groups[file.folder].append(file)
    wanted = [file for group in groups.values() for file in _of_component(group)]
    return _bounded(place, [(file.inside, file.size) for file in wanted])


def of_import(place: str, files: Iterable[Listed]) -> list[Listed]:
    """The files of a checkpoint's folder that an import may read.

    Raises:
        UnsafeCheckpoint: the listing is refused; says the file and why.
    """
    found = [one for one in _judged(place, files) if PurePosixPath(one[0]).suffix.lower() in _READ]
    return _bounded(place, found)


def of_file(place: str, name: str, size: int, limit: int = MAX_FILE_BYTES) -> None:
    """Raises:
    UnsafeCheckpoint: a single file has more than `limit` bytes, or nobody knows how many.
    """
    _bounded(place, [(name, size)], limit)


def _of_component(group: list[File]) -> Iterator[File]:
    """The variants of weights are many times one network: plain ones are taken, where there are
    some, for a job has no word for another."""
    weights = [file for file in group if is_weights(file, STEMS)]
    plain = [file for file in weights if variant_of(file) is None]
    yield from plain or weights
    for file in group:
        known = file.name in SETTINGS | WORDS or file.inside == "model_index.json"
        if known or file.name.startswith("adapter_config."):  # the scan says why it is refused
            yield file


def _judged(place: str, files: Iterable[Listed]) -> Iterator[Listed]:
    """Without hidden entries; every name is one that a folder of this machine may have."""
    seen: dict[str, str] = {}
    for number, (inside, size) in enumerate(files):
        if number >= MAX_FOLDER_FILES:
            raise _refused(place, "", f"more than {MAX_FOLDER_FILES} files")
        parts = inside.split("/")
        if len(parts) > MAX_FOLDER_DEPTH + 1:
            raise _refused(place, inside, f"more than {MAX_FOLDER_DEPTH} folders deep")
        if any(part.startswith(".") for part in parts):
            if ".." in parts:
                raise _refused(place, inside, "a name that leaves the folder")
            continue
        if not all(map(is_plain_name, parts)):
            raise _refused(place, inside, "an odd name")
        if twin := twin_of(inside, seen):
            raise _refused(
                place, inside, f"a name that differs from {shown(twin)} by its case alone"
            )
        if PurePosixPath(inside).suffix.lower() in CODE:
            raise _refused(place, inside, "a program")
        yield inside, size


def _bounded(place: str, files: list[Listed], limit: int = MAX_FILE_BYTES) -> list[Listed]:
    for inside, size in files:
        if size < 0:
            raise _refused(place, inside, "a file whose size the store does not tell")
        if size > limit:
            raise _refused(place, inside, f"{size} bytes, more than {limit}")
    total = sum(size for _, size in files)
    if total > MAX_FOLDER_BYTES:
        raise _refused(place, "", f"{total} bytes in all, more than {MAX_FOLDER_BYTES}")
    return files


def _refused(place: str, inside: str, came: str) -> UnsafeCheckpoint:
    named = f"{place.rstrip('/')}/{shown(inside)[1:-1]}" if inside else place
    return UnsafeCheckpoint(
        f"{named}: {came}; expected the weights and settings of one model; nothing was fetched: "
        "upload it again into a folder of its own"
    )
