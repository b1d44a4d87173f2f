"""Limits as gates of the verbs: what a plan breaks is told before anything is spent, and what a
data set breaks by whoever looks at it later."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from augment.api import load_spec, open_dataset, run
from augment.audit import audit
from augment.cli import main
from augment.errors import GateError
from augment.policy import VARIABLE
from tests.end_to_end.jobs import job_document, write_digits, write_job

COUNTS = {"0": 12, "1": 5, "2": 4}
SHARE = {"synthetic_share": {"max": 0.5}}
BROKEN = "limits.synthetic_share.max: split train: 48 / 90 = 0.5333 > 0.5"
JUDGED = "limits.synthetic_share.max 0.5: split train: 48 of 90 rows are generated (0.533), "
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A job whose plan breaks its limit on the synthetic share."""
    write_digits(tmp_path / "data", COUNTS)
    return write_job(tmp_path / "job.yaml", job_document(tmp_path, limits=SHARE))


def call(capfd: Capture, *arguments: str) -> tuple[int, str, str]:
    capfd.readouterr()
    code = main(arguments)
    return (code, *capfd.readouterr())


def carried_out(capfd: Capture, verb: str, path: Path, *more: str) -> tuple[int, str, str]:
    return call(capfd, verb, str(path), "--engine", "local", *more)


def spent(root: Path) -> list[str]:
    """What a refused verb must not leave: plans, samples, rows. Its log is none of them."""
    found = [*root.glob("out/**/*"), *root.glob("pool/**/*")]
    return sorted(str(p.relative_to(root)) for p in found if p.is_file() and "logs" not in p.parts)


def rewritten(path: Path, **changes: Any) -> None:
    write_job(path, job_document(path.parent, **changes))


# ---- before anything is spent --------------------------------------------------------


def test_a_plan_that_breaks_a_limit_is_exit_1(job: Path, capfd: Capture) -> None:
    code, out, err = call(capfd, "plan", str(job))
    assert (code, err) == (1, "")
    assert out.endswith(f"\nlimits that this plan breaks:\n  FAIL  {BROKEN}\n")
    code, out, err = call(capfd, "plan", str(job), "--json")
    assert (code, err, json.loads(out)["broken_limits"]) == (1, "", [BROKEN])
    rewritten(job, limits={"synthetic_share": {"max": 0.6}})
    code, out, _ = call(capfd, "plan", str(job), "--json")
    assert (code, json.loads(out)["broken_limits"]) == (0, [])


