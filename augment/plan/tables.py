"""A manifest file's bytes as a table of known columns and types: Parquet, CSV or JSONL.

Checks form only; what the names and numbers mean is checked in `manifest`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from augment.errors import PlanError, Problem

SHOWN = 20
_TYPES = {
    "generator": pa.string(),
    "label_name": pa.string(),
    "split": pa.string(),
    "count": pa.int64(),
    "index": pa.int64(),
    "sample_id": pa.string(),
}
_LARGEST = (1 << 63) - 1
Column = list[Any]


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
        return ManifestRows(name, _csv(name, _text(name, data)))
    if suffix in ("jsonl", "ndjson"):
        return ManifestRows(name, _jsonl(name, _text(name, data)))
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
            problems.append(_problem(name, None, column, "the column twice", "once"))
        elif column not in _TYPES:
            hint = "The class stands in `label_name`" if column in ("label", "class") else ""
            expected = f"one of {', '.join(_TYPES)}"
            problems.append(_problem(name, None, column, "an unknown column", expected, hint))
        seen.add(column)
    if problems:
        raise PlanError(few(name, problems))


# ---- Parquet -------------------------------------------------------------------------


def _parquet(name: str, data: bytes) -> pa.Table:
    try:
        table = pq.read_table(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as e:
        found = f"no readable Parquet ({str(e).splitlines()[0]})"
        raise PlanError([Problem(name, found, "a Parquet file")]) from e
    _check_columns(name, table.column_names)
    problems: list[Problem] = []
    columns = {c: _cast(name, c, table[c], problems) for c in table.column_names}
    if problems:
        raise PlanError(problems)
    return pa.table(columns)


def _cast(
    name: str, column: str, values: pa.ChunkedArray, problems: list[Problem]
) -> pa.ChunkedArray:
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
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


def _text(name: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        found = f"bytes that are not UTF-8 (at {e.start})"
        raise PlanError([Problem(name, found, "UTF-8 text", "Save it as UTF-8")]) from e


def _csv(name: str, text: str) -> pa.Table:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        lines = [line for line in reader if line]
    except csv.Error as e:
        place = f"{name}: line {reader.line_num}"
        raise PlanError([Problem(place, f"broken CSV ({e})", "comma-separated values")]) from e
    if not lines:
        raise PlanError([Problem(name, "an empty file", "a header and rows")])
    header, rows = lines[0], lines[1:]
    _check_columns(name, header)
    problems = [
        Problem(f"{name}: row {i}", f"{len(row)} values", f"{len(header)}, one per column")
        for i, row in enumerate(rows, start=1)
        if len(row) != len(header)
    ]
    if problems:
        raise PlanError(few(name, problems))
    columns = {c: [row[at] or None for row in rows] for at, c in enumerate(header)}
    for column in set(header) & {"count", "index"}:
        columns[column] = [
            _parsed(name, i, column, value, problems)
            for i, value in enumerate(columns[column], start=1)
        ]
    return _build(name, columns, problems)


def _parsed(name: str, row: int, column: str, value: str | None, problems: list[Problem]) -> Any:
    digits = (value or "0").strip().removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        problems.append(_problem(name, row, column, repr(value), "a whole number"))
        return None
    return None if value is None else int(value)


def _jsonl(name: str, text: str) -> pa.Table:
    rows: list[dict[str, Any]] = []
    problems: list[Problem] = []
    for i, line in enumerate((x for x in text.split("\n") if x.strip()), start=1):
        try:
            row = json.loads(line)
        except ValueError as e:
            problems.append(Problem(f"{name}: row {i}", f"broken JSON ({e})", "one object a line"))
            continue
        if not isinstance(row, dict):
            found = f"a JSON {type(row).__name__}"
            problems.append(Problem(f"{name}: row {i}", found, "one object a line"))
            continue
        rows.append(row)
    if problems:
        raise PlanError(few(name, problems))
    names = list(dict.fromkeys(c for row in rows for c in row))
    _check_columns(name, names)
    return _build(name, {c: [row.get(c) for row in rows] for c in names}, problems)


def _build(name: str, columns: dict[str, Column], problems: list[Problem]) -> pa.Table:
    for column, values in columns.items():
        for i, value in enumerate(values, start=1):
            expected = _mismatch(column, value)
            if expected:
                problems.append(_problem(name, i, column, repr(value), expected))
    if problems:
        raise PlanError(few(name, problems))
    return pa.table({c: pa.array(values, _TYPES[c]) for c, values in columns.items()})


def _mismatch(column: str, value: Any) -> str:
    """What was expected, or nothing where the value is right."""
    if value is None:
        return ""
    if pa.types.is_string(_TYPES[column]):
        return "" if isinstance(value, str) else "text"
    if isinstance(value, bool) or not isinstance(value, int):
        return "a whole number"
    return "" if -_LARGEST <= value <= _LARGEST else f"a whole number up to {_LARGEST}"
