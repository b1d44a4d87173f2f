"""Composition of a billion rows by their log alone, against reading the log and its counts.

    python benchmarks/audit_log.py [--shards 100000] [--rows 10000] [--classes 10] [--rounds 3]
                                   [--json]

A data set is committed whose shards are files of one byte: --shards of them of --rows rows each,
half real and half generated, of every class in every shard. Then, in turn:

    bare     deltalake opens the log and lists its files, pyarrow reads the counts cube, and nothing
             else
    audit    augment.api.audit_log: composition of every split and class, one limit a class, the
             rows of each shard against the log

Least wall seconds of the rounds, and the most memory this process held. --json prints one line;
`ratios` has `log`: bare seconds : audit seconds.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from augment.api import audit_log
from augment.sample import COUNTS_SCHEMA, SAMPLE_SCHEMA
from augment.spec.models import Limits
from augment.storage import Folder
from augment.write import Commit, ShardEntry, commit_once, ensure_table, write_counts, write_job

JOB = "billion-0123456789ab"


def made(root: Path, shards: int, rows: int, classes: int) -> str:
    """The data set."""
    names = [f"class-{n}" for n in range(classes)]
    paths = [f"data/train/{JOB}/train-{n:07}-{n:012x}.parquet" for n in range(shards)]
    (root / "data/train" / JOB).mkdir(parents=True)
    for path in paths:
        (root / path).write_bytes(b"\0")
    folder = Folder(str(root))
    table = ensure_table(folder, SAMPLE_SCHEMA, names)
    each = rows // (2 * classes)
    cells = [(name, *kind) for name in names for kind in (("real", None), ("synthetic", "a" * 64))]
    n = len(cells)
    cube = pa.table(
        {
            "shard": pa.array(paths).take(pa.array([i // n for i in range(shards * n)])),
            "label_name": [cell[0] for cell in cells] * shards,
            "split": ["train"] * (shards * n),
            "origin": [cell[1] for cell in cells] * shards,
            "generator": pa.array([cell[2] for cell in cells] * shards, pa.string()),
            "n": [each] * (shards * n),
        }
    )
    write_counts(folder, JOB, cube.select(COUNTS_SCHEMA.names))
    write_job(folder, JOB, {"job_id": JOB, "digest": "b" * 64, "name": "billion", "classes": names})
    entries = [ShardEntry(path, 1, "c" * 64, each * n, (each * n,)) for path in paths]
    commit_once(folder, table, Commit("b" * 64, 1, entries), lambda table: None)
    return str(root)


def bare(uri: str) -> int:
    files = pa.table(DeltaTable(uri).get_add_actions(flatten=True)).num_rows
    lines = sum(pq.read_table(path).num_rows for path in Path(uri).glob("_provenance/*/counts-*"))
    return files if lines else 0


def measure(uri: str, shards: int, rows: int, rounds: int) -> dict[str, float]:
    """Least seconds of each way."""
    limits = Limits.model_validate({"synthetic_share": {"max": 0.5}})

    def audited() -> int:
        report = audit_log(uri, limits=limits)
        if report.whole.rows != rows or not report.ok:
            raise AssertionError(f"{report.whole.rows} of {rows} rows, {report.verdict}")
        return report.shards

    ways: dict[str, Callable[[], int]] = {"bare": lambda: bare(uri), "audit": audited}
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            begun = time.perf_counter()
            if (found := way()) != shards:
                raise AssertionError(f"{name} found {found} of {shards} shards")
            times.setdefault(name, []).append(time.perf_counter() - begun)
    return {name: min(each) for name, each in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--shards", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    rows = asked.rows // (2 * asked.classes) * 2 * asked.classes * asked.shards
    with tempfile.TemporaryDirectory() as folder:
        uri = made(Path(folder), asked.shards, asked.rows, asked.classes)
        found = measure(uri, asked.shards, rows, asked.rounds)
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    ratios = {"log": found["bare"] / found["audit"]}
    if asked.json:
        print(json.dumps({**found, "mib": mib, "ratios": ratios}))
        return
    print(f"{rows} rows in {asked.shards} shards, {2 * asked.classes} cells each")
    for name, seconds in found.items():
        print(f"{name:<6} {seconds:7.2f} s")
    print(f"log: {ratios['log']:.2f} of the speed of reading alone; {mib:.0f} MiB at most")


if __name__ == "__main__":
    main()
