"""A folder of image files as shards of rows: `<split>/<class>/**`, or `<class>/**`.

The folders at the top are splits where every one of them that holds images has the name of a
split (`SPLITS`), as `datasets` has it; else they are classes. Images that stand in no class folder
have no class. Which files are images is decided as for a source of the format `imagefolder`: by
their endings, and for endings that say nothing by their first bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from augment.codec import SNIFF_BYTES, sniff
from augment.errors import StorageError
from augment.sources.kinds import IMAGES, ending_of, is_hidden, surely_none
from augment.sources.left_out import Cause, LeftOut, Losses
from augment.storage import FileInfo, Folder, Left

_TRAIN, _TEST = ("train", "training"), ("test", "testing", "eval", "evaluation", "holdout")
SPLITS = frozenset((*_TRAIN, "valid", "validation", "val", "dev", *_TEST))
"""Names of folders, in lower case, that are splits."""
MOST_BYTES = 1 << 28
"""Of one file; a larger one is a row without an image."""
_PER_SHARD = 1024
_PER_GROUP = 64
_DIGITS = 32
_SCHEMA = pa.schema(
    [
        ("sample_id", pa.string()),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("label_name", pa.string()),
        ("split", pa.string()),
        ("source", pa.struct([("name", pa.string()), ("locator", pa.string())])),
    ]
)


@dataclass(frozen=True)
class ImageFiles:
    """Some files of one class of one split. split, label: "" where there is none. files: paths
    below the folder, sorted. size: bytes of all. name: of the shard that they are."""

    split: str
    label: str
    files: tuple[str, ...]
    size: int
    name: str


def list_images(folder: Folder) -> tuple[list[ImageFiles], LeftOut]:
    """Every image file below the folder, in shards of at most 1,024, sorted; and what was left out.

    Raises:
        StorageError: the folder cannot be listed.
    """
    losses, found = Losses(), list[FileInfo]()
    for item in folder.listed():
        path, name = item.path, item.path.rsplit("/", 1)[-1]
        ending = ending_of(name)
        if why := _why_not(folder, item, name, ending):
            losses.add(why, path, "", ending)
        elif isinstance(item, FileInfo):
            found.append(item)
    found.sort(key=lambda info: info.path)
    left_out = LeftOut(folder.uri, len(found), losses.losses())
    return list(_shards(found)), left_out


def _why_not(folder: Folder, item: FileInfo | Left, name: str, ending: str) -> Cause | None:
    if is_hidden(item.path, name):
        return Cause.HIDDEN
    if isinstance(item, Left):
        return Cause(item.why)
    if any("\ud800" <= c <= "\udfff" for c in item.path):
        return Cause.NOT_TEXT
    if ending in IMAGES:
        return None
    if surely_none(ending):
        return Cause.OTHER_FILE
    try:
        start = folder.start(item.path, SNIFF_BYTES) if item.size else b""
    except (FileNotFoundError, StorageError):
        return Cause.UNREADABLE
    return None if sniff(start) else Cause.NO_IMAGE


def _shards(found: Sequence[FileInfo]) -> Iterator[ImageFiles]:
    tops = {info.path.partition("/")[0] for info in found}
    splits = all("/" in info.path for info in found) and all(t.lower() in SPLITS for t in tops)
    groups: dict[tuple[str, str], list[FileInfo]] = {}
    for info in found:
        groups.setdefault(_place(info.path, splits), []).append(info)
    for (split, label), files in sorted(groups.items()):
        where = "/".join(filter(None, (split, label))) or "."
        for start in range(0, len(files), _PER_SHARD):
            some = files[start : start + _PER_SHARD]
            name = f"{where}, images {start} to {start + len(some) - 1}"
            yield ImageFiles(
                split, label, tuple(f.path for f in some), sum(f.size for f in some), name
            )


def _place(path: str, splits: bool) -> tuple[str, str]:
    """(split, class) of a path below the folder; "" for none."""
    parts = path.split("/")[:-1]
    split = parts.pop(0) if splits else ""
    return split, parts[0] if parts else ""


class PictureFolder:
    """Image files as an open shard, with the doors of `ShardFile`; bytes are read when they are
    asked for. A file that is gone, cannot be read or is larger than `MOST_BYTES` is a row without
    bytes."""

    schema_arrow = _SCHEMA
    derived = frozenset(("source", "locator"))

    def __init__(self, folder: Folder, images: ImageFiles) -> None:
        self._folder, self._images = folder, images

    @property
    def num_row_groups(self) -> int:
        return -(-len(self._images.files) // _PER_GROUP)

    def rows_in(self, group: int) -> int:
        """Rows of a row group."""
        return len(self._of(group))

    def paths(self) -> list[str]:
        """All that can be asked for."""
        return list(_SCHEMA.names)

    def leaves(self, name: str) -> list[str]:
        """What to ask for to have a column."""
        return [name] if name.partition(".")[0] in _SCHEMA.names else []

    def iter_batches(
        self,
        batch_size: int = _PER_GROUP,
        row_groups: Iterable[int] | None = None,
        columns: Sequence[str] | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """As `pyarrow.parquet.ParquetFile` gives them."""
        for group in range(self.num_row_groups) if row_groups is None else row_groups:
            files = self._of(group)
            for start in range(0, len(files), batch_size):
                yield self._batch(files[start : start + batch_size], columns)

    def read_row_group(self, group: int, columns: Sequence[str] | None = None) -> pa.Table:
        """As `pyarrow.parquet.ParquetFile` gives it."""
        return pa.Table.from_batches([self._batch(self._of(group), columns)])

    def _of(self, group: int) -> Sequence[str]:
        return self._images.files[group * _PER_GROUP : (group + 1) * _PER_GROUP]

    def _batch(self, files: Sequence[str], columns: Sequence[str] | None) -> pa.RecordBatch:
        names = [n for n in _SCHEMA.names if columns is None or _asked(n, columns)]
        arrays = [pa.array(self._values(name, files), _SCHEMA.field(name).type) for name in names]
        return pa.RecordBatch.from_arrays(
            arrays, schema=pa.schema([_SCHEMA.field(n) for n in names])
        )

    def _values(self, name: str, files: Sequence[str]) -> list[Any]:
        match name:
            case "sample_id":
                return [hashlib.sha256(path.encode()).hexdigest()[:_DIGITS] for path in files]
            case "image":
                return [{"bytes": self._read(path), "path": path} for path in files]
            case "source":
                return [{"name": "folder", "locator": path} for path in files]
            case "label_name":
                return [self._images.label or None] * len(files)
            case _:
                return [self._images.split or None] * len(files)

    def _read(self, path: str) -> bytes | None:
        try:
            with self._folder.open(path) as file:
                data = file.read(MOST_BYTES + 1)
        except (FileNotFoundError, StorageError):
            return None
        return data if len(data) <= MOST_BYTES else None


def _asked(name: str, columns: Sequence[str]) -> bool:
    return any(column.partition(".")[0] == name for column in columns)
