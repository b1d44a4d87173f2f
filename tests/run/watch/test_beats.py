"""How far workers are inside their units: told now and then, at no cost to the unit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from augment.run import Silent
from augment.run.watch.beats import FAR_S, NEAR_S, Beat, Listening, Progress, heard, told
from augment.storage import Folder
from tests.waiting import wait_until


class Clock:
    at = 0.0

    def __call__(self) -> float:
        return self.at


class Heard(Silent):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def doing(self, text: str) -> None:
        self.texts.append(text)


def words(folder: Path) -> list[tuple[str, int, int]]:
    return [(w.unit, w.rows, w.total) for w in heard(Folder(str(folder)))]


def beat(folder: Path, clock: Clock, run: str = "run-1") -> Beat:
    return Beat(Folder(str(folder)), run, "mix", "here:1", clock)


def test_a_unit_that_is_quick_is_not_spoken_of(tmp_path: Path) -> None:
    clock = Clock()
    one = beat(tmp_path, clock)
    for n in range(100):
        one.begin(f"unit-{n}", lambda: pytest.fail("nobody needs to know"))
        clock.at += NEAR_S - 0.01
        one.at(1000)
    assert list(tmp_path.iterdir()) == []


def test_a_slow_one_at_most_once_a_second_in_one_file(tmp_path: Path) -> None:
    clock = Clock()
    one = beat(tmp_path, clock)
    one.begin("unit-7", lambda: 4096)
    clock.at = NEAR_S
    for row in range(1200):
        one.at(row)
    wait_until(lambda: words(tmp_path) == [("unit-7", 0, 4096)])
    clock.at += NEAR_S
    one.at(1200)
    wait_until(lambda: words(tmp_path) == [("unit-7", 1200, 4096)])
    assert len(list((tmp_path / "beats").iterdir())) == 1


def test_in_an_object_store_it_speaks_less_often() -> None:
    folder, clock = Folder("memory://beats-far"), Clock()
    one = Beat(folder, "run-1", "mix", "here:1", clock)
    one.begin("unit-1", lambda: 9)
    clock.at = FAR_S - 0.1
    one.at(3)
    assert heard(folder) == []
    clock.at = FAR_S
    one.at(4)
    assert wait_until(lambda: heard(folder))[0].rows == 4


def test_without_a_run_it_says_nothing(tmp_path: Path) -> None:
    clock = Clock()
    one = beat(tmp_path, clock, run="")
    one.begin("unit-1", lambda: 9)
    clock.at = 1e6
    one.at(3)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "beats").write_text("a file where the folder would be")
    clock = Clock()
    one = beat(tmp_path, clock)
    one.begin("unit-1", lambda: 9)
    clock.at = 10.0
    one.at(3)
    one.at(4)


def test_what_is_no_word_is_not_heard(tmp_path: Path) -> None:
    (tmp_path / "beats").mkdir()
    for name, text in (("a", ""), ("b", "[]"), ("c", '{"unit": 1}'), ("d", "\xff")):
        (tmp_path / f"beats/run-1.{name}.json").write_text(text)
    assert heard(Folder(str(tmp_path))) == []


def word(unit: str, rows: int = 1200) -> Progress:
    return Progress("run-1", unit, "mix", rows, 4096, 0.0, "here:1")


def test_few_are_named_and_many_are_counted() -> None:
    assert told([]) == ""
    assert told([word("a"), word("b", 7)]) == (
        "unit a: 1,200 of 4,096 rows, unit b: 7 of 4,096 rows"
    )
    assert told([word(str(n)) for n in range(4)]) == "4 units in hand: 4,800 of 16,384 rows"


def test_a_driver_hears_its_own_workers_and_clears_up(tmp_path: Path) -> None:
    folder, reporter = Folder(str(tmp_path)), Heard()
    for run, unit in (("run-1", "mine"), ("run-1", "finished"), ("run-10", "another run's")):
        text = json.dumps(word(unit).__dict__)
        folder.tell(f"beats/{run}.{unit[:2]}.json", text.encode())
    with Listening(folder, "run-1", reporter) as listening:
        listening.finished("finished")
        wait_until(lambda: reporter.texts)
    assert set(reporter.texts) == {"unit mine: 1,200 of 4,096 rows"}
    assert [info.path for info in folder.files("beats")] == ["beats/run-10.an.json"]
