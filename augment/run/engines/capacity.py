"""Whether a cluster can hold the actors that a job asks for: arithmetic on its nodes.

An actor must fit on one node; resources of several do not add up for it. Knows no Ray: nodes
come as Ray lists them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from augment.run.engines.engine import Resources
from augment.spec.execution import Autoscale

SPARE_CPUS = 2
"""CPUs that actors may ask for beyond those that a machine has: two wait more than they work."""
_SHOWN = 4
_GIB = 1 << 30


def infeasible(
    resources: Resources,
    nodes: Sequence[Mapping[str, Any]],
    autoscale: Autoscale,
    where: str = "the cluster",
) -> str | None:
    """Why `resources.workers` such actors cannot run at once, with the arithmetic; None where
    they can.

    nodes: those alive, each with `NodeName`, `Resources` and `Labels` as in `ray.nodes()`.
    autoscale: what may come on top, on nodes that fit. where: what the nodes are, for people.
    """
    held = [(node, _holds(node, resources)) for node in nodes]
    grown = _grown(resources, autoscale)
    if resources.workers <= sum(n for _, n in held) + grown:
        return None
    fits = ", ".join(f"{_name(node)}: {n}" for node, n in held[:_SHOWN])
    more = f", and {len(held) - _SHOWN} more nodes" if len(held) > _SHOWN else ""
    growth = f" and {grown} more after growing by {_grows(autoscale)}" if grown else ""
    total = sum(n for _, n in held)
    return (
        f"{resources.workers} actors with {_each(resources)} each are asked for; {where} "
        f"holds {total} of them{growth} ({fits or 'it has no nodes'}{more}). Ask for fewer or "
        "smaller ones under `execution`, add nodes, or say under `execution.autoscale` what the "
        "cluster grows to"
    )


def _holds(node: Mapping[str, Any], resources: Resources) -> int:
    """How many of the actors fit on a node at once."""
    have, labels = node["Resources"], node.get("Labels") or {}
    kind = resources.accelerator_type
    if kind is not None and f"accelerator_type:{kind}" not in have:
        return 0
    if not all(_matches(labels.get(name), wanted) for name, wanted in resources.labels):
        return 0
    asked = {"CPU": resources.cpus, "GPU": resources.gpus, "memory": float(resources.memory or 0)}
    fits = [_times(have.get(what, 0.0), each) for what, each in asked.items() if each]
    return min([_gpus_hold(have, resources), *fits], default=resources.workers)


def _gpus_hold(have: Mapping[str, float], resources: Resources) -> int:
    """A fraction of a GPU lies on one: two thirds of two GPUs are not four."""
    if not 0 < resources.gpus < 1:
        return resources.workers
    return int(have.get("GPU", 0.0)) * _times(1.0, resources.gpus)


def _times(have: float, each: float) -> int:
    return math.floor(have / each + 1e-9)


def _matches(label: str | None, wanted: str) -> bool:
    """Ray's selectors have operators, which it judges itself."""
    if wanted.startswith(("!", "in(")):
        return True
    return label == wanted


def _grown(resources: Resources, autoscale: Autoscale) -> int:
    """How many fit on nodes that are still to come."""
    pairs = [(autoscale.cpus, resources.cpus), (autoscale.gpus, resources.gpus)]
    return min((_times(have, each) for have, each in pairs if each), default=0)


def _grows(autoscale: Autoscale) -> str:
    return f"{autoscale.cpus:g} CPU and {autoscale.gpus:g} GPU"


def _each(resources: Resources) -> str:
    parts = [f"{resources.cpus:g} CPU", f"{resources.gpus:g} GPU"]
    if resources.memory:
        parts.append(f"{resources.memory / _GIB:.3g} GiB")
    if resources.accelerator_type:
        parts.append(f"accelerator {resources.accelerator_type}")
    parts += [f"label {name}={value}" for name, value in resources.labels]
    return ", ".join(parts)


def _name(node: Mapping[str, Any]) -> str:
    have = node["Resources"]
    return (
        f"{node.get('NodeName') or 'node'} ({have.get('CPU', 0.0):g} CPU, "
        f"{have.get('GPU', 0.0):g} GPU, {have.get('memory', 0.0) / _GIB:.3g} GiB)"
    )
