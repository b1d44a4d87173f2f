"""Images that take for ever cost themselves: who waits for one goes on with the next."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator

import pytest

from augment.audit.patience import MOST_LATE, Patience, alone

HANG = threading.Event()


@pytest.fixture(autouse=True)
def _let_go() -> Iterator[None]:
    """Whatever hangs in a test ends with it."""
    HANG.clear()
    yield
    HANG.set()


def halved(n: int) -> int:
    if n < 0:
        HANG.wait()
    return n // 2


def late(n: int) -> int:
    return 1000 + n


def test_results_come_in_the_order_of_the_items() -> None:
    with Patience(halved, late, 3) as patience:
        assert list(patience.map(range(100))) == [n // 2 for n in range(100)]
        assert list(patience.map([])) == []
        assert list(patience.map([8])) == [4]


def test_one_that_hangs_is_late_and_the_others_are_not() -> None:
    items = [2, -1, 4, 6, -2, -3, 8, *range(20)]
    with Patience(halved, late, 2, limit_s=0.2) as patience:
        found = list(patience.map(items))
    assert found == [n // 2 if n >= 0 else 1000 + n for n in items]


def test_where_too_many_hang_the_rest_is_late_at_once() -> None:
    before = threading.active_count()
    with Patience(halved, late, 2, limit_s=0.05) as patience:
        found = list(patience.map([-1] * (MOST_LATE + 50)))
    assert found == [999] * (MOST_LATE + 50)
    assert threading.active_count() < before + MOST_LATE + 10


def test_what_comes_after_too_many_that_hang_is_not_kept() -> None:
    """Whoever takes it hangs: a data set larger than memory would pile up."""

    class Row:
        """As large as an image."""

    known: list[weakref.ref[Row]] = []

    def rows() -> Iterator[Row]:
        for _ in range(MOST_LATE + 200):
            known.append(weakref.ref(row := Row()))
            yield row

    with Patience(lambda _: HANG.wait(), lambda _: False, 2, limit_s=0.05) as patience:
        assert list(patience.map(rows())) == [False] * (MOST_LATE + 200)
        gc.collect()
        assert sum(row() is not None for row in known) < MOST_LATE + 10


def test_an_error_arrives_and_nothing_is_left() -> None:
    with Patience(lambda n: 1 // n, late, 2) as patience:
        with pytest.raises(ZeroDivisionError):
            list(patience.map([1, 1, 0, 1]))
        assert list(patience.map([1])) == [1]


def test_the_threads_end() -> None:
    before = set(threading.enumerate())
    with Patience(halved, late, 4) as patience:
        list(patience.map(range(10)))
        hired = set(threading.enumerate()) - before
    for thread in hired:
        thread.join(60)
    assert not [thread for thread in hired if thread.is_alive()]


def test_a_single_one() -> None:
    assert alone(lambda: halved(6), 0) == 3
    assert alone(lambda: halved(-1), 7, limit_s=0.05) == 7
