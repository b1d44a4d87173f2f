"""One unit in a process of its own, again and again until it leaves a result.

For a unit that ends whatever process builds it: its worker finds the row at fault over several
tries (suspects.py), and gives up by itself where there is none.
"""

from __future__ import annotations

from collections import deque

from augment.run.engines.child import Crew
from augment.run.engines.engine import Task


def call_apart(task: Task, unit: str) -> str:
    """The unit's result.

    Raises:
        AugmentError: as the worker raised it. UnitFailed: processes die again and again.
    """
    crew = Crew(task)
    try:
        crew.grow(1)
        return crew.work(deque([unit]))[0]
    finally:
        crew.end()
