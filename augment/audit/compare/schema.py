"""The published JSON Schema of `Comparison.to_json()`. Pure data; a test holds it to the code."""

from __future__ import annotations

from typing import Any

from augment.audit.compare.comparing import KINDS
from augment.json_schema import COUNT, TEXT, TEXT_OR_NULL, closed, listed

_FLAG_OR_NULL = {"type": ["boolean", "null"]}


_SIDE = closed(
    {
        "uri": TEXT,
        "version": {"type": ["integer", "null"], "minimum": 0},
        "verdict": {"enum": ["ok", "failed", "not judged"]},
        "rows": COUNT,
        "measured": {"type": "boolean", "description": "whether its report has `quality`"},
    }
)
_COUNTS = {"anyOf": [{"type": "null"}, closed(dict.fromkeys(KINDS, COUNT))]}


def comparison_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of `Comparison.to_json()`."""
    cell = closed({"split": TEXT, "before": _COUNTS, "after": _COUNTS, "class": TEXT})
    limit = closed(
        {"limit": TEXT, "split": TEXT_OR_NULL, "before": _FLAG_OR_NULL, "after": _FLAG_OR_NULL,
         "text": TEXT, "class": TEXT_OR_NULL},
        description="true: kept; null: not judged",
    )  # fmt: skip
    finding = closed({"check": TEXT, "before": COUNT, "after": COUNT, "gone": listed(TEXT),
                       "new": listed(TEXT)})  # fmt: skip
    figure = closed(
        {
            "split": TEXT,
            "maker": {**TEXT, "description": "name of a generator, or `augmented`"},
            "measure": TEXT,
            "before": {"type": "number"},
            "after": {"type": "number"},
            "extractors": listed(TEXT, description="the values are medians over these"),
            "apart": {**_FLAG_OR_NULL, "description": "all intervals lie apart; null: not known"},
            "worse": {"type": "boolean", "description": "farther from real images than before"},
            "class": {**TEXT_OR_NULL, "description": "null: all classes of the split"},
        }
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "augment comparison of two audits",
        **closed(
            {
                "schema_version": {"const": 1},
                "before": _SIDE,
                "after": _SIDE,
                "cells": listed(cell, description="whose counts differ"),
                "limits": listed(limit, description="that both judge, with other verdicts"),
                "gone": listed(TEXT, description="limits that the first alone is judged by"),
                "new": listed(TEXT, description="limits that the second alone is judged by"),
                "findings": listed(finding, description="checks whose findings differ"),
                "figures": listed(figure, description="of the made part, that both have"),
            }
        ),
    }
