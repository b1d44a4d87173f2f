"""How fast the mix stage is, against other ways of doing the same work on two processes.

    python benchmarks/mix.py [--images 16000] [--rounds 7] [--only bare augment ...]

Every round runs every peer once on a few images (its start-up) and once on all, one after
another in a changing order. Steady rate = the images more / the seconds more. CPU =
user + system of the peer and every process it started, daemons too. Ratios are taken
within a round against `bare`; reported are their median and an interval of order
statistics. Prints a table; --json prints the numbers as one line below it, --json FILE writes
them; their `ratios` are the medians, named PEER_wall, PEER_cpu (null: too few images) and
PEER_whole: of the whole job's seconds, start-up included.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import mix_peers

TINY = 64
_PRINTED = Path("-")
_PR_SET_CHILD_SUBREAPER = 36
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Run:
    """One run of one peer. seconds: wall and CPU of the whole process tree."""

    images: int
    wall: float
    cpu: float
    phases: dict[str, float]


@dataclass(frozen=True)
class Round:
    """A peer in one round: on a few images and on all."""

    start: Run
    full: Run

    @property
    def rate(self) -> float:
        """Images a second, start-up apart; NaN where start-up took as long as all of it."""
        seconds = self.full.wall - self.start.wall
        return (self.full.images - self.start.images) / seconds if seconds > 0 else math.nan

    @property
    def cpu_per_image(self) -> float:
        """CPU seconds an image, start-up apart."""
        return (self.full.cpu - self.start.cpu) / (self.full.images - self.start.images)


# ---- CPU of a process tree -----------------------------------------------------------


class TreeClock:
    """CPU seconds of every descendant of this process, by looking at /proc now and then.

    What children leave behind comes to us (we are their subreaper), so Ray's daemons are
    counted, though they never report to the process that started them: that is why
    `getrusage(RUSAGE_CHILDREN)` alone is too little. A process's last tenths of a second
    may be missed; so the larger of both counts is taken.
    """

    def __init__(self, every: float = 0.25) -> None:
        self._every, self._seen = every, dict[tuple[int, int], float]()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> TreeClock:
        self._before = _children_cpu()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def cpu(self) -> float:
        return max(sum(self._seen.values()), _children_cpu() - self._before)

    def _watch(self) -> None:
        while not self._stop.wait(self._every):
            self._look()

    def _look(self) -> None:
        parents: dict[int, int] = {}
        times: dict[int, tuple[int, float]] = {}
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                text = Path(f"/proc/{entry}/stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended between the listing and the reading
            fields = text.rpartition(")")[2].split()
            parents[int(entry)] = int(fields[1])
            spent = (int(fields[11]) + int(fields[12])) / _TICK
            times[int(entry)] = (int(fields[19]), spent)
        for pid in _descendants(os.getpid(), parents):
            begun, spent = times[pid]
            self._seen[pid, begun] = spent


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _descendants(root: int, parents: dict[int, int]) -> list[int]:
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    found: list[int] = []
    todo = list(children.get(root, ()))
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, ())
    return found


def _become_subreaper() -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def _reap_all(patience: float = 30.0) -> None:
    """Wait for what the peer left behind, so that its CPU counts and the next has the machine."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            time.sleep(0.05)
    raise SystemExit("a peer left processes running; expected it to end what it started")


# ---- running -------------------------------------------------------------------------


def run_peer(name: str, home: Path, images: int) -> Run:
    """One run in a process of its own; checks that all the work was done."""
    with tempfile.TemporaryDirectory(prefix="augment-mix-out-") as scratch:
        out = Path(scratch) / "out"
        script = str(Path(mix_peers.__file__).resolve())
        command = [sys.executable, script, name, str(home), str(out), str(images)]
        begun = time.perf_counter()
        with TreeClock() as clock:
            done = subprocess.run(command, capture_output=True, text=True)
            wall = time.perf_counter() - begun
            if done.returncode == 0:
                _reap_all()
        if done.returncode:
            raise SystemExit(f"{name} left with {done.returncode}:\n{done.stderr[-4000:]}")
        check_rows(name, out, images)
    return Run(images, wall, clock.cpu, json.loads(done.stdout.splitlines()[-1]))


def check_rows(name: str, out: Path, images: int) -> None:
    """Every image's original bytes and one new image stand in Parquet."""
    import pyarrow.parquet as pq

    beside = {"_work", "_provenance", "_delta_log"}
    found = [p for p in out.rglob("*.parquet") if not beside & set(p.parts)]
    rows = sum(pq.read_metadata(path).num_rows for path in found)
    expected = 2 * images if name.startswith("augment") else images
    if rows != expected:
        raise SystemExit(f"{name} wrote {rows} rows in {len(found)} files; expected {expected}")


