"""A study as two files of a folder of the user's: study.html, drawn as the audit's page is, and
study.json.
"""

from __future__ import annotations

from augment.audit.outside import check_outside
from augment.audit.report.page import check_installed, render_page
from augment.audit.report.utility import sections_of, sentence_of, state_of, tiles_of
from augment.escaping import to_json
from augment.storage import Folder, Options
from augment.study import Study

PAGE, VALUE = "study.html", "study.json"


def check_report(folder: str, output: str) -> None:
    """Before anything is trained.

    Raises:
        RequestError: the folder is no place, or the data set's own; or the extra `report` is not
            installed.
    """
    check_installed()
    check_outside("report", folder, output)


def write_report(study: Study, folder: str, options: Options | None = None) -> tuple[str, str]:
    """Write both, each whole or not at all; their places. folder: made if missing.

    Raises:
        RequestError: see `check_report`. StorageError: a file cannot be written.
    """
    check_report(folder, study.about.uri)
    value = study.to_json()
    name = f"{value['uri']} (version {value['version']})"
    page = render_page(name, sentence_of(value), state_of(value), tiles_of(value),
                       sections_of(value), "Utility study")  # fmt: skip
    into = Folder(folder, options)
    into.replace(VALUE, f"{to_json(value)}\n".encode())
    into.replace(PAGE, page.encode("utf-8", "backslashreplace"))
    return into.url(PAGE), into.url(VALUE)
