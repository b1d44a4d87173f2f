"""Utility studies that stand beside a data set, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from augment.audit.report.utility import utility
from augment.audit.table import DataSet

FOLDER, NAME = "_studies", "study.json"
_FORMAT = 1


def read_studies(data: DataSet) -> list[Mapping[str, Any]]:
    """Those of this version, by their ids. What is damaged, or of another format, is none: a study
    again writes it again.

    Raises:
        StorageError: the folder cannot be read.
    """
    found = []
    for name in data.folder.folders(FOLDER) if data.version is not None else ():
        try:
            study = json.loads(data.folder.read(f"{FOLDER}/{name}/{NAME}"))
            if study["schema_version"] == _FORMAT and study["version"] == data.version:
                utility([study], "")  # as the page will ask it
                found.append(study)
        except (FileNotFoundError, ValueError, LookupError, TypeError, AttributeError,
                RecursionError):  # fmt: skip
            continue
    return found
