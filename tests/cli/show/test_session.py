"""Progress as lines and as bars, and what goes to the log."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sys
import tempfile
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

from augment import logs
from augment.api import load_spec
from augment.cli.show.session import PlainReporter, RichReporter, session
from augment.errors import StorageError
from tests.end_to_end.jobs import job_document


def test_progress_as_lines_says_counts_and_time_left() -> None:
    out = io.StringIO()
    reporter = PlainReporter(out)
    reporter.every_s = 0.0
    reporter.stage("mix", 2)
    reporter.advance(1, 10)
    reporter.advance(2, 5)
    reporter.note("committed")
    first, half, whole, note = out.getvalue().splitlines()
    assert (first, note) == ("mix: 2 units", "committed")
    assert half.startswith("mix: 1 of 2 units, 10 rows, ")
    assert whole == "mix: 2 of 2 units, 15 rows, 0 s left"


def test_lines_say_what_a_stage_is_doing_now_and_then() -> None:
    out, times = io.StringIO(), iter([0.0, 1.0, 5.0, 9.0, 10.0, 11.0])
    reporter = PlainReporter(out, lambda: next(times))
    reporter.stage("starting Ray", None)
    for text in ("4 s", "9 s", "10 s", ""):
        reporter.doing(text)
    assert out.getvalue().splitlines() == ["starting Ray", "starting Ray: 9 s"]


def test_lines_are_few() -> None:
    out = io.StringIO()
    reporter = PlainReporter(out)
    reporter.every_s = 3600.0
    reporter.stage("mix", 1000)
    for done in range(1, 1001):
        reporter.advance(done, 1)
    assert len(out.getvalue().splitlines()) == 2


def test_progress_as_bars() -> None:
    out = io.StringIO()
    terminal = Console(file=out, force_terminal=True, width=100)
    with Progress(*RichReporter.columns(), console=terminal) as progress:
        reporter = RichReporter(progress)
        reporter.stage("starting Ray", None)
        reporter.doing("7 s")
        progress.refresh()
        reporter.stage("synthesize", 2)
        reporter.advance(2, 7)
        reporter.stage("mix", 3)
        reporter.advance(2, 9)
        reporter.doing("unit [x]: 1,200 of 4,096 rows")
        reporter.note("a [note] as it is")
    text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", out.getvalue())  # the terminal's own commands
    lines = [line.rstrip() for line in text.splitlines()]
    assert any(re.match(r"starting Ray .* 7 s$", line) for line in lines)
    starting, made, mixed = lines[-3:]
    assert starting.startswith("starting Ray ")
    assert "7 s" not in starting
    assert "2/2 units, 7 rows" in made
    assert "2/3 units, 9 rows" in mixed
    assert mixed.endswith("unit [x]: 1,200 of 4,096 rows")
    assert "a [note] as it is" in lines


def test_a_round_that_comes_before_the_last_one_ends_goes_on_in_its_bar() -> None:
    out = io.StringIO()
    terminal = Console(file=out, force_terminal=True, width=120)
    with Progress(*RichReporter.columns(), console=terminal) as progress:
        reporter = RichReporter(progress)
        reporter.stage("synthesize g", 4)
        reporter.advance(1, 10)
        reporter.advance(2, 10)
        reporter.stage("synthesize g", 6)  # two are left, and four more
        reporter.advance(6, 60)
        assert [(t.description, t.completed, t.total) for t in progress.tasks] == [
            ("synthesize g", 6, 6)
        ]
        assert progress.tasks[0].fields["counted"] == "6/6 units, 80 rows"
        reporter.stage("synthesize g", 1)
        assert len(progress.tasks) == 2  # what was rejected is made in a round of its own


def test_a_session_sends_the_noise_to_its_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """File descriptor 2, past every logger, as Ray's C++ writes; and what we log."""
    with session(load_spec(job_document(tmp_path)), quiet=False) as opened:
        os.write(2, b"noise from C++\n")
        logging.getLogger("augment.run").error("a defect")
        logging.getLogger("augment.run").info("a fact")
        opened.reporter.note("for people")
    os.write(2, b"afterwards\n")
    logging.getLogger("augment.run").info("not in the log")
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "for people\nafterwards\n")
    log = Path(opened.log)
    assert log.parent == tmp_path / "out/_work/logs"
    text = log.read_text()
    assert text.startswith("noise from C++\n")
    assert "ERROR augment.run a defect\n" in text
    assert "INFO augment.run a fact\n" in text
    assert "not in the log" not in text


def test_every_line_of_a_json_log_is_json(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also where an error has a traceback; what no logger wrote lies beside it."""
    options = {"s3": {"secret": "hunter22"}}
    execution = {"log_format": "json", "storage_options": options}
    job = load_spec(job_document(tmp_path, execution=execution, pool="s3://bucket/pool"))
    log = logging.getLogger("augment.run")
    with session(job, quiet=True) as opened, logs.about(job_id="small-1", unit="unit-1"):
        os.write(2, b"noise from C++\n")
        log.info("a fact of\ntwo lines with hunter22")
        try:
            raise ZeroDivisionError("hunter22")
        except ZeroDivisionError:
            log.exception("a defect")
        logging.getLogger("ray").error("of Ray")
    path = Path(opened.log)
    assert path.suffix == ".jsonl"
    assert path.with_suffix(".stderr.log").read_text() == "noise from C++\n"
    assert "hunter22" not in path.read_text()
    fact, defect, ray = (json.loads(line) for line in path.read_text().splitlines())
    assert fact["message"] == "a fact of\ntwo lines with ***"
    assert defect["traceback"].endswith("ZeroDivisionError: ***")
    for line in (fact, defect, ray):
        assert (line["job_id"], line["unit"]) == ("small-1", "unit-1")
        assert line["actor"] == logs.actor()
    assert capfd.readouterr() == ("", "")


def test_the_log_of_a_remote_output_lies_with_its_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No folder of the machine belongs to whoever was there first."""
    job = load_spec(job_document(tmp_path, output={"uri": "s3://bucket/out"}))
    before = set(os.listdir(tempfile.gettempdir()))
    for user in ("first", "second"):
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / user))
        with session(job, quiet=True) as opened:
            print("noise")
        assert Path(opened.log).parent == tmp_path / user / "augment/logs"
        assert "noise" in Path(opened.log).read_text()
    made = set(os.listdir(tempfile.gettempdir())) - before
    assert not [name for name in made if "augment" in name]


def test_a_quiet_session_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with session(load_spec(job_document(tmp_path)), quiet=True) as opened:
        opened.reporter.stage("mix", 1)
        opened.reporter.note("for people")
    assert capfd.readouterr() == ("", "")


def test_a_log_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with (
        pytest.raises(StorageError, match=r"could not be written: a part of the path is a file"),
        session(load_spec(job_document(tmp_path)), quiet=True),
    ):
        pytest.fail("nothing runs without its log")
    assert sys.stderr is not None


def test_what_is_written_past_every_logger_reaches_the_log_not_the_result(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with session(load_spec(job_document(tmp_path)), quiet=True) as opened:
        os.write(1, b"a line of Ray's on standard output\n")
        os.write(2, b"another on standard error\n")
    print("the result")
    assert capfd.readouterr().out == "the result\n"
    text = Path(opened.log).read_text()
    assert "a line of Ray's on standard output" in text
    assert "another on standard error" in text
