"""What `augment status` and `augment pool ls` read of a pool of a plan of 10^9 samples: its
records, or the folds of them. scale.py shows the figures.

The pool is scale_pool.py's: real claims, records and folds, no images, so no table either.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from scale_pool import ROUND_UNITS, WHOLE_UNITS, Pool

from augment.run.synthesis.stock import Stock, read_stock
from augment.run.upkeep.pool import pool_status


def show_listing(units: int, whole: bool) -> dict[str, float]:
    """Print what the two verbs cost with records and with folds of so many units, one run each;
    whole: and with the folds of the whole plan. CPU seconds with folds : with records."""
    with tempfile.TemporaryDirectory() as folder:
        pool = Pool(Path(folder))
        for _ in range(max(1, units // ROUND_UNITS)):
            for unit in pool.units(pool.claim())[:units]:
                pool.write(unit)
        before = {verb: _apart(folder, verb) for verb in ("status", "ls")}
        pool.fold()
        after = {verb: _apart(folder, verb) for verb in before}
        for verb in before:
            print(f"{verb}, {units} units: records {_told(before[verb])}; "
                  f"folds {_told(after[verb])}", flush=True)  # fmt: skip
            assert before[verb]["made"] == after[verb]["made"]
        if whole:
            pool.lengthen(WHOLE_UNITS // ROUND_UNITS - units // ROUND_UNITS)
            for unit in pool.units(pool.claim())[: ROUND_UNITS // 2]:
                pool.write(unit)
            for verb in before:
                print(f"{verb}, {WHOLE_UNITS} units, {ROUND_UNITS // 2} of them in no fold: "
                      f"{_told(_apart(folder, verb))}", flush=True)  # fmt: skip
    print(f"load {os.getloadavg()[0]:.1f}")
    return {f"{verb}_cpu": after[verb]["cpu_s"] / before[verb]["cpu_s"] for verb in before}


def _told(found: Mapping[str, float]) -> str:
    return (
        f"{found['cpu_s']:.2f} CPU s, {found['wall_s']:.1f} s, peak {found['peak_mib']:.0f} MiB "
        f"({found['before_mib']:.0f} before)"
    )


def _apart(folder: str, verb: str) -> dict[str, float]:
    command = [sys.executable, __file__, folder, verb]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def _peak_mib() -> float:
    [line] = [one for one in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in one]
    return int(line.split()[1]) / 1024


def measured(root: Path, verb: str) -> dict[str, float]:
    """Run it in a process of its own."""
    pool = Pool(root)
    before, cpu, begun = _peak_mib(), time.process_time(), time.monotonic()
    if verb == "status":
        stock: Stock = read_stock(pool.prepared.pool, pool.universe[:16], pool.universe)
        made = sum(map(len, stock.made.values()))
    else:
        [universe] = pool_status(pool.prepared.pool.uri).universes
        made = universe.made
    wall, cpu = time.monotonic() - begun, time.process_time() - cpu
    peak = _peak_mib()
    return {"cpu_s": cpu, "wall_s": wall, "made": made, "before_mib": before, "peak_mib": peak}


if __name__ == "__main__":
    print(json.dumps(measured(Path(sys.argv[1]), sys.argv[2])))
