"""Pieces of JSON Schema (draft 2020-12) that several published schemas are made of. Pure data."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

Schema = dict[str, Any]

COUNT: Schema = {"type": "integer", "minimum": 0}
TEXT: Schema = {"type": "string"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
NUMBER: Schema = {"type": "number"}


def closed(properties: dict[str, Any], **more: Any) -> Schema:
    """An object with exactly these properties."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        **more,
    }


def closed_but(absent: Collection[str], properties: dict[str, Any], **more: Any) -> Schema:
    """As `closed`, but that these may be absent: documents from before they were added are."""
    required = [name for name in properties if name not in absent]
    return closed(properties, **{"required": required, **more})


def listed(of: Schema, **more: Any) -> Schema:
    """An array of these."""
    return {"type": "array", "items": of, **more}


def or_null(one: Schema, **more: Any) -> Schema:
    """It, or null."""
    return {"anyOf": [{"type": "null"}, one], **more}
