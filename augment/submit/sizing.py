"""How many worker nodes a job's execution asks for, when the cluster is made for the job.

Generators are hosted one after another, so the stage that asks for most decides; the mix has
what is there. A node gives whole actors only. Knows nothing of Kubernetes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from augment.errors import PlanError, Problem
from augment.spec.execution import ActorResources, GeneratorExecution
from augment.spec.models import JobSpec


@dataclass(frozen=True)
class Node:
    """What a worker node has. memory: bytes."""

    cpus: int
    memory: int
    gpus: int


@dataclass(frozen=True)
class Size:
    """least: nodes from the start; most: nodes it may grow to."""

    node: Node
    least: int
    most: int


def wants_gpus(spec: JobSpec) -> bool:
    """Whether any generator would use a GPU where there is one: those that say nothing would,
    but for the procedural ones, which have no weights."""
    return any(
        (asks.gpus is None and getattr(spec.generators[name], "checkpoint", None) is not None)
        or bool(asks.gpus)
        for name, asks in _asked(spec)
    )


def size_of(spec: JobSpec, node: Node) -> Size:
    """The nodes of this kind that the job asks for.

    Raises:
        PlanError: one actor does not fit on a node, with the arithmetic.
    """
    problems: list[Problem] = []
    least = most = _for_mix(spec, node)
    for name, asks in _asked(spec):
        fit = _fit(name, asks, node, problems)
        replicas = _execution(spec, name).replicas
        least = max(least, math.ceil(replicas.min / fit))
        most = max(most, math.ceil(replicas.most / fit))
    if problems:
        raise PlanError(problems)
    return Size(node, least, most)


def _execution(spec: JobSpec, name: str) -> GeneratorExecution:
    return spec.execution.generators.get(name, GeneratorExecution())


def _asked(spec: JobSpec) -> Iterator[tuple[str, ActorResources]]:
    used = {name for rule in spec.synthesize for name in rule.generators}
    for name in sorted(used):
        yield name, _execution(spec, name).resources


def _for_mix(spec: JobSpec, node: Node) -> int:
    """One CPU of the cluster is left free for what is not an actor."""
    workers = spec.execution.workers
    return 1 if workers is None else max(1, math.ceil((workers + 1) / node.cpus))


def _fit(name: str, asks: ActorResources, node: Node, problems: list[Problem]) -> int:
    """Actors of a generator that one node takes, at least 1 so that counting can go on."""
    gpus = (1.0 if node.gpus else 0.0) if asks.gpus is None else asks.gpus
    cpus = 1.0 if asks.cpus is None else asks.cpus
    fits = [(_by_gpus(gpus, node.gpus), "gpus", f"{gpus:g} GPUs", f"{node.gpus}")]
    if cpus:
        fits.append((math.floor(node.cpus / cpus), "cpus", f"{cpus:g} CPUs", f"{node.cpus}"))
    if asks.memory:
        fits.append(
            (node.memory // asks.memory, "memory", f"{asks.memory} bytes", f"{node.memory}")
        )
    for fit, key, each, have in fits:
        if fit < 1:
            place = f"execution.generators.{name}.resources.{key}"
            flag = {"gpus": "--gpus-per-node", "cpus": "--node-cpus", "memory": "--node-memory"}
            hint = f"Raise {flag[key]}, or ask for less"
            problems.append(Problem(place, f"{each} for one actor", f"at most {have}", hint))
    return max(1, min(fit for fit, *_ in fits))


def _by_gpus(each: float, have: int) -> int:
    """Fractions share one GPU; they never lie across two."""
    if each == 0:
        return 1 << 30
    return have * math.floor(1 / each + 1e-9) if each < 1 else math.floor(have / each)
