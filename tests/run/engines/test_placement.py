"""Actors pinned to GPUs, packed, grown and let go, shown with GPUs that Ray is only told of."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any

import pytest

from tests.waiting import run

SCRIPT = """
import json, os, sys, tempfile, time
from dataclasses import dataclass
import ray
from augment.run.engines.engine import Resources
from augment.run.engines.ray_engine import RayEngine
from tests.ray_starts import started

quiet = {"include_dashboard": False, "logging_level": "ERROR", "log_to_driver": False}
started(lambda: ray.init("local", num_cpus=8, num_gpus=4, **quiet))

class Looks:
    # its first unit waits until so many workers of its stage have one: then all of them had some,
    # however slow the machine is

    def __init__(self, folder, together):
        self.folder, self.together = folder, together

    def __call__(self, unit):
        begun = time.time()
        open(os.path.join(self.folder, str(os.getpid())), "w").close()
        while len(os.listdir(self.folder)) < self.together:
            time.sleep(0.02)
        device = os.environ.get("CUDA_VISIBLE_DEVICES")
        return json.dumps([unit, os.getpid(), device, begun, time.time()])

@dataclass
class Task:
    folder: str
    together: int

    def worker(self, alone=False):
        return Looks(self.folder, self.together)

engine = RayEngine()

def stage(n, resources, together):
    units = [str(i) for i in range(n)]
    task = Task(tempfile.mkdtemp(dir=sys.argv[1]), together)
    return [json.loads(r) for r in engine.run(task, units, resources)]

found = {"gpus": engine.gpus()}
found["whole"] = stage(16, Resources(4, 0.5, 1.0), 4)
found["halves"] = stage(16, Resources(4, 0.1, 0.5), 4)
found["pairs"] = stage(6, Resources(2, 0.5, 2.0), 2)
found["grows"] = stage(12, Resources(1, 0.5, 1.0, most=4), 3)
found["memory"] = stage(1, Resources(1, 0.5, 1.0, memory=1 << 20), 1)
found["refused"] = engine.infeasible(Resources(5, 0.5, 1.0))
while ray.available_resources().get("GPU") != 4.0:
    time.sleep(0.2)
found["free"] = ray.available_resources().get("GPU")
print(json.dumps(found))
engine.close()
ray.shutdown()
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    done = run([sys.executable, "-c", SCRIPT, str(tmp_path_factory.mktemp("stages"))])
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def devices(rows: list[Any]) -> dict[int, str]:
    """process -> CUDA_VISIBLE_DEVICES."""
    return {pid: device for _, pid, device, _, _ in rows}


def most_at_once(rows: list[Any]) -> int:
    """Units that were carried out at the same time."""
    return max(sum(b <= begun < e for *_, b, e in rows) for *_, begun, _ in rows)


def test_whole_gpus_are_each_one_actors(found: dict[str, Any]) -> None:
    assert found["gpus"] == 4.0
    assert sorted(devices(found["whole"]).values()) == ["0", "1", "2", "3"]


def test_halves_are_packed_two_to_a_gpu(found: dict[str, Any]) -> None:
    """Four of them on two of the four GPUs; the stage starts only because the first let go."""
    assert sorted(Counter(devices(found["halves"]).values()).values()) == [2, 2]


def test_an_actor_of_two_gpus_sees_two_that_no_other_sees(found: dict[str, Any]) -> None:
    held = [device for pair in devices(found["pairs"]).values() for device in pair.split(",")]
    assert sorted(held) == ["0", "1", "2", "3"]


def test_nothing_is_carried_out_on_more_gpus_than_there_are(found: dict[str, Any]) -> None:
    for stage, most in (("whole", 4), ("halves", 8), ("pairs", 2), ("grows", 4)):
        assert most_at_once(found[stage]) <= most
        units = [unit for unit, *_ in found[stage]]
        assert sorted(units, key=int) == [str(i) for i in range(len(units))]


def test_a_pool_grows_while_units_wait(found: dict[str, Any]) -> None:
    """Of one actor, whose first unit ends when two more have come."""
    assert 3 <= len({pid for _, pid, *_ in found["grows"]}) <= 4
    assert len(set(devices(found["grows"]).values())) >= 3


def test_the_gpus_are_free_at_the_end(found: dict[str, Any]) -> None:
    assert found["free"] == 4.0


def test_what_does_not_fit_is_refused_before_it_waits(found: dict[str, Any]) -> None:
    assert found["refused"].startswith("5 actors with 0.5 CPU, 1 GPU each are asked for; the ")
    assert len(found["memory"]) == 1
