"""`augment generators`: the list of families, and a class asked the contract's questions."""

from __future__ import annotations

import json
import typing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from augment.cli import main
from augment.generators.catalog import FAMILIES
from augment.policy import VARIABLE
from augment.spec import generators
from tests.generators.translators import arrays, resnet

Capture = pytest.CaptureFixture[str]

GOOD = "tests.generators.test_contract:Good"
BROKEN = "tests.generators.test_contract:OnePerClass"


@pytest.fixture(autouse=True)
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One that allows nothing yet. It lies apart: some tests look at what else is there."""
    path = tmp_path.with_name(f"{tmp_path.name}-policy.yaml")
    path.write_text("{}")
    monkeypatch.setenv(VARIABLE, str(path))
    return path


def families() -> set[str]:
    """The families that a job can name."""
    union = typing.get_args(typing.get_args(generators.GeneratorSpec)[0])
    return {typing.get_args(spec.model_fields["family"].annotation)[0] for spec in union}


def test_every_family_that_a_job_can_name_has_a_row() -> None:
    assert [f.name for f in FAMILIES] == sorted(families())


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--memory=nan", "--memory: got nan; expected more than 0, at most 1048576"),
        ("--memory=inf", "--memory: got inf; expected more than 0"),
        ("--memory=-1", "--memory: got -1; expected more than 0"),
        ("--cpu-seconds=0", "--cpu-seconds: got 0; expected 1 to 10000000"),
        (f"--cpu-seconds={10**30}", f"--cpu-seconds: got {10**30}; expected 1 to"),
    ],
)
def test_bounds_that_are_none(option: str, text: str, tmp_path: Path, capsys: Capture) -> None:
    save_file({"a": np.ones(1, np.float32)}, tmp_path / "a.safetensors")
    assert main(["generators", "inspect", str(tmp_path / "a.safetensors"), option]) == 2
    assert text in capsys.readouterr().err


def test_list_shows_every_family(capsys: Capture) -> None:
    assert main(["generators", "list"]) == 0
    said = capsys.readouterr().out
    for family in FAMILIES:
        assert f"\n{family.name}" in f"\n{said}"
        assert family.loads in said
    assert said.count("  installed:  ") == len(FAMILIES)
    assert (
        "installed:  yes; for pythae: yes, with augment-vision[torch]; for AutoencoderKL: yes, "
        "with augment-vision[diffusers]\n"
    ) in said
    assert "installed:  the policy allows none\n" in said
    assert main(["generators", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == [f.name for f in FAMILIES]
    assert set(rows[0]) == {
        "name", "loads", "takes", "conditions", "extra", "parts", "installed", "missing",
    }  # fmt: skip
    assert all(row["installed"] and not row["missing"] for row in rows)


def test_list_tells_which_classes_the_policy_allows(capsys: Capture, policy: Path) -> None:
    policy.write_text(f"allow_code: ['{GOOD}']\n")
    assert main(["generators", "list"]) == 0
    assert f"installed:  the policy allows {GOOD}\n" in capsys.readouterr().out


def test_a_good_class_passes(capsys: Capture, policy: Path) -> None:
    assert main(["generators", "check", GOOD]) == 0
    said = capsys.readouterr().out.splitlines()
    rest = [line for line in said[:-2] if not line.startswith("pass  ")]
    assert rest == [
        "--    source images are left as they were: not judged, it takes no source image"
    ]
    assert said[-2] == f"{len(said) - 3} of {len(said) - 3} questions passed, 1 not judged"
    assert said[-1] == f"policy: {policy} does not list it, so no job may use it here"


def test_the_policy_is_told_where_it_lists_the_class(capsys: Capture, policy: Path) -> None:
    policy.write_text(f"allow_code: ['{GOOD}']\n")
    assert main(["generators", "check", GOOD, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (found["ok"], found["allowed"], found["policy"]) == (True, True, str(policy))
    assert found["class_path"] == GOOD


def test_a_broken_class_is_exit_1_and_says_what(capsys: Capture) -> None:
    assert main(["generators", "check", BROKEN]) == 1
    said = capsys.readouterr().out
    assert "FAIL  every sample differs: 2 images of 6 samples" in said
    assert main(["generators", "check", BROKEN, "--json"]) == 1
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert not found["ok"]
    failed = [q["name"] for q in found["questions"] if not q["ok"]]
    assert "every sample differs" in failed


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["no class"], "got 'no class'; expected package.module:Class"),
        (["json:JSONDecoder"], "json:JSONDecoder: it has no validate, batch_key, generate, info"),
        (["json:Nope"], "json:Nope: got no such name; expected a class in json"),
        ([GOOD, "--init", "{"], "--init: got '{'; expected a JSON object ("),
        ([GOOD, "--init", "[]"], "--init: got '[]'; expected a JSON object of arguments"),
        ([GOOD, "--init", '{"x": 1}'], "making it raised TypeError:"),
    ],
)
def test_what_cannot_be_asked_is_exit_2(words: list[str], text: str, capsys: Capture) -> None:
    assert main(["generators", "check", *words]) == 2
    assert text in capsys.readouterr().err


# ---- inspect and import --------------------------------------------------------------


@pytest.fixture
def translator(tmp_path: Path) -> Path:
    path = tmp_path / "latest_net_G.safetensors"
    save_file(arrays(resnet()), path)
    return path


def test_inspect_and_import(translator: Path, capsys: Capture) -> None:
    assert main(["generators", "inspect", str(translator), "--json"]) == 0
    seen = json.loads(capsys.readouterr().out)
    assert (seen["family"], seen["takes_image"]) == ("resnet_i2i", True)
    out = translator.parent / "out"
    assert main(["generators", "import", str(translator), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "same_under_global_seeds: True" in said
    assert f"generators: {{name: {{family: resnet_i2i, checkpoint: {out}}}}}" in said
    assert sorted(p.name for p in out.iterdir()) == ["generator.json", "weights.safetensors"]


def test_inspecting_what_cannot_be_hosted(tmp_path: Path, capsys: Capture) -> None:
    save_file({"some.weight": np.ones(2, np.float32)}, tmp_path / "x.safetensors")
    assert main(["generators", "inspect", str(tmp_path / "x.safetensors")]) == 2
    assert "refused:      x.safetensors: of no family that is hosted" in capsys.readouterr().out


def test_importing_what_is_not_there(tmp_path: Path, capsys: Capture) -> None:
    out = str(tmp_path / "out")
    assert main(["generators", "import", str(tmp_path / "x.pkl"), "--out", out]) == 2
    assert "x.pkl: no such file or folder; expected a checkpoint" in capsys.readouterr().err
