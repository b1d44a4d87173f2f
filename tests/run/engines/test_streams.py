"""Units that come while others are carried out: no worker waits for the last of the first ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from augment.errors import StorageError
from augment.run import LocalEngine, ProcessEngine, Resources
from augment.run.engines.engine import Streams
from tests.run.engines.tasks import Notes


@pytest.fixture(params=["local", "processes"])
def engine(request: pytest.FixtureRequest) -> Iterator[LocalEngine | ProcessEngine]:
    if request.param == "local":
        yield LocalEngine()
        return
    with ProcessEngine(cpus=2) as opened:
        yield opened


class Later:
    """Gives its parts one after the other, each when so many results have been taken."""

    def __init__(self, parts: dict[int, Sequence[str] | None]) -> None:
        self.parts, self.taken, self.asked = parts, 0, 0

    def __call__(self) -> Sequence[str] | None:
        self.asked += 1
        return self.parts.get(self.taken, ())

    def take(self, results: Iterator[str]) -> list[str]:
        found = []
        for result in results:
            self.taken += 1
            found.append(json.loads(result)[0])
        return found


def test_what_comes_later_is_carried_out_too(
    engine: LocalEngine | ProcessEngine, tmp_path: Path
) -> None:
    assert isinstance(engine, Streams)
    later = Later({1: ["c", "d"], 3: ["e"], 5: ["f"]})  # the last when nothing is left
    results = engine.stream(Notes(str(tmp_path)), ["a", "b"], later, Resources(2))
    assert sorted(later.take(results)) == ["a", "b", "c", "d", "e", "f"]
    assert later.asked == 6


def test_the_end_comes_when_nothing_more_is_given(
    engine: LocalEngine | ProcessEngine, tmp_path: Path
) -> None:
    later = Later({1: None, 2: ["not heard any more"]})
    results = engine.stream(Notes(str(tmp_path)), ["a", "b"], later, Resources(2))
    assert sorted(later.take(results)) == ["a", "b"]
    assert list(engine.stream(Notes(str(tmp_path)), [], later, Resources(2))) == []
    assert later.asked == 1


def test_a_worker_goes_on_while_another_has_not_ended(tmp_path: Path) -> None:
    """Without what comes later the unit that waits would never end."""
    with ProcessEngine(cpus=2) as engine:
        later = Later({1: ["b", "go"]})
        results = engine.stream(Notes(str(tmp_path)), ["wait", "a"], later, Resources(2))
        assert sorted(later.take(results)) == ["a", "b", "go", "wait"]


def test_processes_are_started_for_what_comes_later(tmp_path: Path) -> None:
    with ProcessEngine(cpus=2) as engine:
        later = Later({1: ["wait", "go"]})
        results = engine.stream(Notes(str(tmp_path)), ["a"], later, Resources(2))
        assert sorted(later.take(results)) == ["a", "go", "wait"]
    assert len(list(tmp_path.glob("built.*"))) == 2


def test_an_error_of_what_came_later_ends_it(
    engine: LocalEngine | ProcessEngine, tmp_path: Path
) -> None:
    later = Later({1: ["disk"]})
    with pytest.raises(StorageError, match="the disk is full"):
        later.take(engine.stream(Notes(str(tmp_path)), ["a"], later, Resources(1)))


def test_what_a_process_dies_at_is_built_again_beside_what_came_later(tmp_path: Path) -> None:
    with ProcessEngine(cpus=2) as engine:
        later = Later({1: ["kill2", "c"]})
        found = later.take(engine.stream(Notes(str(tmp_path)), ["a", "kill"], later, Resources(2)))
    assert sorted(found) == ["a", "c", "kill", "kill2"]
