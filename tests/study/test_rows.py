"""Which rows a draw trains on: nothing that is left out comes back through what was made of it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from augment.errors import RequestError
from augment.study import Arm, Asked
from augment.study.rows import (
    COPIES,
    REAL,
    RETRIEVED,
    SYNTHETIC,
    Rows,
    Splits,
    classes_of,
    drawn,
    pools,
    splits_of,
    used,
)

SPLITS = Splits("train", None, "test")


def table() -> Rows:
    """Of a and b 20 real images, of c one; each with a copy, and a copy of every fourth copy; 10
    synthetic ones of a by g, 10 by h, of which every other was made from a real image; 5 test
    images a class."""
    found: list[tuple[str, str, str, str, str | None, tuple[str, ...]]] = []
    for label, n in (("a", 20), ("b", 20), ("c", 1)):
        for i in range(n):
            own = f"{label}{i}"
            found.append((own, "train", label, REAL, None, ()))
            found.append((f"{own}-copy", "train", label, COPIES, None, (own,)))
            if i % 4 == 0:
                found.append((f"{own}-again", "train", label, COPIES, None, (f"{own}-copy",)))
        found += [(f"{label}-test{i}", "test", label, REAL, None, ()) for i in range(5)]
    for maker in "gh":
        found += [(f"{maker}{i}", "train", "a", SYNTHETIC, maker, (f"a{i}",) if i % 2 else ())
                  for i in range(10)]  # fmt: skip
    n = len(found)
    columns = [list(column) for column in zip(*found, strict=True)]
    return Rows(*columns, ["shard"] * n, list(range(n)))  # type: ignore[arg-type]


def ids(rows: Rows, at: np.ndarray) -> set[str]:
    return {rows.ids[n] for n in at}


@pytest.mark.parametrize("draw", range(5))
def test_what_descends_from_what_is_left_out_is_left_out(draw: int) -> None:
    rows = table()
    found = drawn(rows, SPLITS, 0, draw)
    left, fit = ids(rows, found.left_out), ids(rows, found.fit)
    assert Counter(one[0] for one in left) == {"a": 4, "b": 4}
    assert not left & fit
    for own in left:
        assert not {f"{own}-copy", f"{own}-again"} & fit
        if own[0] == "a" and int(own[1:]) % 2:
            assert not {f"g{own[1:]}", f"h{own[1:]}"} & fit
    kept = {one for one in fit if rows.kinds[rows.ids.index(one)] == REAL}
    assert all(f"{one}-copy" in fit for one in kept)
    assert "c0" in fit, "the only image of a class is trained on"


def test_a_draw_leaves_out_a_fifth_of_what_each_maker_made() -> None:
    rows = table()
    free = Rows(**{**vars(rows), "parents": [()] * len(rows)})
    fit = ids(free, drawn(free, SPLITS, 0, 0).fit)
    assert Counter(one[0] for one in fit if one[0] in "gh") == {"g": 8, "h": 8}


def test_draws_and_seeds_differ_and_repeat() -> None:
    rows = table()
    first = drawn(rows, SPLITS, 0, 0)
    np.testing.assert_array_equal(first.fit, drawn(rows, SPLITS, 0, 0).fit)
    assert ids(rows, first.left_out) != ids(rows, drawn(rows, SPLITS, 0, 1).left_out)
    assert ids(rows, first.left_out) != ids(rows, drawn(rows, SPLITS, 1, 0).left_out)


def test_the_order_of_rows_changes_no_draw() -> None:
    rows = table()
    other = rows.some(np.random.default_rng(1).permutation(len(rows)).tolist())
    a, b = drawn(rows, SPLITS, 3, 2), drawn(other, SPLITS, 3, 2)
    assert ids(rows, a.fit) == ids(other, b.fit)
    assert ids(rows, a.left_out) == ids(other, b.left_out)


def test_pools_have_what_the_arm_has() -> None:
    rows = table()
    fit = drawn(rows, SPLITS, 0, 0).fit
    kinds = lambda at: {rows.kinds[n] for n in at}  # noqa: E731
    plain = pools(rows, fit, Arm(), ("a", "b", "c"))
    assert kinds(plain[0].plain) == {REAL}
    assert len(plain[0].made) == 0
    both = pools(rows, fit, Arm(copies=True, share=0.5), ("a", "b", "c"))
    assert kinds(both[0].plain) == {REAL, COPIES}
    assert {rows.makers[n] for n in both[0].made} == {"g", "h"}
    assert len(both[1].made) == 0
    one = pools(rows, fit, Arm(share=0.5, maker="h"), ("a", "b", "c"))
    assert {rows.makers[n] for n in one[0].made} == {"h"}


def with_retrieved(n: int) -> Rows:
    """The table, and `n` retrieved images of a."""
    rows = table()
    more = [f"r{i}" for i in range(n)]
    return rows.joined(Rows(
        more, ["train"] * n, ["a"] * n, [RETRIEVED] * n, [None] * n, [()] * n, [""] * n,
        list(range(n)),
    ))  # fmt: skip


@pytest.mark.parametrize("draw", range(3))
def test_a_draw_has_as_many_retrieved_as_synthetic_images(draw: int) -> None:
    rows = with_retrieved(20)
    found = drawn(rows, SPLITS, 0, draw)
    kinds = Counter(rows.kinds[n] for n in found.fit)
    assert kinds[RETRIEVED] == kinds[SYNTHETIC] < 20
    plain = drawn(table(), SPLITS, 0, draw)
    assert found.fit[: len(plain.fit)].tolist() == plain.fit.tolist(), "others are as without"
    assert ids(rows, found.left_out) == ids(table(), plain.left_out)
    other = drawn(rows, SPLITS, 0, draw + 1)
    retrieved = [{one for one in ids(rows, fit) if one[0] == "r"} for fit in (found.fit, other.fit)]
    assert retrieved[0] != retrieved[1]


def test_of_fewer_retrieved_images_a_draw_leaves_the_same_part_out() -> None:
    rows = with_retrieved(10)
    fit = drawn(rows, SPLITS, 0, 0).fit
    kinds = Counter(rows.kinds[n] for n in fit)
    assert kinds[RETRIEVED] == -(-10 * kinds[SYNTHETIC] // 20)


def test_retrieved_images_are_for_their_own_arm_alone() -> None:
    rows = with_retrieved(20)
    fit = drawn(rows, SPLITS, 0, 0).fit
    rival, made = (pools(rows, fit, Arm(share=0.5, rival=one), ("a", "b")) for one in ("ab", None))
    assert {rows.kinds[n] for n in rival[0].made} == {RETRIEVED}
    assert {rows.kinds[n] for n in made[0].made} == {SYNTHETIC}
    assert rival[0].plain.tolist() == made[0].plain.tolist()
    assert len(rival[0].made) == len(made[0].made)
    assert len(rival[1].made) == 0


def test_splits_are_found_by_name_and_never_serve_twice() -> None:
    rows = table()
    assert splits_of(rows, Asked()) == Splits("train", None, "test")
    named = Rows(**{**vars(rows), "splits": [
        "val" if split == "test" and n % 2 else split for n, split in enumerate(rows.splits)
    ]})  # fmt: skip
    assert splits_of(named, Asked()) == Splits("train", "val", "test")
    assert splits_of(named, Asked(test="val")) == Splits("train", None, "val")
    with pytest.raises(RequestError, match="expected three different ones"):
        splits_of(rows, Asked(validation="test", test="test"))
    with pytest.raises(RequestError, match=r"test: got no such split.*train"):
        splits_of(rows.some(n for n, s in enumerate(rows.splits) if s == "train"), Asked())
    with pytest.raises(RequestError, match="validation: got held, where no real images are"):
        splits_of(rows, Asked(validation="held"))


def test_of_a_large_set_a_level_sample_is_used() -> None:
    rows = table()
    some = used(rows, SPLITS, 0, most=60)
    assert len(some) <= 60
    sizes = Counter(zip(some.splits, some.labels, some.kinds, some.makers, strict=True))
    assert sizes["train", "c", REAL, None] == 1
    level = {n for key, n in sizes.items() if key[:3] in
             {("train", "a", REAL), ("train", "b", REAL), ("train", "a", COPIES)}}  # fmt: skip
    assert len(level) == 1
    assert len(used(rows, SPLITS, 0)) == len(rows)


def test_made_test_images_test_nothing() -> None:
    rows = table()
    odd = Rows(**{**vars(rows), "splits": [
        "test" if maker == "g" else split
        for split, maker in zip(rows.splits, rows.makers, strict=True)
    ]})  # fmt: skip
    assert "g" not in set(used(odd, SPLITS, 0).makers)


def test_a_class_without_test_images_is_not_asked_about() -> None:
    rows = table()
    few = rows.some(n for n, one in enumerate(rows.ids) if not one.startswith("b-test"))
    assert classes_of(few, SPLITS) == ("a", "c")
    none = rows.some(n for n, split in enumerate(rows.splits) if split == "train")
    with pytest.raises(RequestError, match="got 0 classes"):
        classes_of(none, SPLITS)
