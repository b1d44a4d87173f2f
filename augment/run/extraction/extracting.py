"""Features of every image of a data set: those that are kept are read, the others are made.

    with extract(data, read_all(["random"]), engine) as found:
        for shard, kept in found.shards("random"):
            kept.rows, kept.sample_ids, kept.features

Units are shards. Whatever ends a run, what was whole by then is not made again by the next. Knows
no measure.
"""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from augment.audit.table import DataSet, Shard
from augment.errors import StorageError
from augment.features import Extractor, ExtractorInfo, build
from augment.features.asked import Asked
from augment.features.kept import Bytes, Kept, Shelf, path_of
from augment.features.task_fit import NotFit
from augment.run.engines.choice import automatic
from augment.run.engines.engine import Engine, Resources
from augment.run.engines.opening import opened
from augment.run.extraction.extract_unit import ExtractTask, known_by, unit_text
from augment.run.extraction.fitting import task_weights
from augment.run.extraction.shelving import shelf_for, tell
from augment.run.extraction.slow import EXTRACTOR_S, described
from augment.run.progress import Reporter, Silent
from augment.spec.execution import EngineName, Execution

_WORKERS_PER_GPU = 4
"""Their decoding keeps one device busy."""


@dataclass(frozen=True, kw_only=True)
class How:
    """How features are extracted; nothing here changes a number, but for rounding.

    cache: where they are kept, a path or URI; `none`: for this run alone; None: beside the data set
    where it is one that augment wrote and may be written to, else in the machine's cache. workers:
    units at once, None: one per CPU. image_timeout_s: seconds that one image may take to decode.
    extractor_timeout_s: that an extractor may take to load, or for one batch of images.
    """

    cache: str | None = None
    workers: int | None = None
    image_timeout_s: float = 60.0
    extractor_timeout_s: float = EXTRACTOR_S
    reporter: Reporter | None = None


_USUAL = How()


class Extraction:
    """Features of a data set, shard by shard, while it is entered.

    infos: of the extractors, in the order asked. not_computed: name -> why there are no features of
    an extractor that was asked for. made: name -> shards whose features were made by this run.
    """

    def __init__(
        self,
        task: ExtractTask,
        shards: Sequence[Shard],
        held: contextlib.ExitStack,
        not_computed: Mapping[str, str],
    ) -> None:
        self._task, self._held = task, held
        self._shards = {shard.path: shard for shard in shards}
        self._known: dict[str, Bytes] = {}
        self.infos = task.infos
        self.not_computed = MappingProxyType(dict(not_computed))
        self.made = {info.name: 0 for info in task.infos}

    def __enter__(self) -> Extraction:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def shards(self, name: str) -> Iterator[tuple[Shard, Kept]]:
        """(shard, its features) in the order of the data set's shards; one in memory at a time.
        name: of an extractor, as its info has it. A file that was damaged meanwhile is made again.

        Raises:
            KeyError: no extractor of that name was extracted.
            StorageError: the features cannot be read, or a shard is gone.
        """
        info = {info.name: info for info in self.infos}[name]
        for path, shard in self._shards.items():
            yield shard, self._read(info, shard, self._known[path])

    def extractor(self, name: str, device: str = "cpu") -> Extractor:
        """The extractor itself, loaded in this process: what else it can say, as `probabilities`
        of classes, is said of features.

        Raises:
            KeyError: as `shards`. Others: as `features.build`.
        """
        at = {info.name: at for at, info in enumerate(self.infos)}[name]
        return build(self._task.asked[at], device, self._task.data.folder.options)

    def _read(self, info: ExtractorInfo, shard: Shard, known: Bytes) -> Kept:
        kept = self._task.shelf.get(info, known)
        if kept is None:
            self._tell(self._task.worker()(unit_text(shard)))
            kept = self._task.shelf.get(info, self._known[shard.path])
        if kept is None:
            place = self._task.shelf.folder.url(path_of(info, shard.path))
            raise StorageError(
                f"{place}: these features were written and cannot be read back; something else "
                "writes there, or the disk is bad: name another place as `cache`"
            )
        return kept

    def _tell(self, text: str) -> int:
        """A unit's result; how many rows it looked at."""
        found = json.loads(text)
        self._known[found["path"]] = Bytes(found["path"], found["known_by"])
        for name in found["made"]:
            self.made[name] += 1
        return int(found["rows"])

    def _make(self, engine: Engine, workers: int | None, reporter: Reporter) -> None:
        """Have made what is not kept."""
        units = [unit_text(shard) for shard in self._lacking()] if self.infos else []
        if not units:
            return
        engine.open()
        gpus = engine.gpus()
        task = replace(self._task, device="cuda" if gpus >= 1 else "cpu")
        resources = _resources(engine.cpus(), gpus, workers, len(units))
        reporter.stage("extract", len(units))
        for done, text in enumerate(engine.run(task, units, resources), start=1):
            reporter.advance(done, self._tell(text))

    def _lacking(self) -> list[Shard]:
        """Shards whose features may have to be made. Of those that a log names the names of files
        say it; what is inside them is looked at where it is read."""
        if self._task.data.version is None:
            return list(self._shards.values())
        there = [self._task.shelf.names(info) for info in self.infos]
        found = []
        for path, shard in self._shards.items():
            self._known[path] = Bytes(path, known_by(self._task.data, shard))
            wanted = [path_of(info, path) for info in self.infos]
            if any(one not in names for one, names in zip(wanted, there, strict=True)):
                found.append(shard)
        return found


