"""A folder of images that nobody wrote a table for is audited as it stands."""

from __future__ import annotations

import os

import pytest

from augment.audit import audit, contact_sheet, open_dataset, trace
from augment.audit.foreign import list_images
from augment.audit.table import contents, open_data_set, open_shard
from augment.errors import RequestError
from augment.sample import DigitalSourceType
from augment.storage import Folder
from tests.audit.foreign.pictures import SETTINGS, digit, marked, put


def counts(report) -> dict[tuple[str, str], tuple[int, int]]:
    return {
        (str(dict(c.group)["split"]), str(dict(c.group)["class"])): (c.real, c.generated)
        for c in report.cells
    }


def test_folders_with_names_of_splits_are_splits(tmp_path):
    for i in range(6):
        put(tmp_path, f"{'train' if i % 3 else 'Test'}/{'ab'[i % 2]}/deep/{i}.png", digit(i))
    report = audit(str(tmp_path))
    assert counts(report) == {
        ("Test", "a"): (1, 0), ("Test", "b"): (1, 0),
        ("train", "a"): (2, 0), ("train", "b"): (2, 0),
    }  # fmt: skip
    assert (report.version, report.verdict, report.classes) == (None, "ok", ("a", "b"))


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["cat/1.png", "dog/2.png"], {("all", "cat"), ("all", "dog")}),
        (["train/1.png", "plane/2.png"], {("all", "train"), ("all", "plane")}),  # two vehicles
        (["1.png", "2.png"], {("all", "(none)")}),
        (["train/1.png", "test/2.png"], {("train", "(none)"), ("test", "(none)")}),
        (["train/cat/1.png", "3.png"], {("all", "train"), ("all", "(none)")}),
    ],
)
def test_what_a_folder_is(tmp_path, paths, expected):
    for i, path in enumerate(paths):
        put(tmp_path, path, digit(i))
    assert set(counts(audit(str(tmp_path)))) == expected


def test_images_are_known_by_content_and_the_rest_is_counted(tmp_path):
    put(tmp_path, "a/1.png", digit(1))
    put(tmp_path, "a/2", digit(2, "JPEG"))
    put(tmp_path, "a/3.dat", digit(3))
    put(tmp_path, "a/4.dat", b"no image")
    put(tmp_path, "a/labels.csv", b"1,2")
    put(tmp_path, "a/.5.png", digit(5))
    put(tmp_path / "elsewhere", "6.png", digit(6))
    os.symlink(tmp_path / "elsewhere", tmp_path / "a" / "inside")  # stays below the folder
    report = audit(str(tmp_path / "a"))
    assert report.whole.rows == 3
    (_, left_out), *rest = report.left_out
    assert not rest
    assert left_out.taken == 3
    assert {loss.cause.value: loss.n for loss in left_out.losses} == {
        "not_an_image": 1, "other_file": 1, "hidden": 1, "link_that_leaves": 1,
    }  # fmt: skip


def test_a_link_beside_parquet_files_is_still_refused(tmp_path):
    put(tmp_path / "set", "a/1.png", digit(1))
    os.symlink("/etc", tmp_path / "set" / "data")
    assert audit(str(tmp_path / "set")).whole.rows == 1  # no image stands behind it that counts


def test_nothing_to_audit_says_what_was_expected(tmp_path):
    put(tmp_path, "readme.txt", b"words")
    with pytest.raises(RequestError, match="nor images are there"):
        audit(str(tmp_path))
    put(tmp_path, "1.png", digit(1))
    with pytest.raises(RequestError, match="no Delta log, so nothing says which files"):
        open_dataset(str(tmp_path))
    with pytest.raises(RequestError, match="no versions"):
        audit(str(tmp_path), version=3)


def test_damaged_vanished_and_empty_files_cost_their_rows(tmp_path):
    put(tmp_path, "a/1.png", digit(1))
    put(tmp_path, "a/2.png", digit(2)[:60])
    put(tmp_path, "a/3.png", b"")
    report = audit(str(tmp_path), deep=True)
    assert report.whole.rows == 3
    (finding,) = report.findings
    assert (finding.check, finding.n) == ("decode", 2)
    data = open_data_set(str(tmp_path))
    (tmp_path / "a" / "1.png").unlink()
    with open_shard(data, data.shards[0]) as file:
        found = [row["image"]["bytes"] for b in file.iter_batches(2) for row in b.to_pylist()]
    assert found[0] is None
    assert found[2] == b""


def test_equal_files_in_two_splits_fail_and_under_two_classes_warn(tmp_path):
    for split, label, i in (("train", "a", 1), ("test", "a", 1), ("train", "b", 2)):
        put(tmp_path, f"{split}/{label}/{i}.png", digit(i))
    put(tmp_path, "train/a/again.png", digit(2))
    put(tmp_path, "test/b/other.jpg", digit(2, "JPEG"))
    report = audit(str(tmp_path))
    assert {(f.check, f.warns) for f in report.findings} == {("splits", False), ("one_class", True)}
    assert report.verdict == "failed"
    text = next(f.text for f in report.findings if f.check == "splits")
    assert "'test/a/1.png'" in text
    assert "'train/a/1.png'" in text


def test_the_same_picture_in_another_file_is_found_where_images_are_decoded(tmp_path):
    put(tmp_path, "train/a/1.png", digit(1))
    put(tmp_path, "test/a/1.png", digit(1, settings="a text that changes the bytes"))
    assert audit(str(tmp_path)).verdict == "ok"
    report = audit(str(tmp_path), deep=True)
    assert [f.check for f in report.findings] == ["splits"]


def test_shards_are_bounded_and_sorted(tmp_path):
    for i in range(70):
        put(tmp_path, f"a/{i:03}.png", digit(0))
    (some,), left_out = list_images(Folder(str(tmp_path)))
    assert some.files == tuple(f"a/{i:03}.png" for i in range(70))
    assert some.size == 70 * len(digit(0))
    assert not left_out.losses
    data = open_data_set(str(tmp_path))
    with open_shard(data, data.shards[0]) as file:
        assert (file.num_row_groups, file.rows_in(0), file.rows_in(1)) == (2, 64, 6)
        paths = file.read_row_group(1, ["source"])["source"].to_pylist()
    assert [one["locator"] for one in paths] == [f"a/{i:03}.png" for i in range(64, 70)]


def test_contents_change_with_bytes_and_names(tmp_path):
    put(tmp_path, "a/1.png", digit(1))
    put(tmp_path, "a/2.png", digit(2))

    def whole() -> bytes:
        data = open_data_set(str(tmp_path))
        return b"".join(contents(data, data.shards[0]))

    before = whole()
    put(tmp_path, "a/2.png", digit(3))
    changed = whole()
    (tmp_path / "a" / "2.png").rename(tmp_path / "a" / "3.png")
    assert len({before, changed, whole()}) == 3


def test_a_row_is_traced_and_drawn(tmp_path):
    put(tmp_path / "set", "train/a/1.png", marked(1, DigitalSourceType.DIGITAL_CAPTURE))
    put(tmp_path / "set", "train/a/2.png", digit(2, settings=SETTINGS))
    uri = str(tmp_path / "set")
    data = open_data_set(uri)
    with open_shard(data, data.shards[0]) as file:
        ids = file.read_row_group(0, ["sample_id"])["sample_id"].to_pylist()
    found = trace(uri, ids[0][:8])
    assert found.sample.row["source"] == {"name": "folder", "locator": "train/a/1.png"}
    contact_sheet(uri, str(tmp_path / "sheet.png"))
    assert (tmp_path / "sheet.png").stat().st_size > 500
