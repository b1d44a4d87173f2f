"""The published JSON Schema of a study. Pure data; a test holds it to the code."""

from __future__ import annotations

from typing import Any

_COUNT = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string"}
_TEXT_OR_NULL = {"type": ["string", "null"]}
_NUMBER = {"type": "number"}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}


def _object(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        **more,
    }


def _list(of: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": of, **more}


def _or_null(one: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"anyOf": [{"type": "null"}, one], **more}


def _by_name(of: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": of, **more}


_ARM = {
    "arm": {"enum": ["real", "classical", "synthetic", "both"]},
    "start": {"enum": ["scratch", "pretrained"]},
    "share": {**_SHARE, "description": "synthetic images of a batch"},
    "maker": {**_TEXT_OR_NULL, "description": "id of the one generator; null: all"},
}
_INTERVAL = _object({"low": _NUMBER, "high": _NUMBER, "level": _NUMBER})
_TEST = {"enum": ["clean", "corrupted"]}
_ASKED = _object(
    {
        "shares": _list(_SHARE),
        "draws": _COUNT,
        "seeds": _COUNT,
        "steps": {**_COUNT, "description": "batches of every training"},
        "seed": _COUNT,
        "network": _TEXT,
        "size": {"type": ["integer", "null"]},
        "weights": _TEXT_OR_NULL,
        "each_generator": {"type": "boolean"},
        "train": _TEXT,
        "validation": _TEXT_OR_NULL,
        "test": _TEXT_OR_NULL,
        "corrupted": {"type": "boolean"},
        "batch": _COUNT,
        "rate": {**_NUMBER, "description": "highest rate of AdamW, from scratch"},
        "pretrained_rate": _NUMBER,
    }
)
_CLASS = _object(
    {
        "class": _TEXT,
        "real": _COUNT,
        "copies": {**_COUNT, "description": "classical copies of real images, in train"},
        "synthetic": _COUNT,
        "validation": {**_COUNT, "description": "0: each draw leaves them out of train"},
        "test": _COUNT,
    }
)
_TRAINED = _object(
    {
        **_ARM,
        "trainings": _COUNT,
        "validation": {**_or_null(_SHARE), "description": "mean accuracy; null: no images"},
        "chosen": {
            "type": "boolean",
            "description": "best in validation of the shares of its kind",
        },
        "tests": _list(
            _object({"test": _TEST, "accuracy": _SHARE, "interval": _or_null(_INTERVAL)}),
            description="means over classes; each interval holds alone",
        ),
        "by_class": _by_name(_SHARE, description="clean recall"),
        "amounts": _by_name(_NUMBER, description="synthetic rows to draw from, mean over draws"),
    }
)
_COMPARISON = _object(
    {
        **_ARM,
        "against": _object(_ARM),
        "test": _TEST,
        "pairs": _COUNT,
        "draws": _COUNT,
        "difference": {**_NUMBER, "description": "of accuracies, in parts of 1"},
        "interval": _or_null(_INTERVAL, description="all of `family` hold together"),
        "verdict": {"enum": ["helps", "hurts", "no evidence", "not judged"]},
        "not_judged": _TEXT_OR_NULL,
        "text": _TEXT,
    }
)
_PREDICTED = _object(
    {
        "measure": {**_TEXT, "description": "of the audit, in parts of real images; or labels"},
        "groups": {**_COUNT, "description": "of class and generator"},
        "rows": {**_COUNT, "description": "groups at each share and arm"},
        "correlation": _or_null({"type": "number", "minimum": -1, "maximum": 1}),
        "interval": _or_null(_INTERVAL, description="of all measures together"),
        "verdict": {"enum": ["predicted", "no evidence", "not judged"]},
        "not_judged": _TEXT_OR_NULL,
    }
)


def study_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of `Study.to_json()`."""
    body = _object(
        {
            "schema_version": {"const": 1},
            "uri": _TEXT,
            "version": {**_COUNT, "description": "Delta version"},
            "id": {**_TEXT, "description": "digest of what decides a training"},
            "asked": _ASKED,
            "splits": _object({"train": _TEXT, "validation": _TEXT_OR_NULL, "test": _TEXT}),
            "side": {**_COUNT, "description": "px of the network's square input"},
            "weights_sha256": _TEXT_OR_NULL,
            "libraries": _by_name(_TEXT, description="name -> version that trained"),
            "classes": _list(_CLASS),
            "makers": _by_name(_TEXT, description="generator.id -> name in the job"),
            "left_out": {**_COUNT, "description": "rows beyond what a worker holds"},
            "lost": {**_COUNT, "description": "rows whose image could not be decoded"},
            "unused": {**_COUNT, "description": "trainings that stand there, not asked for now"},
            "corruptions": _list(
                _object({"name": _TEXT, "parameters": _by_name(_NUMBER)}),
                description="severity -> parameter; empty: nobody asked",
            ),
            "arms": _list({"$ref": "#/$defs/trained"}),
            "family": {**_COUNT, "description": "intervals that hold together"},
            "comparisons": _list({"$ref": "#/$defs/comparison"}),
            "audit": {**_TEXT_OR_NULL, "description": "the report whose measures are asked about"},
            "predicted": _or_null(_list({"$ref": "#/$defs/predicted"})),
            "not_predicted": {**_TEXT_OR_NULL, "description": "why predicted is null"},
        }
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "augment utility study",
        **body,
        "$defs": {"trained": _TRAINED, "comparison": _COMPARISON, "predicted": _PREDICTED},
    }
