"""A report that was kept as audit.json, read again: somebody's file, so it is looked at first."""

from __future__ import annotations

import json
from typing import Any

from augment.audit.compare.comparing import compared
from augment.audit.table import Options
from augment.errors import RequestError
from augment.storage import Folder

MOST_BYTES = 256 << 20


def read_report(uri: str, options: Options | None = None) -> dict[str, Any]:
    """The report in a file that `augment audit --report` or `--json` wrote.

    Raises:
        RequestError: there is no such file, it is larger than 256 MiB, no JSON, or no report of
            this version. StorageError: it cannot be read.
    """
    folder, _, name = uri.rpartition("/")
    place = Folder(folder or ".", options)
    try:
        size = place.info(name).size
    except FileNotFoundError:
        raise RequestError(f"{uri}: no such file; expected audit.json of an audit") from None
    if size is not None and size > MOST_BYTES:
        raise RequestError(f"{uri}: {size} bytes; expected a report of at most {MOST_BYTES}")
    try:
        report = json.loads(place.read(name))
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{uri}: no JSON ({str(error)[:100]}); expected audit.json") from error
    try:
        if report["schema_version"] == 1:
            compared(report, report)  # all of it that is ever looked at
            return dict(report)
    except (LookupError, TypeError, ValueError, AttributeError):
        pass
    raise RequestError(
        f"{uri}: no report of an audit of version 1; expected what `augment audit DATASET "
        "--report DIR` or `--json` writes"
    )
