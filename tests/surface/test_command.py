"""The command: what it says of breaks, when it lets them pass, when a record may be written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from augment import __version__
from tests.surface.__main__ import Now, judged, main, recorded
from tests.surface.items import Unjudged
from tests.surface.record import Recorded, last_release, may_break, next_breaking, read, write
from tests.surface.toys import GONE, TOY, with_

BROKEN = with_(("errors", "GateError", "exit_code"), 4)
ADDED = with_(("machine", "variable MORE"), {})
EXIT = "errors: GateError: exit_code: was 1; is 4"


def test_make_check_compares() -> None:
    targets = (Path(__file__).parents[2] / "Makefile").read_text()
    assert re.search(r"^check:.*\bsurface\b", targets, re.MULTILINE)
    assert "\t$(BIN)/python -m tests.surface\n" in targets


def test_an_addition_is_told_and_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert judged(Recorded("1.2.0", True, TOY), Now("1.2.0", "1.2.0", ADDED)) == 0
    assert capsys.readouterr().out == (
        "added  machine: variable MORE: was not there; is new\n"
        "surface: 32 things of release 1.2.0 compared: 0 broken, 1 added\n"
    )


def test_a_break_of_a_release_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert judged(Recorded("1.2.0", True, TOY), Now("1.3.0", "1.2.0", BROKEN)) == 1
    assert capsys.readouterr().out == (
        f"BROKEN  {EXIT}\n"
        "surface: 32 things of release 1.2.0 compared: 1 broken, 0 added\n"
        "Restore what is BROKEN. Where a break is meant: raise the version to 2.0.0, and say it in "
        "CHANGELOG.md.\n"
    )


def test_a_break_before_the_first_release_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert judged(Recorded("0.1.0", False, TOY), Now("0.2.0", None, BROKEN)) == 1
    said = capsys.readouterr().out
    assert "32 things of what 0.1.0 will release compared: 1 broken" in said
    assert "record it with `make surface-record` (nothing was released yet), and say" in said


def test_a_break_is_told_where_the_version_allows_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert judged(Recorded("0.1.3", True, TOY), Now("0.2.0", "0.1.3", BROKEN)) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"allowed  {EXIT}\n")
    assert said.endswith("0.2.0 may break what 0.1.3 promised; CHANGELOG.md has to say each.\n")


@pytest.mark.parametrize(
    ("old", "now", "text"),
    [
        (Recorded("0.1.0", False, TOY), Now("0.1.0", "0.1.0", TOY),
         "names 0.1.0 as the last release, the recorded surface is of nothing that was released"),
        (Recorded("0.1.0", True, TOY), Now("0.2.0", "0.2.0", TOY),
         "names 0.2.0 as the last release, the recorded surface is of 0.1.0"),
        (Recorded("0.1.0", True, TOY), Now("0.1.0", None, TOY),
         "names nothing as the last release, the recorded surface is of 0.1.0"),
        (Recorded("0.2.0", True, TOY), Now("0.1.0", "0.2.0", TOY),
         "augment 0.1.0 is older than the recorded surface, 0.2.0"),
        (Recorded("0.1.0", False, {}), Now("0.1.0", None, TOY),
         "the recorded surface has nothing under names, functions"),
    ],
)  # fmt: skip
def test_what_is_not_compared(old: Recorded, now: Now, text: str) -> None:
    with pytest.raises(Unjudged, match=text):
        judged(old, now)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "no such file"),
        ("", "JSONDecodeError"),
        ("[]", "format list, expected 1"),
        ("{}", "format None, expected 1"),
        ('{"format": 2}', "format 2, expected 1"),
        ('{"format": 1}', "`version` is None, expected three numbers"),
        ('{"format": 1, "version": "1"}', "`version` is '1', expected three numbers"),
        ('{"format": 1, "version": "1.0.0", "released": true}', "`surface` is not what it should"),
        ('{"format": 1, "version": "1.0.0", "released": true, "surface": {"a": 1}}',
         "`surface` is not what it should"),
        (f'{{"format": 1, "version": "{__version__}", "released": false, "surface": {{}}}}',
         "the recorded surface has nothing under names"),
    ],
)  # fmt: skip
def test_a_bad_record_is_never_ok(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, text: str
) -> None:
    path, changelog = tmp_path / "recorded.json", tmp_path / "CHANGELOG.md"
    changelog.write_text("## [Unreleased]\n")
    if content is not None:
        path.write_text(content)
    assert main(["--recorded", str(path), "--changelog", str(changelog)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("surface: NOT COMPARED: ")
    assert text in said.err


def test_no_changelog_is_never_ok(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--changelog", str(tmp_path / "none")]) == 2
    assert "NOT COMPARED" in capsys.readouterr().err


def test_a_record_that_was_written_is_compared_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, changelog = tmp_path / "recorded.json", tmp_path / "CHANGELOG.md"
    changelog.write_text(f"## [Unreleased]\n\n## [{__version__}] - 2026-01-01\n")
    words = ["--recorded", str(path), "--changelog", str(changelog)]
    assert main([*words, "--record"]) == 0
    assert main(words) == 0
    assert f"of release {__version__} compared: 0 broken, 0 added" in capsys.readouterr().out
    document = json.loads(path.read_text())
    del document["surface"]["commands"]["augment audit"]["parts"]["--by"]
    document["surface"]["errors"]["GateError"]["exit_code"] = 5
    path.write_text(json.dumps(document))
    assert main(words) == 1
    said = capsys.readouterr().out
    assert "BROKEN  errors: GateError: exit_code: was 5; is 1\n" in said
    assert "added  commands: augment audit --by: was not there; is new\n" in said


@pytest.mark.parametrize(
    ("old", "now", "code"),
    [
        (None, Now("0.1.0", None, TOY), 0),
        (Recorded("0.1.0", False, TOY), Now("0.1.0", None, BROKEN), 0),
        (Recorded("0.1.0", False, TOY), Now("0.1.0", "0.1.0", BROKEN), 0),
        (Recorded("1.0.0", True, TOY), Now("1.1.0", "1.1.0", ADDED), 0),
        (Recorded("1.0.0", True, TOY), Now("2.0.0", "2.0.0", BROKEN), 0),
        (Recorded("1.0.0", True, TOY), Now("1.0.0", "1.0.0", TOY), 0),
        (Recorded("1.0.0", True, TOY), Now("1.1.0", "1.1.0", BROKEN), 1),
        (Recorded("1.0.0", True, TOY), Now("1.0.0", "1.0.0", ADDED), 1),
        (Recorded("1.0.0", True, TOY), Now("1.0.0", None, TOY), 1),
    ],
)
def test_when_a_record_is_written(
    tmp_path: Path, old: Recorded | None, now: Now, code: int
) -> None:
    path = tmp_path / "recorded.json"
    if old is not None:
        write(path, old)
    assert recorded(path, now) == code
    expected = Recorded(now.version, now.last is not None, now.surface) if code == 0 else old
    assert read(path) == expected


def test_a_record_between_releases_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unjudged, match=r"CHANGELOG.md names .* as the last one; give"):
        recorded(tmp_path / "recorded.json", Now("0.2.0", "0.1.0", TOY))


def test_a_surface_without_a_section_is_not_recorded(tmp_path: Path) -> None:
    path, lacking = tmp_path / "recorded.json", with_(("errors",), GONE)
    with pytest.raises(Unjudged, match="has nothing under errors"):
        recorded(path, Now("0.1.0", None, lacking))
    assert not path.exists()


@pytest.mark.parametrize(
    ("old", "new", "may"),
    [
        ("0.1.0", "0.1.9", False), ("0.1.9", "0.2.0", True), ("0.9.0", "1.0.0", True),
        ("1.2.3", "1.3.0", False), ("1.2.3", "2.0.0", True), ("2.0.0", "1.9.0", False),
        ("0.2.0", "0.10.0", True),
    ],
)  # fmt: skip
def test_which_versions_may_break(old: str, new: str, may: bool) -> None:
    assert may_break(old, new) is may
    assert may_break(old, next_breaking(old))


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("", None),
        ("# Changelog\n\n## [Unreleased]\n\n### Added\n- of [0.1.0]\n", None),
        ("## [Unreleased]\n\n## [0.10.0] - 2026-01-01\n\n## [0.9.0] - 2025-01-01\n", "0.10.0"),
    ],
)
def test_the_last_release(text: str, version: Any) -> None:
    assert last_release(text) == version
