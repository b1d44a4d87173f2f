"""Runs in processes of their own, and the state of tables that two runs must agree on."""

from __future__ import annotations

import atexit
import hashlib
import importlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from augment.api import open_dataset
from augment.cli import main
from augment.storage import Folder
from augment.write import Folds, live_files, newest_version
from tests.end_to_end.jobs import fingerprint, rows_of
from tests.waiting import cpu_of, wait_until

EPOCH = {"SOURCE_DATE_EPOCH": "1760000000"}


@dataclass(frozen=True)
class Done:
    """How a driver's process ended, and what it printed."""

    code: int
    out: str
    notes: str

    @property
    def events(self) -> list[str]:
        return list(json.loads(self.out.splitlines()[0]))

    @property
    def result(self) -> dict[str, Any]:
        assert self.code == 0, self.notes
        return dict(json.loads(self.out.splitlines()[1]))


class Copy:
    """A copy of a process that has imported the package: that takes longer than most runs."""

    def __init__(
        self, cwd: Path, texts: Path, env: Mapping[str, str], work: str, arguments: Sequence[str]
    ) -> None:
        """texts: a folder for what it prints. work: PACKAGE.MODULE:FUNCTION, which is given the
        arguments in the copy; what it returns is the exit code."""
        name = os.urandom(4).hex()
        self._out, self._notes = (texts / f"{kind}-{name}.txt" for kind in ("out", "notes"))
        self._out.touch()
        self._notes.touch()
        given = (dict(env), cwd, self._out, self._notes, work, tuple(arguments))
        self._process = _COPIES.Process(target=_copied, args=given)
        self._process.start()
        atexit.register(self._process.kill)  # a test that fails leaves nothing that was stopped

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def signal(self, number: int) -> None:
        """Sends it to the copy, which runs."""
        os.kill(self.pid, number)

    def notes(self) -> str:
        return self._notes.read_text()

    def end(self) -> Done:
        try:
            wait_until(lambda: not self._process.is_alive(), lambda: cpu_of(self.pid))
        finally:
            self._process.kill()
        assert self._process.exitcode is not None
        return Done(self._process.exitcode, self._out.read_text(), self.notes())


class Driver(Copy):
    """One run of a job in its own process; `moment` and `number` as driver.py says."""

    def __init__(self, job: Path, moment: str = "", number: int = 0) -> None:
        arguments = (str(job), moment, str(number))
        work, root = "tests.end_to_end.driver:main", job.parent
        super().__init__(root, root, os.environ | EPOCH, work, arguments)


_COPIES = multiprocessing.get_context("forkserver")
_COPIES.set_forkserver_preload(
    [  # what a run imports when it needs it
        "augment.api", "augment.cli.grammar", "augment.run.pipeline",
        "augment.run.engines.process_engine", "augment.run.watch.observing", "augment.audit",
        "augment.codec.pixels", "cv2", "deltalake", "fsspec", "pillow_heif", "pyarrow.parquet",
        "simplejpeg", "tests.end_to_end.driver", __name__,
    ]
)  # fmt: skip


