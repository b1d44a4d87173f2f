"""Checkpoints in remote stores: brought into this machine's cache before a family opens them.

A family reads a folder or a file; where it lies elsewhere, its spec is handed on with the
place of the copy. Knows no family's files beyond
their names, and no torch.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from augment.checkpoints.limits import MAX_FILE_BYTES
from augment.checkpoints.listing import of_file, of_pipeline
from augment.errors import CheckpointError
from augment.generators.checkpoint import CONFIG, MAX_CONFIG_BYTES, MODEL, WEIGHTS
from augment.generators.protocol import Options
from augment.spec.generators import (
    CustomGenerator,
    DiffusersGenerator,
    GeneratorSpec,
    PaletteGenerator,
    TintGenerator,
)
from augment.storage import FileInfo, Folder, split_uri
from augment.storage.node_cache import node_cache


@contextlib.contextmanager
def localized(name: str, spec: GeneratorSpec, options: Options) -> Iterator[GeneratorSpec]:
    """The spec with local copies in place of remote files, which stay inside the block.

    Raises:
        CheckpointError: nothing is there. StorageError: it cannot be fetched.
    """
    with contextlib.ExitStack() as used:
        match spec:
            case PaletteGenerator() | TintGenerator() | CustomGenerator():
                yield spec
            case DiffusersGenerator():
                yield spec.model_copy(update=_diffusers(_Places(name, options, used), spec))
            case _:
                local = _Places(name, options, used).checkpoint(spec.checkpoint)
                yield spec.model_copy(update={"checkpoint": local})


class _Places:
    """Where the files of one generator are read from. What is fetched is decided by listings:
    only files that can be needed, within the limits of a checkpoint."""

    def __init__(self, name: str, options: Options, used: contextlib.ExitStack) -> None:
        self._name, self._options, self._used = name, options, used

    def checkpoint(self, uri: str) -> str:
        """Of a folder in our own format. One that is not whole is left where it is: the family
        then names what is missing there."""
        folder = self._remote(uri)
        if folder is None:
            return uri
        found = [info for file in (CONFIG, WEIGHTS, MODEL) if (info := _info(folder, file))]
        names = {info.path for info in found}
        if CONFIG not in names or len(names) < 2:
            return uri
        for info in found:
            limit = MAX_CONFIG_BYTES if info.path == CONFIG else MAX_FILE_BYTES
            of_file(folder.uri, info.path, info.size, limit)
        return self._local(folder, found)

    def folder(self, uri: str | None, key: str) -> str | None:
        """Of a whole folder in somebody else's format."""
        folder = None if uri is None else self._remote(uri)
        if folder is None:
            return uri
        infos: dict[str, FileInfo] = {}
        listed = ((infos.setdefault(i.path, i).path, i.size) for i in folder.files())
        wanted = of_pipeline(folder.uri, listed)
        if not infos:
            raise self._nothing(key, folder.uri, "the folder of a model")
        return self._local(folder, sorted(infos[path] for path, _ in wanted))

    def file(self, uri: str, key: str) -> str:
        """Of a single file."""
        above, name = split_uri(uri)
        folder = self._remote(above)
        if folder is None:
            return uri
        found = _info(folder, name)
        if found is None:
            raise self._nothing(key, uri, "a .safetensors file")
        of_file(folder.uri, name, found.size)
        return os.path.join(self._local(folder, [found]), name)

    def _remote(self, uri: str) -> Folder | None:
        folder = Folder(uri, self._options)
        return None if folder.is_local or folder.protocol == "memory" else folder

    def _local(self, folder: Folder, files: list[FileInfo]) -> str:
        return str(self._used.enter_context(node_cache().local(folder, files)))

    def _nothing(self, key: str, uri: str, expected: str) -> CheckpointError:
        place = f"generators.{self._name}.{key}"
        return CheckpointError(f"{place}: nothing is at {uri}; expected {expected}; update {place}")


def _diffusers(places: _Places, spec: DiffusersGenerator) -> dict[str, Any]:
    single = spec.checkpoint.endswith(".safetensors")
    checkpoint = (places.file if single else places.folder)(spec.checkpoint, "checkpoint")
    adapters = [
        adapter.model_copy(update={"path": places.file(adapter.path, f"adapters.{n}.path")})
        for n, adapter in enumerate(spec.adapters)
    ]
    return {
        "checkpoint": checkpoint,
        "config": places.folder(spec.config, "config"),
        "controlnet": places.folder(spec.controlnet, "controlnet"),
        "adapters": adapters,
    }


def _info(folder: Folder, file: str) -> FileInfo | None:
    try:
        return folder.info(file)
    except FileNotFoundError:
        return None
