"""A small surface that has something in every section, and the same with one thing changed."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

TOY: dict[str, dict[str, Any]] = {
    "names": {"augment.api.Job": {"is": "class"}, "augment.NAME": {"is": "str", "value": "a"}},
    "functions": {
        "run": {
            "returns": "Result | None",
            "parts": {
                "job": {"kind": "positional or keyword", "required": True, "default": None,
                        "type": "Job | str", "position": 0},
                "engine": {"kind": "keyword-only", "required": False, "default": "None",
                           "type": "'ray' | 'local' | None"},
            },
        },
        "stop": {"returns": "None", "parts": {}},
    },
    "classes": {
        "Result": {"parts": {"rows": {"type": "int"}, "version": {"type": "int | None"}}},
        "Origin": {"parts": {"REAL": {"value": "real"}}},
    },
    "protocols": {"Reporter": {"parts": {"note": {"is": "(text: str) -> None"}}}},
    "commands": {
        "augment run": {
            "parts": {
                "argument 1": {"required": True, "takes": "one value", "value": "str",
                               "choices": None, "default": None},
                "--engine": {"required": False, "takes": "one value", "value": "str",
                             "choices": ["ray", "local"], "default": "'ray'"},
                "--yes": {"required": False, "takes": "no value", "not_with": ["--dry-run"]},
                "--set": {"required": False, "takes": "one value", "value": "str",
                          "choices": None, "default": "[]", "repeats": True},
            }
        },
        "augment stop": {"parts": {}},
    },
    "errors": {
        "AugmentError": {"exit_code": 3, "caught_as": ["Exception"]},
        "GateError": {"exit_code": 1, "caught_as": ["AugmentError", "Exception"]},
    },
    "tables": {
        "sample": {
            "version": "1",
            "parts": {
                "id": {"type": "string", "nullable": False},
                "mask": {"type": "binary", "nullable": True},
            },
        },
        "manifest": {
            "version": "1",
            "parts": {"index": {"type": "int64", "nullable": True, "required": False}},
        },
    },
    "metrics": {
        "augment_rows": {"kind": "gauge", "labels": ["class"], "scope": "run"},
        "augment_info": {"kind": "gauge", "labels": [], "scope": "run"},
    },
    "machine": {"variable AUGMENT_POLICY": {}},
    "distribution": {"augment-vision": {"parts": {"extra s3": {}}}},
    "schemas": {"job": {"direction": "read", "schema": {"type": "object"}}},
}  # fmt: skip

Path = Sequence[str]
GONE = object()


def with_(path: Path, value: Any) -> dict[str, dict[str, Any]]:
    """The toy with one place set, or gone."""
    surface = copy.deepcopy(TOY)
    place: dict[str, Any] = surface
    for name in path[:-1]:
        place = place[name]
    if value is GONE:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return surface
