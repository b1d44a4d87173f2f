"""Real images that are no rows, as a rival: looked up once, none that equals a test image, as many
as were made, the same bytes for the same request."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from augment.api import study as api_study
from augment.cli import main
from augment.errors import InterruptedRun, StorageError
from augment.run import LocalEngine, ProcessEngine, Resources, Task
from augment.run.studying import How, study
from augment.spec import Job, load_spec
from augment.study import Study, study_schema
from augment.study.render import render
from tests.audit.conftest import CLASSES, JOB, TableBuilder, png, real
from tests.run.studying.test_studying import (
    MADE,
    QUICK,
    REAL,
    SHOWN,
    TEST,
    Counting,
    data_set,
    records,
    right,
    scans,
    wrong,
)

FREE = REAL + TEST + MADE
"""Scans of a digit before this one are in the data set."""
Scans = Mapping[str, Sequence[int]]


def more(n: int) -> dict[str, list[int]]:
    """So many scans of every digit that are nowhere in the data set."""
    return {label: scans(label)[FREE : FREE + n] for label in CLASSES}


def write(folder: Path, of: Scans, prefix: str = "") -> None:
    for label, numbers in of.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in numbers:
            (folder / label / f"{prefix}{number:04}.png").write_bytes(png(number))


def document(root: Path, **more: Any) -> dict[str, Any]:
    """A job whose generator reads `more`, beside its rows in `data`. more: keys of that source."""
    write(root / "data/train", {label: [0] for label in CLASSES})
    splits = {"train": "train"}
    given = {"format": "imagefolder", "uri": str(root / "more"), "use": "inputs", "splits": splits}
    return {
        "version": 1, "name": "digits", "seed": 7,
        "sources": {
            "digits": {"format": "imagefolder", "uri": str(root / "data"), "splits": splits},
            "more": given | more,
        },
        "generators": {"tint": {"family": "tint"}},
        "synthesize": [{"generators": ["tint"], "input": {"from": {"sources": ["more"]}}}],
        "output": {"uri": str(root / "out")},
    }  # fmt: skip


def job_of(root: Path, **more: Any) -> Job:
    return load_spec(document(root, **more))


def lost(found: Study) -> dict[str, int]:
    value = found.to_json()["retrieved"]
    return {cause: n for cause, n in value["left_out"].items() if n}


def had(found: Study) -> dict[str, int]:
    return {one["class"]: one["had"] for one in found.to_json()["retrieved"]["classes"]}


@pytest.fixture(scope="module")
def rivalled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Job, Study]:
    """Made images of the wrong class, beside as many and more right ones on offer."""
    root = tmp_path_factory.mktemp("rival")
    data_set(root / "out", wrong)
    write(root / "more/train", more(MADE + 5))
    job = job_of(root)
    return root, job, study(job.spec.output.uri, SHOWN, LocalEngine(), How(job=job))


def test_retrieved_images_that_are_right_beat_made_ones_that_are_wrong(
    rivalled: tuple[Path, Job, Study],
) -> None:
    _, _, found = rivalled
    verdicts = {(one.arm.kind, one.against.kind): one.verdict for one in found.comparisons}
    assert verdicts == {("synthetic", "real"): "hurts", ("retrieved", "real"): "helps",
                        ("synthetic", "retrieved"): "hurts"}, render(found)  # fmt: skip
    assert had(found) == dict.fromkeys(CLASSES, MADE)
    assert lost(found) == {}
    value = found.to_json()
    jsonschema.validate(value, study_schema())
    assert value["retrieved"]["offered"] == 3 * (MADE + 5)
    amounts = {one["arm"]: one["amounts"] for one in value["arms"]}
    assert amounts["retrieved"] == amounts["synthetic"] == dict.fromkeys(CLASSES, MADE * 4 / 5)


def test_nothing_is_looked_up_or_trained_twice(rivalled: tuple[Path, Job, Study]) -> None:
    _, job, before = rivalled
    engine = Counting()
    again = study(job.spec.output.uri, SHOWN, engine, How(job=job))
    assert engine.units == 0
    assert again.to_json() == before.to_json()


def test_arms_without_the_rival_are_trained_as_ever(
    rivalled: tuple[Path, Job, Study], tmp_path: Path
) -> None:
    root, _, _ = rivalled
    alone = data_set(tmp_path / "set", wrong)
    study(alone, SHOWN, LocalEngine())
    own = {name: data for name, data in records(str(root / "out")).items()
           if "retrieved" not in name}  # fmt: skip
    assert own == records(alone)


def test_images_that_equal_one_of_the_data_set_or_another_one_are_not_taken(tmp_path: Path) -> None:
    data_set(tmp_path / "out")
    fresh = more(4)
    write(tmp_path / "more/train", fresh)
    write(tmp_path / "more/train", {label: scans(label)[REAL : REAL + 2] for label in CLASSES})
    write(tmp_path / "more/train", {"0": scans("0")[:1]})
    write(tmp_path / "more/train", {"1": fresh["1"][:1]}, "again")
    write(tmp_path / "more/held", {"7": scans("7")[-3:]})
    (tmp_path / "more/train/7/broken.png").write_bytes(png(0)[:40])
    job = job_of(tmp_path, splits={"train": "train", "held": "held"})
    found = study(job.spec.output.uri, QUICK, LocalEngine(), How(job=job))
    assert had(found) == dict.fromkeys(CLASSES, 4)
    assert lost(found) == {"equal_to_held": 6, "equal_to_train": 1, "repeated": 1,
                           "unreadable": 1, "protected_split": 3}  # fmt: skip
    text = render(found)
    assert "90 were asked for, and 78 lack: 0 4 of 30, 1 4 of 30, 7 4 of 30" in text
    assert "left out: 3 in a protected split, 1 unreadable, 6 equal to a validation or" in text


def test_a_validation_split_is_kept_out_too(tmp_path: Path) -> None:
    builder = TableBuilder(Path(data_set(tmp_path / "out")))
    held = [real(n, label, "val") for label in CLASSES for n in scans(label)[FREE : FREE + 4]]
    builder.commit([builder.shard(f"data/val/{JOB}/val-00000-cccccccccccc.parquet", held)])
    write(tmp_path / "more/train", more(6))
    job = job_of(tmp_path)
    found = study(job.spec.output.uri, QUICK, LocalEngine(), How(job=job))
    assert (had(found), lost(found)) == (dict.fromkeys(CLASSES, 2), {"equal_to_held": 12})


def test_where_labels_say_no_class_the_nearest_train_image_does(tmp_path: Path) -> None:
    data_set(tmp_path / "out")
    every = [n for numbers in more(20).values() for n in numbers]
    write(tmp_path / "more/train", {"anything": every})
    job = job_of(tmp_path)
    found = study(job.spec.output.uri, QUICK, LocalEngine(), How(job=job))
    value = found.to_json()["retrieved"]
    assert (value["by_class"], sum(had(found).values())) == (False, 60)
    images = json.loads(next(Path(tmp_path).glob("out/_studies/*/retrieved/*.json")).read_text())
    owner = {n: label for label, numbers in more(20).items() for n in numbers}
    right_ones = [owner[int(Path(locator).stem)] == label
                  for _, locator, label, _ in images["images"]]  # fmt: skip
    assert np.mean(right_ones) > 0.5, "three digits by chance: a third"


def test_with_nothing_on_offer_the_arm_is_not_computed(tmp_path: Path) -> None:
    data_set(tmp_path / "out")
    write(tmp_path / "more/train", {"0": scans("0")[REAL : REAL + 1]})
    job = job_of(tmp_path)
    found = study(job.spec.output.uri, QUICK, LocalEngine(), How(job=job))
    assert [one.arm.kind for one in found.arms] == ["real", "synthetic"]
    assert ("retrieved real images of more: not computed, 0 of the 90 images that would match the "
            "synthetic ones are there") in render(found)  # fmt: skip
    jsonschema.validate(found.to_json(), study_schema())


def test_sources_that_are_away_cost_the_arm_and_not_the_study(tmp_path: Path) -> None:
    data_set(tmp_path / "out")
    write(tmp_path / "more/train", more(1))
    job = job_of(tmp_path)
    shutil.rmtree(tmp_path / "more")
    found = study(job.spec.output.uri, QUICK, LocalEngine(), How(job=job))
    assert [one.arm.kind for one in found.arms] == ["real", "synthetic"]
    assert "not computed, the job's sources cannot be listed: " in render(found)


def test_rows_that_do_not_say_what_they_show_keep_nothing_out(tmp_path: Path) -> None:
    rows = {f"data/{split}/{JOB}/{split}-00000-aaaaaaaaaaaa.parquet": [
        replace(real(n, label, split), pixels_sha256=None)
        for label in CLASSES for n in scans(label)[:4]
    ] for split in ("train", "test")}  # fmt: skip
    builder = TableBuilder(Path(data_set(tmp_path / "out")))
    builder.commit([builder.shard(path.replace("00000", "00009"), some)
                    for path, some in rows.items()])  # fmt: skip
    write(tmp_path / "more/train", more(1))
    job = job_of(tmp_path)
    found = study(job.spec.output.uri, QUICK, LocalEngine(), How(job=job))
    assert "not computed, 24 real rows do not say what they show" in render(found)


def test_without_synthetic_rows_there_is_nothing_to_match(tmp_path: Path) -> None:
    data_set(tmp_path / "out", None, copies=True)
    write(tmp_path / "more/train", more(1))
    job = job_of(tmp_path)
    found = study(job.spec.output.uri, QUICK, LocalEngine(), How(job=job))
    assert found.about.retrieved is None


def test_processes_leave_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "more/train", more(2))
    kept = []
    with ProcessEngine(cpus=1) as processes:
        for name, engine in (("a", LocalEngine()), ("b", processes)):
            root = tmp_path / name
            data_set(root / "out")
            shutil.copytree(tmp_path / "more", root / "more")
            study(str(root / "out"), QUICK, engine, How(job=job_of(root)))
            kept.append(records(str(root / "out")))
    assert kept[0] == kept[1]
    assert sum("retrieved" in name for name in kept[0]) == 1


def test_a_kill_after_looking_looks_nothing_up_again(tmp_path: Path) -> None:
    data_set(tmp_path / "out")
    write(tmp_path / "more/train", more(2))
    job, engine = job_of(tmp_path), Counting(most=1)
    with pytest.raises(InterruptedRun, match="the machine is gone"):
        study(job.spec.output.uri, QUICK, engine, How(job=job))
    assert list(tmp_path.glob("out/_studies/*/retrieved/*.json"))
    rest = Counting()
    study(job.spec.output.uri, QUICK, rest, How(job=job))
    assert rest.units == 3, "real, synthetic, retrieved"


@pytest.mark.parametrize("damage", [b"", b"[1]", b'{"format": "augment-study-retrieved/1"}'])
def test_a_damaged_record_is_made_again(tmp_path: Path, damage: bytes) -> None:
    data_set(tmp_path / "out")
    write(tmp_path / "more/train", more(2))
    job = job_of(tmp_path)
    study(job.spec.output.uri, QUICK, LocalEngine(), How(job=job))
    (place,) = tmp_path.glob("out/_studies/*/retrieved/*.json")
    whole = place.read_bytes()
    place.write_bytes(damage)
    engine = Counting()
    study(job.spec.output.uri, QUICK, engine, How(job=job))
    assert (engine.units, place.read_bytes()) == (1, whole)


@pytest.mark.parametrize("change", [Path.unlink, lambda place: place.write_bytes(png(5))])
def test_an_image_that_changed_since_is_told(tmp_path: Path, change: Callable[[Path], Any]) -> None:
    data_set(tmp_path / "out")
    write(tmp_path / "more/train", more(2))
    job, place = job_of(tmp_path), next((tmp_path / "more/train/0").iterdir())

    class Changing(LocalEngine):
        """Changes an image once it was retrieved."""

        def run(self, task: Task, units: Sequence[str], resources: Resources) -> Iterator[str]:
            yield from super().run(task, units, resources)
            if list(units) == ["retrieve"]:
                change(place)

    with pytest.raises(StorageError, match=r"sources\.more: train/0/\d+\.png is not the image"):
        study(job.spec.output.uri, QUICK, Changing(), How(job=job))


def test_another_image_on_offer_is_another_arm(tmp_path: Path) -> None:
    data_set(tmp_path / "out")
    write(tmp_path / "more/train", more(2))
    first = study(str(tmp_path / "out"), QUICK, LocalEngine(), How(job=job_of(tmp_path)))
    write(tmp_path / "more/train", more(3))
    engine = Counting()
    second = study(str(tmp_path / "out"), QUICK, engine, How(job=job_of(tmp_path)))
    assert engine.units == 2, "looking, and the arm of retrieved images"
    assert second.about.id == first.about.id
    assert second.about.unused == 1, "the arm of other images is told"


def test_programs_have_the_arm(tmp_path: Path) -> None:
    data_set(tmp_path / "out")
    write(tmp_path / "more/train", more(2))
    found = api_study(job_of(tmp_path), shares=[0.5], draws=1, seeds=1, steps=2, size=16,
                      corrupted=False, rates=[1.0, 2.0], engine=LocalEngine())  # fmt: skip
    assert {tuple(one.rates) for one in found.arms} == {(1.0, 2.0)}
    assert [one.arm.kind for one in found.arms] == ["real", "synthetic", "retrieved"]


def test_the_command_has_the_arm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data_set(tmp_path / "out", right)
    write(tmp_path / "more/train", more(2))
    job = tmp_path / "job.json"
    job.write_text(json.dumps(document(tmp_path)))
    quick = ["--shares", "0.5", "--draws", "1", "--seeds", "1", "--steps", "2", "--clean"]
    assert main(["study", str(job), *quick, "--engine", "local", "--all"]) == 0
    said = capsys.readouterr().out
    assert "real + retrieved 0.5" in said
    assert "retrieved real images: 6 of 6 in more, of the same class" in said
