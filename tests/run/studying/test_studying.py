"""Studies of small tables of real digits: what helps is told, nothing is trained twice, the same
request gives the same bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch

from augment.cli import main
from augment.errors import AugmentError, InterruptedRun, RequestError
from augment.run import LocalEngine, ProcessEngine, Resources, Task
from augment.run.studying import How, study, write_report
from augment.run.studying.recording import Record, packed, unpacked
from augment.sample import SampleRow
from augment.study import Arm, Asked, Study, Training, study_schema
from augment.study.networks import network
from augment.study.render import render
from augment.study.training import Outcome
from augment.write.marks import add_xmp
from tests.audit.conftest import CLASSES, DIGITS, JOB, TableBuilder, copy_of, png, real, synthetic

REAL, MADE, TEST = 3, 30, 25
QUICK = Asked(shares=(0.5,), draws=1, seeds=1, steps=2, size=16)
SHOWN = Asked(shares=(0.75,), draws=2, seeds=2, steps=40, size=16, corrupted=False)
Scans = Callable[[str], Sequence[int]]


def scans(label: str) -> list[int]:
    """Of three digits that are hard to tell apart."""
    digit = {"0": 3, "1": 8, "7": 9}[label]
    return [int(n) for n in np.flatnonzero(DIGITS.target == digit)]


def right(label: str) -> Sequence[int]:
    return scans(label)[REAL + TEST : REAL + TEST + MADE]


def wrong(label: str) -> Sequence[int]:
    """Scans of the next class."""
    return right(CLASSES[(CLASSES.index(label) + 1) % len(CLASSES)])


def made(index: int, label: str, number: int) -> SampleRow:
    base = synthetic(index, label)
    data = add_xmp(png(number), base.sample_id, str(base.digital_source_type), "augment vae test")
    return replace(base, image=data)


def data_set(folder: Path, of: Scans | None = right, copies: bool = False) -> str:
    shards: dict[str, list[SampleRow]] = {}
    for place, label in enumerate(CLASSES):
        rows = [real(n, label) for n in scans(label)[:REAL]]
        rows += [copy_of(one, n) for n, one in enumerate(rows)] if copies else []
        rows += [made(n, label, number) for n, number in enumerate(of(label))] if of else []
        shards[f"data/train/{JOB}/train-{place:05}-aaaaaaaaaaaa.parquet"] = rows
        test = [real(n, label, "test") for n in scans(label)[REAL : REAL + TEST]]
        shards[f"data/test/{JOB}/test-{place:05}-bbbbbbbbbbbb.parquet"] = test
    return TableBuilder(folder).build(shards, row_group_size=8).uri


class Counting(LocalEngine):
    """Counts units; breaks after `most` of them."""

    def __init__(self, most: int = 99) -> None:
        self.most, self.units = most, 0

    def run(self, task: Task, units: Sequence[str], resources: Resources) -> Iterator[str]:
        for result in super().run(task, units, resources):
            self.units += 1
            yield result
            if self.units >= self.most:
                raise InterruptedRun("the machine is gone")


def records(uri: str) -> dict[str, bytes]:
    found = {path.name: path.read_bytes() for path in Path(uri).glob("_studies/*/units/*.json")}
    assert found
    return found


def verdict(found: Study) -> str:
    (one,) = [one for one in found.comparisons if one.arm.kind == "synthetic"]
    return one.verdict


@pytest.fixture(scope="module")
def helpful(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Study]:
    """Made images that are as good as real ones, of classes with three real ones."""
    uri = data_set(tmp_path_factory.mktemp("study") / "set")
    return uri, study(uri, SHOWN, LocalEngine())


def test_made_images_that_are_right_help(helpful: tuple[str, Study]) -> None:
    uri, found = helpful
    assert verdict(found) == "helps", render(found)
    value = json.loads(next(Path(uri).glob("_studies/*/study.json")).read_text())
    jsonschema.validate(value, study_schema())
    assert value == json.loads(json.dumps(found.to_json()))
    assert [one["test"] for one in value["classes"]] == [TEST] * 3
    assert value["makers"] == {"ae" * 32: "digits-vae"}


def test_made_images_of_another_class_hurt(tmp_path: Path) -> None:
    found = study(data_set(tmp_path / "set", wrong), SHOWN, LocalEngine())
    assert verdict(found) == "hurts", render(found)


def test_what_is_trained_is_not_trained_again_and_more_trains_what_lacks(
    helpful: tuple[str, Study],
) -> None:
    uri, before = helpful
    engine = Counting()
    again = study(uri, SHOWN, engine)
    assert again.comparisons == before.comparisons
    assert engine.units == 0
    more = study(uri, replace(SHOWN, seeds=3, steps=SHOWN.steps), engine)
    assert engine.units == 4
    assert {one.n for one in more.arms} == {6}
    assert (more.about.unused, study(uri, SHOWN, engine).about.unused) == (0, 4)
    assert "4 more trainings of this study stand beside these" in render(study(uri, SHOWN, engine))


def test_rates_are_trained_beside_the_usual_one_which_is_kept(
    helpful: tuple[str, Study],
) -> None:
    uri, _ = helpful
    asked, engine = replace(QUICK, seed=9), Counting()
    study(uri, asked, LocalEngine())
    found = study(uri, replace(asked, rates=(0.01, 1.0)), engine)
    assert engine.units == 2
    assert [list(one.rates) for one in found.arms] == [[0.01, 1.0]] * 2
    assert {one.n for one in found.arms} == {1}


def asked_in_validation(uri: str) -> set[tuple[int, ...]]:
    """Images of each class that choices were made by, of all records."""
    found = [json.loads(data)["validation"] for data in records(uri).values()]
    return {tuple(n for _, n in one) for one in found}


def test_choices_are_made_by_the_validation_split_or_what_a_draw_leaves_out(
    helpful: tuple[str, Study], tmp_path: Path
) -> None:
    assert asked_in_validation(helpful[0]) == {(1, 1, 1)}, "a fifth of three"
    path = Path(data_set(tmp_path / "set"))
    builder = TableBuilder(path)
    held = [real(n, label, "val") for label in CLASSES for n in scans(label)[-4:]]
    builder.commit([builder.shard(f"data/val/{JOB}/val-00000-cccccccccccc.parquet", held)])
    found = study(str(path), QUICK, LocalEngine())
    assert found.about.splits == ("train", "val", "test")
    assert asked_in_validation(str(path)) == {(4, 4, 4)}
    assert [one["validation"] for one in found.to_json()["classes"]] == [4, 4, 4]


def test_a_study_that_broke_goes_on(tmp_path: Path) -> None:
    uri = data_set(tmp_path / "set", copies=True)
    first = Counting(most=3)
    with pytest.raises(InterruptedRun, match="the machine is gone"):
        study(uri, QUICK, first)
    kept = records(uri)
    assert len(kept) == 3
    second = Counting()
    found = study(uri, QUICK, second)
    assert second.units == 1
    assert [one.arm.kind for one in found.arms] == ["real", "synthetic", "classical", "both"]
    assert {name: records(uri)[name] for name in kept} == kept


def test_processes_leave_the_same_bytes(tmp_path: Path) -> None:
    one, other = (data_set(tmp_path / name) for name in ("a", "b"))
    study(one, QUICK, LocalEngine())
    with ProcessEngine(cpus=2) as engine:
        study(other, QUICK, engine)
    assert records(one) == records(other)


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1]", b'{"format": 1}', b"\xff"])
def test_a_damaged_record_is_trained_again(helpful: tuple[str, Study], damage: bytes) -> None:
    uri, _ = helpful
    study(uri, QUICK, LocalEngine())
    folder = next(path.parent for path in Path(uri).glob("_studies/*/units/*.json")
                  if len(list(path.parent.glob("*.json"))) == 2)  # fmt: skip
    path = sorted(folder.glob("*.json"))[0]
    whole = path.read_bytes()
    path.write_bytes(damage)
    engine = Counting()
    study(uri, QUICK, engine)
    assert engine.units == 1
    assert path.read_bytes() == whole


def test_a_record_under_another_name_is_none() -> None:
    record = Record(
        Outcome(np.ones(9, bool), np.arange(9, dtype=np.uint8), np.array([[1, 2], [0, 3]])),
        ("lost",), (4, 0), {"torch": "2"},
    )  # fmt: skip
    one, other = Training(Arm(), 0, 0), Training(Arm(), 0, 1)
    found = unpacked(packed(one, record), one)
    assert found is not None
    np.testing.assert_array_equal(found.outcome.right, record.outcome.right)
    np.testing.assert_array_equal(found.outcome.views_right, record.outcome.views_right)
    np.testing.assert_array_equal(found.outcome.validation, record.outcome.validation)
    assert (found.lost, found.amounts, found.libraries) == (("lost",), (4, 0), {"torch": "2"})
    assert unpacked(packed(one, record), other) is None


def test_other_settings_are_another_study(helpful: tuple[str, Study]) -> None:
    uri, found = helpful
    others = [study(uri, replace(QUICK, **change), LocalEngine()).about.id
              for change in ({}, {"steps": 3}, {"seed": 1}, {"size": 32},
                             {"corrupted": False})]  # fmt: skip
    assert len({found.about.id, *others}) == 6


def test_an_image_that_cannot_be_decoded_costs_its_row(tmp_path: Path) -> None:
    rows = {label: [real(n, label) for n in scans(label)[:REAL]] for label in CLASSES}
    rows["0"].append(replace(made(0, "0", 0), image=b"no image"))
    rows["1"].append(made(0, "1", right("1")[0]))
    test = [real(n, label, "test") for label in CLASSES for n in scans(label)[REAL : REAL + 4]]
    test[0] = replace(test[0], image=b"")
    uri = TableBuilder(tmp_path / "set").build({
        f"data/train/{JOB}/train-00000-aaaaaaaaaaaa.parquet": [*chain(*rows.values())],
        f"data/test/{JOB}/test-00000-bbbbbbbbbbbb.parquet": test,
    }).uri  # fmt: skip
    found = study(uri, QUICK, LocalEngine())
    assert found.about.lost == 2
    assert [found.about.counts[label]["test"] for label in CLASSES] == [3, 4, 4]
    assert "2 rows have an image that could not be decoded" in render(found)


def test_without_made_images_there_is_nothing_to_study(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="train has neither copies nor synthetic rows"):
        study(data_set(tmp_path / "set", None), QUICK, LocalEngine())


def test_arms_of_the_only_generator_have_no_effect(helpful: tuple[str, Study]) -> None:
    with pytest.raises(RequestError, match="rows of 1 generators, so it has no effect"):
        study(helpful[0], replace(SHOWN, each_generator=True), Counting(0))


def test_only_copies_are_compared_where_nothing_was_generated(tmp_path: Path) -> None:
    found = study(data_set(tmp_path / "set", None, copies=True), QUICK, LocalEngine())
    assert [one.arm.kind for one in found.arms] == ["real", "classical"]


def test_a_weights_file_doubles_the_arms(helpful: tuple[str, Study], tmp_path: Path) -> None:
    name = "torchvision:shufflenet_v2_x0_5"
    file = tmp_path / "weights.pth"
    torch.save(network(name, 10, 32, "somewhere else").state_dict(), file)
    asked = replace(QUICK, network=name, weights=str(file), size=32, steps=1, corrupted=False)
    engine = Counting()
    found = study(helpful[0], asked, engine)
    assert [(one.arm.start, one.arm.kind) for one in found.arms] == [
        (start, kind) for start in ("scratch", "pretrained") for kind in ("real", "synthetic")
    ]  # fmt: skip
    assert engine.units == 4
    assert {one.against.start for one in found.comparisons} == {"scratch", "pretrained"}
    assert all(one.arm.start == one.against.start for one in found.comparisons)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    assert found.about.weights_sha256 == sha256
    assert "torchvision" in found.libraries
    (tmp_path / "other.pth").write_bytes(b"no weights")
    with pytest.raises(AugmentError, match=r"other\.pth: got a file of the kind"):
        study(helpful[0], replace(asked, weights=str(tmp_path / "other.pth")), LocalEngine())


def audit_json(place: Path, **changes: Any) -> str:
    figure = {"measure": "coverage", "split": "train", "maker": "ae" * 32}
    quality = {"figures": [figure | {"class": name, "ratio": 0.2 * n}
                           for n, name in enumerate(CLASSES)], "labels": []}  # fmt: skip
    rows = len(CLASSES) * (REAL + MADE + TEST)
    value = {"schema_version": 1, "uri": "x", "version": 0, "rows": rows, "shards": 6,
             "quality": quality, **changes}  # fmt: skip
    place.write_text(json.dumps(value))
    return str(place)


def test_an_audit_of_the_same_version_is_asked(helpful: tuple[str, Study], tmp_path: Path) -> None:
    uri, _ = helpful
    place = audit_json(tmp_path / "audit.json")
    found = study(uri, SHOWN, Counting(0), How(audit=place))
    assert found.predicted is not None
    assert [(one.measure, one.verdict) for one in found.predicted] == [("coverage", "not judged")]
    assert "3 groups of class and generator; at least 4 are needed" in render(found)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"version": 4}, "got the report of version 4; expected one of version 0"),
        ({"rows": 7}, "got the report of x with 7 rows in 6 shards; expected that of"),
        ({"schema_version": 2}, "is no audit report"),
        ({"quality": {"figures": 1}}, "is no audit report"),
    ],
)
def test_another_audit_is_refused(
    helpful: tuple[str, Study], tmp_path: Path, changes: dict[str, Any], text: str
) -> None:
    place = audit_json(tmp_path / "audit.json", **changes)
    with pytest.raises(RequestError, match=text):
        study(helpful[0], SHOWN, Counting(0), How(audit=place))


def test_an_audit_that_is_not_there_is_told(helpful: tuple[str, Study], tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="where nothing is; expected audit"):
        study(helpful[0], SHOWN, Counting(0), How(audit=str(tmp_path / "audit.json")))


def test_an_audit_without_quality_says_so(helpful: tuple[str, Study], tmp_path: Path) -> None:
    place = audit_json(tmp_path / "audit.json", quality=None)
    found = study(helpful[0], SHOWN, Counting(0), How(audit=place))
    assert (found.predicted, found.why) == (None, "the audit judged no quality")


def test_the_page_and_the_same_as_json(helpful: tuple[str, Study], tmp_path: Path) -> None:
    uri, found = helpful
    page, value = write_report(found, str(tmp_path / "report"))
    assert json.loads(Path(value).read_text()) == json.loads(json.dumps(found.to_json()))
    text = Path(page).read_text()
    assert "<title>Utility study of" in text
    assert "On clean test images real + synthetic 0.75 helps." in text
    with pytest.raises(RequestError, match="which is the data set's own"):
        write_report(found, f"{uri}/report")


def test_the_command_studies_the_output_of_a_job(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And says where a job has no output, and what is no number."""
    data_set(tmp_path / "out")
    (tmp_path / "data/train/0").mkdir(parents=True)
    job = tmp_path / "job.yaml"
    job.write_text(
        "version: 1\nname: digits\nseed: 7\nsources:\n  digits: {format: imagefolder, uri: data, "
        "splits: {train: train}}\noutput: {uri: out}\n"
    )
    quick = ["--shares", "0.5", "--draws", "1", "--seeds", "1", "--steps", "2", "--clean"]
    assert main(["study", str(job), *quick, "--engine", "local"]) == 0
    said = capsys.readouterr()
    assert "real + synthetic 0.5 against real on clean test images: not judged, n < 3" in said.out
    assert main(["study", str(job), *quick, "--engine", "local", "--json"]) == 0
    jsonschema.validate(json.loads(capsys.readouterr().out), study_schema())
    assert main(["study", str(job), "--shares", "half"]) == 2
    assert "--shares: got 'half'; expected numbers" in capsys.readouterr().err
    assert main(["study", str(job), "--rates", "1,two"]) == 2
    assert "--rates: got '1,two'; expected numbers, as 0.5,1,2" in capsys.readouterr().err
    assert main(["study", str(job), *quick, "--engine", "local", "--rates", "1,2"]) == 0
    assert "2 arms x 1 draws x 1 seeds" in capsys.readouterr().out
    assert main(["study", str(job), "--workers", "0"]) == 2
    assert "--workers: got 0; expected at least 1" in capsys.readouterr().err
    job.write_text(job.read_text().replace("uri: out", "uri: elsewhere"))
    assert main(["study", str(job), *quick]) == 2
    assert "elsewhere: is not a data set" in capsys.readouterr().err
