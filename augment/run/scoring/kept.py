"""Scores of one scorer in a pool: `_scores/<scorer>/`, a file for each shard, and what it was fit
to.

A file is written exclusively and whole, and checked when it is read: one that does not fit is as if
it were not there, and is made again. Knows no filter.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from augment.seeds import digest
from augment.storage import Folder

FOLDER = "_scores"
_ABOUT, _FITTED = "scorer.json", "fitted.safetensors"
Scores = Mapping[str, float]
"""Name -> value, NaN where the scorer cannot say."""


def path_of(scorer: str, shard: str) -> str:
    """Where a pool keeps the scores of a shard (`data/<universe>/<unit>-<sha12>.parquet`)."""
    return f"{FOLDER}/{scorer}/{shard.removeprefix('data/').removesuffix('.parquet')}.json"


@dataclass(frozen=True)
class Book:
    """The scores of one scorer. scorer: its digest, 32 hex digits."""

    pool: Folder
    scorer: str

    def get(self, shard: str, sha256: str | None = None) -> list[Scores] | None:
        """Of each row of a shard, in its order; None where they are not kept, or not whole.
        sha256: of the shard, where it is known."""
        try:
            said = json.loads(self.pool.read(path_of(self.scorer, shard)))
            body, names = said["scores"], [str(name) for name in said["scores"]["names"]]
            whole = said["digest"] == digest(body) and body["shard"] == shard
            if not whole or (sha256 is not None and body["sha256"] != sha256):
                return None
            return [
                {n: math.nan if v is None else float(v) for n, v in zip(names, row, strict=True)}
                for row in body["rows"]
            ]
        except (FileNotFoundError, KeyError, RecursionError, TypeError, ValueError):
            return None

    def put(
        self, shard: str, sha256: str, names: Sequence[str], rows: Sequence[Sequence[float]]
    ) -> None:
        """Keep them; of two who make them the first one's stay, where they are whole.

        Raises:
            StorageError: they cannot be written.
        """
        values = [[None if math.isnan(value) else value for value in row] for row in rows]
        body = {"shard": shard, "sha256": sha256, "names": list(names), "rows": values}
        text = json.dumps({"digest": digest(body), "scores": body}).encode()
        path = path_of(self.scorer, shard)
        if not self.pool.create(path, text) and self.get(shard, sha256) is None:
            self.pool.replace(path, text)

    def fitted(self) -> bytes | None:
        """What the scorer was fit to; None where it is not kept, or not whole."""
        try:
            said = json.loads(self.pool.read(f"{FOLDER}/{self.scorer}/{_ABOUT}"))
            data = self.pool.read(f"{FOLDER}/{self.scorer}/{_FITTED}")
            return data if hashlib.sha256(data).hexdigest() == said["fitted_sha256"] else None
        except (FileNotFoundError, KeyError, RecursionError, TypeError, ValueError):
            return None

    def keep_fitted(self, data: bytes, about: Mapping[str, Any]) -> bytes:
        """What is kept from now on: that of somebody who was quicker, where it is whole. The file
        that names it is written after it."""
        folder, told = (
            f"{FOLDER}/{self.scorer}",
            {"fitted_sha256": hashlib.sha256(data).hexdigest()},
        )
        text = json.dumps({**about, **told}, indent=1).encode()
        made = self.pool.create(f"{folder}/{_FITTED}", data)
        if self.pool.create(f"{folder}/{_ABOUT}", text) and made:
            return data
        if (theirs := self.fitted()) is not None:
            return theirs
        self.pool.replace(f"{folder}/{_FITTED}", data)
        self.pool.replace(f"{folder}/{_ABOUT}", text)
        return data
