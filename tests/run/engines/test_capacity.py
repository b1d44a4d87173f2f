"""What a cluster can hold, by the arithmetic on its nodes."""

from __future__ import annotations

from typing import Any

import pytest

from augment.run import Resources
from augment.run.engines.capacity import infeasible
from augment.spec.execution import Autoscale

GIB = 1 << 30


def node(name: str, cpus: float, gpus: float = 0.0, **more: Any) -> dict[str, Any]:
    kind = {f"accelerator_type:{more['kind']}": 1.0} if "kind" in more else {}
    have = {"CPU": cpus, "GPU": gpus, "memory": more.get("memory", 64.0) * GIB, **kind}
    return {"NodeName": name, "Resources": have, "Labels": more.get("labels", {})}


NODES = [
    node("head", 8),
    node("a", 16, 4, kind="A100", memory=32, labels={"zone": "x"}),
    node("b", 16, 2, kind="T4"),
]


@pytest.mark.parametrize(
    "resources",
    [
        Resources(),
        Resources(40),
        Resources(6, 1.0, 1.0),
        Resources(2, 1.0, 2.0, most=9),  # more than fit may be asked for, not needed
        Resources(24, 0.5, 0.25),
        Resources(4, 0.0, 1.0, accelerator_type="A100"),
        Resources(2, 0.0, 1.0, labels=(("zone", "x"),)),
        Resources(2, 0.0, 1.0, labels=(("zone", "in(x,y)"),)),  # Ray judges operators
        Resources(4, 1.0, 1.0, memory=8 * GIB),
    ],
)
def test_what_fits(resources: Resources) -> None:
    assert infeasible(resources, NODES, Autoscale()) is None


@pytest.mark.parametrize(
    ("resources", "holds"),
    [
        (Resources(41), 40),
        (Resources(7, 1.0, 1.0), 6),
        (Resources(1, 1.0, 8.0), 0),  # six GPUs there are, but on no one node eight
        (Resources(3, 1.0, 4.0), 1),
        (Resources(19, 0.1, 0.3), 18),  # three thirds of a GPU are one, not of two GPUs
        (Resources(3, 0.0, 1.0, accelerator_type="T4"), 2),
        (Resources(5, 0.0, 1.0, labels=(("zone", "x"),)), 4),
        (Resources(1, 0.0, 1.0, labels=(("zone", "y"),)), 0),
        (Resources(6, 1.0, 1.0, memory=16 * GIB), 4),
    ],
)
def test_what_does_not_fit(resources: Resources, holds: int) -> None:
    text = infeasible(resources, NODES, Autoscale())
    assert text is not None
    assert text.startswith(f"{resources.workers} actors with ")
    assert f"the cluster holds {holds} of them (" in text


def test_the_text_has_the_arithmetic_and_the_way_out() -> None:
    resources = Resources(7, 1.0, 1.0, memory=GIB, accelerator_type="A100",
                          labels=(("zone", "x"),))  # fmt: skip
    assert infeasible(resources, NODES, Autoscale()) == (
        "7 actors with 1 CPU, 1 GPU, 1 GiB, accelerator A100, label zone=x each are asked for; the "
        "cluster holds 4 of them (head (8 CPU, 0 GPU, 64 GiB): 0, a (16 CPU, 4 GPU, 32 GiB): 4, "
        "b (16 CPU, 2 GPU, 64 GiB): 0). Ask for fewer or smaller ones under `execution`, add "
        "nodes, or say under `execution.autoscale` what the cluster grows to"
    )


def test_what_a_cluster_grows_by_counts() -> None:
    assert infeasible(Resources(8, 1.0, 1.0), NODES, Autoscale(cpus=8, gpus=2)) is None
    text = infeasible(Resources(9, 1.0, 1.0), NODES, Autoscale(cpus=8, gpus=2))
    assert text is not None
    assert "holds 6 of them and 2 more after growing by 8 CPU and 2 GPU (head" in text


def test_an_empty_cluster_and_a_large_one() -> None:
    assert "holds 0 of them (it has no nodes)" in (infeasible(Resources(), [], Autoscale()) or "")
    many = [node(str(i), 1) for i in range(9)]
    assert "and 5 more nodes)" in (infeasible(Resources(10), many, Autoscale()) or "")
