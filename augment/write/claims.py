"""Who makes which indexes of a universe, so that jobs sharing a pool make each one once.

An append-only log per universe: `claims/<k:08d>.json`, each created exclusively, k
without gaps. To claim: read all, subtract what is claimed, create the next number; if
another was faster, read its claim and try again. A claim holds intervals and how they
are cut, not the units: whoever reads it cuts the same units with the same names, so its
size does not grow with the samples. A claim is for ever: where its owner dies, another
makes its units. Knows nothing of generators, shards or Ray.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from augment.errors import StorageError
from augment.intervals import Interval, Intervals
from augment.seeds import canonical_json, digest
from augment.storage import Folder

_AGAIN = re.compile(r"again-(\d+)")


@dataclass(frozen=True)
class Claim:
    """Indexes that one owner took. number: its place in the log. owner: the id of the lease
    under which it was made. needs: class -> indexes. rows_per_unit: how they are cut."""

    number: int
    owner: str
    needs: Mapping[str, Intervals]
    rows_per_unit: int

    @property
    def digest(self) -> str:
        """Of what is claimed and how it is cut: who cuts the same units has the same."""
        needs = self.needs.json() if isinstance(self.needs, _Needs) else _json(self.needs)
        return digest([needs, self.rows_per_unit])


class _Needs(Mapping[str, Intervals]):
    """What a claim of the log takes. A long log has a thousand claims of a thousand classes: sets
    are made when they are asked for, until then there are only numbers."""

    def __init__(self, needs: Mapping[str, list[list[int]]]) -> None:
        self._at = _places(tuple(needs))
        ends = np.cumsum([0, *map(len, needs.values())], dtype=np.int64)
        self._ends = ends.astype(np.int32)
        pairs = [pair for spans in needs.values() for pair in spans]
        self._pairs = np.array(pairs, dtype=np.int64).reshape(-1, 2)

    def __getitem__(self, label: str) -> Intervals:
        return Intervals(self._spans(self._at[label]).tolist())

    def __iter__(self) -> Iterator[str]:
        return iter(self._at)

    def __len__(self) -> int:
        return len(self._at)

    def json(self) -> dict[str, list[list[int]]]:
        pairs, ends = self._pairs.tolist(), self._ends.tolist()
        return {label: pairs[ends[at] : ends[at + 1]] for label, at in self._at.items()}

    def _spans(self, at: int) -> np.ndarray:
        return self._pairs[self._ends[at] : self._ends[at + 1]]


@lru_cache(maxsize=64)
def _places(labels: tuple[str, ...]) -> dict[str, int]:
    """Most claims of a log are of the same classes."""
    return {label: at for at, label in enumerate(labels)}


def _json(needs: Mapping[str, Intervals]) -> dict[str, list[list[int]]]:
    return {label: indexes.to_json() for label, indexes in needs.items()}


class Claims:
    """The claims of one universe; folder: `<pool>/_work/<universe16>`.

    Remembers what it read: the log only grows.
    """

    def __init__(self, folder: Folder, owner: str) -> None:
        self._folder = folder
        self._owner = owner
        self._log: list[Claim] = []
        self._taken: dict[str, Intervals] = {}
        self._counted = 0  # claims that are part of it

    def under(self, owner: str) -> Claims:
        """The same log, known as far as it is, for somebody who claims."""
        found = Claims(self._folder, owner)
        found._log = list(self._log)
        return found

    def claim(self, needs: Mapping[str, Intervals], rows_per_unit: int) -> Claim | None:
        """Take whatever of `needs` nobody has taken; None where nothing is left.

        Raises:
            StorageError: the log could not be read or written.
        """
        while left := self._left(needs):
            mine = Claim(len(self._log), self._owner, left, rows_per_unit)
            if self._append(mine):
                return mine
        return None

    def all(self) -> list[Claim]:
        """Every claim in the order of the log, also those of other owners."""
        while self._read_next():
            pass
        return list(self._log)

    def taken(self) -> dict[str, Intervals]:
        """All indexes that are claimed, by class."""
        new: dict[str, list[Interval]] = {}
        for claim in self.all()[self._counted :]:
            assert isinstance(claim.needs, _Needs), "the log was read"
            for name, spans in claim.needs.json().items():
                new.setdefault(name, []).extend((a, b) for a, b in spans)
        self._counted = len(self._log)
        for name, more in new.items():
            self._taken[name] = self._taken.get(name, Intervals()) | Intervals(more)
        return dict(self._taken)

    def _left(self, needs: Mapping[str, Intervals]) -> dict[str, Intervals]:
        taken = self.taken()
        rest = {name: wanted - taken.get(name, Intervals()) for name, wanted in needs.items()}
        return {name: indexes for name, indexes in rest.items() if indexes}

    def _append(self, claim: Claim) -> bool:
        body = {
            "id": uuid.uuid4().hex,
            "owner": claim.owner,
            "needs": _json(claim.needs),
            "rows_per_unit": claim.rows_per_unit,
        }
        path = _path(claim.number)
        if self._folder.create(path, canonical_json(body).encode()):
            return True
        # a store that retried a request may say "exists" to the winner: read back
        won = _body(self._folder.read(path), self._folder.url(path))
        return bool(won["id"] == body["id"])

    def _read_next(self) -> bool:
        path = _path(len(self._log))
        try:
            data = self._folder.read(path)
        except FileNotFoundError:
            return False
        claim = _parse(data, len(self._log), self._folder.url(path))
        self._log.append(claim)
        return True


def claims_again(folder: Folder) -> Iterator[tuple[int, list[Claim]]]:
    """(k, its claims) of each time that failed indexes of a universe were tried again; each has a
    log of its own, `again-<k>/`. folder: as `Claims` takes it.

    Raises:
        StorageError: a log could not be read.
    """
    for name in folder.folders():
        if number := _AGAIN.fullmatch(name):
            yield int(number[1]), Claims(folder.child(name), "").all()


def _path(number: int) -> str:
    return f"claims/{number:08d}.json"


def _parse(data: bytes, number: int, url: str) -> Claim:
    body = _body(data, url)
    return Claim(number, body["owner"], _Needs(body["needs"]), body["rows_per_unit"])


def _body(data: bytes, url: str) -> dict[str, Any]:
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or body.keys() != {"id", "owner", "needs", "rows_per_unit"}:
        raise StorageError(
            f"{url}: {len(data)} bytes that are no claim; expected JSON with owner, needs and "
            "rows_per_unit. It was damaged from outside: restore it, or use another pool"
        )
    return body
