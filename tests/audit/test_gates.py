"""What job.json says of limits that were judged before the commit."""

from __future__ import annotations

from typing import Any

from augment.audit.findings import Check
from augment.audit.gates import check_gates

ASKS = "limits held before the commit, where a job asked for that"


def job(**gate: Any) -> dict[str, Any]:
    usual = {"verdict": "passed", "kept": 3, "broken": [], "not_judged": [], "let_pass": []}
    return {"limits": {"gate": "before_commit"}, "gate": usual | gate}


def test_jobs_that_do_not_ask_are_not_spoken_of() -> None:
    for limits in ({}, {"gate": "report_only"}, None):
        assert check_gates({"j": {"limits": limits}}, given=False) == ([], [])


def test_what_held_and_what_was_let_pass() -> None:
    checks, findings = check_gates({"j": job(let_pass=["a", "b"])}, given=False)
    said = "j: kept in 3 places, not judged, which the job lets pass in 2 places"
    assert (checks, findings) == ([Check("gate", True, f"{ASKS}: {said}")], [])


def test_a_job_that_does_not_say_is_not_judged() -> None:
    checks, findings = check_gates({"j": {"limits": {"gate": "before_commit"}}}, given=False)
    assert [one.passed for one in checks] == [None]
    assert "job j does not say what came of it" in checks[0].text
    assert findings == []


def test_broken_limits_that_were_overruled_fail_and_unjudged_ones_warn() -> None:
    jobs = {"j": job(verdict="overruled", broken=["x", "y"], not_judged=["z"])}
    checks, findings = check_gates(jobs, given=False)
    assert [one.passed for one in checks] == [False]
    assert [(one.n, one.warns) for one in findings] == [(2, False), (1, True)]
    assert findings[0].text == (
        "job j was committed with --despite-limits, although limits were broken in 2 places before "
        "the commit: x; and 1 more"
    )
    assert "could not be judged in 1 place before the commit: z" in findings[1].text


def test_who_judges_by_bounds_of_their_own_is_warned_alone() -> None:
    checks, findings = check_gates({"j": job(verdict="overruled", broken=["x"])}, given=True)
    assert [one.passed for one in checks] == [True]
    assert [one.warns for one in findings] == [True]


def test_text_of_a_stranger_breaks_nothing() -> None:
    jobs = {"j": job(verdict="overruled", broken="no list", not_judged=None, kept="many")}
    checks, findings = check_gates(jobs, given=False)
    assert findings == []
    assert [one.passed for one in checks] == [True]
