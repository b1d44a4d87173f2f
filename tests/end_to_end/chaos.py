"""Kills random parts of a running job, again and again, and looks at what comes of it.

    python -m tests.end_to_end.chaos --moments 50 --seed 1

A job runs on a cluster of three Ray nodes of this machine. At moments that the seed chooses
(numbers of files that the job has written), something that the seed chooses is killed: the
driver, the process of an actor, or a node with all that runs on it; or the driver is stopped
and another takes over. The command is given again until it ends. Then the tables must be those
of an undisturbed run: the same ids, each once, the same bytes, and counts that add up. Prints
what was killed and what was lost or doubled; the exit code is 1 where anything was.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from augment.api import open_dataset
from augment.policy import VARIABLE
from tests.end_to_end.jobs import job_document, rows_of, write_digits, write_job
from tests.end_to_end.runs import EPOCH, folded, published, records, state
from tests.ray_starts import started
from tests.waiting import wait_until

REPOSITORY = Path(__file__).parents[2]
CLASS = "tests.end_to_end.poison:Poisoned"
CLASSES = ("0", "1", "2")
PARTS = ("driver", "actor", "node", "takeover")
PER_JOB = 5
"""Moments in one job."""
_FILL = 90


@dataclass
class Report:
    """What was done and what was found. wrong: one line for each thing that is not as it
    should be."""

    kills: Counter[str] = field(default_factory=Counter)
    jobs: int = 0
    runs: int = 0
    rows: int = 0
    lost: int = 0
    doubled: int = 0
    changed: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not (self.lost or self.doubled or self.changed or self.wrong)


def document(root: Path, generators: int) -> dict[str, Any]:
    """So many generators whose samples are rejected half of the time, so that each takes rounds;
    some samples are NaN, some raise."""
    own = {
        f"own-{k}": {
            "family": "custom",
            "class_path": CLASS,
            "init_args": {
                "classes": list(CLASSES),
                "orders": str(root / "orders.json"),
                "side": 24,
                "blank": 0.4,
                "name": str(k),
            },
        }
        for k in range(generators)
    }
    each = {"batch_size": 8, "replicas": {"min": 1, "max": 2}, "resources": {"cpus": 0.5}}
    return job_document(
        root,
        generators=own,
        synthesize=[{"generators": list(own), "fill": {"to": _FILL}}],
        max_attempts_per_sample=8,
        output={"uri": str(root / "out"), "shard": {"target_bytes": 65536}},
        execution={"generators": dict.fromkeys(own, each), "workers": 2},
    )


class Cluster:
    """Three Ray nodes on this machine; the first is the head, the others may die."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster as RayCluster

        head = {"num_cpus": 2, "include_dashboard": False}
        self._cluster = started(lambda: RayCluster(initialize_head=True, head_node_args=head))
        self._nodes = [self._another() for _ in range(2)]
        self.address: str = self._cluster.address

    def kill_node(self, which: int) -> None:
        """One node and all that runs on it; another takes its place."""
        node = self._nodes.pop(which % len(self._nodes))
        self._cluster.remove_node(node, allow_graceful=False)
        self._nodes.append(self._another())

    def _another(self) -> Any:
        return started(lambda: self._cluster.add_node(num_cpus=2))

    def actors(self) -> list[int]:
        """Processes of this cluster that run an actor of a pool."""
        session = os.path.basename(self._cluster.head_node.get_session_dir_path())
        return sorted(pid for pid in _processes("ray::", "MapWorker") if _opens(pid, session))

    def shutdown(self) -> None:
        self._cluster.shutdown()


def _processes(start: str, part: str) -> Iterator[int]:
    """Processes whose command line begins so and holds that."""
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit():
                line = (folder / "cmdline").read_bytes().decode(errors="replace")
                if line.startswith(start) and part in line:
                    yield int(folder.name)


def _opens(pid: int, part: str) -> bool:
    """Whether a process has a file open whose path holds `part`."""
    with contextlib.suppress(OSError):
        return any(part in os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir())
    return False


