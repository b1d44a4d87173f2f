"""What a driver says of itself while it works: `<work>/state/<driver>.json`, replaced as it goes.

One small file per driver: who, since when, which stage and how far, and how it ended. It is
for people and `augment status` only: nothing that decides rows is read from it, and a run
whose journal cannot be written goes on. Secrets are struck out of every text. Knows nothing
of plans or pixels.
"""

from __future__ import annotations

import contextlib
import json
import socket
import traceback
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from types import TracebackType
from typing import Any

from augment.errors import AugmentError, StorageError
from augment.secrecy import struck
from augment.storage import Folder
from augment.write.lease import driver

FOLDER = "state"
EVERY_S = 5.0
_MOST_TEXT = 2000

Entry = dict[str, Any]
"""driver, host, place, pid, born, verb, started_at, at, ended_at, exit_code, stage, doing, done,
total, error ({class, text, at} or None), and what `about` said."""


class Journal:
    """Keeps the file of one driver while it is entered. It is a reporter's listener too.

    clock: seconds since the epoch. about: facts for the reader, for example the pool's URI.
    secrets: texts that no entry may hold.
    """

    def __init__(
        self,
        folder: Folder,
        verb: str,
        clock: Callable[[], float],
        about: Mapping[str, Any],
        secrets: Collection[str] = (),
    ) -> None:
        self._folder, self._clock = folder, clock
        self._secrets = secrets
        self._name = uuid.uuid4().hex
        self._kept, self._told = False, clock()
        self._code = 0
        self._entry: Entry = {
            **{key: self._clean(value) for key, value in about.items()},
            "driver": self._name,
            "host": socket.gethostname(),
            **driver(),
            "verb": verb,
            "started_at": clock(),
            "ended_at": None,
            "exit_code": None,
            "stage": None,
            "doing": "",
            "done": 0,
            "total": 0,
            "error": None,
        }

    def __enter__(self) -> Journal:
        return self

    def keep(self) -> None:
        """From now on there is a file; before, there is one only where it takes long. So a request
        that is refused at once leaves nothing behind."""
        self._kept = True
        self._write()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        now = self._clock()
        code = self._code if error is None else _exit_code(error)
        self._entry |= {"ended_at": now, "exit_code": code}
        if error is not None and not isinstance(error, KeyboardInterrupt):  # nothing went wrong
            text = str(error) or traceback.format_exception_only(error)[0].strip()
            told = {"class": type(error).__name__, "text": self._clean(text), "at": now}
            self._entry["error"] = told
        if self._kept:
            self._write()

    def ends_with(self, code: int) -> None:
        """The exit code of the driver, if no error comes."""
        self._code = code

    def stage(self, name: str, total: int | None) -> None:
        """A stage begins, of `total` units where it is counted in units."""
        self._entry |= {"stage": name, "doing": "", "done": 0, "total": total}
        if self._kept:
            self._write()

    def doing(self, text: str) -> None:
        """What the stage is doing at this moment; written every few seconds only."""
        self._entry["doing"] = self._clean(text)
        self._now_and_then()

    def advance(self, done: int) -> None:
        """`done` units of the stage are finished; written every few seconds only."""
        self._entry["done"] = done
        self._now_and_then()

    def _now_and_then(self) -> None:
        if self._clock() - self._told >= EVERY_S:
            self.keep()

    def _clean(self, value: Any) -> Any:
        return struck(value, self._secrets)[:_MOST_TEXT] if isinstance(value, str) else value

    def _write(self) -> None:
        self._told = self._clock()
        body = json.dumps({**self._entry, "at": self._told}).encode()
        with contextlib.suppress(StorageError):  # told to nobody is no reason to stop
            self._folder.replace(f"{FOLDER}/{self._name}.json", body)


def read_journals(folder: Folder) -> Iterator[Entry]:
    """The entry of every driver that worked in this work folder, in no order. One that cannot
    be read is left out: it decides nothing."""
    for info in folder.files(FOLDER):
        with contextlib.suppress(FileNotFoundError, ValueError, RecursionError):
            entry = json.loads(folder.read(info.path))
            if isinstance(entry, dict) and isinstance(entry.get("started_at"), int | float):
                yield entry


def _exit_code(error: BaseException | None) -> int:
    """What the command line will return: of a limit that failed nothing is known here."""
    if error is None:
        return 0
    return error.exit_code if isinstance(error, AugmentError) else 3
