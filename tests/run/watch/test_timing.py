"""A clock that is never set back, and the times of batches."""

from __future__ import annotations

from augment.run.watch.timing import BatchTimes, steady


def test_a_steady_clock_begins_at_the_wall_clock_and_only_counts_on() -> None:
    walls, counts = iter([1000.0, 5.0]), iter([7.0, 7.5, 9.0])
    clock = steady(lambda: next(walls), lambda: next(counts))
    assert [clock(), clock()] == [1000.5, 1002.0]


def test_batches_are_told_once_with_begin_and_seconds() -> None:
    ticks = iter([1.0, 1.5, 2.0, 4.0])
    times = BatchTimes("cpu", lambda: next(ticks))
    for _ in range(2):
        with times.batch():
            pass
    assert times.seconds() == 2.5
    assert times.take() == {"device": "cpu", "each": [(1.0, 0.5), (2.0, 2.0)]}
    assert times.seconds() == 0.0
    assert times.take() == {"device": "cpu", "each": []}


def test_a_batch_that_breaks_is_not_counted() -> None:
    times = BatchTimes("cpu")
    try:
        with times.batch():
            raise MemoryError
    except MemoryError:
        pass
    assert times.take()["each"] == []
