"""Small data sets of real digits, committed to a Delta log by hand, to be audited."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.transaction import AddAction, create_table_with_add_actions
from PIL import Image
from sklearn.datasets import load_digits

from augment.codec import decode, pixels_sha256
from augment.sample import (
    COUNTS_SCHEMA,
    AppliedOp,
    DigitalSourceType,
    GeneratorRef,
    Origin,
    Parent,
    SampleRow,
    Stamp,
    sample_table,
)
from augment.seeds import augmented_id, class_conditioning, real_id, synthetic_id
from augment.write.marks import add_xmp

CLASSES = ("0", "1", "7")
JOB = "digits-0123456789ab"
VAE = "ae" * 32
DIGITS = load_digits()


def png(number: int) -> bytes:
    """Digit scan `number` as a grey PNG of 8 x 8 pixels."""
    image = Image.fromarray((DIGITS.images[number] * 15).astype(np.uint8))
    out = io.BytesIO()
    image.save(out, format="PNG")
    return out.getvalue()


def row(sample_id: str, data: bytes, label_name: str, split: str, **more: Any) -> SampleRow:
    label = CLASSES.index(label_name)
    sha256 = hashlib.sha256(data).hexdigest()
    shown = pixels_sha256(decode(data, 1 << 20))
    known = {"rank": 0, "digital_source_type": None, "pixels_sha256": shown}
    values: dict[str, Any] = {**known, **more}
    return SampleRow(
        sample_id, data, "png", label, label_name, split, width=8, height=8, sha256=sha256, **values
    )


def real(number: int, label_name: str, split: str = "train", source: str = "digits") -> SampleRow:
    locator = f"{split}/{label_name}/{number:04}.png"
    return row(
        real_id(source, locator), png(number), label_name, split,
        origin=Origin.REAL, generated=False, rank=number, source=(source, locator),
        license="CC-BY-4.0",
    )  # fmt: skip


def copy_of(parent: SampleRow, number: int = 0) -> SampleRow:
    """A classical copy: augmented, or still generated where the parent is."""
    data = png(900 + number)
    kind = DigitalSourceType.ALGORITHMICALLY_ENHANCED.value
    sample_id = augmented_id(7, parent.sample_id, "light", number)
    if parent.generated:
        kind = str(parent.digital_source_type)
        data = add_xmp(data, sample_id, kind, "augment test")
    locator = parent.source[1] if parent.source else ""
    return row(
        sample_id, data, parent.label_name, parent.split,
        origin=parent.origin if parent.generated else Origin.AUGMENTED,
        generated=parent.generated, generator=parent.generator, rank=number,
        digital_source_type=kind, marks=("xmp",) if parent.generated else (),
        parents=(Parent(parent.sample_id, parent.sha256, locator),),
        transforms=(AppliedOp("Affine", json.dumps({"rotate": 3.5})),),
    )  # fmt: skip


def synthetic(index: int, label_name: str, split: str = "train") -> SampleRow:
    conditioning = class_conditioning(label_name)
    sample_id = synthetic_id(7, VAE, "t1", conditioning, index)
    kind = DigitalSourceType.TRAINED_ALGORITHMIC_MEDIA.value
    number = 1000 + 100 * CLASSES.index(label_name) + index
    return row(
        sample_id, add_xmp(png(number), sample_id, kind, "augment vae test"), label_name,
        split, origin=Origin.SYNTHETIC, generated=True, rank=index, digital_source_type=kind,
        generator=GeneratorRef(VAE, "cc" * 32, "vae", index, conditioning), marks=("xmp",),
        scores=(("degenerate.std", 41.5),),
    )  # fmt: skip


def small_set() -> dict[str, list[SampleRow]]:
    """Shard -> rows. train: class 0: 4 real + 2 copies + 2 synthetic (one copied: 3 generated),
    class 1: 2 real, class 7: 1 real + 4 synthetic; test: 3 real of each class."""
    zeros = [real(n, "0") for n in range(4)]
    made = [synthetic(n, "0") for n in range(2)]
    first = [*zeros, copy_of(zeros[0], 0), copy_of(zeros[1], 1), *made, copy_of(made[0], 2)]
    second = [real(10, "1"), real(11, "1"), real(20, "7"), *(synthetic(n, "7") for n in range(4))]
    test = [real(30 + n, name, "test") for n, name in enumerate(CLASSES * 3)]
    folder = f"data/train/{JOB}"
    return {
        f"{folder}/train-00000-aaaaaaaaaaaa.parquet": first,
        f"{folder}/train-00001-bbbbbbbbbbbb.parquet": second,
        f"data/test/{JOB}/test-00000-cccccccccccc.parquet": test,
    }


JOB_FACTS: dict[str, Any] = {
    "job_id": JOB,
    "digest": "01" * 32,
    "seed": 7,
    "classes": list(CLASSES),
    "protected_splits": ["test"],
    "created_at": "2026-11-23T00:00:00+00:00",
    "spec_text": (
        "version: 1\nseed: 7\nsources:\n  digits: {uri: '${DATA}/digits'}\n"
        "generators:\n  digits-vae: {family: vae, checkpoint: checkpoints/vae}\n"
    ),
    "generators": {"digits-vae": {"id": VAE, "family": "vae"}},
    "refused": {"n": 0, "first": []},
}


def with_classes(schema: pa.Schema, classes: Sequence[str]) -> pa.Schema:
    features = {"label": {"names": list(classes), "_type": "ClassLabel"}}
    text = json.dumps({"info": {"features": features}})
    return schema.with_metadata({"huggingface": text})


@dataclass
class TableBuilder:
    """Builds a data set in `path`, commit by commit, as the writer leaves it."""

    path: Path
    log: list[dict[str, Any]] = field(default_factory=list)

    @property
    def uri(self) -> str:
        return str(self.path)

    def shard(
        self,
        path: str,
        rows: Sequence[SampleRow] | pa.Table,
        *,
        classes: Sequence[str] = CLASSES,
        cube: bool = True,
        row_group_size: int = 4,
    ) -> AddAction:
        """Write one shard and note its counts; not yet live."""
        table = rows if isinstance(rows, pa.Table) else sample_table(rows, Stamp(JOB))
        if classes:
            table = table.cast(with_classes(table.schema, classes))
        place = self.path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, place, compression="zstd", row_group_size=row_group_size)
        if cube:
            self.note(path, [] if isinstance(rows, pa.Table) else rows)
        stats = json.dumps({"numRecords": table.num_rows})
        return AddAction(path, place.stat().st_size, {}, 0, True, stats)

    def note(self, path: str, rows: Sequence[SampleRow]) -> None:
        keys = [
            (path, r.label_name, r.split, r.origin.value, r.generator.id if r.generator else None)
            for r in rows
        ]
        for key in dict.fromkeys(keys):
            values = (*key, keys.count(key))
            self.log.append(dict(zip(COUNTS_SCHEMA.names, values, strict=True)))

    def commit(self, actions: Sequence[AddAction], schema: pa.Schema | None = None) -> int:
        """Make shards live in one more version; writes the cube first."""
        self.write_cube()
        found = schema or pq.read_schema(self.path / actions[0].path)
        if not (self.path / "_delta_log").exists():
            create_table_with_add_actions(
                self.uri, Schema.from_arrow(found), list(actions), mode="error", partition_by=[]
            )
        else:
            DeltaTable(self.uri).create_write_transaction(
                list(actions), mode="append", schema=Schema.from_arrow(found), partition_by=[],
                commit_properties=CommitProperties(max_commit_retries=0),
            )  # fmt: skip
        return DeltaTable(self.uri).version()

    def write_cube(self, name: str = "counts-abcdefabcdef") -> None:
        if self.log:
            self.provenance(name, pa.Table.from_pylist(self.log, schema=COUNTS_SCHEMA))

    def provenance(self, name: str, table: pa.Table) -> None:
        place = self.path / "_provenance" / JOB / f"{name}.parquet"
        place.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, place)

    def job(self, facts: Mapping[str, Any]) -> None:
        place = self.path / "_provenance" / JOB / "job.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(facts))

    def build(self, shards: Mapping[str, Sequence[SampleRow]], **options: Any) -> TableBuilder:
        """All shards in one commit, with job.json."""
        cells = Counter(
            (r.split, r.label_name, r.origin.value) for rows in shards.values() for r in rows
        )
        facts = [
            {"split": s, "label_name": c, "origin": o, "planned": n, "written": n}
            for (s, c, o), n in cells.items()
        ]
        self.job(JOB_FACTS | {"cells": facts})
        self.commit([self.shard(path, rows, **options) for path, rows in shards.items()])
        return self


@pytest.fixture
def builder(tmp_path: Path) -> TableBuilder:
    return TableBuilder(tmp_path / "set")


@pytest.fixture(scope="session")
def digits_set(tmp_path_factory: pytest.TempPathFactory) -> TableBuilder:
    """`small_set`, committed; tests must not change it."""
    return TableBuilder(tmp_path_factory.mktemp("audit") / "set").build(small_set())


@pytest.fixture
def small_rows() -> dict[str, list[SampleRow]]:
    """The rows of `digits_set`, shard by shard; a new dict for every test."""
    return small_set()


Changer = Callable[[SampleRow], SampleRow]


@pytest.fixture
def changed(builder: TableBuilder) -> Callable[[Callable[[SampleRow], bool], Changer], str]:
    """Commits `small_set` with the first row that fits changed; gives the uri."""

    def build(fits: Callable[[SampleRow], bool], change: Changer) -> str:
        shards = small_set()
        for rows in shards.values():
            for i, each in enumerate(rows):
                if fits(each):
                    rows[i] = change(each)
                    return builder.build(shards).uri
        raise AssertionError("no row fits")

    return build
