"""A report as GitHub Markdown, for a pull request: verdict, findings, and tables that fold.

Needs no image, no chart and nothing that is not installed with augment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from augment import __version__
from augment.audit.report.blocks import Cell, Code, Command, Mark, Section, Table, Text
from augment.audit.report.judged import sentence
from augment.audit.report.sections import Pictures, sections
from augment.escaping import code, cut, html
from augment.escaping import markdown as escaped

_WORDS = {"ok": "✅ passes", "failed": "❌ fails", "not judged": "⚪ not judged"}
_SHOWN = ("findings", "composition", "limits", "checks", "diversity", "labels", "copies",
          "method")  # fmt: skip
_MOST = 40  # rows of any table
_NUMBER = re.compile(r"-|-?[0-9]+(\.[0-9]+)?")
_LONGEST = 400  # characters of a cell


def render_markdown(report: Mapping[str, Any]) -> str:
    """report: as `AuditReport.to_json`. Tables are cut to 40 rows, so that it fits a comment, which
    may have 65,536 characters on GitHub."""
    from augment.audit.report.origins import Origins

    place = (
        report["uri"]
        if report["version"] is None
        else f"{report['uri']}, version {report['version']}"
    )
    lines = [
        f"### {_WORDS[report['verdict']]}: {escaped(place)}",
        "",
        escaped(sentence(report)),
        "",
    ]
    lines += _whole(report)
    for section in sections(report, Origins(), Pictures(), __version__):
        if section.name in _SHOWN:
            lines += _section(
                section, opened=section.name == "findings" and bool(report["findings"])
            )
    return "\n".join(lines).rstrip() + "\n"


def _whole(report: Mapping[str, Any]) -> Iterator[str]:
    yield "| rows | real | augmented | generated | classes |"
    yield "|--:|--:|--:|--:|--:|"
    whole = report["whole"]
    figures = (*(whole[kind] for kind in ("rows", "real", "augmented", "generated")),
               len(report["classes"]))  # fmt: skip
    yield f"| {' | '.join(map(str, figures))} |"
    yield ""


def _section(section: Section, opened: bool) -> Iterator[str]:
    yield f"<details{' open' if opened else ''}><summary>{html(section.title)}</summary>"
    yield ""
    for block in section.blocks:
        if isinstance(block, Text) and not block.aside:
            yield escaped(block.text)
            yield ""
        elif isinstance(block, Command):
            yield code(block.text)
            yield ""
        elif isinstance(block, Table):
            yield from _table(block)
    yield "</details>"
    yield ""


def _table(table: Table) -> Iterator[str]:
    rows = [row for row in table.rows if not row.more][:_MOST]
    yield f"**{escaped(table.title)}**"
    yield ""
    yield f"| {' | '.join(escaped(name) for name in table.head)} |"
    aligned = [":--" if n < table.texts else "--:" for n in range(len(table.head))]
    yield f"|{'|'.join(aligned)}|"
    for row in rows:
        yield f"| {' | '.join(map(_cell, row.cells))} |"
    if len(rows) < len(table.rows):
        yield ""
        yield f"{len(table.rows) - len(rows)} more rows; `--json` has all."
    yield ""


def _cell(cell: Cell) -> str:
    match cell:
        case Mark(text, state):
            return f"{'**' if state in ('fail', 'warn') else ''}{escaped(text)}" + (
                "**" if state in ("fail", "warn") else ""
            )
        case Code(text, short):
            return code(cut(short or text, _LONGEST))
        case text:
            return text if _NUMBER.fullmatch(text) else escaped(cut(text, _LONGEST))
