"""What samples cost: from a few batches to the rest, and against what was spent."""

from __future__ import annotations

import pytest

from augment.run.synthesis.cost import Estimate, Measured, Spent, counts, over_budget

SEEN = Measured("g", "cuda", load_s=10.0, batch_s=2.0, batch_rows=16, made=64, accepted=48,
                image_bytes=1000.0)  # fmt: skip
PLAN = Estimate(SEEN, samples=1200, gpus=0.5, actors=6)


def test_rejected_samples_are_paid_for_too() -> None:
    assert PLAN.rows == 1600
    assert PLAN.bytes == 1_600_000


def test_more_actors_take_less_time_and_load_more_often() -> None:
    assert PLAN.busy_s(1) == 200 + 10
    assert PLAN.wall_s(1) == 210
    assert PLAN.wall_s(4) == pytest.approx((200 + 40) / 4)
    assert PLAN.gpu_hours(1) == pytest.approx(0.5 * 210 / 3600)
    assert PLAN.gpu_hours() == pytest.approx(0.5 * 260 / 3600)


def test_a_generator_of_which_nothing_was_accepted_is_not_free() -> None:
    none = Measured("g", "cpu", 0.0, 1.0, 4, made=16, accepted=0, image_bytes=0.0)
    assert Estimate(none, 10, 0.0, 1).rows == 160


@pytest.mark.parametrize(("most", "expected"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]),
                                                (8, [1, 2, 4, 8])])  # fmt: skip
def test_numbers_of_actors_to_compare(most: int, expected: list[int]) -> None:
    assert counts(most) == expected


def test_an_estimate_survives_json() -> None:
    document = PLAN.to_json()
    assert Estimate.from_json(document) == PLAN
    assert (document["rows"], document["bytes"]) == (1600, 1_600_000)
    assert list(document["wall_s"]) == ["1", "2", "4", "6"]


def test_what_units_took_adds_up() -> None:
    spent = Spent().plus({"seconds": {"load": 10.0, "make": 50.0}, "gpus": 0.5})
    assert spent.plus({"entry": None}) == Spent(2, 60.0, 30.0)
    assert spent.gpu_hours == pytest.approx(30 / 3600)


def test_the_busy_share_is_of_units_that_say_it() -> None:
    """A unit of an earlier version counts in what was spent, and in nothing else."""
    old = {"seconds": {"load": 1.0, "make": 9.0}, "gpus": 1.0, "ranges": [["a", 0, 90]]}
    new = old | {"device_s": 6.0, "ranges": [["a", 90, 96], ["b", 0, 12]]}
    spent = Spent().plus(old).plus(new | {"seconds": {"load": 0.0, "make": 8.0}})
    assert (spent.units, spent.busy_s) == (2, 18.0)
    assert (spent.busy_share, spent.rows_per_s) == (6.0 / 8.0, 18 / 8.0)
    assert Spent().plus(old).busy_share is None
    assert Spent().plus(old).rows_per_s is None
    assert spent.to_json()["busy_share"] == 0.75


def test_a_plan_over_budget_is_told_by_how_much() -> None:
    whole = Estimate(SEEN, samples=270_000, gpus=1.0, actors=1)  # 12.5 hours
    spent = {"g": Spent(1, 3600.0, 3600.0)}
    assert over_budget([whole], spent, None) is None
    assert over_budget([whole], {}, 13.0) is None
    assert over_budget([whole], spent, 13.0) == (
        "limits.gpu_hours: 13.5 GPU hours (1 spent, 12.5 estimated: g 12.5) exceed 13 by 0.503; "
        "ask for fewer samples or a cheaper sampling, or raise the limit"
    )


def test_what_a_fold_keeps_of_it_is_all_of_it() -> None:
    record = {"seconds": {"load": 1.0, "make": 8.0}, "gpus": 0.5, "device_s": 6.0,
              "ranges": [["a", 0, 10], ["b", 5, 7]]}  # fmt: skip
    spent = Spent().plus(record)
    assert Spent.kept(spent.to_keep()) == spent
    assert spent.and_of(spent) == spent.plus(record)
    assert Spent.kept([2, 4.0, 2.0]) == Spent(2, 4.0, 2.0)  # of an earlier version
    assert Spent.kept([2, 4.0, 2.0]).busy_share is None
