"""One training: the same every time, fair between arms, and it learns what it is shown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from augment.study import Arm, Training
from augment.study.rows import Pool
from augment.study.training import BATCH, Images, Outcome, Recipe, batches, trained

SIDE, STEPS = 16, 24
RECIPE = Recipe("small", 2, STEPS, 0)


def images(n: int, seed: int) -> Images:
    """Class 0 is dark, class 1 light; with noise."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    x = np.where(y == 1, 150, 100)[:, None, None, None] + rng.normal(0, 30, (n, SIDE, SIDE, 3))
    return Images(np.clip(x, 0, 255).astype(np.uint8), y.astype(np.int64))


TRAIN, TEST = images(40, 0), images(30, 1)
HELD = np.arange(30, 40)


def pool(label: int, real: Sequence[int], made: Sequence[int] = ()) -> Pool:
    return Pool(np.array([n for n in real if n % 2 == label], np.int64),
                np.array([n for n in made if n % 2 == label], np.int64))  # fmt: skip


def run(
    training: Training, made: Sequence[int] = (), recipe: Recipe = RECIPE,
    train: Images = TRAIN, views: Sequence[np.ndarray] = (), test: Images = TEST,
) -> Outcome:  # fmt: skip
    pools = [pool(label, range(10), made) for label in (0, 1)]
    return trained(train, pools, HELD, test, views, recipe, training)


def test_it_learns_and_is_the_same_every_time() -> None:
    state, before = torch.get_rng_state(), torch.get_num_threads()
    torch.set_num_threads(2)
    views = [TEST.x_NSS3, TEST.x_NSS3]
    first, again = (run(Training(Arm(), 0, 0), views=views) for _ in range(2))
    threads = torch.get_num_threads()
    torch.set_num_threads(before)
    assert first.right.mean() > 0.9
    np.testing.assert_array_equal(first.right, again.right)
    np.testing.assert_array_equal(first.views_right, 2 * first.right)
    np.testing.assert_array_equal(first.validation, again.validation)
    np.testing.assert_array_equal(first.validation[:, 1], [5, 5])
    assert torch.equal(torch.get_rng_state(), state), "nobody else's random numbers change"
    assert threads == 2


def test_at_a_hundredth_of_the_rate_less_is_learnt() -> None:
    """Ten images of noise, to be known by heart."""
    noise = np.random.default_rng(3).integers(0, 256, TRAIN.x_NSS3.shape, np.uint8)
    train = Images(noise, TRAIN.y_N)
    known = Images(noise[:10], TRAIN.y_N[:10])
    usual, low = (run(Training(Arm(), 0, 0, rate), train=train, test=known) for rate in (1, 0.01))
    assert usual.right.sum() > low.right.sum()


def test_what_an_image_is_named_depends_on_no_other_image() -> None:
    """Whether the other class is asked too, or not."""
    whole = run(Training(Arm(), 0, 0))
    alone = run(Training(Arm(), 0, 0), test=Images(TEST.x_NSS3[1::2], TEST.y_N[1::2]))
    np.testing.assert_array_equal(alone.right, whole.right[1::2])


def test_wrong_made_images_spoil_it_at_their_share() -> None:
    """So the share is what is drawn, and the made images are used."""
    wrong = Images(TRAIN.x_NSS3.copy(), TRAIN.y_N)
    wrong.x_NSS3[10:30] = 250 - TRAIN.x_NSS3[10:30]
    spoiled = run(Training(Arm(share=0.9), 0, 0), range(10, 30), train=wrong)
    assert spoiled.right.mean() < 0.3


def drawn(arm: Arm, pools: Sequence[Pool], steps: int = 200) -> np.ndarray:
    recipe = Recipe("small", len(pools), steps, 0)
    return np.stack(list(batches(pools, recipe, Training(arm, 0, 0))))


def test_every_class_is_equally_frequent_in_every_arm() -> None:
    pools = [pool(0, range(30)), pool(1, range(2), range(100, 160))]
    for arm in (Arm(), Arm(share=0.5)):
        rows = drawn(
            arm, [pools[0], pools[1]._replace(made=pools[1].made[: 60 if arm.share else 0])]
        )
        odd = np.isin(rows, np.concatenate([pools[1].plain, pools[1].made])).mean()
        assert odd == pytest.approx(0.5, abs=0.02)


def test_the_share_is_of_classes_that_have_made_images() -> None:
    pools = [pool(0, range(30)), pool(1, range(30), range(100, 160))]
    rows = drawn(Arm(share=0.25), pools)
    of_class = rows[(rows % 2 == 1)]
    assert (of_class >= 100).mean() == pytest.approx(0.25, abs=0.02)
    assert (rows[rows % 2 == 0] < 100).all()


def test_arms_of_a_pair_share_classes_and_real_images() -> None:
    pools = [pool(0, range(30), range(100, 130)), pool(1, range(30), range(100, 130))]
    real = drawn(Arm(), [one._replace(made=np.array([], np.int64)) for one in pools])
    mixed = drawn(Arm(share=0.5), pools)
    assert real.shape == (200, BATCH)
    np.testing.assert_array_equal(real % 2, mixed % 2)
    same = mixed < 100
    np.testing.assert_array_equal(real[same], mixed[same])


def test_other_runs_and_draws_have_other_batches() -> None:
    pools = [pool(0, range(30)), pool(1, range(30))]
    found = [
        np.stack(list(batches(pools, Recipe("small", 2, 5, 0), Training(Arm(), draw, run_))))
        for draw, run_ in ((0, 0), (0, 1), (1, 0))
    ]
    assert not (found[0] == found[1]).all()
    assert not (found[0] == found[2]).all()


def test_a_class_with_made_images_alone_is_drawn_of_them_and_one_without_any_is_not() -> None:
    pools = [pool(0, range(30)), pool(1, (), range(100, 110)), pool(0, ())]
    rows = drawn(Arm(share=0.25), pools)
    assert (rows >= 100).mean() == pytest.approx(0.5, abs=0.02)
    with pytest.raises(ValueError, match="no class has an image"):
        drawn(Arm(), [pool(0, ())])
