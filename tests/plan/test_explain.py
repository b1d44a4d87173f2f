"""The printed table's lines, and limits that a plan already breaks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from augment.plan import Plan, broken_limits, explain, generator_kind, generator_of, totals
from augment.spec.models import Limits

PlanOf = Callable[..., Plan]


@pytest.fixture
def plan(plan_of: PlanOf) -> Plan:
    return plan_of(
        {"train": {"a": 80, "b": 10}, "test": {"a": 5, "b": 0}},
        generators={"g": "ab"},
        augmentations=[{"name": "light", "ops": ["HorizontalFlip"], "copies": 1}],
        synthesize=[{"generators": ["g"], "fill": {"to": 100, "max_times_real": 7}}],
    )


def test_lines_after_every_rule(plan: Plan) -> None:
    seen = [
        (x.rule, x.split, x.label_name, x.real, x.augmented, x.generated_rows, x.added, x.note)
        for x in explain(plan)
        if x.split == "train"
    ]
    assert seen == [
        ("sources", "train", "a", 80, 0, 0, 80, ""),
        ("sources", "train", "b", 10, 0, 0, 10, ""),
        ("sources", "train", None, 90, 0, 0, 90, ""),
        ("augmentations[0] light", "train", "a", 80, 80, 0, 80, ""),
        ("augmentations[0] light", "train", "b", 10, 10, 0, 10, ""),
        ("augmentations[0] light", "train", None, 90, 90, 0, 90, ""),
        ("synthesize[0] g", "train", "a", 80, 80, 0, 0, ""),
        ("synthesize[0] g", "train", "b", 10, 10, 70, 70, "capped: 70 of 80 wanted"),
        ("synthesize[0] g", "train", None, 90, 90, 70, 70, ""),
    ]


def test_totals_and_ratios(plan: Plan) -> None:
    lines = {(x.split, x.label_name): x for x in totals(plan)}
    b = lines["train", "b"]
    assert (b.rows, b.generated) == (90, {"g": 70})
    assert b.synthetic_share == 70 / 90
    assert b.synthetic_to_real == 7.0
    assert lines["test", None].rows == 5
    assert lines["test", None].synthetic_share == 0.0
    assert sum(x.rows for x in lines.values() if x.label_name is None) == plan.rows()


def test_kinds_never_collide_with_generator_names() -> None:
    assert generator_of(generator_kind("real")) == "real"
    assert generator_of("real") is None


def test_limits_that_the_plan_breaks(plan: Plan) -> None:
    limits = Limits.model_validate(
        {
            "synthetic_share": {"max": 0.25, "per_class": 0.5},
            "synthetic_to_real": {"max": 0.7, "per_class": 7},
            "min_rows_per_class": {"train": 100, "test": 1},
            "min_unique_real_per_class": {"train": 10},
        }
    )
    assert broken_limits(plan, limits) == [
        "limits.synthetic_share.per_class: split train, class 'b': 70 / 90 = 0.7778 > 0.5",
        "limits.synthetic_share.max: split train: 70 / 250 = 0.28 > 0.25",
        "limits.synthetic_to_real.max: split train: 70 / 90 = 0.7778 > 0.7",
        "limits.min_rows_per_class: split test, class 'b': 0 rows < 1",
        "limits.min_rows_per_class: split train, class 'b': 90 rows < 100",
    ]
    assert broken_limits(plan, Limits()) == []


def test_a_limit_on_classes_without_real_rows(plan_of: PlanOf) -> None:
    plan = plan_of(
        {"a": 4, "b": 0},
        generators={"g": "b"},
        synthesize=[{"generators": ["g"], "fill": {"to": {"b": 4}}}],
    )
    limits = Limits.model_validate({"synthetic_to_real": {"per_class": 1000}})
    assert broken_limits(plan, limits) == [
        "limits.synthetic_to_real.per_class: split train, class 'b': 4 / 0 = unlimited > 1000"
    ]
