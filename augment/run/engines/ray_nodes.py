"""Every node of a Ray cluster asked what it has: one task a node, that takes no CPU and waits
for none. A node that does not answer, or has no `augment`, is a fact too. What the answers
mean is `augment.doctor`'s.
"""

from __future__ import annotations

import os
from typing import Any

from augment.doctor import Facts, this_machine
from augment.errors import InterruptedRun
from augment.run.engines.ray_engine import RayEngine

_ANSWER_S = 60.0


def ask_nodes(address: str) -> list[Facts]:
    """The facts of every node that is alive, by host.

    Raises:
        RequestError: the address is none, or is not allowed here.
        InterruptedRun: nobody answers at the address.
    """
    if os.environ.get("RAY_AUTH_TOKEN"):  # Ray looks at it only where the mode says so
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    engine = RayEngine(address)
    try:
        engine.open()
    except InterruptedRun as error:
        raise InterruptedRun(
            f"{error}. A cluster that asks for a token wants it in RAY_AUTH_TOKEN"
        ) from error
    try:
        import ray

        alive = [node for node in ray.nodes() if node["Alive"]]
        return sorted(_asked(ray, alive), key=lambda facts: str(facts["host"]))
    finally:
        engine.close()


def _asked(ray: Any, nodes: list[dict[str, Any]]) -> list[Facts]:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = ray.remote(num_cpus=0, max_retries=0)(this_machine)
    asked = {
        task.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ).remote(): node
        for node in nodes
    }
    ready, _ = ray.wait(list(asked), num_returns=len(asked), timeout=_ANSWER_S)
    return [_answer(ray, ref, node, ref in ready) for ref, node in asked.items()]


def _answer(ray: Any, ref: Any, node: dict[str, Any], answered: bool) -> Facts:
    about = {"node_id": node["NodeID"], "address": node["NodeManagerAddress"]}
    if not answered:
        ray.cancel(ref, force=True)
        return about | _silent(node, f"no answer within {_ANSWER_S:.0f} s")
    try:
        facts: Facts = ray.get(ref)
    except ray.exceptions.RayError as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return about | _silent(node, lines[-1])
    counted = {k: v for k, v in node["Resources"].items() if k in ("CPU", "GPU", "memory")}
    return facts | about | {"ray_resources": counted}


def _silent(node: dict[str, Any], why: str) -> Facts:
    return {"host": node["NodeManagerHostname"], "error": why}
