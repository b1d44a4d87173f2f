"""Images that are equal byte for byte: found, whatever it takes, and kept in one split."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment.sources import take_census
from augment.sources.equal import EqualTold
from augment.sources.equal_files import HEAD_BYTES, Images, equal_files
from augment.sources.listing import LISTING_SCHEMA
from augment.sources.parquet import list_parquet
from augment.sources.parquet_equal import see_images
from augment.spec.models import ParquetSource
from augment.storage import Folder
from tests.sources.test_census import folder_job, job, png
from tests.storage.s3_server import S3Server

SHARES = {"train": 0.7, "test": 0.3}
LARGE = bytes(HEAD_BYTES * 3)


class Counting(Folder):
    """A folder that counts what is read of it."""

    def __init__(self, uri: str, options: Any = None) -> None:
        super().__init__(uri, options)
        self.starts: Counter[str] = Counter()
        self.opens: Counter[str] = Counter()

    def start(self, path: str, size: int) -> bytes:
        self.starts[path] += 1
        return super().start(path, size)

    def open(self, path: str) -> BinaryIO:
        self.opens[path] += 1
        return super().open(path)


def write(folder: Folder, files: dict[str, bytes]) -> pa.Table:
    """The files, and their listing in the order given."""
    for path, data in files.items():
        folder.replace(path, data)
    return listing(folder, list(files))


def listing(folder: Folder, paths: Sequence[str]) -> pa.Table:
    infos = [folder.info(path) for path in paths]
    columns = [[i.path for i in infos], ["a"] * len(infos), [""] * len(infos),
               [i.size for i in infos], [i.token for i in infos]]  # fmt: skip
    arrays = [pa.array(c, f.type) for c, f in zip(columns, LISTING_SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=LISTING_SCHEMA)


def images(folder: Folder, table: pa.Table) -> Images:
    return Images(folder, table["locator"], table["size"].to_numpy(), table["token"])


def of_files(folder: Folder, table: pa.Table) -> np.ndarray:
    (groups,) = equal_files([images(folder, table)])
    return groups


def sets(groups: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(groups == g).tolist()) for g in np.unique(groups[groups >= 0])}


# ---- files ---------------------------------------------------------------------------


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2)), max_size=14))
def test_equal_are_those_with_equal_bytes(
    tmp_path_factory: pytest.TempPathFactory, kinds: list[tuple[int, int, int]]
) -> None:
    """Of a few sizes, that differ in the first byte, in the middle, or in the last one."""
    folder = Folder(str(tmp_path_factory.mktemp("files")))
    files = {}
    for i, (size, first, middle) in enumerate(kinds):
        data = bytearray(LARGE[: (9, 10, HEAD_BYTES + 1, len(LARGE))[size]])
        data[0], data[len(data) // 2], data[-1] = first, middle, first % 2
        files[f"{i}.bin"] = bytes(data)
    groups = of_files(folder, write(folder, files)) if files else np.empty(0, np.int64)
    by_bytes: dict[bytes, list[int]] = {}
    for i, data in enumerate(files.values()):
        by_bytes.setdefault(data, []).append(i)
    assert sets(groups) == {frozenset(some) for some in by_bytes.values() if len(some) > 1}


def test_no_more_is_read_than_it_takes(tmp_path: Path) -> None:
    """Nothing where sizes differ, the beginning where they meet, all where nothing else tells."""
    folder = Counting(str(tmp_path))
    middle = bytearray(LARGE)
    middle[len(LARGE) // 2] = 1
    files = {
        "alone": bytes(77),
        "one": b"1" + LARGE[1:],
        "other": b"2" + LARGE[1:],
        "zeros": LARGE,
        "middle": bytes(middle),
        "again": LARGE,
        "small": b"small",
        "twins": b"small",
    }
    assert sets(of_files(folder, write(folder, files))) == {
        frozenset({3, 5}), frozenset({6, 7})
    }  # fmt: skip
    assert folder.starts == dict.fromkeys(set(files) - {"alone"}, 1)
    assert folder.opens == {"zeros": 2, "middle": 2, "again": 2}


def test_a_file_that_cannot_be_read_equals_none(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    table = write(folder, {"a": b"same", "b": b"same", "gone": b"same", "c": b"", "d": b""})
    os.remove(tmp_path / "gone")
    (tmp_path / "b").unlink()
    (tmp_path / "b").mkdir()
    assert of_files(folder, table).tolist() == [-1] * 5


def test_sizes_need_not_be_known(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    table = write(folder, {"a": LARGE, "b": LARGE, "c": LARGE[:-1], "d": b"x"})
    unknown = table.set_column(3, "size", pa.array([-1] * 4, pa.int64()))
    assert sets(of_files(folder, unknown)) == {frozenset({0, 1})}


def test_a_store_that_tells_md5_is_not_read(s3: S3Server) -> None:
    """But for one object, which shows that it does."""
    folder = Counting(f"{s3.bucket()}/files", s3.options())
    files = {f"{i}": bytes([i // 2]) * 3000 for i in range(12)}
    table = write(folder, files)
    s3.seen.clear()
    assert sets(of_files(folder, table)) == {frozenset({i, i + 1}) for i in range(0, 12, 2)}
    assert sum(folder.opens.values()) == 1 + 0
    assert folder.starts == dict.fromkeys(files, 1)


def test_tags_that_are_no_md5_are_not_believed(s3: S3Server) -> None:
    """Those of encrypted objects look alike and differ for equal bytes."""
    folder = Counting(f"{s3.bucket()}/files", s3.options())
    table = write(folder, {f"{i}": bytes([i // 2]) * 3000 for i in range(4)})
    other = [f"3000-{i:032x}" for i in range(4)]
    assert sets(of_files(folder, table.set_column(4, "token", pa.array(other)))) == {
        frozenset({0, 1}), frozenset({2, 3})
    }  # fmt: skip
    mixed = [table["token"][0].as_py(), "3000-abc-2", "3000-def-2", table["token"][3].as_py()]
    found = of_files(folder, table.set_column(4, "token", pa.array(mixed)))
    assert sets(found) == {frozenset({0, 1}), frozenset({2, 3})}


# ---- splits --------------------------------------------------------------------------


def twice(folder: Folder, classes: str = "ab", n: int = 10) -> None:
    """Every image of a class twice, as a browser saves it."""
    for at, label in enumerate(classes):
        for i in range(n):
            for name in (f"{label}/{i}.png", f"{label}/{i} (1).png"):
                folder.replace(name, png(100 * at + i))


def splits(asked: Any) -> dict[str, str]:
    table = take_census(asked).table
    return dict(zip(table["locator"].to_pylist(), table["split"].to_pylist(), strict=True))


@pytest.mark.parametrize("split_seed", range(5))
def test_equal_images_are_drawn_into_one_split(tmp_path: Path, split_seed: int) -> None:
    folder = Folder(str(tmp_path))
    twice(folder)
    census = take_census(folder_job(folder.uri, SHARES, split_seed=split_seed))
    found = splits(folder_job(folder.uri, SHARES, split_seed=split_seed))
    for label in "ab":
        for i in range(10):
            assert found[f"{label}/{i}.png"] == found[f"{label}/{i} (1).png"]
        own = Counter(s for x, s in found.items() if x.startswith(label))
        assert own == {"train": 14, "test": 6}
    assert census.equal == {"digits": EqualTold(40, 40, 20)}


def test_equal_images_under_two_classes_are_drawn_together(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    twice(folder)
    for i in range(0, 10, 2):
        folder.replace(f"b/copy of {i}.png", png(i))
    found = splits(folder_job(folder.uri, SHARES))
    for i in range(0, 10, 2):
        assert len({found[f"a/{i}.png"], found[f"a/{i} (1).png"], found[f"b/copy of {i}.png"]}) == 1
    own = Counter((x[0], s) for x, s in found.items())
    assert own == {("a", "train"): 14, ("a", "test"): 6, ("b", "train"): 17, ("b", "test"): 8}


def test_splits_that_are_folders_are_not_looked_at(tmp_path: Path) -> None:
    """Nothing is drawn there; the audit looks at what is."""
    folder = Folder(str(tmp_path))
    twice(folder)
    assert take_census(folder_job(folder.uri, {"train": "."})).equal == {}
    assert take_census(folder_job(folder.uri, {"train": 1.0})).equal == {}


def parquet(path: Path, images: Sequence[Any], struct: bool = True) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())]) if struct else None
    columns = {"image": pa.array(images, kind), "label": ["a"] * len(images)}
    pq.write_table(pa.table(columns), path, row_group_size=3)


def of_parquet(uri: Path, splits: dict[str, float] | None = None) -> Any:
    source = {"format": "parquet", "uri": str(uri), "splits": splits or SHARES}
    return job({"rows": source})


@pytest.mark.parametrize("struct", [True, False])
def test_equal_rows_of_parquet_files_are_drawn_together(tmp_path: Path, struct: bool) -> None:
    values: list[Any] = [png(i // 2) for i in range(20)]
    if struct:
        values = [{"bytes": v, "path": f"{i}.png"} for i, v in enumerate(values)]
    parquet(tmp_path / "x.parquet", values, struct)
    parquet(tmp_path / "y.parquet", [values[0], None, values[5]], struct)
    found = splits(of_parquet(tmp_path))
    for i in range(0, 20, 2):
        assert found[f"x.parquet#{i}"] == found[f"x.parquet#{i + 1}"]
    assert found["x.parquet#0"] == found["y.parquet#0"]
    assert found["x.parquet#5"] == found["y.parquet#2"]
    assert take_census(of_parquet(tmp_path)).equal == {"rows": EqualTold(23, 22, 10)}


@pytest.mark.parametrize("struct", [True, False])
def test_files_that_rows_name_are_compared(tmp_path: Path, struct: bool) -> None:
    """As in a folder of images: what counts is what the files hold, not what they are called."""
    folder = Folder(str(tmp_path / "set"))
    for i in range(20):
        folder.replace(f"img/{i}.png", png(i // 2))
    folder.replace("img/large.png", png(0) + LARGE)
    names = [*(f"img/{i}.png" for i in range(20)), "set/img/3.png", "img/none.png", "../x.png",
             "img/large.png", folder.url("img/large.png")]  # fmt: skip
    values = [{"bytes": None, "path": name} for name in names] if struct else names
    parquet(tmp_path / "set/x.parquet", values, struct)
    found = splits(of_parquet(tmp_path / "set"))
    for a, b in [*((i, i + 1) for i in range(0, 20, 2)), (2, 20), (23, 24)]:
        assert found[f"x.parquet#{a}"] == found[f"x.parquet#{b}"]
    told = take_census(of_parquet(tmp_path / "set")).equal
    assert told == {"rows": EqualTold(25, 23, 11)}


def test_what_is_too_large_to_read_for_it_is_said(tmp_path: Path) -> None:
    """Counted as it is in memory: a small file may hold very much."""
    parquet(tmp_path / "x.parquet", [bytes(100_000)] * 6, struct=False)
    assert (tmp_path / "x.parquet").stat().st_size < 100_000
    spec = ParquetSource(format="parquet", uri=str(tmp_path), splits=SHARES)
    found = list_parquet("rows", spec)
    said = see_images(spec, found, 100_000)
    assert isinstance(said, str)
    assert re.fullmatch(
        r"its row groups take \d{6} bytes, of which up to 100000 are read for it", said
    )
    said = see_images(spec, found, 300_000)  # its footer says less: it holds the value once
    assert said == "its images take over 300000 bytes, and no more are read for it"
    seen = see_images(spec, found, 1 << 30)
    assert isinstance(seen, Images)
    assert equal_files([seen])[0].tolist() == [0] * 6


@pytest.mark.parametrize(
    "kind", [pa.large_binary(), pa.binary_view(), pa.dictionary(pa.int32(), pa.binary())], ids=str
)
def test_images_of_any_type_that_is_read_are_compared(tmp_path: Path, kind: pa.DataType) -> None:
    values = pa.array([png(i // 2) for i in range(6)])
    coded = values.dictionary_encode() if pa.types.is_dictionary(kind) else values.cast(kind)
    pq.write_table(pa.table({"image": coded, "label": ["a"] * 6}), tmp_path / "x.parquet")
    assert take_census(of_parquet(tmp_path)).equal == {"rows": EqualTold(6, 6, 3)}


def test_a_parquet_file_that_breaks_off_is_told_by_its_rows(tmp_path: Path) -> None:
    spec = ParquetSource(format="parquet", uri=str(tmp_path), splits=SHARES)
    parquet(tmp_path / "x.parquet", [png(0)] * 6, struct=False)
    found = list_parquet("rows", spec)
    data = (tmp_path / "x.parquet").read_bytes()
    (tmp_path / "x.parquet").write_bytes(data[:60] + bytes(200) + data[260:])
    seen = see_images(spec, found, 1 << 20)
    assert isinstance(seen, Images)
    assert seen.sizes.shape == (6,)
    assert seen.sizes[-1] == 0
