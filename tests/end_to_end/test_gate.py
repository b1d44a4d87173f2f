"""`limits.gate: before_commit`: what an audit would reject is held back, and nothing is lost."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augment.api import audit, load_spec, open_dataset, retry, run, status
from augment.audit import AuditReport
from augment.cli import main
from augment.errors import GateError
from augment.policy import VARIABLE
from augment.run.pipeline import RunResult
from augment.run.prepare import prepare
from augment.run.upkeep.states import JobStatus
from augment.storage import Folder
from augment.write import live_files, newest_version
from tests.end_to_end.jobs import fingerprint, job_document, rows_of, write_digits, write_job
from tests.end_to_end.runs import drive

TOO_DIFFERENT: dict[str, Any] = {"measure": "repeats", "classes": "overall", "fail_below": 0.5}
"""Broken by a generator that repeats nothing."""
HELD: dict[str, Any] = {"measure": "repeats", "classes": "overall", "fail_above": 0.5}
NOBODY: dict[str, Any] = {"measure": "repeats", "classes": ["1"], "fail_above": 0.5}
"""Of a class that no generator makes: nothing can be measured."""
COUNTS = {"0": 12, "1": 30, "2": 4}
Doc = Callable[..., dict[str, Any]]


@pytest.fixture
def document(tmp_path: Path) -> Doc:
    write_digits(tmp_path / "data", COUNTS)

    def make(*measures: dict[str, Any], gate: str = "before_commit", **more: Any) -> dict[str, Any]:
        limits = {"gate": gate, "measures": list(measures), **more}
        return job_document(tmp_path, augmentations=[], limits=limits)

    return make


def carried(document: dict[str, Any], **more: Any) -> RunResult:
    return run(load_spec(document), engine="local", **more)


def only(document: dict[str, Any]) -> JobStatus:
    (job,) = status(document["output"]["uri"]).jobs
    return job


def version_of(document: dict[str, Any]) -> int | None:
    return newest_version(Folder(document["output"]["uri"]))


def provenance(document: dict[str, Any], name: str) -> Any:
    (path,) = Path(document["output"]["uri"]).glob(f"_provenance/*/{name}")
    return json.loads(path.read_text())


def verdicts(report: AuditReport) -> list[dict[str, Any]]:
    return [one.to_json() for one in report.limits if one.limit.startswith("limits.measures")]


def test_a_broken_limit_holds_the_commit_back_and_the_same_command_goes_on(document: Doc) -> None:
    bad = document(TOO_DIFFERENT)
    with pytest.raises(GateError) as held:
        carried(bad)
    said = str(held.value)
    assert "limits are broken in 1 place: limits.measures.repeats.fail_below 0.5" in said
    assert "Nothing is committed, and what was made is kept" in said
    assert "--despite-limits" in said
    assert version_of(bad) is None  # there is not even an empty table
    assert not (Path(bad["output"]["uri"]) / "_provenance").exists()
    job = only(bad)
    assert (job.state, job.exit_code) == ("failed", 1)
    assert job.gate is not None
    assert (job.gate.word, job.gate.kept, len(job.gate.broken)) == ("held", 0, 1)
    before = {p.name: p.stat().st_mtime_ns for p in Path(bad["output"]["uri"]).glob("data/*/*/*")}

    good = document(HELD)
    result = carried(good)
    assert (result.version, result.made_now, result.audit.verdict) == (1, 0, "ok")
    assert {
        p.name: p.stat().st_mtime_ns for p in Path(good["output"]["uri"]).glob("data/*/*/*")
    } == (before)
    assert only(good).gate is not None
    assert provenance(good, "job.json")["gate"]["verdict"] == "passed"
    assert len(rows_of(open_dataset(good["output"]["uri"]).to_table())) == 99


def test_despite_limits_commits_and_says_so_for_ever(document: Doc) -> None:
    bad = document(TOO_DIFFERENT)
    with pytest.raises(GateError):
        carried(bad)
    result = carried(bad, despite_limits=True)
    assert (result.version, result.made_now, result.ok) == (1, 0, False)
    assert [one.ok for one in result.audit.limits] == [False]
    job = only(bad)
    assert job.gate is not None
    assert job.gate.word == "overruled"
    assert job.verdict is not None
    assert job.verdict.broken[0].startswith("limits.measures.repeats.fail_below 0.5: split train")
    report = audit(bad["output"]["uri"])
    assert report.verdict == "failed"
    (gate,) = [one for one in report.findings if one.check == "gate"]
    assert (
        "was committed with --despite-limits, although limits were broken in 1 place" in gate.text
    )
    card = Path(bad["output"]["uri"], "README.md").read_text()
    assert "BROKEN in 1 places: limits.measures.repeats.fail_below 0.5" in card
    again = carried(bad)  # a resume finds the commit, and what it was judged by
    assert again.already
    assert [one.ok for one in again.audit.limits] == [False]


def test_report_only_and_no_gate_commit_as_ever(document: Doc) -> None:
    result = carried(document(TOO_DIFFERENT, gate="report_only"))
    assert (result.version, result.audit.verdict) == (1, "ok")
    assert "ask with --quality" in result.audit.limits[0].text
    assert not [one for one in result.audit.checks if one.name == "gate"]
    assert only(document(TOO_DIFFERENT)).gate is None


def test_a_job_that_asks_no_more_leaves_no_word_of_what_held_it_back(document: Doc) -> None:
    with pytest.raises(GateError):
        carried(document(TOO_DIFFERENT))
    result = carried(document(TOO_DIFFERENT, gate="report_only"))
    assert (result.version, result.made_now) == (1, 0)
    assert only(document(TOO_DIFFERENT)).gate is None
    assert "gate" not in provenance(document(TOO_DIFFERENT), "job.json")


def test_not_judged_is_no_pass_unless_the_limit_says_so(document: Doc) -> None:
    unknown = document(HELD, NOBODY)
    with pytest.raises(GateError) as held:
        carried(unknown)
    assert "limits are not judged in 1 place, which is no pass" in str(held.value)
    assert "nothing of that was measured" in str(held.value)
    found = only(unknown).gate
    assert found is not None
    assert (found.word, found.kept, found.broken, len(found.not_judged)) == ("held", 1, (), 1)

    result = carried(document(HELD, NOBODY | {"not_judged": "pass"}))
    assert (result.version, result.made_now) == (1, 0)
    assert provenance(unknown, "job.json")["gate"]["let_pass"] == list(found.not_judged)
    (check,) = [one for one in audit(unknown["output"]["uri"]).checks if one.name == "gate"]
    assert check.passed
    assert "kept in 1 place, not judged, which the job lets pass in 1 place" in check.text


def test_a_bound_that_only_warns_holds_nothing_back(document: Doc) -> None:
    warns = document({"measure": "repeats", "classes": "overall", "warn_below": 0.5},
                     {"measure": "repeats", "classes": ["1"], "warn_below": 0.5})  # fmt: skip
    result = carried(warns)
    assert result.version == 1
    assert "repeats.warn_below 0.5" in provenance(warns, "gate.json")["warnings"][0]
    assert [f.text for f in result.audit.findings if f.check == "measures"] == (
        provenance(warns, "gate.json")["warnings"]
    )


def test_limits_of_rows_hold_back_too(document: Doc) -> None:
    """A plan that keeps a limit may lose rows; what would be committed is what counts."""
    bad = document(HELD, min_rows_per_class={"train": 30})
    broken = next(Path(bad["sources"]["digits"]["uri"]).glob("train/2/*"))
    broken.write_bytes(b"")
    with pytest.raises(GateError) as held:
        carried(bad)
    assert "limits.min_rows_per_class.train 30: split train, class '2': 29 rows" in str(held.value)
    assert version_of(bad) is None


def test_the_operators_limit_is_beyond_the_option(
    document: Doc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit that no plan breaks but the rows that were written do: too many real ones are bad."""
    bad = document(TOO_DIFFERENT)
    for path in Path(bad["sources"]["digits"]["uri"]).glob("train/1/*"):
        if path.name > "015":
            path.write_bytes(b"")
    bad["errors"] = {"max_share": 1.0, "max_share_per_class": 1.0}
    policy = tmp_path / "policy.yaml"
    policy.write_text("limits: {synthetic_share: 0.5}\n")
    monkeypatch.setenv(VARIABLE, str(policy))
    with pytest.raises(GateError) as held:
        carried(bad, despite_limits=True)
    assert "limits of the operator" in str(held.value)
    assert "limits.synthetic_share.max 0.5" in str(held.value)
    assert version_of(bad) is None


