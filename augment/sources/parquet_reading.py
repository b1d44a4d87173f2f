"""Image bytes out of Parquet files: each row group that is needed is read once a call.

Knows nothing of labels or splits.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from augment.errors import SampleError, StorageError
from augment.sample import RealRow
from augment.sources.fence import fenced
from augment.sources.parquet_file import open_parquet, read_rows, said
from augment.sources.parquet_images import ImagePath, Item, items
from augment.sources.parquet_paths import no_image, relative, too_long
from augment.sources.reading import about_one_file, in_order, read_file
from augment.spec.models import ParquetSource
from augment.storage import Folder, Options, split_uri

Bytes = bytes | SampleError
_SHOWN = 200  # characters of a path


class _Footer(NamedTuple):
    token: str
    starts: tuple[int, ...]  # first row of each row group
    rows: int


def locate(spec: ParquetSource, options: Options | None) -> tuple[Folder, str]:
    """(the folder that locators and paths hang on, the file's name if the uri is a file); links
    in it lead no further than they may."""
    folder = Folder(spec.uri, options)
    try:
        folder.info("")
    except FileNotFoundError:
        return fenced(folder, spec), ""
    above, name = split_uri(folder.uri)
    return fenced(Folder(above, options), spec, name), name


class ParquetReader:
    """Reads rows of Parquet files. Picklable; keeps the footers it has seen."""

    def __init__(self, name: str, spec: ParquetSource, options: Options | None = None) -> None:
        self.name = name
        self._spec, self._options = spec, options
        self._column = spec.columns.image
        self._folder: Folder | None = None
        self._footers: dict[str, _Footer | SampleError] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_folder": None}  # another machine has its own policy

    def read(self, rows: Sequence[RealRow]) -> Iterator[Bytes]:
        """See `SourceReader.read`. The bytes of a row group that are asked for stay in
        memory until they were handed out; the rest of it does not."""
        if self._folder is None:
            self._folder = locate(self._spec, self._options)[0]
        folder = self._folder

        def one(item: Item) -> Bytes:
            return _read_path(folder, item.text) if isinstance(item, ImagePath) else item

        items = self._items(folder, rows)
        return in_order(one, items, in_threads=not folder.is_local)

    def _items(self, folder: Folder, rows: Sequence[RealRow]) -> Iterator[Item]:
        files = {row.locator.rpartition("#")[0] for row in rows}
        footers = {file: self._footer(folder, file) for file in sorted(files)}
        places = [_place(row, footers) for row in rows]
        wanted: dict[tuple[str, int], set[int]] = {}
        for place in places:
            if not isinstance(place, SampleError):
                wanted.setdefault(place[:2], set()).add(place[2])
        held: dict[tuple[str, int, int], Item] = {}
        uses: dict[tuple[str, int, int], int] = {}
        for place in places:
            if not isinstance(place, SampleError):
                uses[place] = uses.get(place, 0) + 1
        for place in places:
            if isinstance(place, SampleError):
                yield place
                continue
            if place not in held:
                file, group, _ = place
                numbers = sorted(wanted[file, group])
                for number, item in zip(
                    numbers, self._group(folder, file, group, numbers), strict=True
                ):
                    held[file, group, number] = item
            uses[place] -= 1
            yield held[place] if uses[place] else held.pop(place)

    def _footer(self, folder: Folder, file: str) -> _Footer | SampleError:
        try:
            token = folder.info(file).token
            known = self._footers.get(file)
            if isinstance(known, _Footer) and token and known.token == token:
                return known
            with open_parquet(folder, file) as parquet:
                starts, rows = [], 0
                for group in range(parquet.num_row_groups):
                    starts.append(rows)
                    rows += parquet.metadata.row_group(group).num_rows
        except (pa.ArrowException, OSError, StorageError) as error:
            return _trouble(folder, file, error)
        footer = _Footer(token, tuple(starts), rows)
        self._footers[file] = footer
        return footer

    def _group(self, folder: Folder, file: str, group: int, numbers: Sequence[int]) -> list[Item]:
        try:
            with open_parquet(folder, file) as parquet:
                column = read_rows(parquet, group, self._column, numbers)
            return items(column, f"{file}, row group {group}")
        except (pa.ArrowException, OSError, KeyError, StorageError) as error:
            return [_trouble(folder, f"{file}, row group {group}", error)] * len(numbers)


def _place(
    row: RealRow, footers: Mapping[str, _Footer | SampleError]
) -> tuple[str, int, int] | SampleError:
    """(file, row group, row in the group) of a locator."""
    file, _, number = row.locator.rpartition("#")
    footer = footers[file]
    if isinstance(footer, SampleError):
        return footer
    if row.token and row.token != footer.token:
        return SampleError("changed", f"{file} is not the file of the census any more")
    at = int(number)
    if at >= footer.rows:
        return SampleError("changed", f"{file} has {footer.rows} rows; row {at} is gone")
    group = bisect_right(footer.starts, at) - 1
    return file, group, at - footer.starts[group]


def _trouble(folder: Folder, where: str, error: Exception) -> SampleError:
    """One file's trouble, as its rows' error. Raises: StorageError where the store is away."""
    if isinstance(error, FileNotFoundError):
        return SampleError("vanished", f"{where} is no longer there")
    if isinstance(error, StorageError) and not about_one_file(folder, error):
        raise error
    return SampleError("unreadable", f"{where}: {said(error)}")


def _read_path(folder: Folder, text: str) -> Bytes:
    """The file that a text of an image column means. Images and addresses are not shown."""
    if too_long(text):
        return SampleError("unreadable", f"a text of {len(text)} characters, which is no path")
    first: SampleError | None = None
    for path in relative(text, folder.uri):
        found = read_file(folder, path)
        if not isinstance(found, SampleError) or found.reason != "vanished":
            return found
        first = first or found
    if (coded := no_image(text)) is not None:
        return SampleError("unreadable", f"{coded[0]} of {len(text)} characters, and no path")
    if first is not None and len(text) > _SHOWN:
        return SampleError("vanished", f"{text[:_SHOWN]}... is no longer there")
    return first or read_file(folder, text)
