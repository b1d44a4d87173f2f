"""The detector as a whole: what it finds, what is no copy to it, and what it says of itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest

from augment.audit.copies import (
    KINDS,
    Detector,
    Image,
    ImageSet,
    NotCalibrated,
    Threshold,
)
from tests.audit.copies.pictures import blotches, colours

PROTECTED = blotches(20)
LABELS = ["even", "odd"] * 10
HOLDOUT = blotches(30, seed=1)
MADE = blotches(30, seed=2)
RATE = 0.04


def fitted(**options: object) -> Detector:
    held = ImageSet([*HOLDOUT, PROTECTED[5]], ["even", "odd"] * 15 + ["odd"])
    return Detector.fit(
        ImageSet(PROTECTED, LABELS),
        held,
        seed=7,
        false_positives=RATE,
        **options,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def detector() -> Detector:
    return fitted()


@pytest.fixture(scope="module")
def uncalibrated() -> Detector:
    return Detector.fit(ImageSet(PROTECTED), ImageSet(HOLDOUT[:9]), seed=7)


class Counted:
    """An extractor that counts the images of each call."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, images: Sequence[Image]) -> np.ndarray:
        self.asked.append(len(images))
        return colours(images)


@pytest.fixture(scope="module")
def by_class() -> tuple[Detector, Counted]:
    """With an extractor, and each class by itself."""
    extract = Counted()
    return fitted(same_class=True, extractors={"colours": extract}), extract


def test_real_images_are_rarely_called_copies(detector: Detector) -> None:
    found = detector.search(ImageSet(MADE))
    assert len(found) == len(MADE)
    assert sum(match.is_copy for match in found) <= 3
    assert not any(match.equal for match in found)


def test_recall_is_told_of_every_kind(detector: Detector) -> None:
    assert [recall.kind for recall in detector.recall] == list(KINDS)
    for recall in detector.recall:
        assert recall.n == 10
        assert 0 <= recall.interval.low <= recall.share <= recall.interval.high <= 1
        assert recall.share >= 0.7, recall
        assert recall.named >= 8, recall


def test_a_changed_copy_is_found_with_how_it_was_changed(detector: Detector) -> None:
    rng = np.random.default_rng(5)
    turned, mirrored = (KINDS[kind](PROTECTED[9], rng) for kind in ("rotated", "flipped"))
    first, second = detector.search(ImageSet([turned, mirrored]))
    assert (first.protected, first.is_copy, first.equal, first.mirrored) == (9, True, False, False)
    assert (second.protected, second.is_copy, second.mirrored) == (9, True, True)
    a = first.warp[0][0]
    assert a == pytest.approx(np.cos(np.radians(15)), abs=0.02)


def test_equal_pixels_are_copies_whatever_the_score(detector: Detector) -> None:
    (match,) = detector.search(ImageSet([PROTECTED[3].copy()]))
    assert (match.protected, match.equal, match.is_copy) == (3, True, True)
    np.testing.assert_array_equal(match.warp, np.eye(3)[:2])
    assert match.least_rate == 0.0


def test_the_least_rate_is_that_from_which_on_a_pair_is_a_copy(detector: Detector) -> None:
    rng = np.random.default_rng(5)
    copies = [KINDS["noisy"](image, rng) for image in PROTECTED[:5]]
    found = detector.search(ImageSet([*copies, *MADE]))
    assert [match.is_copy for match in found] == [match.least_rate <= RATE for match in found]
    assert {match.least_rate for match in found[:5]} == {1 / 31}
    assert 1 / 31 < np.median([match.least_rate for match in found[5:]]) <= 1


def test_without_a_threshold_there_is_no_rate_but_that_of_equal_pixels(
    uncalibrated: Detector,
) -> None:
    equal, other = uncalibrated.search(ImageSet([PROTECTED[3], MADE[0]]))
    assert equal.least_rate == 0.0
    assert np.isnan(other.least_rate)


def test_the_calibration_names_its_images(detector: Detector) -> None:
    found = detector.calibration
    assert found.equal == ((30, 5),)  # a leak in the holdout is told, and does not count
    assert isinstance(found.overall, Threshold)
    assert found.overall.n == 30
    assert [twin.score for twin in found.overall.twins] == [found.overall.score]
    assert found.overall.twins[0].holdout < 30
    assert found.by_class == {}  # 15 of a class are too few for 4 %


def test_the_same_seed_finds_the_same(detector: Detector) -> None:
    few = ImageSet(MADE[:4])
    assert fitted().search(few) == detector.search(few)


