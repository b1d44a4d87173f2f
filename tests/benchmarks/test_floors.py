"""Floors of benchmarks: floors.toml covers every script; how it is read, run and judged. Nothing
here takes a time: what is run prints numbers that it was told, or is too small to mean anything."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import floors
from benchmarks.floors import Failed, Floor, FloorsError, judge, measure, read

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"
HELPERS = {"copies_sets.py", "floors.py", "host_networks.py", "host_plain.py", "mix_peers.py",
           "report_pages.py", "scale_listing.py", "scale_pool.py", "scale_rounds.py"}  # fmt: skip
"""What is in benchmarks/ and measures nothing by itself."""
GPU = {path.name for path in BENCHMARKS.glob("gpu*.py")}
"""What needs a GPU: `make bench` runs on machines without one."""
TABLES = {"copies.py", "planted.py"}
"""What counts what an audit finds, for docs/audit.md: no speed, and no ratio to a peer."""

ENTRY = """
[[floor]]
name = "speed"
command = "fake.py 0.9"
ratio = "kept"
at_least = 0.8
source = "Made up."
"""


def floor(kind: str = "at_least", bound: float = 0.8) -> Floor:
    return Floor("speed", ("fake.py", "0.9"), "kept", kind, bound, "Made up.")


# ---- ours ------------------------------------------------------------------------------


def test_every_script_has_a_floor() -> None:
    scripts = {path.name for path in BENCHMARKS.glob("*.py")} - HELPERS - GPU - TABLES
    assert {f.command[0] for f in read(BENCHMARKS / "floors.toml")} == scripts


def test_every_script_prints_json() -> None:
    for path in BENCHMARKS.glob("*.py"):
        if path.name not in HELPERS | GPU or path.name == "gpu.py":
            assert '"--json"' in path.read_text(encoding="utf-8"), path.name


SMALL = {
    "audit.py": ["--search", "--queries", "70", "--base", "300", "--dim", "8", "--rounds", "1"],
    "census.py": ["--names", "20", "--rounds", "1"],
    "plan.py": ["--sizes", "10000", "20000", "--stream-rows", "1000"],
}
"""Sizes of the scripts that end in a second or two."""


@pytest.mark.parametrize("script", SMALL)
def test_a_script_prints_the_ratios_that_have_floors(script: str) -> None:
    words = [sys.executable, str(BENCHMARKS / script), *SMALL[script], "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    printed = json.loads(done.stdout.splitlines()[-1])["ratios"]
    wanted = {f.ratio for f in read(BENCHMARKS / "floors.toml") if f.command[0] == script}
    assert wanted
    assert wanted <= set(printed)
    assert all(isinstance(value, float) for value in printed.values())


def test_make_bench_is_no_part_of_test_or_check() -> None:
    rules = re.findall(r"^([a-z-]+):([^#\n]*)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    needs = {name: words.split() for name, words in rules}
    assert "bench" in needs
    todo, reached = ["test", "check", "unit"], set[str]()
    while todo:
        name = todo.pop()
        reached.add(name)
        todo += [word for word in needs.get(name, ()) if word not in reached]
    assert "bench" not in reached


# ---- judging ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "values", "word"),
    [
        ("at_least", [0.9], "ok"),
        ("at_least", [0.8], "ok"),
        ("at_least", [0.79], "BELOW"),
        ("at_least", [0.1, 0.9, 0.85], "ok"),
        ("at_least", [0.9, 0.7, 0.1], "BELOW"),
        ("at_least", [0.7, 0.9], "ok"),
        ("at_most", [0.8], "ok"),
        ("at_most", [0.81], "ABOVE"),
        ("at_most", [9.0, 0.7, 0.8], "ok"),
        ("at_most", [1], "ABOVE"),
    ],
)
def test_the_median_of_the_rounds_is_judged(kind: str, values: list[float], word: str) -> None:
    found = judge(floor(kind), [{"kept": value, "other": 5.0} for value in values])
    assert (found.word, found.why) == (word, "")
    assert found.values == tuple(values)


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        ({"other": 1.0, "third": 2.0}, "no ratio 'kept'; there are: other, third"),
        ({}, "no ratio 'kept'; there are: none"),
        ({"kept": math.nan}, "'kept' is nan, not a number"),
        ({"kept": math.inf}, "'kept' is inf, not a number"),
        ({"kept": None}, "'kept' is None, not a number"),
        ({"kept": "0.9"}, "'kept' is '0.9', not a number"),
        ({"kept": True}, "'kept' is True, not a number"),
        (Failed("the script failed with 3", "boom"), "the script failed with 3"),
    ],
)
def test_a_round_without_the_number_is_not_judged(outcome: Any, why: str) -> None:
    found = judge(floor(), [{"kept": 0.9}, {"kept": 0.9}, outcome])
    assert (found.word, found.why, found.value) == ("not judged", why, None)


def test_no_round_is_not_judged() -> None:
    assert judge(floor(), []).word == "not judged"


# ---- reading ---------------------------------------------------------------------------


def written(folder: Path, text: str) -> Path:
    (folder / "fake.py").write_text("")
    (folder / "floors.toml").write_text(text)
    return folder / "floors.toml"


def test_an_entry_is_read(tmp_path: Path) -> None:
    assert read(written(tmp_path, ENTRY)) == [floor()]


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('"Made up."', '"x"\nunit = 1', "floor 1 (speed): unknown key 'unit'; known are name, "
         "command, ratio, source, at_least, at_most; remove it"),
        ("at_least = 0.8", "", "floor 1 (speed): has no bound; give it either `at_least` or "
         "`at_most`"),
        ("at_least = 0.8", "at_least = 0.8\nat_most = 2", "floor 1 (speed): has `at_least` and "
         "`at_most`; give it either `at_least` or `at_most`"),
        ("0.8", '"0.8"', "floor 1 (speed): `at_least` is '0.8'; give it a finite number"),
        ("0.8", "nan", "floor 1 (speed): `at_least` is nan; give it a finite number"),
        ("0.8", "true", "floor 1 (speed): `at_least` is True; give it a finite number"),
        ("fake.py 0.9", "gone.py", "floor 1 (speed): no script 'gone.py' in FOLDER; name one of: "
         "fake.py"),
        ("fake.py 0.9", "fake.py '", "floor 1 (speed): `command` is \"fake.py '\": No closing "
         "quotation; close it"),
        ('ratio = "kept"', "", "floor 1 (speed): `ratio` is missing; give it a text"),
        ('"speed"', "7", "floor 1: `name` is 7; give it a text"),
        ('"Made up."', '" "', "floor 1 (speed): `source` is ' '; give it a text"),
        (ENTRY, ENTRY + ENTRY, "floor 2: 'speed' names another one, too; rename one"),
        (ENTRY, "rounds = 3\n" + ENTRY, "expected [[floor]] tables and nothing else, got "
         "'rounds'; write a ratio as a [[floor]] of its own"),
        (ENTRY, "floor = 3", "expected [[floor]] tables and nothing else, got another kind of "
         "`floor`; write a ratio as a [[floor]] of its own"),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, text: str
) -> None:
    path = written(tmp_path, ENTRY.replace(old, new))
    assert floors.main([], tmp_path) == 2
    said = capsys.readouterr()
    assert said.err == f"{path}: {text.replace('FOLDER', str(tmp_path))}\n"
    assert said.out == ""


@pytest.mark.parametrize("text", ["[[floor]\n", None])
def test_what_is_no_toml_is_told(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "floors.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(FloorsError, match=r"floors\.toml: .*; expected TOML with a \[\[floor\]\]"):
        read(path)


# ---- running ---------------------------------------------------------------------------

FAKE = """
import json, pathlib, sys
if sys.argv[1] == "fail":
    print("first\\n" * 40 + "what went wrong", file=sys.stderr)
    sys.exit(3)
