"""Pictures of a report: the rows that a seeded draw gives, within a budget."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from augment.audit import audit
from augment.audit.picks import Shown, find, read_rows
from augment.audit.report.pictures import BUDGET, picture, take_pictures
from augment.audit.table import open_data_set
from augment.sample import Stamp, sample_table
from tests.audit.conftest import JOB


def png(image: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()


def taken(uri: str, budget: int = BUDGET) -> Any:
    return take_pictures(open_data_set(uri), audit(uri).to_json(), budget)


def test_the_split_with_made_rows_is_shown_by_class_and_origin(digits_set: Any) -> None:
    found = taken(digits_set.uri)
    assert (found.split, found.classes) == ("train", 3)
    assert {
        name: {kind: len(some) for kind, some in kinds.items()} for name, kinds in found.of.items()
    } == {
        "0": {"real": 4, "augmented": 2, "generated": 3},
        "1": {"real": 2},
        "7": {"real": 1, "generated": 4},
    }


def test_a_small_picture_has_the_pixels_of_its_row(digits_set: Any, small_rows: Any) -> None:
    rows = {row.sample_id: row for rows in small_rows.values() for row in rows}
    for one in taken(digits_set.uri).traced().values():
        assert one.exact
        row = rows[one.sample_id]
        with Image.open(io.BytesIO(one.image)) as shown, Image.open(io.BytesIO(row.image)) as own:
            assert np.array_equal(np.asarray(shown.convert("RGB")), np.asarray(own.convert("RGB")))
        assert one.generator == (row.generator.id if row.generator else None)


def test_a_large_picture_is_made_small() -> None:
    noise = np.random.default_rng(7).integers(0, 256, (400, 200, 3), np.uint8)
    one = picture(Shown(png(noise), "cat", "real", "id"))
    assert one.image is not None
    with Image.open(io.BytesIO(one.image)) as shown:
        assert (shown.format, shown.size) == ("WEBP", (48, 96))
    assert not one.exact


def test_what_does_not_decode_has_no_picture_and_keeps_its_id() -> None:
    one = picture(Shown(b"no image", "cat", "real", "id"))
    assert (one.image, one.sample_id) == (None, "id")


def test_a_budget_leaves_fewer_rows_of_each_class_and_origin(digits_set: Any) -> None:
    whole = taken(digits_set.uri)
    size = sum(len(one.image) for one in whole.traced().values())
    few = taken(digits_set.uri, size // 2)
    assert 0 < sum(len(one.image) for one in few.traced().values()) <= size // 2
    assert {(n, k) for n, kinds in few.of.items() for k in kinds} == {
        (n, k) for n, kinds in whole.of.items() for k in kinds
    }
    assert taken(digits_set.uri, 10).of == {}


def test_rows_are_found_by_their_ids(digits_set: Any, small_rows: Any) -> None:
    data = open_data_set(digits_set.uri)
    wanted = [rows[-1] for rows in small_rows.values()]
    found = find(data, [row.sample_id for row in wanted] + ["nobody"])
    rows = read_rows(data, set(found.values()))
    assert {name: rows[pick].image for name, pick in found.items()} == {
        row.sample_id: row.image for row in wanted
    }
    assert find(data, []) == {}


def test_samples_that_findings_and_copies_name_are_shown(digits_set: Any, small_rows: Any) -> None:
    (one, *_), (other, *_), _ = small_rows.values()
    report = audit(digits_set.uri).to_json()
    said = f"sample {one.sample_id} (real) and sample {other.sample_id}, sample {'0' * 32}"
    report["quality"] = {"quarantine": [], "figures": [], "labels": [],
        "leaks": {"leaks": [{"sample_id": other.sample_id, "train_id": one.sample_id}]}, "copies": [
        {"of": "train", "twins": [],
         "copies": [{"sample_id": one.sample_id, "real_id": other.sample_id},
                    {"sample_id": one.sample_id, "real_id": "gone"}]},
    ]}  # fmt: skip
    report["findings"] = [
        {"check": "a", "text": "nobody", "n": 1, "warns": False},
        {"check": "b", "text": said, "n": 1, "warns": True},
    ]
    found = take_pictures(open_data_set(digits_set.uri), report)
    assert {n: [p.sample_id for p in some] for n, some in found.named.items()} == {
        1: [one.sample_id, other.sample_id]
    }
    assert [[p.sample_id for p in pair] for pair in found.pairs["train"]] == [
        [one.sample_id, other.sample_id]
    ]
    assert [[p.sample_id for p in pair] for pair in found.pairs["leaks"]] == [
        [other.sample_id, one.sample_id]
    ]
    assert [(p.class_name, p.origin) for p in found.named[1]] == [("0", "real"), ("1", "real")]


def test_rows_without_ids_are_shown_without_a_trace(builder: Any, small_rows: Any) -> None:
    (path, rows), *_ = small_rows.items()
    table = sample_table(rows, Stamp(JOB)).drop_columns(["sample_id"])
    builder.commit([builder.shard(path, table, cube=False)])
    found = taken(builder.uri)
    assert found.traced() == {}
    (kinds,) = found.of.values()
    assert {one.sample_id for some in kinds.values() for one in some} == {None}


def test_a_data_set_without_images_has_a_report_without_pictures(
    builder: Any, small_rows: Any
) -> None:
    (path, rows), *_ = small_rows.items()
    table = sample_table(rows, Stamp(JOB)).drop_columns(["image"])
    builder.commit([builder.shard(path, table, cube=False)])
    found = taken(builder.uri).traced()
    assert len(found) == 9
    assert {one.image for one in found.values()} == {None}
