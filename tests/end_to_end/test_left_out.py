"""What stands in a source and is no row is told by every verb, and kept with the data set."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from augment.audit import audit_schema
from augment.cli import main
from augment.storage import Folder
from augment.write import card_is_current
from tests.end_to_end.jobs import job_document, write_digits, write_job
from tests.end_to_end.runs import commanded

COUNTS = {"0": 6, "1": 5, "2": 4}
Capture = pytest.CaptureFixture[str]

TOLD = [
    "left out of digits: 12, beside 24 that are taken",
    "  links to nothing: 5 (.png 5); class owl: 3 of 3, 1: 2 of 10; for example train/1/x0.png; "
    "fetch what they stand for (`git annex get`, `dvc pull`)",
    "  links in a loop: 1 (.png 1); class 0: 1 of 10; for example train/0/self.png",
    "  no image that is read here, by content: 3 (.jp2 3); class heron: 3 of 3; for example "
    "train/heron/0.jp2",
    "  other files, by ending: 1 (.txt 1)",
    "  hidden: 2 (.db 1, .png 1)",
    "class folders of digits without an image to use: heron, owl, wren",
]


def scene(root: Path, **source: Any) -> Path:
    """A source as people have them, and its job."""
    write_digits(root / "data", COUNTS)
    train = root / "data/train"
    for label in ("heron", "wren", "owl"):
        (train / label).mkdir()
    for n in range(3):
        (train / f"heron/{n}.jp2").write_bytes(b"\0\0\0\x0cjP  \r\n\x87\n")
        (train / f"owl/{n}.png").symlink_to(f"../../.git/annex/objects/{n}")
    for n in range(2):
        (train / f"1/x{n}.png").symlink_to("nothing.png")
    (train / "0/self.png").symlink_to("self.png")
    for name in ("Thumbs.db", "._0.png", "notes.txt"):
        (train / "0" / name).write_bytes(b"x")
    os.rename(train / "0/000.png", train / "0/no ending")
    return write_job(root / "job.yaml", real_only(root, **source))


def real_only(root: Path, **source: Any) -> dict[str, Any]:
    """A job that passes real images on."""
    document = job_document(root)
    for key in ("generators", "synthesize", "augmentations", "filters", "pool"):
        del document[key]
    document["sources"]["digits"] |= source
    return document


def printed(capsys: Capture, *arguments: str, code: int = 0) -> str:
    assert main(list(arguments)) == code
    return capsys.readouterr().out


def test_it_is_told_by_every_verb_and_kept(tmp_path: Path, capsys: Capture) -> None:
    job, out = scene(tmp_path, empty_classes="keep"), tmp_path / "out"
    plan = printed(capsys, "plan", str(job))
    assert "\n".join(TOLD) in plan
    planned = json.loads(printed(capsys, "plan", str(job), "--json"))
    assert planned["classes"] == ["0", "1", "2", "heron", "owl", "wren"]
    checked = json.loads(printed(capsys, "validate", str(job), "--check-remote", "--json"))
    assert checked["left_out"] == planned["left_out"]

    ran = printed(capsys, "run", str(job), "--engine", "local")
    assert "\n".join(TOLD) in ran
    (kept,) = out.glob("_provenance/*/job.json")
    assert json.loads(kept.read_text())["left_out"] == planned["left_out"]
    assert "\n".join(TOLD) in printed(capsys, "audit", str(out))
    report = json.loads(printed(capsys, "audit", str(out), "--json"))
    jsonschema.validate(report, audit_schema())
    (found,) = report["left_out"]
    assert found == {"job": report["jobs"][0], **planned["left_out"][0]}
    assert found["empty_classes"] == ["heron", "owl", "wren"]
    assert {(x["cause"], x["ending"], x["n"]) for x in found["losses"]} == {
        ("link_to_nothing", "png", 5), ("link_in_a_loop", "png", 1), ("not_an_image", "jp2", 3),
        ("other_file", "txt", 1), ("hidden", "db", 1), ("hidden", "png", 1),
    }  # fmt: skip
    card = (out / "README.md").read_text()
    assert all(line.strip() in card.replace("\\", "") for line in TOLD)
    assert card_is_current(Folder(str(out)), 1)


def test_a_class_that_was_emptied_stops_the_plan(tmp_path: Path) -> None:
    job = scene(tmp_path)
    for verb in (["plan"], ["run", "--engine", "local"]):
        said = commanded(*verb, str(job), cwd=tmp_path)
        assert said.returncode == 2
        assert (
            "class folders without an image to use: 'heron', 'owl', 'wren'; expected" in said.stderr
        )
        assert "links to nothing: 5 (.png 5); class owl: 3 of 3, 1: 2 of 10" in said.stderr
        assert "`empty_classes: keep`" in said.stderr
    assert not (tmp_path / "out/data").exists()


def test_ids_stay_when_a_class_is_emptied(tmp_path: Path, capsys: Capture) -> None:
    job = scene(tmp_path, empty_classes="keep")
    for path in (tmp_path / "data").glob("*/1/*"):
        path.unlink()
    planned = json.loads(printed(capsys, "plan", str(job), "--json"))
    assert planned["classes"] == ["0", "1", "2", "heron", "owl", "wren"]
    assert planned["left_out"][0]["empty_classes"] == ["1", "heron", "owl", "wren"]


def test_nothing_is_said_where_nothing_is_left_out(tmp_path: Path, capsys: Capture) -> None:
    write_digits(tmp_path / "data", COUNTS)
    job = write_job(tmp_path / "job.yaml", job_document(tmp_path))
    assert "left out" not in printed(capsys, "plan", str(job))
    assert "left out of" not in printed(capsys, "run", str(job), "--engine", "local")
    (kept,) = (tmp_path / "out").glob("_provenance/*/job.json")
    assert json.loads(kept.read_text())["left_out"] == []
    assert "left out of" not in (tmp_path / "out/README.md").read_text()


def test_private_files_behind_a_link_are_no_rows(tmp_path: Path) -> None:
    """The operator allows two folders; the class folder `b` leads into a third."""
    write_digits(tmp_path / "data", COUNTS)
    write_digits(tmp_path / "outside", COUNTS)
    (tmp_path / "data/train/b").symlink_to(tmp_path / "outside/train/0")
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"allowed_uris: [{tmp_path}/data, {tmp_path}/out, {tmp_path}/pool]\n")
    for more, cause in (
        ({}, "leave the source: 1"),
        ({"follow_links": True}, "policy lets no job"),
    ):
        document = real_only(tmp_path, empty_classes="drop", **more)
        job = write_job(tmp_path / "job.yaml", document)
        said = commanded("plan", str(job), cwd=tmp_path, AUGMENT_POLICY=str(policy))
        assert said.returncode == 0, said.stderr
        assert cause in said.stdout
        assert "class b: 1 of 1" in said.stdout
    said = commanded("run", str(job), "--engine", "local", cwd=tmp_path, AUGMENT_POLICY=str(policy))
    assert said.returncode == 0, said.stderr
    assert "total" in said.stdout
    assert "train b" not in said.stdout
