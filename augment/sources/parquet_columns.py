"""Whether the columns of a Parquet file are what a job says: there, once, of a type that fits, and
the first images are images.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from augment.errors import PlanError, Problem, SampleError
from augment.sources import parquet_images, parquet_labels
from augment.sources.parquet_file import open_parquet
from augment.sources.parquet_images import ImagePath, holds_image, items, plain
from augment.sources.parquet_labels import holds_labels
from augment.sources.parquet_paths import Verdict, no_path, no_picture, relative, too_long
from augment.spec.problems import nearest
from augment.storage import Folder

_LOOKED_AT = 16
_GROUPS = 8
_NAMES = 20
_AT_ONCE = 64 << 20


def check_columns(place: str, named: Mapping[str, str], path: str, schema: pa.Schema) -> None:
    """named: key of the job -> column.

    Raises: PlanError with every column that is missing, stands twice or holds something else.
    """
    problems = []
    for key, column in named.items():
        here, count = f"{place}.columns.{key}", schema.names.count(column)
        if count == 0:
            problems.append(_no_column(here, column, path, schema))
        elif count > 1:
            found = f"{column!r}, of which {path} has {count}"
            problems.append(Problem(here, found, "a column whose name is its own", "Rename one"))
        elif problem := _type_problem(here, key, column, path, schema.field(column).type):
            problems.append(problem)
    if problems:
        raise PlanError(problems)


def _no_column(here: str, column: str, path: str, schema: pa.Schema) -> Problem:
    some = ", ".join(name[:40] for name in schema.names[:_NAMES])
    rest = len(schema.names) - _NAMES
    more = f" and {rest} more" if rest > 0 else ""
    hint = nearest(column, schema.names)
    top = column.partition(".")[0]
    if top in schema.names and pa.types.is_struct(schema.field(top).type):
        hint = f"{top!r} is a struct: write its field as a column of its own"
    found = f"{column!r}, which {path} does not have"
    return Problem(here, found, f"one of the columns it has: {some}{more}", hint)


def _type_problem(here: str, key: str, column: str, path: str, kind: pa.DataType) -> Problem | None:
    if key == "image":
        fits, expected = holds_image(kind), parquet_images.EXPECTED
    else:
        fits, expected = holds_labels(kind), parquet_labels.EXPECTED
    name = str(kind)
    name = name if len(name) <= 100 else f"{name[:97]}..."
    return None if fits else Problem(here, f"{column!r} of type {name} in {path}", expected)


def check_images(place: str, column: str, folder: Folder, path: str) -> bool:
    """Looks at the first images of a file; whether there were any.

    Raises: PlanError: they are texts or addresses of some other kind, or files that are not there.
    """
    values = _first(column, folder, path)
    texts = [v.text for v in values if isinstance(v, ImagePath)]
    if not values or any(_there(folder, text) for text in texts):
        return bool(values)
    verdicts = [_verdict(value, folder.uri) for value in values]
    if verdicts[0] is not None and None not in verdicts:
        found, hint = f"{verdicts[0][0]} in {path}", verdicts[0][1]
        raise PlanError([Problem(place, found, f"{parquet_images.EXPECTED} below uri", hint)])
    if len(texts) == len(values):
        found = f"paths in {path}, of which the first {len(texts)} name no file below {folder.uri}"
        hint = "They hang on uri; is uri the folder that they were written for?"
        if all("\\" in text for text in texts):
            hint = "Names are divided by / here, not by \\"
        raise PlanError([Problem(place, found, "paths of files", hint)])
    return True


def _first(column: str, folder: Folder, path: str) -> list[bytes | ImagePath]:
    """The first values that are any. Large files are read bit by bit; small ones by row groups,
    whose pages then cannot claim to be larger than the file is. What is damaged costs its rows
    when they are read, so it is passed over here."""
    with open_parquet(folder, path, buffered=folder.info(path).size > _AT_ONCE) as file:
        for group in range(min(file.num_row_groups, _GROUPS)):
            asked = {"batch_size": _LOOKED_AT, "row_groups": [group], "columns": [column]}
            try:
                batch = next(file.iter_batches(**asked), None)
            except (pa.ArrowException, OSError):
                continue
            if batch is None:
                continue
            values = plain(pa.Table.from_batches([batch]).column(column))
            found = [v for v in items(values, path) if not isinstance(v, SampleError)]
            if found:
                return found
    return []


def _verdict(value: bytes | ImagePath, uri: str) -> Verdict | None:
    if isinstance(value, ImagePath):
        return no_path(value.text, uri)
    return no_picture(value[:4096])


def _there(folder: Folder, text: str) -> bool:
    return any(folder.exists(one) for one in relative(text, folder.uri) if not too_long(one))