if sys.argv[1] == "mute":
    print("a table")
    sys.exit()
assert sys.argv[2:] == ["--json"]
with pathlib.Path(__file__).with_name("calls").open("a") as calls:
    calls.write("x")
print("a table")
print(json.dumps({"ratios": {"kept": float(sys.argv[1]), "lost": 0.5}}))
"""


def entry(name: str, argument: str, bound: str = "at_least = 0.8", ratio: str = "kept") -> str:
    return (
        f'[[floor]]\nname = "{name}"\ncommand = "fake.py {argument}"\nratio = "{ratio}"\n'
        f'{bound}\nsource = "Made up."\n'
    )


def folder_of(folder: Path, *entries: str) -> Path:
    written(folder, "\n".join(entries))
    (folder / "fake.py").write_text(FAKE)
    return folder


def test_all_within_their_bounds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A command that two entries share runs once a round."""
    lost = entry("other", "0.9", "at_most = 0.5", "lost")
    folder = folder_of(tmp_path, entry("speed", "0.9"), lost)
    assert floors.main(["--rounds", "2"], folder) == 0
    assert (folder / "calls").read_text() == "xx"
    said = capsys.readouterr()
    assert said.out.splitlines()[:3] == [
        "benchmark  ratio                   bound         verdict",
        "speed      0.900 (0.900 to 0.900)  at least 0.8  ok",
        "other      0.500 (0.500 to 0.500)  at most 0.5   ok",
    ]
    assert re.search(
        r"\n\n\d+ cores, [\d.]+ GiB, Python 3\S+, torch \S+, Ray \S+; load [\d.]+ at the start, "
        r"[\d.]+ at the end; medians of 2 rounds \(least to greatest\)\n",
        said.out,
    )
    assert re.fullmatch(r"(round [12]/2: fake.py 0.9: done, \d+ s\n){2}", said.err)


