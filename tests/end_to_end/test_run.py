"""One job from its file to an audited data set, on real digits, in this process."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augment import seeds
from augment.api import audit, load_spec, open_dataset, plan, run, status
from augment.errors import OutputConflictError
from augment.run import RunResult
from augment.write import read_xmp
from tests.end_to_end.engines import Never
from tests.end_to_end.jobs import fingerprint, job_document, pixels, rows_of, write_digits

COUNTS = {"0": 12, "1": 5, "2": 4}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("job")
    write_digits(root / "data", COUNTS)
    return root


@pytest.fixture(scope="module")
def result(root: Path) -> RunResult:
    return run(load_spec(job_document(root)), engine="local")


@pytest.fixture(scope="module")
def rows(result: RunResult) -> list[dict[str, Any]]:
    return rows_of(open_dataset(result.output).to_table())


def test_written_counts_are_the_planned_ones(
    root: Path, result: RunResult, rows: list[dict[str, Any]]
) -> None:
    cells = Counter()
    for cell in plan(load_spec(job_document(root))).cells:
        cells[cell.split, cell.label_name, cell.origin.value] += cell.n
    written = Counter((r["split"], r["label_name"], r["origin"]) for r in rows)
    assert written == cells
    assert written["train", "1", "synthetic"] == 30 - 2 * 5
    assert written["test", "2", "real"] == 3
    assert {c.short for c in result.cells} == {c.quarantined for c in result.cells} == {0}
    assert result.ok
    assert not result.already


def test_real_bytes_pass_through(root: Path, rows: list[dict[str, Any]]) -> None:
    real = [r for r in rows if r["origin"] == "real"]
    assert len(real) == sum(COUNTS.values()) + 9
    for row in real:
        original = (root / "data" / row["source"]["locator"]).read_bytes()
        assert row["image"]["bytes"] == original
        assert row["sample_id"] == seeds.real_id("digits", row["source"]["locator"])
        assert (row["width"], row["height"]) == (8, 8)


def test_every_generated_image_is_marked_with_its_own_id(rows: list[dict[str, Any]]) -> None:
    made = [r for r in rows if r["generated"]]
    assert made
    for row in made:
        mark = read_xmp(row["image"]["bytes"])
        assert mark is not None
        assert mark.sample_id == row["sample_id"]
        assert mark.digital_source_type == row["digital_source_type"]
        assert row["marks"] == ["xmp"]
    assert not any(read_xmp(r["image"]["bytes"]) for r in rows if not r["generated"])


def test_rows_carry_their_provenance(rows: list[dict[str, Any]]) -> None:
    by_id = {r["sample_id"]: r for r in rows}
    for row in rows:
        if row["origin"] == "augmented":
            (parent,) = row["parents"]
            assert by_id[parent["sample_id"]]["sha256"] == parent["sha256"]
            assert by_id[parent["sample_id"]]["label"] == row["label"]
            ops = [op["op"] for op in row["transforms"]]
            assert ops == ["augmentation", "Affine"]
            assert -10 <= json.loads(row["transforms"][1]["params"])["rotate"] <= 10
        if row["origin"] == "synthetic":
            assert row["generator"]["family"] == "palette"
            assert json.loads(row["generator"]["conditioning"]) == {"class": row["label_name"]}
            assert {s["name"] for s in row["scores"]} >= {"degenerate.std"}


def test_ranks_make_every_lower_share_a_prefix(rows: list[dict[str, Any]]) -> None:
    for label in COUNTS:
        made = [r for r in rows if r["generated"] and r["label_name"] == label]
        made.sort(key=lambda r: r["rank"])
        assert [r["rank"] for r in made] == list(range(len(made)))
        indexes = [r["generator"]["index"] for r in made]
        assert indexes == sorted(indexes)


def test_a_copy_differs_from_its_parent_and_keeps_its_format(rows: list[dict[str, Any]]) -> None:
    by_id = {r["sample_id"]: r for r in rows}
    copies = [r for r in rows if r["origin"] == "augmented"]
    different = sum(
        not np.array_equal(pixels(r), pixels(by_id[r["parents"][0]["sample_id"]])) for r in copies
    )
    assert different >= 0.9 * len(copies)
    assert {r["image"]["path"].rsplit(".")[-1] for r in copies} == {"png"}


def test_rows_are_shuffled_inside_a_shard(result: RunResult) -> None:
    labels = open_dataset(result.output, split="train").to_table(["label_name"])
    assert labels["label_name"].to_pylist() != sorted(labels["label_name"].to_pylist())


def test_the_same_request_again_is_already_committed(root: Path, result: RunResult) -> None:
    again = run(load_spec(job_document(root)), engine=Never())  # no engine begins
    assert again.already
    assert again.version == result.version
    assert again.made_now == 0
    assert again.ok


def test_another_request_into_the_same_output_is_refused(root: Path, result: RunResult) -> None:
    other = job_document(root, seed=8)
    with pytest.raises(OutputConflictError, match=r"of another request; output\.mode create"):
        run(load_spec(other), engine="local")
    assert len(list((root / "pool").rglob("claims/*.json"))) == 1  # nothing was started


def test_a_changed_ratio_reuses_the_pool(root: Path, result: RunResult) -> None:
    lower = job_document(
        root,
        synthesize=[{"generators": ["fake"], "fill": {"to": 26}}],
        output={"uri": str(root / "lower")},
    )
    fewer = run(load_spec(lower), engine="local")
    assert fewer.made_now == 0
    before = rows_of(open_dataset(result.output).to_table())
    after = rows_of(open_dataset(fewer.output).to_table())
    assert len(after) == len(before) - 3 * 4
    assert fingerprint(after).items() <= fingerprint(before).items()


def test_asking_for_more_makes_only_the_difference(root: Path, result: RunResult) -> None:
    higher = job_document(
        root,
        synthesize=[{"generators": ["fake"], "fill": {"to": 35}}],
        output={"uri": str(root / "higher")},
    )
    more = run(load_spec(higher), engine="local")
    assert more.made_now == 3 * 5


def test_the_audit_agrees_with_the_run(result: RunResult) -> None:
    report = audit(result.output, verify=True)
    assert report.ok
    assert report.log == "agrees"


@pytest.mark.parametrize("lost", ["emptied", "removed", "whole log"])
def test_a_log_that_lost_the_commit_gets_it_again(tmp_path: Path, lost: str) -> None:
    """The records of the job's units are the proof of its rows."""
    write_digits(tmp_path / "data", COUNTS)
    job = load_spec(job_document(tmp_path))
    first = run(job, engine="local")
    before = fingerprint(rows_of(open_dataset(first.output).to_table()))
    log = tmp_path / "out/_delta_log"
    if lost == "whole log":
        shutil.rmtree(log)
    elif lost == "removed":
        (log / "00000000000000000001.json").unlink()
    else:
        (log / "00000000000000000001.json").write_text("")
    (found,) = status(first.output).jobs
    assert (found.generation, found.state) == (0, "stopped")
    assert found.trouble is not None
    assert "it was committed as version 1, which the log does not hold any more" in found.trouble
    again = run(job, engine="local")
    assert (again.already, again.made_now, again.ok) == (False, 0, True)
    assert fingerprint(rows_of(open_dataset(again.output).to_table())) == before
    assert audit(again.output, verify=True).ok
