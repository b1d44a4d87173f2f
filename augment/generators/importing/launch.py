"""Starts the limited process and tells of its end; publishes what it made in one step.

Of a remote checkpoint this machine's cache keeps a copy, as of those that a job names. Knows
nothing of formats.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from augment import children, errors
from augment.checkpoints.listing import of_file, of_import
from augment.checkpoints.tree import folder_bytes
from augment.errors import CheckpointError, RequestError, StorageError
from augment.places import place_of
from augment.storage import FileInfo, Folder, split_uri
from augment.storage.node_cache import node_cache

_GIB = 1 << 30
_ROOM = 4 * _GIB
"""Address space for Python, numpy and pydantic, of which little is used."""
_TIMES_FILE = 6
"""Address space per byte of the checkpoint: the mapped file, its numbers as float32, and the
new file as it is written."""


@dataclass(frozen=True)
class Bounds:
    """Of the child process. memory: GiB of address space while the checkpoint is read; None:
    4 + 6 x its size. smoke_memory: GiB while its network is tried. cpu_seconds: in all.
    patience: how many times that may pass by the clock: one that only waits ends as well."""

    memory: float | None = None
    smoke_memory: float = 64.0
    cpu_seconds: int = 1800
    patience: float = 10


@dataclass(frozen=True)
class Choice:
    """What of a checkpoint is meant, where it holds several things. variant: of a folder's
    weights, for example `fp16`. key: of a file's entries. prefix: of its tensors' names. told:
    of a graph, what a job would say: `inputs`, `class_as`, `output`, `layout`."""

    variant: str | None = None
    key: str | None = None
    prefix: str | None = None
    told: Mapping[str, Any] = field(default_factory=dict)

    def asked(self) -> dict[str, Any]:
        """As the child reads it."""
        return {**asdict(self), "told": dict(self.told)}


@dataclass(frozen=True)
class ImportRequest:
    """source: a local path or URI. out: the folder to make. classes: names in the order of
    the network's indexes. license: SPDX expression. choice: what of the source is meant."""

    source: str
    out: str
    classes: Sequence[str] | None = None
    license: str | None = None
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    choice: Choice = field(default_factory=Choice)


def inspect(
    source: str,
    *,
    choice: Choice | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    bounds: Bounds | None = None,
) -> dict[str, Any]:
    """What a checkpoint is, by content: kind, family, resolution, classes, parameters,
    licence note, digests; `refused` says why it cannot be hosted. Executes nothing of it.
    choice: what of the source is meant.

    Raises:
        CheckpointError: there is nothing, or the limits were too small.
        StorageError: it cannot be read.
    """
    with _local(source, options) as path:
        request = {"verb": "inspect", "path": str(path), **(choice or Choice()).asked()}
        return _ask(request, path, bounds or Bounds(), source)


def import_checkpoint(request: ImportRequest, bounds: Bounds | None = None) -> dict[str, Any]:
    """Make the folder `request.out` of a checkpoint: whole, or not at all.

    Raises:
        CheckpointError: it is refused; says what came, what was expected, the way out.
        RequestError: the folder exists already.
        StorageError: the checkpoint cannot be read, or the folder not be written.
    """
    out = Path(request.out)
    if os.path.lexists(out):
        raise RequestError(f"--out {out}: exists already; expected a folder that is not there yet")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{out.name}.part-", dir=out.parent))
    except OSError as error:
        raise StorageError(
            f"--out {out}: cannot be written: {error}; choose another place"
        ) from error
    try:
        with _local(request.source, request.options) as path:
            asked = {
                "verb": "import",
                "path": str(path),
                "folder": str(part),
                **request.choice.asked(),
                "classes": None if request.classes is None else list(request.classes),
                "license": request.license,
            }
            said = _ask(asked, path, bounds or Bounds(), request.source)
        part.chmod(0o755)
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return said


