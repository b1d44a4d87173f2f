"""`augment clean OUTPUT`: removes what no version of a data set and no unfinished job needs.

Orphans of `data/`, features of shards that are gone, half-written files, marks and leases of the
dead, and the work records of jobs that are committed for long enough and whose provenance is
complete. Whatever any
version names stays, and so does everything of a job that is not committed but its litter. A
dry run, unless it is told otherwise; stopped anywhere, it has removed some of what it would.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence

from augment.errors import RequestError, StorageError
from augment.run.upkeep.attempts import Attempts
from augment.run.upkeep.features import stale_features
from augment.run.upkeep.generations import CLEANED
from augment.run.upkeep.kept import job_ids
from augment.run.upkeep.litter import (
    ORPHAN,
    Cleaning,
    Litter,
    found_in,
    leases,
    living,
    refuse_linked_log,
    refuse_living,
    remove,
    temporaries,
    tries,
)
from augment.run.upkeep.status import committed_as
from augment.storage import Folder, Options, Stored
from augment.write import (
    Lease,
    Work,
    live_files,
    named_files,
    newest_version,
    read_counts,
)

KEEP_DAYS = 30.0
_DAY_S = 86400.0
_SHARD = re.compile(r"data/[^/]+/(?P<job>[^/]+-[0-9a-f]{12})/[^/]+-[0-9a-f]{12}\.parquet")
_OLD = "work record of a job that is committed"


def clean(
    output: str,
    *,
    yes: bool = False,
    keep_days: float = KEEP_DAYS,
    options: Options | None = None,
    clock: Callable[[], float] = time.time,
) -> Cleaning:
    """Find what may go from under `output`; with `yes` remove it.

    keep_days: age of the last work of a committed job after which its records go: then its
    failed rows cannot be retried any more, nor a lost shard be made again.

    Raises:
        RequestError: no job was begun there, or (with `yes`) somebody may be working there.
        StorageError: a record or the log cannot be read, or the log lies behind a link; nothing
            was removed then.
    """
    folder = Folder(output, options).pinned()
    refuse_linked_log(folder)
    jobs = [job for job in job_ids(folder) if not folder.is_linked(f"_work/{job}")]
    if not keep_days >= 0:  # nan would keep nothing
        raise RequestError(f"--keep-days: got {keep_days:g}; expected 0 or more")
    found = _Found(folder, jobs, clock(), keep_days)
    if not yes:
        return Cleaning(folder.uri, tuple(found.litter()), tuple(found.notes), removed=False)
    with contextlib.ExitStack() as stack:
        found.held = _hold(stack, folder, [job for job in jobs if folder.exists(f"_work/{job}")])
        for job in jobs:
            others = living(folder, f"_work/{job}", clock(), found.held)
            refuse_living(folder, f"_work/{job}", others, "clean")
        litter = tuple(found.litter())
        _remove(folder, litter, found.closing)
    return Cleaning(folder.uri, litter, tuple(found.notes), removed=True)


def _hold(stack: contextlib.ExitStack, folder: Folder, jobs: Sequence[str]) -> list[str]:
    """A lease on every job: a run that begins now waits until the cleaning has ended."""
    places = [folder.child(f"_work/{job}") for job in jobs]
    return [stack.enter_context(Lease(place, time.time)).id for place in places]


def _remove(folder: Folder, litter: Sequence[Litter], closing: Sequence[str]) -> None:
    """Records go last, after the note that says so: who finds the note needs none of them."""
    records = [one for one in litter if one.why == _OLD]
    remove(folder, (one for one in litter if one.why != _OLD))
    for job in closing:
        told = json.dumps({"cleaned_at": time.time()}).encode()
        Work(folder.child(f"_work/{job}")).freeze(CLEANED, told)
    remove(folder, records)


class _Found:
    """Looks for litter under one output. notes, closing: filled while `litter` is read."""

    def __init__(self, folder: Folder, jobs: Sequence[str], now: float, keep_days: float) -> None:
        self._folder, self._jobs, self._now = folder, jobs, now
        self._keep_s = keep_days * _DAY_S
        self.held: Sequence[str] = ()
        """Ids of the leases that the cleaning itself holds."""
        self.notes: list[str] = []
        self.closing: list[str] = []
        """Jobs whose records go."""

    def litter(self) -> list[Litter]:
        """All of it. Files are listed before records and versions are read: what is published
        in between is named by then."""
        files, links = found_in(self._folder)
        self.notes += links
        data = [f for f in files if f.path.startswith("data/")]
        recorded = {job: self._recorded(job) for job in self._jobs}
        named = named_files(self._folder)
        out = [*self._orphans(data, named | {p for some in recorded.values() for p in some})]
        out += temporaries(files, self._now)
        out += stale_features(files, named, self._now)
        for job in self._jobs:
            own = [f for f in files if f.path.startswith(f"_work/{job}/")]
            out += self._of_job(job, own, recorded[job], named)
        unique = {one.path: one for one in out}
        return list(unique.values())

    def _recorded(self, job: str) -> dict[str, int]:
        """path -> bytes of the shards that a job's records name, its retries' among them."""
        own = Work(self._folder.child(f"_work/{job}"))
        found: dict[str, int] = {}
        for work in (own, *(attempt.work for attempt in Attempts(own).all())):
            for _, record in work.records():
                if record["entry"] is not None:
                    found[record["entry"]["path"]] = record["entry"]["size"]
        return found

    def _orphans(self, data: Sequence[Stored], named: frozenset[str]) -> Iterator[Litter]:
        running = {job for job in self._jobs if self._lives(job)}
        odd = 0
        for file in data:
            ours = _SHARD.fullmatch(file.path)
            if file.temporary or file.path in named:
                continue
            if ours is None:
                odd += 1
            elif ours["job"] not in running:
                yield Litter(file.path, file.size, ORPHAN)
        self.notes += [f"job {job} is running: its files are left alone" for job in sorted(running)]
        if odd:
            self.notes.append(f"data/: files that augment did not write are left alone: {odd}")

    def _of_job(
        self, job: str, files: Sequence[Stored], recorded: dict[str, int], named: frozenset[str]
    ) -> Iterator[Litter]:
        yield from leases(self._folder, f"_work/{job}", files, self._now)
        if self._lives(job):
            return
        yield from tries(files)
        if self._may_close(job, files, recorded, named):
            self.closing.append(job)
            for file in files:
                if _is_record(file.path.removeprefix(f"_work/{job}/")):
                    yield Litter(file.path, file.size, _OLD)

    def _lives(self, job: str) -> bool:
        return bool(living(self._folder, f"_work/{job}", self._now, self.held))

    def _may_close(
        self, job: str, files: Sequence[Stored], recorded: dict[str, int], named: frozenset[str]
    ) -> bool:
        """Whether a job's records can go: it is committed and old, nothing of it is pending, and
        all that they know stands elsewhere too."""
        kept = [f for f in files if _is_record(f.path.removeprefix(f"_work/{job}/"))]
        if not kept or not committed_as(self._folder, job)[0]:
            return False
        if self._folder.exists(f"_work/{job}/plan/{CLEANED}"):
            return True  # a cleaning that was stopped had judged it
        newest = max((f.modified or self._now for f in kept), default=self._now)
        if self._now - newest < self._keep_s:
            return False
        if why := self._incomplete(job, recorded, named):
            self.notes.append(f"job {job}: its records are kept, because {why}")
            return False
        return True

    def _incomplete(self, job: str, recorded: dict[str, int], named: frozenset[str]) -> str:
        attempts = list(Attempts(Work(self._folder.child(f"_work/{job}"))).all())
        if attempts and not attempts[-1].closed:
            return "a retry has not ended"
        if lost := sorted(set(recorded) - named):
            return f"no version names {lost[0]}"
        if not self._folder.exists(f"_provenance/{job}/quarantine.parquet"):
            return "its provenance lacks quarantine.parquet"
        for path, size in recorded.items():
            try:
                if self._folder.info(path).size != size:
                    return f"{path} has another size"
            except FileNotFoundError:
                return f"{path} is lost and can be made again from them"
        return self._uncounted()

    def _uncounted(self) -> str:
        version = newest_version(self._folder)
        try:
            read_counts(self._folder, {f.path: f.rows for f in live_files(self._folder, version)})
        except StorageError as error:
            return str(error)
        return ""


def _is_record(path: str) -> bool:
    """Whether a file of a work folder is one that only an unfinished job or a retry needs; the
    plan's head, the journals and the leases are not."""
    if path.startswith("plan/"):
        return path != "plan/plan.json" and path != f"plan/{CLEANED}"
    return path.startswith(("units/", "retry-"))
