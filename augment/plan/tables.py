"""A manifest file's bytes as a table of known columns and types: Parquet, CSV or JSONL.

Rows become Arrow batch by batch, so that a file of millions of them takes the memory of its bytes
and of its table. Checks form only; what the names and numbers mean is checked in `manifest`.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from augment.errors import PlanError, Problem
from augment.spec.few import SHOWN, Few
from augment.spec.problems import shown

MAX_ROWS = 50_000_000
_BATCH = 1 << 14
_MAX_LINE = 1 << 20
_TYPES = {
    "generator": pa.string(),
    "label_name": pa.string(),
    "split": pa.string(),
    "count": pa.int64(),
    "index": pa.int64(),
    "sample_id": pa.string(),
}
_LARGEST = (1 << 63) - 1
Row = dict[str, Any]


@dataclass(frozen=True)
class ManifestRows:
    """The rows of a manifest, as far as form goes: known columns only, text or int64, null
    where a row has no value. name: the file, for messages."""

    name: str
    table: pa.Table

    def problem(
        self, row: int | None, column: str, found: str, expected: str, hint: str = ""
    ) -> Problem:
        """A problem at a row (1 = first data row; None: the whole column)."""
        return _problem(self.name, row, column, found, expected, hint)


def few(name: str, problems: Sequence[Problem]) -> list[Problem]:
    """The first 20 problems and, where there are more, how many there are in all."""
    if len(problems) <= SHOWN:
        return list(problems)
    total = Problem(name, f"{len(problems)} problems", "none", f"The first {SHOWN} are listed")
    return [*problems[:SHOWN], total]


def read_manifest(name: str, data: bytes) -> ManifestRows:
    """Read a manifest.

    Columns: `label_name`; `generator` (may be left out where the rule names one); `split`
    (default: the rule's); `count` (default 1) or `index` (exactly that point of the
    generator's universe); `sample_id` (checked where given). No value = the default.

    Args:
        name: of the file, `.parquet`, `.csv` (with a header), `.jsonl` or `.ndjson`; says
            the format and stands in messages. data: the file's bytes.

    Raises:
        PlanError: not that format, unknown or missing columns, wrong types.
    """
    suffix = name.lower().rsplit(".", 1)[-1]
    if suffix == "parquet":
        return ManifestRows(name, _parquet(name, data))
    if suffix == "csv":
        return ManifestRows(name, _csv(name, data))
    if suffix in ("jsonl", "ndjson"):
        return ManifestRows(name, _jsonl(name, data))
    raise PlanError([Problem(name, f"the ending .{suffix}", "one of .parquet, .csv, .jsonl")])


def _problem(
    name: str, row: int | None, column: str, found: str, expected: str, hint: str = ""
) -> Problem:
    place = f"{name}: column {column}" if row is None else f"{name}: row {row}, column {column}"
    return Problem(place, found, expected, hint)


def _check_columns(name: str, columns: Iterable[str]) -> None:
    problems, seen = [], set[str]()
    for column in columns:
        if column in seen:
            problems.append(_problem(name, None, column[:80], "the column twice", "once"))
        elif column not in _TYPES:
            hint = "The class stands in `label_name`" if column in ("label", "class") else ""
            expected = f"one of {', '.join(_TYPES)}"
            problems.append(_problem(name, None, column[:80], "an unknown column", expected, hint))
        seen.add(column)
    if problems:
        raise PlanError(few(name, problems))


# ---- Parquet -------------------------------------------------------------------------


def _parquet(name: str, data: bytes) -> pa.Table:
    try:
        with pq.ParquetFile(pa.BufferReader(data)) as file:
            _check_columns(name, file.schema_arrow.names)
            _check_rows(name, file.metadata.num_rows)
            table = file.read()
    except (pa.ArrowException, OSError, UnicodeError, RuntimeError) as e:
        said = (str(e).splitlines() or [type(e).__name__])[0]
        raise PlanError(
            [Problem(name, f"no readable Parquet ({said[:200]})", "a Parquet file")]
        ) from e
    problems: list[Problem] = []
    columns = {c: _cast(name, c, table[c], problems) for c in table.column_names}
    if problems:
        raise PlanError(problems)
    return pa.table(columns)


def _check_rows(name: str, n: int) -> None:
    if n > MAX_ROWS:
        hint = "Use `count`: one row stands for many samples"
        raise PlanError([Problem(name, f"more than {MAX_ROWS} rows", "fewer", hint)])


def _cast(
    name: str, column: str, values: pa.ChunkedArray, problems: list[Problem]
) -> pa.ChunkedArray:
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    text = any(test(kind) for test in texts)
    wanted = _TYPES[column]
    right = text if pa.types.is_string(wanted) else pa.types.is_integer(kind)
    if not right and not pa.types.is_null(kind):
        expected = "text" if pa.types.is_string(wanted) else "whole numbers"
        problems.append(_problem(name, None, column, f"the type {values.type}", expected))
        return values
    try:
        return values.cast(wanted)
    except pa.ArrowInvalid:
        problems.append(_problem(name, None, column, "numbers that do not fit", "int64"))
        return values


# ---- CSV and JSONL -------------------------------------------------------------------


class _Rows:
    """Rows on their way into a table: values checked, kept as Arrow batches."""

    def __init__(self, name: str) -> None:
        self.problems = Few(name)
        self._name, self._n = name, 0
        self._columns: dict[str, list[Any]] = {column: [] for column in _TYPES}
        self._batches: list[pa.RecordBatch] = []

    @property
    def next_place(self) -> str:
        return f"{self._name}: row {self._n + 1}"

    def skip(self, found: str, expected: str) -> None:
        """A row that is none."""
        self.problems.add(self.next_place, found, expected)
        self._n += 1

    def add(self, row: Row) -> None:
        self._n += 1
        for column, values in self._columns.items():
            value = row.get(column)
            if value is not None and (expected := _mismatch(column, value)):
                place = f"{self._name}: row {self._n}, column {column}"
                self.problems.add(place, shown(value), expected)
                value = None
            values.append(value)
        if self._n % _BATCH == 0:
            self._flush()

    def finish(self, columns: Sequence[str]) -> pa.Table:
        """The table of the columns that the file has. Raises: PlanError."""
        self._flush()
        if self.problems:
            raise PlanError(self.problems.problems())
        return pa.Table.from_batches(self._batches, pa.schema(_TYPES)).select(columns)

    def _flush(self) -> None:
        _check_rows(self._name, self._n)
        arrays = [pa.array(self._columns[column], kind) for column, kind in _TYPES.items()]
        self._batches.append(pa.RecordBatch.from_arrays(arrays, schema=pa.schema(_TYPES)))
        self._columns = {column: [] for column in _TYPES}


def _text(name: str, data: bytes) -> io.TextIOWrapper:
    """The text, decoded as it is read."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(data), _MAX_LINE):
        try:
            decoder.decode(data[start : start + _MAX_LINE], final=start + _MAX_LINE >= len(data))
        except UnicodeDecodeError as e:
            at = start - (len(e.object) - len(data[start : start + _MAX_LINE])) + e.start
            found = f"bytes that are not UTF-8 (at {at})"
            raise PlanError([Problem(name, found, "UTF-8 text", "Save it as UTF-8")]) from e
    return io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline="")


