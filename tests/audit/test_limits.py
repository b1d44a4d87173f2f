"""Limits: the exact bound holds, one row more does not, and the text says by how much."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment.audit import LimitResult, Share, audit
from augment.audit.limits import judge_limits
from augment.spec.models import Limits


def judge(limits: dict[str, Any], **counts: tuple[int, int, int]) -> list[LimitResult]:
    """counts: class -> (real, augmented, generated) of split train."""
    per_class = {("train", name): Share((), *c, c[0]) for name, c in counts.items()}
    sums = [sum(c[i] for c in counts.values()) for i in range(3)]
    per_split = {"train": Share((), sums[0], sums[1], sums[2], sums[0])}
    return judge_limits(Limits.model_validate(limits), tuple(counts), per_split, per_class)


def broken(limits: dict[str, Any], **counts: tuple[int, int, int]) -> list[str]:
    return [result.text for result in judge(limits, **counts) if result.ok is False]


def test_a_share_at_its_bound_is_kept_and_beyond_it_is_not() -> None:
    limits = {"synthetic_share": {"per_class": 0.8}}
    assert broken(limits, a=(10, 10, 80)) == []
    assert broken(limits, a=(10, 0, 90)) == [
        "limits.synthetic_share.per_class 0.8: split train, class 'a': "
        "90 of 100 rows are generated (0.900), 0.100 too much"
    ]


def test_the_share_over_all_classes_is_another_limit() -> None:
    assert broken({"synthetic_share": {"max": 0.5}}, a=(1, 0, 3), b=(1, 0, 0)) == [
        "limits.synthetic_share.max 0.5: split train: "
        "3 of 5 rows are generated (0.600), 0.100 too much"
    ]


def test_copies_do_not_dilute_the_ratio_to_real_rows() -> None:
    limits = {"synthetic_to_real": {"per_class": 1.0}}
    assert broken(limits, a=(10, 1000, 90)) == [
        "limits.synthetic_to_real.per_class 1.0: split train, class 'a': "
        "90 generated to 10 real rows (9.000), 8.000 too much"
    ]


def test_an_infinite_ratio_breaks_every_bound() -> None:
    (result,) = judge({"synthetic_to_real": {"per_class": 1000.0}}, a=(0, 5, 5))
    assert not result.ok
    assert (result.value, result.by_how_much) == (None, None)
    assert result.text.endswith("5 generated to 0 real rows (infinite), no bound holds")


def test_a_class_without_generated_rows_keeps_every_ratio() -> None:
    assert broken({"synthetic_to_real": {"max": 0.0, "per_class": 0.0}}, a=(0, 5, 0)) == []


def test_least_rows_and_least_different_real_images() -> None:
    limits = {"min_rows_per_class": {"train": 100}, "min_unique_real_per_class": {"train": 11}}
    assert broken(limits, a=(10, 10, 60)) == [
        "limits.min_rows_per_class.train 100: split train, class 'a': 80 rows, 20 too few",
        "limits.min_unique_real_per_class.train 11: split train, class 'a': "
        "10 different real images, 1 too few",
    ]


def test_a_share_of_no_rows_is_not_judged() -> None:
    limits = {"synthetic_share": {"max": 0.0, "per_class": 0.0}, "synthetic_to_real": {"max": 9}}
    told = [(r.ok, r.value, r.by_how_much, r.text) for r in judge(limits, a=(0, 0, 0))]
    assert {(ok, value, over) for ok, value, over, _ in told} == {(None, None, None)}
    assert told[1][3] == (
        "limits.synthetic_share.per_class 0.0: split train, class 'a': it holds no rows, not judged"
    )


@pytest.mark.parametrize(
    "limits",
    [
        {"synthetic_share": {"max": 1.0}},
        {"synthetic_share": {"per_class": 1.0}},
        {"synthetic_to_real": {"max": 1.0}},
        {"min_rows_per_class": {"train": 0}},
        {"min_unique_real_per_class": {"train": 0}},
    ],
)
def test_a_limit_that_speaks_of_no_place_is_not_judged(limits: dict[str, Any]) -> None:
    (result,) = judge_limits(Limits.model_validate(limits), (), {}, {})
    assert (result.ok, result.class_name, result.value) == (None, None, None)
    assert result.text.endswith(": the version holds no rows, not judged")


def test_least_rows_of_known_classes_are_judged_without_any_row() -> None:
    limits = Limits(min_rows_per_class={"train": 8})
    results = judge_limits(limits, ("a", "b"), {}, {})
    assert [(r.class_name, r.ok, r.by_how_much) for r in results] == [
        ("a", False, 8),
        ("b", False, 8),
    ]


def test_a_split_that_is_not_there_fails_even_a_bound_of_zero() -> None:
    assert broken({"min_rows_per_class": {"val": 0}}, a=(1, 0, 0)) == [
        "limits.min_rows_per_class.val 0: split val, class 'a': 0 rows, 0 too few; "
        "this version has no such split"
    ]


def test_rows_without_sha256_cannot_be_told_apart() -> None:
    share = Share((), 5, 0, 0, None)
    limits = Limits(min_unique_real_per_class={"train": 1})
    (result,) = judge_limits(limits, ("a",), {"train": share}, {("train", "a"): share})
    assert not result.ok
    assert result.text == (
        "limits.min_unique_real_per_class.train 1: split train, class 'a': the rows have no "
        "sha256, so different real images cannot be counted, not known"
    )


def test_a_tiny_excess_is_not_printed_as_zero() -> None:
    (text,) = broken({"synthetic_share": {"max": 0.5}}, a=(99_999, 0, 100_001))
    assert text.endswith("(0.500), 5e-06 too much")


def test_limits_of_a_data_set_are_judged_in_every_split_and_class(digits_set: Any) -> None:
    limits = Limits.model_validate(
        {"synthetic_share": {"max": 0.5, "per_class": 0.5}, "min_rows_per_class": {"train": 3}}
    )
    report = audit(digits_set.uri, limits=limits)
    assert len(report.limits) == 2 + 6 + 3
    assert [(r.limit, r.class_name) for r in report.limits if not r.ok] == [
        ("limits.synthetic_share.per_class", "7"),
        ("limits.min_rows_per_class.train", "1"),
    ]
    assert not report.ok
    assert not report.findings


COUNT = st.integers(0, 200)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(real=COUNT, augmented=COUNT, generated=COUNT, bound=st.integers(0, 100))
def test_verdicts_equal_those_of_exact_arithmetic(
    real: int, augmented: int, generated: int, bound: int
) -> None:
    rows = real + augmented + generated
    limits = {
        "synthetic_share": {"per_class": bound / 100},
        "synthetic_to_real": {"per_class": bound / 10},
    }
    share, ratio = judge(limits, a=(real, augmented, generated))
    if not rows:
        assert (share.ok, ratio.ok, share.value, ratio.value) == (None, None, None, None)
        return
    assert share.ok == (Fraction(generated, rows or 1) <= Fraction(bound, 100))
    wanted = generated == 0 if real == 0 else Fraction(generated, real) <= Fraction(bound, 10)
    assert ratio.ok == wanted
    assert share.value == pytest.approx(generated / (rows or 1))
