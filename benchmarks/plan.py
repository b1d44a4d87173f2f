"""Planning 10^6, 10^7 and 10^8 samples over 1,000 classes: time and peak memory.

Each size runs in its own process, which plans a long-tailed data set filled up by copies
and two generators, freezes the plan as JSON, walks every pool unit, names the samples of
some units, and streams the manifest (its first 10^7 rows, unless told otherwise). Times are
CPU seconds of that one-threaded process; peak memory is its largest resident set.

    python benchmarks/plan.py [--sizes 1000000 ...] [--stream-rows N] [--json]

What is expected: planning takes the same time whatever the size; the walk over units and
the manifest take time in proportion to it; memory stays flat (10^8 within 1.3 x of 10^6).
--json prints one line instead of the table: `results`, and in `ratios` the last size's figure : the
first's, of peak memory, planning, the walk of a unit and a row of the manifest.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from augment.intervals import Intervals
from augment.plan import (
    CensusFacts,
    GeneratorFacts,
    Plan,
    PoolUnits,
    cut_pool_units,
    make_plan,
    manifest_batches,
    pool_unit_rows,
)
from augment.seeds import class_conditioning, synthetic_ids
from augment.spec import Job
from augment.spec.models import JobSpec

SIZES = (10**6, 10**7, 10**8)
CLASSES = tuple(f"class-{i:04}" for i in range(1000))
MEMORY_RATIO = 1.3
IMAGE_BYTES = 20_000
NAMED_UNITS = 8


def job_of(samples: int) -> tuple[Job, CensusFacts, dict[str, GeneratorFacts]]:
    """A job whose result has `samples` rows: a tenth real, as long a tail as Zipf's."""
    each = samples // len(CLASSES)
    zipf = sum(1 / (i + 1) for i in range(len(CLASSES)))
    real = {
        c: {"photos": min(each // 2, max(1, int(samples / 10 / zipf / (i + 1))))}
        for i, c in enumerate(CLASSES)
    }
    spec = JobSpec.model_validate(
        {
            "version": 1,
            "name": "bench",
            "seed": 7,
            "sources": {
                "photos": {"format": "imagefolder", "uri": "x", "splits": {"train": "train"}}
            },
            "generators": {
                name: {"family": "palette", "classes": list(CLASSES)} for name in ("one", "two")
            },
            "augmentations": [{"name": "flip", "copies": 1, "ops": ["HorizontalFlip"]}],
            "synthesize": [
                {"generators": {"one": 0.7, "two": 0.3}, "fill": {"to": each - each // 10}},
                {"generators": ["two"], "fill": {"to": each}},
            ],
            "output": {"uri": "out"},
        }
    )
    facts = {
        name: GeneratorFacts(name, name * 21, name * 21, "palette", CLASSES, IMAGE_BYTES, "s")
        for name in ("one", "two")
    }
    return Job(spec, "", ""), CensusFacts(CLASSES, {"train": real}, float(IMAGE_BYTES)), facts


def measure(samples: int, stream_rows: int) -> dict[str, float]:
    """CPU seconds and counts of each stage; run it in a process of its own."""
    job, census, facts = job_of(samples)
    out: dict[str, float] = {"samples": samples, "imports_mib": _peak_mib()}
    begun = time.process_time()
    plan = make_plan(job, census, facts, "0" * 64)
    out["plan_s"] = time.process_time() - begun
    text = json.dumps(plan.to_json())
    if Plan.from_json(json.loads(text)) != plan or plan.rows() != samples:
        raise AssertionError("the plan is not what was asked for")
    out["plan_json_mib"] = len(text) / 2**20
    del text
    out["planned_mib"] = _peak_mib()
    out |= _walk(plan)
    out["walked_mib"] = _peak_mib()
    out |= _stream(plan, stream_rows)
    out["peak_mib"] = _peak_mib()
    return out


def _walk(plan: Plan) -> dict[str, float]:
    """Every pool unit's ranges, and the ids of all samples of a few units."""
    drawn, units, named = 0, 0, 0
    begun = time.process_time()
    cuts = [_cut(plan, g.name) for g in plan.generators]
    for cut in cuts:
        units += len(cut)
        drawn += sum(unit.rows for unit in cut)
    walked = time.process_time() - begun
    if drawn != sum(d.n for d in plan.draws):
        raise AssertionError("units do not cover the draws")
    begun = time.process_time()
    first = plan.generators[0]
    for unit in cuts[0][:NAMED_UNITS]:
        for label, index in unit.samples():
            same = (plan.seed, first.identity, first.sampling_digest, class_conditioning(label))
            named += sum(1 for _ in synthetic_ids(*same, [index]))
    return {
        "drawn": drawn,
        "units": units,
        "walk_s": walked,
        "ids_us": (time.process_time() - begun) / named * 1e6,
    }


def _cut(plan: Plan, generator: str) -> PoolUnits:
    needs = {d.label_name: Intervals([(0, d.n)]) for d in plan.draws if d.generator == generator}
    rows = pool_unit_rows(plan.generator(generator).image_bytes)
    return cut_pool_units(plan.generator(generator).universe, generator, needs, rows)


def _stream(plan: Plan, most: int) -> dict[str, float]:
    """Manifest rows, all of them or the first `most`."""
    rows, begun = 0, time.process_time()
    for batch in manifest_batches(plan):
        rows += batch.num_rows
        if rows >= most:
            break
    return {"streamed": rows, "stream_s": time.process_time() - begun}


def _peak_mib() -> float:
    """Peak resident set of this process, MiB (Linux counts KiB, macOS bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _in_own_process(samples: int, stream_rows: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", str(samples)]
    command += ["--stream-rows", str(stream_rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{samples} samples: {done.stderr}")
    result: dict[str, float] = json.loads(done.stdout)
    return result


def _ratios(results: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The last size's figure : the first's."""
    first, last = results[0], results[-1]
    units, rows = last["units"] / first["units"], last["streamed"] / first["streamed"]
    return {
        "peak": last["peak_mib"] / first["peak_mib"],
        "plan": last["plan_s"] / first["plan_s"],
        "walk_of_a_unit": last["walk_s"] / first["walk_s"] / units,
        "manifest_row": last["stream_s"] / first["stream_s"] / rows,
    }


def _print(results: Sequence[Mapping[str, float]]) -> bool:
    """The table and the ratios; whether memory stayed flat."""
    head = ("samples", "plan s", "JSON MiB", "units", "walk s", "us/unit", "us/id",
            "streamed", "stream s", "us/row", "peak MiB")  # fmt: skip
    rows = [
        (
            f"{r['samples']:,.0f}",
            f"{r['plan_s']:.3f}",
            f"{r['plan_json_mib']:.2f}",
            f"{r['units']:,.0f}",
            f"{r['walk_s']:.2f}",
            f"{r['walk_s'] / r['units'] * 1e6:.0f}",
            f"{r['ids_us']:.2f}",
            f"{r['streamed']:,.0f} of {r['drawn']:,.0f}",
            f"{r['stream_s']:.2f}",
            f"{r['stream_s'] / r['streamed'] * 1e6:.2f}",
            f"{r['peak_mib']:.0f} ({r['imports_mib']:.0f} imports)",
        )
        for r in results
    ]
    widths = [max(len(line[i]) for line in (head, *rows)) for i in range(len(head))]
    for line in (head, *rows):
        print("  ".join(cell.rjust(w) for cell, w in zip(line, widths, strict=True)))
    first, last = results[0], results[-1]
    ratios = _ratios(results)
    flat = ratios["peak"] <= MEMORY_RATIO
    print(f"\n{last['samples'] / first['samples']:g} x the samples:")
    print(f"  plan time x {ratios['plan']:.2f} (constant: work per class)")
    print(f"  walk time x {last['walk_s'] / first['walk_s']:.0f} (linear: work per unit)")
    print(f"  stream time per row x {ratios['manifest_row']:.2f} (linear: work per row)")
    verdict = "flat" if flat else "NOT flat"
    print(f"  peak memory x {ratios['peak']:.2f}, at most {MEMORY_RATIO} asked: {verdict}")
    return flat


def main() -> int:
    """0: memory is flat. 1: it is not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--stream-rows", type=int, default=10**7, help="manifest rows at most")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    asked: Any = parser.parse_args()
    if asked.measure:
        print(json.dumps(measure(asked.measure, asked.stream_rows)))
        return 0
    results = [_in_own_process(size, asked.stream_rows) for size in asked.sizes]
    if asked.json:
        print(json.dumps({"results": results, "ratios": _ratios(results)}))
        return 0
    return 0 if _print(results) else 1


if __name__ == "__main__":
    sys.exit(main())
