"""How long actors are idle where one round of units ends and the next begins: with one call of the
engine for each round, or with one that is given the next round while half of one is left.

Units sleep for half to one and a half times what is asked, by their name. Claims, folds and
images are not in it. Idle is the share of the actors' time that is no work, from when all of
them have begun to when the first one has nothing left to do. scale.py shows the figures.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from augment.run.engines.engine import Engine, More, Resources, Streams, Task, Worker
from augment.storage import Folder

Span = tuple[int, float, float]
"""Process, begin and end of a unit's work, in seconds."""
SHARD = os.urandom(4096)


class Both(Engine, Streams, Protocol):
    """An engine that does it either way."""


@dataclass(frozen=True)
class Naps:
    """A unit that sleeps, and publishes a small shard."""

    folder: str
    unit_s: float

    def worker(self, alone: bool = False) -> Worker:
        return self

    def __call__(self, unit: str) -> str:
        begun = time.time()
        time.sleep(self.unit_s * (0.5 + int(unit[:4], 16) / 0xFFFF))
        Folder(self.folder).publish(f"data/{unit}.parquet", SHARD)
        return json.dumps([os.getpid(), begun, time.time()])


def one_by_one(engine: Both, task: Task, rounds: Sequence[list[str]], of: Resources) -> list[Span]:
    found: list[Span] = []
    for units in rounds:
        found += [_span(text) for text in engine.run(task, units, of)]
    return found


def overlapping(engine: Both, task: Task, rounds: Sequence[list[str]], of: Resources) -> list[Span]:
    later, given = iter(rounds[1:]), len(rounds[0])
    found: list[Span] = []

    def more() -> list[str] | None:
        nonlocal given
        if given - len(found) > len(rounds[0]) // 2:
            return []
        new = next(later, None)
        given += len(new or ())
        return new

    ask: More = more
    for text in engine.stream(task, rounds[0], ask, of):
        found.append(_span(text))  # noqa: PERF401  # `more` looks at it meanwhile
    return found


def _span(text: str) -> Span:
    pid, begun, ended = json.loads(text)
    return pid, begun, ended


def idle(found: Sequence[Span], actors: int) -> float:
    """See the module."""
    first: dict[int, float] = {}
    last: dict[int, float] = {}
    for pid, begun, ended in found:
        first[pid] = min(begun, first.get(pid, begun))
        last[pid] = max(ended, last.get(pid, ended))
    newest = sorted(first, key=lambda pid: first[pid])[-actors:]  # they may be others in each round
    begin, end = sorted(first.values())[actors - 1], min(last[pid] for pid in newest)
    work = sum(max(0.0, min(e, end) - max(b, begin)) for _, b, e in found)
    return 1 - work / (actors * (end - begin))


WAYS: dict[str, Callable[[Both, Task, Sequence[list[str]], Resources], list[Span]]] = {
    "one by one": one_by_one,
    "overlapping": overlapping,
}


def show_rounds(
    engine: Both, actors: int, unit_s: float, each: int, of: Resources
) -> dict[str, float]:
    """Print the idle share of so many actors with three rounds of `each` units an actor, either
    way, one after the other; the second : the first."""
    shares: dict[str, float] = {}
    for way, call in WAYS.items():
        with tempfile.TemporaryDirectory() as folder:
            rounds = [[os.urandom(8).hex() for _ in range(actors * each)] for _ in range(3)]
            found = call(engine, Naps(folder, unit_s), rounds, of)
        shares[way] = idle(found, actors)
        span = max(e for *_, e in found) - min(b for _, b, _ in found)
        print(f"{engine.name}, {actors} actors, 3 rounds of {each} units of {unit_s:g} s an actor, "
              f"{way}: idle {shares[way]:.3f}, {span:.0f} s in all", flush=True)  # fmt: skip
    print(f"load {os.getloadavg()[0]:.1f}")
    return {f"idle_{engine.name}": shares["overlapping"] / shares["one by one"]}
