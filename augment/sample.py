"""The record: a sample in its states, and the Arrow schema of each table that holds one.

    census row  -> a real image that was found (no pixels read)
    pool row    -> what a generator made, with scores, lossless
    sample row  -> one row of a committed data set (schema v1)
    quarantine  -> what was left out, with the reason

Nothing else in the package may define a column. Knows nothing of storage, jobs or Ray.
Types are the ones that survive Delta, `datasets`, polars and duckdb: no dictionaries,
maps, unsigned or fixed-size types.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from operator import attrgetter, itemgetter
from typing import Any

import numpy as np
import pyarrow as pa

SCHEMA_VERSION = "1"


class Origin(StrEnum):
    """Where a row's pixels come from. Classical copies of a generated row keep its origin."""

    REAL = "real"
    AUGMENTED = "augmented"  # every ancestor is real
    SYNTHETIC = "synthetic"  # a generator, from noise or a label map
    TRANSLATED = "translated"  # a generator, from a source image
    COMPOSITE = "composite"  # several images in one (mixup, cutmix)


GENERATED_ORIGINS = (Origin.SYNTHETIC, Origin.TRANSLATED)
KINDS: Mapping[str, tuple[Origin, ...]] = {
    "real": (Origin.REAL,),
    "augmented": (Origin.AUGMENTED, Origin.COMPOSITE),
    "generated": GENERATED_ORIGINS,
}
"""Rows as people are told of them: one word for each kind, in every table and picture."""

_IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"


class DigitalSourceType(StrEnum):
    """IPTC digital source type NewsCodes, as full URIs."""

    DIGITAL_CAPTURE = _IPTC + "digitalCapture"
    NEGATIVE_FILM = _IPTC + "negativeFilm"
    POSITIVE_FILM = _IPTC + "positiveFilm"
    PRINT = _IPTC + "print"
    ALGORITHMICALLY_ENHANCED = _IPTC + "algorithmicallyEnhanced"
    COMPOSITE_CAPTURE = _IPTC + "compositeCapture"
    TRAINED_ALGORITHMIC_MEDIA = _IPTC + "trainedAlgorithmicMedia"
    COMPOSITE_WITH_TRAINED = _IPTC + "compositeWithTrainedAlgorithmicMedia"
    COMPOSITE_SYNTHETIC = _IPTC + "compositeSynthetic"
    ALGORITHMIC_MEDIA = _IPTC + "algorithmicMedia"


GENERATIVE_TYPES = (
    DigitalSourceType.TRAINED_ALGORITHMIC_MEDIA,
    DigitalSourceType.COMPOSITE_WITH_TRAINED,
    DigitalSourceType.COMPOSITE_SYNTHETIC,
    DigitalSourceType.ALGORITHMIC_MEDIA,
)
"""Terms for what a machine made, wholly or in part; the one that says most comes first."""

_MAX_OFFSET = (1 << 31) - 1
"""Bytes that one Arrow binary array can hold; more become chunks."""
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_NAME_VALUE = pa.list_(pa.struct([("name", pa.string()), ("value", pa.string())]))
_GENERATOR = pa.struct(
    [
        ("id", pa.string()),
        ("checkpoint_sha256", pa.string()),
        ("family", pa.string()),
        ("index", pa.int64()),
        ("conditioning", pa.string()),
    ]
)
_PARENTS = pa.list_(
    pa.struct(
        [
            ("sample_id", pa.string()),
            ("sha256", pa.string()),
            ("locator", pa.string()),
            ("role", pa.string()),
        ]
    )
)
_SCORES = pa.list_(pa.struct([("name", pa.string()), ("value", pa.float64())]))
_TRANSFORMS = pa.list_(pa.struct([("op", pa.string()), ("params", pa.string())]))
_TIMESTAMP = pa.timestamp("us", tz="UTC")


def _required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


