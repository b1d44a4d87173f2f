"""The least rates of false positives at which images are called copies of real ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from augment.audit.copies import KINDS
from augment.errors import CheckpointError
from augment.run import Frozen
from augment.run.progress import Silent
from augment.run.scoring.near_copy import NearCopy, digest_of, fitted_to, uncalibrated
from augment.run.scoring.reference import Reference
from augment.run.scoring.sides import RealSide, sides_of
from augment.spec.filters import NearCopy as Spec
from augment.spec.filters import Side
from tests.audit.copies.pictures import blotches

TRAIN, OTHERS = blotches(21), blotches(20, seed=1)


@dataclass(frozen=True)
class Given(Reference):
    """Images that are at hand."""

    images: tuple[np.ndarray, ...] = ()

    def encoded(self) -> Iterator[tuple[str, bytes, np.ndarray]]:
        for image in self.images:
            done, data = cv2.imencode(".png", image[..., ::-1])
            assert done
            yield "blotch", data.tobytes(), image


Sides = dict[Side, RealSide]


@pytest.fixture(scope="module")
def given() -> Callable[..., Sides]:
    def make(frozen: Frozen, train: list[np.ndarray], holdout: list[np.ndarray]) -> Sides:
        some = {"train": train, "holdout": holdout}
        return {
            "train": RealSide(Given(frozen, (), (), tuple(some["train"])), 40),
            "holdout": RealSide(Given(frozen, (), (), tuple(some["holdout"])), len(holdout)),
        }

    return make


def fit(real: Sides, spec: Spec) -> bytes:
    return fitted_to(real, spec, Silent())


def test_copies_of_both_sides_have_least_rates(
    frozen: Callable[..., Frozen], given: Callable[..., Sides]
) -> None:
    data = fit(given(frozen(), TRAIN, [*OTHERS, TRAIN[7]]), Spec())
    scorer = NearCopy(data)
    assert scorer.names == ("near_copy.train", "near_copy.holdout")
    rng = np.random.default_rng(0)
    made = [TRAIN[3], KINDS["flipped"](TRAIN[9], rng), KINDS["noisy"](OTHERS[2], rng)]
    unlike = blotches(12, seed=2)
    rates = scorer([*made, *unlike], ["blotch"] * 15)
    assert rates[0][0] == 0.0
    assert rates[0][1] > 0.05
    assert rates[1][0] == 1 / 21  # no held-out image looks so alike: 20, and the copy
    assert rates[2][1] == 1 / 21
    assert np.mean([min(row) <= 0.05 for row in rates[3:]]) <= 0.25
    told = scorer.about()
    assert told["train"].startswith("(21 of 40 real images, calibrated on 20 others, finds ")
    assert told["train"].endswith("of the changed copies that it plants at 0.05 false positives)")
    assert told["holdout"].startswith("(21 of 21 real images, calibrated on 20 others, ")
    alone = [scorer([image], ["blotch"])[0] for image in [*made, *unlike[:3]]]
    assert alone == rates[:6]  # whatever stands beside it
    assert uncalibrated(data, Spec(false_positives=0.05)) == []
    (train, holdout) = uncalibrated(data, Spec(false_positives=0.04))
    assert train == (
        "got 20 real images to calibrate copies of train on, which can be read and repeat no "
        "protected image; expected at least 25 for false_positives: 0.04"
    )
    assert "to calibrate copies of holdout on" in holdout
    assert uncalibrated(data, Spec(false_positives=0.04, of="holdout")) == [holdout]


def test_from_too_few_real_images_equal_pixels_alone_are_known(
    frozen: Callable[..., Frozen], given: Callable[..., Sides]
) -> None:
    """No more of the other side than are asked for."""
    data = fitted_to(given(frozen(), TRAIN, OTHERS), Spec(of="train"), Silent(), most=15)
    scorer = NearCopy(data)
    assert scorer.names == ("near_copy.train",)
    ((equal,), (other,)) = scorer([TRAIN[0], OTHERS[18]], ["blotch"] * 2)
    assert equal == 0.0
    assert math.isnan(other)
    assert ["got 15 real images" in one for one in uncalibrated(data, Spec(of="train"))] == [True]
    assert "equal pixels alone: not calibrated: n_holdout < 20)" in scorer.about()["train"]


def test_a_side_without_images_says_nothing(
    frozen: Callable[..., Frozen], given: Callable[..., Sides]
) -> None:
    data = fit(given(frozen(), TRAIN, []), Spec())
    scorer = NearCopy(data)
    ((train, holdout),) = scorer(TRAIN[:1], ["blotch"])
    assert train == 0.0
    assert math.isnan(holdout)
    assert scorer.about()["holdout"] == "(0 of 0 real images)"
    said = uncalibrated(data, Spec())
    assert ["got 0 real images to calibrate copies" in one for one in said] == [True, True]


def test_what_is_no_fit_is_refused() -> None:
    from safetensors.numpy import save

    side = '{"of": 1, "protected": 1, "n": 1, "detector": {"version": 1}}'
    whole = f'{{"version": 1, "sides": {{"train": {side}}}}}'
    for metadata in (None, {"near_copy": "[]"}, {"near_copy": '{"version": 9}'},
                     {"near_copy": whole}):  # fmt: skip
        with pytest.raises(CheckpointError, match="not what this version of augment has fit"):
            NearCopy(save({"train.grey": np.zeros((1, 1), np.uint8)}, metadata))


def test_the_digest_is_of_images_and_sides_and_of_no_threshold(
    frozen: Callable[..., Frozen],
) -> None:
    real = sides_of(frozen())
    usual = digest_of(real, Spec())
    assert usual == digest_of(real, Spec(false_positives=0.05, not_judged="pass"))
    assert usual != digest_of(real, Spec(of="train"))
    for side in real:
        whole = real[side].reference
        fewer = Reference(whole.frozen, whole.rows[1:], whole.known_by[1:])
        assert usual != digest_of(real | {side: RealSide(fewer, 13)}, Spec())
