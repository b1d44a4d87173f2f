"""Parquet sources: columns, splits, labels and reading, on real digits."""

import io
import pickle
import random
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features
from datasets import Image as ImageFeature
from PIL import Image
from sklearn.datasets import load_digits

from augment.errors import PlanError, SampleError
from augment.sample import RealRow
from augment.sources import SourceReader, open_source, take_census
from augment.sources.parquet_file import NotParquet, open_parquet, read_rows
from augment.spec import Job, JobSpec
from augment.storage import Folder
from tests.sources.losses import left

DIGITS = load_digits()
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def png(i: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray((DIGITS.images[i] * 15).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def put(folder: Folder, path: str, columns: dict, row_group_size: int = 4) -> None:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, row_group_size=row_group_size)
    folder.replace(path, out.getvalue())


def job(uri: str, splits: dict, **source) -> Job:
    one = {"format": "parquet", "uri": uri, "splits": splits, **source}
    spec = {"version": 1, "name": "t", "seed": 7, "sources": {"d": one}, "output": {"uri": "o"}}
    return Job(spec=JobSpec.model_validate(spec), text="", base="")


def real_rows(job: Job) -> list[RealRow]:
    return [RealRow(**r) for r in take_census(job).table.to_pylist()]


def reader(job: Job) -> SourceReader:
    return open_source("d", job.spec.sources["d"])


def texts(job: Job) -> list[str]:
    with pytest.raises(PlanError) as error:
        take_census(job)
    return [str(p) for p in error.value.problems]


@pytest.fixture(params=["local", "memory"])
def folder(request, tmp_path) -> Folder:
    if request.param == "memory":
        return Folder(f"memory://{tmp_path.name}-{random.getrandbits(64):x}")
    return Folder(str(tmp_path / "data"))


def small(folder: Folder, path: str = "x.parquet", n: int = 10, start: int = 0, **more) -> None:
    numbers = range(start, start + n)
    images = [{"bytes": png(i), "path": None} for i in numbers]
    labels = [str(DIGITS.target[i]) for i in numbers]
    put(folder, path, {"image": pa.array(images, IMAGE), "label": labels, **more})


# ---- what is listed --------------------------------------------------------------------


def test_rows_are_listed_and_read_in_any_order(folder):
    small(folder, "a/x.parquet", 10)
    small(folder, "y.parquet", 6, start=10)
    asked = job(folder.uri, {"train": 1.0})
    census = take_census(asked)
    got = real_rows(asked)
    assert sorted(r.locator for r in got) == sorted(
        [f"a/x.parquet#{i}" for i in range(10)] + [f"y.parquet#{i}" for i in range(6)]
    )
    number = {r.locator: _number(r.locator) for r in got}
    assert all(r.label_name == str(DIGITS.target[number[r.locator]]) for r in got)
    assert {r.size for r in got} == {-1}
    blocks = dict(zip(number, census.blocks().to_pylist(), strict=True))
    assert blocks["a/x.parquet#3"] == "a/x.parquet#0"
    assert blocks["a/x.parquet#4"] == "a/x.parquet#1"
    assert blocks["y.parquet#5"] == "y.parquet#1"
    random.Random(0).shuffle(got)
    got += got[:3]  # a row may be asked for twice
    read = pickle.loads(pickle.dumps(reader(asked))).read(got)
    assert list(read) == [png(number[r.locator]) for r in got]


def _number(locator: str) -> int:
    file, _, row = locator.rpartition("#")
    return int(row) + (10 if file == "y.parquet" else 0)


def test_each_row_group_is_read_once_a_call(tmp_path):
    folder = Folder(str(tmp_path))
    small(folder, n=12)
    asked = job(folder.uri, {"train": 1.0})
    opened = []

    class Counted(Folder):
        def open(self, path):
            opened.append(path)
            return super().open(path)

    source = reader(asked)
    source._folder = Counted(folder.uri)
    got = real_rows(asked)[::-1]
    assert len([x for x in source.read(got) if isinstance(x, bytes)]) == 12
    assert len(opened) == 1 + 3  # the footer and three row groups
    list(source.read(got[:1]))
    assert len(opened) == 1 + 3 + 1


def test_one_file_is_a_source(folder):
    small(folder, "only#1.parquet", 5)
    asked = job(folder.url("only#1.parquet"), {"train": 0.8, "test": 0.2})
    got = real_rows(asked)
    assert {r.locator for r in got} == {f"only#1.parquet#{i}" for i in range(5)}
    number = [int(r.locator.rpartition("#")[2]) for r in got]
    assert list(reader(asked).read(got)) == [png(i) for i in number]


def test_splits_by_folder_and_by_file_name(folder):
    small(folder, "train/deep/x.parquet", 3)
    small(folder, "test-00000-of-00002.parquet", 2, start=3)
    small(folder, "test-00001-of-00002.parquet", 2, start=5)
    small(folder, "test-hard-0.parquet", 1, start=7)
    small(folder, "validation.parquet", 1, start=8)
    small(folder, "_other/train/x.parquet", 1)
    small(folder, ".cache/x.parquet", 1)
    splits = {"train": "train", "test": "test", "hard": "test-hard", "val": "validation"}
    got = real_rows(job(folder.uri, splits))
    assert {(r.split, r.locator) for r in got} == {
        *(("train", f"train/deep/x.parquet#{i}") for i in range(3)),
        *(("test", f"test-0000{f}-of-00002.parquet#{i}") for f in range(2) for i in range(2)),
        ("hard", "test-hard-0.parquet#0"),
        ("val", "validation.parquet#0"),
    }
    assert texts(job(folder.uri, {"train": "train", "test": "dev"})) == [
        f"sources.d.splits.test: got 'dev', for which {folder.uri} has no files; expected "
        "dev/*.parquet, dev-*.parquet or dev.parquet. It holds: test-00000-of-00002.parquet, "
        "test-00001-of-00002.parquet, test-hard-0.parquet, train/deep/x.parquet, "
        "validation.parquet; or name columns.split. Left out: hidden: 2 (.parquet 2)"
    ]


def test_splits_by_column(folder):
    small(folder, n=6, part=["tr", "tr", "te", "xx", None, "te"])
    columns = {"split": "part"}
    asked = job(folder.uri, {"train": "tr", "test": "te"}, columns=columns)
    got = {r.locator[-1]: r.split for r in real_rows(asked)}
    assert got == {"0": "train", "1": "train", "2": "test", "5": "test"}
    assert left(take_census(asked)) == {"split_not_asked_for": 2}
    assert texts(job(folder.uri, {"train": "tr", "test": "xxx"}, columns=columns)) == [
        "sources.d.splits.test: got 'xxx', a value that no row of column 'part' has; expected one "
        "of the other values it holds: te, xx. Did you mean 'xx'?"
    ]


# ---- labels ----------------------------------------------------------------------------


def test_a_file_of_datasets_has_names_and_images(tmp_path):
    names = ["zero", "one", "two", "three"]
    features = Features({"picture": ImageFeature(), "digit": ClassLabel(names=names)})
    data = {"picture": [{"bytes": png(i), "path": None} for i in range(4)], "digit": [0, 1, 2, -1]}
    Dataset.from_dict(data, features=features).to_parquet(str(tmp_path / "x.parquet"))
    columns = {"image": "picture", "label": "digit"}
    asked = job(str(tmp_path), {"train": 1.0}, columns=columns)
    got = real_rows(asked)
    assert sorted(r.label_name for r in got) == ["one", "two", "zero"]
    assert left(take_census(asked)) == {"no_label": 1}
    by_label = {r.label_name: x for r, x in zip(got, reader(asked).read(got), strict=True)}
    assert by_label == {"zero": png(0), "one": png(1), "two": png(2)}


def test_other_labels(folder):
    one = pa.array([png(0)])
    put(folder, "text.parquet", {"image": one, "label": pa.array(["x"]).dictionary_encode()})
    put(folder, "large.parquet", {"image": one, "label": pa.array(["y"], pa.large_string())})
    put(folder, "null.parquet", {"image": one, "label": pa.array([None], pa.string())})
    put(folder, "empty.parquet", {"image": one, "label": [""]})
    put(folder, "none.parquet", {"image": one[:0], "label": pa.array([], pa.string())})
    census = take_census(job(folder.uri, {"train": 1.0}))
    assert census.classes == ("x", "y")
    assert left(census) == {"no_label": 2}


def test_a_label_outside_its_names(tmp_path):
    features = Features({"image": ImageFeature(), "label": ClassLabel(names=["a", "b"])})
    data = {"image": [{"bytes": png(0), "path": None}], "label": [1]}
    Dataset.from_dict(data, features=features).to_parquet(str(tmp_path / "x.parquet"))
    table = pq.read_table(tmp_path / "x.parquet")
    table = table.set_column(1, table.schema.field("label"), pa.array([5], pa.int64()))
    pq.write_table(table, tmp_path / "x.parquet")
    assert texts(job(str(tmp_path), {"train": 1.0})) == [
        "sources.d.columns.label: got label 5 in x.parquet; expected 0 .. 1. "
        "Its metadata names 2 classes."
    ]


# ---- paths -----------------------------------------------------------------------------


def test_path_columns_stay_in_the_source(folder):
    folder.replace("img/a b.png", png(0))
    folder.replace("img/c.png", png(1))
    paths = ["img/a b.png", "./img/c.png", "img/none.png", "../x.png", "/etc/hostname", None, ""]
    put(folder, "x.parquet", {"image": paths, "label": ["a"] * 7})
    asked = job(folder.uri, {"train": 1.0})
    got = sorted(real_rows(asked), key=lambda r: r.locator)
    read = list(reader(asked).read(got))
    assert read[:2] == [png(0), png(1)]
    assert [str(e) for e in read[2:]] == [
        "vanished: img/none.png is no longer there",
        "unreadable: '../x.png' leaves the source; it must be relative",
        "unreadable: '/etc/hostname' leaves the source; it must be relative",
        "empty: x.parquet, row group 1: the row holds no image",
        "empty: x.parquet, row group 1: the row holds no image",
    ]


def test_a_struct_may_hold_a_path_or_bytes(folder):
    folder.replace("img/a.png", png(3))
    images = [{"bytes": None, "path": "img/a.png"}, {"bytes": png(4), "path": "img/a.png"}]
    images += [None, {"bytes": None, "path": None}]
    put(folder, "x.parquet", {"image": pa.array(images, IMAGE), "label": ["a"] * 4})
    asked = job(folder.uri, {"train": 1.0})
    read = list(reader(asked).read(sorted(real_rows(asked), key=lambda r: r.locator)))
    assert read[:2] == [png(3), png(4)]
    assert [e.reason for e in read[2:]] == ["empty", "empty"]


# ---- trouble ---------------------------------------------------------------------------


def test_wrong_columns_are_told_at_once(folder):
    put(folder, "x.parquet", {"img": [1.5], "label": [[1]], "image_": [png(0)]})
    assert texts(job(folder.uri, {"train": 1.0}, columns={"image": "image"})) == [
        "sources.d.columns.image: got 'image', which x.parquet does not have; expected one of "
        "the columns it has: img, label, image_. Did you mean 'image_'?",
        "sources.d.columns.label: got 'label' of type list<element: int64> in x.parquet; "
        "expected strings or whole numbers",
    ]
    assert texts(job(folder.uri, {"train": 1.0}, columns={"image": "img", "label": "image_"})) == [
        "sources.d.columns.image: got 'img' of type double in x.parquet; expected binary, a "
        "struct of bytes and path, or a string column of paths",
    ]
    (text,) = texts(job(folder.uri, {"train": 1.0}, columns={"image": "image_", "label": "image_"}))
    assert text == (
        "sources.d.columns.label: got bytes that are no UTF-8 text in x.parquet; "
        "expected strings or whole numbers. Labels are names of classes, or their numbers"
    )


def test_unreadable_and_missing_tables(folder):
    folder.replace("x.parquet", b"PAR1 nothing PAR1")
    (text,) = texts(job(folder.uri, {"train": 1.0}))
    assert text.startswith("sources.d.uri: got x.parquet, which cannot be read as Parquet (")
    assert text.endswith("; expected whole Parquet files")
    assert texts(job(f"{folder.uri}/none", {"train": 1.0})) == [
        f"sources.d.uri: got {folder.uri}/none, which does not exist; expected Parquet files"
    ]
    folder.remove("x.parquet")
    folder.replace("readme", b"")
    assert texts(job(folder.uri, {"train": 1.0})) == [
        f"sources.d.uri: got {folder.uri}, which holds no image with a class; expected at least "
        "one. Left out: other files, by ending: 1"
    ]
    folder.replace("_delta_log/00000000000000000000.json", b"{}")
    assert texts(job(folder.uri, {"train": 1.0})) == [
        f"sources.d.uri: got the Delta table {folder.uri}; expected files. Its files also hold "
        "rows that the table has not (any more): export a version."
    ]


def test_files_that_change_or_vanish_cost_their_rows(folder):
    small(folder, "a.parquet", 3)
    small(folder, "b.parquet", 3)
    small(folder, "c.parquet", 3)
    asked = job(folder.uri, {"train": 1.0})
    got = sorted(real_rows(asked), key=lambda r: r.locator)
    folder.remove("a.parquet")
    small(folder, "b.parquet", 2)
    read = list(reader(asked).read(got))
    assert [str(e) for e in read[:6]] == 3 * ["vanished: a.parquet is no longer there"] + 3 * [
        "changed: b.parquet is not the file of the census any more"
    ]
    assert read[6:] == [png(0), png(1), png(2)]
    gone = RealRow("d", "c.parquet#9", "train", "0", 0)
    (error,) = reader(asked).read([gone])
    assert str(error) == "changed: c.parquet has 3 rows; row 9 is gone"


def test_a_damaged_row_group_costs_its_rows(tmp_path):
    folder = Folder(str(tmp_path))
    small(folder, n=8)
    data = bytearray(folder.read("x.parquet"))
    at = bytes(data).find(b"PNG")  # in the pages of the first row group
    data[8 : at + 40] = bytes(at + 32)
    folder.replace("x.parquet", bytes(data))
    asked = job(folder.uri, {"train": 1.0})
    rows = [RealRow("d", f"x.parquet#{i}", "train", "0", i) for i in range(8)]
    read = list(reader(asked).read(rows))
    assert [isinstance(x, SampleError) and x.reason for x in read[:4]] == 4 * ["unreadable"]
    assert "x.parquet, row group 0: " in str(read[0])
    assert read[4:] == [png(i) for i in range(4, 8)]


def test_an_image_that_stands_in_the_file_once(tmp_path):
    """Written out, its column would take 4 GB; one row of it takes 4 MB."""
    image = bytes(4 << 20)
    column = pa.DictionaryArray.from_arrays([0] * 1000, pa.array([image]))
    table = pa.table({"image": column, "label": ["a"] * 1000})
    pq.write_table(
        table, tmp_path / "x.parquet", store_schema=False, dictionary_pagesize_limit=1 << 30
    )
    assert (tmp_path / "x.parquet").stat().st_size < 10 << 20
    asked = job(str(tmp_path), {"train": 1.0})
    rows = [RealRow("d", f"x.parquet#{i}", "train", "a", i) for i in (3, 998)]
    assert [found == image for found in reader(asked).read(rows)] == [True, True]
    assert pa.default_memory_pool().max_memory() < 3 << 30


def test_rows_that_take_more_than_they_may_cost_themselves(tmp_path):
    folder = Folder(str(tmp_path))
    small(folder, n=4)
    with open_parquet(folder, "x.parquet") as file:
        assert len(read_rows(file, 0, "image", [1, 3], most=10_000)) == 2
        with pytest.raises(NotParquet, match=r"it takes \d+ bytes in memory, more than 100"):
            read_rows(file, 0, "image", range(4), most=100)


@pytest.mark.parametrize("column", ["label", "image"])
def test_damaged_histograms_of_a_footer_end_no_process(tmp_path, column):
    """The column is said to have no gaps, and how many values at each level are none of these."""
    folder = Folder(str(tmp_path))
    images = pa.array([png(i) for i in range(8)], pa.binary())
    put(folder, "x.parquet", {"image": images, "label": ["a"] * 8})
    asked = job(folder.uri, {"train": 1.0})
    rows = real_rows(asked)
    data = folder.read("x.parquet")
    optional, required = (b"\x25" + bytes([n, 0x18, 5]) + column.encode() for n in (2, 0))
    assert data.count(optional) == 1
    folder.replace("x.parquet", data.replace(optional, required))
    fresh = [replace(row, token="") for row in rows]
    read = list(reader(asked).read(fresh))
    if column == "label":
        (text,) = texts(asked)
        assert "x.parquet, which cannot be read as Parquet (" in text
        assert "histogram size mismatch" in text
        assert all(isinstance(found, bytes) for found in read)
    else:
        assert {found.reason for found in read} == {"unreadable"}
        assert "histogram size mismatch" in str(read[0])
