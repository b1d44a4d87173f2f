"""The standard streams: writing never raises, and nothing that is shown is obeyed."""

from __future__ import annotations

import io
import os
import sys
import threading
from pathlib import Path

import pytest

from augment import streams
from augment.streams import Plainly, Stream

Capture = pytest.CaptureFixture[str]


class Failing(io.StringIO):
    """A file that takes nothing."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error, self.tried = error, 0

    def write(self, text: str) -> int:
        self.tried += 1
        raise self.error


def test_a_reader_who_goes_away_loses_nothing_that_he_wanted() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as file:
        stream = Stream(file)
        assert stream.write("nobody reads this") == 17
        stream.write("nor this")
    assert stream.lost is None


def test_a_full_disk_is_remembered_and_not_tried_again() -> None:
    with open("/dev/full", "w") as file:
        stream = Stream(file)
        stream.write("x")
        assert isinstance(stream.lost, OSError)
        assert "No space left" in str(stream.lost)
    failing = Failing(OSError(5, "Input/output error"))
    stream = Stream(failing)
    stream.write("x")
    stream.write("y")
    assert failing.tried == 1


def test_a_stream_that_was_closed_is_no_traceback(tmp_path: Path) -> None:
    file = (tmp_path / "x").open("w")
    file.close()
    stream = Stream(file)
    stream.write("x")
    assert isinstance(stream.lost, ValueError)
    assert not stream.isatty()


@pytest.mark.parametrize(
    ("encoding", "said"),
    [("ascii", rb"caf\xe9 \u732b"), ("latin-1", b"caf\xe9 \\u732b"), ("utf-8", "café 猫".encode())],
)
def test_what_an_encoding_has_no_letter_for_stands_as_its_escape(
    tmp_path: Path, encoding: str, said: bytes
) -> None:
    with (tmp_path / "out").open("w", encoding=encoding) as file:
        Stream(file).write("café 猫")
    assert (tmp_path / "out").read_bytes() == said


def test_a_pipe_that_does_not_wait_gets_everything() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    text = "x" * 1_000_000
    found = io.BytesIO()

    def read() -> None:
        with os.fdopen(reading, "rb") as file:
            found.write(file.read())

    reader = threading.Thread(target=read)
    with os.fdopen(writing, "w") as file:
        reader.start()
        stream = Stream(file)
        stream.write(text)
    reader.join()
    assert stream.lost is None
    assert found.getvalue().decode() == text


def test_what_libraries_write_is_made_plain_line_by_line() -> None:
    out = io.StringIO()
    with Plainly(Stream(out), lambda text: text.replace("hunter22", "***")) as plain:
        plain.write("\x1b[36m(worker)\x1b[0m one")
        plain.flush()
        assert out.getvalue() == ""
        plain.write(" line\nhunter22\x1b]0;owned\x07\r50 %\r100 %\r\nrest")
    assert out.getvalue().splitlines() == [
        "(worker) one line", r"***\x1b]0;owned\x07", "50 %", "100 %", "rest",
    ]  # fmt: skip


def test_lines_for_people_are_one_line_each_and_not_longer_than_a_screen(capsys: Capture) -> None:
    streams.say("a\nb", "\x1b[31m", "x" * 10_000)
    streams.note("c\u202e")
    said = capsys.readouterr()
    one, two, long = said.out.splitlines()
    assert (one, two, len(long)) == (r"a\nb", r"\x1b[31m", 2000)
    assert said.err == "c\\u202e\n"


def test_a_file_is_handed_over_line_by_line(capsys: Capture) -> None:
    streams.hand_over("a: 1\nb: \x1b[31m\n")
    streams.hand_over("aside", aside=True)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("a: 1\nb: \\x1b[31m\n", "aside\n")


def test_somebody_elses_log_grows(capsys: Capture) -> None:
    with streams.growing() as text:
        text.write("one\ntw")
        text.write("o\x1b[0m\n")
    assert capsys.readouterr().out == "one\ntwo\n"


def test_a_document_is_one_line_of_ascii(capsys: Capture) -> None:
    streams.tell({"name": "猫\n\x9b\udc80"})
    assert capsys.readouterr().out == '{"name": "\\u732b\\n\\u009b\\\\udc80"}\n'


def test_standard_error_is_plain_while_a_command_runs(capsys: Capture) -> None:
    before = sys.stderr
    with streams.begun():
        print("of a library: \x1b[31mred\x1b[0m \x1b]0;x\x07", file=sys.stderr)
        streams.note("of ours")
        assert streams.lost() is None
    assert sys.stderr is before
    assert capsys.readouterr().err == "of a library: red \\x1b]0;x\\x07\nof ours\n"


def test_a_line_is_no_command_to_what_runs_a_pipeline(capsys: Capture) -> None:
    with streams.begun():
        streams.say("::error::a", "##[error]b")
        streams.hand_over("c\n  ::warning::d\n")
        with streams.growing() as log:
            log.write("::stop-commands::x\n")
        streams.command("::error title=e::##[error]f")
    assert capsys.readouterr().out.splitlines() == [
        r"\x3a:error::a", r"\x23#[error]b", "c", r"  \x3a:warning::d", r"\x3a:stop-commands::x",
        r"::error title=e::\x23#[error]f",
    ]  # fmt: skip
