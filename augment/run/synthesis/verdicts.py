"""What of a pool shard a job accepts: from its record, or judged again from stored scores.

A record holds the verdicts of the job that made the shard. Other thresholds are judged from
the scores in the shard's rows, without images and without a GPU; only scores that an older
version did not write are computed from the stored images.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from augment.codec import decode
from augment.errors import StorageError
from augment.filters import Filter, judge, score, score_names
from augment.intervals import Intervals
from augment.mix import PoolGroup
from augment.run.scoring.kept import Scores
from augment.run.synthesis.finishing import SCORERS
from augment.run.synthesis.growing import ByClass, Growing
from augment.run.synthesis.summary import Said
from augment.seeds import canonical_json
from augment.storage import Folder

_MAX_PIXELS = 1 << 30
_NONE = Intervals()
Verdicts = list[dict[str, dict[str, list[list[int]]]]]
"""Per row group: reason -> class -> intervals of what is rejected."""


class Universe:
    """What a pool holds of one universe, as one job sees it: by class, sets of indexes; and the
    records, as they stand in their files, that no fold holds."""

    def __init__(self, generator: str) -> None:
        self.generator = generator
        self.records: dict[str, bytes] = {}
        """unit -> record."""
        self.tried_again = 0
        """How many times failed indexes were tried again, at most."""
        self._made, self._failed = Growing(), Growing()
        self._rejected: dict[str, Growing] = {}
        self._judged: dict[str, Verdicts] = {}

    def made(self, label: str) -> Intervals:
        return self._made[label]

    def failed(self, label: str) -> Intervals:
        """Those that failed and that no other try made, whichever was read first."""
        return self._failed[label] - self._made[label]

    def rejected(self, label: str) -> dict[str, Intervals]:
        """By reason."""
        return {reason: sets[label] for reason, sets in sorted(self._rejected.items())}

    def decided(self, label: str) -> Intervals:
        return self._made[label] | self._failed[label]

    def accepted(self, label: str) -> Intervals:
        out = self._made[label]
        for sets in self._rejected.values():
            out = out - sets[label]
        return out

    def include(self, said: Said) -> None:
        """Take in what folds say together."""
        for (kind, reason), by_class in said.items():
            self._of(kind, reason).merge(by_class)

    def _of(self, kind: str, reason: str) -> Growing:
        match kind:
            case "made":
                return self._made
            case "failed":
                return self._failed
            case _:
                return self._rejected.setdefault(reason, Growing())

    def add(
        self,
        record: Mapping[str, Any],
        pool: Folder,
        filters: Sequence[Filter],
        digest: str,
        more: Sequence[Scores] | None = None,
    ) -> None:
        """Take in one unit's record. Units of claims are disjoint; of an index that two later
        tries made, the first one read counts. more: scores of its shard's rows that do not stand
        in them."""
        name = str(record["unit"])
        if name in self.records:
            return
        self.records[name] = canonical_json(record).encode()
        again = record.get("again", 0)
        self.tried_again = max(self.tried_again, again)
        for label, index, _ in record["failed"]:
            self._failed.add(label, ((index, index + 1),))
        if record["entry"] is None:
            return
        if digest not in record["verdicts"]:
            self._judged[name] = judge_shard(pool, record["entry"]["path"], filters, more)
        for group, rejected in zip(record["groups"], self._verdicts(record, digest), strict=True):
            self._add_group(_sets(group), rejected, later=again > 0)

    def _add_group(self, made: ByClass, rejected: Mapping[str, Any], *, later: bool) -> None:
        """later: whether these indexes were tried before."""
        if later:
            made = {label: found - self._made[label] for label, found in made.items()}
        for label, found in made.items():
            self._made.add(label, found.spans)
        for reason, by_class in rejected.items():
            of_reason = self._rejected.setdefault(reason, Growing())
            for label, found in _sets(by_class).items():
                of_reason.add(label, (found & made.get(label, _NONE)).spans)

    def _verdicts(self, record: Mapping[str, Any], digest: str) -> Verdicts:
        name, own = str(record["unit"]), record["verdicts"].get(digest)
        found: Verdicts = self._judged[name] if own is None else own
        return found

    def groups(self, records: Iterable[Mapping[str, Any]], digest: str) -> Iterator[PoolGroup]:
        """The row groups of records that were taken in, with what of them was accepted. Of an
        index that two later tries made, the first one given counts."""
        seen = Growing()
        for record in records:
            if record["entry"] is None:
                continue
            verdicts = self._verdicts(record, digest)
            for number, (group, rejected) in enumerate(
                zip(record["groups"], verdicts, strict=True)
            ):
                accepted = _sets(group)
                if record.get("again", 0):
                    accepted = {label: found - seen[label] for label, found in accepted.items()}
                    seen.merge(accepted)
                for by_class in rejected.values():
                    for label, found in _sets(by_class).items():
                        accepted[label] = accepted[label] - found
                yield PoolGroup(record["entry"]["path"], number, self.generator, accepted)


def judge_shard(
    pool: Folder, path: str, filters: Sequence[Filter], more: Sequence[Scores] | None = None
) -> Verdicts:
    """Per row group: reason -> class -> indexes that `filters` reject. more: of each row scores
    that do not stand in it."""
    from augment.run.synthesis.pool_unit import _by_class

    out, wanted, at = [], set(score_names(filters)), 0
    try:
        with pool.open(path) as file:
            parquet = pq.ParquetFile(file)
            for number in range(parquet.num_row_groups):
                found: dict[str, list[tuple[str, int]]] = {}
                columns = ["label_name", "generator", "scores"]
                rows = parquet.read_row_group(number, columns).to_pylist()
                for i, row in enumerate(rows):
                    scores = {s["name"]: s["value"] for s in row["scores"]}
                    scores |= more[at + i] if more is not None else {}
                    if not wanted <= set(scores):
                        scores |= _score_again(parquet, number, i)
                    verdict = judge(filters, scores)
                    if not verdict.accepted:
                        point = (row["label_name"], row["generator"]["index"])
                        found.setdefault(verdict.reason or "", []).append(point)
                at += len(rows)
                out.append({reason: _by_class(points) for reason, points in found.items()})
    except FileNotFoundError as e:
        raise StorageError(
            f"{pool.url(path)}: the pool's record names this shard, but it is gone; restore it, "
            "or remove the unit's record in the pool's _work folder to have it made again"
        ) from e
    return out


def _score_again(parquet: Any, group: int, row: int) -> dict[str, float]:
    data = parquet.read_row_group(group, ["image"]).column("image")[row].as_py()["bytes"]
    image = decode(data, _MAX_PIXELS)
    return score(SCORERS, image[np.newaxis])[0]


def _sets(by_class: Mapping[str, Any]) -> dict[str, Intervals]:
    return {label: Intervals((a, b) for a, b in spans) for label, spans in by_class.items()}
