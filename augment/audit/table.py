"""What an audit reads: the live shards of one version of a data set, opened column by column.

A data set is a Delta table of Parquet shards or, for foreign ones, a plain folder of Parquet
files or of images. Turns what storage and formats throw into errors that name the place and the
way out. Knows nothing of what the columns mean.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

import pyarrow as pa

from augment.audit.foreign import ImageFiles, Look, PictureFolder, list_images
from augment.audit.foreign.looked import OpenShard
from augment.audit.shard_file import ShardFile
from augment.errors import RequestError, StorageError
from augment.sources.left_out import LeftOut
from augment.storage import FileInfo, Folder, Left, Odd, Reach

if TYPE_CHECKING:
    from deltalake import DeltaTable

Options = Mapping[str, Mapping[str, Any]]
"""Storage options by protocol, as `Folder` takes them."""

Got = TypeVar("Got")

_READS = 3  # of a remote log, whose answer may break off
_HINT = "_last_checkpoint"
_MOST_SAID = 300  # characters of what a library says
_OUTSIDE = (
    "outside the data set; where you trust that, copy the data set with its links followed "
    "(cp -rL) and audit the copy"
)
_CHUNK = 8 << 20
_TO_BE = -1
"""The version of one that is not committed: no log has it."""
_BATCH = 1 << 16  # rows of narrow columns that are held at once
_LINES = 1 << 20  # lines of a cube that are


@dataclass(frozen=True)
class Shard:
    """One live Parquet file. path: relative to the table. rows: by the log, None: unknown.
    images: of a folder of image files, those that are this shard; path is then its name."""

    path: str
    size: int
    rows: int | None = None
    images: ImageFiles | None = None


@dataclass(frozen=True)
class DataSet:
    """One version of a data set. version: None where there is no Delta log. newest: whether the
    log has no later one. left_out: what of a folder of images is no row. look: at images, for
    what rows do not say."""

    folder: Folder
    version: int | None
    shards: tuple[Shard, ...]
    newest: bool = True
    left_out: tuple[LeftOut, ...] = ()
    look: Look = field(default_factory=Look, compare=False, repr=False)

    @property
    def name(self) -> str:
        """The place as texts name it."""
        if self.version is None:
            return self.folder.uri
        if self.version == _TO_BE:
            return f"{self.folder.uri} (not committed yet)"
        return f"{self.folder.uri} (version {self.version})"


def open_data_set(
    uri: str, version: int | None = None, options: Options | None = None, pixels: bool = False
) -> DataSet:
    """The data set at `uri` as of `version` (None: the newest); reads the log only. pixels: whether
    images are decoded for what rows that are not ours do not say.

    Raises:
        RequestError: there is no data set, or not this version of it.
        StorageError: its log cannot be read, or a file that is listed as a shard cannot. A shard
            behind a link that leaves the data set is one when it is opened.
    """
    folder = _fenced(Folder(uri, options))
    beside = folder.folders()
    if "_delta_log" in beside:
        table = open_delta(folder, None)
        newest = table.version()
        table = _at(folder, table, version)
        shards = _read(folder, version, lambda: _live_shards(table))
        is_newest = table.version() == newest
        return DataSet(folder, table.version(), shards, is_newest, look=Look(pixels))
    if "_provenance" in beside:
        raise StorageError(
            f"{folder.uri}: what jobs keep beside their rows is here (_provenance/), but the "
            "Delta log (_delta_log/), which says which files belong to the data set, is gone; "
            "restore it from a copy, or run the job again: it commits what its records hold"
        )
    if version is not None:
        raise RequestError(
            f"{folder.uri}: version {version} was asked for, but there is no Delta log here and "
            "so no versions; leave the version out or point at a table"
        )
    if "_work" in beside:
        raise RequestError(
            f"{folder.uri}: a job has begun here but nothing is committed yet; "
            "run the same job again to finish it"
        )
    shards, unread = _parquet_files(folder)
    images, left_out = ([], None) if shards else list_images(folder)
    if unread is not None and not images:
        raise unread
    if shards:
        return DataSet(folder, None, shards, look=Look(pixels))
    if left_out is None or not images:
        raise RequestError(
            f"{folder.uri}: is not a data set: neither a Delta log (_delta_log/) nor Parquet "
            "files nor images are there; give the folder that the job names as output.uri, or a "
            "folder of images"
        )
    parts = tuple(Shard(some.name, some.size, len(some.files), some) for some in images)
    return DataSet(folder, None, parts, left_out=(left_out,), look=Look(pixels))


def data_set_to_be(folder: Folder, shards: Sequence[Shard]) -> DataSet:
    """The version that a commit of these shards would make: they stand in the folder under names
    that never get other bytes, and no log names them all yet."""
    own = tuple(sorted(shards, key=lambda shard: shard.path))
    return DataSet(_fenced(folder), _TO_BE, own)


def _fenced(folder: Folder) -> Folder:
    """Whoever wrote a data set could put a link to any file of this machine in a shard's place, and
    a report would show it."""
    if not folder.is_local:
        return folder
    return folder.within(Reach((os.path.realpath(folder.uri),), leaving=_OUTSIDE))


def _parquet_files(folder: Folder) -> tuple[tuple[Shard, ...], StorageError | None]:
    """(shards, sorted; the first place where one may stand that cannot be read, so that nobody
    takes the others for all)."""
    found, unread = list[Shard](), None
    for item in folder.listed():
        if _hidden(item.path):
            continue
        if isinstance(item, FileInfo):
            if item.path.endswith(".parquet"):
                found.append(Shard(item.path, item.size))
        elif item.path.endswith(".parquet") or item.why in (Odd.LEAVES, Odd.UNREADABLE):
            unread = unread or _unread(folder, item)
    return tuple(sorted(found, key=lambda shard: shard.path)), unread


def _unread(folder: Folder, item: Left) -> StorageError:
    why = _OUTSIDE if item.why is Odd.LEAVES else "restore what it stands for, or remove it"
    place = folder.url(item.path)
    return StorageError(f"{place} is not read ({item.why.replace('_', ' ')}): {why}")


def open_delta(folder: Folder, version: int | None) -> DeltaTable:
    """The Delta table at `folder` as of `version`.

    Raises:
        RequestError: this version does not exist. StorageError: the log cannot be read.
    """
    from deltalake import DeltaTable

    uri, options = folder.delta_uri(), folder.delta_options()
    newest = _read(folder, None, lambda: DeltaTable(uri, storage_options=options))
    return _at(folder, newest, version)


def _at(folder: Folder, table: DeltaTable, version: int | None) -> DeltaTable:
    """The table, which was opened at its newest version, as of `version`."""
    newest = table.version()
    if version is not None and not 0 <= version <= newest:
        raise RequestError(
            f"{folder.uri}: version {version} does not exist; "
            f"it has {'version 0 only' if newest == 0 else f'versions 0 to {newest}'}"
        )
    if version is not None and version != newest:
        _read(folder, version, lambda: table.load_as_version(version))
    return table


def _read(folder: Folder, version: int | None, ask: Callable[[], Got]) -> Got:
    """What the log says, asked for again where a store's answer broke off; what delta-rs raises,
    as errors that name the place and the way out."""
    from deltalake.exceptions import DeltaError, TableNotFoundError

    for left in reversed(range(_READS)):
        try:
            return ask()
        except (DeltaError, TableNotFoundError, OSError, ValueError) as error:
            if left and not folder.is_local:
                continue
            what = "the Delta log" if version is None else f"version {version} of the Delta log"
            folder.require_bucket()
            said, hint = folder.said(error), f"_delta_log/{_HINT}"
            way_out = "restore _delta_log/ from a copy, or audit another version"
            if _HINT in said and folder.exists(hint):
                way_out = f"remove {hint}, which only says where to begin, or {way_out}"
            raise StorageError(
                f"{folder.uri}: {what} cannot be read ({said}); {way_out}"
            ) from error
    raise AssertionError("the last try returns or raises")


def read_columns(data: DataSet, shard: Shard, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Batches of those of the named columns (dotted below structs) that the shard has; nothing
    else is read. Lists of structs keep their lengths and one field.

    Raises:
        StorageError: the shard vanished or is damaged.
    """
    with open_shard(data, shard) as file:
        have = [c for c in columns if leaf(file.schema_arrow, c) is not None]
        leaves = [path for name in have for path in file.leaves(name)]
        yield from file.iter_batches(batch_size=_BATCH, columns=leaves)


