"""A class of which nothing is left stops a run before its commit, and the same command goes on
once its files are mended or the job accepts it; what a rare class may lose; empty data sets."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from augment.api import audit, load_spec, open_dataset, run, status
from augment.cli import main
from augment.errors import ErrorBudgetExceeded, GateError, PlanError, RequestError
from augment.run import LocalEngine, RunResult, carry_out
from augment.run.upkeep.clean import clean
from augment.run.upkeep.retry import retry
from tests.end_to_end.jobs import fingerprint, job_document, rows_of, write_digits, write_job
from tests.end_to_end.runs import drive, published

COUNTS = {"0": 12, "1": 5, "2": 4}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Digits, those of class 2 in the split train without a byte that could be read."""
    write_digits(tmp_path / "data", COUNTS)
    spoil(tmp_path, "train/2")
    return tmp_path


def spoil(root: Path, place: str, n: int | None = None) -> None:
    for path in sorted((root / "data" / place).iterdir())[:n]:
        path.write_bytes(b"an AVIF file, perhaps, under the name of a PNG")


def mended(root: Path) -> None:
    write_digits(root / "data", COUNTS)


def document(root: Path, **changes: Any) -> dict[str, Any]:
    """Real rows and copies of them alone, in several units."""
    found = job_document(root, **changes)
    for key in ("generators", "synthesize", "filters", "pool"):
        if key not in changes:
            del found[key]
    return found


def carried_out(made: dict[str, Any]) -> RunResult:
    return run(load_spec(made), engine="local")


def refused(made: dict[str, Any]) -> str:
    """What a run says that stops before its commit."""
    with pytest.raises(GateError) as caught:
        carried_out(made)
    output = Path(made["output"]["uri"])
    assert not (output / "_delta_log").exists()
    assert not (output / "README.md").exists()
    assert not (output / "_provenance").exists()
    return str(caught.value)


def rows(root: Path, out: str = "out") -> list[dict[str, Any]]:
    return rows_of(open_dataset(str(root / out)).to_table())


def undisturbed(root: Path, made: dict[str, Any]) -> dict[str, str]:
    """The images of a run that nothing was wrong with, from the same (mended) data."""
    output = made["output"] | {"uri": str(root / "whole")}
    pool = {"pool": str(root / "whole-pool")} if "pool" in made else {}
    assert carried_out(made | pool | {"output": output}).ok
    return fingerprint(rows(root, "whole"))


# ---- a class that is lost ------------------------------------------------------------


