"""Files that a user names for an extractor: found, fetched, checked by their hash, read as data.

Remote ones pass through this machine's cache of checkpoints. The operator's policy is asked for
every place that is opened. Knows no network.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from augment.checkpoints.blob import Blob, open_blob
from augment.checkpoints.folders import FolderScan, scan_folder
from augment.checkpoints.limits import MAX_FILE_BYTES
from augment.checkpoints.listing import of_file, of_pipeline
from augment.checkpoints.safetensors_file import read_safetensors
from augment.checkpoints.sniff import sniff
from augment.checkpoints.torch_file import read_torch
from augment.errors import CheckpointError, UnsafeCheckpoint
from augment.features.asked import Asked, refuse_forbidden
from augment.places import Place
from augment.storage import Folder, Options, split_uri
from augment.storage.node_cache import loading_folder, node_cache


@contextlib.contextmanager
def opened(asked: Asked, options: Options | None) -> Iterator[tuple[Blob, str]]:
    """(the bytes of the file that `asked` names, their sha256), which is the one that was asked
    for, if one was.

    Raises:
        RequestError: the policy does not allow the place. CheckpointError: nothing is there, or it
            has another hash. UnsafeCheckpoint: it is too large. StorageError: it cannot be read.
    """
    place = _place(asked)
    above, name = split_uri(place.uri)
    folder = Folder(above, options)
    with contextlib.ExitStack() as used:
        blob = _blob(asked, folder, name, used)
        found = hashlib.sha256(blob.view).hexdigest()
        if asked.sha256 not in (None, found):
            raise CheckpointError(
                f"extractor {asked.name}: {place.uri}: got a file with sha256 {found}; expected "
                f"{asked.sha256}: fetch it again, or say sha256={found}"
            )
        yield blob, found


def read_tensors(blob: Blob, name: str) -> dict[str, np.ndarray]:
    """The tensors of a file of safetensors or torch.save, by name; nothing in it is executed.
    name: of the extractor.

    Raises:
        UnsafeCheckpoint: it is neither, damaged, or holds more than data.
    """
    kind = sniff(blob).kind
    match kind:
        case "safetensors":
            return {key: np.array(array) for key, array in read_safetensors(blob).items()}
        case "torch-zip" | "torch-legacy":
            return {key: np.array(array) for key, array in read_torch(blob).tensors.items()}
        case _:
            raise UnsafeCheckpoint(
                f"extractor {name}: {blob.name}: got a file of the kind {kind}; expected "
                ".safetensors, or a state dict of torch.save; save the weights alone"
            )


@contextlib.contextmanager
def put_aside(asked: Asked, options: Options | None) -> Iterator[tuple[Path, FolderScan]]:
    """(a folder of this process alone with the files that a library may need of the folder that
    `asked` names, what was found in it): what is judged is what is opened, whoever else writes to
    the place.

    Raises:
        RequestError: the policy does not allow the place. CheckpointError: nothing is there.
        UnsafeCheckpoint: it holds what is refused. StorageError: it cannot be read or copied.
    """
    place = _place(asked)
    with contextlib.ExitStack() as used:
        source = _local_folder(asked, Folder(place.uri, options), used)
        if not source.is_dir():
            raise _nothing(asked, place, "the folder of a model, with config.json and .safetensors")
        private = used.enter_context(loading_folder())
        inside = source.name or "model"
        for name, file in scan_folder(source).needed.items():
            private.put(file.path, f"{inside}/{name}", file.size)
        target = private.path / inside
        if not target.is_dir():
            raise _nothing(asked, place, "config.json and .safetensors in it")
        yield target, scan_folder(target)


# ---- places ----------------------------------------------------------------------------


def _place(asked: Asked) -> Place:
    if asked.place is None:
        raise ValueError(f"{asked.name} names no place")  # the grammar sees to it
    refuse_forbidden(asked.place, f"extractor {asked.name}")
    return asked.place


def _blob(asked: Asked, folder: Folder, name: str, used: contextlib.ExitStack) -> Blob:
    if folder.is_local:
        return open_blob(os.path.join(folder.uri, name), name)
    try:
        info = folder.info(name)
    except FileNotFoundError:
        raise _nothing(asked, _place(asked), "the file of its weights") from None
    of_file(folder.uri, name, info.size, MAX_FILE_BYTES)
    if folder.protocol == "memory":
        return open_blob(folder.read(name), name)
    path = used.enter_context(node_cache().local(folder, [info]))
    return open_blob(path / name, name)


def _local_folder(asked: Asked, folder: Folder, used: contextlib.ExitStack) -> Path:
    if folder.is_local:
        return Path(folder.uri)
    infos = {info.path: info for info in folder.files()}
    if not infos:
        raise _nothing(asked, _place(asked), "the folder of a model")
    wanted = of_pipeline(folder.uri, [(info.path, info.size) for info in infos.values()])
    files = sorted(infos[path] for path, _ in wanted)
    return used.enter_context(node_cache().local(folder, files))


def _nothing(asked: Asked, place: Place, expected: str) -> CheckpointError:
    return CheckpointError(
        f"extractor {asked.name}: nothing is at {place.uri}; expected {expected}"
    )
