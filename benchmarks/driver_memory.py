"""Does the driver of a run need more memory when there are more samples? It must not.

    python benchmarks/driver_memory.py --samples 2000 20000 60000

Each size runs `augment run` with a generator without weights (palette, 8 px) on an embedded Ray,
in a process of its own. Measured is the peak resident memory of the driver alone: workers hold
one unit each, the object store holds unit names. Prints a table and the ratio of the largest to
the smallest; --json adds one line of JSON, with that ratio as `ratios.peak`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

_RUN = """
import json, resource, sys
from augment.api import load_spec, run
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
result = run(load_spec(sys.argv[1]), engine=sys.argv[2])
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
written = sum(c.written for c in result.cells)
print(json.dumps({"before": before, "after": after, "written": written}))
"""


def job(folder: Path, samples: int, classes: int) -> Path:
    """One real image a class, filled up to `samples` rows in all."""
    names = [f"c{i:03d}" for i in range(classes)]
    for i, name in enumerate(names):
        target = folder / "data" / "train" / name
        target.mkdir(parents=True)
        ramp = np.add.outer(np.arange(8), np.arange(8)) * 16 + i
        Image.fromarray(ramp.astype(np.uint8)).save(target / "0.png")
    document = {
        "version": 1,
        "name": "memory",
        "seed": 1,
        "sources": {"real": {"format": "imagefolder", "uri": str(folder / "data"),
                             "splits": {"train": "train"}}},
        "generators": {"fake": {"family": "palette", "classes": names, "size": 8}},
        "synthesize": [{"generators": ["fake"], "fill": {"to": samples // classes}}],
        "filters": [{"degenerate": {}}],
        "pool": str(folder / "pool"),
        "output": {"uri": str(folder / "out"), "shard": {"target_bytes": 1 << 20}},
    }  # fmt: skip
    path = folder / "job.json"
    path.write_text(json.dumps(document))
    return path


def measure(samples: int, classes: int, engine: str) -> dict[str, float]:
    """Peak resident MiB of the driver after imports and after the run, and rows written."""
    with tempfile.TemporaryDirectory() as name:
        path = job(Path(name), samples, classes)
        command = [sys.executable, "-c", _RUN, str(path), engine]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr[-3000:])
        found = json.loads(done.stdout.splitlines()[-1])
    return {
        "before": found["before"] / 1024,
        "after": found["after"] / 1024,
        "written": found["written"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, nargs="+", default=[2000, 20000, 60000])
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--engine", choices=("ray", "local"), default="ray")
    parser.add_argument("--json", action="store_true", help="add the figures as one line of JSON")
    arguments = parser.parse_args()
    print(f"engine {arguments.engine}, {arguments.classes} classes")
    print(f"{'rows written':>12}  {'driver after imports MiB':>24}  {'driver peak MiB':>15}")
    sizes = []
    for samples in arguments.samples:
        found = measure(samples, arguments.classes, arguments.engine)
        sizes.append(found)
        print(f"{found['written']:>12.0f}  {found['before']:>24.0f}  {found['after']:>15.0f}")
    ratio = sizes[-1]["after"] / sizes[0]["after"]
    print(f"largest / smallest: {ratio:.3f}")
    if arguments.json:
        print(json.dumps({"sizes": sizes, "ratios": {"peak": ratio}}))


if __name__ == "__main__":
    main()
