from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from skimage import data
from sklearn.datasets import load_digits

from augment.errors import RequestError
from augment.filters import (
    Verdict,
    build_filters,
    judge,
    needs_image_alone,
    of_image_alone,
    score,
    score_names,
)
from augment.spec.filters import Degenerate, FilterSpec

BLANK = Verdict(False, "degenerate.blank")
SATURATED = Verdict(False, "degenerate.saturated")


def verdict(image: np.ndarray, **thresholds: float) -> Verdict:
    filters = build_filters([FilterSpec(degenerate=Degenerate(**thresholds))])
    return judge(filters, score(filters, image[np.newaxis])[0])


def scores(image: np.ndarray) -> dict[str, float]:
    return score(build_filters([FilterSpec(degenerate=Degenerate())]), image[np.newaxis])[0]


def flat(*color: int) -> np.ndarray:
    return np.broadcast_to(np.array(color, dtype=np.uint8), (16, 16, 3)).copy()


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (128, 128, 128), (200, 10, 90)])
def test_one_colour_is_blank_whatever_the_colour(color: tuple[int, int, int]) -> None:
    assert verdict(flat(*color)) == BLANK
    assert scores(flat(*color))["degenerate.std"] == 0.0


def test_faint_noise_is_blank_and_one_lively_channel_is_not() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(99, 102, (32, 32, 3)).astype(np.uint8)
    assert verdict(noise) == BLANK
    noise[..., 2] = rng.integers(0, 256, (32, 32))
    assert verdict(noise) == Verdict(True, None)


def test_clipped_output_is_saturated() -> None:
    rng = np.random.default_rng(0)
    clipped = (rng.integers(0, 2, (32, 32, 3)) * 255).astype(np.uint8)
    assert scores(clipped)["degenerate.saturated"] == 1.0
    assert verdict(clipped) == SATURATED
    clipped[:1] = 100  # 1/32 of the values: 0.969 remain
    assert verdict(clipped).accepted


def test_a_threshold_is_reached_by_equality() -> None:
    half = flat(0, 0, 0)
    half[:8] = 4
    assert scores(half) == {"degenerate.std": 2.0, "degenerate.saturated": 0.5}
    assert verdict(half).accepted
    assert verdict(half, min_std=2.01) == BLANK
    assert verdict(half, max_saturated=0.5).accepted
    assert verdict(half, max_saturated=0.49) == SATURATED


@settings(max_examples=30, deadline=None, derandomize=True)
@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_scores_are_those_of_numpy(image: np.ndarray) -> None:
    found = scores(image)
    assert found["degenerate.std"] == pytest.approx(image.std(axis=(0, 1)).max(), abs=1e-9)
    assert found["degenerate.saturated"] == np.isin(image, (0, 255)).mean()


def test_no_real_digit_is_rejected() -> None:
    for scan in load_digits().images:
        levels = np.rint(scan * (255 / 16)).astype(np.uint8)
        image = np.asarray(Image.fromarray(levels).resize((32, 32), Image.Resampling.BICUBIC))
        assert verdict(np.repeat(image[..., None], 3, axis=2)).accepted


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee", "rocket"])
def test_no_real_photograph_is_rejected(name: str) -> None:
    assert verdict(getattr(data, name)()).accepted


def test_scores_do_not_know_the_thresholds_and_others_may_stand_beside() -> None:
    strict = build_filters([FilterSpec(degenerate=Degenerate(min_std=100.0))])
    loose = build_filters([FilterSpec(degenerate=Degenerate(min_std=0.0))])
    (found,) = score(strict, data.coffee()[np.newaxis])
    assert [found] == score(loose, data.coffee()[np.newaxis])
    stored = {**found, "aesthetic.score": 0.1}
    assert judge(strict, stored) == BLANK
    assert judge(loose, stored).accepted


def test_names_and_order() -> None:
    specs = [
        FilterSpec(degenerate=Degenerate(max_saturated=0.0)),
        FilterSpec(degenerate=Degenerate()),
    ]
    filters = build_filters(specs)
    assert score_names(filters[:1]) == ("degenerate.std", "degenerate.saturated")
    assert judge(filters, score(filters, flat(0, 0, 0)[np.newaxis])[0]) == BLANK
    assert build_filters([]) == []
    assert judge([], {}).accepted


def test_a_spec_without_a_filter() -> None:
    with pytest.raises(RequestError) as caught:
        build_filters([FilterSpec(degenerate=Degenerate()), FilterSpec()])
    assert (
        str(caught.value) == "filters[1]: names no filter; expected one of: degenerate, agreement, "
        "feature_outlier, near_copy"
    )


def test_a_pool_keeps_the_scores_of_every_filter_that_a_job_can_name() -> None:
    """Of those that need the image alone."""
    every = [(name, FilterSpec.model_validate({name: {}})) for name in FilterSpec.model_fields]
    alone = [name for name, spec in every if needs_image_alone(spec)]
    assert [f.name for f in of_image_alone()] == alone


def test_a_missing_score() -> None:
    filters = build_filters([FilterSpec(degenerate=Degenerate())])
    with pytest.raises(KeyError, match=r"degenerate\.std"):
        judge(filters, {})
