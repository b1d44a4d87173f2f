"""Where the things stand that a row names, so that a person can open them.

A row names a source and a place in it, its job's text says where that source is. Relative paths
hang on the folder that the job file lay in, which the job's work folder knows as long as it is
kept. `${VARIABLES}` stay as they were written. Opens nothing but that.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from typing import Any

import yaml

from augment.audit.table import DataSet
from augment.errors import StorageError
from augment.places import Fault, read_place

Job = Mapping[str, Any]
"""A job's job.json."""


def read_base(data: DataSet, job_id: str) -> str | None:
    """The folder that relative paths of a job hang on; None where nobody knows any more."""
    known: list[tuple[float, str]] = []
    try:
        for info in data.folder.files(f"_work/{job_id}/state"):
            entry = json.loads(data.folder.read(info.path))
            known.append((float(entry["started_at"]), str(entry["base"])))
    except (StorageError, FileNotFoundError, KeyError, TypeError, ValueError, RecursionError):
        pass  # it is told less exactly, and decides nothing
    return max(known)[1] if known else None


def source_place(job: Job, base: str | None, name: str, locator: str) -> str:
    """Of a row of a source: a path or URI, with the row of a Parquet file (0 is the first)."""
    uri = written(job, "sources", name).get("uri")
    file, hash_, row = locator.rpartition("#")
    in_table = bool(hash_) and row.isdecimal() and file.endswith(".parquet")
    if not in_table:
        file = locator
    if isinstance(uri, str):
        above, _, last = uri.rstrip("/").rpartition("/")
        file = _place(above if in_table and last == file else uri, base, file)
    return f"{file}, row {row}" if in_table else file


def checkpoint_place(job: Job, base: str | None, name: str | None) -> str | None:
    """Of a generator's checkpoint; None where the job names none."""
    uri = written(job, "generators", name).get("checkpoint")
    return _place(uri, base) if isinstance(uri, str) else None


def written(job: Job, section: str, name: str | None) -> Mapping[str, Any]:
    """An entry of the job file as it was written, `${VAR}` and all; {} where there is none."""
    try:
        text = yaml.safe_load(str(job.get("spec_text") or ""))
    except (yaml.YAMLError, RecursionError):
        return {}
    found = text.get(section) if isinstance(text, dict) else None
    entry = found.get(name) if isinstance(found, dict) else None
    return entry if isinstance(entry, dict) else {}


def _place(uri: str, base: str | None, inside: str = "") -> str:
    """As it can be opened, or as it was written where that is not known."""
    aside = ""
    if not uri.startswith(("/", "${")) and "://" not in uri:
        uri = posixpath.join(base or "", uri)
        aside = "" if base else " (from the job's folder)"
    found = read_place(uri or ".", read_only=True)
    if "${" not in uri and not aside and not isinstance(found, Fault):
        uri = found.uri
    return f"{posixpath.join(uri, inside) if inside else uri}{aside}"