def _ask(request: Mapping[str, Any], path: Path, bounds: Bounds, source: str) -> dict[str, Any]:
    memory = _ROOM + _TIMES_FILE * _size(path) if bounds.memory is None else bounds.memory * _GIB
    limits = {
        "memory": int(memory),
        "smoke_memory": int(bounds.smoke_memory * _GIB),
        "cpu_seconds": bounds.cpu_seconds,
    }
    try:
        done = subprocess.run(
            children.command("augment.generators.importing.child"),
            input=json.dumps({**request, **limits}),
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
            timeout=bounds.patience * bounds.cpu_seconds,
        )
    except subprocess.TimeoutExpired:
        raise CheckpointError(
            f"{source}: the import took longer than {bounds.patience:g} x {bounds.cpu_seconds} s, "
            "most of them without work of its own; look at the disk, or raise --cpu-seconds"
        ) from None
    if done.returncode or not done.stdout:
        raise _ended(done, source, bounds)
    answer = json.loads(done.stdout)
    if "error" in answer:
        raise _as_raised(*answer["error"], source=source, bounds=bounds)
    said: dict[str, Any] = answer["ok"]
    return said


def _ended(done: subprocess.CompletedProcess[str], source: str, bounds: Bounds) -> CheckpointError:
    """Why a child that gave no answer ended."""
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        return CheckpointError(
            f"{source}: the import used more than {bounds.cpu_seconds} s of CPU time, or was "
            "killed; give it more with --cpu-seconds, if you trust the file"
        )
    last = "; ".join(done.stderr.strip().splitlines()[-2:])
    return CheckpointError(
        f"{source}: the importing process ended with {done.returncode} and no answer ({last}); "
        "the file is damaged or made to harm: do not use it"
    )


def _as_raised(kind: str, text: str, *, source: str, bounds: Bounds) -> errors.AugmentError:
    if kind == "MemoryError":
        room = "4 GiB + 6 x its size" if bounds.memory is None else f"{bounds.memory:g} GiB"
        return CheckpointError(
            f"{source}: the import needs more than {room} of address space; give it more with "
            "--memory, if you trust the file"
        )
    found: type[errors.AugmentError] = getattr(errors, kind)
    return found(text)


def _size(path: Path) -> int:
    if not path.is_dir():
        return path.stat().st_size if path.exists() else 0
    return folder_bytes(path)


@contextlib.contextmanager
def _local(source: str, options: Mapping[str, Mapping[str, Any]] | None) -> Iterator[Path]:
    """The checkpoint at a local path; of what is remote, the copy in this machine's cache, under
    the name that it has there."""
    place = place_of(source, "checkpoint")
    if place.is_local:
        path = Path(place.uri)
        if not path.exists():
            raise CheckpointError(f"{source}: no such file or folder; expected a checkpoint")
        yield path
        return
    above, name = split_uri(place.uri)
    folder, files = _listed(place.uri, options)
    if not files:
        folder, files = Folder(above, options), [_single(above, name, options)]
    with contextlib.ExitStack() as used:
        copy = used.enter_context(node_cache().local(folder, files))
        if folder.uri == Folder(above, options).uri:
            yield copy / name
            return
        shown = Path(used.enter_context(tempfile.TemporaryDirectory(prefix="augment-import-")))
        (shown / name).symlink_to(copy, target_is_directory=True)
        yield shown / name


def _listed(
    source: str, options: Mapping[str, Mapping[str, Any]] | None
) -> tuple[Folder, list[FileInfo]]:
    """A remote folder and what of it is fetched, judged by its listing."""
    folder = Folder(source, options)
    infos: dict[str, FileInfo] = {}
    listed = ((infos.setdefault(info.path, info).path, info.size) for info in folder.files())
    wanted = of_import(source, listed)
    if infos and not wanted:
        raise CheckpointError(
            f"{source}: holds no file that an import reads; expected a checkpoint"
        )
    return folder, sorted(infos[path] for path, _ in wanted)


def _single(above: str, name: str, options: Mapping[str, Mapping[str, Any]] | None) -> FileInfo:
    folder = Folder(above, options)
    try:
        found = folder.info(name)
    except FileNotFoundError:
        raise CheckpointError(
            f"{folder.url(name)}: no such file or folder; expected a checkpoint"
        ) from None
    of_file(above, name, found.size)
    return found
