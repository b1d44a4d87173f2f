"""Very small pictures: of the right rows, until the budget is spent, small whatever the image."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from augment.audit import audit
from augment.audit.picks import find
from augment.audit.report.pictures import take_pictures
from augment.audit.report.thumbnails import EDGE, thumbnails
from augment.audit.table import open_data_set
from augment.sample import Stamp, sample_table
from tests.audit.conftest import JOB, real


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def test_they_show_their_rows_in_the_order_that_is_asked(digits_set: Any, small_rows: Any) -> None:
    data = open_data_set(digits_set.uri)
    rows = {row.sample_id: row for some in small_rows.values() for row in some}
    order = [*sorted(rows), "nobody"]
    places = find(data, order)
    found = thumbnails(data, places, order)
    assert list(found) == order[:-1]
    for name, image in found.items():
        assert np.array_equal(pixels(image), pixels(rows[name].image))
    spent = sum(len(found[name]) for name in order[:5])
    assert list(thumbnails(data, places, order, spent)) == order[:5]
    assert thumbnails(data, places, order, 10) == {}


def test_a_large_image_is_small_and_what_is_none_has_no_picture(builder: Any) -> None:
    noise = np.random.default_rng(7).integers(0, 256, (400, 200, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "PNG")
    some = [real(n, "0") for n in range(2)]
    rows = [replace(some[0], image=out.getvalue()), replace(some[1], image=b"no image")]
    table = sample_table(rows, Stamp(JOB))
    builder.commit([builder.shard(f"data/train/{JOB}/a.parquet", table, cube=False)])
    data = open_data_set(builder.uri)
    ids = [one.sample_id for one in some]
    (found,) = thumbnails(data, find(data, ids), ids).items()
    assert found[0] == ids[0]
    assert pixels(found[1]).shape == (EDGE, EDGE // 2, 3)
    assert len(found[1]) < 3000


def test_a_report_has_pictures_of_its_map(digits_set: Any, small_rows: Any) -> None:
    report = audit(digits_set.uri).to_json()
    ids = [row.sample_id for some in small_rows.values() for row in some][:5]
    points = [{"sample_id": one} for one in [*ids, "gone"]]
    report["quality"] = {"quarantine": [], "figures": [], "labels": [], "copies": None,
                         "leaks": None, "embedding": {"points": points}}  # fmt: skip
    found = take_pictures(open_data_set(digits_set.uri), report)
    assert list(found.mapped) == ids
    assert not found.named
    assert len(found.traced()) == 16, "pictures of the map have no traces of their own"