def read_parents(data: DataSet, shard: Shard) -> Iterator[pa.Array]:
    """The sha256 of all parents of the rows of a shard, batch by batch; nothing where it does not
    say them. Nothing else is read.

    Raises:
        StorageError: the shard vanished or is damaged.
    """
    with open_shard(data, shard) as file:
        leaves = [p for p in file.paths() if p.startswith("parents.") and p.endswith(".sha256")]
        for batch in file.iter_batches(batch_size=_BATCH, columns=leaves) if leaves else ():
            yield batch.column("parents").flatten().field("sha256")


@contextmanager
def open_shard(data: DataSet, shard: Shard) -> Iterator[OpenShard]:
    """The shard, open, with what its images say where its rows do not; reading errors inside the
    block name it.

    Raises:
        StorageError: the shard vanished or is damaged.
    """
    if shard.images is not None:
        yield data.look.over(shard.path, PictureFolder(data.folder, shard.images))
        return
    with _open_parquet(data, shard) as file:
        yield data.look.over(shard.path, file)


def contents(data: DataSet, shard: Shard) -> Iterator[bytes]:
    """All bytes of a shard, in parts; of image files, each with its path before it.

    Raises:
        FileNotFoundError, StorageError.
    """
    for path in (shard.path,) if shard.images is None else shard.images.files:
        if shard.images is not None:
            yield f"\n{path}\n".encode()
        with data.folder.open(path) as file:
            while chunk := file.read(_CHUNK):
                yield chunk


