"""`validate` looks at local sources: what plan would refuse of them is told with its line."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augment.api import validate
from augment.errors import SpecError
from tests.spec.conftest import REMOVE, edited

Problems = Callable[[dict[str, Any]], list[str]]


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Problems:
    """The problems of the small job with edits, its sources looked at."""
    monkeypatch.chdir(tmp_path)
    for split in ("train", "test"):
        for label in ("0", "1"):
            (tmp_path / "data" / "real" / split / label).mkdir(parents=True)

    def problems(edits: dict[str, Any]) -> list[str]:
        try:
            validate(edited(edits))
        except SpecError as error:
            return [str(p) for p in error.problems]
        return []

    return problems


def test_what_is_there_is_right(found: Problems) -> None:
    assert found({}) == []
    assert found({"sources.real.uri": "./data//real/"}) == []
    assert found({"sources.real.splits": {"train": "./train", "test": "test/"}}) == []


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("data/rael", "'{base}/data/rael', which does not exist; expected a folder of images. "
         "Did you mean 'data/real'?"),
        ("dta/real", "'{base}/dta/real', which does not exist; expected a folder of images. "
         "Did you mean 'data'?"),
        ("elsewhere", "'{base}/elsewhere', which does not exist; expected a folder of images. "
         "{base} holds: a-file, data"),
        ("a-file", "'{base}/a-file', which is no folder; expected a folder of images"),
    ],
)  # fmt: skip
def test_a_source_that_is_not_there(found: Problems, tmp_path: Path, uri: str, text: str) -> None:
    (tmp_path / "a-file").touch()
    start = "job: sources.real.uri: got "
    assert found({"sources.real.uri": uri}) == [start + text.format(base=tmp_path)]


def test_an_absolute_place_is_named_as_the_job_does(found: Problems, tmp_path: Path) -> None:
    (text,) = found({"sources.real.uri": f"{tmp_path}/data/rael"})
    assert text.endswith(f"Did you mean '{tmp_path}/data/real'?")


def test_a_split_that_is_not_there(found: Problems, tmp_path: Path) -> None:
    (tmp_path / "data" / "real" / "notes.txt").touch()
    assert found({"sources.real.splits.test": "tets"}) == [
        f"job: sources.real.splits.test: got folder 'tets', which does not exist in "
        f"'{tmp_path}/data/real'; expected one of the folders it holds: test, train. "
        "Did you mean 'test'?"
    ]
    assert found({"sources.real.splits.test": "../other"}) == [
        "job: sources.real.splits.test: got '../other', which leaves the source; "
        "expected a folder in it"
    ]


def test_images_that_lie_in_no_class(found: Problems, tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    (flat / "1.png").touch()
    (flat / ".hidden").mkdir()
    edits = {"sources.real.uri": "flat", "sources.real.splits": {"train": 1.0}}
    assert found(edits) == [
        f"job: sources.real.uri: got folder '{flat}', which holds no folder; "
        "expected a folder for each class, with its images. <class>/<image>"
    ]


def test_classes_that_no_folder_has(found: Problems) -> None:
    assert found({"synthesize.0.fill.to": {"0": 5, "l": 6}}) == [
        "job: synthesize[0].fill.to.l: got the class 'l'; expected one of 0, 1"
    ]
    assert found({"augmentations.0.from": {"classes": ["00"]}}) == [
        "job: augmentations[0].from.classes[0]: got the class '00'; expected one of 0, 1. "
        "Did you mean '0'?"
    ]


def test_classes_behind_a_label_map(found: Problems) -> None:
    mapped = {"sources.real.label_map": {"map": {"0": "zero", "1": "one"}},
              "generators.fake.classes": ["zero", "one"]}  # fmt: skip
    assert found({**mapped, "synthesize.0.fill.to": {"zero": 5}}) == []
    (text,) = found({**mapped, "synthesize.0.fill.to": {"0": 5}})
    assert "got the class '0'; expected one of one, zero" in text


def test_classes_are_not_judged_where_a_source_cannot_be_seen(found: Problems) -> None:
    remote = {"format": "imagefolder", "uri": "s3://b/p", "splits": {"train": "train"}}
    edits = {"sources.far": remote, "synthesize.0.fill.to": {"other": 5}}
    assert found({**edits, "generators.fake.classes": ["other"]}) == []
    fed = {**remote, "uri": "data/real", "use": "inputs"}
    edits = {"sources.fed": fed, "synthesize.0.fill.to": {"other": 5}}
    assert any("got the class 'other'" in text for text in found(edits))


def test_names_are_compared_as_the_census_does(found: Problems, tmp_path: Path) -> None:
    composed = unicodedata.normalize("NFC", "caf\u00e9")
    (tmp_path / "data" / "real" / "train" / unicodedata.normalize("NFD", composed)).mkdir()
    edits = {"synthesize.0.fill.to": {composed: 5}, "generators.fake.classes": [composed]}
    assert found(edits) == []


def test_a_split_that_is_no_folder(found: Problems, tmp_path: Path) -> None:
    (tmp_path / "data" / "real" / "file").touch()
    assert found({"sources.real.splits.test": "file"}) == [
        f"job: sources.real.splits.test: got an error (Not a directory) at "
        f"'{tmp_path}/data/real/file'; expected a folder that can be read"
    ]


def test_nothing_is_looked_at_where_the_policy_forbids(
    found: Problems, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "policy.yaml").write_text(f"allowed_uris: [{tmp_path}/out, {tmp_path}/pool]\n")
    monkeypatch.setenv("AUGMENT_POLICY", str(tmp_path / "policy.yaml"))
    (text,) = found({"sources.real.uri": "data/rael"})
    assert "where this machine lets no job go" in text


def test_everything_is_told_at_once(found: Problems) -> None:
    edits = {"sources.real.uri": "nowhere", "seed": -1, "synthesize.0.fill.to": 0}
    assert len(found(edits)) == 3


def test_links_stop_no_look(found: Problems, tmp_path: Path) -> None:
    """What becomes of a link to nothing, in a loop or out of the source, the plan says."""
    for name, target in (("loop", "loop"), ("gone", "nothing"), ("out", "/")):
        (tmp_path / "data/real/train" / name).symlink_to(target)
    assert found({}) == []
    assert found({"classes": {"names": ["0", "1", "loop", "gone", "out"]}}) == []


def test_the_form_of_a_manifest(found: Problems, tmp_path: Path) -> None:
    edits = {"synthesize.0.fill": REMOVE, "synthesize.0.manifest": "wanted.csv"}
    (tmp_path / "wanted.csv").write_text("label_name,count\n0,3\n")
    assert found(edits) == []
    (tmp_path / "wanted.csv").write_text("label_name,cuont\n0,many\n")
    assert found(edits) == [
        f"{tmp_path}/wanted.csv: column cuont: got an unknown column; "
        "expected one of generator, label_name, split, count, index, sample_id"
    ]


def test_the_classes_of_all_sources_of_rows_may_be_named(found: Problems, tmp_path: Path) -> None:
    (tmp_path / "more/train/2").mkdir(parents=True)
    (tmp_path / "inputs/train/3").mkdir(parents=True)
    more = {"format": "imagefolder", "uri": "more", "splits": {"train": "train"}}
    edits = {"sources.more": more, "augmentations.0.from": {"classes": ["0", "1", "2"]}}
    assert found(edits) == []
    assert found({"augmentations.0.from": {"classes": ["0", "2"]}}) == [
        "job: augmentations[0].from.classes[1]: got the class '2'; expected one of 0, 1"
    ]
    inputs = {**more, "uri": "inputs", "use": "inputs"}
    edits = {"sources.more": inputs, "augmentations.0.from": {"classes": ["3"]}}
    (said,) = (text for text in found(edits) if "classes" in text)
    assert said.startswith("job: augmentations[0].from.classes[0]: got the class '3'; expected one")


@pytest.mark.parametrize("edit", [{"output.uri": "a-file/out"}, {"pool": "a-file"}])
def test_nothing_can_be_written_where_a_file_stands(
    found: Problems, tmp_path: Path, edit: dict[str, Any]
) -> None:
    (tmp_path / "a-file").touch()
    (path,) = edit
    assert found(edit) == [
        f"job: {path}: got '{tmp_path}/a-file', which is a file; expected a folder, or a new name"
    ]
    (tmp_path / "a-file").unlink()
    assert found(edit) == []