def _copied(
    env: Mapping[str, str], cwd: Path, out: Path, notes: Path, work: str, arguments: Sequence[str]
) -> None:
    """In the copy."""
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    for path, stream in ((out, 1), (notes, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    module, _, function = work.partition(":")
    raise SystemExit(getattr(importlib.import_module(module), function)(*arguments))


def command_line(*words: str) -> int:
    """In the copy: what the console command does with these words."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return main(words)


def drive(job: Path, moment: str = "", number: int = 0) -> Done:
    """A whole run, from start to end."""
    return Driver(job, moment, number).end()


def commanded(*words: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """As `jobs.augment`, but in a copy: where nothing is asked about how a process starts."""
    with tempfile.TemporaryDirectory() as texts:
        done = command_begun(*words, cwd=cwd, texts=Path(texts), **env).end()
    return subprocess.CompletedProcess(words, done.code, done.out, done.notes)


def command_begun(*words: str, cwd: Path, texts: Path, **env: str) -> Copy:
    """The same while it runs. texts: a folder for what it prints."""
    return Copy(cwd, texts, os.environ | env, f"{__name__}:command_line", words)


class Command:
    """The console command in its own process, with an eye on the processes that it starts."""

    def __init__(self, arguments: Sequence[str], cwd: Path) -> None:
        self._notes = cwd / "command.txt"
        self._seen: dict[int, str] = {}
        with self._notes.open("w") as notes:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "augment", *arguments],
                cwd=cwd,
                env=os.environ | EPOCH,
                stdout=notes,
                stderr=notes,
            )

    def running(self) -> bool:
        """True; fails where the command has ended. Looks at its processes."""
        self._look()
        assert self._process.poll() is None, self.notes()
        return True

    def descendant(self, name: str) -> int:
        """A process below the command that is busy under a name that begins so."""
        self._look()
        titles = {pid: _title(pid) for pid in self._seen}
        busy = [pid for pid, t in titles.items() if t.startswith(name) and "IDLE" not in t]
        assert busy, titles
        return busy[0]

    def signal(self, number: int) -> None:
        """Sends the command itself a signal."""
        self._process.send_signal(number)

    def notes(self) -> str:
        return self._notes.read_text()

    def end(self) -> int:
        """The exit code, once every process that was seen below the command is gone."""

        def gone() -> bool:
            self._look()
            return self._process.poll() is not None and not any(
                _started(pid) == start for pid, start in self._seen.items()
            )

        wait_until(gone)
        return int(self._process.returncode)

    def _look(self) -> None:
        parents = dict(_parents())
        for pid in parents:
            above = pid
            while above in parents and above != self._process.pid:
                above = parents[above]
            if above == self._process.pid != pid and (start := _started(pid)):
                self._seen.setdefault(pid, start)


def _parents() -> Iterator[tuple[int, int]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (fields := _stat(int(folder.name))):
            yield int(folder.name), int(fields[1])


def _started(pid: int) -> str:
    """When a process started; "" where none runs. With the pid it names a process for ever."""
    fields = _stat(pid)
    return fields[19] if fields and fields[0] not in "ZX" else ""


def _stat(pid: int) -> list[str]:
    """Fields of proc(5) /proc/<pid>/stat from the third on: state, parent, ..."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""


# ---- tables --------------------------------------------------------------------------


def published(table: Path) -> dict[str, str]:
    """path -> sha256 of every data file that lies in a table's folder."""
    return {
        str(path.relative_to(table)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((table / "data").rglob("*"))
        if path.is_file() and not path.name.startswith(".tmp-")
    }


def listed(table: Path) -> list[str]:
    """The files that the card names."""
    matter = yaml.safe_load((table / "README.md").read_text().split("---")[1])
    return sorted(path for one in matter["configs"][0]["data_files"] for path in one["path"])


def pool_rows(pool: Path) -> list[tuple[str, int]]:
    """(sample id, index) of every row that the pool's table shows."""
    rows: list[tuple[str, int]] = []
    for file in live_files(Folder(str(pool))):
        table = pq.read_table(pool / file.path, columns=["sample_id", "generator"])
        rows += [(r["sample_id"], r["generator"]["index"]) for r in table.to_pylist()]
    return rows


def records(table: Path) -> Iterator[dict[str, Any]]:
    """Every unit record of a table."""
    for path in sorted(table.glob("_work/*/units/*.json")):
        yield json.loads(path.read_text())


def made_indexes(pool: Path) -> Counter[tuple[str, str, int]]:
    """(universe, class, index) -> how many unit records say that they made it."""
    counts: Counter[tuple[str, str, int]] = Counter()
    for path in sorted(pool.glob("_work/*/units/*.json")):
        for label, start, stop in json.loads(path.read_text())["ranges"]:
            counts.update((path.parts[-3], label, i) for i in range(start, stop))
    return counts


def folded(pool: Path) -> Iterator[tuple[str, int, list[dict[str, Any]]]]:
    """(universe, claim, records) of every fold of a pool."""
    for place in sorted(pool.glob("_work/*/folds")):
        folds = Folds(Folder(str(place.parent)))
        for fold, _ in folds.all():
            yield place.parent.name, fold.claim, list(folds.records(fold))


@dataclass(frozen=True)
class State:
    """What two runs of one request must agree on, whatever happened to them."""

    images: dict[str, str]
    """sample id -> sha256."""
    data: dict[str, str]
    """data file -> sha256."""
    pool: dict[str, str]


def state(root: Path) -> State:
    """The tables of a finished run below `root`, after looking at them: every id is there
    once, and log, card and folder name the same files."""
    out, pool = root / "out", root / "pool"
    rows = rows_of(open_dataset(str(out)).to_table())
    images = fingerprint(rows)
    assert len(images) == len(rows)
    live = [file.path for file in live_files(Folder(str(out)))]
    assert listed(out) == live == sorted(published(out))
    assert newest_version(Folder(str(out))) == 1
    assert live_files(Folder(str(out)), 0) == []
    made = pool_rows(pool)
    assert len({sample_id for sample_id, _ in made}) == len(made)
    assert [file.path for file in live_files(Folder(str(pool)))] == sorted(published(pool))
    assert set(made_indexes(pool).values()) <= {1}
    return State(images, published(out), published(pool))
