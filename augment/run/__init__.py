"""The steps joined: the only package that knows all of them, and the only one that knows Ray
(in `engines/ray_engine`, imported when it is needed).

`pipeline` is the whole path on one page; `planning` what it would do and cost. Below them lie the
rooms, each of which may use those after it: `upkeep`, `mixing`, `synthesis`, then `prepare`,
`watch` and `engines`.

Names are imported when they are asked for: a worker's process needs few of them, and each costs it
time.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from augment.run.clock import now
    from augment.run.engines.choice import automatic
    from augment.run.engines.engine import Engine, Resources, Task, Worker
    from augment.run.engines.local_engine import LocalEngine
    from augment.run.engines.process_engine import ProcessEngine
    from augment.run.pipeline import How, RunResult, Verb, carry_out
    from augment.run.prepare import Frozen, Prepared, freeze, plan_job
    from augment.run.progress import Reporter, Silent
    from augment.run.watch.observing import observing
    from augment.run.watch.telling import Observer, Stage, spanning

__all__ = [
    "Engine",
    "Frozen",
    "How",
    "LocalEngine",
    "Observer",
    "Prepared",
    "ProcessEngine",
    "Reporter",
    "Resources",
    "RunResult",
    "Silent",
    "Stage",
    "Task",
    "Verb",
    "Worker",
    "automatic",
    "carry_out",
    "freeze",
    "now",
    "observing",
    "plan_job",
    "spanning",
]

_MODULES = {
    "Engine": "engines.engine",
    "Frozen": "prepare",
    "How": "pipeline",
    "LocalEngine": "engines.local_engine",
    "Observer": "watch.telling",
    "Prepared": "prepare",
    "ProcessEngine": "engines.process_engine",
    "Reporter": "progress",
    "Resources": "engines.engine",
    "RunResult": "pipeline",
    "Silent": "progress",
    "Stage": "watch.telling",
    "Task": "engines.engine",
    "Verb": "pipeline",
    "Worker": "engines.engine",
    "automatic": "engines.choice",
    "carry_out": "pipeline",
    "freeze": "prepare",
    "now": "clock",
    "observing": "watch.observing",
    "plan_job": "prepare",
    "spanning": "watch.telling",
}
"""Name -> module below this package."""


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