@contextmanager
def _open_parquet(data: DataSet, shard: Shard) -> Iterator[ShardFile]:
    try:
        with data.folder.open(shard.path) as raw, ShardFile(raw) as file:
            yield file
    except FileNotFoundError as error:
        raise StorageError(
            f"{data.name}: shard {shard.path} is named by the version but is not there; "
            "restore it from a copy, or audit an older version"
        ) from error
    except (pa.ArrowException, OSError, OverflowError, RuntimeError, UnicodeError) as error:
        raise StorageError(
            f"{data.name}: shard {shard.path} is not readable Parquet ({_first_line(error)}); "
            "restore it from a copy, or audit an older version"
        ) from error


def leaf(schema: pa.Schema, name: str) -> pa.DataType | None:
    """The type of a column, dotted below structs; None where there is none."""
    first, *rest = name.split(".")
    if first not in schema.names:
        return None
    kind = schema.field(first).type
    for part in rest:
        if not pa.types.is_struct(kind) or kind.get_field_index(part) < 0:
            return None
        kind = kind.field(part).type
    return kind


def column(batch: pa.RecordBatch, name: str) -> pa.Array | None:
    """A column of a batch, dotted below structs, null where any struct above is null."""
    first, *rest = name.split(".")
    if first not in batch.schema.names:
        return None
    array = batch.column(first)
    for part in rest:
        if not pa.types.is_struct(array.type) or array.type.get_field_index(part) < 0:
            return None
        array = array.flatten()[array.type.get_field_index(part)]
    return array


