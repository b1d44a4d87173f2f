"""`validate` knows what `plan` would refuse, as far as what is local says it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augment import api
from augment.cli import main
from augment.codec.png_writing import encode_pngs
from augment.errors import AugmentError, CheckpointError, PlanError
from augment.looking import LARGEST, Unseen, validated
from augment.policy import VARIABLE
from tests.spec.conftest import edited

Texts = Callable[[Mapping[str, Any]], list[str]]
DIGITS = Path(__file__).parents[1] / "examples/digits/checkpoint"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With the data of the small job in it, and a manifest."""
    monkeypatch.chdir(tmp_path)
    for n, place in enumerate(("train/0", "train/1", "test/0", "test/1")):
        (tmp_path / "data/real" / place).mkdir(parents=True)
        image = np.full((1, 8, 8, 3), 60 * n, np.uint8)
        (tmp_path / f"data/real/{place}/a.png").write_bytes(encode_pngs(image)[0])
    (tmp_path / "rows.csv").write_text("label_name,count\n0,3\nnone,2\n")
    return tmp_path


FED = {"generators": {"light": {"family": "tint"}}, "synthesize.0": {
    "generators": ["light"], "split": "train", "input": {"from": {"classes": ["0"]}}}}  # fmt: skip
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"generators.fake.classes": ["cat"]}, "knows none of the rule's classes (it knows 'cat')"),
    (
        {"generators.fake.classes": ["1", "cat"], "synthesize.0.fill.to": {"0": 5}},
        "knows none of the rule's classes (it knows '1', 'cat')",
    ),
    ({"errors": {"allow_empty_classes": ["00"]}}, "Did you mean '0'?"),
    (
        {"synthesize.0": {"generators": ["fake"], "manifest": "rows.csv"}},
        "'none'",
    ),
    (
        {**FED, "synthesize.0": {"generators": ["light"], "split": "train", "fill": {"to": 9}}},
        "from images",
    ),
    ({"synthesize.0.input": {"from": {}}}, "'fake' takes no image"),
    (
        {"generators.twin": {"family": "palette", "classes": ["0", "1"]},
         "synthesize.0.generators": ["fake", "twin"]},
        "the same weights and sampling as generators.fake",
    ),
]  # fmt: skip


def refusal(ask: Callable[[], object]) -> str:
    with pytest.raises(AugmentError) as caught:
        ask()
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("edits", "text"), REFUSED)
def test_what_plan_refuses_validate_refuses(edits: dict[str, Any], text: str) -> None:
    by_plan = refusal(lambda: api.plan(api.load_spec(edited(edits))))
    assert text in by_plan
    assert text in refusal(lambda: api.validate(edited(edits)))


@pytest.mark.usefixtures("folder")
def test_what_plan_takes_validate_takes() -> None:
    for edits in (
        {},
        FED,
        {"generators.fake.classes": ["1", "cat"], "synthesize.0.fill.to": {"1": 9}},
        {"errors": {"allow_empty_classes": ["0"]}},
        {"generators.other": {"family": "palette", "classes": ["0"], "size": 8},
         "synthesize.0.generators": ["fake", "other"]},
    ):  # fmt: skip
        assert api.plan(api.load_spec(edited(edits))).rows() > 0
        assert api.validate(edited(edits)).spec.name == "digits"


def test_a_checkpoint_that_is_not_whole_is_told(folder: Path) -> None:
    shutil.copytree(DIGITS, folder / "vae")
    edits = {"generators.fake": {"family": "vae", "checkpoint": "vae"}}
    assert validated(edited(edits))[1] == ()
    facts = json.loads((folder / "vae/generator.json").read_text())
    (folder / "vae/generator.json").write_text(json.dumps({**facts, "classes": ["a", "b"]}))
    by_plan = refusal(lambda: api.plan(api.load_spec(edited(edits))))
    with pytest.raises(CheckpointError) as caught:
        api.validate(edited(edits))
    assert str(caught.value) == by_plan


def test_classes_of_a_checkpoint_are_known(folder: Path) -> None:
    """Its own are 0 to 9."""
    shutil.copytree(DIGITS, folder / "vae")
    for split in ("train", "test"):
        for label in ("0", "1"):
            (folder / f"data/real/{split}/{label}").rename(folder / f"data/real/{split}/{label}x")
    edits = {"generators.fake": {"family": "vae", "checkpoint": "vae"}}
    assert "knows none of the rule's classes" in refusal(lambda: api.validate(edited(edits)))
    mapped = {**edits, "sources.real.label_map": {"map": {"0x": "0", "1x": "none"}}}
    assert api.validate(edited(mapped)).spec.name == "digits"


PIPELINE = {"family": "diffusers", "checkpoint": "far", "classes": ["0", "1"]}


