"""From the command to the first finished unit, against Ray alone.

    python benchmarks/startup.py --rounds 5

bare: a new Python that starts Ray with the same arguments, imports in the driver and in one
actor what `augment run` imports there, and gets one trivial result back. augment: `augment run`
of a small job, until its first unit is recorded. Each in a process of its own, in turn; the
median of the paired ratios is printed (goal: at most 1.3), and where the seconds of one
`augment run` go, by its own timeline. --json adds the figures as one line of JSON, the medians by
the job's name in `ratios`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

BARE = """
import os, sys
import augment.cli, augment.cli.show.session, augment.api, augment.run
import augment.run.engines.ray_engine
import augment.run.pipeline, augment.audit, rich.progress
{driver}
import ray
from augment.run.engines.ray_engine import _quiet
quiet = dict(include_dashboard=False, logging_level="ERROR", log_to_driver=False)
ray.init("local", num_cpus=os.cpu_count() + 2, **quiet)
_quiet()

@ray.remote(num_cpus=1)
class Actor:
    def __init__(self):
        import augment.run.synthesis.pool_unit, augment.run.mixing.mix_unit
        import augment.run.engines.engine
        {worker}

    def one(self):
        return 1

actor = Actor.remote()
assert ray.get(actor.one.remote()) == 1
print("first", flush=True)
ray.shutdown()
"""
CHECKPOINT = Path(__file__).parents[1] / "examples" / "digits" / "checkpoint"
JOBS: dict[str, tuple[dict[str, object], str]] = {
    "palette": ({"family": "palette", "classes": ["0", "1"], "size": 32}, "pass"),
    "vae": ({"family": "vae", "checkpoint": str(CHECKPOINT)}, "import torch"),
}


def job(folder: Path, generator: dict[str, object]) -> Path:
    rng = np.random.default_rng(0)
    for label in ("0", "1"):
        target = folder / "data" / "train" / label
        target.mkdir(parents=True)
        for i in range(8):
            pixels = rng.integers(0, 256, (32, 32), dtype=np.uint8)
            Image.fromarray(pixels).save(target / f"{i}.png")
    document = {
        "version": 1,
        "name": "startup",
        "seed": 1,
        "sources": {"s": {"format": "imagefolder", "uri": "data", "splits": {"train": "train"}}},
        "generators": {"g": generator},
        "synthesize": [{"generators": ["g"], "fill": {"to": 64}}],
        "output": {"uri": "out"},
    }
    path = folder / "job.json"
    path.write_text(json.dumps(document))
    return path


def bare(driver: str, worker: str) -> float:
    begun = time.monotonic()
    script = BARE.format(driver=driver, worker=worker)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert "first" in process.stdout.readline()
    took = time.monotonic() - begun
    process.wait()
    return took


def augment(generator: dict[str, object]) -> tuple[float, dict[str, float]]:
    """Seconds to the first record, and of each stage."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = job(folder, generator)
        command = [sys.executable, "-m", "augment", "run", str(path), "--engine", "ray"]
        command += ["--profile", "profile.json"]
        begun = time.monotonic()
        process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while not list(folder.glob("pool/_work/*/units/*.json")):
            assert process.poll() is None, "the run ended without a unit"
            time.sleep(0.01)
        took = time.monotonic() - begun
        process.wait()
        return took, stages(folder / "profile.json")


def stages(path: Path) -> dict[str, float]:
    """Seconds of every stage of a timeline."""
    if not path.exists():
        return {}
    events = json.loads(path.read_text())["traceEvents"]
    found = [e for e in events if e.get("ph") == "X" and e.get("cat") == "stage"]
    return {e["name"]: e["dur"] / 1e6 for e in found}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--job", choices=JOBS, nargs="*", default=[*JOBS])
    parser.add_argument("--json", action="store_true", help="add the figures as one line of JSON")
    arguments = parser.parse_args()
    seconds_of, ratios_of = dict[str, list[tuple[float, float]]](), dict[str, float]()
    for name in arguments.job:
        generator, worker = JOBS[name]
        pairs, spent = [], dict[str, float]()
        for number in range(arguments.rounds + 1):  # the first fills the disk's cache
            one = bare("pass", worker)
            other, spent = augment(generator)
            if number:
                pairs.append((one, other))
        ratios = [other / one for one, other in pairs]
        seconds_of[name], ratios_of[name] = pairs, statistics.median(ratios)
        least, most = (statistics.median(column) for column in zip(*pairs, strict=True))
        spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
        print(f"{name}: bare {least:.2f} s, augment {most:.2f} s, "
              f"ratio {ratios_of[name]:.3f} ({spread})")  # fmt: skip
        for stage, seconds in spent.items():
            print(f"  {stage:30} {seconds:6.2f} s")
    if arguments.json:
        print(json.dumps({"seconds": seconds_of, "ratios": ratios_of}))


if __name__ == "__main__":
    main()
