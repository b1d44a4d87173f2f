"""The protocol by which both tables are made: a frozen plan, try marks and unit records.

    plan/<name>               frozen once, read by every resume
    units/<unit>.try-<k>      begun k times; says nothing about success
    units/<unit>.at-<k>       what try k was busy with; only left where there was trouble
    units/<unit>.json         the record: made after the shard is whole; proves the unit

A file of a shard proves nothing, only its record does. Every name here is created
exclusively, so of two workers or drivers one wins and both read the same thing back.
Nobody deletes during a run. What many records say is repeated in folds (folds.py), which prove
nothing. Knows nothing of rows, Delta or Ray.
"""

from __future__ import annotations

import contextlib
import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from augment.errors import StorageError
from augment.seeds import canonical_json
from augment.storage import Folder
from augment.write.reading import read_each, read_or_none

Record = dict[str, Any]
"""What a unit left: `unit`, `attempt` (the winner's id) and the keys of its body."""


class Attempt(NamedTuple):
    """One try of a unit. number: 1 for the first. id: unique in the world."""

    unit: str
    number: int
    id: str


class Work:
    """The work folder of one job or universe: `<table>/_work/<job>`. Picklable."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    def freeze(self, name: str, data: bytes) -> bytes:
        """Fix `plan/<name>` to `data` unless it is fixed already; the bytes that hold."""
        path = f"plan/{_checked(name)}"
        return data if self.folder.create(path, data) else self.folder.read(path)

    def frozen(self, name: str) -> bytes | None:
        """The bytes of `plan/<name>`, None before `freeze`."""
        return read_or_none(self.folder, f"plan/{_checked(name)}")

    def begin(self, unit: str) -> Attempt:
        """Leave the next try mark of `unit`. A number over 2 means that two tries were
        begun and left no record."""
        attempt, number = uuid.uuid4().hex, 1
        while not self._mark(f"{_unit(unit)}.try-{number}", attempt.encode()):
            number += 1
        return Attempt(unit, number, attempt)

    def troubled(self, unit: str) -> bool:
        """Whether earlier tries look as if the unit ended them: one noted so, or two left no
        record."""
        second = self.folder.exists(f"{_unit(unit)}.try-2")
        return second or self.folder.exists(f"{_unit(unit)}.at-1")

    def note(self, attempt: Attempt, state: Mapping[str, Any]) -> None:
        """Say what a try is busy with, in place of what it said before."""
        path = f"{_unit(attempt.unit)}.at-{attempt.number}"
        self.folder.replace(path, canonical_json(state).encode())

    def notes(self, attempt: Attempt) -> list[dict[str, Any]]:
        """The last note of each earlier try of the unit, oldest first; one that cannot be read
        says nothing, and so does a try that left none."""
        found = []
        for number in range(1, attempt.number):
            data = read_or_none(self.folder, f"{_unit(attempt.unit)}.at-{number}")
            with contextlib.suppress(ValueError, RecursionError):
                if data is not None and isinstance(state := json.loads(data), dict):
                    found.append(state)
        return found

    def _mark(self, path: str, data: bytes) -> bool:
        """Whether the mark is ours. A store that retried a request may say "exists" to the
        winner: read back, else one try would count as two."""
        return self.folder.create(path, data) or read_or_none(self.folder, path) == data

    def record(self, attempt: Attempt, body: Mapping[str, Any]) -> Record:
        """Record a finished unit, once; the record that holds.

        Its `attempt` is `attempt.id` where this try won. A store that retried a request
        may say "exists" to the winner, so the record is read back, never assumed.

        Raises:
            ValueError: body has a key `unit` or `attempt`. StorageError: see `get`.
        """
        if taken := {"unit", "attempt"} & body.keys():
            raise ValueError(f"a record's body may not hold {sorted(taken)}")
        mine = {**body, "unit": attempt.unit, "attempt": attempt.id}
        self.folder.create(f"{_unit(attempt.unit)}.json", canonical_json(mine).encode())
        won = self.get(attempt.unit)
        if won is None:
            raise StorageError(
                f"{self.folder.url(_unit(attempt.unit))}.json: the record was written and is "
                "gone; something else deletes in this folder. Stop it, then run the same "
                "command again"
            )
        return won

    def get(self, unit: str) -> Record | None:
        """The record of a finished unit, else None.

        Raises:
            StorageError: the record cannot be read as one.
        """
        path = f"{_unit(unit)}.json"
        data = read_or_none(self.folder, path)
        return None if data is None else _parse(data, unit, self.folder.url(path))

    def records(self) -> Iterator[tuple[str, Record]]:
        """(unit, record) of every finished unit, in no order, one in memory at a time."""
        for info in self.folder.files("units"):
            name = info.path.removeprefix("units/")
            if name.endswith(".json") and "/" not in name:  # a record lies in no folder there
                unit = name.removesuffix(".json")
                data = self.folder.read(info.path)
                yield unit, _parse(data, unit, self.folder.url(info.path))

    def some(self, units: Iterable[str]) -> Iterator[tuple[str, Record]]:
        """(unit, record) of those of the units that are finished; lists nothing.

        Raises:
            StorageError: see `get`.
        """
        names = {f"{_unit(unit)}.json": unit for unit in units}
        for path, data in read_each(self.folder, names):
            if data is not None:
                yield names[path], _parse(data, names[path], self.folder.url(path))


def _parse(data: bytes, unit: str, url: str) -> Record:
    try:
        record = json.loads(data)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict) or record.get("unit") != unit or "attempt" not in record:
        raise StorageError(
            f"{url}: {len(data)} bytes that are no record of unit {unit}; expected JSON with "
            "its name and attempt. It was damaged from outside: delete this one file and run "
            "the same command again, the unit is made anew"
        )
    return record


def _checked(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError(f"{name!r} cannot name a file of the work folder")
    return name


def _unit(unit: str) -> str:
    return f"units/{_checked(unit)}"