def run_rounds(
    names: Sequence[str], home: Path, images: int, rounds: int
) -> dict[str, list[Round]]:
    results: dict[str, list[Round]] = {name: [] for name in names}
    for number in range(rounds):
        turn = number % len(names)
        for name in [*names[turn:], *names[:turn]]:
            done = Round(run_peer(name, home, TINY), run_peer(name, home, images))
            results[name].append(done)
            print(
                f"round {number + 1}/{rounds} {name:13} {done.full.wall:7.1f} s wall, "
                f"start-up {done.start.wall:5.1f} s, {done.rate:6.0f} images/s, "
                f"{1e3 * done.cpu_per_image:5.2f} ms CPU/image, phases {done.full.phases}",
                flush=True,
            )
    return results


# ---- reporting -----------------------------------------------------------------------


def median_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """(low, high, coverage): the narrowest pair of order statistics that holds the median
    with at least 95 % where there are enough values (6), else the whole range."""
    ordered, n = sorted(values), len(values)
    best = 0
    for k in range(n // 2):
        if 1 - 2 * _binomial_at_most(k, n) >= 0.95:
            best = k
    return ordered[best], ordered[-1 - best], max(0.0, 1 - 2 * _binomial_at_most(best, n))


def _binomial_at_most(k: int, n: int) -> float:
    return sum(math.comb(n, i) for i in range(k + 1)) / float(2**n)


def report(results: dict[str, list[Round]]) -> list[dict[str, object]]:
    base = results.get("bare")
    table: list[dict[str, object]] = []
    for name, rounds in results.items():
        line: dict[str, object] = {
            "peer": name,
            "images_per_s": _median([r.rate for r in rounds], 1),
            "cpu_ms_per_image": _median([1e3 * r.cpu_per_image for r in rounds], 3),
            "startup_s": round(statistics.median(r.start.wall for r in rounds), 1),
            "startup_cpu_s": round(statistics.median(r.start.cpu for r in rounds), 1),
        }
        if base:
            speed = [r.rate / b.rate for r, b in zip(rounds, base, strict=True)]
            work = [b.cpu_per_image / r.cpu_per_image for r, b in zip(rounds, base, strict=True)]
            whole = [b.full.wall / r.full.wall for r, b in zip(rounds, base, strict=True)]
            line |= _ratio("wall", speed) | _ratio("cpu", work) | _ratio("whole", whole)
        table.append(line)
    return table


def _median(values: Sequence[float], digits: int) -> float | None:
    """None where a value is missing: too few images to tell the work from the start-up."""
    return None if any(map(math.isnan, values)) else round(statistics.median(values), digits)


def _ratio(kind: str, values: Sequence[float]) -> dict[str, object]:
    if (middle := _median(values, 3)) is None:
        return {f"{kind}_ratio": None, f"{kind}_interval": None}
    low, high, coverage = median_interval(values)
    return {
        f"{kind}_ratio": middle,
        f"{kind}_interval": [round(low, 3), round(high, 3)],
        "coverage": round(coverage, 3),
    }


def ratios_of(table: Sequence[dict[str, object]]) -> dict[str, object]:
    """The medians of `report`, by the names that the module gives them."""
    return {
        f"{line['peer']}_{kind}": line[f"{kind}_ratio"]
        for line in table
        for kind in ("wall", "cpu", "whole")
        if f"{kind}_ratio" in line
    }


def print_table(table: Sequence[dict[str, object]], images: int, rounds: int) -> None:
    print(
        f"\n{images} images, {rounds} rounds, ratios against `bare` of the same round (1 = equal)"
    )
    print(
        f"{'peer':14}{'images/s':>9}{'CPU ms':>8}{'start s':>8}{'CPU s':>7}  wall / CPU / whole job"
    )
    for line in table:
        ratios = ""
        if "wall_ratio" in line:
            ratios = (
                f"{line['wall_ratio']} {line['wall_interval']} / "
                f"{line['cpu_ratio']} {line['cpu_interval']} / "
                f"{line['whole_ratio']} {line['whole_interval']}"
            )
        print(
            f"{line['peer']:14}{line['images_per_s'] or '?':>9}{line['cpu_ms_per_image'] or '?':>8}"
            f"{line['startup_s']:>8}{line['startup_cpu_s']:>7}  {ratios}"
        )
    if table and "coverage" in table[0]:
        print(f"intervals hold the median with {100 * float(str(table[0]['coverage'])):.1f} %")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=int, default=16_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", nargs="+", choices=tuple(mix_peers.PEERS), metavar="PEER")
    parser.add_argument("--json", type=Path, nargs="?", const=_PRINTED, metavar="FILE")
    args = parser.parse_args()
    if args.images <= TINY or args.rounds < 1:
        parser.error(f"--images must exceed {TINY}, --rounds be at least 1")
    names = args.only or [name for name in mix_peers.PEERS if name != "augment-local"]
    _become_subreaper()
    home = mix_peers.workload(args.images)
    for images in (TINY, args.images):
        mix_peers.linked(home, images)  # before any clock runs
    results = run_rounds(names, home, args.images, args.rounds)
    table = report(results)
    print_table(table, args.images, args.rounds)
    if args.json:
        runs = {name: [asdict(r) for r in rounds] for name, rounds in results.items()}
        document = {"table": table, "runs": runs, "ratios": ratios_of(table)}
        if args.json == _PRINTED:
            print(json.dumps(document))
        else:
            args.json.write_text(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