def extract(data: DataSet, asked: Sequence[Asked], engine: Engine, how: How = _USUAL) -> Extraction:
    """The features of all images of a data set by these extractors. What is not kept is made here,
    on the engine, before this returns; each image is decoded once for all of them.

    Raises:
        RequestError: a place is none or not allowed, a library is missing, or a shard has no
            images. CheckpointError: weights are not what they must be, or take too long.
        InterruptedRun: it broke half-way; calling again goes on from what is kept.
    """
    reporter = how.reporter or Silent()
    with contextlib.ExitStack() as held:
        shelf = shelf_for(data, how.cache, data.folder.options, held)
        fitted, not_computed = _fitted(data, asked, shelf, how)
        infos = tuple(
            described(one, data.folder.options, how.extractor_timeout_s) for one in fitted
        )
        tell(shelf, infos)
        task = ExtractTask(
            replace(data, shards=()), fitted, infos, shelf, uuid.uuid4().hex,
            image_s=how.image_timeout_s, extractor_s=how.extractor_timeout_s,
        )  # fmt: skip
        found = Extraction(task, data.shards, held.pop_all(), not_computed)
    try:
        found._make(engine, how.workers, reporter)
    except BaseException:
        found.__exit__()
        raise
    return found


def _fitted(
    data: DataSet, asked: Sequence[Asked], shelf: Shelf, how: How
) -> tuple[tuple[Asked, ...], dict[str, str]]:
    """(the extractors with what had to be fit, name -> why one could not be)."""
    found, reasons = [], {}
    for one in asked:
        if one.kind == "task" and one.place is None:
            weights = task_weights(data, shelf, how.image_timeout_s, how.reporter or Silent())
            if isinstance(weights, NotFit):
                reasons[one.name] = weights.reason
                continue
            one = replace(one, fitted=weights)
        found.append(one)
    return tuple(found), reasons


@contextlib.contextmanager
def engine_for(execution: Execution, name: EngineName | None = None) -> Iterator[Engine]:
    """The engine of an extraction, closed at the end. name: None as the execution says; `auto`: Ray
    where a cluster is named or this machine has a GPU, else processes.

    Raises:
        RequestError: the address of a cluster is none, or not allowed.
    """
    kind = name or execution.engine
    anywhere = ("features",)  # no resources are given under this name: it may use a GPU
    with opened(automatic(execution, anywhere) if kind == "auto" else kind, execution) as engine:
        yield engine


def _resources(cpus: int, gpus: float, workers: int | None, units: int) -> Resources:
    """On GPUs a few workers share each, for one image after the other is decoded."""
    if gpus < 1:
        return Resources(workers=max(1, min(workers or cpus, units)))
    each = max(1, min(_WORKERS_PER_GPU, int(cpus // gpus)))
    most = min(workers or each * int(gpus), units)
    return Resources(workers=max(1, most), gpus=1.0 / each)
