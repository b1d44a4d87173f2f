"""Values of metrics from what a run tells, with a clock that the test turns."""

from __future__ import annotations

import re
from typing import Any

import pytest

from augment.run.watch import metrics as m
from augment.run.watch.account import Account
from augment.run.watch.metrics import METRICS, Histogram, Metrics, Value
from augment.run.watch.observed import BUCKETS, counted
from augment.run.watch.telling import Stage, UnitDone

MAKE, MIX = Stage("synthesize", "fake"), Stage("mix")


class Clock:
    at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metrics(clock: Clock) -> Metrics:
    found = Metrics(clock)
    found.named("small-1", "local")
    return found


def of(metrics: Metrics, metric: m.Metric) -> dict[tuple[str, ...], Value]:
    found = metrics.values().get(metric, {})
    assert all(labels[0] == "small-1" for labels in found)
    assert all(len(labels) == 1 + len(metric.labels) for labels in found)
    return {labels[1:]: value for labels, value in found.items()}


def unit(stage: Stage, arrived: float, actor: str = "n:1", batches: Any = None) -> UnitDone:
    said: dict[str, Any] = {"unit": "u", "actor": actor, "begun": arrived - 2.0, "ended": arrived}
    if batches is not None:
        said |= {"device": "cuda", "batches": counted(batches)}
    return UnitDone(stage, 10, 10 if batches is not None else 0, said, arrived)


def test_names_follow_the_rules_of_prometheus() -> None:
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    for metric in METRICS:
        assert re.fullmatch(r"augment_[a-z_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert not {"job_id", "le", "instance", "job"} & set(metric.labels)
        assert metric.help[0].isupper() or metric.help[0].isdigit()


def test_nothing_is_shown_before_the_run_has_a_name(clock: Clock) -> None:
    assert Metrics(clock).values() == {}


def test_records_add_up_to_what_they_hold(metrics: Metrics) -> None:
    cell = ["train", "0", "synthetic", None, "fake", None]
    copy = ["train", "0", "synthetic", None, "fake", "light"]
    bad = {"reason": "truncated"}
    record = {"cells": [[*cell, 5, 1], [*copy, 2, 0]], "quarantine": [bad], "entry": {"size": 70}}
    metrics.written(record)
    metrics.written({"cells": [[*cell, 1, 2]], "quarantine": [bad, bad], "entry": None})
    assert of(metrics, m.SAMPLES) == {("train", "0", "synthetic", "fake"): 8}
    assert of(metrics, m.QUARANTINED) == {("truncated",): 3}
    assert of(metrics, m.SHARD_BYTES) == {("dataset", ""): 70}


def test_accounts_are_set_not_added(metrics: Metrics) -> None:
    for attempted in (4, 9):
        metrics.accounts([Account("fake", "0", 5, 15, attempted, 5, {"flat": attempted - 5}, 0, 5)])
    assert of(metrics, m.SYNTHESIS) == {
        ("fake", "0", "accepted"): 5, ("fake", "0", "rejected"): 4, ("fake", "0", "failed"): 0,
    }  # fmt: skip
    assert of(metrics, m.REJECTED) == {("fake", "0", "flat"): 4}


def test_pool_bytes_and_the_version(metrics: Metrics) -> None:
    assert of(metrics, m.COMMITTED) == {}
    metrics.pooled("fake", 30)
    metrics.pooled("fake", 12)
    metrics.committed(0)
    assert of(metrics, m.SHARD_BYTES) == {("pool", "fake"): 42}
    assert of(metrics, m.COMMITTED) == {(): 0}


def test_a_stage_counts_while_it_lasts_and_adds_up(metrics: Metrics, clock: Clock) -> None:
    metrics.began(MIX, 100.0)
    clock.at = 103.0
    assert of(metrics, m.STAGE_SECONDS) == {MIX: 3.0}
    assert of(metrics, m.STAGE_RUNNING) == {MIX: 1}
    metrics.ended(MIX, 104.0, broken=False)
    metrics.began(MIX, 110.0)
    metrics.ended(MIX, 111.0, broken=True)
    assert of(metrics, m.STAGE_SECONDS) == {MIX: 5.0}
    assert of(metrics, m.STAGE_RUNNING) == {MIX: 0}


def test_what_waits_and_for_how_long(metrics: Metrics, clock: Clock) -> None:
    metrics.queued(MAKE, 2)
    clock.at = 107.0
    assert of(metrics, m.QUEUE) == {MAKE: 2}
    assert of(metrics, m.UNIT_AGE) == {MAKE: 7.0}
    metrics.unit(unit(MAKE, 108.0))
    clock.at = 109.0
    assert of(metrics, m.QUEUE) == {MAKE: 1}
    assert of(metrics, m.UNIT_AGE) == {MAKE: 1.0}
    metrics.unit(unit(MAKE, 110.0))
    clock.at = 500.0
    assert of(metrics, m.QUEUE) == {MAKE: 0}
    assert of(metrics, m.UNIT_AGE) == {MAKE: 0.0}
    assert of(metrics, m.UNITS) == {MAKE: 2}


def test_the_busy_share_is_of_actors_and_seconds(metrics: Metrics) -> None:
    """Two processes in 20 s from the stage's begin to the last unit; 30 s in batches."""
    metrics.began(MAKE, 100.0)
    metrics.queued(MAKE, 3)
    metrics.unit(unit(MAKE, 110.0, "n:1", [4.0, 6.0]))
    metrics.unit(unit(MAKE, 118.0, "n:2", [15.0]))
    metrics.unit(unit(MAKE, 120.0, "n:1", [5.0]))
    assert of(metrics, m.BUSY) == {("fake", "cuda"): 30.0 / (2 * 20.0)}
    assert of(metrics, m.ACTORS) == {MAKE: 2}
    assert of(metrics, m.GENERATED) == {("fake",): 30}
    assert of(metrics, m.SPEED) == {("fake", "cuda"): 30 / 20.0}


def test_histograms_add_up(metrics: Metrics) -> None:
    metrics.unit(unit(MAKE, 110.0, batches=[0.3, 0.3]))
    metrics.unit(unit(MAKE, 112.0, batches=[1000.0]))
    found = of(metrics, m.BATCH_SECONDS)["fake", "cuda"]
    assert isinstance(found, Histogram)
    assert (found.sum, sum(found.counts), found.counts[-1]) == (1000.6, 3, 1)
    assert found.counts[BUCKETS.index(0.5)] == 2
    seconds = of(metrics, m.UNIT_SECONDS)[MAKE]
    assert isinstance(seconds, Histogram)
    assert (seconds.sum, sum(seconds.counts)) == (4.0, 2)
