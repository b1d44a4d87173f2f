"""The cut of requests into batches: by key, full ones first, no item twice."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from augment.run.synthesis.batches import batches


def parity(x: int) -> int:
    return x % 2


def test_one_key_is_cut_in_order() -> None:
    assert list(batches(range(7), lambda _: 0, 3)) == [[0, 1, 2], [3, 4, 5], [6]]


def test_keys_do_not_share_a_batch() -> None:
    assert list(batches([0, 1, 2, 3, 4], parity, 2)) == [[0, 2], [1, 3], [4]]


def test_nothing_gives_nothing() -> None:
    assert list(batches([], parity, 2)) == []


def test_what_waits_is_bounded() -> None:
    """Eight keys and batches of two: at the eighth waiting item the fullest group goes."""
    taken = 0

    def counted() -> object:
        nonlocal taken
        for i in range(100):
            taken += 1
            yield i

    made = batches(counted(), lambda x: x, 2)  # type: ignore[arg-type, var-annotated]
    assert next(made) == [0]
    assert taken == 8


@given(st.lists(st.integers(0, 5), max_size=60), st.integers(1, 5))
def test_every_item_once_in_batches_of_one_key(keys: list[int], size: int) -> None:
    items = list(enumerate(keys))
    made = list(batches(items, lambda item: item[1], size))
    assert Counter(i for batch in made for i in batch) == Counter(items)
    for batch in made:
        assert 1 <= len(batch) <= size
        assert len({key for _, key in batch}) == 1
        assert batch == sorted(batch)
