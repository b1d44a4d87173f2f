"""How a GPU benchmark keeps its time and says what it found, with a clock that the test turns."""

from __future__ import annotations

import threading

from benchmarks.gpu_report import NO_TIME, Item, Pace, Row, Tell, table


class Clock:
    at = 100.0

    def __call__(self) -> float:
        return self.at


def item(name: str, clock: Clock, needs: float, takes: float) -> Item:
    def act(tell: Tell) -> None:
        clock.at += takes
        tell(Row("host", name, "eager", "measured", {"host/s": 2.0}))

    return Item("host", name, needs, act)


def test_what_does_not_fit_is_not_measured_and_what_fits_after_it_is() -> None:
    clock = Clock()
    pace = Pace(10.0, clock)
    shown: list[Row] = []
    todo = [item("a", clock, 5.0, 6.0), item("b", clock, 5.0, 1.0), item("c", clock, 4.0, 1.0)]
    pace.carry_out(todo, shown.append)
    assert [(row.name, row.verdict) for row in pace.rows] == [
        ("a", "measured"), ("b", NO_TIME), ("c", "measured"),
    ]  # fmt: skip
    assert shown == pace.rows
    assert dict(pace.rows[1].figures) == {}
    assert not pace.hung


def test_what_breaks_is_a_row_and_the_others_go_on() -> None:
    def broken(tell: Tell) -> None:
        raise ValueError("no\nsuch kernel")

    clock = Clock()
    pace = Pace(10.0, clock)
    pace.carry_out([Item("host", "a", 1.0, broken), item("b", clock, 1.0, 1.0)])
    assert [row.verdict for row in pace.rows] == ["FAILED: ValueError: no such kernel", "measured"]
    assert [row.bad for row in pace.rows] == [True, False]


def test_what_goes_on_beyond_the_deadline_is_left() -> None:
    """Its rows before count, what it says later does not; nothing is begun after it."""
    clock, go, done = Clock(), threading.Event(), threading.Event()

    def hangs(tell: Tell) -> None:
        tell(Row("host", "a", "eager", "measured"))
        clock.at += 100.0
        go.wait()
        tell(Row("host", "a", "compiled", "measured"))
        done.set()

    pace = Pace(0.05, clock)
    pace.carry_out([Item("host", "a", 0.0, hangs), item("b", clock, 0.0, 1.0)])
    go.set()
    done.wait()
    assert [(row.name, row.variant, row.verdict) for row in pace.rows] == [
        ("a", "eager", "measured"), ("a", "rest", NO_TIME), ("b", "", NO_TIME),
    ]  # fmt: skip
    assert pace.hung


def test_one_table_with_sections_together_and_verdicts_counted() -> None:
    rows = [
        Row("contract", "vae", "fp32", "ok", {"worst": 0.00012344, "bound": 0.001}),
        Row("host", "sdxl", "bf16", "BELOW", {"kept": 0.9}),
        Row("contract", "vae", "compiled", "FAILED: RuntimeError: x"),
    ]
    lines = table(rows).splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["contract", "contract", "host"]
    assert lines[1].endswith("worst 0.0001234, bound 0.001")
    assert lines[-1] == "1 ok, 1 BELOW, 1 FAILED"
