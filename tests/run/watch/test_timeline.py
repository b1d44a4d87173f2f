"""Spans in Chrome's format: where they lie, what is moved, what is left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from augment.errors import RequestError
from augment.run.watch.telling import Stage, UnitDone, spanning
from augment.run.watch.timeline import Timeline

MAKE = Stage("synthesize", "fake")


class Clock:
    at = 1000.0

    def __call__(self) -> float:
        self.at += 1.0
        return self.at


def events(path: Path, kind: str) -> list[dict[str, Any]]:
    found = json.loads(path.read_text())["traceEvents"]
    return [event for event in found if event.get("cat") == kind]


def unit(begun: float, ended: float, arrived: float, actor: str = "n:1", **more: Any) -> UnitDone:
    said = {"unit": f"unit-{begun:g}", "actor": actor, "begun": begun, "ended": ended, **more}
    return UnitDone(MAKE, 10, 10, said, arrived)


@pytest.fixture
def timeline(tmp_path: Path) -> Timeline:
    """It begins at 1000 s."""
    found = Timeline(str(tmp_path / "t.json"), lambda: 1000.0)
    found.named("small-1", "local")
    found.began(MAKE, 1001.0)
    return found


def test_the_file_is_there_before_anything_happens(tmp_path: Path) -> None:
    Timeline(str(tmp_path / "t.json"), lambda: 0.0)
    assert json.loads((tmp_path / "t.json").read_text()) == {
        "traceEvents": [
            {"name": "process_name", "ph": "M", "pid": 1, "tid": 1, "args": {"name": "driver"}}
        ],
        "displayTimeUnit": "ms",
        "otherData": {"started": "1970-01-01T00:00:00+00:00", "left_out": 0},
    }
    assert [p.name for p in tmp_path.iterdir()] == ["t.json"]


@pytest.mark.parametrize(
    ("name", "why"), [("no/t.json", "No such file or directory"), ("", "Is a directory")]
)
def test_a_place_that_cannot_be_written_is_known_at_once(
    tmp_path: Path, name: str, why: str
) -> None:
    with pytest.raises(RequestError) as caught:
        Timeline(f"{tmp_path}/{name}")
    assert str(caught.value) == (
        f"--profile {tmp_path}/{name}: it cannot be written ({why}); name a file in a folder "
        "that exists"
    )
    assert list(tmp_path.iterdir()) == []


def test_stages_units_and_batches(timeline: Timeline, tmp_path: Path) -> None:
    timeline.unit(unit(1002.0, 1004.0, 1004.5, started=(1001.5, 1001.75), each=[(1002.5, 1.0)]))
    timeline.unit(unit(1004.0, 1006.0, 1006.5, actor="n:2"))
    timeline.ended(MAKE, 1008.0, broken=False)
    timeline.write()
    path = tmp_path / "t.json"
    (stage,) = events(path, "stage")
    assert (stage["name"], stage["pid"], stage["ts"], stage["dur"]) == (
        "synthesize fake", 1, 1e6, 7e6,
    )  # fmt: skip
    assert stage["args"] == {"generator": "fake", "broken": False}
    first, second = events(path, "unit")
    assert (first["ts"], first["dur"], first["pid"], second["pid"]) == (2e6, 2e6, 2, 3)
    assert first["args"] == {"stage": "synthesize fake", "rows": 10, "made": 10, "moved_s": 0.0}
    (batch,) = events(path, "batch")
    assert (batch["ts"], batch["dur"], batch["pid"]) == (2.5e6, 1e6, 2)
    (start,) = events(path, "worker")
    assert (start["ts"], start["dur"]) == (1.5e6, 0.25e6)


@pytest.mark.parametrize(
    ("begun", "ended", "moved"),
    [
        (1002.0, 1004.0, 0.0),
        (1900.0, 1902.0, -897.0),  # its clock is ahead: it ended when it arrived, at 1005
        (900.0, 902.0, 101.0),  # its clock is behind: it began with its stage, at 1001
        (900.0, 903.9, 101.0),
        (900.0, 910.0, 95.0),  # longer than its stage: it cannot fit
    ],
)
def test_a_unit_of_another_clock_is_moved_into_its_stage(
    timeline: Timeline, tmp_path: Path, begun: float, ended: float, moved: float
) -> None:
    timeline.unit(unit(begun, ended, 1005.0))
    timeline.write()
    (found,) = events(tmp_path / "t.json", "unit")
    assert found["args"]["moved_s"] == pytest.approx(moved)
    assert found["ts"] == pytest.approx((begun + moved - 1000.0) * 1e6)


def test_no_duration_is_negative(timeline: Timeline, tmp_path: Path) -> None:
    timeline.unit(unit(1004.0, 1003.0, 1005.0, each=[(1004.0, -1.0)]))
    timeline.ended(MAKE, 1000.5, broken=False)
    timeline.write()
    found = json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    assert [event["dur"] for event in found if event["ph"] == "X"] == [0.0, 0.0, 0.0]


def test_what_is_too_much_is_counted(tmp_path: Path) -> None:
    timeline = Timeline(str(tmp_path / "t.json"), lambda: 0.0, most=3)
    for begun in range(5):
        timeline.unit(unit(begun, begun + 1.0, begun + 2.0))
    timeline.write()
    document = json.loads((tmp_path / "t.json").read_text())
    assert len(events(tmp_path / "t.json", "unit")) == 3
    assert document["otherData"]["left_out"] == 2


def test_a_stage_that_breaks_says_so(tmp_path: Path) -> None:
    clock = Clock()
    timeline = Timeline(str(tmp_path / "t.json"), clock)
    with pytest.raises(KeyError), spanning([timeline], Stage("mix"), clock):
        raise KeyError("w")
    timeline.write()
    (stage,) = events(tmp_path / "t.json", "stage")
    assert (stage["name"], stage["dur"], stage["args"]["broken"]) == ("mix", 1e6, True)
