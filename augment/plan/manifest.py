"""Manifests: lists of samples to be made, read from a file's bytes or written from a plan.

`read_manifest` checks columns and types, `resolve_manifest` checks names and numbers against
a rule, `manifest_batches` streams a plan's draws as rows. Every problem names the file, the
row (1 = first data row) and the column. Knows nothing of storage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from augment.errors import Problem
from augment.intervals import Intervals
from augment.plan.inputs import Inputs
from augment.plan.plan import Draw, GeneratorFacts, Plan, PlannedGenerator
from augment.plan.tables import ManifestRows, few
from augment.sample import MANIFEST_SCHEMA
from augment.seeds import class_conditioning, real_id, synthetic_id, synthetic_ids
from augment.spec.problems import nearest, one_of

_PART = 4096  # rows that stand as Python objects at a time


@dataclass(frozen=True)
class ManifestRule:
    """What a manifest's rows may say: the rule that names it.

    generators: those of the rule. splits: where made rows may go; split: the default.
    classes: of the data set, as far as the rule allows them.
    """

    generators: Mapping[str, GeneratorFacts]
    classes: tuple[str, ...]
    splits: tuple[str, ...]
    split: str
    seed: int


def resolve_manifest(rows: ManifestRows, rule: ManifestRule) -> tuple[list[Draw], list[Problem]]:
    """The draws that a manifest asks for, one per (generator, class, split), or what is wrong
    with it (then no draws). Rows with `index` give `exact` draws."""
    look = _Columns(rows, rule)
    problems = [*look.missing_columns()]
    if problems:
        return [], problems
    for check in (look.names, look.counts, look.mixed, look.repeats):
        problems += check()
        if problems:
            return [], few(rows.name, problems)
    problems = look.sample_ids()
    return (look.draws(), []) if not problems else ([], few(rows.name, problems))


class _Columns:
    """A manifest's columns as codes into lists of names, defaults filled in."""

    def __init__(self, rows: ManifestRows, rule: ManifestRule) -> None:
        self._rows, self._rule = rows, rule
        self._n = rows.table.num_rows
        only = next(iter(rule.generators)) if len(rule.generators) == 1 else None
        self._generator = self._codes("generator", sorted(rule.generators), only)
        self._label = self._codes("label_name", list(rule.classes), None)
        self._split = self._codes("split", list(rule.splits), rule.split)
        self._index = self._numbers("index", -1)
        self._count = self._numbers("count", 1)

    def _codes(
        self, column: str, names: Sequence[str], default: str | None
    ) -> tuple[np.ndarray, list[str]]:
        """Codes (int64) into `names`, unknown values beyond them; -1: no value."""
        known = list(names)
        if column not in self._rows.table.column_names:
            code = known.index(default) if default in known else -1
            return np.full(self._n, code, dtype=np.int64), known
        encoded = self._rows.table[column].combine_chunks().dictionary_encode()
        places = {name: i for i, name in enumerate(known)}
        mapped = []
        for value in encoded.dictionary.to_pylist():
            if value not in places:
                places[value] = len(known)
                known.append(value)
            mapped.append(places[value])
        missing = -1 if default is None else places.get(default, -1)
        lookup = np.array([*mapped, missing], dtype=np.int64)
        codes = pc.fill_null(encoded.indices, len(mapped)).to_numpy(zero_copy_only=False)
        return lookup[codes.astype(np.int64)], known

    def _numbers(self, column: str, default: int) -> np.ndarray:
        if column not in self._rows.table.column_names:
            return np.full(self._n, default, dtype=np.int64)
        values = self._rows.table[column].combine_chunks()
        return np.asarray(pc.fill_null(values, default).to_numpy(zero_copy_only=False))

    def _given(self, column: str) -> np.ndarray:
        if column not in self._rows.table.column_names:
            return np.zeros(self._n, dtype=bool)
        valid = pc.is_valid(self._rows.table[column].combine_chunks())
        return np.asarray(valid.to_numpy(zero_copy_only=False))

    def missing_columns(self) -> list[Problem]:
        have, out = self._rows.table.column_names, []
        needed = ["label_name"]
        if len(self._rule.generators) > 1:
            needed.append("generator")
        for column in needed:
            if column not in have:
                why = "the rule names several" if column == "generator" else "every row has one"
                out.append(self._rows.problem(None, column, "no such column", f"it: {why}"))
        if not self._n:
            out.append(Problem(self._rows.name, "0 rows", "at least 1: a rule must add something"))
        return out

    def names(self) -> list[Problem]:
        """Unknown generators, classes and splits, and classes that a generator cannot make."""
        rule, out = self._rule, list[Problem]()
        out += self._unknown("generator", self._generator, sorted(rule.generators))
        out += self._unknown("label_name", self._label, rule.classes)
        out += self._unknown("split", self._split, rule.splits)
        if out:
            return out
        (generator, generators), (label, labels) = self._generator, self._label
        knows = [frozenset(rule.generators[g].classes) for g in generators]
        can = np.array([[c in some for c in labels] for some in knows])
        return out + self._at(
            ~can[generator, label],
            "label_name",
            lambda i: repr(labels[label[i]]),
            lambda i: f"a class that generator {generators[generator[i]]} can make",
        )

    def _unknown(
        self, column: str, coded: tuple[np.ndarray, list[str]], known: Sequence[str]
    ) -> list[Problem]:
        codes, names = coded

        def found(i: int) -> str:
            return repr(names[codes[i]]) if codes[i] >= 0 else "nothing"

        def hint(i: int) -> str:
            return nearest(names[codes[i]], known) if codes[i] >= 0 else ""

        listed = one_of(known)
        bad = (codes < 0) | (codes >= len(known))
        return self._at(bad, column, found, lambda i: listed, hint)

    def counts(self) -> list[Problem]:
        """Counts below 1, negative indexes, both in one row."""
        index, count = self._given("index"), self._given("count")
        out = self._at(
            index & count,
            "count",
            lambda i: f"{self._count[i]} together with index {self._index[i]}",
            lambda i: "one of them: an index is one sample",
        )
        out += self._at(
            count & (self._count < 1),
            "count",
            lambda i: str(self._count[i]),
            lambda i: "a whole number >= 1",
        )
        return out + self._at(
            index & (self._index < 0),
            "index",
            lambda i: str(self._index[i]),
            lambda i: "a whole number >= 0",
        )

    def mixed(self) -> list[Problem]:
        """Cells with an index in some rows and none in others; ids that cannot be checked."""
        cell = self._generator[0] * len(self._label[1]) + self._label[0]
        given = self._given("index")
        both = np.intersect1d(cell[given], cell[~given])
        out = self._at(
            np.isin(cell, both) & ~given,
            "index",
            lambda i: f"nothing, while other rows of {self._cell(i)} have an index",
            lambda i: "an index in all rows of a generator's class or in none",
        )
        return out + self._at(
            self._given("sample_id") & ~given,
            "sample_id",
            lambda i: "an id without an index",
            lambda i: "an index with it, so that the id can be checked",
        )

    def repeats(self) -> list[Problem]:
        """An index that appears twice in a cell, whichever the split."""
        given = np.flatnonzero(self._given("index"))
        cell = self._generator[0][given] * len(self._label[1]) + self._label[0][given]
        order = np.lexsort((given, self._index[given], cell))
        rows, cells, indexes = given[order], cell[order], self._index[given][order]
        twice = np.flatnonzero((np.diff(cells) == 0) & (np.diff(indexes) == 0)) + 1
        first = {int(rows[t]): int(rows[t - 1]) + 1 for t in twice}
        bad = np.zeros(self._n, dtype=bool)
        bad[list(first)] = True
        return self._at(
            bad,
            "index",
            lambda i: f"{self._index[i]}, which row {first[i]} has already for {self._cell(i)}",
            lambda i: "every index once",
        )

    def sample_ids(self) -> list[Problem]:
        """Ids that are not those of this job's universe."""
        if "sample_id" not in self._rows.table.column_names:
            return []
        ids = self._rows.table["sample_id"].to_pylist()
        wrong: dict[int, str] = {}
        cell = self._generator[0] * len(self._label[1]) + self._label[0]
        for rows in _groups(cell, np.flatnonzero(self._given("sample_id"))):
            facts = self._rule.generators[self._generator[1][self._generator[0][rows[0]]]]
            label = self._label[1][self._label[0][rows[0]]]
            right = _ids(self._rule.seed, facts, label, self._index[rows].tolist())
            wrong |= {i: r for i, r in zip(rows.tolist(), right, strict=True) if ids[i] != r}
        hint = "The manifest is of another seed, checkpoint or sampling"
        return [
            self._rows.problem(i + 1, "sample_id", repr(ids[i]), right, hint)
            for i, right in sorted(wrong.items())
        ]

    def draws(self) -> list[Draw]:
        (generator, generators), (label, labels) = self._generator, self._label
        split, splits = self._split
        keys = (generator * len(labels) + label) * len(splits) + split
        given = self._given("index")
        out = []
        for rows in _groups(keys, np.arange(self._n)):
            i = rows[0]
            exact = Intervals.of(self._index[rows]) if given[i] else None
            n = len(exact) if exact is not None else int(self._count[rows].sum())
            names = generators[generator[i]], labels[label[i]], splits[split[i]]
            out.append(Draw(*names, n, exact))
        return out

    def _cell(self, i: int) -> str:
        generator = self._generator[1][self._generator[0][i]]
        return f"{generator} / {self._label[1][self._label[0][i]]}"

    def _at(
        self,
        bad: np.ndarray,
        column: str,
        found: Callable[[int], str],
        expected: Callable[[int], str],
        hint: Callable[[int], str] = lambda i: "",
    ) -> list[Problem]:
        return [
            self._rows.problem(int(i) + 1, column, found(int(i)), expected(int(i)), hint(int(i)))
            for i in np.flatnonzero(bad)
        ]


