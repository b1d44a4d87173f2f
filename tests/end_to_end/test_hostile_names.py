"""No table, error, card, log or picture obeys a name: every verb, on a source of hostile names."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from augment.api import open_dataset
from augment.cli import main
from tests.end_to_end.jobs import job_document, write_digits, write_job

NAMES = (
    "\x1b[31mred\x1b[0m\x1b]0;owned\x07",
    "new\nline\nverdict: ok",
    "\u202egnp.exe\u2066",
    "<img src=x onerror=alert(1)>",
    "[click](x) `code` **bold** | cell",
    "\x9b31mcsi\x7f\x08\r",
    "zero\u200bwidth\ufeff",
    "猫",
)
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job whose classes, files and sources have such names, and its committed data set."""
    home = tmp_path_factory.mktemp("names")
    write_digits(home / "data", {str(n): 6 for n in range(len(NAMES))}, test=1)
    for split in ("train", "test"):
        for n, name in enumerate(NAMES):
            (home / "data" / split / str(n)).rename(home / "data" / split / name)
    spoiled = home / "data/train" / NAMES[0]
    (spoiled / "bad\x1b[2J\n.png").write_bytes(b"")
    (spoiled / "note\x1b[2J.txt").write_text("no image")
    (home / "data/train/empty\x1b[2J").mkdir()
    changes: dict[str, Any] = {
        "generators": {"fake": {"family": "palette", "classes": list(NAMES), "size": 8}},
        "synthesize": [{"generators": ["fake"], "fill": {"to": 16}}],
        "about": {"owner": "\x1b[31mnobody\u202e", "purpose": "<b>\n\n# none"},
        "limits": {"synthetic_share": {"per_class": 0.1}},
    }
    document = job_document(home, **changes)
    document["sources"]["digits"]["empty_classes"] = "drop"
    write_job(home / "job.yaml", document)
    command = ["run", str(home / "job.yaml"), "--engine", "local", "--despite-limits", "--json"]
    assert main(command) == 1
    return home


def assert_harmless(text: str) -> None:
    """Nothing but letters and line breaks; no line that a name has forged."""
    assert {c for c in text if unicodedata.category(c)[0] == "C" or c in "\u2028\u2029"} <= {"\n"}
    assert "verdict: ok" not in text.splitlines()
    assert not any(line.startswith("line") for line in text.splitlines())


VERBS = (
    "validate job.yaml",
    "plan job.yaml",
    "plan job.yaml --all",
    "run job.yaml --engine local --despite-limits",
    "synthesize job.yaml --engine local --despite-limits",
    "audit out",
    "audit out --verify",
    "audit out --by class,origin,generator",
    "status out",
    "pool ls pool",
    "pool ls pool --all",
    "retry out --engine local",
    "clean out",
    "pool gc pool",
)


