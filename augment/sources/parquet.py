"""Parquet sources: a file, or a folder of them, one row per image. A locator is
`<file below the uri>#<row number in the file>`.

Where splits are texts: values of the split column if one is named; else the files
`<uri>/<text>/**/*.parquet`, `<uri>/<text>.parquet` and `<uri>/<text>-*.parquet` (the
longest text that fits). Where they are shares: every Parquet file. Hidden files and
folders, and those that begin with `_`, are left out. Labels are read, pixels are not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from augment.errors import PlanError, Problem
from augment.sources.kinds import IMAGES, ending_of
from augment.sources.left_out import Cause, LeftOut, Losses, summary
from augment.sources.listing import Listing, ListingBuilder
from augment.sources.parquet_reading import ParquetReader, locate
from augment.spec.models import ParquetSource
from augment.spec.problems import nearest
from augment.storage import FileInfo, Folder, Left, Options

__all__ = ["ParquetReader", "list_parquet"]


def list_parquet(name: str, spec: ParquetSource, options: Options | None = None) -> Listing:
    """Every row with a label, from the label and split columns alone.

    Raises: PlanError for missing files, columns or types that hold no label; StorageError.
    """
    found = ListingBuilder()
    folder, files = _files(name, spec, options, found.losses)
    problems: list[Problem] = []
    unknown: set[str] = set()
    for info, split in files:
        try:
            unknown |= _list_file(name, spec, folder, info, split, found)
        except PlanError as error:
            problems += error.problems
    listing = found.finish()
    if not problems:
        problems = _missing_values(name, spec, listing, unknown)
    if problems:
        raise PlanError(problems)
    return listing


# ---- which files -----------------------------------------------------------------------


def _files(
    name: str, spec: ParquetSource, options: Options | None, losses: Losses
) -> tuple[Folder, list[tuple[FileInfo, str]]]:
    """(folder that locators hang on, its files with the split of each, "" if not known)."""
    place = f"sources.{name}"
    folder, only = locate(spec, options)
    if only:
        infos = [folder.info(only)]
    elif not folder.exists(""):
        raise PlanError(
            [Problem(f"{place}.uri", f"{spec.uri}, which does not exist", "Parquet files")]
        )
    elif folder.exists("_delta_log"):
        hint = "Its files also hold rows that the table has not (any more): export a version."
        raise PlanError([Problem(f"{place}.uri", f"the Delta table {spec.uri}", "files", hint)])
    else:
        infos = sorted(_tables(folder, losses))
    texts = {t: s for s, t in spec.splits.items() if isinstance(t, str)}
    if not texts or spec.columns.split is not None:
        return folder, [(info, "") for info in infos]
    named = [(info, _text_of(info.path, texts)) for info in infos]
    chosen = [(info, texts[text]) for info, text in named if text is not None]
    missing = sorted(set(texts.values()) - {s for _, s in chosen})
    if missing:
        found = LeftOut(name, 0, losses.losses())
        raise PlanError([_no_files(place, s, spec, infos, found) for s in missing])
    for info, text in named:
        if text is None:
            losses.add(Cause.UNASKED, info.path, "", _ENDING)
    return folder, chosen


_ENDING = "parquet"


def _tables(folder: Folder, losses: Losses) -> Iterator[FileInfo]:
    """The Parquet files of a folder. Images beside them are what their rows may name."""
    for item in folder.listed():
        ending = ending_of(item.path.rpartition("/")[2])
        if any(part.startswith((".", "_")) for part in item.path.split("/")):
            cause = Cause.HIDDEN
        elif isinstance(item, Left):
            cause = Cause(item.why)
        elif ending != _ENDING:
            cause = Cause.OTHER_FILE
        else:
            yield item
            continue
        if ending not in IMAGES:
            losses.add(cause, item.path, "", ending)


def _text_of(path: str, texts: dict[str, str]) -> str | None:
    top, _, below = path.partition("/")
    fits = [
        t
        for t in texts
        if path.startswith(f"{t}/")
        or (not below and (top.startswith(f"{t}-") or top[: -len(".parquet")] == t))
    ]
    return max(fits, key=len, default=None)


def _no_files(
    place: str, split: str, spec: ParquetSource, infos: list[FileInfo], found: LeftOut
) -> Problem:
    text = str(spec.splits[split])
    held = [i.path for i in infos]
    hint = f"It holds: {', '.join(held[:10]) or '(no Parquet files)'}; or name columns.split."
    return Problem(
        f"{place}.splits.{split}",
        f"{text!r}, for which {spec.uri} has no files",
        f"{text}/*.parquet, {text}-*.parquet or {text}.parquet",
        f"{hint} {summary(found)}".rstrip(),
    )


# ---- one file --------------------------------------------------------------------------


def _list_file(
    name: str,
    spec: ParquetSource,
    folder: Folder,
    info: FileInfo,
    split: str,
    found: ListingBuilder,
) -> set[str]:
    """Adds the rows of a file; returns the values of the split column that no split names."""
    place = f"sources.{name}"
    names, unknown = spec.columns, set[str]()
    texts = {t: s for s, t in spec.splits.items() if isinstance(t, str)}
    wanted = [names.label] + ([names.split] if names.split else [])
    try:
        with folder.open(info.path) as opened, pq.ParquetFile(opened) as file:
            schema = file.schema_arrow
            _check_columns(place, spec, info.path, schema)
            starts = [0]
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=wanted)
                labels = _labels(place, names.label, info.path, schema, table)
                splits = pa.repeat(pa.scalar(split), len(table))
                if names.split:
                    values = _one_array(table.column(names.split)).cast(pa.string())
                    splits = _named(values, texts) if texts else splits
                    unknown |= set(pc.unique(values.filter(splits.is_null())).to_pylist())
                _add_rows(found, info, starts[-1], labels, splits)
                starts.append(starts[-1] + len(table))
            found.row_groups[info.path] = tuple(starts[:-1])
    except (pa.ArrowException, OSError) as error:
        said = str(error).splitlines()[0]
        problem = Problem(
            f"{place}.uri", f"{info.path}, which cannot be read as Parquet ({said})",
            "whole Parquet files",
        )  # fmt: skip
        raise PlanError([problem]) from error
    return {u for u in unknown if u is not None}


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


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _named(values: pa.Array, texts: dict[str, str]) -> pa.Array:
    """The split of each value of the split column; null where none is named."""
    indexes = pc.index_in(values, pa.array(list(texts), pa.string()))
    return pa.array(list(texts.values()), pa.string()).take(indexes)


def _labels(place: str, column: str, path: str, schema: pa.Schema, table: pa.Table) -> pa.Array:
    """Label texts of a row group; null where a row has none."""
    labels = _one_array(table.column(column))
    if pa.types.is_dictionary(labels.type):
        labels = labels.dictionary_decode()
    names = class_names(schema, column) if pa.types.is_integer(labels.type) else None
    if names is None:
        return labels.cast(pa.string())
    labels = labels.cast(pa.int64())
    outside = labels.filter(pc.greater_equal(labels, len(names)))
    if len(outside):
        hint = f"Its metadata names {len(names)} classes."
        found = f"label {outside[0]} in {path}"
        raise PlanError([Problem(f"{place}.columns.label", found, f"0 .. {len(names) - 1}", hint)])
    known = pc.if_else(pc.less(labels, 0), None, labels)  # -1: `datasets` has no label there
    return pa.array(names, pa.string()).take(known)


def class_names(schema: pa.Schema, column: str) -> list[str] | None:
    """Names of the `datasets` ClassLabel of a column, from the schema's metadata."""
    raw = (schema.metadata or {}).get(b"huggingface")
    try:
        feature = json.loads(raw)["info"]["features"][column] if raw else {}
        names = feature.get("names")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return [str(n) for n in names] if isinstance(names, list) else None