def manifest_batches(
    plan: Plan, inputs: Inputs | None = None, rows_per_batch: int = 1 << 14
) -> Iterator[pa.RecordBatch]:
    """One row (`MANIFEST_SCHEMA`) per sample to be made, draw by draw, in batches of
    `rows_per_batch` (the last may be shorter); memory does not grow with the plan.

    A draw without exact indexes lists the lowest that no earlier draw takes: what is made if
    nothing is rejected. As `manifest: FILE` the rows give the same samples.
    inputs: what generators are fed, where the plan draws from one that takes images.
    """
    inputs = inputs or Inputs()
    parts: list[pa.RecordBatch] = []
    room = rows_per_batch
    for draw, indexes in _first_indexes(plan.draws):
        generator, at = plan.generator(draw.generator), 0
        while at < len(indexes):
            some = list(indexes.take(at, at + min(room, _PART)))
            if (fed := inputs.lists.get(draw.generator)) is None:
                ids = _ids(plan.seed, generator, draw.label_name, some)
            else:
                places = [fed.parent(draw.label_name, i) for i in some]
                ids = _fed_ids(plan.seed, generator, draw.label_name, inputs.table, places)
            parts.append(_batch(draw, some, ids))
            at += len(some)
            room -= len(some)
            if not room:
                yield _joined(parts)
                parts, room = [], rows_per_batch
    if parts:
        yield _joined(parts)


