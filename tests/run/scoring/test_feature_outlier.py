"""Distances in units of what real images keep among themselves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.datasets import load_digits

from augment.errors import CheckpointError, RequestError
from augment.run import Frozen
from augment.run.scoring.feature_outlier import FeatureOutlier, digest_of, fitted_to, unit_of
from augment.run.scoring.reference import Reference, reference_of
from augment.spec.filters import FeatureOutlier as Spec

RANDOM = Spec(extractor="random")
DIGITS = load_digits()


def scans(label: int, begin: int, n: int) -> list[np.ndarray]:
    found = DIGITS.images[DIGITS.target == label][begin : begin + n]
    return [np.repeat(np.uint8(scan * 255 / 16)[:, :, None], 3, axis=2) for scan in found]


@dataclass(frozen=True)
class Given(Reference):
    """Images that are at hand."""

    images: tuple[tuple[str, np.ndarray], ...] = ()

    def decoded(self) -> Iterator[tuple[str, np.ndarray]]:
        yield from self.images


@pytest.fixture
def given(frozen: Callable[..., Frozen]) -> Callable[..., Reference]:
    def make(**counts: int) -> Reference:
        images = tuple(
            (f"{c[1:]}", one) for c, n in counts.items() for one in scans(int(c[1:]), 0, n)
        )
        return Given(frozen(), (), (), images)

    return make


def test_the_unit_is_what_most_real_images_keep() -> None:
    line = np.arange(40, dtype=np.float32)[:, None]
    assert unit_of(line) == pytest.approx(np.quantile([2.0] * 36 + [3, 3, 2, 2], 0.95), abs=0.06)
    assert unit_of(np.zeros((20, 3), np.float32)) == 0.0


def test_real_images_are_near_and_others_far(given: Callable[..., Reference]) -> None:
    scorer = FeatureOutlier(fitted_to(given(c0=40, c1=40, c2=5), RANDOM, "filters"))
    assert scorer.about() == {"extractor": "random", "classes": 2, "images": 80}
    unseen = [d for (d,) in scorer(scans(0, 60, 30), ["0"] * 30)]
    assert np.mean(np.array(unseen) <= 1.5) > 0.9
    turned = [255 - one for one in scans(0, 60, 10)]
    assert min(d for (d,) in scorer(turned, ["0"] * 10)) > 2
    mixed = scorer([*scans(0, 60, 2), *scans(1, 60, 2)], ["0", "1", "0", "2"])
    assert mixed[0][0] == pytest.approx(unseen[0], rel=1e-5)
    assert math.isnan(mixed[3][0])  # of class 2 there are too few


def test_a_class_whose_real_images_are_all_one_is_not_judged(
    given: Callable[..., Reference],
) -> None:
    same = scans(0, 0, 1) * 20
    reference = Given(given().frozen, (), (), tuple(("0", one) for one in same))
    scorer = FeatureOutlier(fitted_to(reference, RANDOM, "filters"))
    assert math.isnan(scorer(same[:1], ["0"])[0][0])


def test_too_few_real_images_of_every_class(given: Callable[..., Reference]) -> None:
    with pytest.raises(RequestError, match="filters: no class has 20 real images"):
        fitted_to(given(c0=19, c1=8), RANDOM, "filters")


def test_what_is_no_fit_is_refused() -> None:
    from safetensors.numpy import save

    for metadata in (None, {"feature_outlier": "[]"}, {"feature_outlier": '{"version": 9}'}):
        with pytest.raises(CheckpointError, match="not what this version of augment has fit"):
            FeatureOutlier(save({"0": np.zeros((1, 1), np.float32)}, metadata))


def test_the_digest_is_of_images_and_extractor_and_of_no_threshold(
    frozen: Callable[..., Frozen],
) -> None:
    reference = reference_of(frozen())
    assert {label for label, _ in reference.known_by} == {"0", "1", "2"}
    assert len(reference.rows) == 13  # of the split that rows are generated for
    usual = digest_of(reference, Spec())
    assert usual == digest_of(reference, Spec(max=9.0, not_judged="pass"))
    assert usual != digest_of(reference, RANDOM)
    fewer = Reference(reference.frozen, reference.rows[1:], reference.known_by[1:])
    assert usual != digest_of(fewer, Spec())
