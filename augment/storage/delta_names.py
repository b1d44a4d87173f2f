"""Local paths as delta-rs can be given them.

delta-rs 1.6 takes a path apart as if it were a URL: a folder whose name holds `%2F`, `%20` or a
backslash is written in one place and read in another, one whose name holds `#` or `?` has no
history, whether it is handed over as a path or as a quoted `file://` URL (delta-rs issues 1391
and 2425). Such a folder is opened through another one that has a plain name and holds nothing
but a link to its `_delta_log`: all that delta-rs touches here. Plain names go untouched.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import tempfile
import threading

from augment.errors import RequestError
from augment.places import Place, table_fault
from augment.storage.below import Top, opened
from augment.storage.trouble import told

_PLAIN = re.compile(r"[\w ./@+=,:()&'!~;-]*")
"""Paths that it was seen to read, write and tell the history of as they are."""
_LOG = "_delta_log"
_LOCK = threading.Lock()
_links: dict[str, str] = {}
"""Path -> the folder that stands for it, in this process."""


def delta_name(place: Place, *, making: bool = False) -> str:
    """A place as delta-rs names it. making: a table will be created there.

    Raises:
        RequestError: no table can stand there. StorageError: the temporary folder is not writable.
    """
    if place.scheme in ("memory", "hf"):
        raise RequestError(
            f"{place.uri}: a table cannot stand in {place.scheme}://; expected a local path or s3://"
        )
    if not place.is_local:
        if fault := table_fault(place, for_readers=False, shown=place.uri):
            raise fault.error("storage")
        return place.of_family() if place.scheme == "s3a" else place.uri
    if _PLAIN.fullmatch(place.uri):
        return place.uri
    with _LOCK:
        if place.uri not in _links:
            _links[place.uri] = _linked(place.uri)
    if making:
        with told(place.uri, "written", True), opened(Top(place.uri), _LOG, make=True):
            pass
    return _links[place.uri]


def as_asked(text: str) -> str:
    """What delta-rs said, with the paths that it was asked for."""
    for path, link in list(_links.items()):
        text = text.replace(link, path)
    return text


def _linked(path: str) -> str:
    """A new folder whose `_delta_log` is that of `path`, which may not be there yet."""
    above = next((f for f in _temporary() if _PLAIN.fullmatch(f)), None)
    if above is None:
        raise RequestError(
            f"{path}: Delta reads this path as another one, and there is no temporary folder with "
            "a plain name to link to it from; set TMPDIR to one"
        )
    with told(f"a link to {path} in {above}", "written", is_local=True):
        folder = os.path.realpath(tempfile.mkdtemp(prefix="augment-delta-", dir=above))
        atexit.register(_remove, folder, os.getpid())
        os.symlink(os.path.join(path, _LOG), os.path.join(folder, _LOG))
    return folder


def _temporary() -> list[str]:
    found = [tempfile.gettempdir(), "/tmp", "/var/tmp"]
    return [os.path.realpath(folder) for folder in found if os.access(folder, os.W_OK)]


def _remove(folder: str, process: int) -> None:
    """The link, never what it leads to; a forked child leaves its parent's."""
    if process == os.getpid():
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(folder, _LOG))
            os.rmdir(folder)