def _first_indexes(draws: Iterable[Draw]) -> Iterator[tuple[Draw, Intervals]]:
    begun: dict[tuple[str, str], int] = {}
    for draw in draws:
        if draw.exact is not None:
            yield draw, draw.exact
            continue
        start = begun.get((draw.generator, draw.label_name), 0)
        begun[draw.generator, draw.label_name] = start + draw.n
        yield draw, Intervals([(start, start + draw.n)])


def _joined(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    (batch,) = pa.Table.from_batches(parts).combine_chunks().to_batches()
    return batch


def _batch(draw: Draw, indexes: Sequence[int], ids: Iterable[str]) -> pa.RecordBatch:
    n = len(indexes)
    columns = {
        "generator": pa.repeat(pa.scalar(draw.generator), n),
        "label_name": pa.repeat(pa.scalar(draw.label_name), n),
        "split": pa.repeat(pa.scalar(draw.split), n),
        "index": pa.array(indexes, pa.int64()),
        "sample_id": pa.array(ids, pa.string()),
    }
    arrays = [columns[field.name] for field in MANIFEST_SCHEMA]
    return pa.RecordBatch.from_arrays(arrays, schema=MANIFEST_SCHEMA)


def _ids(
    seed: int, generator: GeneratorFacts | PlannedGenerator, label: str, indexes: Iterable[int]
) -> Iterator[str]:
    conditioning = class_conditioning(label)
    return synthetic_ids(seed, generator.identity, generator.sampling_digest, conditioning, indexes)


def _fed_ids(
    seed: int,
    generator: PlannedGenerator,
    label: str,
    parents: pa.Table,
    places: Sequence[tuple[int, int]],
) -> Iterator[str]:
    """Ids of samples made from images: places are (row of `parents`, copy)."""
    rows = parents.select(["source", "locator"]).take(pa.array([row for row, _ in places]))
    names = zip(*(column.to_pylist() for column in rows.columns), strict=True)
    same = (seed, generator.identity, generator.sampling_digest, class_conditioning(label))
    for (source, locator), (_, copy) in zip(names, places, strict=True):
        yield synthetic_id(*same, copy, real_id(source, locator))


def _groups(keys: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    """`rows` by their key, keys ascending, rows ascending within a key."""
    order = rows[np.argsort(keys[rows], kind="stable")]
    _, starts = np.unique(keys[order], return_index=True)
    return np.split(order, starts[1:]) if order.size else []