def test_a_lost_class_stops_the_run_with_the_class_and_its_reasons(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = str(write_job(root / "job.yaml", document(root)))
    for _ in range(2):  # also where nothing was mended
        assert main(["run", path, "--engine", "local"]) == 1
        out, err = capfd.readouterr()
        assert out == ""
        assert (
            "augment: a cell that was planned has nothing: split train, class '2': none of 8 rows "
            "(not_image 4; first: digits: train/2/00"
        ) in err
        assert 'Or accept it with errors.allow_empty_classes: ["2"]\n' in err
        with pytest.raises(RequestError, match="a job has begun here but nothing is committed yet"):
            audit(str(root / "out"))
    (job,) = status(str(root / "out")).jobs
    assert (job.state, job.exit_code, job.generation) == ("failed", 1, 0)
    assert job.last_error is not None
    assert job.last_error.kind == "GateError"


def test_the_same_command_goes_on_when_the_files_are_mended(root: Path) -> None:
    refused(document(root))
    before = published(root / "out")
    mended(root)
    result = carried_out(document(root))
    assert (result.version, result.ok, result.already) == (1, True, False)
    assert {(c.quarantined, c.short) for c in result.cells} == {(0, 0)}
    assert before.items() < published(root / "out").items()  # what was good was not made again
    assert fingerprint(rows(root)) == undisturbed(root, document(root))
    assert {r["sample_id"]: r["rank"] for r in rows(root)} == {
        r["sample_id"]: r["rank"] for r in rows(root, "whole")
    }
    report = audit(result.output, verify=True)
    assert (report.ok, report.log) == (True, "agrees")
    (quarantine,) = (root / "out").glob("_provenance/*/quarantine.parquet")
    assert pq.read_table(quarantine).num_rows == 0
    again = carried_out(document(root))
    assert (again.already, again.version) == (True, 1)
    assert {c.quarantined for c in again.cells} == {0}


def test_what_stays_bad_is_quarantined_once(root: Path) -> None:
    refused(document(root))
    mended(root)
    spoil(root, "train/2", n=1)
    result = carried_out(document(root))
    (path,) = (root / "out").glob("_provenance/*/quarantine.parquet")
    assert sorted(r["reason"] for r in pq.read_table(path).to_pylist()) == ["not_image", "parent"]
    assert sum(c.quarantined for c in result.cells) == 2
    assert all(c.planned == c.written + c.quarantined for c in result.cells)
    assert audit(result.output, verify=True).ok
    mended(root)
    last = retry(load_spec(document(root)), LocalEngine())
    assert (last.tried, last.healed, last.failing, last.generation) == (2, 2, 0, 2)
    assert fingerprint(rows(root)) == undisturbed(root, document(root))
    assert clean(str(root / "out"), yes=True, keep_days=0).notes == ()
    assert audit(str(root / "out"), verify=True).ok


def test_a_job_may_accept_a_lost_class(root: Path) -> None:
    name = refused(document(root)).rpartition("_work/")[2].partition(" first")[0]
    accepted = document(root, errors={"allow_empty_classes": ["2"]})
    result = carried_out(accepted)
    assert (result.job_id, result.version, result.ok) == (name, 1, True)  # the same request
    assert {r["label_name"] for r in rows(root) if r["split"] == "train"} == {"0", "1"}
    assert audit(result.output).ok
    assert not (root / "out/_work" / name / "retry-1").exists()  # accepted: nothing is tried
    (kept,) = (root / "out").glob("_provenance/*/job.json")
    kept.write_text(json.dumps(json.loads(kept.read_text()) | {"allow_empty_classes": []}))
    (finding,) = audit(result.output).findings  # as in a table of an earlier version
    assert finding.text == "split train, class '2': 8 rows were planned, and there is none"


def test_names_that_are_no_class_are_refused(root: Path) -> None:
    with pytest.raises(PlanError, match=r"errors.allow_empty_classes\[0\]: got '3'; expected one"):
        carried_out(document(root, errors={"allow_empty_classes": ["3"]}))
    refused(document(root))  # the plan is frozen now
    with pytest.raises(PlanError, match=r"errors.allow_empty_classes\[1\]: got 'x'; expected one"):
        carried_out(document(root, errors={"allow_empty_classes": ["2", "x"]}))


def test_a_class_of_any_split_counts(root: Path) -> None:
    mended(root)
    spoil(root, "test/1")
    assert "split test, class '1': none of 3 rows (not_image 3; " in refused(document(root))


def test_one_kind_of_rows_counts(root: Path) -> None:
    """Images of 16 bits pass through, and have no copies."""
    mended(root)
    for path in (root / "data/train/2").iterdir():
        Image.fromarray(np.full((8, 8), 4096, np.uint16)).save(path)
    said = refused(document(root))
    assert "split train, class '2': none of 4 augmented rows (unsupported_depth 4; " in said
    assert carried_out(document(root, errors={"allow_empty_classes": ["2"]})).ok


def test_a_source_counts(root: Path) -> None:
    """Its classes have rows of another one."""
    mended(root)
    shutil.copytree(root / "data/train", root / "more/train")
    for path in (root / "more/train").rglob("*.png"):
        path.write_bytes(b"")
    made = document(root, errors={"max_share": 1.0, "max_share_per_class": 1.0})
    more = {"format": "imagefolder", "uri": str(root / "more"), "splits": {"train": "train"}}
    made["sources"]["more"] = more
    assert "nothing: source more: none of 21 real rows (empty 21; first: more: t" in refused(made)
    made["errors"]["allow_empty_classes"] = sorted(COUNTS)
    assert carried_out(made).ok


def test_files_of_other_names_need_another_census(root: Path) -> None:
    said = refused(document(root))
    good = root / "data/train/1"
    for path in sorted((root / "data/train/2").iterdir()):
        path.unlink()
        shutil.copy(good / "000.png", path.with_name(f"converted-{path.name}"))
    assert "(vanished 4; " in refused(document(root))
    (work,) = [Path(w) for w in said.split() if w.startswith(str(root / "out/_work/"))]
    shutil.rmtree(work)
    result = carried_out(document(root))
    assert result.ok
    assert sum(r["source"] is not None for r in rows(root) if r["label_name"] == "2") == 4 + 3
    assert audit(result.output, verify=True).ok


def test_nothing_at_all_is_never_committed(root: Path) -> None:
    for split in ("train", "test"):
        for label in COUNTS:
            spoil(root, f"{split}/{label}")
    errors = {"max_share": 1.0, "allow_empty_classes": sorted(COUNTS)}
    said = refused(document(root, errors=errors))
    assert said.startswith("none of 51 planned rows was written (not_image 30, parent 21), and a")
    mended(root)
    assert carried_out(document(root, errors=errors)).ok


# ---- what a class may lose -----------------------------------------------------------


@pytest.mark.parametrize(("lost", "code"), [(2, 0), (3, 3), (5, 1)])
def test_the_least_count_covers_no_rare_class(
    root: Path, capfd: pytest.CaptureFixture[str], lost: int, code: int
) -> None:
    """min_count is 10; class 1 has 5 images."""
    mended(root)
    spoil(root, "train/1", n=lost)
    path = str(write_job(root / "job.yaml", document(root)))
    assert main(["run", path, "--engine", "local"]) == code
    if code == 3:
        said = capfd.readouterr().err
        assert (
            "bad images are more than errors.max_share_per_class 0.5 of 1 class: split train, "
            "class '1': 3 of 5; nothing was committed. First: digits: train/1/00"
        ) in said
        assert not (root / "out/_delta_log").exists()
        looser = document(root, errors={"max_share_per_class": 0.6})
        write_job(root / "job.yaml", looser)
        assert main(["run", path, "--engine", "local"]) == 0
        assert len([r for r in rows(root) if r["label_name"] == "1"]) == 3 + 2 * 2


def test_a_share_of_a_class_is_tried_again(root: Path) -> None:
    mended(root)
    spoil(root, "train/1", n=3)
    with pytest.raises(ErrorBudgetExceeded):
        carried_out(document(root))
    mended(root)
    carried_out(document(root))
    assert fingerprint(rows(root)) == undisturbed(root, document(root))


def test_a_spent_budget_is_not_spent_for_ever(root: Path) -> None:
    """Mended files were never looked at again: the records of the first run stopped each later
    one."""
    mended(root)
    spoil(root, "train/0", n=4)
    strict = document(root, errors={"min_count": 2, "max_share": 0.0})
    with pytest.raises(ErrorBudgetExceeded, match=r"most in split train, class '0': \d of 12"):
        carried_out(strict)
    with pytest.raises(ErrorBudgetExceeded):
        carried_out(strict)
    mended(root)
    assert carried_out(strict).ok
    assert fingerprint(rows(root)) == undisturbed(root, strict)


def test_a_whole_class_is_1_also_where_the_budget_is_spent(root: Path) -> None:
    strict = document(root, errors={"min_count": 0, "max_share": 0.0})
    assert "split train, class '2': none of 8 rows" in refused(strict)


def test_what_stops_nothing_is_not_tried_again(tmp_path: Path) -> None:
    """A resume of a run that was killed gives what that run would have given."""
    write_digits(tmp_path / "data", COUNTS)
    spoil(tmp_path, "train/0", n=1)
    path = write_job(tmp_path / "job.yaml", document(tmp_path))
    bad = tmp_path / "data/train/0/000.png"
    assert drive(path, r"told stage mix", signal.SIGKILL).code < 0
    assert drive(path, r"told note committed|open .*_provenance/", signal.SIGKILL).code < 0
    bad.write_bytes((tmp_path / "data/train/0/001.png").read_bytes())
    result = carried_out(document(tmp_path))
    assert sum(c.quarantined for c in result.cells) == 2
    assert not list((tmp_path / "out/_work").glob("*/retry-*"))


# ---- broken in the middle ------------------------------------------------------------

MOMENTS = (
    r"os.link out/_work/.*/retry-1/plan/units.json",
    r"os.rename out/data/train/.*/train-r1-",
    r"os.link out/_work/.*/retry-1/units/.*\.json",
    r"os.link out/_work/.*/retry-1/plan/closed.json",
    r"os.link .*_provenance/.*/job.json",
    r"told note committed version 1",
)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_that_is_killed_while_it_tries_again_goes_on(root: Path, moment: str) -> None:
    refused(document(root))
    mended(root)
    path = write_job(root / "job.yaml", document(root))
    killed = drive(path, moment, signal.SIGKILL)
    assert killed.code == -signal.SIGKILL, killed.notes
    result = carried_out(document(root))
    assert (result.version, sum(c.quarantined for c in result.cells)) == (1, 0)
    assert fingerprint(rows(root)) == undisturbed(root, document(root))
    assert audit(result.output, verify=True).ok


def test_a_shard_of_a_later_try_that_is_lost_is_made_again(root: Path) -> None:
    refused(document(root))
    mended(root)
    path = write_job(root / "job.yaml", document(root))
    assert drive(path, r"os.link .*_provenance/.*/job.json", signal.SIGKILL).code < 0
    (shard,) = (root / "out/data/train").rglob("train-r1-*.parquet")
    shard.unlink()
    assert carried_out(document(root)).ok
    assert shard.exists()
    assert fingerprint(rows(root)) == undisturbed(root, document(root))


def test_in_processes_it_is_the_same(root: Path) -> None:
    with pytest.raises(GateError, match="class '2': none of 8 rows"):
        run(load_spec(document(root)), engine="processes")
    mended(root)
    assert run(load_spec(document(root)), engine="processes").ok
    assert fingerprint(rows(root)) == undisturbed(root, document(root))


# ---- what generators do not give -----------------------------------------------------

NOTHING_PASSES = {
    "filters": [{"degenerate": {"min_std": 127.0}}], "max_attempts_per_sample": 1,
    "on_shortfall": "warn",
}  # fmt: skip


@pytest.fixture
def sound(root: Path) -> Path:
    mended(root)
    return root


def generated(root: Path, **changes: Any) -> dict[str, Any]:
    return job_document(root, **{"augmentations": []} | NOTHING_PASSES | changes)


def test_a_class_without_its_samples_stops_before_a_row_is_written(sound: Path) -> None:
    """Also where shortfalls are only warned of: nothing at all is none."""
    said = refused(generated(sound))
    assert said.startswith("3 cells that were planned have nothing: split train, class '0': none ")
    assert (
        "none of 18 synthetic rows (rejected by degenerate.blank 18); split train, class '1'"
        in said
    )
    assert "look at the filters and at max_attempts_per_sample" in said
    assert not (sound / "out/data").exists()
    accepted = {"errors": {"allow_empty_classes": sorted(COUNTS)}}
    result = carried_out(generated(sound, **accepted))
    assert (result.ok, result.made_now, result.shortfall) == (True, 0, 18 + 25 + 26)
    assert audit(result.output).ok


def test_a_class_of_generated_rows_alone(sound: Path) -> None:
    classes = {"names": ["0", "1", "2", "3"]}
    fake = {"fake": {"family": "palette", "classes": ["3"], "size": 8}}
    made = generated(sound, classes=classes, generators=fake)
    made["synthesize"] = [{"generators": ["fake"], "fill": {"to": {"3": 5}}}]
    assert "split train, class '3': none of 5 rows (rejected by degenerate.blank 5)" in refused(
        made
    )


def test_the_two_halves_judge_it_as_well(sound: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write_job(sound / "job.yaml", generated(sound))
    result = carry_out(load_spec(path), LocalEngine(), "synthesize")
    assert [text.partition(":")[0] for text in result.emptied] == [
        f"split train, class '{label}'" for label in COUNTS
    ]
    assert main(["synthesize", str(path), "--engine", "local"]) == 1
    assert "FAIL  split train, class '1': none of 25 synthetic rows (" in capfd.readouterr().out
    assert main(["synthesize", str(path), "--engine", "local", "--json"]) == 1
    assert len(json.loads(capfd.readouterr().out)["emptied"]) == 3
    with pytest.raises(GateError, match="3 cells that were planned have nothing"):
        carry_out(load_spec(path), LocalEngine(), "mix")
    assert not (sound / "out/data").exists()


@pytest.fixture
def flaky(sound: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[Any]], None]:
    """Says which samples of the generator that `test_retry` has fail: class and index."""
    policy = sound / "policy.yaml"
    policy.write_text("allow_code: ['tests.end_to_end.test_retry:Flaky']\n")
    monkeypatch.setenv("AUGMENT_POLICY", str(policy))
    monkeypatch.setenv("AUGMENT_TEST_FLAKY", str(sound / "flaky.json"))
    return lambda bad: (sound / "flaky.json").write_text(json.dumps(bad)) and None


def test_samples_that_failed_are_tried_again_where_a_class_has_nothing_else(
    root: Path, flaky: Callable[[list[Any]], None]
) -> None:
    own = {
        "family": "custom", "class_path": "tests.end_to_end.test_retry:Flaky",
        "init_args": {"classes": ["1"]},
    }  # fmt: skip
    made = job_document(
        root,
        augmentations=[],
        generators={"flaky": own},
        synthesize=[{"generators": ["flaky"], "fill": {"to": 9}, "classes": ["1"]}],
        max_attempts_per_sample=1,
        output={"uri": str(root / "out"), "image": {"format": "png"}},
    )
    flaky([["1", n] for n in range(4)])
    said = refused(made)
    assert "split train, class '1': none of 4 synthetic rows (failed 4)" in said
    assert "The same command tries failed samples again" in said
    assert refused(made) == said
    flaky([["1", 2]])
    result = carried_out(made)
    assert (result.shortfall, result.version) == (1, 1)  # one failed again: a shortfall
    assert sorted(r["generator"]["index"] for r in rows(root) if r["generated"]) == [0, 1, 3]
    assert audit(result.output, verify=True).ok