@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_prints_a_name_raw(
    verb: str, home: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    assert main(verb.split()) in (0, 1)
    said = capfd.readouterr()
    assert_harmless(said.out)
    assert_harmless(said.err)
    if verb.startswith(("plan", "run", "synthesize", "audit", "status")) or "--all" in verb:
        assert r"\x1b[31mred\x1b[0m\x1b]0;owned\x07" in said.out


def test_programs_are_told_the_names_themselves(home: Path, capfd: Capture) -> None:
    main(["audit", str(home / "out"), "--json"])
    said = capfd.readouterr().out
    assert_harmless(said)
    assert set(json.loads(said)["classes"]) == set(NAMES)
    assert set(
        open_dataset(str(home / "out")).to_table(["label_name"])["label_name"].to_pylist()
    ) == set(NAMES)


def foreign(folder: Path) -> pa.Table:
    """A data set that somebody else's program wrote, with names of its own."""
    names = list(NAMES) * 2
    origins = ["real", "synthetic"] * len(NAMES)
    table = pa.table({"label_name": names, "origin": origins, "split": names, "sample_id": names})
    folder.mkdir()
    pq.write_table(table, folder / "part\x1b[2J\n.parquet")
    return table


def test_a_foreign_data_set_prints_no_name_raw(tmp_path: Path, capfd: Capture) -> None:
    foreign(tmp_path / "set")
    for more in ([], ["--by", "class,origin,split"], ["--json"]):
        assert main(["audit", str(tmp_path / "set"), *more]) in (0, 1)
        said = capfd.readouterr()
        assert_harmless(said.out + said.err)
        assert r"\x1b[31mred" in said.out or more == ["--json"]
    (tmp_path / "set" / "part\x1b[2J\n.parquet").write_bytes(b"none")
    assert main(["audit", str(tmp_path / "set")]) == 3
    said = capfd.readouterr()
    assert_harmless(said.out + said.err)
    assert r"shard part\x1b[2J\n.parquet is not readable Parquet" in said.err


def test_a_foreign_log_prints_no_name_raw(tmp_path: Path, capfd: Capture) -> None:
    """Names of shards as a log has them: quoted, and of files that are not there."""
    table = foreign(tmp_path / "set")
    write_deltalake(str(tmp_path / "table"), table)
    log = tmp_path / "table/_delta_log" / f"{0:020}.json"
    (shard,) = (tmp_path / "table").glob("*.parquet")
    log.write_text(log.read_text().replace(shard.name, "a%1B%5B2J%0Averdict:%20ok"))
    for verb in (["audit"], ["trace", NAMES[0]], ["status"]):
        assert main([verb[0], str(tmp_path / "table"), *verb[1:]]) in (2, 3)
        said = capfd.readouterr()
        assert_harmless(said.out + said.err)
        assert verb != ["audit"] or r"shard a\x1b[2J\nverdict: ok is named by" in said.err


def test_a_trace_prints_no_name_raw(home: Path, capfd: Capture) -> None:
    rows = open_dataset(str(home / "out")).to_table(["sample_id", "label_name"]).to_pylist()
    for row in {row["label_name"]: row for row in rows}.values():
        assert main(["trace", str(home / "out"), row["sample_id"]]) == 0
        assert_harmless(capfd.readouterr().out)


def test_the_card_and_the_logs_hold_no_name_raw(home: Path) -> None:
    card = (home / "out/README.md").read_text(encoding="utf-8")
    assert_harmless(card)
    assert "<img" not in card
    assert "<b>" not in card
    assert r"\[click\](x) \`code\` \*\*bold\*\* \| cell" in card
    logs = list((home / "out/_work/logs").iterdir())
    assert logs
    for log in logs:
        assert_harmless(log.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", [n for n in NAMES if not n.isprintable()])
def test_no_error_holds_a_name_raw(name: str, home: Path, capfd: Capture) -> None:
    document = job_document(home, synthesize=[{"generators": [name], "fill": {"to": 3}}])
    document |= {name: 1, "name": name, "classes": {"file": name}}
    path = write_job(home / "wrong.yaml", document)
    for words in (
        ["validate", str(path)],
        ["plan", f"{home}/{name}"],
        ["audit", f"{home}/{name}"],
        ["audit", str(home / "out"), "--split", name],
        ["trace", str(home / "out"), name],
        ["status", f"{home}/{name}"],
        ["retry", str(home / "out"), "--job", name],
        ["generators", "inspect", f"{home}/{name}"],
        ["plan", str(home / "job.yaml"), "--set", f"workers={name}"],
        ["plan", str(home / "job.yaml"), f"--{name}"],
        [name],
        ["schema", name],
    ):
        try:
            main(words)
        except SystemExit:
            pytest.fail(f"{words} left the command")
        said = capfd.readouterr()
        assert_harmless(said.out)
        assert_harmless(said.err)
        assert main([*words, "--json"]) in (0, 2, 3)
        assert_harmless(capfd.readouterr().out)
