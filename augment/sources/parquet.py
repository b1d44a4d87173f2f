"""Parquet sources: a file, or a folder of them, one row per image. A locator is
`<file below the uri>#<row number in the file>`.

Where splits are texts: values of the split column if one is named; else the files
`<uri>/<text>/**/*.parquet`, `<uri>/<text>.parquet` and `<uri>/<text>-*.parquet` (the
longest text that fits). Where they are shares: every Parquet file. Hidden files and
folders, and those that begin with `_`, are left out. A column that stands in the names of
folders alone (`label=cat/`) is read from them. Labels are read, pixels are not; a few images
of the first file are, to see what they are. `validate` looks at the first labels of a few files.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from augment.errors import PlanError, Problem
from augment.sources.left_out import Cause
from augment.sources.listing import Listing, ListingBuilder, SoFar, nobody
from augment.sources.parquet_columns import check_columns, check_images
from augment.sources.parquet_file import one_array, open_parquet, rows_at_once, said
from augment.sources.parquet_files import partition, tables_of
from augment.sources.parquet_images import holds_paths, plain_type
from augment.sources.parquet_labels import EXPECTED, Agreement, Labels, labels_of, texts_of
from augment.sources.parquet_reading import ParquetReader
from augment.spec.look import Looked, Seen, missing
from augment.spec.models import ParquetSource
from augment.spec.problems import nearest, shown
from augment.storage import FileInfo, Options

__all__ = ["ParquetReader", "list_parquet", "look_at_parquet"]
_LOOKED_AT = 100
_READ = 8  # files whose first labels `validate` reads
_LABELS = 8192  # rows
_NONE = pa.array([], pa.string())
_NAME = 64  # characters
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def list_parquet(
    name: str, spec: ParquetSource, options: Options | None = None, seen: SoFar = nobody
) -> Listing:
    """Every row with a label, from the label and split columns alone.

    Raises: PlanError for missing files, columns or types that hold no label, files that
        disagree on what labels mean, images that are none; StorageError.
    """
    source = _Source(name, spec, options, seen)
    problems: list[Problem] = []
    for info, split in source.files:
        try:
            source.list_file(info, split)
        except PlanError as error:
            problems += error.problems
    listing = source.found.finish()
    problems = problems or source.agreement.finish() or source.missing_values(listing)
    if problems:
        raise PlanError(problems)
    return listing


def look_at_parquet(spec: ParquetSource, local: str) -> Looked:
    """What `plan` would refuse of a local source, as far as its files' names and the first file
    with rows show. local: its path."""
    if problem := missing(local, "Parquet files", folder=False):
        return Looked([problem])
    try:
        source = _Source("", spec, None)
        names = source.look()
    except PlanError as error:
        return Looked([_seen(problem) for problem in error.problems])
    return Looked([], None if names is None else frozenset(names))


def _seen(problem: Problem) -> Seen:
    path = tuple(problem.place.removeprefix("sources..").split("."))
    return Seen(path, problem.found, problem.expected, problem.hint)


# ---- one source ------------------------------------------------------------------------


class _Source:
    """The files of a source on their way into a listing."""

    def __init__(
        self, name: str, spec: ParquetSource, options: Options | None, seen: SoFar = nobody
    ) -> None:
        self.place, self.spec = f"sources.{name}", spec
        self.found = ListingBuilder(seen)
        self.folder, self.files = tables_of(name, spec, options, self.found.losses)
        mapped = spec.label_map is not None
        self.agreement = Agreement(f"{self.place}.columns.label", mapped)
        self._texts = {t: s for s, t in spec.splits.items() if isinstance(t, str)}
        self._unknown: set[str] = set()
        self._looked_at: set[str] = set()

    def look(self) -> tuple[str, ...] | None:
        """The columns of the first files, and the first labels of some; the names of all labels,
        where those have them.

        Raises: PlanError.
        """
        bare: list[str] = []  # files whose label column has a type without values
        looked = 0
        for info, _ in self.files[:_LOOKED_AT]:
            try:
                with open_parquet(self.folder, info.path) as file:
                    if not file.metadata.num_rows:
                        continue
                    self._check(info, file.schema_arrow)
                    labels = self._labels(info, file.schema_arrow)
                    texts = self._first_labels(file, info, labels) if looked < _READ else _NONE
                    self.agreement.add(info.path, labels, texts)
                    bare += [info.path] if self._has_no_label(info, file.schema_arrow) else []
                    looked += 1
            except (pa.ArrowException, OSError) as error:
                raise self._unreadable(info, error) from error
        problems = self.agreement.finish()
        if bare and len(bare) == looked and len(self.files) <= _LOOKED_AT:
            found = f"{self.spec.columns.label!r} of type null in {bare[0]}: no row has a label"
            problems.append(Problem(f"{self.place}.columns.label", found, EXPECTED))
        if problems:
            raise PlanError(problems)
        return self.agreement.names if len(self.files) <= _LOOKED_AT else None

    def _has_no_label(self, info: FileInfo, schema: pa.Schema) -> bool:
        kind = schema.field(self.spec.columns.label).type if self._stands(info) else None
        return kind is not None and pa.types.is_null(plain_type(kind))

    def _stands(self, info: FileInfo) -> bool:
        """Whether labels stand in the file, not in the names of folders."""
        return self._folded(info, "label") is None

    def _first_labels(
        self, file: pa.parquet.ParquetFile, info: FileInfo, labels: Labels
    ) -> pa.Array:
        """Labels of the first rows, as texts. What is damaged is passed over here."""
        column = self.spec.columns.label
        if not self._stands(info):
            return _NONE
        rows = rows_at_once(file, 0, _LABELS)
        try:
            batch = next(file.iter_batches(rows, row_groups=[0], columns=[column]), None)
        except (pa.ArrowException, OSError):
            return _NONE
        if batch is None:
            return _NONE
        place = f"{self.place}.columns.label"
        return texts_of(place, info.path, batch.column(column), labels.names)

    def list_file(self, info: FileInfo, split: str) -> None:
        """Adds the rows of a file. Raises: PlanError."""
        try:
            with open_parquet(self.folder, info.path) as file:
                rows = file.metadata.num_rows
                schema = file.schema_arrow
                self._check(info, schema)
                labels = self._labels(info, schema)
                starts = [0]
                for group in range(file.num_row_groups):
                    texts, splits = self._read_group(file, group, info, labels, split)
                    if rows:
                        self.agreement.add(info.path, labels, texts)
                    _add_rows(self.found, info, starts[-1], texts, splits)
                    starts.append(starts[-1] + len(texts))
                self.found.row_groups[info.path] = tuple(starts[:-1])
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(info, error) from error

    def _check(self, info: FileInfo, schema: pa.Schema) -> None:
        """The columns of a file; the first images of a file whose column is of a new type, or of
        texts: what they are differs from file to file, and a look costs little."""
        given = self.spec.columns.model_dump()
        named = {k: c for k, c in given.items() if c and self._folded(info, k) is None}
        check_columns(self.place, named, info.path, schema)
        image = schema.field(self.spec.columns.image).type
        kind = str(image)
        if kind not in self._looked_at or holds_paths(image):
            place = f"{self.place}.columns.image"
            if check_images(place, self.spec.columns.image, self.folder, info.path):
                self._looked_at.add(kind)

    def _folded(self, info: FileInfo, key: str) -> str | None:
        """The value of a label or split column that the names of folders give."""
        column = getattr(self.spec.columns, key)
        return None if column is None or key == "image" else partition(info.path, column)

    def _labels(self, info: FileInfo, schema: pa.Schema) -> Labels:
        if not self._stands(info):
            return Labels(None, bare=False)
        return labels_of(schema, self.spec.columns.label)

    def _read_group(
        self, file: pa.parquet.ParquetFile, group: int, info: FileInfo, labels: Labels, split: str
    ) -> tuple[pa.Array, pa.Array]:
        """(labels, splits) of a row group, as texts; null where there is none."""
        n = file.metadata.row_group(group).num_rows
        columns = self.spec.columns
        texts = self._column(file, group, info, "label", labels.names)
        if columns.split is None:
            return texts, pa.repeat(pa.scalar(split), n)
        values = self._column(file, group, info, "split", None)
        splits = _split_names(values, self._texts) if self._texts else pa.repeat(pa.scalar(""), n)
        self._unknown |= set(pc.unique(values.filter(splits.is_null())).to_pylist()) - {None}
        return texts, splits

    def _column(
        self,
        file: pa.parquet.ParquetFile,
        group: int,
        info: FileInfo,
        key: str,
        names: Sequence[str] | None,
    ) -> pa.Array:
        folded = self._folded(info, key)
        if folded is not None:
            value = None if folded == _NO_VALUE else folded
            return pa.repeat(pa.scalar(value, pa.string()), file.metadata.row_group(group).num_rows)
        column = getattr(self.spec.columns, key)
        place, rows = f"{self.place}.columns.{key}", rows_at_once(file, group, _LABELS)
        batches = file.iter_batches(rows, row_groups=[group], columns=[column])
        texts = [texts_of(place, info.path, batch.column(column), names) for batch in batches]
        if not texts:
            none = one_array(file.read_row_group(group, columns=[column]).column(column))
            texts = [texts_of(place, info.path, none, names)]
        return pa.concat_arrays(texts)

    def _unreadable(self, info: FileInfo, error: Exception) -> PlanError:
        found = f"{info.path}, which cannot be read as Parquet ({said(error)})"
        return PlanError([Problem(f"{self.place}.uri", found, "whole Parquet files")])

    def missing_values(self, listing: Listing) -> list[Problem]:
        """Splits that no row has."""
        if self.spec.columns.split is None:
            return []
        there = set(pc.unique(listing.table.column("split")).to_pylist())
        held = sorted(self._unknown)
        column = self.spec.columns.split
        return [
            Problem(
                f"{self.place}.splits.{split}",
                f"{text!r}, a value that no row of column {column!r} has",
                f"one of the other values it holds: {_listed(held)}",
                nearest(text, held),
            )
            for split, text in self.spec.splits.items()
            if isinstance(text, str) and split not in there
        ]


def _listed(values: Sequence[str]) -> str:
    """Names of splits; texts that are longer than a name are not shown."""
    longest = max(map(len, values), default=0)
    if longest > _NAME:
        return f"(texts of up to {longest} characters)"
    return ", ".join(shown(v).strip("'") for v in values[:20]) or "(none)"


def _add_rows(
    found: ListingBuilder, info: FileInfo, first: int, labels: pa.Array, splits: pa.Array
) -> None:
    no_label = pc.fill_null(pc.equal(labels, ""), True)
    no_split = pc.and_(splits.is_null(), pc.invert(no_label))
    found.losses.add_rows(Cause.NO_LABEL, "", pc.sum(no_label).as_py() or 0)
    for each in pc.value_counts(labels.filter(no_split)).to_pylist():
        found.losses.add_rows(Cause.UNASKED, each["values"], each["counts"])
    keep = pc.invert(pc.or_(no_label, no_split))
    numbers = pa.array(range(first, first + len(labels)), pa.int64()).cast(pa.string())
    locators = pc.binary_join_element_wise(info.path, numbers, "#").filter(keep)
    n = len(locators)
    found.add_batch(
        {
            "locator": locators,
            "label": labels.filter(keep).dictionary_encode(),
            "split": splits.filter(keep).dictionary_encode(),
            "size": pa.repeat(pa.scalar(-1, pa.int64()), n),
            "token": pa.repeat(pa.scalar(info.token), n),
        }
    )


def _split_names(values: pa.Array, texts: dict[str, str]) -> pa.Array:
    """The split of each value of the split column; null where none is named."""
    indexes = pc.index_in(values, pa.array(list(texts), pa.string()))
    return pa.array(list(texts.values()), pa.string()).take(indexes)