MOMENTS = (r"os.rename out/_work/[^/]*/gate\.json", r"os.rename out/_provenance/[^/]*/gate\.json",
           r"os.link out/_provenance/[^/]*/job\.json")  # fmt: skip


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_the_gate_the_same_command_ends_the_same(
    document: Doc, tmp_path: Path, moment: str
) -> None:
    path = write_job(tmp_path / "job.yaml", document(HELD))
    killed = drive(path, moment, signal.SIGKILL)
    assert killed.code == -signal.SIGKILL, killed.notes
    if version_of(document(HELD)) is not None:
        assert live_files(Folder(str(tmp_path / "out"))) == []
    result = carried(document(HELD))
    assert (result.version, result.made_now, result.audit.verdict) == (1, 0, "ok")
    assert len(fingerprint(rows_of(open_dataset(str(tmp_path / "out")).to_table()))) == 99


def test_a_killed_run_that_had_passed_leaves_no_verdict_of_other_limits(
    document: Doc, tmp_path: Path
) -> None:
    """Stopped between its provenance and its commit; then the limits change."""
    path = write_job(tmp_path / "job.yaml", document(HELD))
    job_id = prepare(load_spec(document(HELD))).job_id
    moment = f"3@os.remove out/_provenance/{job_id}/.tmp"  # its job.json has its name by then
    killed = drive(path, moment, signal.SIGKILL)
    assert killed.code == -signal.SIGKILL, killed.notes
    assert provenance(document(HELD), "job.json")["gate"]["verdict"] == "passed"
    carried(document(TOO_DIFFERENT), despite_limits=True)
    kept = provenance(document(HELD), "job.json")
    assert kept["gate"]["verdict"] == "overruled"
    assert kept["limits"]["measures"][0]["fail_below"] == 0.5


