"""`status`, `retry`, `clean` and `pool`: exit codes, words, JSON, and that nothing goes unasked."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from augment.cli import main
from tests.cli.test_command import call, document
from tests.end_to_end.jobs import job_document, write_digits, write_job

COUNTS = {"0": 12, "1": 5, "2": 4}
BAD = "train/0/000.png"
Capture = pytest.CaptureFixture[str]


def relative(**changes: Any) -> dict[str, Any]:
    """A job whose paths hang on the folder of its file, and on a variable."""
    made = job_document(Path("."), **changes)
    made["sources"]["digits"]["uri"] = "${AUGMENT_TEST_DATA}"
    return made | {"pool": "pool", "output": {"uri": "out"}}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a job file and a data set that lacks one image and its copy."""
    root = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUGMENT_TEST_DATA", str(root / "home/data"))
        write_digits(root / "home/data", COUNTS)
        (root / "home/data" / BAD).write_bytes(b"")
        path = write_job(root / "home/job.yaml", relative())
        assert main(["run", str(path), "--engine", "local", "--json"]) == 0
    shutil.copytree(root / "home", root / "saved")
    return root


@pytest.fixture
def home(saved: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The same, at the same place; the working folder is another one."""
    shutil.rmtree(saved / "home")
    shutil.copytree(saved / "saved", saved / "home")
    monkeypatch.setenv("AUGMENT_TEST_DATA", str(saved / "home/data"))
    monkeypatch.chdir(tmp_path)
    return saved / "home"


def test_status_for_people_and_programs(home: Path, capfd: Capture) -> None:
    code, out, _ = call(capfd, "status", str(home / "out"))
    assert code == 0
    assert f"{home}/out: version 1\n\njob small-" in out
    assert ": committed, generation 1 is committed, version 1\n  last run: began 20" in out
    assert re.search(r"\n  mix +2 +2 +99 +99 ", out)
    assert re.search(r"\n  train 0 real +11 +1\n", out)
    assert re.search(r"\n  train 2 generated +22 +0\n", out)
    code, out, _ = call(capfd, "status", str(home / "out"), "--json")
    (job,) = document(out)["jobs"]
    assert (code, job["state"], job["generation"]) == (0, "committed", 1)
    code, _, told = call(capfd, "status", str(home))
    assert code == 2
    assert "no job was begun here" in told


def test_retry_from_the_kept_text(home: Path, capfd: Capture) -> None:
    write_digits(home / "data", COUNTS)
    code, out, _ = call(capfd, "retry", str(home / "out"), "--engine", "local")
    assert code == 0
    assert out.startswith("2 failed rows and samples were tried again: 2 rows were added, 0 are ")
    assert f"data set:      {home}/out  (version 2)\n" in out
    told = call(capfd, "status", str(home / "out"))[1]
    assert "  verdict of version 2: ok, exit code 0\n" in told
    assert "Verdict of the audit of version 2: ok." in (home / "out/README.md").read_text()
    code, out, _ = call(capfd, "retry", str(home / "out"), "--engine", "local")
    assert code == 0
    assert out.startswith("nothing to retry: job small-")
    assert "(version 2; nothing was added to it)" in out
    code, out, _ = call(
        capfd, "retry", str(home / "out"), "--engine", "local", "--json",
        "--job-file", str(home / "job.yaml"), "--job", "small",
    )  # fmt: skip
    told = document(out)
    assert (code, told["tried"], told["generation"], told["ok"]) == (0, 0, 2, True)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ("--failed",),
            "retry: got '--failed', which has no effect: what failed is all that is tried again; "
            "leave it out",
        ),
        (("--faild",), "retry: got '--faild'; expected one of "),
        (
            ("--job", "big"),
            "got --job 'big', which fits 0 jobs; expected one of small-",
        ),
        (("--set", "workers=0"), "execution.workers: got 0; expected"),
    ],
)
def test_a_wrong_retry_is_refused(
    home: Path, capfd: Capture, arguments: tuple[str, ...], text: str
) -> None:
    code, _, told = call(capfd, "retry", str(home / "out"), *arguments)
    assert code == 2
    assert text in told


def published(out: Path) -> dict[str, int]:
    return {str(p.relative_to(out)): p.stat().st_size for p in out.rglob("*") if p.is_file()}


def test_a_copy_is_retried_where_it_lies(home: Path, capfd: Capture) -> None:
    shutil.copytree(home / "out", home / "copy")
    before = published(home / "out")
    write_digits(home / "data", COUNTS)
    code, out, told = call(capfd, "retry", str(home / "copy"), "--engine", "local")
    assert code == 0
    assert f"data set:      {home}/copy  (version 2)\n" in out
    assert (
        f"the job names {home}/out as its output; what is retried is {home}/copy, as given" in told
    )
    assert published(home / "out") == before
    assert "version 2" in call(capfd, "status", str(home / "copy"))[1]
    code, out, _ = call(capfd, "retry", str(home / "out"), "--engine", "local", "--json")
    assert (code, document(out)["healed"], document(out)["elsewhere"]) == (0, 2, None)


@pytest.mark.parametrize("more", [(), ("--job-file", "job.yaml")])
def test_a_data_set_that_was_moved_is_retried_where_it_is(
    home: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    (home / "out").rename(home / "moved")
    write_digits(home / "data", COUNTS)
    monkeypatch.chdir(home)
    code, out, _ = call(capfd, "retry", "moved", "--engine", "local", "--json", *more)
    told = document(out)
    assert (code, told["healed"], told["output"]) == (0, 2, f"{home}/moved")
    assert (told["elsewhere"], (home / "out").exists()) == (f"{home}/out", False)
    assert call(capfd, "audit", "moved")[0] == 0


def test_a_link_to_the_output_is_the_output(home: Path, capfd: Capture) -> None:
    (home / "link").symlink_to(home / "out")
    write_digits(home / "data", COUNTS)
    code, out, _ = call(capfd, "retry", str(home / "link"), "--engine", "local", "--json")
    assert (code, document(out)["healed"], document(out)["elsewhere"]) == (0, 2, None)


def test_a_copy_where_jobs_may_not_write_is_refused(
    home: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(home / "out", home / "copy")
    policy = home / "policy.yaml"
    allowed = f"allowed_uris: [{home}/out, {home}/data, {home}/pool]\n"
    policy.write_text(f"{allowed}allowed_variables: [AUGMENT_TEST_DATA]\n")
    monkeypatch.setenv("AUGMENT_POLICY", str(policy))
    before = published(home / "copy")
    code, _, told = call(capfd, "retry", str(home / "copy"), "--engine", "local")
    assert code == 2
    assert f"{home}/copy: got an output outside the folders that {policy} allows jobs" in told
    assert published(home / "copy") == before


def test_another_environment_is_another_request(
    home: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = (home / "job.yaml").read_text().replace("seed: 7", "seed: 8")
    other = home / "other.yaml"
    other.write_text(changed)
    code, _, told = call(capfd, "retry", str(home / "out"), "--job-file", str(other))
    assert code == 2
    assert "what was loaded now makes the request small-" in told
    assert "restore it, or name the job file with --job-file" in told
    monkeypatch.delenv("AUGMENT_TEST_DATA")
    code, _, told = call(capfd, "retry", str(home / "out"))
    assert code == 2
    assert "the kept text of small-" in told
    assert "AUGMENT_TEST_DATA" in told


def test_an_unfinished_job_is_not_retried(home: Path, capfd: Capture) -> None:
    shutil.rmtree(home / "out/_provenance")
    code, _, told = call(capfd, "retry", str(home / "out"))
    assert code == 2
    assert "is not committed there, so there is nothing to retry: `augment run`" in told


def test_clean_asks_first(home: Path, capfd: Capture) -> None:
    orphan = home / "out/data/train/gone-0123456789ab/train-00000-0123456789ab.parquet"
    orphan.parent.mkdir()
    orphan.write_bytes(b"orphan")
    code, out, _ = call(capfd, "clean", str(home / "out"))
    assert code == 0
    assert "named by no record and no version: 1 files, 6 bytes\n  data/train/gone-" in out
    assert "would go from" in out
    assert "; --yes removes them" in out
    assert orphan.exists()
    code, out, _ = call(capfd, "clean", str(home / "out"), "--yes", "--json")
    assert (code, document(out)["removed"], orphan.exists()) == (0, True, False)
    code, out, _ = call(capfd, "clean", str(home / "out"))
    assert out == f"{home}/out: nothing to remove\n"
    for days in ("-1", "nan"):
        code, _, told = call(capfd, "clean", str(home / "out"), "--keep-days", days)
        assert (code, f"--keep-days: got {days}; expected 0 or more" in told) == (2, True)
    code, _, told = call(capfd, "clean", str(home / "out"), "--yes", "--dry-run")
    assert (code, "not allowed with argument" in told) == (2, True)


def test_pool_ls_and_gc(home: Path, capfd: Capture) -> None:
    pool = str(home / "pool")
    code, out, _ = call(capfd, "pool", "ls", pool)
    assert code == 0
    assert f"{pool}: version 1\nuniverse " in out
    assert ": fake; jobs: small-" in out
    assert "classes: 0 6, 1 20, 2 22" in out
    code, out, _ = call(capfd, "pool", "ls", pool, "--json")
    (universe,) = document(out)["universes"]
    assert (universe["family"], universe["made"], universe["unmade"]) == ("palette", 48, 0)
    code, out, _ = call(capfd, "pool", "gc", pool, "--universe", universe["id"])
    assert "part of a universe that was asked to go: " in out
    assert list((home / "pool/data").rglob("*.parquet"))
    code, out, _ = call(capfd, "pool", "gc", pool, "--universe", universe["id"], "--yes", "--json")
    assert (code, json.loads(out)["removed"]) == (0, True)
    assert not list((home / "pool/data").rglob("*.parquet"))
    code, _, told = call(capfd, "pool", "gc", pool, "--universe", "00")
    assert (code, "--universe '00' fits" in told) == (2, True)
    code, _, told = call(capfd, "pool", "gc", str(home / "data"))
    assert (code, "no pool stands here" in told) == (2, True)


def test_a_journal_holds_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SECRET_KEY", "wJalrXUtnFEMI")
    write_digits(tmp_path / "data", COUNTS)
    (tmp_path / "data" / BAD).write_bytes(b"")
    pool = str(tmp_path / "pool-${MY_SECRET_KEY}")
    changes = {"pool": pool, "errors": {"min_count": 0, "max_share": 0}}
    path = write_job(tmp_path / "job.yaml", job_document(tmp_path, **changes))
    assert main(["run", str(path), "--engine", "local", "--json"]) == 3
    kept = [p.read_text() for p in (tmp_path / "out/_work").glob("*/state/*.json")]
    assert len(kept) == 1
    assert "ErrorBudgetExceeded" in kept[0]
    assert "pool-***" in kept[0]
    assert "wJalrXUtnFEMI" not in kept[0]


@pytest.mark.parametrize(
    "words",
    [["status"], ["retry"], ["clean"], ["clean", "--yes"], ["audit"], ["pool", "ls"],
     ["pool", "gc"], ["pool", "gc", "--yes"]],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.parametrize("name", ["nowhere", "a-file", "an-empty-folder", "nowhere/at/all"])
def test_a_place_where_nothing_of_augment_stands_is_a_wrong_request(
    words: list[str], name: str, tmp_path: Path, capfd: Capture
) -> None:
    (tmp_path / "a-file").write_text("x")
    (tmp_path / "an-empty-folder").mkdir()
    code, out, err = call(capfd, *words, str(tmp_path / name))
    assert (code, out) == (2, "")
    assert err.startswith(f"augment: {tmp_path / name}: ")
    assert len(err.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a-file", "an-empty-folder"]
