"""What `augment plan` shows and writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import albumentations
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augment.errors import PlanError, StorageError
from augment.run import LocalEngine, Prepared, carry_out, plan_job
from augment.run.planning import (
    Idle,
    build_pipelines,
    formats_without_reader,
    idle_copies,
    pool_stock,
    procedural,
    unknown_training,
    write_manifest,
)
from augment.sample import CENSUS_SCHEMA, MANIFEST_SCHEMA
from augment.sources import Census

Make = Callable[..., Prepared]


def test_a_format_that_this_machine_cannot_read_is_told_before_it_costs_rows() -> None:
    names = ["a/0.HEIC", "a/1.heif", "a/2.png", "a/heic", "x.parquet#7"]
    table = CENSUS_SCHEMA.empty_table().to_pydict() | {
        "source": ["s"] * 5, "locator": names, "split": ["train"] * 5, "label_name": ["a"] * 5,
        "rank": list(range(5)), "size": [1] * 5, "token": [""] * 5,
    }  # fmt: skip
    census = Census(pa.table(table, schema=CENSUS_SCHEMA), ("a",))
    assert formats_without_reader(census, lambda library: True) == []
    assert formats_without_reader(census, lambda library: False) == [
        "2 images have an ending of heic, which needs the extra heic: pip install "
        "'augment-vision[heic]'; without it they are quarantined"
    ]


def test_a_manifest_has_one_row_per_sample_to_be_made(prepared: Make, tmp_path: Path) -> None:
    plan = plan_job(prepared()).plan
    target = tmp_path / "manifest.parquet"
    write_manifest(plan, target)
    table = pq.read_table(target)
    assert table.schema.equals(MANIFEST_SCHEMA)
    rows = table.to_pylist()
    wanted = {d.label_name: d.n for d in plan.draws}
    assert wanted == {"0": 30 - 2 * 6, "1": 30 - 2 * 4, "2": 30 - 2 * 3}
    for label, n in wanted.items():
        assert [r["index"] for r in rows if r["label_name"] == label] == list(range(n))
    assert len({r["sample_id"] for r in rows}) == len(rows) == sum(wanted.values())
    assert {(r["generator"], r["split"]) for r in rows} == {("fake", "train")}


def test_a_manifest_replaces_an_older_one(prepared: Make, tmp_path: Path) -> None:
    target = tmp_path / "manifest.parquet"
    target.write_text("older")
    write_manifest(plan_job(prepared()).plan, target)
    assert pq.read_table(target).num_rows == 64


def test_a_manifest_that_cannot_be_written_leaves_nothing(prepared: Make, tmp_path: Path) -> None:
    plan = plan_job(prepared()).plan
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StorageError, match=r"m\.parquet: the manifest cannot be written: .*choose"):
        write_manifest(plan, tmp_path / "no" / "m.parquet")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match="the manifest cannot be written"):
        write_manifest(plan, tmp_path / "folder")
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "folder"])


def test_the_stock_of_a_pool_before_and_after(prepared: Make) -> None:
    asked = prepared()
    plan = plan_job(asked).plan
    assert pool_stock(asked, plan) == {"fake": {"needed": 64, "there": 0, "missing": 64}}
    assert carry_out(asked.job, LocalEngine(), "synthesize").made_now == 64
    assert pool_stock(asked, plan) == {"fake": {"needed": 64, "there": 64, "missing": 0}}
    more = prepared(synthesize=[{"generators": ["fake"], "fill": {"to": 33}}])
    stock = pool_stock(more, plan_job(more).plan)
    assert stock == {"fake": {"needed": 73, "there": 64, "missing": 9}}


def test_what_the_cap_forbids_is_not_missing(prepared: Make) -> None:
    """All were tried and rejected: nothing more will be made."""
    asked = prepared(filters=[{"degenerate": {"min_std": 127.0}}], max_attempts_per_sample=1)
    carry_out(asked.job, LocalEngine(), "synthesize")
    stock = pool_stock(asked, plan_job(asked).plan)
    assert stock == {"fake": {"needed": 64, "there": 0, "missing": 0}}


def test_copies_that_change_nothing_are_foreseen(prepared: Make) -> None:
    """3 + 4 + 6 real rows with 8 copies each: half of the draws of a coin do nothing."""
    coin = {"name": "coin", "copies": 8, "ops": ["HorizontalFlip"]}
    rare = coin | {"name": "rare", "ops": [{"HorizontalFlip": {"p": 0.01}}]}
    sure = coin | {"name": "sure", "ops": [{"HorizontalFlip": {"p": 1}}]}
    more = {"synthesize": [{"generators": ["fake"], "fill": {"to": 300}}]}
    asked = prepared(augmentations=[coin | {"unchanged": "keep"}, rare, sure], **more)
    chances = build_pipelines(asked.job)
    assert idle_copies(asked.job, plan_job(asked).plan, chances) == [
        Idle("coin", 0.5, 104, 52),
        Idle("rare", pytest.approx(0.99), 104, round(104 * 0.99**101)),
    ]
    drawn_again = prepared(augmentations=[coin], **more)
    (one,) = idle_copies(drawn_again.job, plan_job(drawn_again).plan, chances)
    assert (one.chance, one.unchanged) == (0.5, 0)


def test_pipelines_are_built_for_real(prepared: Make) -> None:
    assert build_pipelines(prepared().job) == {"light": 0.0}


def test_a_saved_pipeline_is_built_as_it_stands_now(prepared: Make, tmp_path: Path) -> None:
    """It was good when the job was read, and has been written anew since."""
    saved = tmp_path / "gray.json"
    saved.write_text(json.dumps(albumentations.to_dict(albumentations.Compose([_gray(3)]))))
    job = prepared(augmentations=[{"name": "gray", "copies": 1, "pipeline": str(saved)}]).job
    assert build_pipelines(job) == {"gray": 0.0}
    saved.write_text(json.dumps(albumentations.to_dict(albumentations.Compose([_gray(1)]))))
    with pytest.raises(PlanError, match=r"num_output_channels: got 1; expected 3"):
        build_pipelines(job)


def _gray(channels: int) -> albumentations.ToGray:
    return albumentations.ToGray(num_output_channels=channels, p=1)


def test_a_trained_generator_says_what_it_has_seen(prepared: Make) -> None:
    checkpoint = str(Path(__file__).parents[2] / "examples" / "digits" / "checkpoint")
    vae = {"family": "vae", "checkpoint": checkpoint}
    generators = {"fake": {"family": "palette", "classes": ["0"]}, "vae": vae}
    rules = [
        {"generators": [name], "fill": {"to": {"0": n}}}
        for name, n in zip(generators, (20, 30), strict=True)
    ]
    asked = prepared(generators=generators, synthesize=rules)
    assert unknown_training(asked) == [
        "generators.vae.trained_on: unknown; name the sources and splits it has seen, so that a "
        "protected split cannot come back through it"
    ]
    seen = [{"source": "digits", "splits": ["train"]}]
    told = prepared(generators={**generators, "vae": {**vae, "trained_on": seen}}, synthesize=rules)
    assert unknown_training(told) == []


def test_a_generator_without_a_model_is_told(prepared: Make) -> None:
    checkpoint = str(Path(__file__).parents[2] / "examples" / "digits" / "checkpoint")
    generators = {
        "fake": {"family": "palette", "classes": ["0"]},
        "vae": {"family": "vae", "checkpoint": checkpoint},
        "light": {"family": "tint"},
    }
    synthesize = [
        {"generators": ["fake"], "fill": {"to": {"0": 20}}},
        {"generators": ["vae"], "fill": {"to": {"1": 20}}},
        {"generators": ["light"], "input": {"per_image": 1}},
    ]
    found = procedural(prepared(generators=generators, synthesize=synthesize))
    assert [text.partition(" is ")[0] for text in found] == [
        "generators.fake: family palette",
        "generators.light: family tint",
    ]


def test_a_generator_that_has_seen_another_draw_of_the_splits(
    prepared: Make, tmp_path: Path
) -> None:
    """It would bring images that are test images now into the training set."""
    checkpoint = str(Path(__file__).parents[2] / "examples" / "digits" / "checkpoint")
    digits = {
        "format": "imagefolder",
        "uri": str(tmp_path / "data" / "train"),
        "splits": {"train": 0.5, "test": 0.5},
    }

    def asked(split_seed: int, **seen: str) -> Prepared:
        entry = {"source": "digits", "splits": ["train"], **seen}
        vae = {"family": "vae", "checkpoint": checkpoint, "trained_on": [entry]}
        return prepared(
            split_seed=split_seed,
            sources={"digits": digits},
            generators={"vae": vae},
            synthesize=[{"generators": ["vae"], "fill": {"to": {"0": 9}}}],
        )

    draw = plan_job(asked(0)).census.draws["digits"]
    assert plan_job(asked(0, split_digest=draw)).plan.rows() > 0
    with pytest.raises(PlanError) as caught:
        plan_job(asked(1, split_digest=draw))
    now = plan_job(asked(1)).census.draws["digits"]
    assert [str(p).partition("; expected")[0] for p in caught.value.problems] == [
        f"generators.vae.trained_on[0].split_digest: got {draw}, but the splits of source digits "
        f"are drawn as {now}"
    ]