def test_as_many_copies_are_learned_from_as_asked_for() -> None:
    extract = Counted()
    fitted(learned=2, measured=3, extractors={"colours": extract})
    protected, holdout, *copies, others = extract.asked[:12]
    assert (protected, others, holdout) == (20, 10, 31)
    assert copies == [2] * 9, "of each kind but the exact one"
    assert extract.asked[12:] == [3] * len(KINDS), "to measure"


def test_protected_images_that_repeat_one_another_teach_nothing_false() -> None:
    """Four overlapping crops of each, as frames of a film are: none is what a copy is not."""
    rng = np.random.default_rng(0)

    def crops(image: Image, n: int) -> list[Image]:
        places = rng.integers(0, 6, (n, 2)).tolist()
        return [image[y : y + 35, x : x + 35].copy() for y, x in places]

    protected = [crop for image in blotches(15) for crop in crops(image, 4)]
    holdout = [crop for image in HOLDOUT for crop in crops(image, 1)]
    found = Detector.fit(ImageSet(protected), ImageSet(holdout), seed=7, false_positives=RATE,
                         measured=20, learned=10)  # fmt: skip
    assert {recall.kind: recall.share for recall in found.recall if recall.share < 0.8} == {}


def test_where_nothing_can_be_calibrated_nothing_is_learned() -> None:
    extract = Counted()
    Detector.fit(
        ImageSet(PROTECTED), ImageSet(HOLDOUT[:9]), seed=7, extractors={"colours": extract}
    )
    assert extract.asked == [20, 9]


def test_opencv_has_one_thread_meanwhile_and_its_own_again() -> None:
    """With more, what it does with images of 64 pixels takes twice the CPU and longer."""
    seen = []

    def extract(images: Sequence[Image]) -> np.ndarray:
        seen.append(cv2.getNumThreads())
        return colours(images)

    before = cv2.getNumThreads()
    cv2.setNumThreads(3)
    try:
        few = Detector.fit(
            ImageSet(PROTECTED[:1]), ImageSet(HOLDOUT[:1]), seed=7, extractors={"colours": extract}
        )
        few.search(ImageSet(MADE[:1]))
        assert seen == [1, 1], "of what is protected, and of what is searched"
        assert cv2.getNumThreads() == 3
        with pytest.raises(ValueError, match=r"^images\.images\[0\]"):
            few.search(ImageSet([MADE[0] / 255]))
        assert cv2.getNumThreads() == 3
    finally:
        cv2.setNumThreads(before)


def test_an_image_is_judged_by_itself_alone(detector: Detector) -> None:
    whole = detector.search(ImageSet(MADE[:5]))
    alone = [detector.search(ImageSet([image]))[0] for image in MADE[:5]]
    for one, other in zip(whole, alone, strict=True):
        assert one.protected == other.protected
        assert one.score == pytest.approx(other.score, abs=1e-3)
    assert detector.search(ImageSet([])) == []


def test_images_of_other_sizes_and_flat_ones_are_searched(detector: Detector) -> None:
    odd = [np.full((1, 1, 3), 7, np.uint8), np.zeros((300, 7, 3), np.uint8)]
    large = np.kron(PROTECTED[2], np.ones((9, 9, 1), np.uint8))
    found = detector.search(ImageSet([*odd, large]))
    assert [match.is_copy for match in found] == [False, False, True]
    assert found[2].protected == 2
    assert not found[2].equal


def test_with_same_class_a_copy_under_another_label_is_no_match(
    by_class: tuple[Detector, Counted],
) -> None:
    detector, _ = by_class
    copy = KINDS["jpeg"](PROTECTED[4], np.random.default_rng(0))
    own, other = detector.search(ImageSet([copy, copy], ["even", "odd"]))
    assert (own.protected, own.is_copy) == (4, True)
    assert other.protected % 2 == 1
    unknown = detector.search(ImageSet([copy], ["never seen"]))[0]
    assert (unknown.protected, unknown.is_copy) == (-1, False)
    with pytest.raises(ValueError, match=r"^images\.labels: got None; expected a label an image"):
        detector.search(ImageSet([copy]))


def test_features_are_asked_for_where_they_are_not_given(
    by_class: tuple[Detector, Counted],
) -> None:
    detector, extract = by_class
    few, labels = MADE[:3], ["even", "odd", "odd"]
    so_far = len(extract.asked)
    computed = detector.search(ImageSet(few, labels))
    assert extract.asked[so_far:] == [3]
    given = ImageSet(few, labels, {"colours": colours(few)})
    assert detector.search(given) == computed
    assert extract.asked[so_far:] == [3]