def _csv(name: str, data: bytes) -> pa.Table:
    reader = csv.reader(_text(name, data), strict=True)
    rows = _Rows(name)
    header: list[str] = []
    try:
        for line in reader:
            if not line:
                continue
            if not header:
                header = line
                _check_columns(name, header)
            elif len(line) != len(header):
                rows.skip(f"{len(line)} values", f"{len(header)}, one per column")
            else:
                rows.add({c: _parsed(c, v) for c, v in zip(header, line, strict=True)})
    except csv.Error as e:
        place = f"{name}: line {reader.line_num}"
        raise PlanError([Problem(place, f"broken CSV ({e})", "comma-separated values")]) from e
    if not header:
        raise PlanError([Problem(name, "an empty file", "a header and rows")])
    return rows.finish(header)


def _parsed(column: str, value: str) -> Any:
    """A cell as its column's type; as it is where it is none. Nothing where it is empty."""
    digits = value.strip().removeprefix("-")
    if not value or pa.types.is_string(_TYPES[column]) or len(digits) > 20:
        return value or None
    return int(value) if digits.isascii() and digits.isdigit() else value


def _jsonl(name: str, data: bytes) -> pa.Table:
    rows = _Rows(name)
    names: dict[str, None] = {}
    for line in _lines(_text(name, data)):
        if len(line) > _MAX_LINE:
            rows.skip(f"a line of more than {_MAX_LINE} characters", "one object a line")
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as e:
            rows.skip(f"broken JSON ({str(e)[:200]})", "one object a line")
            continue
        if not isinstance(row, dict):
            rows.skip(f"a JSON {type(row).__name__}", "one object a line")
            continue
        if new := [column for column in row if column not in names]:
            names |= dict.fromkeys(new)
            _check_columns(name, names)
        rows.add(row)
    return rows.finish(list(names))


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    """Lines that are not blank; of one that is too long its beginning."""
    while line := text.readline(_MAX_LINE + 1):
        rest = line
        while len(rest) > _MAX_LINE and not rest.endswith("\n"):
            rest = text.readline(_MAX_LINE + 1)
        if line.strip():
            yield line


def _mismatch(column: str, value: Any) -> str:
    """What was expected, or nothing where the value is right."""
    if pa.types.is_string(_TYPES[column]):
        return "" if isinstance(value, str) else "text"
    if isinstance(value, bool) or not isinstance(value, int):
        return "a whole number"
    return "" if -_LARGEST <= value <= _LARGEST else f"a whole number up to {_LARGEST}"
