"""Kept features that may go: of shards that no version names any more, and marks of tries that
never ended. What a version names can be extracted again as well, but it costs time."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from augment.features.kept import ENDING, FOLDER, TOLD, TRIES, shard_name
from augment.run.upkeep.litter import GRACE_S, Litter
from augment.storage import Stored

STALE = "features of a shard that no version names"
MARK = "mark of a try to extract features that never ended"
_KEPT = re.compile(rf"{FOLDER}/(?P<extractor>[0-9a-f]{{32}})/(?P<name>[^/]+)")
_SHARD = re.compile(rf"[0-9a-f]{{32}}{re.escape(ENDING)}")
_TRY = re.compile(rf"{FOLDER}/{TRIES}/units/[0-9a-f]{{32}}\.(?:try|at)-\d+")


def stale_features(files: Iterable[Stored], named: Iterable[str], now: float) -> Iterator[Litter]:
    """files: below a table. named: shards that some version names, read after the files were
    listed. now: in seconds, by the clock of the store."""
    names = {shard_name(path) for path in named}
    folders: dict[str, list[tuple[Stored, str]]] = defaultdict(list)
    for file in files:
        if found := _KEPT.fullmatch(file.path):
            folders[found["extractor"]].append((file, found["name"]))
        elif _TRY.fullmatch(file.path) and now - (file.modified or now) > GRACE_S:
            yield Litter(file.path, file.size, MARK)
    for kept in folders.values():
        gone = [one for one, name in kept if _SHARD.fullmatch(name) and name not in names]
        told = [one for one, name in kept if name == TOLD]
        if gone and len(gone) + len(told) == len(kept):
            gone += told
        yield from (Litter(one.path, one.size, STALE) for one in gone)