def test_prompts_are_judged_with_their_line(folder: Path) -> None:
    """Without a look at the folder of the pipeline, which may be anywhere."""
    (folder / "far").mkdir()
    prompts = {"templates": ["a {txt}"], "variables": {"w": ["x"]}, "per_class": {"2": "two"},
               "negative_prompt": "blur"}  # fmt: skip
    sampling = {"prompts": prompts, "call": {"guidance_scale": 1}}
    document = edited({"generators.fake": {**PIPELINE, "sampling": sampling}})
    (folder / "job.json").write_text(json.dumps(document, indent=1))
    lines = (folder / "job.json").read_text().splitlines()
    at = next(n for n, text in enumerate(lines, 1) if "a {txt}" in text)
    text = refusal(lambda: api.load_spec("job.json"))
    place = "generators.fake.sampling.prompts"
    assert f"job.json:{at}: {place}.templates[0]: got {{txt}}; expected one of" in text
    assert "Did you mean 'text'?" in text
    for rest in ("variables.w: got a variable that no template uses", "per_class.2: got '2', which",
                 "negative_prompt: got a text, which has no effect"):  # fmt: skip
        assert f"{place}.{rest}" in text


def allow(folder: Path, monkeypatch: pytest.MonkeyPatch, *classes: str) -> None:
    (folder / "policy.yaml").write_text(f"allow_code: [{', '.join(classes)}]\n")
    monkeypatch.setenv(VARIABLE, str(folder / "policy.yaml"))


def test_a_class_that_the_operator_did_not_list_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `plan` refuses it; no code has to run to know it."""
    allow(folder, monkeypatch, "nowhere:Other")
    own = edited({"generators.fake": {"family": "custom", "class_path": "nowhere:Class"}})
    by_plan = refusal(lambda: api.plan(api.load_spec(own)))
    assert by_plan.startswith("generators.fake.class_path: got 'nowhere:Class', code that this ")
    assert refusal(lambda: api.validate(own)) == by_plan
    (folder / "job.json").write_text(json.dumps(own))
    assert main(["validate", "job.json"]) == 2
    assert capsys.readouterr().err == f"augment: {by_plan}\n"
    allow(folder, monkeypatch, "nowhere:Class")
    assert main(["validate", "job.json"]) == 0


def test_what_is_not_looked_at_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    allow(folder, monkeypatch, "nowhere:Class")
    big = folder / "big"
    big.mkdir()
    (big / "model.safetensors").touch()
    os.truncate(big / "model.safetensors", LARGEST + 1)  # takes no room
    document = edited({
        "generators.big": {"family": "vae", "checkpoint": "big"},
        "generators.far": {"family": "vae", "checkpoint": "s3://b/far"},
        "generators.own": {"family": "custom", "class_path": "nowhere:Class"},
        "synthesize.0.generators": ["fake", "big", "far", "own"],
    })  # fmt: skip
    assert [(one.place, one.why) for one in validated(document)[1]] == [
        ("generators.big", "1.0 GiB; plan reads it"),
        ("generators.far", "remote; plan reads it"),
        ("generators.own", "its own code would run"),
    ]
    (folder / "job.json").write_text(json.dumps(document))
    assert main(["validate", "job.json"]) == 0
    assert "ok; not looked at: generators.big (1.0 GiB; plan reads it)" in capsys.readouterr().out
    assert main(["validate", "job.json", "--skip-sources"]) == 0
    assert capsys.readouterr().out == "job.json: ok; not looked at: real\n"


def test_a_class_that_nobody_can_know_is_left_to_the_plan(folder: Path) -> None:
    remote = {"format": "imagefolder", "uri": "s3://b/p", "splits": {"train": "train"}}
    far = {"sources.far": remote}
    assert api.validate(edited({**far, "generators.fake.classes": ["cat"]})).spec.name == "digits"
    named = {**far, "generators.fake.classes": ["cat"], "synthesize.0.fill.to": {"dog": 3}}
    assert "it knows 'cat'" in refusal(lambda: api.validate(edited(named)))
    assert folder.is_dir()


def test_two_generators_that_are_one(folder: Path) -> None:
    shutil.copytree(DIGITS, folder / "vae")
    same = {"family": "vae", "checkpoint": "vae"}
    edits = {"generators": {"a": same, "b": same}, "synthesize.0.generators": ["a", "b"]}
    with pytest.raises(PlanError, match=r"generators\.b: got the same weights"):
        api.validate(edited(edits))


@pytest.mark.usefixtures("folder")
def test_what_a_run_would_measure_with_is_looked_for() -> None:
    limits = {"gate": "before_commit", "measures": [{"measure": "agreement", "fail_below": 0.5}]}
    job = edited({"limits": limits})
    _, unseen = validated(job, installed=lambda package: package != "torch")
    why = "task needs torch, which is not installed here; augment-vision[features]"
    assert unseen == (Unseen("limits.measures", why),)
    assert validated(job)[1] == ()
    reported = edited({"limits": limits | {"gate": "report_only"}})
    assert validated(reported, installed=lambda package: False)[1] == ()


@pytest.mark.usefixtures("folder")
def test_what_filters_judge_with_is_looked_for() -> None:
    job = edited({"filters": [{"agreement": {"not_judged": "pass"}}]})
    _, unseen = validated(job, installed=lambda package: package != "torch")
    why = "task needs torch, which is not installed here; augment-vision[features]"
    assert unseen == (Unseen("filters", why),)
    assert validated(job)[1] == ()
