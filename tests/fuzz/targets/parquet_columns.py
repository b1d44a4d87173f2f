"""Parquet files as sources: footers, label columns of many types, images and paths."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from collections.abc import Mapping
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from augment.errors import PlanError, SampleError
from augment.sample import RealRow
from augment.sources import open_source
from augment.sources.census import list_source
from augment.spec.models import ParquetSource
from augment.storage import Folder

_INFO = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
TOKENS = (b"PAR1", b"PARE", b"huggingface", b'"names":["cat"]', b"../", b"/etc/", b"\x15\x00",
          b"\x15\x02", b"\xff\xff\xff\xff\x0f", b"\x00" * 8, b"data:", b"iVBORw0KGgo")  # fmt: skip


def seeds() -> Mapping[str, bytes]:
    image = pa.array([b"\x89PNG one", None, b"\x89PNG two"])
    struct = pa.array([{"bytes": b"x", "path": None}, {"bytes": None, "path": "a.png"}, None])
    return {
        "names": written(image, pa.array([0, 1, -1]), {"huggingface": json.dumps(_INFO)}),
        "texts": written(pa.array(["a.png", "b/c.png", None]), pa.array(["x", "", None])),
        "struct": written(struct, pa.array([1.0, None, 2.0])),
        "views": written(image.cast(pa.binary_view()), pa.array(["x", "y", "z"], pa.string_view())),
        "coded": written(image.dictionary_encode(), pa.array(["x", "x", "y"]).dictionary_encode()),
        "octets": written(
            pa.array([[1, 2], None, [3]], pa.list_(pa.uint8())), pa.array([True, False, None])
        ),
        "nothing": written(pa.array([], pa.binary()), pa.array([], pa.int8())),
    }


def written(image: pa.Array, label: pa.Array, metadata: dict[str, str] | None = None) -> bytes:
    out = io.BytesIO()
    table = pa.table({"image": image, "label": label}).replace_schema_metadata(metadata)
    pq.write_table(table, out, row_group_size=2, compression="none")
    return out.getvalue()


@cache
def folder() -> Any:
    kept = tempfile.TemporaryDirectory(prefix="fuzz-parquet-")
    place = Folder(kept.name)
    place.replace("a.png", b"\x89PNG three")
    return place, kept  # the folder goes with the process


def one(data: bytes) -> None:
    place, _ = folder()
    place.replace("x.parquet", data)
    spec = ParquetSource(format="parquet", uri=place.uri, splits={"train": 1.0})
    with contextlib.suppress(PlanError):
        table = list_source("s", spec).table
        rows = [
            RealRow("s", row["locator"], "train", row["label"], n, row["size"], row["token"])
            for n, row in enumerate(table.to_pylist())
        ]
        for item in open_source("s", spec).read(rows):
            assert isinstance(item, bytes | SampleError)
