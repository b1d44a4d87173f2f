"""What of a pool shard a job accepts: from its record, or judged again from stored scores.

A record holds the verdicts of the job that made the shard. Other thresholds are judged from
the scores in the shard's rows, without images and without a GPU; only scores that an older
version did not write are computed from the stored images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from augment.codec import decode
from augment.errors import StorageError
from augment.filters import Filter, judge, score
from augment.intervals import Intervals
from augment.mix import PoolGroup
from augment.run.synthesis.sampling import SCORERS
from augment.storage import Folder

_MAX_PIXELS = 1 << 30
ByClass = Mapping[str, Intervals]


@dataclass
class Universe:
    """What a pool holds of one universe, as one job sees it: by class, sets of indexes."""

    generator: str
    made: dict[str, Intervals] = field(default_factory=dict)
    failed: dict[str, Intervals] = field(default_factory=dict)
    rejected: dict[str, dict[str, Intervals]] = field(default_factory=dict)
    """reason -> class -> indexes."""
    groups: list[PoolGroup] = field(default_factory=list)
    shards: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """path -> shard entry."""
    units: set[str] = field(default_factory=set)
    tried_again: int = 0
    """How many times failed indexes were tried again, at most."""

    def decided(self, label: str) -> Intervals:
        return self.made.get(label, Intervals()) | self.failed.get(label, Intervals())

    def accepted(self, label: str) -> Intervals:
        out = self.made.get(label, Intervals())
        for by_class in self.rejected.values():
            out = out - by_class.get(label, Intervals())
        return out

    def add(
        self, record: Mapping[str, Any], pool: Folder, filters: Sequence[Filter], digest: str
    ) -> None:
        """Take in one unit's record. An index that failed once and was made by another try is
        made, whichever record comes first; one that two tries made counts once."""
        name = str(record["unit"])
        if name in self.units:
            return
        self.units.add(name)
        self.tried_again = max(self.tried_again, record.get("again", 0))
        for label, index, _ in record["failed"]:
            if index not in self.made.get(label, Intervals()):
                _merge(self.failed, {label: Intervals([(index, index + 1)])})
        if record["entry"] is None:
            return
        path = record["entry"]["path"]
        self.shards[path] = record["entry"]
        verdicts = record["verdicts"].get(digest)
        if verdicts is None:
            verdicts = judge_shard(pool, path, filters)
        for number, (group, rejected) in enumerate(zip(record["groups"], verdicts, strict=True)):
            made = {c: s - self.made.get(c, Intervals()) for c, s in _sets(group).items()}
            _merge(self.made, made)
            for label in made.keys() & self.failed.keys():
                self.failed[label] = self.failed[label] - made[label]
            bad: dict[str, Intervals] = {}
            for reason, by_class in rejected.items():
                found = {c: s & made.get(c, Intervals()) for c, s in _sets(by_class).items()}
                _merge(self.rejected.setdefault(reason, {}), found)
                _merge(bad, found)
            accepted = {c: s - bad.get(c, Intervals()) for c, s in made.items()}
            self.groups.append(PoolGroup(path, number, self.generator, accepted))


def judge_shard(
    pool: Folder, path: str, filters: Sequence[Filter]
) -> list[dict[str, dict[str, list[list[int]]]]]:
    """Per row group: reason -> class -> indexes that `filters` reject."""
    from augment.run.synthesis.pool_unit import _by_class

    out = []
    try:
        with pool.open(path) as file:
            parquet = pq.ParquetFile(file)
            for number in range(parquet.num_row_groups):
                found: dict[str, list[tuple[str, int]]] = {}
                columns = ["label_name", "generator", "scores"]
                for i, row in enumerate(parquet.read_row_group(number, columns).to_pylist()):
                    scores = {s["name"]: s["value"] for s in row["scores"]}
                    if not _names(filters) <= set(scores):
                        scores |= _score_again(parquet, number, i)
                    verdict = judge(filters, scores)
                    if not verdict.accepted:
                        point = (row["label_name"], row["generator"]["index"])
                        found.setdefault(verdict.reason or "", []).append(point)
                out.append({reason: _by_class(points) for reason, points in found.items()})
    except FileNotFoundError as e:
        raise StorageError(
            f"{pool.url(path)}: the pool's record names this shard, but it is gone; restore it, "
            "or remove the unit's record in the pool's _work folder to have it made again"
        ) from e
    return out


def _names(filters: Sequence[Filter]) -> set[str]:
    return {name for f in filters for name in f.score_names}


def _score_again(parquet: Any, group: int, row: int) -> dict[str, float]:
    data = parquet.read_row_group(group, ["image"]).column("image")[row].as_py()["bytes"]
    image = decode(data, _MAX_PIXELS)
    return score(SCORERS, image[np.newaxis])[0]


def _sets(by_class: Mapping[str, Any]) -> dict[str, Intervals]:
    return {label: Intervals((a, b) for a, b in spans) for label, spans in by_class.items()}


def _merge(into: dict[str, Intervals], more: ByClass) -> None:
    for label, found in more.items():
        into[label] = into.get(label, Intervals()) | found
