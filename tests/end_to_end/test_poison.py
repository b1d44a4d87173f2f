"""Rows that raise, hang, kill or fill the memory of whoever makes them: they are left out, their
neighbours are made, and the quotas are met from the next indexes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from augment.api import open_dataset
from augment.policy import VARIABLE
from tests.end_to_end.jobs import (
    CLASSES,
    fingerprint,
    job_document,
    rows_of,
    write_digits,
    write_job,
)
from tests.end_to_end.runs import commanded, records

COUNTS = {"0": 6, "1": 4, "2": 2}
FILL = 20
TIMED = {"batch_timeout_s": 2.0, "batch_size": 16}
CLASS = "tests.end_to_end.poison:Poisoned"
REPOSITORY = Path(__file__).parents[2]


class Poison:
    """A job whose generator goes wrong as it is ordered to."""

    def __init__(self, root: Path, **execution: Any) -> None:
        self.root = root
        write_digits(root / "data", COUNTS)
        (root / "policy.yaml").write_text(f"allow_code: ['{CLASS}']\n")
        own = {"family": "custom", "class_path": CLASS}
        own["init_args"] = {"classes": list(CLASSES), "orders": str(root / "orders.json")}
        document = job_document(
            root,
            generators={"own": own},
            synthesize=[{"generators": ["own"], "fill": {"to": FILL}}],
            augmentations=[],
            execution={"workers": 1, "generators": {"own": TIMED}},
        )
        document["execution"] |= execution
        self.job = write_job(root / "job.yaml", document)

    def order(self, **orders: Any) -> None:
        (self.root / "orders.json").write_text(json.dumps(orders))

    def run(self, engine: str) -> Any:
        environment = {VARIABLE: str(self.root / "policy.yaml"), "PYTHONPATH": str(REPOSITORY)}
        return commanded("run", "job.yaml", "--engine", engine, cwd=self.root, **environment)

    def rows(self) -> dict[tuple[str, int], str]:
        """(class, index) -> sha256 of the generated rows."""
        rows = rows_of(open_dataset(str(self.root / "out")).to_table())
        assert len(fingerprint(rows)) == len(rows) == FILL * 3 + 3 * 3
        return {
            (r["label_name"], r["generator"]["index"]): r["sha256"] for r in rows if r["generated"]
        }

    def failed(self) -> dict[tuple[str, int], str]:
        """(class, index) -> why, of what the pool's records say."""
        return {
            (label, index): reason
            for record in records(self.root / "pool")
            for label, index, reason in record["failed"]
        }

    def forget(self) -> None:
        shutil.rmtree(self.root / "out")
        shutil.rmtree(self.root / "pool")


@pytest.fixture
def poison(tmp_path: Path) -> Poison:
    return Poison(tmp_path)


def expected(
    undisturbed: dict[tuple[str, int], str],
    found: dict[tuple[str, int], str],
    lost: dict[tuple[str, int], str],
) -> None:
    """The rows of the undisturbed run without those that were lost, and as many of the next."""
    kept = {point: sha256 for point, sha256 in undisturbed.items() if point not in lost}
    assert {point: found[point] for point in kept} == kept
    for label, n in COUNTS.items():
        indexes = sorted(index for name, index in found if name == label)
        gone = {index for name, index in lost if name == label}
        assert indexes == [i for i in range(FILL + 9) if i not in gone][: FILL - n]


ORDERS = {
    "raise": [["0", 3]],
    "memory": [["0", 5]],
    "nan": [["1", 0]],
    "kill": [["1", 2]],
    "hang": [["2", 1]],
}
LOST = {
    ("0", 3): "raised",
    ("0", 5): "out_of_memory",
    ("1", 0): "nan",
    ("1", 2): "killed",
    ("2", 1): "timeout",
}