class Run:
    """The command in a process of its own."""

    def __init__(self, root: Path, *more: str) -> None:
        self._root = root
        self._notes = root / f"notes-{time.monotonic_ns()}.txt"
        with self._notes.open("w") as notes:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "augment", "run", "job.yaml", *more],
                cwd=root,
                env=os.environ | EPOCH,
                stdout=notes,
                stderr=notes,
            )

    def ended(self) -> bool:
        return self.process.poll() is not None

    def wait(self) -> int:
        wait_until(self.ended, lambda: (_count(self._root), self.notes()))
        return int(self.process.returncode)

    def notes(self) -> str:
        return self._notes.read_text()


class Chaos:
    """Disturbs jobs in `root` at moments drawn from `seed`."""

    def __init__(self, root: Path, seed: int, generators: int) -> None:
        self._root, self._draw = root, random.Random(seed)
        self._parts: list[str] = []
        self.report = Report()
        orders = {"slow": 0.1, "nan": [["0", 1]], "raise": [["1", 2], ["2", 0]]}
        write_digits(root / "data", {"0": 12, "1": 6, "2": 4})
        (root / "orders.json").write_text(json.dumps(orders))
        write_job(root / "job.yaml", document(root, generators))

    def undisturbed(self) -> None:
        """The run that all others must be equal to; without a cluster it takes a third as long."""
        run = Run(self._root, "--engine", "local")
        if run.wait() != 0:
            raise RuntimeError(f"the undisturbed run failed: {run.notes()}")
        self._state, self._images = state(self._root), _images(self._root)
        self._files = _count(self._root)

    def job(self, cluster: Cluster, moments: int) -> None:
        """One job, disturbed so often, and what came of it."""
        for table in ("out", "pool"):
            shutil.rmtree(self._root / table)
        self.report.jobs += 1
        whens = sorted(self._draw.randrange(1, self._files) for _ in range(moments))
        run = self._start(cluster)
        for when in whens:
            run = self._reach(run, cluster, when)
            run = self._disturb(run, cluster, self._next_part())
            self._look_between()
        while (code := self._finish(run)) == 3:
            run = self._start(cluster)
        if code != 0:
            self.report.wrong.append(f"exit code {code}: {run.notes()[-2000:]}")
            return
        self._compare()

    def _next_part(self) -> str:
        """In a random order, each as often as the others."""
        if not self._parts:
            self._parts = self._draw.sample(PARTS, len(PARTS))
        return self._parts.pop()

    def _start(self, cluster: Cluster, *more: str) -> Run:
        self.report.runs += 1
        return Run(self._root, "--set", f"address={cluster.address}", *more)

    def _finish(self, run: Run) -> int:
        code = run.wait()
        return 3 if code == -signal.SIGKILL else code

    def _reach(self, run: Run, cluster: Cluster, when: int) -> Run:
        """Wait until so many files are there; a run that broke is started again."""
        runs = [run]

        def reached() -> bool:
            if _count(self._root) >= when or runs[-1].process.poll() == 0:
                return True
            if runs[-1].ended():
                runs.append(self._start(cluster))
            return False

        wait_until(reached, lambda: (_count(self._root), len(runs)))
        return runs[-1]

    def _disturb(self, run: Run, cluster: Cluster, part: str) -> Run:
        """Kill something; the run that goes on."""
        if part == "actor" and not (busy := cluster.actors()):
            part = "driver"  # no actor lives at this moment
        self.report.kills[part] += 1
        match part:
            case "driver":
                run.process.kill()
                run.wait()
                return self._start(cluster)
            case "actor":
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._draw.choice(busy), signal.SIGKILL)
                return run
            case "node":
                cluster.kill_node(self._draw.randrange(2))
                return run
            case _:
                run.process.send_signal(signal.SIGSTOP)
                second = self._start(cluster, "--takeover")
                wait_until(lambda: "took over" in second.notes() or second.ended(), second.notes)
                run.process.send_signal(signal.SIGCONT)
                run.wait()
                return second

    def _look_between(self) -> None:
        """Nothing is visible that no version names, whatever was just killed: the table is
        either empty or whole."""
        with contextlib.suppress(Exception):  # no table yet
            rows = open_dataset(str(self._root / "out")).count_rows()
            if rows not in (0, len(self._images)):
                self.report.wrong.append(f"{rows} rows were visible half-way")

    def _compare(self) -> None:
        images = _images(self._root)
        rows = open_dataset(str(self._root / "out")).count_rows()
        self.report.rows += rows
        self.report.lost += len(self._images.keys() - images.keys())
        self.report.doubled += rows - len(images) + len(images.keys() - self._images.keys())
        self.report.changed += sum(
            images[one] != sha256 for one, sha256 in self._images.items() if one in images
        )
        for text in _sums(self._root):
            self.report.wrong.append(text)
        if state(self._root) != self._state:
            self.report.wrong.append("files or log differ from the undisturbed run's")


