"""Markdown for a pull request: the verdict first, tables that fold, names that do nothing."""

from __future__ import annotations

import re

import pytest

from augment.audit.findings import Finding
from augment.audit.report import render_markdown
from tests.audit.report.values import names, value


def test_the_verdict_comes_first_and_findings_are_open() -> None:
    text = render_markdown(value(names(2), findings=[Finding("log", "counts differ")]))
    lines = text.splitlines()
    assert lines[0] == "### ❌ fails: /data/set, version 3"
    assert lines[2] == "Version 3 fails: 1 limit is broken and 1 finding stands against it."
    assert "<details open><summary>Findings</summary>" in lines
    assert "| **fails** | log | counts differ | 1 |" in lines
    assert text.endswith("\n")


def test_every_fold_is_closed_and_every_row_has_its_columns() -> None:
    lines = render_markdown(value(names(50))).splitlines()
    assert sum(x.startswith("<details") for x in lines) == lines.count("</details>") == 8
    head = None
    for line in lines:
        if not line.startswith("|"):
            head = None
            continue
        columns = len(re.findall(r"(?<!\\)\|", line))
        head = columns if head is None else head
        assert columns == head, line


def test_many_classes_fit_a_comment() -> None:
    text = render_markdown(value(names(1000), broken=1000))
    assert len(text) < 65_536
    assert "`--json` has all." in text


@pytest.mark.parametrize(
    "name", ["a|b", "<img src=x>", "[x](http://y)", "**b**", "a\nb", "</details>", "`c`"]
)
def test_a_name_is_text(name: str) -> None:
    plain = render_markdown(value(["other"], findings=[Finding("a", "b")]))
    text = render_markdown(value([name], findings=[Finding(name, name)]))
    assert text.count("\n") == plain.count("\n")
    assert text.count("<") == plain.count("<")
    assert not re.search(r"(?<!\\)\]\(", text)
    assert not re.search(r"(?<!\\)\|b", text)


def test_what_was_not_asked_for_has_its_command() -> None:
    text = render_markdown(value(names(2), quality=False))
    assert "`augment audit /data/set --version 3 --quality`" in text
