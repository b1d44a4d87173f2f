"""What the actors of a generator take, and whether the engine can hold them. Knows no Ray."""

from __future__ import annotations

from collections.abc import Sequence

from augment.errors import PlanError, Problem
from augment.generators import Placement
from augment.run.engines.engine import Engine, Resources
from augment.spec.execution import Execution, GeneratorExecution


def place(execution: GeneratorExecution, engine: Engine) -> tuple[Resources, Placement]:
    """What one actor takes, and how it runs: on a GPU where there is one."""
    asked = execution.resources
    gpus = asked.gpus
    if gpus is None:
        gpus = 1.0 if engine.gpus() >= 1 else 0.0
    placement = Placement(
        "cuda" if gpus else "cpu", execution.channels_last, execution.compile, execution.batch_size
    )
    resources = Resources(
        workers=execution.replicas.min,
        cpus=1.0 if asked.cpus is None else asked.cpus,
        gpus=gpus,
        most=execution.replicas.most,
        memory=asked.memory,
        accelerator_type=asked.accelerator_type,
        labels=tuple(sorted(asked.labels.items())),
    )
    return resources, placement


def refuse_infeasible(execution: Execution, generators: Sequence[str], engine: Engine) -> None:
    """Look before anything is made whether all these generators can ever start, each alone:
    they run one after the other.

    Raises:
        PlanError: with the arithmetic of each that cannot.
    """
    problems = []
    for name in generators:
        resources, _ = place(execution.of(name), engine)
        if why := engine.infeasible(resources):
            what = f"execution.generators.{name}"
            problems.append(Problem(what, why, "actors that the cluster can hold"))
    if problems:
        raise PlanError(problems)
