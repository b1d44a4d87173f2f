"""A detector that was kept as arrays answers as the one that was fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from augment.audit.copies import KINDS, Detector, ImageSet
from augment.audit.copies.kept import kept, restored
from tests.audit.copies.pictures import blotches, colours

PROTECTED = blotches(20)
LABELS = ["even", "odd"] * 10
HOLDOUT = ImageSet([*blotches(30, seed=1), PROTECTED[5]], ["even", "odd"] * 15 + ["odd"])
ASKED = ImageSet([PROTECTED[2], *(KINDS["flipped"](image, np.random.default_rng(3))
                                  for image in PROTECTED[:4]), *blotches(4, seed=2)],
                 ["even"] * 9)  # fmt: skip
Parts = tuple[dict[str, np.ndarray], dict[str, Any]]


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.fit(ImageSet(PROTECTED, LABELS), HOLDOUT, seed=7, false_positives=0.04,
                        measured=2, learned=4)  # fmt: skip


@pytest.fixture(scope="module")
def parts(detector: Detector) -> Parts:
    return kept(detector)


def test_it_answers_as_before(detector: Detector, parts: Parts) -> None:
    arrays, about = parts
    frozen = {name: array.copy() for name, array in arrays.items()}
    for array in frozen.values():
        array.flags.writeable = False
    again = restored(frozen, json.loads(json.dumps(about)))
    assert again.search(ASKED) == detector.search(ASKED)
    assert again.calibration == detector.calibration
    assert again.calibration.held.twins == detector.calibration.held.twins
    assert again.calibration.held.labels == detector.calibration.held.labels
    assert again.calibration.equal == ((30, 5),)
    assert again.recall == detector.recall
    assert {str(array.dtype) for array in arrays.values()} <= {
        "uint8", "int64", "float32", "float64",
    }  # fmt: skip


def test_without_labels_and_without_a_threshold() -> None:
    few = Detector.fit(ImageSet(PROTECTED), ImageSet(blotches(3, seed=1)), seed=7)
    again = restored(*kept(few))
    assert again.calibration == few.calibration
    asked = ImageSet([PROTECTED[2], *blotches(2, seed=2)])
    for one, other in zip(again.search(asked), few.search(asked), strict=True):
        np.testing.assert_equal(vars(one), vars(other))  # NaN is NaN


def test_what_is_no_detector_is_refused(parts: Parts) -> None:
    arrays, about = parts
    wrong: list[Callable[[], Parts]] = [
        lambda: (arrays, about | {"version": 0}),
        lambda: ({}, about),
        lambda: (arrays | {"grey": arrays["grey"][:-1]}, about),
        lambda: (arrays | {"grey": arrays["grey"].astype(np.float32)}, about),
        lambda: (arrays | {"framed": arrays["framed"][:, :-1]}, about),
        lambda: (arrays | {"settled": arrays["settled"][..., 1:]}, about),
        lambda: (arrays | {"framing.axes": arrays["framing.axes"][1:]}, about),
        lambda: (arrays | {"verifier.most": arrays["verifier.most"][1:]}, about),
        lambda: (arrays | {"held.rows": arrays["held.rows"][1:]}, about),
    ]
    for make in wrong:
        with pytest.raises((KeyError, ValueError)):
            restored(*make())


@pytest.mark.parametrize("more", [{"same_class": True}, {"extractors": {"colours": colours}}])
def test_one_that_looks_elsewhere_is_not_kept(more: dict[str, Any]) -> None:
    few = ImageSet(blotches(3, seed=1), ["even"] * 3)
    found = Detector.fit(ImageSet(PROTECTED, LABELS), few, seed=7, measured=0, **more)
    with pytest.raises(ValueError, match="got extractors or same_class; expected one of pixels"):
        kept(found)
