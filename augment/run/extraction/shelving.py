"""Where the features of a data set are kept: beside it where it is augment's own and can be
written to, else in the machine's cache; where somebody says, or for one run alone.

A folder that somebody else made is theirs: nothing is written there unless they say so.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from augment.audit.table import DataSet
from augment.errors import CheckpointError, StorageError
from augment.features import ExtractorInfo
from augment.features.asked import refuse_forbidden
from augment.features.kept import FOLDER, TOLD, Shelf, folder_of
from augment.places import place_of
from augment.storage import Folder, Options
from augment.storage.node_cache import features_folder
from augment.storage.private_folder import private_folder

NOWHERE = "none"
"""As `cache`: features are kept as long as their reader, and no longer."""
_OURS = {"_provenance", "_work"}
"""Folders that stand in a data set of augment's own, or in one that it is about to commit."""
_README = b"""Features that `augment` has extracted from the images of a data set: a folder for each
extractor, described by its extractor.json, a .safetensors file in it for each shard. They can be
made again, so all of this may be removed; `augment clean` removes what no version needs.
"""


def shelf_for(
    data: DataSet, cache: str | None, options: Options, held: contextlib.ExitStack
) -> Shelf:
    """The place for a data set's features, which can be written to. cache: a path or URI, `none`,
    or None for the best place. held: what is to be undone once nobody reads them any more.

    Raises:
        RequestError: `cache` is no place, or one that this machine lets nobody use.
        StorageError: the place cannot be written to.
    """
    if cache == NOWHERE:
        return Shelf(Folder(str(_private(held)), {}))
    if cache is not None:
        refuse_forbidden(place_of(cache, "cache"), "cache")
        return _tried(Folder(cache, options).child(_of(data)))
    if _OURS & set(data.folder.folders()):
        with contextlib.suppress(StorageError):
            return _tried(data.folder.child(FOLDER))
    try:
        return _tried(Folder(features_folder()).child(_of(data)))
    except (CheckpointError, StorageError):
        return Shelf(Folder(str(_private(held)), {}))


def tell(shelf: Shelf, infos: Sequence[ExtractorInfo]) -> None:
    """Leave word of what the folders of features are of."""
    for info in infos:
        text = json.dumps(asdict(info), indent=1).encode()
        shelf.folder.create(f"{folder_of(info)}/{TOLD}", text)


def _tried(folder: Folder) -> Shelf:
    """Raises: StorageError where it cannot be written to."""
    folder.create("README.txt", _README)
    return Shelf(folder)


def _private(held: contextlib.ExitStack) -> Path:
    return held.enter_context(private_folder(Path(tempfile.gettempdir()))).path


def _of(data: DataSet) -> str:
    """The folder of a data set in a cache that others share."""
    return hashlib.sha256(data.folder.uri.encode(errors="surrogateescape")).hexdigest()[:32]