@pytest.mark.parametrize(
    ("extract", "text"),
    [
        (lambda images: np.zeros((1, 4)), "extractor 'x': got 1 rows; expected 20"),
        (lambda images: np.full((len(images), 4), np.inf), "extractor 'x'[0, 0]: got inf"),
    ],
)
def test_an_extractor_that_gives_something_else_is_named(
    extract: Callable[[list[Image]], np.ndarray], text: str
) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(text)):
        fitted(extractors={"x": extract})


def test_without_enough_held_out_images_only_equal_pixels_are_copies(
    uncalibrated: Detector,
) -> None:
    detector = uncalibrated
    assert detector.calibration.overall == NotCalibrated("not calibrated: n_holdout < 200", 9)
    assert detector.recall == ()
    nearly = KINDS["jpeg"](PROTECTED[0], np.random.default_rng(0))
    first, second = detector.search(ImageSet([PROTECTED[0], nearly]))
    assert (first.is_copy, second.is_copy) == (True, False)
    assert second.protected == 0


@pytest.mark.parametrize("n", [1, 2, 19])
def test_with_few_protected_images_there_is_nothing_to_learn_from(n: int) -> None:
    detector = Detector.fit(
        ImageSet(PROTECTED[:n]), ImageSet(HOLDOUT), seed=7, false_positives=RATE
    )
    reason = "not calibrated: n_protected < 20"
    assert detector.calibration.overall == NotCalibrated(reason, 30)
    (match,) = detector.search(ImageSet([PROTECTED[0]]))
    assert (match.protected, match.is_copy) == (0, True)


@pytest.mark.parametrize(
    ("protected", "options", "text"),
    [
        ([], {}, r"^protected: got no image; expected at least 1$"),
        (PROTECTED, {"false_positives": 0.0},
         r"^false_positives: got 0\.0; expected a share between 0 and 1$"),
        (PROTECTED, {"learned": 0}, r"^learned: got 0; expected at least 1 image$"),
        (PROTECTED, {"same_class": True},
         r"^protected\.labels: got None; expected a label an image \(same_class\)$"),
        ([PROTECTED[0], PROTECTED[1][..., 0]], {},
         r"^protected\.images\[1\]: got \(40, 48\) uint8; expected \(H, W, 3\) uint8 RGB$"),
    ],
)  # fmt: skip
def test_what_cannot_be_fitted_is_refused(
    protected: list[Image], options: dict[str, object], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        Detector.fit(ImageSet(protected), ImageSet(HOLDOUT), seed=1, **options)  # type: ignore[arg-type]


def test_what_cannot_be_searched_is_refused_with_its_place(detector: Detector) -> None:
    with pytest.raises(ValueError, match=r"^images\.images\[1\]: got \(40, 48, 3\) float64"):
        detector.search(ImageSet([MADE[0], MADE[1] / 255]))
    with pytest.raises(ValueError, match=r"^images\.labels: got 1; expected 2, one an image$"):
        detector.search(ImageSet(MADE[:2], ["even"]))


def _of_digits() -> tuple[Detector, list[Image]]:
    """A detector of copies of digits, and digits that it never saw."""
    from sklearn.datasets import load_digits

    levels = np.rint(load_digits().images[:400] * (255 / 16)).astype(np.uint8)
    images = [np.repeat(one[..., None], 3, axis=-1) for one in levels]
    found = Detector.fit(
        ImageSet(images[:100]), ImageSet(images[100:305]), seed=1, learned=15, measured=0
    )
    return found, images[305:345]


def test_images_unlike_all_that_it_learned_from_are_no_copies() -> None:
    """Flat ones, gradients, disks, noise: their low contrast once outweighed everything else."""
    found, unseen = _of_digits()
    assert isinstance(found.calibration.overall, Threshold)
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:8, 0:8] / 7
    strange: list[Image] = []
    for _ in range(10):
        one, other = rng.integers(0, 256, (2, 3))
        angle = rng.random() * 2 * np.pi
        slope = np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5) + 0.5
        inside = (y - rng.random()) ** 2 + (x - rng.random()) ** 2 < 0.15
        strange += [
            np.tile(one.astype(np.uint8), (8, 8, 1)),
            (one + (other - one) * np.clip(slope, 0, 1)[..., None]).astype(np.uint8),
            np.where(inside[..., None], one, other).astype(np.uint8),
            rng.integers(0, 256, (8, 8, 3), dtype=np.uint8),
        ]
    called = [match.is_copy for match in found.search(ImageSet(strange))]
    assert sum(called) <= 1  # a disk may look like a zero
    assert sum(match.is_copy for match in found.search(ImageSet(unseen))) <= 1
