"""Reading files of an image folder in order, whatever happens to them."""

import os
import pickle
import threading

import pytest

from augment.errors import SampleError, StorageError
from augment.sample import RealRow
from augment.sources import open_source
from augment.sources.reading import in_order
from augment.spec.models import ImageFolderSource
from augment.storage import Folder


def spec_of(folder: Folder) -> ImageFolderSource:
    return ImageFolderSource(format="imagefolder", uri=folder.uri, splits={"train": 1.0})


def rows_of(folder: Folder) -> list[RealRow]:
    infos = sorted(folder.files())
    return [RealRow("s", i.path, "train", "a", 0, i.size, i.token) for i in infos]


@pytest.fixture(params=["local", "memory"])
def folder(request, tmp_path) -> Folder:
    return Folder(
        f"memory://{tmp_path.name}-{os.urandom(6).hex()}"
        if request.param == "memory"
        else str(tmp_path)
    )


def test_bytes_come_in_order(folder):
    for i in range(100):
        folder.replace(f"a/ü {i:03}.png", b"%d" % i)
    rows = rows_of(folder)[::-1]
    reader = pickle.loads(pickle.dumps(open_source("s", spec_of(folder))))
    assert list(reader.read(rows)) == [b"%d" % i for i in range(99, -1, -1)]
    assert list(reader.read([])) == []


def test_files_that_change_or_vanish(folder):
    for name in ("gone", "same size", "longer", "fine"):
        folder.replace(f"a/{name}.png", b"bytes")
    rows = {r.locator[2:-4]: r for r in rows_of(folder)}
    folder.remove("a/gone.png")
    folder.replace("a/same size.png", b"BYTES")
    folder.replace("a/longer.png", b"more bytes")
    unknown = RealRow("s", "a/longer.png", "train", "a", 0, size=5)
    asked = [rows["gone"], rows["same size"], rows["longer"], rows["fine"], unknown]
    read = list(open_source("s", spec_of(folder)).read(asked))
    assert [str(x) for x in read if isinstance(x, SampleError)] == [
        "vanished: a/gone.png is no longer there",
        "changed: a/same size.png is not the file of the census any more: 5 bytes, then 5",
        "changed: a/longer.png is not the file of the census any more: 10 bytes, then 5",
        "changed: a/longer.png has 10 bytes; the census saw 5",
    ]
    assert read[3] == b"bytes"


def test_a_folder_in_place_of_a_file_costs_its_row(tmp_path):
    (tmp_path / "x.png").mkdir()
    folder = Folder(str(tmp_path))
    rows = [RealRow("s", name, "train", "a", 0) for name in ("x.png", "../x.png")]
    read = list(open_source("s", spec_of(folder)).read(rows))
    assert [x.reason for x in read] == ["unreadable", "unreadable"]
    assert "x.png could not be read: it is a folder, not a file" in read[0].detail


def test_a_store_that_is_away_stops_the_run():
    options = {"endpoint_url": "http://127.0.0.1:9", "key": "k", "secret": "s"}
    options["config_kwargs"] = {"retries": {"max_attempts": 0}}
    folder = Folder("s3://bucket/x")
    reader = open_source("s", spec_of(folder), {"s3": options})
    with pytest.raises(StorageError, match="s3://bucket/x/a could not be read"):
        list(reader.read([RealRow("s", "a", "train", "a", 0)]))


def test_reading_ahead_is_bounded_and_stops():
    seen, lock = [], threading.Lock()

    def read(i: int) -> int:
        with lock:
            seen.append(i)
        return -i

    stream = in_order(read, iter(range(10_000)), in_threads=True)
    assert [next(stream) for _ in range(5)] == [0, -1, -2, -3, -4]
    stream.close()
    assert len(seen) < 100
    assert list(in_order(read, [1, 2], in_threads=False)) == [-1, -2]
