"""The steps joined: the only package that knows all of them, and the only one that knows Ray
(in `ray_engine`, imported when it is needed)."""

from augment.run.clock import now
from augment.run.engine import Engine, Resources, Task, Worker
from augment.run.local_engine import LocalEngine
from augment.run.observing import observing
from augment.run.pipeline import RunResult, fill_pool, mix, run
from augment.run.prepare import Frozen, Prepared, freeze, plan_job, prepare
from augment.run.progress import Reporter, Silent
from augment.run.telling import Observer, Stage, spanning

__all__ = [
    "Engine",
    "Frozen",
    "LocalEngine",
    "Observer",
    "Prepared",
    "Reporter",
    "Resources",
    "RunResult",
    "Silent",
    "Stage",
    "Task",
    "Worker",
    "fill_pool",
    "freeze",
    "mix",
    "now",
    "observing",
    "plan_job",
    "prepare",
    "run",
    "spanning",
]
