"""A job that an earlier version of augment began is ended as that version would have ended it.

Its frozen plan names no columns, so its table has those of then: all shards of a table are alike,
those of a later retry too. Nothing of it says which copies were drawn again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest

from augment.api import audit, load_spec, open_dataset, run
from augment.audit import trace
from augment.run import LocalEngine, freeze, now
from augment.run.prepare import prepare
from augment.run.upkeep.retry import retry
from augment.sample import LATER_COLUMNS, SAMPLE_SCHEMA
from tests.end_to_end.jobs import job_document, rows_of, write_digits

COUNTS = {"0": 6, "1": 5, "2": 4}
BAD = "train/1/002.png"


def forget(path: Path, *keys: str) -> None:
    """Remove keys of a JSON object, as a file of a version that did not know them."""
    document = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in document.items() if k not in keys}))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A committed data set of an earlier version, which lacks one image and its copy."""
    write_digits(tmp_path / "data", COUNTS)
    bad = tmp_path / "data" / BAD
    bad.write_bytes(bad.read_bytes()[:40])
    job = load_spec(job_document(tmp_path))
    freeze(prepare(job), now)
    (plan,) = (tmp_path / "out").glob("_work/*/plan/plan.json")
    forget(plan, "columns", "draws")
    assert run(job, engine="local").ok
    for record in (tmp_path / "out").glob("_work/*/units/*.json"):
        forget(record, "copies")
    (kept,) = (tmp_path / "out").glob("_provenance/*/job.json")
    forget(kept, "copies", "split_seed")
    return tmp_path


def columns(root: Path) -> set[tuple[str, ...]]:
    return {tuple(pq.read_schema(path).names) for path in (root / "out/data").rglob("*.parquet")}


def test_it_has_the_columns_of_its_time(root: Path) -> None:
    names = tuple(n for n in SAMPLE_SCHEMA.names if n not in LATER_COLUMNS)
    assert columns(root) == {names}
    assert open_dataset(str(root / "out")).schema.names == list(names)


def test_it_is_audited_and_traced(root: Path) -> None:
    report = audit(str(root / "out"), verify=True)
    assert report.ok
    row = open_dataset(str(root / "out")).to_table(["sample_id"]).slice(0, 1).to_pylist()[0]
    assert trace(str(root / "out"), row["sample_id"]).sample.row["sample_id"] == row["sample_id"]


def test_a_retry_adds_rows_of_the_same_form(root: Path, tmp_path: Path) -> None:
    before = rows_of(open_dataset(str(root / "out")).to_table())
    write_digits(root / "data", COUNTS)
    healed = retry(load_spec(job_document(root)), LocalEngine())
    assert (healed.healed, healed.failing, healed.ok) == (2, 0, True)
    assert len(columns(root)) == 1
    splits: Any = datasets.load_dataset(str(root / "out"), cache_dir=str(tmp_path / "cache"))
    assert sum(split.num_rows for split in splits.values()) == len(before) + 2
    (kept,) = (root / "out").glob("_provenance/*/job.json")
    assert json.loads(kept.read_text())["copies"]["light"]["made"] == 1  # what is known of it