SAMPLE_SCHEMA = pa.schema(
    [
        _required("sample_id", pa.string()),
        ("image", _IMAGE),
        ("label", pa.int64()),
        ("label_name", pa.string()),
        ("label_probs", pa.list_(pa.struct([("label", pa.int64()), ("p", pa.float64())]))),
        ("weight", pa.float64()),
        ("attributes", _NAME_VALUE),
        (
            "objects",
            pa.list_(
                pa.struct(
                    [
                        ("bbox", pa.list_(pa.float64())),
                        ("label", pa.int64()),
                        ("iscrowd", pa.bool_()),
                    ]
                )
            ),
        ),
        ("mask", _IMAGE),
        _required("split", pa.string()),
        _required("origin", pa.string()),
        _required("generated", pa.bool_()),
        _required("rank", pa.int64()),
        ("digital_source_type", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        _required("sha256", pa.string()),
        ("pixels_sha256", pa.string()),
        ("license", pa.string()),
        ("source", pa.struct([("name", pa.string()), ("locator", pa.string())])),
        ("generator", _GENERATOR),
        ("parents", _PARENTS),
        ("transforms", _TRANSFORMS),
        ("scores", _SCORES),
        ("marks", pa.list_(pa.string())),
        _required("job_id", pa.string()),
        _required("generated_at", _TIMESTAMP),
    ]
)
"""One row of a data set, version 1. sha256: of the final bytes. pixels_sha256: of what the image
shows, marks aside (`codec.pixels_sha256`): of a real row its file's pixels; of a generated one
those that the generator made, before they are fitted and encoded; of a copy those that its
operations gave. So pictures that are equal have one value, also where a lossy encoding parts
them. Null where the pixels have more than 8 bits a value."""

LATER_COLUMNS = ("pixels_sha256",)
"""Columns of `SAMPLE_SCHEMA` and `POOL_SCHEMA` that tables of earlier versions do not have."""

POOL_SCHEMA = pa.schema(
    [
        _required("sample_id", pa.string()),
        ("image", _IMAGE),
        _required("label_name", pa.string()),
        _required("origin", pa.string()),
        ("digital_source_type", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        _required("sha256", pa.string()),
        ("pixels_sha256", pa.string()),
        ("mask", _IMAGE),
        ("generator", _GENERATOR),
        ("parents", _PARENTS),
        ("scores", _SCORES),
        ("marks", pa.list_(pa.string())),
        _required("job_id", pa.string()),
        _required("generated_at", _TIMESTAMP),
    ]
)
"""One row of a pool. Labels stand by name: class ids belong to a data set, not to a pool.
`job_id` and `generated_at` are of the job that made the row; rejected rows are kept."""

CENSUS_SCHEMA = pa.schema(
    [
        _required("source", pa.string()),
        _required("locator", pa.string()),
        _required("split", pa.string()),
        _required("label_name", pa.string()),
        _required("rank", pa.int64()),
        _required("size", pa.int64()),
        _required("token", pa.string()),
    ]
)
"""One real image. rank: 0, 1, 2 ... seeded order within (split, class), over all sources.
size: bytes, -1 where the listing does not say. token: whatever changes when the file does
(size, modification time, ETag), "" where the listing does not say."""

MANIFEST_SCHEMA = pa.schema(
    [
        _required("generator", pa.string()),
        _required("label_name", pa.string()),
        _required("split", pa.string()),
        _required("index", pa.int64()),
        _required("sample_id", pa.string()),
    ]
)
"""One row per sample to be made, as `augment plan --write` lists them."""

COUNTS_SCHEMA = pa.schema(
    [
        _required("shard", pa.string()),
        _required("label_name", pa.string()),
        _required("split", pa.string()),
        _required("origin", pa.string()),
        ("generator", pa.string()),
        _required("n", pa.int64()),
    ]
)
"""The counts cube of a commit. generator is `generator.id` of the rows, null for others."""

QUARANTINE_SCHEMA = pa.schema(
    [
        _required("sample_id", pa.string()),
        _required("split", pa.string()),
        _required("label_name", pa.string()),
        _required("origin", pa.string()),
        ("generator", pa.string()),
        ("source", pa.string()),
        ("locator", pa.string()),
        _required("reason", pa.string()),
        _required("detail", pa.string()),
        _required("unit", pa.string()),
    ]
)
"""What was planned and left out. A copy of a bad parent has the reason `parent`."""


@dataclass(frozen=True, slots=True)
class RealRow:
    """A census row: a real image that is known to exist, nothing of it read."""

    source: str
    locator: str
    split: str
    label_name: str
    rank: int
    size: int = -1
    token: str = ""


@dataclass(frozen=True, slots=True)
class GeneratorRef:
    """What made a generated row. conditioning is canonical JSON."""

    id: str
    checkpoint_sha256: str
    family: str
    index: int
    conditioning: str


@dataclass(frozen=True, slots=True)
class Parent:
    """An ancestor one step up. role: parentOf | inputTo | componentOf (C2PA's words)."""

    sample_id: str
    sha256: str
    locator: str
    role: str = "parentOf"


@dataclass(frozen=True, slots=True)
class AppliedOp:
    """One operation that changed pixels, with what was sampled, as canonical JSON."""

    op: str
    params: str


@dataclass(frozen=True, slots=True)
class PoolRow:
    """One row of a pool shard; image holds encoded, marked PNG bytes, mask the PNG bytes of
    the label map that it was made from."""

    sample_id: str
    image: bytes
    label_name: str
    origin: Origin
    digital_source_type: str
    width: int
    height: int
    sha256: str
    generator: GeneratorRef
    parents: tuple[Parent, ...] = ()
    scores: tuple[tuple[str, float], ...] = ()
    marks: tuple[str, ...] = ()
    mask: bytes | None = None
    pixels_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One row of a data set; image holds the final encoded bytes, extension without dot;
    mask a PNG of the image's size."""

    sample_id: str
    image: bytes
    extension: str
    label: int
    label_name: str
    split: str
    origin: Origin
    generated: bool
    rank: int
    digital_source_type: str | None
    width: int
    height: int
    sha256: str
    license: str | None = None
    source: tuple[str, str] | None = None
    generator: GeneratorRef | None = None
    parents: tuple[Parent, ...] = ()
    transforms: tuple[AppliedOp, ...] = ()
    scores: tuple[tuple[str, float], ...] = ()
    marks: tuple[str, ...] = ()
    weight: float = 1.0
    attributes: tuple[tuple[str, str], ...] = ()
    mask: bytes | None = None
    pixels_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class QuarantinedRow:
    """A planned row that was left out. reason is the `SampleError.reason`."""

    sample_id: str
    split: str
    label_name: str
    origin: Origin
    reason: str
    detail: str
    generator: str | None = None
    source: str | None = None
    locator: str | None = None


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every row of a job carries: `<name>-<digest12>` and the frozen plan's creation."""

    job_id: str
    generated_at: dt.datetime = field(default=dt.datetime(1970, 1, 1, tzinfo=dt.UTC))


def _image(data: Sequence[bytes], paths: Sequence[str]) -> pa.Array:
    """Column-wise, because a dict per row would cost more than everything else in a table; and
    the bytes are joined once, because Arrow's builder would copy them again as it grows."""
    sizes = np.fromiter((len(one) for one in data), dtype=np.int64, count=len(data))
    ends = np.cumsum(sizes)
    if len(data) and ends[-1] > _MAX_OFFSET:
        values = pa.array(data, pa.binary())
    else:
        offsets = pa.py_buffer(np.concatenate(([0], ends)).astype(np.int32))
        values = pa.Array.from_buffers(
            pa.binary(), len(data), [None, offsets, pa.py_buffer(b"".join(data))]
        )
    return pa.StructArray.from_arrays([values, pa.array(paths, pa.string())], fields=list(_IMAGE))


def _masks(rows: Sequence[PoolRow] | Sequence[SampleRow]) -> pa.Array:
    if all(r.mask is None for r in rows):
        return pa.nulls(len(rows), _IMAGE)
    some = [None if r.mask is None else f"{r.sample_id}.mask.png" for r in rows]
    columns = [pa.array([r.mask for r in rows], pa.binary()), pa.array(some, pa.string())]
    missing = pa.array([r.mask is None for r in rows], pa.bool_())
    return pa.StructArray.from_arrays(columns, fields=list(_IMAGE), mask=missing)


def _generators(refs: Sequence[GeneratorRef | None]) -> pa.Array:
    columns = [
        pa.array([None if r is None else getattr(r, f.name) for r in refs], f.type)
        for f in _GENERATOR
    ]
    missing = pa.array([r is None for r in refs], pa.bool_())
    return pa.StructArray.from_arrays(columns, fields=list(_GENERATOR), mask=missing)


def _lists(rows: Sequence[Sequence[Any]], kind: pa.ListType) -> pa.Array:
    """A list<struct> column; each item is a dataclass with the struct's fields, or a pair."""
    offsets = np.concatenate(([0], np.cumsum([len(items) for items in rows]))).astype(np.int32)
    items = [item for row in rows for item in row]
    fields = list(kind.value_type)
    pairs = bool(items) and isinstance(items[0], tuple)
    columns = [
        pa.array(list(map(itemgetter(i) if pairs else attrgetter(f.name), items)), f.type)
        for i, f in enumerate(fields)
    ]
    return pa.ListArray.from_arrays(
        pa.array(offsets), pa.StructArray.from_arrays(columns, fields=fields), type=kind
    )


def _table(columns: Mapping[str, Sequence[Any] | pa.Array], schema: pa.Schema, n: int) -> pa.Table:
    return pa.Table.from_arrays([_column(columns, f, n) for f in schema], schema=schema)


def _column(columns: Mapping[str, Sequence[Any] | pa.Array], f: pa.Field, n: int) -> pa.Array:
    values = columns.get(f.name)
    if isinstance(values, pa.Array):
        return values
    return pa.nulls(n, f.type) if values is None else pa.array(values, type=f.type)


def sample_table(rows: Sequence[SampleRow], stamp: Stamp) -> pa.Table:
    """The rows as a table of `SAMPLE_SCHEMA`, in the order given. Builds columns, not rows."""
    same = ("sample_id", "label", "label_name", "weight", "split", "generated", "rank",
            "digital_source_type", "width", "height", "sha256", "pixels_sha256",
            "license")  # fmt: skip
    columns: dict[str, Any] = {name: list(map(attrgetter(name), rows)) for name in same}
    columns["image"] = _image(
        [r.image for r in rows], [f"{r.sample_id}.{r.extension}" for r in rows]
    )
    columns["mask"] = _masks(rows)
    columns["origin"] = [r.origin.value for r in rows]
    columns["attributes"] = _lists([r.attributes for r in rows], _NAME_VALUE)
    columns["source"] = [
        None if r.source is None else {"name": r.source[0], "locator": r.source[1]} for r in rows
    ]
    columns["generator"] = _generators([r.generator for r in rows])
    columns["parents"] = _lists([r.parents for r in rows], _PARENTS)
    columns["transforms"] = _lists([r.transforms for r in rows], _TRANSFORMS)
    columns["scores"] = _lists([r.scores for r in rows], _SCORES)
    columns["marks"] = [list(r.marks) for r in rows]
    columns["job_id"] = [stamp.job_id] * len(rows)
    columns["generated_at"] = [stamp.generated_at] * len(rows)
    return _table(columns, SAMPLE_SCHEMA, len(rows))


def pool_table(rows: Sequence[PoolRow], stamp: Stamp) -> pa.Table:
    """The rows as a table of `POOL_SCHEMA`, in the order given."""
    same = ("sample_id", "label_name", "digital_source_type", "width", "height", "sha256",
            "pixels_sha256")  # fmt: skip
    columns: dict[str, Any] = {name: list(map(attrgetter(name), rows)) for name in same}
    columns["image"] = _image([r.image for r in rows], [f"{r.sample_id}.png" for r in rows])
    columns["mask"] = _masks(rows)
    columns["origin"] = [r.origin.value for r in rows]
    columns["generator"] = _generators([r.generator for r in rows])
    columns["parents"] = _lists([r.parents for r in rows], _PARENTS)
    columns["scores"] = _lists([r.scores for r in rows], _SCORES)
    columns["marks"] = [list(r.marks) for r in rows]
    columns["job_id"] = [stamp.job_id] * len(rows)
    columns["generated_at"] = [stamp.generated_at] * len(rows)
    return _table(columns, POOL_SCHEMA, len(rows))
