"""What warns and what fails of a class that has shrunk: the better end of each interval decides."""

from __future__ import annotations

import pytest

from augment.audit.measures import Figure, Interval
from augment.audit.quality.comparing import Compared
from augment.audit.quality.gathering import Group
from augment.audit.quality.labels import Agreement
from augment.audit.quality.verdicts import Thresholds, collapsed, mislabelled

GROUP = Group("train", "3", "g")


def compared(measure: str, ratio: float, high: float, apart: bool = True) -> Compared:
    """A figure beside a reference of 1, whose interval ends at `high`."""
    figure = Figure(measure, ratio, 40, 40, Interval(ratio / 2, high, 0.95))
    return Compared(GROUP, "one", figure, "train", "halves", 0.9, 1.0, 1.1, 20,
                    0.0 if apart else 0.5, ratio)  # fmt: skip


@pytest.mark.parametrize(
    ("coverage", "vendi", "warns"),
    [
        ((0.24, 0.4), (0.4, 0.45), [True, True]),
        ((0.24, 0.28), (0.2, 0.24), [False, False]),
        ((0.35, 0.4), (0.2, 0.24), [True, False]),
        ((0.24, 0.4), (0.9, 1.0), [True]),
        ((0.24, 0.28), (0.9, 1.0), [False]),
        ((0.9, 1.0), (0.4, 0.45), [True]),
        ((0.24, 0.7), (0.4, 0.6), []),
    ],
)
def test_what_two_measures_say(coverage, vendi, warns):
    some = [compared("coverage", *coverage), compared("vendi_ratio", *vendi)]
    found = collapsed(some, {"g": "gan"}, Thresholds())
    assert [one.warns for one in found] == warns
    assert all("class '3', generator gan" in one.text for one in found)
    assert {one.group for one in found} <= {GROUP}


def test_what_lies_among_real_images_is_no_finding():
    some = [compared("coverage", 0.2, 0.25, apart=False)]
    assert collapsed(some, {}, Thresholds()) == []


@pytest.mark.parametrize(
    ("shown", "share", "said"),
    [
        ({"0": 4, "no": 3}, 0.86, "it sees '0' in 4, 'no' in 3: look"),
        ({"0": 3, "1": 2, "2": 1, "3": 1, "4": 1}, 0.8, "'4' in 1, others in 2: look"),
        ({}, 1.0, "it sees no other class: look"),
    ],
)
def test_what_is_seen_in_how_many_is_said(shown, share, said):
    real = Agreement(Group("test", "3", None), 50, 1.0, Interval(1.0, 1.0, 0.95), {}, 0)
    whole = Agreement(Group("test", None, None), 50, 1.0, None, {}, 0)
    made = Agreement(GROUP, 50, share, Interval(share, share, 0.95), shown, 40)
    (found,) = mislabelled([real, whole, made], {}, Thresholds(), frozenset(["test"]))
    assert said in found.text
