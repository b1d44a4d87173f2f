"""Do rows show different pictures? Generated ones, copies, and both against the real ones.

A picture is known by `pixels_sha256`, which marks and encodings do not change; where two rows
have equal ones, they show the same. 12 bytes a row while they are counted; larger versions are
read in several passes, each of which looks at one part of all pictures, so memory stays flat.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from augment.audit.facts import Facts, read_facts
from augment.audit.ids import first_64_bits
from augment.audit.table import DataSet
from augment.sample import Origin

_ROWS_PER_PASS = 1 << 26  # about 2.5 GB while sorting
_NONE: Mapping[str, int] = MappingProxyType({})
_COLUMNS = ("pixels_sha256", "transforms")
REAL, MADE, COPY = 0, 1, 2
"""What a row is: an untouched real image, untouched of a generator, or varied from another row."""


class Cell(NamedTuple):
    """Rows of one kind in one class of one split. maker: generator.id, "" for others."""

    split: str
    label_name: str
    kind: int
    maker: str


Place = tuple[int, str, str]
"""kind, maker, class"""
ANYWHERE: Place = (MADE, "", "")
"""All generated rows, of whatever generator and class."""
Names = tuple[str, ...]
Entry = TypeVar("Entry")


@dataclass
class Tally(Generic[Entry]):
    """How many of each entry, and the first 64 bits of one picture of it."""

    counts: Counter[Entry] = field(default_factory=Counter)
    examples: dict[Entry, int] = field(default_factory=dict)

    def add(self, entry: Entry, n: int, picture: int) -> None:
        self.counts[entry] += n
        self.examples.setdefault(entry, picture)


@dataclass
class Pictures:
    """Counts over all rows of a version that say what they show.

    rows: by cell. unnamed: rows that do not say it. repeated: rows more than different pictures,
    of MADE and COPY, and of all that is MADE. real: by cell, made rows and copies that show a
    real picture; elsewhere: of these, where that real one stands in another split. untouched:
    copies that show the picture of an untouched row, real or generated. across: splits -> real
    pictures that stand in all of them. under: the same of classes.
    """

    rows: Counter[Cell] = field(default_factory=Counter)
    unnamed: int = 0
    repeated: Tally[Place] = field(default_factory=Tally)
    real: Tally[Cell] = field(default_factory=Tally)
    elsewhere: Tally[Cell] = field(default_factory=Tally)
    untouched: Tally[Cell] = field(default_factory=Tally)
    across: Tally[Names] = field(default_factory=Tally)
    under: Tally[Names] = field(default_factory=Tally)

    def by_place(self) -> Counter[Place]:
        """Rows of each kind, maker and class, in all splits."""
        rows: Counter[Place] = Counter()
        for cell, n in self.rows.items():
            rows[cell.kind, cell.maker, cell.label_name] += n
        return rows

    def of_kind(self, kind: int) -> int:
        """Rows of a kind that say what they show."""
        return sum(n for cell, n in self.rows.items() if cell.kind == kind)


def count_pictures(
    data: DataSet,
    rows: int,
    without: Mapping[str, int] = _NONE,
    rows_per_pass: int = _ROWS_PER_PASS,
) -> Pictures:
    """rows: how many the version has, to size the passes. without: shards that have no such
    column, as those of earlier versions, with their rows.

    Raises:
        StorageError: a shard vanished or is damaged.
    """
    passes = max(1, -(-rows // rows_per_pass))
    found = Pictures()
    for part in range(passes):
        codes: dict[Cell, int] = {}
        keys, cells = [np.empty(0, np.uint64)], [np.empty(0, np.int32)]
        unnamed = sum(without.values())
        for shard in (shard for shard in data.shards if shard.path not in without):
            for facts in read_facts(data, shard, _COLUMNS):
                named, numbers = _named(facts, codes)
                unnamed += facts.rows.num_rows - named.size
                own = named % np.uint64(passes) == part
                keys.append(named[own])
                cells.append(numbers[own])
        found.unnamed = unnamed
        _count(found, list(codes), np.concatenate(keys), np.concatenate(cells))
    return found


def _named(facts: Facts, codes: dict[Cell, int]) -> tuple[np.ndarray, np.ndarray]:
    """(first 64 bits of the picture, number of the cell) of the rows that say what they show."""
    rows = facts.rows.filter(pc.is_valid(facts.rows["pixels_sha256"]))
    if not rows.num_rows:
        return np.empty(0, np.uint64), np.empty(0, np.int32)
    varied: pa.Array = pa.repeat(False, rows.num_rows)
    if "transforms" in rows.column_names:
        varied = pc.greater(rows["transforms"], 0)
    columns = [rows[name] for name in ("split", "label_name", "origin", "generated", "generator")]
    combined, values = _combined([*columns, varied])
    cells = [
        Cell(split, label, _kind(origin, generated, changed), maker or "")
        for split, label, origin, generated, maker, changed in values
    ]
    numbers = np.array([codes.setdefault(cell, len(codes)) for cell in cells], np.int32)
    return first_64_bits(rows["pixels_sha256"]), numbers[combined]


def _combined(columns: list[Any]) -> tuple[np.ndarray, list[tuple[Any, ...]]]:
    """(number of each row's combination of values, the combinations)."""
    code = np.zeros(len(columns[0]), np.int64)
    words: list[list[Any]] = []
    for column in columns:
        whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        coded = whole.dictionary_encode(null_encoding="encode")
        words.append(coded.dictionary.to_pylist())
        code = code * len(words[-1]) + coded.indices.to_numpy()
    there, inverse = np.unique(code, return_inverse=True)
    values = []
    for one in there.tolist():
        value: list[Any] = []
        for some in reversed(words):
            one, at = divmod(one, len(some))
            value.append(some[at])
        values.append(tuple(reversed(value)))
    return inverse, values


def _kind(origin: str, generated: bool, varied: bool) -> int:
    if origin == Origin.REAL.value and not varied:
        return REAL
    return MADE if generated and not varied and origin != Origin.COMPOSITE.value else COPY


# ---- counting ------------------------------------------------------------------------


def _count(found: Pictures, cells: list[Cell], keys: np.ndarray, numbers: np.ndarray) -> None:
    """Add what some pictures come to; all rows that show one of them are here."""
    for number, n in enumerate(np.bincount(numbers, minlength=len(cells)).tolist()):
        found.rows[cells[number]] += n
    order = np.argsort(keys)
    keys, numbers = keys[order], numbers[order]
    same = keys[1:] == keys[:-1]
    shared = np.append(same, False) | np.insert(same, 0, False)
    if shared.any():
        _Shared(found, cells, keys[shared], numbers[shared]).count()


class _Shared:
    """Rows that show what another row shows, in the order of their pictures."""

    def __init__(
        self, found: Pictures, cells: list[Cell], keys: np.ndarray, numbers: np.ndarray
    ) -> None:
        """keys: of the rows' pictures, sorted. numbers: of their cells."""
        self._found, self._cells, self._keys, self._numbers = found, cells, keys, numbers
        new = np.insert(keys[1:] != keys[:-1], 0, True)
        self._group, self._pictures = np.cumsum(new) - 1, keys[new]
        self._kind = np.array([cell.kind for cell in cells], np.int64)[numbers]

    def count(self) -> None:
        """Add to what was found."""
        varied, copy = self._kind != REAL, self._kind == COPY
        splits, split = self._coded([cell.split for cell in self._cells])
        labels, label = self._coded([cell.label_name for cell in self._cells])
        found = self._found
        self._tally(found.real, varied & self._beside(REAL))
        self._tally(found.untouched, copy & self._beside(REAL, MADE))
        self._tally(found.elsewhere, varied & self._in_another(split, len(splits)))
        self._sets(found.across, splits, split)
        self._sets(found.under, labels, label)
        self._repeats()

    def _coded(self, values: list[Any]) -> tuple[list[Any], np.ndarray]:
        """(the values of cells, each once; the place there of every row's)."""
        known = sorted(set(values))
        place = {value: i for i, value in enumerate(known)}
        return known, np.array([place[value] for value in values], np.int64)[self._numbers]

    def _beside(self, *kinds: int) -> np.ndarray:
        """(rows,) whether a row of these kinds shows the same."""
        held = np.zeros(self._pictures.size, bool)
        held[self._group[np.isin(self._kind, kinds)]] = True
        beside: np.ndarray = held[self._group]
        return beside

    def _held(self, value: np.ndarray, n: int) -> np.ndarray:
        """picture x n + value, sorted, each once, of the real rows."""
        real = self._kind == REAL
        return np.unique(self._group[real] * n + value[real])

    def _in_another(self, split: np.ndarray, n: int) -> np.ndarray:
        """(rows,) whether a real row of another split shows the same."""
        held = self._held(split, n)
        splits = np.bincount(held // n, minlength=self._pictures.size)
        own = np.isin(self._group * n + split, held)
        another: np.ndarray = np.greater(splits[self._group], own)
        return another

    def _tally(self, into: Tally[Cell], rows: np.ndarray) -> None:
        """Count the rows of a mask by cell."""
        there, first, counts = np.unique(self._numbers[rows], return_index=True, return_counts=True)
        keys = self._keys[rows][first]
        for number, key, n in zip(there.tolist(), keys.tolist(), counts.tolist(), strict=True):
            into.add(self._cells[number], n, key)

    def _sets(self, into: Tally[Names], names: list[str], value: np.ndarray) -> None:
        """Count pictures that real rows show under several values."""
        n = len(names)
        held = self._held(value, n)
        group = held // n
        several = np.bincount(group, minlength=self._pictures.size)[group] > 1
        for picture, members in itertools.groupby(held[several].tolist(), lambda code: code // n):
            values = tuple(names[code % n] for code in members)
            into.add(values, 1, int(self._pictures[picture]))

    def _repeats(self) -> None:
        """Rows of one kind, maker and class that show what another of them shows; and generated
        rows that show what any other generated row shows."""
        places, place = self._coded([(c.kind, c.maker, c.label_name) for c in self._cells])
        again = _again(self._group * len(places) + place) & (self._kind != REAL)
        there, at, counts = np.unique(place[again], return_index=True, return_counts=True)
        keys = self._keys[again][at]
        for number, key, n in zip(there.tolist(), keys.tolist(), counts.tolist(), strict=True):
            self._found.repeated.add(places[number], n, key)
        made = self._kind == MADE
        anywhere = self._keys[made][_again(self._group[made])]
        if anywhere.size:
            self._found.repeated.add(ANYWHERE, anywhere.size, int(anywhere[0]))


def _again(codes: np.ndarray) -> np.ndarray:
    """(n,) whether a code stood there before."""
    again = np.ones(codes.size, bool)
    again[np.unique(codes, return_index=True)[1]] = False
    return again