@pytest.mark.parametrize("engine", ["processes", "ray"])
def test_all_that_can_go_wrong(poison: Poison, engine: str) -> None:
    assert poison.run("local").returncode == 0
    undisturbed = poison.rows()
    poison.forget()
    poison.order(**ORDERS)
    done = poison.run(engine)
    assert done.returncode == 0, done.stderr
    assert poison.failed() == LOST
    expected(undisturbed, poison.rows(), LOST)


def test_in_process_a_row_that_hangs_is_found_apart(poison: Poison) -> None:
    """The batch is interrupted, and the unit goes on in processes of its own."""
    poison.order(hang=[["0", 3]])
    assert poison.run("local").returncode == 0
    (log,) = (poison.root / "out/_work/logs").iterdir()
    assert "generators.own: a batch of 16 took longer than batch_timeout_s (2 s); run" in (
        log.read_text()
    )
    assert poison.failed() == {("0", 3): "timeout"}
    assert len(poison.rows()) == FILL * 3 - sum(COUNTS.values())


def test_in_process_a_row_that_kills_is_found_by_the_third_run(poison: Poison) -> None:
    poison.order(kill=[["1", 2]])
    codes = [poison.run("local").returncode for _ in range(3)]
    assert codes == [-9, -9, 0]
    assert poison.failed() == {("1", 2): "killed"}
    assert len(poison.rows()) == FILL * 3 - sum(COUNTS.values())


@pytest.mark.parametrize("engine", ["local", "processes"])
def test_a_generator_that_does_not_load_in_time(tmp_path: Path, engine: str) -> None:
    """It is told once, not tried again and again, and is no row's fault."""
    poison = Poison(tmp_path, generators={"own": {"load_timeout_s": 5.0}})
    poison.order(load=3600.0)
    done = poison.run(engine)
    assert done.returncode == 3
    assert (
        "generators.own: loading it took longer than load_timeout_s (5 s); its checkpoint is "
        "large, or made to harm: raise execution.generators.own.load_timeout_s where you trust it"
    ) in done.stderr
    poison.order()
    text = poison.job.read_text()
    assert "load_timeout_s: 5.0" in text
    poison.job.write_text(text.replace("load_timeout_s: 5.0", "load_timeout_s: 600.0"))
    assert poison.run("local").returncode == 0
    assert poison.failed() == {}


def test_measuring_a_generator_that_does_not_load_ends(tmp_path: Path) -> None:
    limits = {"own": {"load_timeout_s": 1.0, "batch_timeout_s": 1.0}}
    poison = Poison(tmp_path, engine="local", generators=limits)
    poison.order(load=3600.0)
    environment = {VARIABLE: str(poison.root / "policy.yaml"), "PYTHONPATH": str(REPOSITORY)}
    done = commanded("plan", "job.yaml", "--measure", cwd=poison.root, **environment)
    assert done.returncode == 3
    assert (
        "generators.own: measuring it took longer than load_timeout_s and 4 times batch_timeout_s "
        "(5 s); raise them, or name a smaller batch_size"
    ) in done.stderr


def test_more_rows_that_kill_than_the_job_allows(tmp_path: Path) -> None:
    poison = Poison(tmp_path)
    document = poison.job.read_text()
    poison.job.write_text(document + "errors: {min_count: 1, max_share: 0.0}\n")
    poison.order(kill=[["0", 0], ["0", 1], ["0", 2]])
    done = poison.run("processes")
    assert done.returncode == 3
    assert "2 samples of unit" in done.stderr
    assert "errors allows 1. First: ('0', 0): killed; ('0', 1): killed" in done.stderr
    poison.order()
    assert poison.run("local").returncode == 0


def test_a_generator_that_makes_nothing_is_no_bad_row(poison: Poison) -> None:
    poison.order(**{"raise": [[label, i] for label in CLASSES for i in range(99)]})
    done = poison.run("local")
    assert done.returncode == 3
    assert "RuntimeError: device-side assert" in done.stderr
    assert poison.failed() == {}
    poison.order()
    assert poison.run("local").returncode == 0
