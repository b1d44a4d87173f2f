"""The steps joined: the only package that knows all of them, and the only one that knows Ray
(in `engines/ray_engine`, imported when it is needed).

`pipeline` is the whole path on one page; `planning` what it would do and cost. Below them lie the
rooms, each of which may use those after it: `upkeep`, `mixing`, `synthesis`, then `prepare`,
`watch` and `engines`.
"""

from augment.run.clock import now
from augment.run.engines.engine import Engine, Resources, Task, Worker
from augment.run.engines.local_engine import LocalEngine
from augment.run.pipeline import How, RunResult, Verb, carry_out
from augment.run.prepare import Frozen, Prepared, freeze, plan_job, prepare
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
    "Reporter",
    "Resources",
    "RunResult",
    "Silent",
    "Stage",
    "Task",
    "Verb",
    "Worker",
    "carry_out",
    "freeze",
    "now",
    "observing",
    "plan_job",
    "prepare",
    "spanning",
]
