"""The report of an audit as two files of a folder: audit.html and audit.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from augment import __version__
from augment.audit.judge import AuditReport
from augment.audit.outside import check_outside
from augment.audit.report.judged import sentence, tiles
from augment.audit.report.origins import Origins
from augment.audit.report.page import check_installed, render_page
from augment.audit.report.pictures import take_pictures
from augment.audit.report.sections import sections
from augment.audit.report.studies import read_studies
from augment.audit.table import DataSet, open_data_set, read_jobs
from augment.escaping import to_json
from augment.storage import Folder

Options = Mapping[str, Mapping[str, Any]]
PAGE, VALUE = "audit.html", "audit.json"


@dataclass(frozen=True)
class Written:
    """Where the report is."""

    page: str
    value: str


def write_report(report: AuditReport, folder: str, options: Options | None = None) -> Written:
    """Write audit.html and audit.json of the report to a folder, each whole or not at all.

    Reads the pictures that the page shows. folder: a path or URI outside of the data set; made if
    missing.

    Raises:
        RequestError: the folder is the data set's, or the extra `report` is not installed.
        StorageError: a shard cannot be read, or a file cannot be written.
    """
    check_folder(folder, report.uri)
    data = open_data_set(report.uri, report.version, options)
    value = report.to_json()
    page = html_of(value, data)
    into = Folder(folder, options)
    into.replace(VALUE, f"{to_json(value)}\n".encode())
    into.replace(PAGE, page.encode("utf-8", "backslashreplace"))
    return Written(into.url(PAGE), into.url(VALUE))


def html_of(value: Mapping[str, Any], data: DataSet) -> str:
    """The page of a report as `AuditReport.to_json` has it, of this data set."""
    origins = Origins.of(read_jobs(data) if data.version is not None else {})
    studies = read_studies(data)
    found = sections(value, origins, take_pictures(data, value), __version__, studies)
    return render_page(data.name, sentence(value), value["verdict"], tiles(value), found)


def check_folder(folder: str, dataset: str) -> None:
    """Before anything is spent on a report.

    Raises:
        RequestError: the folder is no place, or the data set's own; or the extra is not installed.
    """
    check_installed()
    check_outside("report", folder, dataset)
