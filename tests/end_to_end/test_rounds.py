"""Rounds that overlap end in the pool that rounds one after the other make, whatever dies."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from augment.run import LocalEngine, ProcessEngine, Resources, Task
from tests.end_to_end import rounds_driver
from tests.end_to_end.jobs import CLASSES, job_document, write_digits, write_job
from tests.end_to_end.runs import EPOCH, Copy, Done, made_indexes, pool_rows, published

FILL = {"0": 32, "1": 30, "2": 4}
"""45 samples, 21 a unit: a round of three units, one of one, and rejects."""


class OneByOne:
    """An engine that takes no unit while it works."""

    name = "one by one"
    opening = ""

    def __init__(self) -> None:
        self.inner, self.rounds = LocalEngine(), 0

    def open(self, tell: Callable[[float], None] = lambda seconds: None) -> None: ...

    def run(self, task: Task, units: Sequence[str], resources: Resources) -> Iterator[str]:
        self.rounds += 1
        return self.inner.run(task, units, resources)

    def cpus(self) -> int:
        return 1

    def gpus(self) -> float:
        return 0.0

    def infeasible(self, resources: Resources) -> str | None:
        return None


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("digits")
    write_digits(root / "data", {"0": 12, "1": 5, "2": 4})
    return root


@pytest.fixture(autouse=True)
def fixed_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in EPOCH.items():
        monkeypatch.setenv(name, value)


def job(data: Path, root: Path) -> Path:
    large = {"family": "palette", "classes": list(CLASSES), "size": rounds_driver.SIDE}
    document = job_document(
        data,
        augmentations=[],
        generators={"large": large | {"sampling": {"contrast": 0.05}}},
        filters=[{"degenerate": {"min_std": 2.1}}],
        synthesize=[{"generators": ["large"], "fill": {"to": FILL}}],
        max_attempts_per_sample=6,
        pool=str(root / "pool"),
        output={"uri": str(root / "out")},
    )
    return write_job(root / "job.yaml", document)


class Filler(Copy):
    """One filling in its own process; `moment` and `number` as driver.py says."""

    def __init__(self, path: Path, moment: str = "", number: int = 0) -> None:
        arguments = (str(path), moment, str(number))
        work, root = "tests.end_to_end.rounds_driver:main", path.parent
        super().__init__(root, root, os.environ | EPOCH, work, arguments)


def claims(root: Path) -> list[Any]:
    """What was claimed, in the order of the log."""
    found = [
        json.loads(path.read_text()) for path in sorted(root.glob("pool/_work/*/claims/0*.json"))
    ]
    return [(one["needs"], one["rows_per_unit"]) for one in found]


def folds(root: Path) -> list[str]:
    """The claims that are folded."""
    return sorted(path.name.split("-")[0] for path in root.glob("pool/_work/*/folds/*.parquet"))


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Done, Path]:
    root = tmp_path_factory.mktemp("undisturbed")
    done = Filler(job(data, root)).end()
    assert done.code == 0, done.notes
    return done, root


@pytest.mark.parametrize("kind", ["one by one", "processes", "ray"])
def test_every_engine_makes_the_same_pool(
    data: Path,
    undisturbed: tuple[Done, Path],
    tmp_path: Path,
    kind: str,
    request: pytest.FixtureRequest,
) -> None:
    """Also one that takes no units while it works: claims, names and bytes are the same."""
    done, whole = undisturbed
    path = str(job(data, tmp_path))
    if kind == "processes":
        with ProcessEngine(cpus=2) as engine:
            found = rounds_driver.fill(path, engine)
    elif kind == "ray":
        found = rounds_driver.fill(path, request.getfixturevalue("ray_engine"))
    else:
        one = OneByOne()
        found = rounds_driver.fill(path, one)
        assert one.rounds == len(claims(tmp_path)) > 2
    assert found == done.result
    assert claims(tmp_path) == claims(whole)
    assert published(tmp_path / "pool") == published(whole / "pool")
    assert folds(tmp_path) == folds(whole)


def at(events: list[str], *parts: str, nth: int = 1) -> int:
    """Number of the nth event that holds all parts."""
    found = [i for i, event in enumerate(events) if all(part in event for part in parts)]
    return found[nth - 1]


def test_the_second_round_is_claimed_before_the_first_has_ended(
    undisturbed: tuple[Done, Path],
) -> None:
    events = undisturbed[0].events
    second = at(events, "os.link", "claims/00000001.json")
    assert at(events, "os.link", "/units/unit-", ".json", nth=3) > second
    assert at(events, "os.link", "/units/unit-", ".json", nth=4) > at(events, "os.link", "/folds/")
    assert len([event for event in events if event.startswith("told stage")]) == len(
        claims(undisturbed[1])
    )


def exactly(events: list[str], number: int) -> str:
    return f"{events[:number].count(events[number])}@{events[number]}"


MOMENTS: dict[str, Callable[[list[str]], str]] = {
    "the next round not claimed": lambda e: "os.link .*claims/00000001",
    "claimed, not handed over": lambda e: "told stage synthesize large: 2$",
    "handed over, the first not ended": lambda e: exactly(e, at(e, "os.link", ".try-1", nth=3)),
    "half folded": lambda e: "os.link .*folds/00000000-0000-",
    "inside a unit of the next": lambda e: exactly(e, at(e, "os.rename pool/data", nth=4)),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_driver_resumes(
    data: Path, undisturbed: tuple[Done, Path], tmp_path: Path, moment: str
) -> None:
    done, whole = undisturbed
    path = job(data, tmp_path)
    killed = Filler(path, MOMENTS[moment](done.events), signal.SIGKILL).end()
    assert killed.code == -signal.SIGKILL, killed.notes
    resumed = Filler(path).end()
    assert resumed.result["accounts"] == done.result["accounts"]
    assert resumed.result["made_now"] <= done.result["made_now"]
    assert claims(tmp_path) == claims(whole)
    assert published(tmp_path / "pool") == published(whole / "pool")
    assert {*made_indexes(tmp_path / "pool").values()} == {1}
    rows = pool_rows(tmp_path / "pool")
    assert len(rows) == len(set(rows)) == len(pool_rows(whole / "pool"))