def class_names(schema: pa.Schema, name: str = "label") -> tuple[str, ...]:
    """Names of a `datasets` ClassLabel from the `huggingface` metadata; () where none stand."""
    raw = (schema.metadata or {}).get(b"huggingface")
    try:
        features = json.loads(raw)["info"]["features"] if raw else {}
        return tuple(str(n) for n in features.get(name, {}).get("names", ()))
    except (ValueError, KeyError, TypeError, AttributeError):
        return ()


def read_jobs(data: DataSet) -> dict[str, dict[str, Any]]:
    """`_provenance/<job>/job.json` of every job that left one, by job id.

    Raises:
        StorageError: one of them is not a JSON object.
    """
    jobs = {}
    for job in data.folder.folders("_provenance"):
        path = f"_provenance/{job}/job.json"
        try:
            found = json.loads(data.folder.read(path))
        except FileNotFoundError:
            continue
        except (ValueError, RecursionError) as error:
            raise StorageError(
                f"{data.name}: {path} is not JSON ({_first_line(error)}); restore it from a copy"
            ) from error
        if not isinstance(found, dict):
            raise StorageError(
                f"{data.name}: {path} holds a {type(found).__name__}; expected what a job keeps of "
                "itself, a JSON object: restore it from a copy"
            )
        jobs[str(found.get("job_id", job))] = found
    return jobs


def generator_names(jobs: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """generator.id -> the name by which a job knows it, as its job.json says."""
    names = {}
    for _, job in sorted(jobs.items()):
        known = job.get("generators")
        for name, body in known.items() if isinstance(known, dict) else ():
            if isinstance(body, dict) and "id" in body:
                names[str(body["id"])] = str(name)
    return names


def read_provenance(data: DataSet, ending: str) -> Iterator[tuple[str, pa.Table]]:
    """(path, table) of the Parquet files of `_provenance/<job>/` whose names match
    `<ending>.parquet` or `<ending>-<hash>.parquet`.

    Raises:
        StorageError: one of them is damaged.
    """
    for info in _provenance(data, ending):
        with _open_parquet(data, Shard(info.path, info.size)) as file:
            table = file.read()
        yield info.path, table


def provenance_batches(
    data: DataSet, ending: str, columns: Sequence[str]
) -> Iterator[tuple[str, pa.RecordBatch]]:
    """(path, batch) of the same files, of which one batch is in memory at a time. Raises: as
    `read_provenance`."""
    for info in _provenance(data, ending):
        with _open_parquet(data, Shard(info.path, info.size)) as file:
            for batch in file.iter_batches(_LINES, columns=list(columns)):
                yield info.path, batch


def _provenance(data: DataSet, ending: str) -> Iterator[FileInfo]:
    for job in data.folder.folders("_provenance"):
        for info in sorted(data.folder.files(f"_provenance/{job}"), key=lambda i: i.path):
            name = info.path.rsplit("/", 1)[-1]
            if name == f"{ending}.parquet" or (
                name.startswith(f"{ending}-") and name.endswith(".parquet")
            ):
                yield info


def _live_shards(table: DeltaTable) -> tuple[Shard, ...]:
    actions = pa.table(table.get_add_actions(flatten=True))
    paths = [unquote(path) for path in actions["path"].to_pylist()]
    sizes = actions["size_bytes"].to_pylist()
    rows: list[int | None] = [None] * len(paths)
    if "num_records" in actions.schema.names:
        rows = actions["num_records"].to_pylist()
    found = [Shard(*each) for each in zip(paths, sizes, rows, strict=True)]
    return tuple(sorted(found, key=lambda shard: shard.path))


def _hidden(path: str) -> bool:
    return any(part.startswith(("_", ".")) for part in path.split("/"))


def _first_line(error: BaseException) -> str:
    """Not longer than a few lines of a terminal: what delta-rs says may be."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return line if len(line) <= _MOST_SAID else f"{line[:_MOST_SAID]} ..."