def test_what_is_judged_is_what_an_audit_of_the_version_says(tmp_path: Path) -> None:
    """Figure for figure, of fit and of untrained features."""
    write_digits(tmp_path / "data", {"0": 45, "1": 45}, test=40)
    measures = [
        {"measure": "agreement", "fail_below": 0.0, "not_judged": "pass"},
        {"measure": "coverage", "extractor": "random", "classes": "overall", "fail_below": 0.0},
        {"measure": "density", "extractor": "task", "classes": "overall", "warn_below": 1e9,
         "fail_above": 1e9, "of": "value"},
        {"measure": "repeats", "fail_above": 0.9},
    ]  # fmt: skip
    job = job_document(
        tmp_path, augmentations=[], limits={"gate": "before_commit", "measures": measures},
        synthesize=[{"generators": ["fake"], "fill": {"to": 90}, "classes": ["0", "1"]}],
        generators={"fake": {"family": "palette", "classes": ["0", "1"], "size": 8}},
    )  # fmt: skip
    result = carried(job)
    after = audit(job["output"]["uri"], quality=True, extractors=("task", "random"), engine="local")
    judged = provenance(job, "gate.json")["limits"]
    assert judged == verdicts(after) == verdicts(result.audit)
    assert {one["ok"] for one in judged} == {True}
    (figures,) = Path(job["output"]["uri"]).glob("_work/*/gate-figures.json")
    assert after.quality is not None
    assert json.loads(figures.read_text()) == json.loads(json.dumps(after.quality.to_json()))
    warned = [one.text for one in after.findings if one.check == "measures"]
    assert provenance(job, "gate.json")["warnings"] == warned


def test_a_retry_is_held_too(document: Doc, tmp_path: Path) -> None:
    broken = tmp_path / "data/train/0/000.png"
    whole = broken.read_bytes()
    broken.write_bytes(b"")
    limits = {"synthetic_to_real": {"per_class": 20.0}, "gate": "before_commit",
              "min_unique_real_per_class": {"train": 4}}  # fmt: skip
    job = document() | {"limits": limits, "on_shortfall": "warn"}
    assert carried(job).version == 1
    kept = provenance(job, "job.json")
    (path,) = (tmp_path / "out/_provenance").glob("*/job.json")
    kept["limits"]["min_rows_per_class"] = {"train": 100}  # as if the job had asked for it
    path.write_text(json.dumps(kept))
    broken.write_bytes(whole)
    with pytest.raises(GateError, match=r"min_rows_per_class\.train 100"):
        retry(load_spec(job), engine="local")
    assert version_of(job) == 1
    assert only(job).gate is not None
    result = retry(load_spec(job), engine="local", despite_limits=True)
    assert (result.healed, result.committed) == (1, True)
    assert provenance(job, "job.json")["gate"]["verdict"] == "overruled"


def test_people_are_told(document: Doc, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_job(tmp_path / "job.yaml", document(TOO_DIFFERENT))
    assert main(["run", str(path), "--engine", "local"]) == 1
    assert "limits are broken in 1 place" in capsys.readouterr().err
    assert main(["status", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "  limits before the commit: HELD BACK, nothing was committed; kept in 0 places" in out
    assert "    broken: limits.measures.repeats.fail_below 0.5: split train, all classes" in out
    assert main(["run", str(path), "--engine", "local", "--despite-limits"]) == 1
    capsys.readouterr()
    assert main(["status", str(tmp_path / "out")]) == 0
    assert "overruled by --despite-limits; kept in 0 places" in capsys.readouterr().out
