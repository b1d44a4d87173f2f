"""The published JSON Schema of `Comparison.to_json()`. Pure data; a test holds it to the code."""

from __future__ import annotations

from typing import Any

from augment.audit.compare.comparing import KINDS

_COUNT = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string"}
_TEXT_OR_NULL = {"type": ["string", "null"]}
_FLAG_OR_NULL = {"type": ["boolean", "null"]}


def _object(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties),
            "additionalProperties": False, **more}  # fmt: skip


def _list(of: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": of, **more}


_SIDE = _object(
    {
        "uri": _TEXT,
        "version": {"type": ["integer", "null"], "minimum": 0},
        "verdict": {"enum": ["ok", "failed", "not judged"]},
        "rows": _COUNT,
        "measured": {"type": "boolean", "description": "whether its report has `quality`"},
    }
)
_COUNTS = {"anyOf": [{"type": "null"}, _object(dict.fromkeys(KINDS, _COUNT))]}


def comparison_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of `Comparison.to_json()`."""
    cell = _object({"split": _TEXT, "before": _COUNTS, "after": _COUNTS, "class": _TEXT})
    limit = _object(
        {"limit": _TEXT, "split": _TEXT_OR_NULL, "before": _FLAG_OR_NULL, "after": _FLAG_OR_NULL,
         "text": _TEXT, "class": _TEXT_OR_NULL},
        description="true: kept; null: not judged",
    )  # fmt: skip
    finding = _object({"check": _TEXT, "before": _COUNT, "after": _COUNT, "gone": _list(_TEXT),
                       "new": _list(_TEXT)})  # fmt: skip
    figure = _object(
        {
            "split": _TEXT,
            "maker": {**_TEXT, "description": "name of a generator, or `augmented`"},
            "measure": _TEXT,
            "before": {"type": "number"},
            "after": {"type": "number"},
            "extractors": _list(_TEXT, description="the values are medians over these"),
            "apart": {**_FLAG_OR_NULL, "description": "all intervals lie apart; null: not known"},
            "worse": {"type": "boolean", "description": "farther from real images than before"},
            "class": {**_TEXT_OR_NULL, "description": "null: all classes of the split"},
        }
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "augment comparison of two audits",
        **_object(
            {
                "schema_version": {"const": 1},
                "before": _SIDE,
                "after": _SIDE,
                "cells": _list(cell, description="whose counts differ"),
                "limits": _list(limit, description="that both judge, with other verdicts"),
                "gone": _list(_TEXT, description="limits that the first alone is judged by"),
                "new": _list(_TEXT, description="limits that the second alone is judged by"),
                "findings": _list(finding, description="checks whose findings differ"),
                "figures": _list(figure, description="of the made part, that both have"),
            }
        ),
    }
