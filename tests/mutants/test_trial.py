"""The tool on a package of three lines: what is killed, what survives, what is not judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.mutants.__main__ import main, tried
from tests.mutants.equal import key_of
from tests.mutants.report import Judged, Report, as_json, lines_of
from tests.mutants.sampling import Drawn, all_of
from tests.mutants.trial import Copy

CODE = """
def fits(size, most):
    return size <= most


def spare(size):
    while size > 0:
        size -= 1
    return 7
"""
TESTS = """
from augment.spec import fits, spare


def test_what_is_larger_does_not_fit():
    assert fits(3, 3)
    assert spare(2)
"""
TESTED = ("tests/spec/test_spec.py",)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A repository with one package and its tests."""
    root = tmp_path / "small"
    for path, text in (
        ("augment/__init__.py", ""),
        ("augment/spec/__init__.py", CODE),
        ("tests/spec/test_spec.py", TESTS),
        ("tests/spec/data/kept", "copied"),
        ("out/large", "not copied"),
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def fates(report: Report) -> dict[tuple[str, str], str]:
    return {(x.drawn.mutant.before, x.drawn.mutant.after): x.fate for x in report.judged}


def drawn(root: Path, *before: str) -> list[Drawn]:
    return [one for one in all_of(root, "spec") if one.mutant.before in before]


def test_what_a_test_notices_is_killed_and_what_none_does_survives(
    small: Path, tmp_path: Path
) -> None:
    wanted = drawn(small, "size <= most", "7", "size -= 1")
    report = tried(Copy(small, tmp_path / "place", spare_cpu_s=1), wanted, 1, {})
    assert fates(report) == {
        ("size <= most", "size < most"): "killed",
        ("7", "8"): "alive",
        ("size -= 1", "size += 1"): "timed out",
    }
    assert {one.tests for one in report.judged} == {("tests/spec",)}
    assert report.verdict == "too few"
    assert (small / "augment/spec/__init__.py").read_text() == CODE
    assert (tmp_path / "place/copy/augment/spec/__init__.py").read_text() == CODE
    assert (tmp_path / "place/copy/tests/spec/data/kept").exists()
    assert not (tmp_path / "place/copy/out").exists()


def test_an_equal_mutant_is_not_run_and_counts_for_nothing(small: Path, tmp_path: Path) -> None:
    (seven,) = drawn(small, "7")
    wanted = [seven, *drawn(small, "size <= most")]
    report = tried(Copy(small, tmp_path / "place"), wanted, 1, {key_of(seven): "no one asks"})
    assert fates(report) == {
        ("7", "8"): "equal",
        ("size <= most", "size < most"): "killed",
    }
    assert (report.killed, report.real, report.verdict) == (1, 1, "enough")


def test_tests_that_fail_without_a_mutant_judge_nothing(small: Path, tmp_path: Path) -> None:
    (small / TESTED[0]).write_text(TESTS.replace("fits(3, 3)", "fits(4, 3)"))
    report = tried(Copy(small, tmp_path / "place"), drawn(small, "7"), 1, {})
    assert (report.verdict, report.judged) == ("not judged", ())
    (said,) = lines_of(report)
    assert said.startswith("not judged: without a mutant: tests/spec: failed\n")
    assert "test_spec.py" in said


def test_of_nothing_nothing_is_judged(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tried(Copy(small, tmp_path / "place"), drawn(small, "7"), 1, {}, over=lambda: True)
    assert list(lines_of(report)) == [
        "0 of 1 mutants were tried in the time given",
        "not judged: no mutant was tried",
    ]
    assert main(["--count", "0"], small) == 2
    assert "no package 'sources'" in capsys.readouterr().err
    assert main(["--count", "0", "--package", "spec"], small) == 1
    assert capsys.readouterr().out == "not judged: no mutant was tried\n"


def test_the_command_tells_what_survived(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (small / "augment/spec/__init__.py").write_text("def fits(size, most):\n    return size <= 7\n")
    (small / TESTED[0]).write_text(
        "from augment.spec import fits\n\n\ndef test_it():\n    assert not fits(9, 7)\n"
    )
    path = tmp_path / "report.json"
    assert main(["--package", "spec", "--count", "9", "--json", str(path)], small) == 1
    out = capsys.readouterr()
    assert out.out.startswith(
        "         killed  timed out      alive      equal\n"
        "spec          0          0          2          0\n"
        "all           0          0          2          0\n"
    )
    assert (
        "ALIVE augment/spec/__init__.py:2  (comparison)\n"
        "      within: return size <= 7\n"
        "      size <= 7  ->  size < 7\n"
        "      tests: tests/spec\n"
    ) in out.out
    assert out.out.endswith("\n0 of 2 mutants killed (0%), seed 1: too few; wanted: 90%\n")
    assert "[2/2] alive     augment/spec/__init__.py:2 " in out.err
    found = json.loads(path.read_text())
    assert (found["verdict"], found["killed"], found["tried"]) == ("too few", 0, 2)
    assert {m["operator"] for m in found["mutants"]} == {"comparison", "constant"}


def test_nine_of_ten_are_enough(small: Path) -> None:
    (seven,) = drawn(small, "7")
    killed, alive = Judged(seven, "killed"), Judged(seven, "alive")
    assert Report(10, 1, (*[killed] * 9, alive)).verdict == "enough"
    assert Report(10, 1, (*[killed] * 8, alive)).verdict == "too few"
    assert json.loads(as_json(Report(0, 1)))["verdict"] == "not judged"
