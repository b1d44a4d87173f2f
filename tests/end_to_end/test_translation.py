"""Rows made from images: which parents, which labels, what stands in the row, and resume."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from augment import seeds
from augment.api import audit, load_spec, open_dataset, plan, run
from augment.audit import trace
from augment.errors import PlanError
from augment.run import LocalEngine, carry_out, plan_job
from augment.run.planning import write_manifest
from augment.run.prepare import prepare
from augment.write import read_xmp
from tests.end_to_end.jobs import CLASSES, job_document, rows_of, write_digits

COUNTS = {"0": 6, "1": 4, "2": 3}
IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def document(root: Path, **changes: Any) -> dict[str, Any]:
    """Every train digit twice under a coloured light, two augmented copies of each row."""
    same: dict[str, Any] = {
        "generators": {"tint": {"family": "tint"}},
        "augmentations": [],
        "synthesize": [
            {
                "generators": ["tint"],
                "input": {"from": {"origin": ["real"]}, "per_image": 2},
                "set": {"light": "coloured"},
            }
        ],
        "output": {"uri": str(root / "out"), "shard": {"target_bytes": 65536},
                   "image": {"format": "png"}},
    }  # fmt: skip
    made = job_document(root, **same)
    made["sources"]["digits"]["attributes"] = {"camera": "scanner", "light": "white"}
    return made | changes


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_digits(tmp_path / "data", COUNTS, test=2)
    return tmp_path


def rows(root: Path, **changes: Any) -> list[dict[str, Any]]:
    result = run(load_spec(document(root, **changes)), engine="local")
    assert result.ok
    assert audit(result.output, verify=True).ok
    return rows_of(open_dataset(result.output).to_table())


def test_every_image_gives_as_many_rows_as_asked(root: Path) -> None:
    made = [r for r in rows(root) if r["origin"] == "translated"]
    assert Counter(r["label_name"] for r in made) == {c: 2 * n for c, n in COUNTS.items()}
    parents = Counter(r["parents"][0]["locator"] for r in made)
    assert set(parents.values()) == {2}
    assert {p.split("/")[0] for p in parents} == {"train"}  # test is protected
    assert {p.split("/")[1] for p in parents} == set(CLASSES)


def test_a_row_says_what_it_was_made_from(root: Path) -> None:
    table = rows(root)
    real = {r["sample_id"]: r for r in table if r["origin"] == "real"}
    info = prepare(load_spec(document(root))).infos["tint"]
    for row in (r for r in table if r["origin"] == "translated"):
        (parent,) = row["parents"]
        source = real[parent["sample_id"]]
        assert parent == {
            "sample_id": source["sample_id"],
            "sha256": source["sha256"],
            "locator": source["source"]["locator"],
            "role": "inputTo",
        }
        said = json.loads(row["generator"]["conditioning"])
        assert said["class"] == row["label_name"] == source["label_name"]
        assert said["source"] == "digits"
        assert row["sample_id"] == seeds.synthetic_id(
            7, info.identity, info.sampling_digest,
            seeds.class_conditioning(row["label_name"]), said["copy"], source["sample_id"],
        )  # fmt: skip
        assert row["generated"]
        assert row["digital_source_type"] == IPTC + "algorithmicMedia"  # tint has no model
        mark = read_xmp(row["image"]["bytes"])
        assert mark is not None
        assert mark.sample_id == row["sample_id"]
        assert row["mask"] is None
        kept = {a["name"]: a["value"] for a in row["attributes"]}
        assert kept == {"camera": "scanner", "light": "coloured"}
        assert (row["width"], row["height"]) == (8, 8)
    assert {a["value"] for r in real.values() for a in r["attributes"]} == {"scanner", "white"}


def test_the_ancestry_can_be_traced(root: Path) -> None:
    row = next(r for r in rows(root) if r["origin"] == "translated")
    found = trace(str(root / "out"), row["sample_id"]).sample
    assert found.row["sample_id"] == row["sample_id"]
    assert [p.found.row["origin"] for p in found.parents if p.found] == ["real"]


def test_asking_for_more_makes_no_other_ones(root: Path) -> None:
    few = [{"generators": ["tint"], "input": {"per_image": 3}, "fill": {"to": 9}}]
    more = [{"generators": ["tint"], "input": {"per_image": 3}, "fill": {"to": 10}}]
    first = carry_out(load_spec(document(root, synthesize=few)), LocalEngine(), "synthesize")
    assert first.made_now == 3 * 9 - sum(COUNTS.values())
    assert (
        carry_out(load_spec(document(root, synthesize=more)), LocalEngine(), "synthesize").made_now
        == 3
    )


def test_the_first_samples_are_one_of_each_image(root: Path) -> None:
    rule = {"generators": ["tint"], "input": {"per_image": 3}, "fill": {"to": {"0": 2 * 6}}}
    made = [r for r in rows(root, synthesize=[rule]) if r["origin"] == "translated"]
    assert len({r["parents"][0]["sample_id"] for r in made}) == len(made) == 6


def test_images_run_out(root: Path) -> None:
    """A target that the images cannot give is capped, not short."""
    rule = {"generators": ["tint"], "input": {"per_image": 1}, "fill": {"to": 10}}
    planned = plan(load_spec(document(root, synthesize=[rule])))
    assert {(c.label_name, c.wanted, c.planned) for c in planned.capped} == {
        ("1", 6, 4),
        ("2", 7, 3),
    }
    assert sum(d.n for d in planned.draws) == 4 + 4 + 3


def test_two_generators_share_what_images_give(root: Path) -> None:
    tints = {n: {"family": "tint", "sampling": {"strength": s}} for n, s in [("a", 0.3), ("b", 1)]}
    rule = {"generators": {"a": 3, "b": 1}, "input": {"per_image": 1}, "fill": {"to": {"2": 8}}}
    planned = plan(load_spec(document(root, generators=tints, synthesize=[rule])))
    assert {d.generator: d.n for d in planned.draws} == {"a": 3, "b": 2}


def test_another_label(root: Path) -> None:
    rule = {"generators": ["tint"], "input": {"from": {"classes": ["1"]}}, "label": "2"}
    made = [r for r in rows(root, synthesize=[rule]) if r["origin"] == "translated"]
    assert [r["label_name"] for r in made] == ["2"] * 4
    assert {r["parents"][0]["locator"].split("/")[1] for r in made} == {"1"}


def test_images_that_only_generators_read(root: Path) -> None:
    """They make no rows and no classes; what is made from them has the class that is said."""
    for i in range(3):
        target = root / "night" / "train" / "street"
        target.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((6, 9, 3), 60 * i + 40, np.uint8)).save(target / f"{i}.png")
    changed = document(root)
    changed["sources"]["night"] = {
        "format": "imagefolder", "uri": str(root / "night"), "splits": {"train": "train"},
        "use": "inputs", "attributes": {"light": "none"},
    }  # fmt: skip
    wanted = {"from": {"attributes": {"light": "none"}}}
    changed["synthesize"] = [{"generators": ["tint"], "input": wanted, "label": "0"}]
    found = rows(root, filters=[], **{k: changed[k] for k in ("sources", "synthesize")})
    made = [r for r in found if r["origin"] == "translated"]
    assert {r["label_name"] for r in found} == set(CLASSES)
    assert [(r["label_name"], r["width"], r["height"]) for r in made] == [("0", 9, 6)] * 3
    assert {r["source"]["name"] for r in found if r["source"]} == {"digits"}


def maps(root: Path) -> dict[str, Any]:
    target = root / "maps" / "train" / "0"
    target.mkdir(parents=True)
    for i in range(2):
        image = Image.fromarray(np.full((8, 8), i, np.uint8), "P")
        image.putpalette([250, 0, 0, 0, 250, 0] + [0] * 762)
        image.save(target / f"{i}.png")
    changed = document(root)
    changed["sources"]["maps"] = {
        "format": "imagefolder", "uri": str(root / "maps"), "splits": {"train": "train"},
        "use": "label_maps",
    }  # fmt: skip
    return changed


def test_a_label_map_is_kept_as_the_mask(root: Path) -> None:
    changed = maps(root)
    changed["generators"] = {"tint": {"family": "tint", "size": 16}}
    rule = {"generators": ["tint"], "input": {"from": {"sources": ["maps"]}}}
    found = rows(root, **{**changed, "synthesize": [rule], "filters": []})
    made = [r for r in found if r["generated"]]
    assert [r["origin"] for r in made] == ["synthetic"] * 2
    assert {r["digital_source_type"] for r in made} == {IPTC + "algorithmicMedia"}
    for row in made:
        (root / "mask.png").write_bytes(row["mask"]["bytes"])
        mask = Image.open(root / "mask.png")
        number = int(Path(row["parents"][0]["locator"]).stem)
        assert (mask.mode, mask.size) == ("P", (16, 16))
        assert np.unique(np.asarray(mask)).tolist() == [number]
        assert row["mask"]["path"] == f"{row['sample_id']}.mask.png"


def test_a_parent_that_cannot_be_read_costs_its_samples(root: Path) -> None:
    """The next images are asked for; here there are none left, so the job is short."""
    bad = root / "data" / "train" / "2" / "001.png"
    changed = document(root, on_shortfall="warn")
    bad.write_bytes(bad.read_bytes()[:40])
    result = run(load_spec(changed), engine="local")
    account = next(a for a in result.accounts if a.label_name == "2")
    assert (account.target, account.failed, account.selected) == (6, 2, 4)
    assert account.shortfall == 2
    assert account.attempted == account.accepted + account.failed


def test_batches_of_several_sizes_and_one_give_the_same_rows(root: Path) -> None:
    wide = root / "data" / "train" / "0"
    for i in range(5):
        shape = (6 + i % 2, 10, 3)
        Image.fromarray(np.full(shape, 40 * i + 20, np.uint8)).save(wide / f"wide{i}.png")

    def shards(batch: int) -> dict[str, bytes]:
        execution = {"generators": {"tint": {"batch_size": batch}}}
        uri = str(root / f"pool-{batch}")
        job = load_spec(document(root, pool=uri, execution=execution))
        carry_out(job, LocalEngine(), "synthesize")
        found = Path(uri).glob("data/*/*.parquet")
        columns = ["sample_id", "image", "parents", "label_name"]
        return {p.name: pq.read_table(p, columns=columns).to_pylist() for p in found}

    assert list(shards(1).values()) == list(shards(3).values()) == list(shards(64).values())


def test_the_manifest_names_the_samples_that_are_made(root: Path) -> None:
    planned = plan_job(prepare(load_spec(document(root))))
    write_manifest(planned.plan, root / "manifest.parquet", planned.inputs)
    listed = set(pq.read_table(root / "manifest.parquet")["sample_id"].to_pylist())
    assert listed == {r["sample_id"] for r in rows(root) if r["generated"]}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"synthesize": [{"generators": ["tint"], "fill": {"to": 9}}]},
            r"synthesize\[0\]\.generators: got 'tint', which makes its samples from images; expe",
        ),
        (
            {"generators": {"p": {"family": "palette", "classes": ["0"]}},
             "synthesize": [{"generators": ["p"], "input": {}}]},
            r"synthesize\[0\]\.input: got `input`, but 'p' takes no image; expected generators",
        ),
        (
            {"synthesize": [{"generators": ["tint"], "input": {"from": {"classes": ["9"]}}}]},
            r"synthesize\[0\]\.input\.from: got no image; expected images to make rows from\. Lo",
        ),
        (
            {"synthesize": [{"generators": ["tint"], "input": {}, "label": "7"}]},
            r"synthesize\[0\]\.label: got class '7'; expected one of 0, 1, 2",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_planned(root: Path, changes: dict[str, Any], text: str) -> None:
    with pytest.raises(PlanError, match=text):
        plan(load_spec(document(root, **changes)))


def test_images_and_label_maps_are_not_mixed(root: Path) -> None:
    changed = maps(root)
    with pytest.raises(PlanError, match="got images and label maps; expected one kind: what is"):
        plan(load_spec(changed))