def test_one_below_and_one_above(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    above = entry("other", "0.7", "at_most = 0.4", "lost")
    folder = folder_of(tmp_path, entry("speed", "0.7"), above)
    assert floors.main(["--rounds", "1", "--json"], folder) == 1
    found = json.loads(capsys.readouterr().out)
    assert [(e["verdict"], e["value"]) for e in found["entries"]] == [
        ("BELOW", 0.7),
        ("ABOVE", 0.5),
    ]
    assert not found["ok"]
    assert set(found["machine"]) == {"cores", "memory_gib", "python", "torch", "ray"}
    assert len(found["load"]) == 2


def test_a_script_that_fails_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The others are judged all the same; it is not tried again."""
    folder = folder_of(tmp_path, entry("broken", "fail"), entry("speed", "0.9"))
    assert floors.main(["--rounds", "2"], folder) == 1
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[1].endswith("at least 0.8  not judged: the script failed with 3")
    assert lines[2].endswith("ok")
    assert lines[4] == "fake.py fail: the script failed with 3"
    assert lines[5:17] == ["    first"] * 11 + ["    what went wrong"]
    assert said.err.count("fake.py fail: failed") == 1


@pytest.mark.parametrize(
    ("argument", "ratio", "why"),
    [
        ("nan", "kept", "'kept' is nan, not a number"),
        ("0.9", "gone", "no ratio 'gone'; there are: kept, lost"),
        ("mute", "kept", "the last line is no JSON document with `ratios`"),
    ],
)
def test_what_cannot_be_judged(tmp_path: Path, argument: str, ratio: str, why: str) -> None:
    folder = folder_of(tmp_path, entry("speed", argument, ratio=ratio))
    report = measure(read(folder / "floors.toml"), folder, 1, lambda text: None)
    assert [(v.word, v.why) for v in report.verdicts] == [("not judged", why)]
    assert not report.ok


def test_no_entries_are_not_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert floors.main([], folder_of(tmp_path, "")) == 1
    assert "\nnot judged: there are no entries\n" in capsys.readouterr().out


def test_a_busy_machine_is_told() -> None:
    """By what went on before anything was started."""
    verdicts = [judge(floor(), [{"kept": 0.9}])]
    busy, idle = (floors.Report(verdicts, {}, 1, load) for load in ((1e6, 0.0), (0.0, 1e6)))
    told = "\nThe machine was busy before: ratios of wall time say little."
    assert floors.table(busy).endswith(told)
    assert told not in floors.table(idle)


def test_some_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = folder_of(tmp_path, entry("broken", "fail"), entry("speed", "0.9"))
    assert floors.main(["--only", "speed", "--rounds", "1"], folder) == 0
    capsys.readouterr()
    assert floors.main(["--only", "sped"], folder) == 2
    assert capsys.readouterr().err == "--only: no entry 'sped'; name some of: broken, speed\n"
