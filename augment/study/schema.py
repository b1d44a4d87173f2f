"""The published JSON Schema of a study. Pure data; a test holds it to the code."""

from __future__ import annotations

from typing import Any

from augment.json_schema import COUNT, NUMBER, TEXT, TEXT_OR_NULL, closed, listed, or_null

_SHARE = {"type": "number", "minimum": 0, "maximum": 1}


def _by_name(of: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": of, **more}


_ARM = {
    "arm": {"enum": ["real", "classical", "synthetic", "retrieved", "both"]},
    "start": {"enum": ["scratch", "pretrained"]},
    "share": {**_SHARE, "description": "synthetic, or retrieved, images of a batch"},
    "maker": {**TEXT_OR_NULL, "description": "id of the one generator; null: all"},
}
_INTERVAL = closed({"low": NUMBER, "high": NUMBER, "level": NUMBER})
_TEST = {"enum": ["clean", "corrupted"]}
_ASKED = closed(
    {
        "shares": listed(_SHARE),
        "draws": COUNT,
        "seeds": COUNT,
        "steps": {**COUNT, "description": "batches of every training"},
        "seed": COUNT,
        "network": TEXT,
        "size": {"type": ["integer", "null"]},
        "weights": TEXT_OR_NULL,
        "each_generator": {"type": "boolean"},
        "train": TEXT,
        "validation": TEXT_OR_NULL,
        "test": TEXT_OR_NULL,
        "corrupted": {"type": "boolean"},
        "batch": COUNT,
        "rate": {**NUMBER, "description": "highest rate of AdamW, from scratch"},
        "pretrained_rate": NUMBER,
        "rates": listed(NUMBER, description="times that rate; validation chose one for each arm"),
    }
)
_ASKED["required"].remove("rates")
_CLASS = closed(
    {
        "class": TEXT,
        "real": COUNT,
        "copies": {**COUNT, "description": "classical copies of real images, in train"},
        "synthetic": COUNT,
        "validation": {**COUNT, "description": "0: each draw leaves them out of train"},
        "test": COUNT,
    }
)
_TRAINED = closed(
    {
        **_ARM,
        "trainings": COUNT,
        "validation": {**or_null(_SHARE), "description": "mean accuracy; null: no images"},
        "chosen": {
            "type": "boolean",
            "description": "best in validation of the shares of its kind",
        },
        "tests": listed(
            closed({"test": _TEST, "accuracy": _SHARE, "interval": or_null(_INTERVAL)}),
            description="means over classes; each interval holds alone",
        ),
        "rate": {**NUMBER, "description": "times the usual rate; chosen by validation"},
        "rates": listed(
            closed({"rate": NUMBER, "validation": or_null(_SHARE)}), description="those tried"
        ),
        "by_class": _by_name(_SHARE, description="clean recall"),
        "amounts": _by_name(
            NUMBER, description="synthetic rows, or retrieved images, to draw from, mean over draws"
        ),
    }
)
for _later in ("rate", "rates"):  # results of earlier versions lack them
    _TRAINED["required"].remove(_later)
_COMPARISON = closed(
    {
        **_ARM,
        "against": closed(_ARM),
        "test": _TEST,
        "pairs": COUNT,
        "draws": COUNT,
        "difference": {**NUMBER, "description": "of accuracies, in parts of 1"},
        "interval": or_null(_INTERVAL, description="all of `family` hold together"),
        "verdict": {"enum": ["helps", "hurts", "no evidence", "not judged"]},
        "not_judged": TEXT_OR_NULL,
        "text": TEXT,
    }
)
_PREDICTED = closed(
    {
        "measure": {**TEXT, "description": "of the audit, in parts of real images; or labels"},
        "groups": {**COUNT, "description": "of class and generator"},
        "rows": {**COUNT, "description": "groups at each share and arm"},
        "correlation": or_null({"type": "number", "minimum": -1, "maximum": 1}),
        "interval": or_null(_INTERVAL, description="of all measures together"),
        "verdict": {"enum": ["predicted", "no evidence", "not judged"]},
        "not_judged": TEXT_OR_NULL,
    }
)
_RETRIEVED = closed(
    {
        "sources": listed(TEXT, description="of the job, with use: inputs"),
        "extractor": {**TEXT, "description": "whose features say what is near"},
        "offered": {**COUNT, "description": "images of the sources"},
        "left_out": _by_name(COUNT, description="cause -> images that could not be taken"),
        "by_class": {
            "type": "boolean",
            "description": "the sources' labels say the class; else the nearest train image does",
        },
        "classes": listed(
            closed({"class": TEXT, "asked": COUNT, "had": COUNT}),
            description="asked: synthetic rows of train; had: real images that were retrieved",
        ),
        "not_computed": {**TEXT_OR_NULL, "description": "why there is no such arm"},
        "text": TEXT,
    }
)


def study_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of `Study.to_json()`."""
    body = closed(
        {
            "schema_version": {"const": 1},
            "uri": TEXT,
            "version": {**COUNT, "description": "Delta version"},
            "id": {**TEXT, "description": "digest of what decides a training"},
            "asked": _ASKED,
            "splits": closed({"train": TEXT, "validation": TEXT_OR_NULL, "test": TEXT}),
            "side": {**COUNT, "description": "px of the network's square input"},
            "weights_sha256": TEXT_OR_NULL,
            "libraries": _by_name(TEXT, description="name -> version that trained"),
            "classes": listed(_CLASS),
            "makers": _by_name(TEXT, description="generator.id -> name in the job"),
            "left_out": {**COUNT, "description": "rows beyond what a worker holds"},
            "lost": {**COUNT, "description": "rows whose image could not be decoded"},
            "unused": {**COUNT, "description": "trainings that stand there, not asked for now"},
            "retrieved": or_null(
                _RETRIEVED,
                description="real images as a rival of synthetic ones; null: none on offer",
            ),
            "corruptions": listed(
                closed({"name": TEXT, "parameters": _by_name(NUMBER)}),
                description="severity -> parameter; empty: nobody asked",
            ),
            "arms": listed({"$ref": "#/$defs/trained"}),
            "family": {**COUNT, "description": "intervals that hold together"},
            "comparisons": listed({"$ref": "#/$defs/comparison"}),
            "audit": {**TEXT_OR_NULL, "description": "the report whose measures are asked about"},
            "predicted": or_null(listed({"$ref": "#/$defs/predicted"})),
            "not_predicted": {**TEXT_OR_NULL, "description": "why predicted is null"},
        }
    )
    body["required"].remove("retrieved")  # results of earlier versions lack it
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "augment utility study",
        **body,
        "$defs": {"trained": _TRAINED, "comparison": _COMPARISON, "predicted": _PREDICTED},
    }
