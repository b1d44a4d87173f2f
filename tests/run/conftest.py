"""A small job on real digits, as a document that a test may change."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augment.api import load_spec
from augment.run import Frozen, Prepared, freeze
from augment.run.prepare import prepare
from tests.end_to_end.jobs import job_document, write_digits
from tests.plan.conftest import PlanOf, make_small_plan


def clock() -> dt.datetime:
    return dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


@pytest.fixture
def prepared(tmp_path: Path) -> Callable[..., Prepared]:
    """`prepared(seed=8)`: the small job with changes, its generators described."""
    write_digits(tmp_path / "data", {"0": 6, "1": 4, "2": 3}, test=2)

    def make(**changes: Any) -> Prepared:
        return prepare(load_spec(job_document(tmp_path, **changes)))

    return make


@pytest.fixture
def frozen(prepared: Callable[..., Prepared]) -> Callable[..., Frozen]:
    """The same, frozen."""

    def make(**changes: Any) -> Frozen:
        return freeze(prepared(**changes), clock)

    return make


@pytest.fixture(scope="session")
def plan_of() -> PlanOf:
    """The small plans of tests/plan."""
    return make_small_plan
