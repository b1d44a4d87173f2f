"""Actors pinned to GPUs, packed, grown and let go, shown with GPUs that Ray is only told of."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

SCRIPT = """
import json, os, time
from dataclasses import dataclass
import ray
from augment.run.engine import Resources
from augment.run.ray_engine import RayEngine

quiet = {"include_dashboard": False, "logging_level": "ERROR", "log_to_driver": False}
ray.init("local", num_cpus=8, num_gpus=4, **quiet)

class Looks:
    def __init__(self, seconds):
        self.seconds = seconds

    def __call__(self, unit):
        begun = time.time()
        time.sleep(self.seconds)
        device = os.environ.get("CUDA_VISIBLE_DEVICES")
        return json.dumps([unit, os.getpid(), device, begun, time.time()])

@dataclass
class Task:
    seconds: float = 0.3  # long enough that all actors get units

    def worker(self, alone=False):
        return Looks(self.seconds)

engine = RayEngine()

def stage(n, resources, seconds=0.3):
    units = [str(i) for i in range(n)]
    return [json.loads(r) for r in engine.run(Task(seconds), units, resources)]

found = {"gpus": engine.gpus()}
found["whole"] = stage(16, Resources(4, 0.5, 1.0))
found["halves"] = stage(24, Resources(8, 0.1, 0.5))
found["pairs"] = stage(6, Resources(2, 0.5, 2.0))
found["grows"] = stage(30, Resources(1, 0.5, 1.0, most=4), 0.5)
found["memory"] = stage(1, Resources(1, 0.5, 1.0, memory=1 << 20))
found["refused"] = engine.infeasible(Resources(5, 0.5, 1.0))
deadline = time.time() + 60
while ray.available_resources().get("GPU") != 4.0 and time.time() < deadline:
    time.sleep(0.2)
found["free"] = ray.available_resources().get("GPU")
print(json.dumps(found))
engine.close()
ray.shutdown()
"""


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=500, check=False
    )
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
    """The second stage starts only because the first let go of its GPUs."""
    held = Counter(devices(found["halves"]).values())
    assert held.keys() <= {"0", "1", "2", "3"}
    assert held.total() > 4  # more actors than GPUs: some share one
    assert max(held.values()) == 2


def test_an_actor_of_two_gpus_sees_two_that_no_other_sees(found: dict[str, Any]) -> None:
    held = [device for pair in devices(found["pairs"]).values() for device in pair.split(",")]
    assert sorted(held) == ["0", "1", "2", "3"]


def test_nothing_is_carried_out_on_more_gpus_than_there_are(found: dict[str, Any]) -> None:
    for stage, most in (("whole", 4), ("halves", 8), ("pairs", 2), ("grows", 4)):
        assert most_at_once(found[stage]) <= most
        units = [unit for unit, *_ in found[stage]]
        assert sorted(units, key=int) == [str(i) for i in range(len(units))]


def test_a_pool_grows_while_units_wait(found: dict[str, Any]) -> None:
    first = min(found["grows"], key=lambda row: row[3])
    alone = [row for row in found["grows"] if row[3] < first[4]]
    assert len({pid for _, pid, *_ in found["grows"]}) >= 3
    assert len({pid for _, pid, *_ in alone}) < 4
    assert len(set(devices(found["grows"]).values())) >= 3


def test_the_gpus_are_free_at_the_end(found: dict[str, Any]) -> None:
    assert found["free"] == 4.0


def test_what_does_not_fit_is_refused_before_it_waits(found: dict[str, Any]) -> None:
    assert found["refused"].startswith("5 actors with 0.5 CPU, 1 GPU each are asked for; the ")
    assert len(found["memory"]) == 1
