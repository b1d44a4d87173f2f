"""A kept report is somebody's file: whatever it holds, it is read or refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from augment.audit.compare import read_report
from augment.errors import RequestError
from tests.audit.report.values import names, value

GOOD = value(names(2))


def test_a_report_is_read(tmp_path: Path) -> None:
    (tmp_path / "audit.json").write_text(json.dumps(GOOD))
    assert read_report(str(tmp_path / "audit.json")) == json.loads(json.dumps(GOOD))


@pytest.mark.parametrize(
    "content",
    [
        {}, [], 7, None, "text",
        {**GOOD, "schema_version": 2},
        {**GOOD, "schema_version": [1]},
        {**GOOD, "cells": 3},
        {**GOOD, "cells": [{"group": {}}]},
        {**GOOD, "classes": None},
        {**GOOD, "findings": [{"check": "a"}]},
        {**GOOD, "limits": [None]},
        {**GOOD, "quality": {"figures": []}},
        {**GOOD, "quality": {**GOOD["quality"], "figures": [{"value": "x", "ratio": "y"}]}},
        {name: GOOD[name] for name in GOOD if name != "quality"},
    ],
)  # fmt: skip
def test_what_is_no_report(tmp_path: Path, content: Any) -> None:
    (tmp_path / "audit.json").write_text(json.dumps(content))
    with pytest.raises(RequestError, match="no report of an audit of version 1"):
        read_report(str(tmp_path / "audit.json"))


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "nul", "{1: 2}"])
def test_what_is_no_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "audit.json").write_text(text)
    with pytest.raises(RequestError, match=r"audit\.json: no JSON"):
        read_report(str(tmp_path / "audit.json"))


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"no such file; expected audit\.json"):
        read_report(str(tmp_path / "none" / "audit.json"))
