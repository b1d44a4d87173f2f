"""The standard streams of a process, and the one place that writes to them.

They may be closed, on a full disk, of an encoding without most letters, or read by somebody who
goes away: none of that may end a run, or leave a traceback. So writing never raises; what could
not be written is remembered, and `augment.cli` says what comes of it. Every line for people is
as `escaping.line` has it. Knows nothing of what is shown.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import select
import sys
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from augment.escaping import LONGEST_LINE, cut, line, lines, to_json, unobeyed

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_BREAK = re.compile(r"\r\n|\r|\n")


class Stream(io.TextIOBase):
    """Text to a file that may fail: writing never raises, and after the first failure nothing is
    tried again.

    lost: the failure by which something was lost. A reader who goes away has what he wanted.
    """

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.lost: Exception | None = None
        self._over = False

    @property
    def encoding(self) -> str:  # type: ignore[override]  # of rich, which asks for it
        return self.file.encoding or "utf-8"

    def write(self, text: str) -> int:
        if not self._over:
            try:
                _put(self.file, text, self.encoding)
            except ConnectionError:  # a broken pipe is one
                self._over = True
            except (OSError, ValueError) as error:
                self._over, self.lost = True, error
        return len(text)

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        with contextlib.suppress(OSError, ValueError):
            return self.file.isatty()
        return False

    def fileno(self) -> int:
        return self.file.fileno()


class Plainly(io.TextIOBase):
    """A stream for what libraries write as text: line by line, without colours, as
    `escaping.line` has it. clean: what else is done to a line first."""

    def __init__(self, stream: Stream, clean: Callable[[str], str] = str) -> None:
        self._stream, self._clean = stream, clean
        self._begun = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    def write(self, text: str) -> int:
        *whole, self._begun = _BREAK.split(self._begun + text)
        for each in whole:
            self._tell(each)
        return len(text)

    def flush(self) -> None:
        """A line that has no end yet is left for later: it may be half an escape."""

    def close(self) -> None:
        if not self.closed and self._begun:
            self._tell(self._begun)
            self._begun = ""
        super().close()

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def _tell(self, text: str) -> None:
        self._stream.write(unobeyed(line(self._clean(_COLOUR.sub("", text)))) + "\n")


# ---- writing -------------------------------------------------------------------------


def say(*texts: str) -> None:
    """Each text as one line on standard output, for people."""
    _of("stdout").write(_as_lines(texts))


def command(*texts: str) -> None:
    """Each text as one line on standard output, which whoever runs the step may obey."""
    _of("stdout").write("".join(f"{cut(line(text), LONGEST_LINE)}\n" for text in texts))


def note(*texts: str) -> None:
    """Each text as one line on standard error, for people."""
    _of("stderr").write(_as_lines(texts))


def tell(document: Any) -> None:
    """A document on standard output, for programs: one line of JSON, in ASCII."""
    _of("stdout").write(to_json(document) + "\n")


def hand_over(text: str, *, aside: bool = False) -> None:
    """A text of several lines as it is but for what a terminal obeys: a file's, a log's. aside:
    on standard error."""
    shown = "".join(f"{unobeyed(each)}\n" for each in lines(text))
    _of("stderr" if aside else "stdout").write(shown)


@contextlib.contextmanager
def growing(*, aside: bool = False) -> Iterator[Plainly]:
    """Takes the text of somebody else's log piece by piece; see `Plainly`. aside: for standard
    error."""
    with Plainly(_of("stderr" if aside else "stdout")) as text:
        yield text


def lost() -> Exception | None:
    """Why something for standard output was not written since `begun`; None where all of it was,
    or where nobody wanted to read on."""
    return _of("stdout").lost


def as_line(text: str) -> str:
    """A text as one line for people, not longer than a screen."""
    return unobeyed(cut(line(text), LONGEST_LINE))


def _as_lines(texts: tuple[str, ...]) -> str:
    return "".join(f"{as_line(text)}\n" for text in texts)


# ---- the streams ---------------------------------------------------------------------

_OPEN: dict[str, Stream] = {}


@contextlib.contextmanager
def begun() -> Iterator[None]:
    """Within, a command may write. What is closed is opened on nothing first, so that no other
    file gets its number and what is meant for people; and what libraries write to standard error
    is made plain."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    _OPEN.clear()
    before = sys.stderr
    plain = Plainly(_of("stderr"))
    sys.stderr = plain
    try:
        yield
    finally:
        plain.close()
        if sys.stderr is plain:
            sys.stderr = before
        _OPEN.clear()
        for name in ("stdout", "stderr"):
            _emptied(getattr(sys, name))


def _of(name: str) -> Stream:
    file = getattr(sys, name)
    known = _OPEN.get(name)
    if isinstance(file, Plainly) and known is not None:
        return known
    if known is None or known.file is not file:
        known = _OPEN[name] = Stream(file)
    return known


def _put(file: TextIO, text: str, encoding: str) -> None:
    data = text.encode(encoding, "backslashreplace")
    file.flush()
    try:
        number = file.fileno()
    except (OSError, ValueError, AttributeError):  # a test's, or a notebook's
        file.write(data.decode(encoding))
        file.flush()
        return
    while data:
        try:
            data = data[os.write(number, data) :]
        except BlockingIOError:  # somebody has told the pipe not to wait
            select.select([], [number], [])


def _emptied(file: TextIO) -> None:
    """What a library has left in a stream's buffer is written, or else forgotten: Python would
    complain of it when it ends."""
    try:
        file.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, file.fileno())
            os.close(nothing)
