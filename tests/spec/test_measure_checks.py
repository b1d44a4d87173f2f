"""Bounds of measures that bound nothing, or speak of nothing that the job has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from augment.spec import Job

Problems = Callable[..., list[str]]


def test_bounds_that_are_right(problems: Problems, job: Callable[..., Job]) -> None:
    right = [
        {"measure": "coverage", "warn_below": 0.8, "fail_below": 0.5, "generators": ["fake"]},
        {"measure": "frechet", "of": "value", "extractor": "task", "fail_above": 4.0},
        {"measure": "agreement", "classes": ["0"], "fail_below": 0.7, "of": "value"},
        {"measure": "copies_of_train", "classes": "overall", "warn_above": 0, "fail_above": 0.01},
    ]
    classes = {"names": ["0", "1"]}
    assert problems({"limits.measures": right, "classes": classes}) == []
    measures = job({"limits.measures": right}).spec.limits.measures
    assert measures is not None
    assert [one.measure for one in measures] == [
        "coverage", "frechet", "agreement", "copies_of_train",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("one", "said"),
    [
        ({"measure": "coverage"},
         "limits.measures[0]: got no bound; expected at least one of warn_below, fail_below, "
         "warn_above, fail_above"),
        ({"measure": "repeats", "of": "ratio", "fail_above": 1},
         "limits.measures[0].of: got ratio; expected none beside repeats, which is a share of "
         "rows"),
        ({"measure": "agreement", "extractor": "task", "fail_below": 1},
         "limits.measures[0].extractor: got task; expected none beside agreement, which is a share "
         "of rows"),
        ({"measure": "vendi_ratio", "warn_below": 0.2, "fail_below": 0.5},
         "limits.measures[0].warn_below: got 0.2; expected a warning before fail_below 0.5"),
        ({"measure": "kid", "warn_above": 3, "fail_above": 2},
         "limits.measures[0].warn_above: got 3; expected a warning before fail_above 2"),
        ({"measure": "kid", "fail_above": 2, "generators": ["fakee"]},
         "limits.measures[0].generators[0]: got the generator 'fakee'; expected fake. "
         "Did you mean 'fake'?"),
        ({"measure": "kid", "fail_above": 2, "classes": ["7"]},
         "limits.measures[0].classes[0]: got the class '7'; expected one of 0, 1"),
    ],
)  # fmt: skip
def test_bounds_that_are_wrong(problems: Problems, one: dict[str, Any], said: str) -> None:
    found = problems({"limits.measures": [one], "classes": {"names": ["0", "1"]}})
    assert len(found) == 1
    assert said in found[0]


def test_a_measure_that_nobody_knows(problems: Problems) -> None:
    (found,) = problems({"limits.measures": [{"measure": "fid", "fail_above": 2}]})
    assert "limits.measures[0].measure" in found
    assert "frechet" in found


GATE = "limits.gate"


def test_a_gate_that_is_right(problems: Problems) -> None:
    measures = [
        {"measure": "coverage", "extractor": "random", "fail_below": 0.5, "not_judged": "pass"},
        {"measure": "agreement", "fail_below": 0.5, "not_judged": "hold"},
    ]
    assert problems({"limits.measures": measures, GATE: "before_commit"}) == []
    assert problems({"limits": {"gate": "before_commit", "synthetic_share": {"max": 0.9}}}) == []
    assert problems({"limits": {"gate": "report_only"}}) == []


@pytest.mark.parametrize(
    ("one", "gate", "said"),
    [
        ({"measure": "repeats", "fail_above": 0.5, "not_judged": "pass"}, "report_only",
         "limits.measures[0].not_judged: got pass, which has no effect: nothing is held back; "
         "expected no such key, or gate: before_commit in a job"),
        ({"measure": "repeats", "warn_above": 0.5, "not_judged": "pass"}, "before_commit",
         "limits.measures[0].not_judged: got pass, which has no effect: a warning holds nothing "
         "back; expected no such key, or fail_below or fail_above"),
        ({"measure": "coverage", "fail_below": 0.5, "extractor": "randon"}, "before_commit",
         "limits.measures[0].extractor: got 'randon', by which a run does not measure; expected "
         "one of efficientnet_lite0, random, task. Did you mean 'random'?"),
        ({"measure": "coverage", "fail_below": 0.5, "extractor": "inception"}, "before_commit",
         "Judge by another one after the commit: augment audit --extractor"),
        ({"measure": "repeats", "fail_above": 0.5}, "before-commit",
         "Did you mean 'before_commit'?"),
    ],
)  # fmt: skip
def test_a_gate_that_is_wrong(
    problems: Problems, one: dict[str, Any], gate: str, said: str
) -> None:
    found = problems({"limits.measures": [one], GATE: gate})
    assert len(found) == 1
    assert said in found[0]


def test_a_gate_with_nothing_to_judge(problems: Problems) -> None:
    (found,) = problems({"limits": {"gate": "before_commit", "gpu_hours": 2}})
    assert found.endswith(
        "limits.gate: got before_commit, and no limit of the result; expected limits of the result "
        "beside it, which it judges"
    )