def _count(root: Path) -> int:
    """Files that a job wrote in units: shards, records, claims."""
    return sum(
        1
        for table in (root / "out", root / "pool")
        for path in table.rglob("*")
        if path.suffix in (".json", ".parquet") and not path.name.startswith((".tmp-", "lease-"))
    )


def _images(root: Path) -> dict[str, str]:
    rows = rows_of(open_dataset(str(root / "out")).to_table(columns=["sample_id", "sha256"]))
    return {row["sample_id"]: row["sha256"] for row in rows}


def _sums(root: Path) -> Iterator[str]:
    """planned = written + quarantined + short in every cell, attempted = accepted + rejected +
    failed of every generator and class, and each index recorded once."""
    [path] = (root / "out" / "_provenance").glob("*/job.json")
    job = json.loads(path.read_text())
    for cell in job["cells"]:
        if cell["planned"] != cell["written"] + cell["quarantined"] + cell["short"]:
            yield f"a cell does not add up: {cell}"
        if cell["short"]:
            yield f"a cell is short: {cell}"
    for account in job["accounts"]:
        made = account["accepted"] + sum(account["rejected"].values()) + account["failed"]
        if account["attempted"] != made:
            yield f"an account does not add up: {account}"
    seen: Counter[tuple[str, str, int]] = Counter()
    for record in records(root / "pool"):
        for label, start, stop in record["ranges"]:
            seen.update(
                (record["entry"]["path"].split("/")[1], label, i) for i in range(start, stop)
            )
    if twice := [point for point, n in seen.items() if n > 1]:
        yield f"{len(twice)} indexes were recorded twice: {twice[:3]}"
    if len(published(root / "pool")) != len(list(records(root / "pool"))):
        yield "shards and records of the pool differ in number"
    yield from _folds(root / "pool")


def _folds(pool: Path) -> Iterator[str]:
    """A pool that is filled has folds, one of each claim, which hold the records as they stand."""
    found = list(folded(pool))
    if not found or len({(universe, claim) for universe, claim, _ in found}) != len(found):
        yield f"{len(found)} folds: none, or several of one claim"
    standing = {record["unit"]: record for record in records(pool)}
    for universe, claim, held in found:
        if any(standing.get(record["unit"]) != record for record in held):
            yield f"the fold of claim {claim} of {universe} is not what the records say"


def chaos(root: Path, moments: int, seed: int, generators: int = 4) -> Report:
    """Disturb jobs at so many moments."""
    (root / "policy.yaml").write_text(f"allow_code: ['{CLASS}']\n")
    os.environ[VARIABLE] = str(root / "policy.yaml")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    found = Chaos(root, seed, generators)
    found.undisturbed()
    cluster = Cluster()
    try:
        for at in range(0, moments, PER_JOB):
            found.job(cluster, min(PER_JOB, moments - at))
            print(f"{found.report}", file=sys.stderr, flush=True)
    finally:
        cluster.shutdown()
    return found.report


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--generators", type=int, default=4)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        report = chaos(Path(root), arguments.moments, arguments.seed, arguments.generators)
    if arguments.json:
        print(json.dumps(vars(report)))
        return 0 if report.ok else 1
    kills = ", ".join(f"{part} {n}" for part, n in sorted(report.kills.items()))
    total = report.kills.total()
    print(f"seed {arguments.seed}: {total} disturbances ({kills}) in {report.jobs} jobs, "
          f"{report.runs} runs, {report.rows} rows")  # fmt: skip
    print(f"lost {report.lost}, doubled {report.doubled}, changed {report.changed}")
    for text in report.wrong:
        print(f"wrong: {text}")
    return 0 if report.ok else 1


if __name__ == "__main__":
    raise SystemExit(main())
