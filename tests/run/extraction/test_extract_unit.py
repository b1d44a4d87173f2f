"""One shard: images that hang or kill are given up, and nothing is taken for something else."""

from __future__ import annotations

import json
import pickle
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from augment.audit.sizes import MOST_PIXELS
from augment.audit.table import DataSet
from augment.errors import RequestError
from augment.features import describe
from augment.features.kept import TRIES, Bytes, Shelf, shard_name
from augment.run.extraction.extract_unit import ExtractTask, known_by, unit_text
from augment.storage import Folder
from augment.write import Work
from tests.audit.conftest import png
from tests.run.extraction.conftest import RANDOM

INFO = describe("random")


@pytest.fixture
def task(data: DataSet, tmp_path: object) -> ExtractTask:
    shelf = Shelf(Folder(f"{tmp_path}/shelf"))
    return ExtractTask(replace(data, shards=()), RANDOM, (INFO,), shelf, "run-1")


def test_a_unit_says_what_it_made(task: ExtractTask, data: DataSet) -> None:
    unit, worker = unit_text(data.shards[0]), task.worker()
    first = json.loads(worker(unit))
    path, size = data.shards[0].path, data.shards[0].size
    assert first == {"path": path, "known_by": f"{size} bytes", "made": ["random"], "rows": 9}
    assert json.loads(worker(unit)) == {**first, "made": [], "rows": 0}


def test_a_task_travels(task: ExtractTask, data: DataSet) -> None:
    there = pickle.loads(pickle.dumps(task))
    assert json.loads(there.worker()(unit_text(data.shards[1])))["made"] == ["random"]


@pytest.mark.parametrize(
    ("reason", "detail"),
    [
        ("timeout", "its image took longer to decode than 60 s"),
        ("killed", "every process that decoded its image died"),
    ],
)
def test_an_image_at_which_two_tries_ended_is_left_out(
    task: ExtractTask, data: DataSet, reason: str, detail: str
) -> None:
    shard = data.shards[0]
    name = shard_name(shard.path).partition(".")[0]
    work = Work(task.shelf.folder.child(TRIES))
    worker = task.worker()
    assert not worker.risky(unit_text(shard))
    for _ in range(2):
        note = {"run": "run-1", "stage": "make", "positions": [3], "reason": reason}
        work.note(work.begin(name), note)
    assert worker.risky(unit_text(shard))
    worker(unit_text(shard))
    kept = task.shelf.get(INFO, Bytes(shard.path, known_by(data, shard)))
    assert kept is not None
    assert kept.rows.tolist() == [0, 1, 2, 4, 5, 6, 7, 8]
    (lost,) = kept.lost
    assert (lost.row, lost.reason, lost.detail) == (3, reason, detail)
    assert len(lost.sample_id) == 32
    assert not worker.risky(unit_text(shard))  # its marks are gone


def test_bytes_are_known_by_their_name_and_size_in_a_log(data: DataSet) -> None:
    assert known_by(data, data.shards[0]) == f"{data.shards[0].size} bytes"


def test_bytes_are_known_by_their_hash_where_there_is_no_log(
    foreign: Callable[..., DataSet],
) -> None:
    one = foreign(image=[png(0)])
    first = known_by(one, one.shards[0])
    assert first.startswith("sha256 ")
    assert known_by(one, one.shards[0]) == first
    other = foreign(image=[png(1)])
    assert known_by(other, other.shards[0]) != first


def test_weights_that_changed_since_the_run_began_are_an_error(
    task: ExtractTask, data: DataSet
) -> None:
    changed = replace(task, infos=(replace(INFO, weights_sha256="f" * 64),))
    with pytest.raises(RequestError, match="extractor random: its weights are others now than"):
        changed.worker()(unit_text(data.shards[0]))
    assert task.shelf.names(INFO) == frozenset()


def test_large_images_are_decoded_few_at_a_time(foreign: Callable[..., DataSet]) -> None:
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.zeros((6000, 6000), np.uint8)).save(out, format="PNG")
    data = foreign(image=[out.getvalue(), png(0), out.getvalue()])
    shelf = Shelf(data.folder.child("_shelf"))
    task = ExtractTask(replace(data, shards=()), RANDOM, (INFO,), shelf, "run-1")
    assert json.loads(task.worker()(unit_text(data.shards[0])))["rows"] == 3


def test_what_a_row_says_of_its_size_opens_no_bomb(foreign: Callable[..., DataSet]) -> None:
    sizes = [8, MOST_PIXELS // 1024 + 1]
    images = [png(0), one_bit(1024, sizes[1])]
    data = foreign(image=images, width=[8, 1024], height=sizes)
    shelf = Shelf(data.folder.child("_shelf"))
    task = ExtractTask(replace(data, shards=()), RANDOM, (INFO,), shelf, "run-1")
    (shard,) = data.shards
    task.worker()(unit_text(shard))
    kept = shelf.get(INFO, Bytes(shard.path, known_by(data, shard)))
    assert kept is not None
    assert [(one.row, one.reason) for one in kept.lost] == [(1, "too_large")]


def one_bit(width: int, height: int) -> bytes:
    """A black PNG of a bit a pixel: some thousand times smaller than what is decoded of it."""
    packer = zlib.compressobj(9)
    rows = packer.compress(bytes((1 + width // 8) * height)) + packer.flush()
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0), b"IDAT": rows, b"IEND": b"",
    }  # fmt: skip
    chunks = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts.items()
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
