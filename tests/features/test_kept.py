"""Kept features come back as they were, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from augment.features.kept import Bytes, Kept, Lost, Shelf, metadata_of, packed, path_of, unpacked
from augment.features.protocol import ExtractorInfo
from augment.storage import Folder

INFO = ExtractorInfo("x", 1, 3, "0" * 64, "none")
SHARD = Bytes("data/train/a-0123456789ab.parquet", "812 bytes")


def some(n: int = 4) -> Kept:
    rows = np.arange(n, dtype=np.int64) * 2
    features = np.linspace(-1, 1, 3 * n, dtype=np.float32).reshape(n, 3)
    return Kept(rows, tuple(f"id-{k}é" for k in rows), features, (Lost(1, "", "empty", "none"),))


def same(one: Kept | None, other: Kept) -> bool:
    return (
        one is not None
        and one.rows.tolist() == other.rows.tolist()
        and one.features.tobytes() == other.features.tobytes()
        and (one.sample_ids, one.lost) == (other.sample_ids, other.lost)
    )


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(Folder(str(tmp_path / "_features")))


def test_they_come_back_from_a_store(tmp_path: Path) -> None:
    store = Shelf(Folder(f"memory://kept{tmp_path}/_features"))
    store.put(INFO, SHARD, some())
    assert same(store.get(INFO, SHARD), some())
    assert store.names(INFO) == {path_of(INFO, SHARD.path)}
    store.folder.replace(path_of(INFO, SHARD.path), b"damaged")
    store.put(INFO, SHARD, some(2))
    assert same(store.get(INFO, SHARD), some(2))


@pytest.mark.parametrize("n", [0, 1, 4])
def test_they_come_back(shelf: Shelf, n: int) -> None:
    assert shelf.get(INFO, SHARD) is None
    assert shelf.names(INFO) == frozenset()
    shelf.put(INFO, SHARD, some(n))
    assert same(shelf.get(INFO, SHARD), some(n))
    assert shelf.names(INFO) == {path_of(INFO, SHARD.path)}


def test_no_changed_or_missing_byte_passes() -> None:
    data = packed(some(2), INFO, SHARD)
    assert unpacked(data, INFO, SHARD) is not None
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        assert unpacked(changed, INFO, SHARD) is None, at
        assert unpacked(data[:at], INFO, SHARD) is None, at


@pytest.mark.parametrize(
    ("info", "shard"),
    [
        (replace(INFO, version=2), SHARD),
        (replace(INFO, weights_sha256="1" * 64), SHARD),
        (INFO, SHARD._replace(known_by="813 bytes")),
        (INFO, SHARD._replace(path="data/train/b.parquet")),
    ],
)
def test_what_is_of_something_else_is_not_there(info: ExtractorInfo, shard: Bytes) -> None:
    assert unpacked(packed(some(), INFO, SHARD), info, shard) is None


def test_two_extractors_and_two_shards_have_files_of_their_own() -> None:
    paths = {
        path_of(info, path)
        for info in (INFO, replace(INFO, name="y"), replace(INFO, resize="other"))
        for path in ("data/a.parquet", "data/b.parquet")
    }
    assert len(paths) == 6


def test_the_first_of_two_stays(shelf: Shelf) -> None:
    shelf.put(INFO, SHARD, some())
    shelf.put(INFO, SHARD, replace(some(), features=some().features + 1))
    assert same(shelf.get(INFO, SHARD), some())


@pytest.mark.parametrize("cut", [0, 5, 200])
def test_a_damaged_file_is_put_in_its_place_again(shelf: Shelf, cut: int, tmp_path: Path) -> None:
    shelf.put(INFO, SHARD, some())
    place = tmp_path / "_features" / path_of(INFO, SHARD.path)
    place.write_bytes(place.read_bytes()[:cut])
    assert shelf.get(INFO, SHARD) is None
    shelf.put(INFO, SHARD, some())
    assert same(shelf.get(INFO, SHARD), some())


def test_features_of_changed_bytes_take_the_place_of_the_old(shelf: Shelf) -> None:
    shelf.put(INFO, SHARD, some())
    changed = SHARD._replace(known_by="sha256 of other bytes")
    shelf.put(INFO, changed, some(2))
    assert shelf.get(INFO, SHARD) is None
    assert same(shelf.get(INFO, changed), some(2))


def test_others_can_open_it(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put(INFO, SHARD, some())
    found = load_file(tmp_path / "_features" / path_of(INFO, SHARD.path))
    np.testing.assert_array_equal(found["features"], some().features)
    assert found["rows"].tolist() == [0, 2, 4, 6]


@pytest.mark.parametrize(
    "kept",
    [
        replace(some(), features=np.zeros((4, 2), np.float32)),
        replace(some(), rows=np.zeros(3, np.int64)),
        replace(some(), sample_ids=("a",)),
    ],
)
def test_what_does_not_fit_together_is_not_kept(shelf: Shelf, kept: Kept) -> None:
    with pytest.raises(ValueError, match="expected one of each, and 3 dimensions"):
        shelf.put(INFO, SHARD, kept)
    assert shelf.names(INFO) == frozenset()


Change = Callable[[dict[str, np.ndarray]], None]


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.update(features=np.full((4, 3), np.nan, np.float32)),
        lambda t: t.update(features=np.zeros((4, 4), np.float32)),
        lambda t: t.update(features=np.zeros((4, 3), np.int64)),
        lambda t: t.update(rows=np.zeros((2, 2), np.int64)),
        lambda t: t.update(ends=np.array([1, 9, 3, 4], np.int64)),
        lambda t: t.update(ends=np.array([1, 2, 3, 4], np.int64)),
        lambda t: t.update(lost=np.frombuffer(b"[[1]]", np.uint8)),
        lambda t: t.update(lost=np.frombuffer(b"7", np.uint8)),
        lambda t: t.update(more=np.zeros(1, np.uint8)),
    ],
)
def test_a_file_made_by_hand_with_a_right_hash_is_looked_at_too(
    change: Change, tmp_path: Path
) -> None:
    """Its hash is no secret: whoever can write here can make one."""
    (tmp_path / "f").write_bytes(packed(some(), INFO, SHARD))
    tensors = load_file(tmp_path / "f")

    def forged() -> bytes:
        found: bytes = save(tensors, metadata_of(tensors, INFO, SHARD))
        return found

    assert unpacked(forged(), INFO, SHARD) is not None
    change(tensors)
    assert unpacked(forged(), INFO, SHARD) is None
