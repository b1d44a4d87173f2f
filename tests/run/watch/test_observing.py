"""Who observes a run, from when to when."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from augment.api import load_spec
from augment.errors import RequestError
from augment.run import Silent, Stage, observing, spanning
from augment.spec import Job
from tests.end_to_end.jobs import job_document
from tests.waiting import STILL_S


class Notes(Silent):
    def __init__(self) -> None:
        self.all: list[str] = []

    def note(self, text: str) -> None:
        self.all.append(text)


def job(root: Path, **execution: Any) -> Job:
    return load_spec(job_document(root, execution=execution))


def up(url: str) -> bool:
    with urllib.request.urlopen(url, timeout=STILL_S) as answer:
        return bool(answer.status == 200)


def test_nobody_observes_where_nobody_asked(tmp_path: Path) -> None:
    notes = Notes()
    with observing(job(tmp_path), reporter=notes) as observers:
        assert observers == ()
    assert notes.all == []


def test_the_exporter_stays_for_a_last_scrape(tmp_path: Path) -> None:
    notes, waited = Notes(), []

    def wait(seconds: float) -> None:
        waited.append((seconds, up(notes.all[0].removeprefix("metrics: "))))

    asked = job(tmp_path, metrics={"port": 0, "linger_s": 30})
    with observing(asked, reporter=notes, wait=wait) as observers:
        assert len(observers) == 1
        assert up(notes.all[0].removeprefix("metrics: "))
    with (
        pytest.raises(KeyError),
        observing(asked, reporter=(notes := Notes()), wait=wait),
    ):
        raise KeyError("w")
    with pytest.raises(KeyboardInterrupt), observing(asked, wait=wait):
        raise KeyboardInterrupt  # whoever asks for the end gets it
    assert waited == [(30.0, True), (30.0, True)]
    assert notes.all[1] == "metrics: there for 30 s more"


def test_without_a_linger_nobody_waits(tmp_path: Path) -> None:
    with observing(
        job(tmp_path, metrics={"port": 0}), wait=lambda _: pytest.fail("it waits")
    ) as observers:
        assert len(observers) == 1


def test_a_timeline_that_breaks_at_the_end_breaks_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    with observing(job(tmp_path), profile=str(folder / "t.json")):
        (folder / "t.json").unlink()
        folder.rmdir()
    assert "t.json: it cannot be written" in caplog.text


def test_a_timeline_is_written_also_where_the_run_breaks(tmp_path: Path) -> None:
    with (
        pytest.raises(KeyError),
        observing(job(tmp_path), profile=str(tmp_path / "t.json")) as observers,
        spanning(observers, Stage("mix")),
    ):
        raise KeyError("w")
    (*_, stage) = json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    assert (stage["name"], stage["args"]["broken"]) == ("mix", True)


def test_where_no_timeline_can_be_nothing_begins(tmp_path: Path) -> None:
    with (
        pytest.raises(RequestError, match=r"^--profile .*/no/t\.json: it cannot be written"),
        observing(job(tmp_path), profile=str(tmp_path / "no/t.json")),
    ):
        pytest.fail("it began")
