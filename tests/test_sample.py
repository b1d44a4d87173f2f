"""The record: columns are exactly the published ones, and values arrive as they were given."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa

from augment import sample
from augment.sample import AppliedOp, GeneratorRef, Origin, Parent, PoolRow, SampleRow, Stamp

STAMP = Stamp("job-0123456789ab", dt.datetime(2026, 1, 2, tzinfo=dt.UTC))
REF = GeneratorRef("id", "sha", "vae", 7, '{"class":"3"}')


def row(**changes: object) -> SampleRow:
    values: dict[str, object] = {
        "sample_id": "00ff", "image": b"bytes", "extension": "jpg", "label": 3, "label_name": "3",
        "split": "train", "origin": Origin.REAL, "generated": False, "rank": 0,
        "digital_source_type": None, "width": 5, "height": 4, "sha256": "ab",
    }  # fmt: skip
    return SampleRow(**(values | changes))  # type: ignore[arg-type]


def test_a_plain_row() -> None:
    table = sample.sample_table([row()], STAMP)
    assert table.schema == sample.SAMPLE_SCHEMA
    (found,) = table.to_pylist()
    assert found["image"] == {"bytes": b"bytes", "path": "00ff.jpg"}
    assert found["generator"] is None
    assert found["parents"] == found["transforms"] == found["scores"] == found["marks"] == []
    assert found["label_probs"] is found["objects"] is found["mask"] is None
    assert found["job_id"] == STAMP.job_id
    assert found["generated_at"] == STAMP.generated_at


def test_a_row_with_everything_beside_one_with_nothing() -> None:
    full = row(
        origin=Origin.SYNTHETIC,
        generated=True,
        source=("s", "a/b.png"),
        generator=REF,
        parents=(Parent("p1", "sha1", "loc1"), Parent("p2", "sha2", "loc2", "inputTo")),
        transforms=(AppliedOp("Affine", "{}"),),
        scores=(("degenerate.std", 12.5),),
        marks=("xmp",),
        attributes=(("time", "night"),),
    )
    found = sample.sample_table([row(), full, row()], STAMP).to_pylist()[1]
    assert found["source"] == {"name": "s", "locator": "a/b.png"}
    assert found["generator"] == {
        "id": "id", "checkpoint_sha256": "sha", "family": "vae", "index": 7,
        "conditioning": '{"class":"3"}',
    }  # fmt: skip
    assert [p["role"] for p in found["parents"]] == ["parentOf", "inputTo"]
    assert found["parents"][1]["locator"] == "loc2"
    assert found["transforms"] == [{"op": "Affine", "params": "{}"}]
    assert found["scores"] == [{"name": "degenerate.std", "value": 12.5}]
    assert found["attributes"] == [{"name": "time", "value": "night"}]
    assert found["origin"] == "synthetic"


def test_a_pool_row() -> None:
    made = PoolRow("00ff", b"png", "3", Origin.SYNTHETIC, "uri", 8, 8, "ab", REF, (), (("s", 1.0),))
    table = sample.pool_table([made, made], STAMP)
    assert table.schema == sample.POOL_SCHEMA
    assert table.to_pylist()[1]["image"] == {"bytes": b"png", "path": "00ff.png"}
    assert table.to_pylist()[1]["generator"]["index"] == 7


def test_no_rows_make_an_empty_table_of_the_schema() -> None:
    assert sample.sample_table([], STAMP).equals(sample.SAMPLE_SCHEMA.empty_table())
    assert sample.pool_table([], STAMP).equals(sample.POOL_SCHEMA.empty_table())


def test_types_are_those_that_every_reader_has() -> None:
    """No dictionary, map, unsigned, fixed-size, half or time-of-day types: Delta drops them."""

    def leaves(kind: pa.DataType) -> list[pa.DataType]:
        if pa.types.is_struct(kind):
            return [leaf for f in kind for leaf in leaves(f.type)]
        return leaves(kind.value_type) if pa.types.is_list(kind) else [kind]

    allowed = {pa.string(), pa.binary(), pa.int32(), pa.int64(), pa.float64(), pa.bool_()}
    allowed.add(pa.timestamp("us", tz="UTC"))
    for schema in (sample.SAMPLE_SCHEMA, sample.POOL_SCHEMA, sample.COUNTS_SCHEMA,
                   sample.QUARANTINE_SCHEMA, sample.MANIFEST_SCHEMA):  # fmt: skip
        assert {leaf for f in schema for leaf in leaves(f.type)} <= allowed
