"""The verdict as continuous integration reads it: JUnit XML, and annotations of GitHub Actions.

Sources: the JUnit schema of Apache Ant as GitLab, Jenkins and GitHub's actions read it; GitHub,
"Workflow commands for GitHub Actions", for `::error` and its escapes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from augment.escaping import line

Value = Mapping[str, Any]
"""A report as `AuditReport.to_json` has it."""


def render_junit(report: Value) -> str:
    """A suite of checks and one of limits: what failed with its findings, what was not judged as
    skipped. A check whose findings only warn passes and tells them as its output."""
    root = ElementTree.Element("testsuites", name="augment audit")
    _suite(root, "checks", list(_checks(report)))
    _suite(root, "limits", list(_limits(report["limits"])))
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def render_annotations(report: Value) -> list[str]:
    """A line each for what fails and for what warns; one that says so where nothing does."""
    lines = [_annotation("warning" if one["warns"] else "error", one["check"], one["text"])
             for one in sorted(report["findings"], key=lambda one: bool(one["warns"]))]  # fmt: skip
    lines += [_annotation("error", one["limit"], one["text"])
              for one in report["limits"] if one["ok"] is False]  # fmt: skip
    verdict = f"verdict: {report['verdict']}, {report['uri']}"
    return [*lines, _annotation("notice", "augment audit", verdict)]


class _Case:
    """One test: what failed, why it was skipped, and what it says besides."""

    def __init__(self, name: str, of: str) -> None:
        self.name, self.of = name, of
        self.failures: list[str] = []
        self.skipped: str | None = None
        self.said: list[str] = []


def _checks(report: Value) -> Iterator[_Case]:
    """One a check, and one for findings of a check that the report does not list."""
    of_check: dict[str, list[Value]] = {}
    for one in report["findings"]:
        of_check.setdefault(one["check"], []).append(one)
    for check in report["checks"]:
        case = _Case(check["text"], check["name"])
        _tell(case, of_check.pop(check["name"], ()))
        if check["passed"] is None and not case.failures:
            case.skipped = check["text"]
        elif check["passed"] is False and not case.failures and not case.said:
            case.failures.append(check["text"])
        yield case
    for name, findings in of_check.items():
        case = _Case(name, name)
        _tell(case, findings)
        yield case


def _tell(case: _Case, findings: Sequence[Value]) -> None:
    for one in findings:
        (case.said if one["warns"] else case.failures).append(one["text"])


def _limits(limits: Sequence[Value]) -> Iterator[_Case]:
    for limit in limits:
        case = _Case(limit["text"], limit["limit"])
        if limit["ok"] is None:
            case.skipped = limit["text"]
        elif not limit["ok"]:
            case.failures.append(limit["text"])
        yield case


def _suite(root: ElementTree.Element, name: str, cases: Sequence[_Case]) -> None:
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        name=name,
        tests=str(len(cases)),
        failures=str(sum(bool(case.failures) for case in cases)),
        errors="0",
        skipped=str(sum(case.skipped is not None for case in cases)),
    )
    for case in cases:
        found = ElementTree.SubElement(
            suite, "testcase", name=line(case.name), classname=f"augment.audit.{line(case.of)}"
        )
        if case.failures:
            first = line(case.failures[0])
            failure = ElementTree.SubElement(found, "failure", message=first)
            failure.text = "\n".join(map(line, case.failures))
        elif case.skipped is not None:
            ElementTree.SubElement(found, "skipped", message=line(case.skipped))
        if case.said:
            ElementTree.SubElement(found, "system-out").text = "\n".join(map(line, case.said))


def _annotation(kind: str, title: str, text: str) -> str:
    head = _escaped(line(title)).replace(":", "%3A").replace(",", "%2C")
    return f"::{kind} title={head}::{_escaped(line(text))}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
