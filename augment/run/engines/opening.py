"""An engine by its name, for as long as it is used. Ray is imported where it is asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Literal, assert_never

from augment.run.engines.engine import Engine
from augment.run.engines.local_engine import LocalEngine
from augment.run.engines.process_engine import ProcessEngine
from augment.spec.execution import Execution


@contextlib.contextmanager
def opened(kind: Literal["local", "processes", "ray"], execution: Execution) -> Iterator[Engine]:
    """The engine, closed at the end. It begins where there is work for it, not before.

    Raises:
        RequestError: the address of a cluster is none, or not allowed.
    """
    match kind:
        case "local":
            yield LocalEngine()
        case "processes":
            with ProcessEngine() as engine:
                yield engine
        case "ray":
            from augment.run.engines.ray_engine import RayEngine

            with RayEngine(execution.address, execution.autoscale) as cluster:
                yield cluster
        case _:
            assert_never(kind)
