"""What a job bears of bad inputs: in all, and of each class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from augment.run import Frozen
from augment.run.synthesis.budget import Budget, images_by_class


def lost(name: str, label: str, reason: str = "empty", origin: str = "real") -> dict[str, Any]:
    return {
        "sample_id": f"{name}-{origin}", "split": "train", "label_name": label, "reason": reason,
        "origin": origin, "detail": "why", "source": "digits", "locator": name, "generator": None,
    }  # fmt: skip


def record(*rows: dict[str, Any], tried: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"quarantine": list(rows), "tried": list(tried)}


@pytest.fixture
def budget(frozen: Callable[..., Frozen]) -> Callable[..., Budget]:
    """Of a job with 6, 4 and 3 train images of the classes 0, 1 and 2."""
    return lambda **errors: Budget(frozen(errors=errors))


def test_images_of_a_class_are_its_real_rows(frozen: Callable[..., Frozen]) -> None:
    found = images_by_class(frozen().plan)
    assert {label: n for (split, label), n in found.items() if split == "train"} == {
        "0": 6, "1": 4, "2": 3,
    }  # fmt: skip


def test_an_input_counts_once_however_many_copies_are_lost(budget: Callable[..., Budget]) -> None:
    of = budget(min_count=1, max_share=0.0)
    copies = [lost("a", "0", "depth", "augmented") | {"sample_id": f"a{n}"} for n in range(9)]
    of.add(record(lost("a", "0"), *copies))
    assert not of.exceeded
    of.add(record(lost("b", "0"), lost("b", "0", "parent", "augmented")))
    assert of.exceeded
    text = str(of.refusal())
    assert text.startswith(
        "2 bad inputs of 19; errors allows 1 (min_count 1, max_share 0.0); most in split train, "
        "class '0': 2 of 6. First: digits: a: empty (why); digits: b: empty (why). Mend"
    )


def test_a_row_that_was_made_later_is_not_lost(budget: Callable[..., Budget]) -> None:
    of = budget(min_count=0, max_share=0.0)
    of.add(record(lost("a", "0"), lost("a", "0", "parent", "augmented"), lost("b", "1")))
    of.add(record(tried=("a-real", "a-augmented")))
    assert [row["locator"] for row in of.lost] == ["b"]
    of.add(record(lost("b", "1", "truncated"), tried=("b-real",)))
    assert [row["reason"] for row in of.lost] == ["truncated"]
    of.add(record(tried=("b-real",)))
    assert not of.exceeded


@pytest.mark.parametrize(
    ("share", "n", "over"), [(0.5, 1, False), (0.5, 2, True), (1.0, 3, False), (0.0, 1, True)]
)
def test_a_rare_class_is_not_covered_by_the_total(
    budget: Callable[..., Budget], share: float, n: int, over: bool
) -> None:
    """Class 2 has 3 real images in train, beside any number of drawn samples."""
    of = budget(min_count=1000, max_share=1.0, max_share_per_class=share)
    of.add(record(*(lost(f"x{k}", "2") for k in range(n))))
    assert not of.exceeded
    assert of.over_share() == ([("train", "2")] if over else [])


def test_what_is_said_of_a_class_names_its_own_losses(budget: Callable[..., Budget]) -> None:
    of = budget(min_count=1000, max_share_per_class=0.2)
    of.add(record(lost("good", "0"), *(lost(f"x{k}", "2") for k in range(3))))
    error = of.refusal_of(of.over_share())
    assert error.exit_code == 3
    assert str(error).startswith(
        "bad images are more than errors.max_share_per_class 0.2 of 1 class: split train, class "
        "'2': 3 of 3; nothing was committed. First: digits: x0: empty (why); digits: x1: empty"
    )
    assert "good" not in str(error)


def test_a_class_that_may_be_empty_is_spared(budget: Callable[..., Budget]) -> None:
    of = budget(min_count=1000, allow_empty_classes=["2"])
    of.add(record(*(lost(f"x{k}", "2") for k in range(3))))
    assert of.over_share() == []


def test_a_class_of_which_nothing_can_be_left(frozen: Callable[..., Frozen]) -> None:
    """Samples of a generator are left where its images are lost."""
    for rules, lost_whole in ((["0"], [("train", "2")]), (["2"], [])):
        synthesize = [{"generators": ["fake"], "fill": {"to": 30}, "classes": rules}]
        of = Budget(frozen(synthesize=synthesize))
        of.add(record(*(lost(f"x{k}", "2") for k in range(2))))
        assert of.without_inputs() == []
        of.add(record(lost("x2", "2")))
        assert of.without_inputs() == lost_whole