# ---- problems --------------------------------------------------------------------------


def _check_columns(place: str, spec: ParquetSource, path: str, schema: pa.Schema) -> None:
    problems = []
    for key, column in spec.columns.model_dump().items():
        if column is None:
            continue
        here = f"{place}.columns.{key}"
        if column not in schema.names:
            expected = f"one of the columns it has: {', '.join(schema.names)}"
            found = f"{column!r}, which {path} does not have"
            problems.append(Problem(here, found, expected, nearest(column, schema.names)))
        elif problem := _type_problem(here, key, column, path, schema.field(column).type):
            problems.append(problem)
    if problems:
        raise PlanError(problems)


def _type_problem(here: str, key: str, column: str, path: str, kind: pa.DataType) -> Problem | None:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if key == "image":
        fits = _holds_image(kind)
        expected = "binary, a struct of bytes and path, or a string column of paths"
    else:
        whole = key == "label" and pa.types.is_integer(kind)
        fits = whole or pa.types.is_string(kind) or pa.types.is_large_string(kind)
        expected = "strings or whole numbers" if key == "label" else "strings"
    return None if fits else Problem(here, f"{column!r} of type {kind} in {path}", expected)


def _holds_image(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(kind.field(i).name == "bytes" for i in range(kind.num_fields))
    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_string)
    return any(test(kind) for test in (*tests, pa.types.is_large_string))


def _missing_values(
    name: str, spec: ParquetSource, listing: Listing, unknown: set[str]
) -> list[Problem]:
    if spec.columns.split is None:
        return []
    there = set(pc.unique(listing.table.column("split")).to_pylist())
    held = sorted(unknown)
    return [
        Problem(
            f"sources.{name}.splits.{split}",
            f"{text!r}, a value that no row of column {spec.columns.split!r} has",
            f"one of the other values it holds: {', '.join(held[:20]) or '(none)'}",
            nearest(text, held),
        )
        for split, text in spec.splits.items()
        if isinstance(text, str) and split not in there
    ]
