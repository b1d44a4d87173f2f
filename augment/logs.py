"""What a log line says beside its text: the job, unit, generator and process that it is about.

The ids stand in the context of the code that runs, so that nobody hands them on. Two formats
write them: lines for people, and one JSON object a line for programs. Credentials are struck
out of both, and what somebody has named writes no lines of its own: a line that begins with a time
is one that was logged. Knows nothing of files, jobs or Ray.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Literal

from augment.escaping import line as one_line
from augment.escaping import lines, to_json
from augment.secrecy import struck

LogFormat = Literal["text", "json"]

IDS = ("job_id", "unit", "generator", "actor")
"""Keys that every JSON line has; null where it is about none."""

_TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"
_NOTE = "augment is at "

_ids: ContextVar[Mapping[str, str]] = ContextVar("augment_log_ids")


def ids() -> Mapping[str, str]:
    """What the code that runs here and now is about."""
    return _ids.get({})


@contextlib.contextmanager
def about(**more: str) -> Iterator[None]:
    """Lines logged within are about these as well."""
    token = _ids.set({**ids(), **more})
    try:
        yield
    finally:
        _ids.reset(token)


def tell(**more: str) -> None:
    """Lines logged from now on in this context, up to the end of the `about` around it, are
    about these as well."""
    _ids.set({**ids(), **more})


def inherited() -> Callable[[], None]:
    """Gives a thread, as it begins, the ids of the code that calls this."""
    here = ids()
    return lambda: tell(**here)


def actor() -> str:
    """The name of this process: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


def facts(record: logging.LogRecord, secrets: Sequence[str] = ()) -> dict[str, Any]:
    """A line as a mapping: time, level, logger, message, the ids, and an error's traceback."""
    known = {"actor": actor(), **ids(), **getattr(record, "ids", {})}
    line = {
        "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(),
        "level": record.levelname,
        "logger": record.name,
        "message": struck(record.getMessage(), secrets),
        **{name: known.get(name) for name in IDS},
    }
    trace = getattr(record, "traceback", None) or _traceback(record)
    return {**line, "traceback": struck(trace, secrets)} if trace else line


def relogged(line: Mapping[str, Any]) -> None:
    """Log in this process what `facts` made of a line in another one."""
    logger = logging.getLogger(line["logger"])
    level = logging.getLevelNamesMapping().get(line["level"], logging.INFO)
    if logger.isEnabledFor(level):
        extra = {
            "ids": {name: line[name] for name in IDS if line[name] is not None},
            "traceback": line.get("traceback"),
        }
        text = line["message"]
        record = logger.makeRecord(logger.name, level, "", 0, text, (), None, extra=extra)
        record.created = dt.datetime.fromisoformat(line["time"]).timestamp()
        logger.handle(record)


def note(about: Mapping[str, str]) -> str:
    """A note for an error, which says what it is about also where only its traceback arrives."""
    return _NOTE + json.dumps(about)


def ids_in(trace: str) -> dict[str, str]:
    """What the last `note` in a traceback says; nothing where there is none."""
    for line in reversed(trace.splitlines()):
        if line.startswith(_NOTE):
            return dict(json.loads(line.removeprefix(_NOTE)))
    return {}


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        super().__init__()
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        return to_json(facts(record, self._secrets))


class TextLines(logging.Formatter):
    """Lines for people; what is about a unit ends with its ids."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        super().__init__(_TEXT)
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        line = facts(record, self._secrets)
        record.asctime = self.formatTime(record)
        text = self.formatMessage(_with_message(record, line["message"] + _suffix(line)))
        trace = lines(line.get("traceback", ""))
        return "\n".join([one_line(text), *(f"    {each}" for each in trace)])


def formatter(kind: LogFormat, secrets: Sequence[str] = ()) -> logging.Formatter:
    """The formatter of a format by name."""
    return JsonLines(secrets) if kind == "json" else TextLines(secrets)


def _suffix(line: Mapping[str, Any]) -> str:
    if line["unit"] is None:
        return ""
    return "".join(f" {n}={line[n]}" for n in ("unit", "generator", "actor") if line[n])


def _with_message(record: logging.LogRecord, text: str) -> logging.LogRecord:
    copy = logging.makeLogRecord(record.__dict__)
    copy.message = text
    return copy


def _traceback(record: logging.LogRecord) -> str | None:
    if not record.exc_info:
        return None
    return logging.Formatter().formatException(record.exc_info)
