"""A run as a timeline: stages on the driver, units and batches on every actor.

Written in Chrome's trace event format (chrome://tracing, ui.perfetto.dev reads it too), whole,
when the run ends or breaks. Where a worker's clock differs from the driver's, its units are
moved to where the driver knows they were: in their stage, before they arrived.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from augment.errors import RequestError
from augment.run.watch.telling import Stage, UnitDone
from augment.run.watch.timing import Seconds, now
from augment.storage import writing_file

if TYPE_CHECKING:
    from augment.plan import Plan
    from augment.run.watch.account import Account

_MAX_EVENTS = 200_000
"""Units and batches that are kept (about 100 MB of memory); stages always are."""
_DRIVER = 1
_US = 1e6


class Timeline:
    """An observer that keeps spans and writes them to a file."""

    def __init__(self, path: str, clock: Seconds = now, most: int = _MAX_EVENTS) -> None:
        """Raises:
        RequestError: nothing can be written there.
        """
        self._path, self._clock, self._left = path, clock, most
        self._start = clock()
        self._stages: dict[Stage, float] = {}
        self._actors: dict[str, int] = {}
        self._events: list[dict[str, Any]] = []
        self._about: dict[str, Any] = {
            "started": dt.datetime.fromtimestamp(self._start, dt.UTC).isoformat(),
            "left_out": 0,
        }
        self.write()

    def write(self) -> None:
        """Everything up to now, in place of what the file held.

        Raises:
            RequestError: it cannot be written.
        """
        names = [_named(_DRIVER, "driver")]
        names += [_named(number, f"actor {name}") for name, number in self._actors.items()]
        document = {
            "traceEvents": [*names, *self._events],
            "displayTimeUnit": "ms",
            "otherData": self._about,
        }
        try:
            with writing_file(self._path) as file:
                file.write(json.dumps(document).encode())
        except OSError as e:
            raise RequestError(
                f"--profile {self._path}: it cannot be written ({e.strerror or e}); "
                "name a file in a folder that exists"
            ) from e

    # ---- told by the run -------------------------------------------------------------

    def named(self, job_id: str, engine: str) -> None:
        self._about |= {"job_id": job_id, "engine": engine}

    def began(self, stage: Stage, at: float) -> None:
        self._stages[stage] = at

    def ended(self, stage: Stage, at: float, *, broken: bool) -> None:
        span = (self._stages.pop(stage), at)
        more = {"generator": stage.generator, "broken": broken}
        self._events.append(self._event(str(stage), "stage", _DRIVER, span, more))

    def unit(self, done: UnitDone) -> None:
        said, actor = done.observed, done.observed["actor"]
        number = self._actors.setdefault(actor, _DRIVER + 1 + len(self._actors))
        floor = self._stages.get(done.stage, self._start)
        moved = _move(said["begun"], said["ended"], floor, done.arrived)
        span = (said["begun"] + moved, said["ended"] + moved)
        more = {"stage": str(done.stage), "rows": done.rows, "made": done.made, "moved_s": moved}
        self._keep(said["unit"], "unit", number, span, more)
        if "started" in said:
            begun, ended = said["started"]
            self._keep("start", "worker", number, (begun + moved, ended + moved), {})
        for begun, seconds in said.get("each", ()):
            self._keep("batch", "batch", number, (begun + moved, begun + seconds + moved), {})

    def planned(self, plan: Plan) -> None: ...

    def queued(self, stage: Stage, units: int) -> None: ...

    def pooled(self, generator: str, size: int) -> None: ...

    def accounts(self, accounts: Sequence[Account]) -> None: ...

    def written(self, record: Mapping[str, Any]) -> None: ...

    def committed(self, version: int) -> None:
        self._about["version"] = version

    # ---- within ----------------------------------------------------------------------

    def _keep(
        self, name: str, kind: str, number: int, span: tuple[float, float], more: dict[str, Any]
    ) -> None:
        if self._left <= 0:
            self._about["left_out"] += 1
            return
        self._left -= 1
        self._events.append(self._event(name, kind, number, span, more))

    def _event(
        self, name: str, kind: str, number: int, span: tuple[float, float], more: dict[str, Any]
    ) -> dict[str, Any]:
        begun, ended = span
        return {
            "name": name,
            "cat": kind,
            "ph": "X",
            "ts": (begun - self._start) * _US,
            "dur": max(0.0, ended - begun) * _US,
            "pid": number,
            "tid": 1,
            "args": more,
        }


def _move(begun: float, ended: float, floor: float, arrived: float) -> float:
    """By how much a span must move to lie between two times, where it fits: the least."""
    if ended > arrived:
        return arrived - ended
    if begun < floor:
        return min(floor - begun, arrived - ended)
    return 0.0


def _named(number: int, name: str) -> dict[str, Any]:
    return {"name": "process_name", "ph": "M", "pid": number, "tid": 1, "args": {"name": name}}
