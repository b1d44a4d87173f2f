"""What continuous integration reads of a report, names from outside included."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from augment.audit.report import render_annotations, render_junit


def value(**more: Any) -> dict[str, Any]:
    """A report with a check of each kind."""
    checks = [("log", True), ("splits", False), ("labels", None), ("one_class", True)]
    return {
        "uri": "out/digits",
        "verdict": "failed",
        "checks": [{"name": n, "passed": p, "text": f"{n} is so"} for n, p in checks],
        "findings": [
            {"check": "splits", "text": "8 images of split test\x1b[31m", "n": 8, "warns": False},
            {"check": "splits", "text": "50 % of <it> & more", "n": 1, "warns": False},
            {"check": "one_class", "text": "a warning, a: b", "n": 1, "warns": True},
            {"check": "nowhere", "text": "a finding of no check\nof two lines", "n": 1,
             "warns": False},
        ],
        "limits": [
            {"limit": "limits.synthetic_share.max", "ok": False, "text": "too many"},
            {"limit": "limits.synthetic_share.max", "ok": True, "text": "within"},
            {"limit": "limits.min_rows_per_class.train", "ok": None, "text": "no rows"},
        ],
        **more,
    }  # fmt: skip


def test_junit_has_a_case_for_every_check_and_limit() -> None:
    root = ElementTree.fromstring(render_junit(value()))
    checks, limits = root.findall("testsuite")
    counted = {key: checks.get(key) for key in ("name", "tests", "failures", "skipped", "errors")}
    assert counted == {
        "name": "checks", "tests": "5", "failures": "2", "skipped": "1", "errors": "0"
    }  # fmt: skip
    assert (limits.get("tests"), limits.get("failures"), limits.get("skipped")) == ("3", "1", "1")
    of = {case.get("classname", ""): case for case in checks}
    failure = of["augment.audit.splits"].find("failure")
    assert failure is not None
    assert failure.get("message") == r"8 images of split test\x1b[31m"
    assert failure.text == "8 images of split test\\x1b[31m\n50 % of <it> & more"
    assert of["augment.audit.one_class"].find("failure") is None
    assert of["augment.audit.one_class"].findtext("system-out") == "a warning, a: b"
    assert of["augment.audit.labels"].find("skipped") is not None
    assert of["augment.audit.log"].find("*") is None
    assert of["augment.audit.nowhere"].find("failure") is not None


def test_a_check_that_failed_without_a_finding_fails() -> None:
    alone = value(checks=[{"name": "x", "passed": False, "text": "x is not so"}], findings=[])
    (suite, _) = ElementTree.fromstring(render_junit(alone)).findall("testsuite")
    assert suite.get("failures") == "1"
    mild = [{"check": "x", "text": "for the owner to weigh", "n": 1, "warns": True}]
    (suite, _) = ElementTree.fromstring(render_junit(alone | {"findings": mild})).findall(
        "testsuite"
    )
    assert suite.get("failures") == "0", "warnings do not fail the verdict"


def test_annotations_are_one_line_each_the_grave_ones_first() -> None:
    lines = render_annotations(value())
    assert lines == [
        r"::error title=splits::8 images of split test\x1b[31m",
        "::error title=splits::50 %25 of <it> & more",
        r"::error title=nowhere::a finding of no check\nof two lines",
        "::warning title=one_class::a warning, a: b",
        "::error title=limits.synthetic_share.max::too many",
        "::notice title=augment audit::verdict: failed, out/digits",
    ]


def test_nothing_from_outside_begins_a_command_of_its_own() -> None:
    hostile = [{"check": "a,b:c", "text": "x\n::set-env name=A::b\r::stop", "n": 1, "warns": False}]
    for text in render_annotations(value(findings=hostile, limits=[])):
        assert "\n" not in text
        assert "\r" not in text
        assert text.count("::") >= 2
    assert render_annotations(value(findings=hostile))[0].startswith("::error title=a%2Cb%3Ac::x")


def test_without_findings_there_is_a_notice() -> None:
    good = value(findings=[], limits=[], verdict="ok")
    assert render_annotations(good) == ["::notice title=augment audit::verdict: ok, out/digits"]
