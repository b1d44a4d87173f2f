"""What has changed in the sources of a committed job since its census was taken.

A data set keeps what was there then; the same command does nothing more, so whoever adds images
has to be told. Lists the sources again, within bounds: who asks says how many files that may be.
Reads no pixel and writes nothing.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from augment.errors import AugmentError
from augment.plan import choose_inputs
from augment.run.mixing.retry_unit import RetryUnit
from augment.run.upkeep.attempts import Attempts
from augment.sources import take_census
from augment.spec import Job
from augment.storage import Folder
from augment.write import Work

WAY_OUT = (
    "The data set keeps what was there then: for what is there now give the job another "
    "output.uri; `augment retry` takes mended files of quarantined rows alone"
)
_KEY = ("source", "locator")
_CLEANED = "`augment clean` removed the census of the job"


@dataclass(frozen=True)
class Bounds:
    """How much may be listed. local, remote: files of a source and rows of the census."""

    local: int
    remote: int


OF_RUN = Bounds(local=1_000_000, remote=100_000)
OF_STATUS = Bounds(local=100_000, remote=0)


@dataclass(frozen=True)
class SourceChange:
    """Images of one source: there now and not then, there then and not now, and with other
    bytes (by size and time, or a store's own word for it)."""

    source: str
    new: int
    gone: int
    changed: int

    def __str__(self) -> str:
        return (
            f"source {self.source} has changed since the census: {self.new} new, {self.gone} gone, "
            f"{self.changed} changed"
        )


@dataclass(frozen=True)
class Changes:
    """sources: those that differ. skipped: why nobody looked, None where somebody did."""

    sources: tuple[SourceChange, ...] = ()
    skipped: str | None = None

    @property
    def lines(self) -> list[str]:
        """For people: one a source; nothing where nothing has changed."""
        if self.skipped is not None:
            return [f"sources: not looked at, {self.skipped}"]
        return [f"{one}. {WAY_OUT}" for one in self.sources]


def changes(job: Job, work: Work, bounds: Bounds) -> Changes:
    """The sources of a job as they are, against its frozen census. work: of the job."""
    head = work.frozen("plan.json")
    if head is None:
        return Changes(skipped="the frozen plan of the job is gone")
    try:
        document = json.loads(head)
        names = [str(document["census"]), str(document["inputs"])]
        then = _joined([_frozen(work, name) for name in names])
    except FileNotFoundError:
        return Changes(skipped=_CLEANED)
    except (
        KeyError,
        RecursionError,
        TypeError,
        ValueError,
        OSError,
    ) as error:  # OSError: pyarrow, of damage
        return Changes(
            skipped=f"its frozen plan cannot be read ({' '.join(str(error).split())[:300]})"
        )
    if (why := _too_much(job, then.num_rows, bounds)) is not None:
        return Changes(skipped=why)
    try:
        now = _now(job)
    except AugmentError as error:
        first = str(error).splitlines()[0]
        return Changes(skipped=f"they cannot be listed as they are now: {first[:300]}")
    return Changes(tuple(_compared(then, now, _mended(work))))


def _frozen(work: Work, name: str) -> pa.Table:
    with work.folder.open(f"plan/{name}") as file:
        return pq.read_table(file, columns=[*_KEY, "token"])


def _now(job: Job) -> pa.Table:
    """What the job's rows and its generators' inputs would be made from."""
    census = take_census(job, options=job.spec.execution.storage_options)
    inputs = choose_inputs(job.spec, pa.concat_tables([census.table, census.inputs]), [])
    return _joined([table.select([*_KEY, "token"]) for table in (census.table, inputs.table)])


def _joined(tables: list[pa.Table]) -> pa.Table:
    """Each place once: an image may be a row and the input of a generator."""
    return pa.concat_tables(tables).group_by([*_KEY, "token"]).aggregate([])


def _too_much(job: Job, rows: int, bounds: Bounds) -> str | None:
    """Why the sources are not listed, where there is too much of them."""
    for name, source in job.spec.sources.items():
        folder = Folder(source.uri, job.spec.execution.storage_options)
        most = bounds.local if folder.is_local else bounds.remote
        if not most:
            return f"source {name} lies in a remote store: `augment run` looks"
        if rows > most:
            return f"{rows} images are more than are listed here: `augment plan` counts them"
        try:
            held = sum(1 for _ in itertools.islice(folder.files(), most + 1))
        except AugmentError as error:
            return f"source {name} cannot be listed: {str(error).splitlines()[0][:300]}"
        if held > most:
            return f"source {name} holds more than {most} files: `augment plan` counts them"
    return None


def _mended(work: Work) -> pa.Table:
    """Places that a later try read as they stood then, whatever the census knew of them."""
    places: set[tuple[str, str]] = set()
    for attempt in Attempts(work).all():
        document: Mapping[str, Any] = attempt.document("units.json") or {"units": ()}
        for unit in map(RetryUnit.from_json, document["units"]):
            places.update(place for part in unit.parts for place in part.real)
    columns: list[list[str]] = [list(column) for column in zip(*sorted(places), strict=True)]
    schema = pa.schema([(name, pa.string()) for name in _KEY])
    return pa.table(columns or [[], []], schema=schema)


def _compared(then: pa.Table, now: pa.Table, mended: pa.Table) -> list[SourceChange]:
    both = then.join(now, list(_KEY), join_type="full outer", right_suffix="_now")
    new, gone = pc.is_null(both["token"]), pc.is_null(both["token_now"])
    differ = pc.fill_null(
        pc.and_(
            pc.not_equal(both["token"], both["token_now"]),
            pc.and_(pc.not_equal(both["token"], ""), pc.not_equal(both["token_now"], "")),
        ),
        False,
    )
    changed = both.filter(differ).join(mended, list(_KEY), join_type="left anti")
    counts = [_by_source(t) for t in (both.filter(new), both.filter(gone), changed)]
    names = sorted(set().union(*counts))
    return [SourceChange(name, *(count.get(name, 0) for count in counts)) for name in names]


def _by_source(table: pa.Table) -> dict[str, int]:
    counted = table.group_by("source").aggregate([([], "count_all")])
    return dict(zip(*(counted[c].to_pylist() for c in ("source", "count_all")), strict=True))
