"""Copies of a whole job: equal pipelines, copies that would change nothing, ranks, and a retry."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augment.api import load_spec, open_dataset, plan, run
from augment.run import LocalEngine
from augment.run.upkeep.retry import retry
from tests.end_to_end.jobs import fingerprint, job_document, pixels, rows_of, write_digits

COUNTS = {"0": 7, "1": 5, "2": 4}
COIN = {"HorizontalFlip": {"p": 0.5}}
EQUAL: list[dict[str, Any]] = [
    {"name": "all", "copies": 1, "ops": [COIN]},
    {"name": "rare", "from": {"classes": ["2"]}, "copies": 2, "ops": [COIN]},
    {"name": "made", "from": {"origin": ["real", "synthetic"]}, "fill": {"to": 40}, "ops": [COIN]},
    {"name": "other", "copies": 1, "ops": [{"VerticalFlip": {"p": 1}}]},
]
"""Three with one pipeline, of different parents; late rules and early ones."""


def document(root: Path, **changes: Any) -> dict[str, Any]:
    rules = [
        {"generators": ["fake"], "fill": {"to": 24}},
        {"generators": ["tiny"], "fill": {"to": 29}},
    ]
    generators = {
        "fake": {"family": "palette", "classes": list(COUNTS), "size": 8},
        "tiny": {"family": "palette", "classes": list(COUNTS), "size": 9},
    }
    made = {"augmentations": EQUAL, "generators": generators, "synthesize": rules}
    return job_document(root, **made, **changes)


def table(root: Path) -> list[dict[str, Any]]:
    return rows_of(open_dataset(str(root / "out")).to_table())


def rule(row: dict[str, Any]) -> dict[str, Any]:
    """What a copy says of the augmentation that made it."""
    assert row["transforms"][0]["op"] == "augmentation"
    return dict(json.loads(row["transforms"][0]["params"]))


def kept(root: Path) -> dict[str, Any]:
    (path,) = (root / "out").glob("_provenance/*/job.json")
    return dict(json.loads(path.read_text()))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("copies")
    write_digits(root / "data", COUNTS)
    assert run(load_spec(document(root)), engine="local").ok
    return root


def test_equal_pipelines_make_what_was_planned(root: Path) -> None:
    rows = table(root)
    assert len({r["sample_id"] for r in rows}) == len(rows)
    copies = [r for r in rows if r["transforms"]]
    numbers: dict[Any, list[int]] = {}
    for row in copies:
        key = (row["parents"][0]["sample_id"], rule(row)["digest"])
        numbers.setdefault(key, []).append(rule(row)["copy"])
    assert all(sorted(some) == list(range(len(some))) for some in numbers.values())
    assert len({digest for _, digest in numbers}) == 2
    planned: Counter[Any] = Counter()
    for cell in plan(load_spec(document(root))).cells:
        if cell.augmentation:
            planned[cell.label_name, cell.augmentation] += cell.n
    assert Counter((r["label_name"], rule(r)["name"]) for r in copies) == planned


def test_no_copy_shows_its_parent(root: Path) -> None:
    """Half of the draws of a coin change nothing."""
    by_id = {r["sample_id"]: r for r in table(root)}
    copies = [r for r in by_id.values() if r["transforms"]]
    for copy in copies:
        parent = by_id[copy["parents"][0]["sample_id"]]
        assert not np.array_equal(pixels(copy), pixels(parent))
    redrawn = Counter(rule(r)["name"] for r in copies if "redraw" in rule(r))
    made = Counter(rule(r)["name"] for r in copies)
    assert set(redrawn) == {"all", "rare", "made"}
    told = kept(root)["copies"]
    assert {name: (n["made"], n["redrawn"], n["unchanged"]) for name, n in told.items()} == {
        name: (n, redrawn[name], 0) for name, n in made.items()
    }
    card = (root / "out" / "README.md").read_text()
    assert (
        f"copies by `all`: {made['all']}; drawn again because they showed their parent: "
        f"{redrawn['all']}; equal to their parent all the same: 0"
    ) in card


def test_ranks_run_per_split_class_and_generator(root: Path) -> None:
    """Untouched rows and copies each by themselves: a prefix holds as many of each generator."""
    ranks: dict[Any, list[int]] = {}
    for row in table(root):
        made_by = (row["generator"] or {}).get("id")
        place = (row["split"], row["label_name"], made_by, bool(row["transforms"]))
        ranks.setdefault(place, []).append(row["rank"])
    assert len({place[2] for place in ranks}) == 3
    for place, some in ranks.items():
        assert sorted(some) == list(range(len(some))), place


def test_a_retry_makes_the_copies_that_a_whole_run_makes(tmp_path: Path) -> None:
    """Numbers of lost copies are not given to others."""
    write_digits(tmp_path / "data", COUNTS)
    bad = tmp_path / "data" / "train" / "2" / "001.png"
    whole = bad.read_bytes()
    bad.write_bytes(whole[:40])
    asked = document(tmp_path)
    assert run(load_spec(asked), engine="local").ok
    before = table(tmp_path)
    bad.write_bytes(whole)
    healed = retry(load_spec(asked), LocalEngine())
    assert healed.failing == 0
    assert healed.healed > 3
    found = table(tmp_path)
    told = kept(tmp_path)["copies"]
    assert sum(n["made"] for n in told.values()) == sum(bool(r["transforms"]) for r in found)
    ids = {r["sample_id"] for r in before}
    assert [r for r in found if r["sample_id"] in ids] == before
    elsewhere = {"uri": str(tmp_path / "whole"), "shard": {"target_bytes": 65536}}
    undisturbed = run(load_spec(asked | {"output": elsewhere}), engine="local")
    assert fingerprint(found) == fingerprint(rows_of(open_dataset(undisturbed.output).to_table()))


def test_a_job_may_keep_copies_that_change_nothing(tmp_path: Path) -> None:
    write_digits(tmp_path / "data", COUNTS)
    coin = {"name": "coin", "copies": 4, "ops": [COIN], "unchanged": "keep"}
    result = run(load_spec(job_document(tmp_path, augmentations=[coin])), engine="local")
    by_id = {r["sample_id"]: r for r in table(tmp_path)}
    copies = [r for r in by_id.values() if r["transforms"]]
    equal = [np.array_equal(pixels(r), pixels(by_id[r["parents"][0]["sample_id"]])) for r in copies]
    assert [rule(r).get("unchanged", False) for r in copies] == equal
    assert 0.25 < sum(equal) / len(copies) < 0.75
    told = kept(tmp_path)["copies"]
    assert told == {"coin": {"made": len(copies), "redrawn": 0, "unchanged": sum(equal)}}
    assert result.version == 1
