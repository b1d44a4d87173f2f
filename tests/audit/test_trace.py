"""Trace: the row, its ancestors, what made it; ids that are unknown, short or ambiguous."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augment.audit import render_trace, trace
from augment.errors import RequestError, StorageError
from augment.sample import QUARANTINE_SCHEMA, Parent

TRAIN_0 = "data/train/digits-0123456789ab/train-00000-aaaaaaaaaaaa.parquet"


def told(uri: str, sample_id: str) -> str:
    with pytest.raises(RequestError) as caught:
        trace(uri, sample_id)
    return str(caught.value)


def test_a_copy_of_a_generated_row_leads_to_its_generator(digits_set: Any, small_rows: Any) -> None:
    copy = small_rows[TRAIN_0][8]
    found = trace(digits_set.uri, copy.sample_id)
    assert found.sample.row["sha256"] == copy.sha256
    assert not {"image", "mask"} & found.sample.row.keys()
    assert found.sample.shard == TRAIN_0
    (parent,) = found.sample.parents
    assert parent.found is not None
    assert parent.found.row["generator"]["index"] == 0
    assert parent.found.row["sample_id"] == copy.parents[0].sample_id
    assert found.jobs["digits-0123456789ab"]["seed"] == 7
    json.dumps(found.to_json())


def test_the_text_says_what_an_auditor_asks(digits_set: Any, small_rows: Any) -> None:
    rows = small_rows[TRAIN_0]
    text = render_trace(trace(digits_set.uri, rows[4].sample_id))
    for said in (
        f"sample {rows[4].sample_id}\n",
        "class      '0' (label 0), split train",
        "origin     augmented, http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyE",
        'transform  Affine {"rotate": 3.5}',
        f"  parent: sample {rows[0].sample_id}\n",
        "    source     digits: ${DATA}/digits/train/0/0000.png",
        f"shard      {digits_set.uri}/{TRAIN_0}, row 4\n",
        "    license    CC-BY-4.0",
        "job        digits-0123456789ab, seed 7, planned at 1970-01-01",
    ):
        assert said in text
    text = render_trace(trace(digits_set.uri, rows[6].sample_id))
    for said in (
        "generator  digits-vae, family vae, id aeae",
        f"checkpoint sha256 {'cc' * 32} at checkpoints/vae (from the job's folder)",
        'sampling   index 0, conditioning {"class":"0"}',
        "scores     degenerate.std = 41.5",
        "marks      xmp",
    ):
        assert said in text


def test_a_beginning_is_enough_where_it_is_unique(digits_set: Any, small_rows: Any) -> None:
    wanted = small_rows[TRAIN_0][3].sample_id
    for digits in (6, 10, 31):
        assert trace(digits_set.uri, wanted[:digits]).sample.row["sample_id"] == wanted


def test_every_row_is_found_by_its_id(digits_set: Any, small_rows: Any) -> None:
    for path, rows in small_rows.items():
        for row in rows:
            found = trace(digits_set.uri, row.sample_id).sample
            assert (found.row["sample_id"], found.shard) == (row.sample_id, path)


def test_a_short_or_strange_id(digits_set: Any) -> None:
    for wanted in ("abc", "xyzxyzxyz", "ABCDEF0123"):
        assert told(digits_set.uri, wanted) == (
            f"{digits_set.uri} (version 0): got the sample id {wanted!r}, which is not in it; "
            "expected the 32 hex digits of a sample_id, or its first 6 or more"
        )


def test_an_unknown_id_near_a_known_one(digits_set: Any, small_rows: Any) -> None:
    known = small_rows[TRAIN_0][0].sample_id
    wrong = known[:20] + "0" * 12
    assert told(digits_set.uri, wrong) == (
        f"{digits_set.uri} (version 0): no row has the sample id {wrong}; did you mean {known}?"
    )


def test_an_unknown_id_far_from_all(digits_set: Any) -> None:
    assert told(digits_set.uri, "0" * 32) == (
        f"{digits_set.uri} (version 0): no row has the sample id {'0' * 32}; expected an id of "
        "this version: `sample_id` of any row, or look in another one"
    )


def test_a_beginning_of_several_ids(builder: Any, small_rows: Any) -> None:
    rows = [replace(r, sample_id=f"abcdef{i:026}") for i, r in enumerate(small_rows[TRAIN_0][:4])]
    uri = builder.build({TRAIN_0: rows}).uri
    assert told(uri, "abcdef") == (
        f"{uri} (version 0): 4 sample ids begin with abcdef: {rows[0].sample_id}, "
        f"{rows[1].sample_id}, {rows[2].sample_id}, ...; give more digits"
    )


def test_a_row_that_was_left_out_is_found_in_the_quarantine(builder: Any, small_rows: Any) -> None:
    uri = builder.build(small_rows).uri
    values = {
        "sample_id": "0" * 32, "split": "train", "label_name": "0", "origin": "real",
        "reason": "truncated", "detail": "the file ends early", "unit": "train-00000",
    }  # fmt: skip
    builder.provenance("quarantine", pa.Table.from_pylist([values], schema=QUARANTINE_SCHEMA))
    assert told(uri, "0" * 12) == (
        f"{uri} (version 0): no row has the sample id {'0' * 12}; it was planned and is "
        "quarantined (truncated: the file ends early), "
        "see _provenance/digits-0123456789ab/quarantine.parquet"
    )


def test_a_parent_outside_the_version_is_known_by_its_name(builder: Any, small_rows: Any) -> None:
    copy = replace(
        small_rows[TRAIN_0][4], parents=(Parent("e" * 32, "d" * 64, "labels/7.png", "inputTo"),)
    )
    found = trace(builder.build({TRAIN_0: [copy]}).uri, copy.sample_id)
    assert found.sample.parents[0].found is None
    text = render_trace(found)
    assert f"  input: sample {'e' * 32}, not in this version\n" in text
    assert "    locator    labels/7.png\n" in text
    assert text.endswith(f"    sha256     {'d' * 64}")


def test_ancestors_in_a_circle_end(builder: Any, small_rows: Any) -> None:
    a, b = small_rows[TRAIN_0][4:6]
    a, b = (
        replace(a, parents=(Parent(b.sample_id, b.sha256, ""),)),
        replace(b, parents=(Parent(a.sample_id, a.sha256, ""),)),
    )
    found = trace(builder.build({TRAIN_0: [a, b]}).uri, a.sample_id)
    above = found.sample.parents[0].found
    assert above is not None
    assert above.parents[0].found is None


def test_without_job_json_the_row_speaks_for_itself(builder: Any, small_rows: Any) -> None:
    uri = builder.build(small_rows).uri
    (builder.path / "_provenance" / "digits-0123456789ab" / "job.json").unlink()
    text = render_trace(trace(uri, small_rows[TRAIN_0][6].sample_id))
    assert "job.json is missing" in text
    assert "generator  family vae, id aeae" in text


def test_damaged_histograms_of_a_shard_end_no_process(builder: Any, small_rows: Any) -> None:
    """The id column is said to have no gaps, which is not what was counted of it."""
    wanted = small_rows[TRAIN_0][3].sample_id
    own = builder.build(small_rows)
    shard = Path(own.uri) / TRAIN_0
    table = pq.ParquetFile(shard).read()
    fields = [field.with_nullable(True) for field in table.schema]
    pq.write_table(table.cast(pa.schema(fields)), shard)
    data = shard.read_bytes()
    optional, required = (b"\x25" + bytes([n, 0x18, 9]) + b"sample_id" for n in (2, 0))
    assert data.count(optional) == 2  # its own, and that of parents
    shard.write_bytes(data.replace(optional, required, 1))
    with pytest.raises(StorageError, match="train-00000-aaaaaaaaaaaa"):
        trace(own.uri, wanted)
