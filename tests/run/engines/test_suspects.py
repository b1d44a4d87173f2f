"""Who is to blame where tries of a unit ended without a record."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from augment.errors import UnitFailed
from augment.run.engines.suspects import Stage, Suspicion, Trail, Watch, suspicion
from augment.storage import Folder
from augment.write import Work
from tests.waiting import STILL_S


def note(stage: str, *positions: int, run: str = "now", **more: Any) -> dict[str, Any]:
    return {"run": run, "stage": stage, "positions": list(positions), "probed": False, **more}


BATCH = tuple(range(16, 32))


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        ([], Suspicion()),
        ([{}], Suspicion()),
        ([note("load")], Suspicion(fruitless=("load",))),
        ([note("load", run="before")], Suspicion()),
        ([note("load", reason="timeout")], Suspicion(fruitless=("load",), slow=True)),
        ([note("load", reason="timeout", run="before")], Suspicion()),
        ([note("make", *BATCH)], Suspicion(probe=BATCH)),
        ([note("make", *BATCH), note("probe", 20)], Suspicion(probe=(20,))),
        (
            [note("make", *BATCH), note("probe", 20), note("probe", 20)],
            Suspicion(lost={20: "killed"}),
        ),
        (
            [note("probe", 20, run="before"), note("probe", 20, run="before")],
            Suspicion(probe=(20,)),
        ),
        (
            [note("probe", 20, run="before"), note("probe", 20, reason="timeout")],
            Suspicion(lost={20: "timeout"}),
        ),
        ([note("probe", 20), note("probe", 20), note("make", 1)],
         Suspicion(lost={20: "killed"}, probe=(1,))),
        ([note("make", *BATCH, probed=True)], Suspicion(probe=BATCH, limit=8)),
        (
            [note("make", *BATCH, probed=True), note("make", *BATCH[:8], probed=True)],
            Suspicion(probe=BATCH[:8], limit=4),
        ),
    ],
)  # fmt: skip
def test_what_the_last_notes_of_tries_say(
    notes: Sequence[dict[str, Any]], expected: Suspicion
) -> None:
    assert suspicion(notes, "now") == expected


def test_rows_are_probed_alone_unless_there_are_many() -> None:
    assert Suspicion(probe=(3, 5)).pieces() == [(3,), (5,)]
    assert Suspicion().pieces() == []
    many = Suspicion(probe=tuple(range(200))).pieces()
    assert max(map(len, many)) == 4
    assert [at for piece in many for at in piece] == list(range(200))


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(Folder(str(tmp_path)))


def test_a_first_try_leaves_no_note(work: Work) -> None:
    attempt = work.begin("unit-1")
    trail = Trail(work, attempt, "now")
    trail.at("make", [1, 2])
    trail.reach(0)
    second = work.begin("unit-1")
    assert not trail.careful
    assert work.notes(second) == []
    assert not work.troubled("unit-0")
    assert work.troubled("unit-1")


def test_a_second_try_says_what_it_is_busy_with(work: Work) -> None:
    work.begin("unit-1")
    trail = Trail(work, work.begin("unit-1"), "now")
    trail.at("load")
    trail.at("make", [1, 2])
    assert work.notes(work.begin("unit-1")) == [note("make", 1, 2)]
    trail.passed([1])
    trail.passed([2])
    trail.at("make", [1, 2])
    assert work.notes(work.begin("unit-1")) == [note("make", 1, 2, probed=True)]


def test_a_row_that_hangs_is_noted_also_by_a_first_try(work: Work) -> None:
    trail = Trail(work, work.begin("unit-1"), "now")
    trail.fatal("make", [3], "timeout")
    assert work.notes(work.begin("unit-1")) == [note("make", 3, reason="timeout")]


def test_rows_made_in_turn_are_noted_by_pieces_and_suspects_alone(work: Work) -> None:
    work.begin("unit-1")
    first = Trail(work, work.begin("unit-1"), "now")
    first.reach(0)
    assert work.notes(work.begin("unit-1"))[0]["positions"] == list(range(64))
    first.reach(64)
    third = work.begin("unit-1")
    assert work.notes(third)[0]["positions"] == list(range(64, 128))
    second = Trail(work, third, "now")
    second.reach(63)
    second.reach(64)
    assert work.notes(work.begin("unit-1"))[-1]["positions"] == [64]


def test_a_unit_that_dies_again_and_again_for_no_row_is_given_up(work: Work) -> None:
    for _ in range(6):
        Trail(work, work.begin("unit-1"), "now").at("load")
    with pytest.raises(UnitFailed, match=r"unit-1: 5 processes died with this unit, the last while "
                       r"loading the generator; look for what ended them"):  # fmt: skip
        Trail(work, work.begin("unit-1"), "now")
    assert Trail(work, work.begin("unit-1"), "another run").known.fruitless == ()


def test_a_note_that_cannot_be_read_says_nothing(work: Work, tmp_path: Path) -> None:
    work.begin("unit-1")
    (tmp_path / "units" / "unit-1.at-1").write_bytes(b"\xff{")
    assert work.notes(work.begin("unit-1")) == []


def test_a_watch_tells_of_what_takes_too_long_once() -> None:
    told = threading.Event()
    calls: list[tuple[Stage, Sequence[int]]] = []

    def expired(stage: Stage, rows: Sequence[int]) -> None:
        calls.append((stage, rows))
        told.set()

    time = [0.0]
    with Watch(0.04, expired, clock=lambda: time[0]) as watch:
        with watch.over("make", lambda: [1]):
            time[0] = 0.03
        time[0] = 9.0  # nothing is being done
        with watch.over("make", lambda: [2]):
            assert not told.wait(0.1)
            time[0] = 9.05
            assert told.wait(STILL_S)
            time[0] = 99.0
    assert calls == [("make", [2])]
