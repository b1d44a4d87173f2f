"""Making a Delta table, and seeing whether one that stands there is the one that is asked for.

A table is made once, with its columns and its class list. One that an earlier version made gets
the columns that came since. Knows nothing of commits. deltalake is imported
inside functions.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from augment.errors import OutputConflictError, StorageError
from augment.sample import LATER_COLUMNS
from augment.storage import Folder
from augment.write.table import existing, open_table, refuse_linked_log

if TYPE_CHECKING:
    from deltalake import DeltaTable

PROPERTIES = {
    # with delta's defaults old versions cannot be opened any more after 30 days
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
}
_CLASSES = "augment.classes"


def ensure_table(
    folder: Folder, schema: pa.Schema, class_names: Sequence[str] | None = None
) -> DeltaTable:
    """The table, created without rows where there is none. Of two that create it at once
    one does, and both get it. One of an earlier version gets the columns that came later
    (`LATER_COLUMNS`): the rows that are there have nothing in them.

    Raises:
        OutputConflictError: it stands with other columns or another class list.
        StorageError: it could not be read or written.
    """
    table = open_table(folder)
    if table is None:
        table = _create(folder, schema, class_names)
    later = _added_since(table, schema)
    known = pa.schema([f for f in schema if f not in later])
    _check_same(folder, table, known, class_names)
    return _extended(folder, table, later) if later else table


def table_classes(table: DeltaTable) -> tuple[str, ...] | None:
    """The class list, row order = label; None for a pool and for foreign tables."""
    text = table.metadata().configuration.get(_CLASSES)
    return None if text is None else tuple(json.loads(text))


def _create(folder: Folder, schema: pa.Schema, class_names: Sequence[str] | None) -> DeltaTable:
    from deltalake import CommitProperties, DeltaTable
    from deltalake.exceptions import DeltaError

    classes = {} if class_names is None else {_CLASSES: json.dumps(list(class_names))}
    refuse_linked_log(folder)
    try:
        return DeltaTable.create(
            folder.delta_uri(making=True),
            schema.remove_metadata(),
            mode="error",
            configuration={**PROPERTIES, **classes},
            storage_options=folder.delta_options(),
            commit_properties=CommitProperties(max_commit_retries=0),  # else a second metadata
            raise_if_key_not_exists=False,  # our own key is no property of delta's
        )
    except (DeltaError, OSError) as error:
        folder.require_bucket()
        table = open_table(folder)  # another run was faster
        if table is None:
            raise StorageError(
                f"{folder.uri}: the table could not be created: {folder.said(error)}; put the "
                "cause right and run the same command again"
            ) from error
        return table


def _added_since(table: DeltaTable, schema: pa.Schema) -> list[pa.Field]:
    """Columns of the schema that came later than the table."""
    have = set(pa.schema(table.schema()).names)
    return [f for f in schema if f.name not in have and f.name in LATER_COLUMNS]


def _extended(folder: Folder, table: DeltaTable, fields: Sequence[pa.Field]) -> DeltaTable:
    """The table with more columns; another run may have been faster."""
    from deltalake import CommitProperties, Schema
    from deltalake.exceptions import DeltaError

    refuse_linked_log(folder)
    try:
        own = CommitProperties(max_commit_retries=0)
        more = Schema.from_arrow(pa.schema(fields)).fields
        table.alter.add_columns(more, commit_properties=own)
    except (DeltaError, OSError) as error:
        again = open_table(folder)
        if again is None or _added_since(again, pa.schema(fields)):
            raise StorageError(
                f"{folder.uri}: the table could not be given the columns "
                f"{', '.join(f.name for f in fields)}: {folder.said(error)}; put the cause "
                "right and run the same command again"
            ) from error
    return existing(folder, None)


def _check_same(
    folder: Folder, table: DeltaTable, schema: pa.Schema, class_names: Sequence[str] | None
) -> None:
    columns = {f.name: f.type for f in pa.schema(table.schema())}
    if columns != {f.name: f.type for f in schema}:
        raise OutputConflictError(
            f"{folder.uri}: a table with the columns {', '.join(columns)} stands "
            f"there; expected {', '.join(schema.names)} in their types. Choose another place"
        )
    classes = table_classes(table)
    expected = None if class_names is None else tuple(class_names)
    if classes != expected:
        raise OutputConflictError(
            f"{folder.uri}: the table was created with the classes {_names(classes)}; the job "
            f"says {_names(expected)}. A class list is fixed for ever: choose another output.uri"
        )


def _names(classes: tuple[str, ...] | None) -> str:
    if classes is None:
        return "(none)"
    shown = ", ".join(classes[:8])
    return f"{shown} ... ({len(classes)})" if len(classes) > 8 else shown
