"""What a cluster does to units: its object store is full, a node goes, an actor dies half-way."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import run

HEAD = """
import json, os, signal, sys, time
from dataclasses import dataclass
import numpy as np
import ray
from augment.run.engines.engine import Resources
from augment.run.engines.ray_engine import RayEngine
from tests.ray_starts import started

class Waits:
    def __init__(self, folder):
        self.folder = folder

    def __call__(self, unit):
        path = os.path.join(self.folder, unit)
        tries = len([name for name in os.listdir(self.folder) if name.startswith(unit + ".")])
        open(f"{path}.{tries}", "x").close()
        if unit == "9" and tries == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.1)
        return json.dumps([unit, ray.get_runtime_context().get_node_id()])

@dataclass
class Task:
    folder: str

    def worker(self, alone=False):
        return Waits(self.folder)

units = [str(i) for i in range(30)]
quiet = {"logging_level": "ERROR", "log_to_driver": False}
alone = {"include_dashboard": False}
"""

FOUND = """
from ray.cluster_utils import Cluster
head = {"num_cpus": 1, "object_store_memory": 80 << 20, **alone}
cluster = started(lambda: Cluster(initialize_head=True, head_node_args=head))
ray.init(address=cluster.address, **quiet)
held = [ray.put(np.zeros(8 << 20, np.uint8)) for _ in range(12)]  # more than there is room for
full = [json.loads(r) for r in RayEngine().run(Task(sys.argv[1]), units, Resources(2, 0.25))]
print(json.dumps({"held": len(held), "found": full}))
del held

nodes = [started(lambda: cluster.add_node(num_cpus=2)) for _ in range(2)]
lost = []
for result in RayEngine().run(Task(sys.argv[2]), units, Resources(4, 1.0)):
    lost.append(json.loads(result))
    if len(lost) == 6:
        cluster.remove_node(nodes[0], allow_graceful=False)
print(json.dumps({"found": lost}))
ray.shutdown()
cluster.shutdown()
"""

Carried = tuple[dict[str, Any], Path]
"""What was found, and the folder with a file for every try of a unit."""


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Carried, Carried]:
    """On one cluster: while its only node's object store is full, and, of three nodes, while one
    goes."""
    full, lost = (tmp_path_factory.mktemp(name) for name in ("full", "lost"))
    done = run([sys.executable, "-c", HEAD + FOUND, str(full), str(lost)])
    assert done.returncode == 0, done.stderr
    # the raylet prints there, too
    first, second = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return (dict(json.loads(first)), full), (dict(json.loads(second)), lost)


def units(found: dict[str, Any]) -> list[int]:
    return sorted(int(unit) for unit, _ in found["found"])


def test_a_full_object_store_stops_no_unit(stages: tuple[Carried, Carried]) -> None:
    """Only names of units and their records cross it. One actor dies with a unit, too."""
    (found, folder), _ = stages
    assert found["held"] == 12
    assert units(found) == list(range(30))
    assert (folder / "9.1").exists()


def test_a_node_that_goes_takes_only_its_units_in_hand(stages: tuple[Carried, Carried]) -> None:
    _, (found, folder) = stages
    assert units(found) == list(range(30))
    assert len({node for _, node in found["found"]}) >= 2
    again = [path.name for path in folder.iterdir() if not path.name.endswith(".0")]
    assert len(again) <= 6  # the two in hand of each lost actor at most, and number 9
