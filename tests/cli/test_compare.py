"""`augment compare`: two reports, versions of one data set, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from augment.audit.compare import comparison_schema
from augment.cli import main
from tests.audit.conftest import JOB, TableBuilder, real
from tests.audit.report.values import names, value

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def data_set(tmp_path: Path) -> str:
    shard = f"data/train/{JOB}/train-00000-aaaaaaaaaaaa.parquet"
    return TableBuilder(tmp_path / "set").build({shard: [real(0, "0"), real(1, "1")]}).uri


def kept(folder: Path, name: str, n: int) -> str:
    path = folder / name
    path.write_text(json.dumps(value(names(n), quality=False)))
    return str(path)


def test_two_reports(tmp_path: Path, capfd: Capture) -> None:
    assert main(["compare", kept(tmp_path, "a.json", 3), kept(tmp_path, "b.json", 2)]) == 0
    out = capfd.readouterr().out
    assert out.startswith("before  /data/set, version 3: ")
    assert "rows that changed, in " in out
    assert main(["compare", str(tmp_path / "a.json"), str(tmp_path / "b.json"), "--json"]) == 0
    jsonschema.validate(json.loads(capfd.readouterr().out), comparison_schema())


def test_versions_of_one_data_set(data_set: str, capfd: Capture) -> None:
    assert main(["compare", data_set, "--versions", "0", "0"]) == 0
    assert main(["compare", data_set, "--versions", "0", "9"]) == 2
    assert "9" in capfd.readouterr().err
    assert main(["compare", data_set, data_set]) == 0
    assert "rows: the same in every split and class" in capfd.readouterr().out


def test_a_report_beside_the_data_set_as_it_is_now(
    tmp_path: Path, data_set: str, capfd: Capture
) -> None:
    assert main(["compare", kept(tmp_path, "a.json", 2), data_set]) == 0
    out = capfd.readouterr().out
    assert f"after   {data_set}" in out
    assert "class 0000" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{a}"], "AFTER: got none; expected a data set, or --versions of BEFORE"),
        (["{a}", "{a}", "--versions", "1", "1"], "--versions: got 1 for "),
        (["{a}", "{none}"], "no such file; expected audit.json"),
        (["{a}", "{folder}"], "is not a data set"),
        (["{a}", "{a}", "--copies"], "--copies: got it without --quality"),
        (["{a}", "{a}", "--versions", "x", "1"], "--versions"),
    ],
)
def test_what_is_refused(tmp_path: Path, capfd: Capture, words: list[str], said: str) -> None:
    places = {"a": kept(tmp_path, "a.json", 2), "none": str(tmp_path / "none.json"),
              "folder": str(tmp_path / "nothing")}  # fmt: skip
    assert main(["compare", *(word.format(**places) for word in words)]) == 2
    assert said in capfd.readouterr().err