def test_a_measured_plan_over_its_gpu_hours_is_one_document(
    job: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--json` prints one document also where a gate fails."""
    rewritten(job, limits=SHARE | {"gpu_hours": 0.0})
    code, out, _ = call(capfd, "plan", str(job), "--measure", "--engine", "local", "--json")
    assert (code, json.loads(out)["broken_limits"]) == (1, [BROKEN])  # no GPU: no hours


@pytest.mark.parametrize("verb", ["run", "synthesize", "mix"])
def test_what_breaks_a_limit_is_refused_before_anything_is_begun(
    job: Path, capfd: Capture, verb: str
) -> None:
    code, out, err = carried_out(capfd, verb, job)
    assert (code, out) == (1, "")
    assert err == (
        "census\n"
        f"augment: 1 limit would be broken by what is planned, so nothing was begun: {BROKEN}. "
        "Change the job or its limits (`augment plan` shows the counts), or go on all the same "
        "with --despite-limits\n"
    )
    assert spent(job.parent) == []


@pytest.mark.parametrize(
    "limits",
    [
        {"min_rows_per_class": {"test": 4}},
        {"min_unique_real_per_class": {"train": 5}},
        {"synthetic_to_real": {"max": 2.0}},
        {"synthetic_share": {"per_class": 0.7}},
    ],
)
def test_every_limit_of_rows_is_known_before(
    job: Path, capfd: Capture, limits: dict[str, Any]
) -> None:
    rewritten(job, limits=limits)
    assert call(capfd, "plan", str(job))[0] == 1
    assert carried_out(capfd, "run", job)[0] == 1
    assert spent(job.parent) == []


def test_many_broken_limits_are_counted(tmp_path: Path, capfd: Capture) -> None:
    classes = [f"class-{n:03d}" for n in range(60)]
    write_digits(tmp_path / "data", {"0": 3})
    limits = {"min_rows_per_class": {"train": 9}}
    document = job_document(tmp_path, limits=limits, classes={"names": ["0", *classes]})
    for key in ("generators", "synthesize", "filters", "pool"):
        del document[key]
    path = write_job(tmp_path / "job.yaml", document)
    code, out, _ = call(capfd, "plan", str(path))
    assert code == 1
    assert out.count("  FAIL  limits.min_rows_per_class: ") == 20
    assert out.endswith("  ... 41 more; --all shows everything\n")
    _, _, err = carried_out(capfd, "run", path)
    assert "61 limits would be broken by what is planned" in err
    assert "; and 56 more. Change the job" in err


def test_despite_limits_goes_on_and_ends_with_1(job: Path, capfd: Capture) -> None:
    code, out, err = carried_out(capfd, "run", job, "--despite-limits")
    assert code == 1
    assert f"--despite-limits: 1 limit will be broken: {BROKEN}\n" in err
    assert JUDGED in out
    assert "verdict: FAILED, 0 findings, 1 limits broken" in out
    assert open_dataset(str(job.parent / "out")).count_rows() == 99
    code, out, _ = carried_out(capfd, "run", job)  # committed: nothing more is spent
    assert (code, out.startswith("already committed: ")) == (1, True)


def test_a_resume_asks_for_the_option_again(job: Path, capfd: Capture) -> None:
    code, _, _ = carried_out(capfd, "synthesize", job, "--despite-limits")
    assert code == 0
    before = spent(job.parent)
    code, _, err = carried_out(capfd, "run", job)
    assert (code, "go on all the same with --despite-limits" in err) == (1, True)
    assert spent(job.parent) == before
    rewritten(job, limits={"synthetic_share": {"max": 0.6}})  # the same request
    code, out, _ = carried_out(capfd, "run", job, "--json")
    assert (code, json.loads(out)["made_now"]) == (0, 0)


def test_programs_refuse_and_go_on_as_the_command_does(job: Path) -> None:
    with pytest.raises(GateError, match=r"1 limit would be broken .* so nothing was begun"):
        run(load_spec(job), engine="local")
    result = run(load_spec(job), engine="local", despite_limits=True)
    assert (result.version, result.ok) == (1, False)


def test_no_option_goes_beyond_the_operator(
    job: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = job.parent / "policy.yaml"
    policy.write_text("limits: {synthetic_share: 0.5}\n")
    monkeypatch.setenv(VARIABLE, str(policy))
    rewritten(job)  # the job itself says nothing
    for more in ((), ("--despite-limits",)):
        code, _, err = carried_out(capfd, "run", job, *more)
        assert code == 1
        assert f"1 limit of the operator ({policy}) would be broken by what is planned" in err
    assert spent(job.parent) == []
    policy.write_text("limits: {synthetic_share: 0.6}\n")
    rewritten(job, limits=SHARE)  # the job's own limit is below the operator's
    assert carried_out(capfd, "run", job)[0] == 1
    assert carried_out(capfd, "run", job, "--despite-limits", "--json")[0] == 1
    assert open_dataset(str(job.parent / "out")).count_rows() == 99


# ---- later ---------------------------------------------------------------------------


@pytest.fixture
def out(job: Path, capfd: Capture) -> str:
    """A committed data set that broke its job's limit."""
    assert carried_out(capfd, "run", job, "--despite-limits")[0] == 1
    return str(job.parent / "out")


def kept(out: str) -> Path:
    (path,) = Path(out).glob("_provenance/*/job.json")
    return path


def heading(text: str) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith("limits")]
    return line


def test_an_audit_judges_by_the_limits_that_the_job_left(out: str, capfd: Capture) -> None:
    code, said, _ = call(capfd, "audit", out)
    name = json.loads(kept(out).read_text())["job_id"]
    assert (code, heading(said)) == (1, f"limits, as job {name} left them with the table")
    assert f"  FAIL  {JUDGED}" in said
    code, said, _ = call(capfd, "audit", out, "--json")
    report = json.loads(said)
    assert (code, report["ok"], report["limits_from"]) == (1, False, "recorded")
    assert {limit["job"] for limit in report["limits"]} == {name}


@pytest.mark.parametrize("kind", ["limits", "job"])
def test_an_audit_by_other_limits_says_so(
    out: str, tmp_path: Path, capfd: Capture, kind: str
) -> None:
    limits = {"synthetic_share": {"max": 0.6}}
    path = tmp_path / f"{kind}.yaml"
    write_job(path, limits if kind == "limits" else job_document(tmp_path, limits=limits))
    code, said, _ = call(capfd, "audit", out, "--limits", str(path))
    assert code == 0
    assert heading(said) == "limits, as given, in place of any that were left with the table"
    assert "limits.synthetic_share.max 0.6: split train: 48 of 90 rows" in said
    code, said, _ = call(capfd, "audit", out, "--limits", str(path), "--json")
    report = json.loads(said)
    assert (code, report["limits_from"]) == (0, "given")
    assert {limit["job"] for limit in report["limits"]} == {None}


def test_a_job_file_without_limits_is_no_file_of_limits(
    out: str, tmp_path: Path, capfd: Capture
) -> None:
    path = write_job(tmp_path / "bare.yaml", job_document(tmp_path))
    code, _, err = call(capfd, "audit", out, "--limits", str(path))
    assert code == 2
    assert f"{path}:1: limits: got nothing; expected a mapping: what a job has under" in err


def test_an_audit_says_where_no_limits_were_given(job: Path, capfd: Capture) -> None:
    rewritten(job)
    assert carried_out(capfd, "run", job, "--json")[0] == 0
    code, said, _ = call(capfd, "audit", str(job.parent / "out"))
    assert code == 0
    assert heading(said) == (
        "limits: none on its rows were given, and none were left with the table"
    )
    assert audit(str(job.parent / "out")).limits_from == "none"


@pytest.mark.parametrize("more", [(), ("gpu_hours",)])
def test_a_table_of_an_earlier_version_has_its_limits_in_the_jobs_text(
    out: str, capfd: Capture, more: Sequence[str]
) -> None:
    """Before job.json had limits, the job's own text was all that said so."""
    found = json.loads(kept(out).read_text())
    del found["limits"]
    if more:
        found["spec_text"] = found["spec_text"].replace("limits:\n", "limits:\n  gpu_hours: 3\n")
    kept(out).write_text(json.dumps(found))
    code, said, _ = call(capfd, "audit", out, "--json")
    assert (code, json.loads(said)["limits_from"]) == (1, "recorded")
    del found["spec_text"]
    kept(out).write_text(json.dumps(found))
    assert audit(out).limits_from == "none"


@pytest.mark.parametrize(
    "changes",
    [
        {"limits": 7},
        {"limits": {"synthetic_share": {"max": "much"}}},
        {"limits": {"a_later_kind": 3}},
        {"limits": None, "spec_text": "limits: {synthetic_shar: 1}"},
        {"limits": None, "spec_text": "limits: ["},
        {"limits": None, "spec_text": 7},
    ],
)
def test_limits_that_cannot_be_read_are_a_finding(out: str, changes: dict[str, Any]) -> None:
    """Nobody knows whether they are kept."""
    found = json.loads(kept(out).read_text()) | changes
    if found["limits"] is None:
        del found["limits"]
    kept(out).write_text(json.dumps(found))
    report = audit(out)
    assert (report.verdict, report.limits_from) == ("failed", "none")
    (finding,) = [found for found in report.findings if not found.warns]
    assert finding.check == "limits"
    assert "the limits that it left with the table cannot be read (" in finding.text
    assert len(finding.text) < 600


def test_limits_of_several_jobs_are_judged_each(out: str) -> None:
    found, provenance = json.loads(kept(out).read_text()), kept(out).parents[1]
    for name, limits in (("b-00", {"min_rows_per_class": {"train": 90}}), ("c-00", SHARE)):
        folder = provenance / name
        folder.mkdir()
        (folder / "job.json").write_text(
            json.dumps({"job_id": name, "limits": limits, "cells": []})
        )
    assert {limit.job for limit in audit(out).limits} == {found["job_id"]}  # the others have no row
    (Path(out) / "_delta_log/00000000000000000001.json").write_text("")
    judged = {(limit.job, limit.ok) for limit in audit(out).limits}
    assert judged == {("b-00", False), (f"c-00, {found['job_id']}", None)}


# ---- the verdict that stays with the table -------------------------------------------


def verdict(out: str) -> dict[str, Any]:
    (path,) = Path(out).glob("_provenance/*/verdict.json")
    return dict(json.loads(path.read_text()))


def test_status_and_card_carry_the_verdict(out: str, capfd: Capture) -> None:
    code, said, _ = call(capfd, "status", out)
    assert code == 0
    assert " with exit code 1\n  verdict of version 1: FAILED, exit code 1\n" in said
    assert f"\n    limit: {JUDGED}" in said
    (job,) = json.loads(call(capfd, "status", out, "--json")[1])["jobs"]
    assert (job["exit_code"], job["verdict"]["word"], job["verdict"]["version"]) == (1, "failed", 1)
    card = (Path(out) / "README.md").read_text()
    assert "\nVerdict of the audit of version 1: FAILED.\n" in card
    assert f"- kept in 1, BROKEN in 1 places: {JUDGED}" in card
    assert verdict(out)["exit_code"] == 1


def test_a_good_verdict_is_carried_too(job: Path, capfd: Capture) -> None:
    rewritten(job, limits={"synthetic_share": {"max": 0.6}})
    assert carried_out(capfd, "run", job, "--json")[0] == 0
    out = str(job.parent / "out")
    assert "  verdict of version 1: ok, exit code 0\n" in call(capfd, "status", out)[1]
    assert "\nVerdict of the audit of version 1: ok.\n" in (Path(out) / "README.md").read_text()
    rewritten(job, limits={"synthetic_share": {"max": 0.1}})
    before = verdict(out)
    code, said, _ = carried_out(capfd, "run", job)
    assert (code, heading(said)) == (
        1, "limits, as given, in place of any that were left with the table",
    )  # fmt: skip
    assert verdict(out) == before  # what was left with the table stays


def test_a_verdict_that_is_missing_is_written_again(out: str, job: Path, capfd: Capture) -> None:
    """As after a kill between the commit and the audit."""
    found = verdict(out)
    (path,) = Path(out).glob("_provenance/*/verdict.json")
    for damage in (path.unlink, lambda: path.write_text("{")):
        damage()
        (Path(out) / "README.md").unlink()
        assert (
            "  verdict: none was kept; `augment audit` judges it\n"
            in (call(capfd, "status", out)[1])
        )
        rewritten(job, limits={"synthetic_share": {"max": 0.9}})  # other limits than it was left
        assert carried_out(capfd, "run", job)[0] == 0
        assert verdict(out) == found
        assert "Verdict of the audit of version 1: FAILED." in (Path(out) / "README.md").read_text()
        assert "ended with exit code 0" not in call(capfd, "status", out)[1].split("verdict")[1]


def test_a_shortfall_is_the_exit_code_that_status_shows(job: Path, capfd: Capture) -> None:
    changes = {
        "filters": [{"degenerate": {"min_std": 127.0}}], "max_attempts_per_sample": 1,
        "errors": {"allow_empty_classes": ["0", "1", "2"]},
    }  # fmt: skip
    rewritten(job, **changes)
    for verb in ("synthesize", "run"):
        assert carried_out(capfd, verb, job, "--json")[0] == 1
        said = call(capfd, "status", str(job.parent / "out"))[1]
        assert " with exit code 1\n" in said
    assert "  verdict of version 1: ok, exit code 1\n" in said
