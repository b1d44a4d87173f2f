"""Actors pinned to GPUs, shown with GPUs that Ray is only told of."""

from __future__ import annotations

import json
import subprocess
import sys

SCRIPT = """
import json, os, time
from dataclasses import dataclass
import ray
from augment.run.engine import Resources
from augment.run.ray_engine import RayEngine

quiet = {"include_dashboard": False, "logging_level": "ERROR", "log_to_driver": False}
ray.init(address="local", num_cpus=4, num_gpus=2, **quiet)

class Looks:
    def __call__(self, unit):
        time.sleep(0.3)  # long enough that both actors get units
        return json.dumps([unit, os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES")])

@dataclass
class Task:
    def worker(self):
        return Looks()

engine = RayEngine()
units = [str(i) for i in range(8)]
whole = [json.loads(r) for r in engine.run(Task(), units, Resources(2, 0.5, 1.0))]
halves = [json.loads(r) for r in engine.run(Task(), units, Resources(2, 0.5, 0.5))]
print(json.dumps({"gpus": engine.gpus(), "whole": whole, "halves": halves}))
engine.close()
ray.shutdown()
"""


def test_actors_have_gpus_of_their_own_and_release_them() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["gpus"] == 2.0
    for stage in ("whole", "halves"):  # the second stage starts only if the first let go
        assert sorted(unit for unit, _, _ in found[stage]) == [str(i) for i in range(8)]
    device_of = {pid: device for _, pid, device in found["whole"]}
    assert sorted(device_of.values()) == ["0", "1"]
    assert {device for _, _, device in found["halves"]} <= {"0", "1"}
