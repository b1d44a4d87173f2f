"""What a study is asked, and the trainings that follow."""

from __future__ import annotations

from typing import Any

import pytest

from augment.errors import RequestError
from augment.study import Arm, Asked, Training, arms_of, trainings_of
from augment.study.plan import checked

A, B = "aa" * 32, "bb" * 32


def test_the_arms_are_real_classical_synthetic_and_both_at_each_share() -> None:
    arms = arms_of(Asked(shares=(0.25, 0.5)), [A], copies=True)
    assert [(arm.kind, arm.share) for arm in arms] == [
        ("real", 0.0), ("synthetic", 0.25), ("synthetic", 0.5),
        ("classical", 0.0), ("both", 0.25), ("both", 0.5),
    ]  # fmt: skip
    assert {arm.start for arm in arms} == {"scratch"}


def test_what_a_data_set_lacks_has_no_arm() -> None:
    assert [arm.kind for arm in arms_of(Asked(), [], copies=True)] == ["real", "classical"]
    assert {arm.kind for arm in arms_of(Asked(), [A], copies=False)} == {"real", "synthetic"}


def test_weights_double_the_arms_and_generators_have_their_own() -> None:
    weights = Asked(shares=(0.5,), network="torchvision:resnet18", weights="w.pth")
    assert [arm.start for arm in arms_of(weights, [A], copies=False)] == [
        "scratch", "scratch", "pretrained", "pretrained",
    ]  # fmt: skip
    each = Asked(shares=(0.5,), each_generator=True)
    assert [arm.maker for arm in arms_of(each, [A, B], copies=False)] == [None, None, A, B]
    assert [arm.maker for arm in arms_of(each, [A], copies=False)] == [None, None]


def test_retrieved_images_stand_beside_synthetic_ones_at_the_same_shares() -> None:
    asked = Asked(shares=(0.25, 0.5), each_generator=True)
    arms = arms_of(asked, [A, B], True, "cd" * 32)
    found = [(arm.share, arm.copies, arm.maker) for arm in arms if arm.kind == "retrieved"]
    assert found == [(0.25, False, None), (0.5, False, None)]
    assert [arm for arm in arms if arm.rival is None] == list(arms_of(asked, [A, B], True))
    assert {arm.without for arm in arms if arm.kind == "retrieved"} == {Arm()}
    assert "retrieved" not in {arm.kind for arm in arms_of(asked, [], True, "cd" * 32)}


def test_trainings_have_names_of_their_own_and_whole_pairs_come_first() -> None:
    asked = Asked(shares=(0.25, 0.5), draws=2, seeds=3, each_generator=True)
    arms = arms_of(asked, [A, B], copies=True)
    trainings = trainings_of(arms, asked)
    assert len(trainings) == len(arms) * 6
    assert len({one.name for one in trainings}) == len(trainings)
    assert [one.arm for one in trainings[: len(arms)]] == list(arms)
    assert {(one.draw, one.run) for one in trainings[: len(arms)]} == {(0, 0)}


def test_a_training_keeps_its_name_whatever_else_is_asked() -> None:
    assert Training(Arm(share=0.25), 1, 2).name == "scratch-synthetic-0.25-d1-s2"
    rival = Arm(share=0.5, rival=B)
    assert Training(rival, 1, 2).name == f"scratch-retrieved-0.5-{B[:32]}-d1-s2"
    assert Training(Arm(copies=True, share=0.5, maker=A), 0, 0).name.endswith(f"-{A[:32]}-d0-s0")


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"shares": ()}, "shares: got []; expected one or more different shares"),
        ({"shares": (0.5, 0.5)}, "shares: got [0.5, 0.5]; expected one or more different"),
        ({"shares": (1.0,)}, "shares: got 1.0; expected a part of a batch, 0.01 to 0.99"),
        ({"shares": (float("nan"),)}, "shares: got nan"),
        ({"rates": ()}, "rates: got []; expected one or more different rates"),
        ({"rates": (1.0, 1.0)}, "rates: got [1.0, 1.0]; expected one or more different rates"),
        ({"rates": (0.0,)}, "rates: got 0.0; expected times the usual learning rate, 0.01 to 100"),
        ({"rates": (101.0,)}, "rates: got 101.0"),
        ({"draws": 0}, "draws: got 0; expected a whole number from 1"),
        ({"seeds": -1}, "seeds: got -1"),
        ({"steps": 0}, "steps: got 0"),
        ({"seed": -1}, "seed: got -1"),
        ({"size": 8}, "size: got 8; expected a whole number from 16"),
        ({"network": "resnet18"}, "network: got resnet18; expected small, or torchvision:resnet18"),
        ({"network": "torchvision:../x"}, "network: got torchvision:../x"),
        ({"weights": "w.pth"}, "weights: got w.pth; expected them with a network of torchvision:"),
    ],
)
def test_what_is_out_of_range_is_told(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(RequestError) as raised:
        checked(Asked(**wrong))
    assert text in str(raised.value)


def test_too_many_trainings_are_refused() -> None:
    asked = Asked(draws=1000, seeds=1000)
    with pytest.raises(RequestError, match="expected at most 100000"):
        trainings_of(arms_of(asked, [A], copies=True), asked)


def test_shares_come_sorted() -> None:
    assert checked(Asked(shares=(0.5, 0.25))).shares == (0.25, 0.5)


def test_every_rate_is_trained_and_the_usual_one_keeps_its_name() -> None:
    asked = checked(Asked(shares=(0.5,), draws=1, seeds=1, rates=(2, 1.0)))
    found = trainings_of(arms_of(asked, [A], copies=False), asked)
    assert [one.name for one in found] == [
        "scratch-real-0.0-d0-s0", "scratch-real-0.0-d0-s0-r2",
        "scratch-synthetic-0.5-d0-s0", "scratch-synthetic-0.5-d0-s0-r2",
    ]  # fmt: skip
