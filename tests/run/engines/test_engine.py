"""Units through workers: order, what an error becomes, and how it crosses from Ray."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from augment import errors, logs
from augment.errors import AugmentError, Problem, SpecError, StorageError, UnitFailed
from augment.generators import Placement
from augment.run import LocalEngine, Resources, Task, Worker
from augment.run.engines.engine import as_raised, call
from augment.run.engines.placing import place
from augment.spec.execution import GeneratorExecution


@dataclass
class Upper:
    """A worker that writes units in capitals and knows what it was given."""

    seen: list[str] = field(default_factory=list)

    def __call__(self, unit: str) -> str:
        self.seen.append(unit)
        if unit == "disk":
            raise StorageError("the disk is full")
        if unit.startswith("odd"):
            raise ZeroDivisionError("division by zero")
        return unit.upper()


@dataclass
class UpperTask:
    made: list[Upper] = field(default_factory=list)
    broken: Exception | None = None

    def worker(self, alone: bool = False) -> Worker:
        if self.broken is not None:
            raise self.broken
        self.made.append(Upper())
        return self.made[-1]


def test_one_worker_takes_all_units_in_order() -> None:
    task = UpperTask()
    results = LocalEngine().run(task, ["a", "b", "c"], Resources(workers=3))
    assert list(results) == ["A", "B", "C"]
    assert [w.seen for w in task.made] == [["a", "b", "c"]]


def test_without_units_no_worker_is_made() -> None:
    task = UpperTask()
    assert list(LocalEngine().run(task, [], Resources())) == []
    assert task.made == []


def test_units_are_carried_out_one_at_a_time_as_results_are_taken() -> None:
    task = UpperTask()
    results = LocalEngine().run(task, ["a", "b"], Resources())
    assert next(results) == "A"
    assert task.made[0].seen == ["a"]


def test_an_error_on_purpose_arrives_as_itself() -> None:
    with pytest.raises(StorageError, match=r"^the disk is full$"):
        call(Upper(), "disk")


def test_what_no_rule_foresaw_names_the_unit_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    unit = "odd" + "x" * 1000
    with pytest.raises(UnitFailed) as caught:
        call(Upper(), unit)
    assert str(caught.value) == (
        f"unit {unit[:200]}: ZeroDivisionError: division by zero; the log has the traceback; "
        "mend the cause and run the same command again"
    )
    assert caught.value.exit_code == 3
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("augment.run", logging.ERROR)
    assert record.exc_info is not None


@pytest.mark.parametrize(
    ("broken", "kind", "text"),
    [
        (StorageError("no pool"), StorageError, r"^no pool$"),
        (KeyError("w"), UnitFailed, r"^a worker for UpperTask could not be made: KeyError: 'w'; "),
    ],
)
def test_a_worker_that_cannot_be_made(
    broken: Exception, kind: type[AugmentError], text: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(kind, match=text):
        list(LocalEngine().run(UpperTask(broken=broken), ["a"], Resources()))
    assert len(caplog.records) == (kind is UnitFailed)


# ---- across from a Ray worker -------------------------------------------------------


PLAIN = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, AugmentError)
    and not issubclass(kind, errors._ProblemsError)
]  # fmt: skip


@pytest.mark.parametrize("kind", PLAIN, ids=lambda k: k.__name__)
def test_an_error_crosses_by_name_and_text(
    kind: type[AugmentError], caplog: pytest.LogCaptureFixture
) -> None:
    raised = as_raised(kind.__name__, "what happened", "Traceback: where")
    assert type(raised) is kind
    assert str(raised) == "what happened"
    assert raised.exit_code == kind.exit_code
    (record,) = caplog.records
    assert logs.facts(record)["traceback"] == "Traceback: where"


@pytest.mark.parametrize("kind", ["SpecError", "PlanError"])
def test_an_error_of_problems_crosses_as_its_text(kind: str) -> None:
    original = SpecError([Problem("job.yaml:3", "x", "y"), Problem("job.yaml:9", "a", "b")])
    raised = as_raised(kind, str(original), "")
    assert type(raised) is errors.RequestError
    assert (str(raised), raised.exit_code) == (str(original), 2)


def test_an_unknown_kind_of_error_crosses_as_a_failed_unit() -> None:
    raised = as_raised("OfAnotherPackage", "what happened", "")
    assert type(raised) is UnitFailed
    assert str(raised) == "what happened"


# ---- where workers live -------------------------------------------------------------


@dataclass(frozen=True)
class Machine:
    """An engine that only knows what it has."""

    has_gpus: float
    name: str = "machine"
    opening: str = ""

    def open(self, tell: Callable[[float], None] = lambda seconds: None) -> None: ...

    def run(self, task: Task, units: Sequence[str], resources: Resources) -> Iterator[str]:
        return iter(())

    def cpus(self) -> int:
        return 4

    def gpus(self) -> float:
        return self.has_gpus

    def infeasible(self, resources: Resources) -> str | None:
        return None


@pytest.mark.parametrize(
    ("asked", "has_gpus", "expected"),
    [
        ({}, 0.0, (Resources(1, 1.0, 0.0, 1), Placement("cpu"))),
        ({}, 2.0, (Resources(1, 1.0, 1.0, 1), Placement("cuda"))),
        ({"resources": {"gpus": 0.0}}, 2.0, (Resources(1, 1.0, 0.0, 1), Placement("cpu"))),
        (
            {"resources": {"gpus": 0.25}, "replicas": {"min": 4}},
            1.0,
            (Resources(4, 1.0, 0.25, 4), Placement("cuda")),
        ),
        (
            {"resources": {"cpus": 0.5}, "replicas": {"min": 3, "max": 5}},
            0.0,
            (Resources(3, 0.5, 0.0, 5), Placement("cpu")),
        ),
    ],
)
def test_an_actor_takes_a_gpu_where_there_is_one(
    asked: dict[str, float], has_gpus: float, expected: tuple[Resources, Placement]
) -> None:
    assert place(GeneratorExecution(**asked), Machine(has_gpus)) == expected
