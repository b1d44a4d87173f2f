"""Whose copies are looked for: the real images of both sides, known by their bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from augment.run import Frozen
from augment.run.scoring.sides import sides_of


def test_rows_are_generated_for_one_side_and_not_for_the_other(
    frozen: Callable[..., Frozen], tmp_path: Path
) -> None:
    sides = sides_of(frozen())
    assert {side: one.total for side, one in sides.items()} == {"train": 13, "holdout": 6}
    for side, split in (("train", "train"), ("holdout", "test")):
        files = (tmp_path / "data" / split).glob("*/*.png")
        known = {(f.parent.name, hashlib.sha256(f.read_bytes()).hexdigest()) for f in files}
        assert set(sides[side].reference.known_by) == known


def test_what_cannot_be_read_is_no_part_of_a_side(
    frozen: Callable[..., Frozen], tmp_path: Path
) -> None:
    job = frozen()
    (tmp_path / "data/test/0/000.png").unlink()
    side = sides_of(job)["holdout"]
    assert (len(side.reference.rows), side.total) == (5, 6)


def test_of_more_images_than_a_side_may_have_the_same_ones_count(
    frozen: Callable[..., Frozen], tmp_path: Path
) -> None:
    job = frozen()
    whole = sides_of(job)["train"].reference
    for most in (1, 4, 12):
        some = sides_of(job, most)["train"]
        assert some.reference.known_by == whole.known_by[:most]
        assert some.total == 13
    first = whole.rows[0]
    size = (tmp_path / "data/train" / first.label_name / Path(first.locator).name).stat().st_size
    assert len(sides_of(job, most_bytes=size)["train"].reference.rows) == 1
    assert len(sides_of(job, most_bytes=size - 1)["train"].reference.rows) == 0
