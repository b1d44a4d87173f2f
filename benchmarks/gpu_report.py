"""What a GPU benchmark says, and how it keeps its time: rows, one table, items and a deadline.

Knows nothing of what is measured. An item tells its rows as it has them; one that is not begun,
or does not end before the deadline, has a row that says so and no figure.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

NO_TIME = "not measured (time)"
Value = float | int | str
Tell = Callable[["Row"], None]
Act = Callable[[Tell], None]


@dataclass(frozen=True)
class Row:
    """One line. section: contract, placement, host or encode. name: of a family or network.
    variant: how it ran. verdict: `ok`, `measured` (there is no bound here), `FAILED`, `BELOW` (a
    goal), or why there is no figure. figures: by their names, for programs and for people."""

    section: str
    name: str
    variant: str
    verdict: str
    figures: Mapping[str, Value] = field(default_factory=dict)

    @property
    def bad(self) -> bool:
        return self.verdict.startswith(("FAILED", "BELOW"))

    def to_json(self) -> dict[str, Any]:
        return {"section": self.section, "name": self.name, "variant": self.variant,
                "verdict": self.verdict, "figures": dict(self.figures)}  # fmt: skip


@dataclass(frozen=True)
class Item:
    """Something to be measured. needs: seconds that it is expected to take: it is not begun
    where fewer are left."""

    section: str
    name: str
    needs: float
    act: Act


def not_run(section: str, name: str, why: str) -> Row:
    """A row of what cannot run here."""
    return Row(section, name, "", f"not run: {why}")


def judged(good: bool, bad: str = "FAILED") -> str:
    """The verdict over a bound."""
    return "ok" if good else bad


class Pace:
    """Items one after the other, until the time is over. clock: seconds, from anywhere."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._end, self._clock = clock() + seconds, clock
        self.rows: list[Row] = []
        self.hung = False
        """Whether an item goes on beyond the deadline, in a thread that cannot be ended."""

    def left(self) -> float:
        return self._end - self._clock()

    def carry_out(self, items: Sequence[Item], shown: Tell = lambda _: None) -> None:
        """shown: gets every row as it comes."""
        for item in items:
            if self.hung or self.left() < item.needs:
                self._add(Row(item.section, item.name, "", NO_TIME), shown)
            else:
                self._carry_out(item, shown)

    def _carry_out(self, item: Item, shown: Tell) -> None:
        """In a thread of its own, so that the deadline holds whatever a library does."""
        over = threading.Event()

        def tell(row: Row) -> None:
            if not over.is_set():
                self._add(row, shown)

        thread = threading.Thread(target=_guarded, args=(item, tell), daemon=True)
        thread.start()
        thread.join(max(0.0, self.left()))
        if thread.is_alive():
            over.set()
            self.hung = True
            self._add(Row(item.section, item.name, "rest", NO_TIME), shown)

    def _add(self, row: Row, shown: Tell) -> None:
        self.rows.append(row)
        shown(row)


def _guarded(item: Item, tell: Tell) -> None:
    """What breaks is a row; the others are measured all the same."""
    try:
        item.act(tell)
    except Exception as error:  # of any library
        traceback.print_exc()
        words = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        tell(Row(item.section, item.name, "", f"FAILED: {words}"))


def figure(value: Value) -> str:
    """For people."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def line(row: Row) -> str:
    """One line of the table."""
    said = ", ".join(f"{name} {figure(value)}" for name, value in row.figures.items())
    return f"{row.section:9}  {row.name:16}  {row.variant:24}  {row.verdict:8}  {said}".rstrip()


def table(rows: Sequence[Row]) -> str:
    """All of them, section after section, and how many of each verdict."""
    head = f"{'section':9}  {'what':16}  {'variant':24}  {'verdict':8}  figures"
    order = {name: n for n, name in enumerate(dict.fromkeys(row.section for row in rows))}
    body = [line(row) for row in sorted(rows, key=lambda row: order[row.section])]
    counts: dict[str, int] = {}
    for row in rows:
        word = row.verdict.split(":")[0]
        counts[word] = counts.get(word, 0) + 1
    told = ", ".join(f"{n} {word}" for word, n in counts.items())
    return "\n".join([head, *body, "", told])
