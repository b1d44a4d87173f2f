"""The published JSON Schema of an audit report. Pure data; a test holds it to the code."""

from __future__ import annotations

from typing import Any

from augment.audit.quality.schema import quality_defs
from augment.json_schema import (
    COUNT,
    NUMBER,
    TEXT,
    TEXT_OR_NULL,
    closed,
    closed_but,
    listed,
    or_null,
)
from augment.sources.left_out import Cause

_TEXTS = {"type": "array", "items": TEXT}


def _list(of: str) -> dict[str, Any]:
    return {"type": "array", "items": {"$ref": f"#/$defs/{of}"}}


_SHARE = closed(
    {
        "group": {
            "type": "object",
            "description": "which rows: class, split, origin, generator, source, or an "
            "attribute; {}: all",
            "additionalProperties": TEXT_OR_NULL,
        },
        "rows": {**COUNT, "description": "real + augmented + generated"},
        "real": {**COUNT, "description": "untouched real images"},
        "augmented": {**COUNT, "description": "classical copies whose every ancestor is real"},
        "generated": {**COUNT, "description": "rows with a generator among their ancestors"},
        "synthetic_share": {
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "description": "generated / rows",
        },
        "synthetic_to_real": {
            "anyOf": [{"type": "number", "minimum": 0}, {"const": "infinite"}],
            "description": "generated / real; infinite: generated rows and no real one",
        },
        "unique_real": {
            "type": ["integer", "null"],
            "minimum": 0,
            "description": "different real images by sha256; null: rows have no sha256",
        },
    }
)
_LIMIT = closed(
    {
        "limit": TEXT,
        "job": {**TEXT_OR_NULL, "description": "that left it with the table; null: it was given"},
        "split": {**TEXT_OR_NULL, "description": "null: nowhere, the version has no rows"},
        "class": {**TEXT_OR_NULL, "description": "null: over all classes of the split"},
        "value": {"type": ["number", "null"], "description": "null: infinite, or not known"},
        "bound": {"type": "number"},
        "ok": {"type": ["boolean", "null"], "description": "null: not judged, it has no rows"},
        "by_how_much": {
            "type": ["number", "null"],
            "minimum": 0,
            "description": "beyond the bound; null: infinite, or not known",
        },
        "text": TEXT,
    }
)
_CHECK = closed(
    {
        "name": TEXT,
        "passed": {"type": ["boolean", "null"], "description": "null: not checked, or not judged"},
        "text": TEXT,
    }
)
_FINDING = closed_but(
    ("group",),
    {
        "check": {**TEXT, "description": "name of the check that found it"},
        "text": TEXT,
        "n": {**COUNT, "description": "rows or cells concerned"},
        "warns": {
            "type": "boolean",
            "description": "for the owner to weigh; it does not fail the verdict",
        },
        "group": {
            "description": "whose rows it is about; null: not those of one group",
            **or_null(
                closed(
                    {
                        "split": TEXT,
                        "class": {**TEXT_OR_NULL, "description": "null: all classes"},
                        "maker": {**TEXT_OR_NULL, "description": "as in figures"},
                    }
                )
            ),
        },
    },
)
_KINDS = {
    "machine": "a mark in the file says that a machine made the image",
    "otherwise": "a mark names another origin",
    "undeclared": "the row is generated and its file does not say so",
    "unknown": "neither the row nor the file says where the image comes from",
    "silent": "the row calls the image real or a copy of one, and its file says nothing",
}
_OF_KINDS = {kind: {**COUNT, "description": text} for kind, text in _KINDS.items()}
_COUNTS = {"type": "object", "additionalProperties": COUNT}
_LEFT_OUT = closed(
    {
        "job": {**TEXT, "description": "empty: of a folder of images that no job made"},
        "source": TEXT,
        "taken": {**COUNT, "description": "images of the source that are in the plan"},
        "left_out": {**COUNT, "description": "names and rows that are not"},
        "losses": {
            "type": "array",
            "items": closed(
                {
                    "cause": {"enum": [cause.value for cause in Cause]},
                    "ending": {**TEXT, "description": "of the names, without its dot"},
                    "n": COUNT,
                    "classes": {**_COUNTS, "description": "label of the source -> how many"},
                    "examples": {**_TEXTS, "description": "a few paths below the source"},
                }
            ),
        },
        "of": {**_COUNTS, "description": "label -> images in the source, where some were lost"},
        "empty_classes": {**_TEXTS, "description": "class folders without an image to use"},
    }
)
_SKEW = closed(
    {
        "split": TEXT,
        "class": {**TEXT_OR_NULL, "description": "null: all classes of the split"},
        "maker": {**TEXT, "description": "id of a generator"},
        "n": {**COUNT, "description": "generated rows that have a value"},
        "n_real": COUNT,
        "distance": {
            "type": ["number", "null"],
            "minimum": 0,
            "maximum": 1,
            "description": "total variation between the values of generated and of real rows",
        },
        "reference": {
            "description": "the distance where the rows of each class are dealt anew",
            **or_null(closed({"draws": COUNT, "low": NUMBER, "median": NUMBER, "high": NUMBER})),
        },
        "warns": {"type": "boolean"},
        "values": {
            "type": "object",
            "additionalProperties": closed({"generated": NUMBER, "expected": NUMBER}),
            "description": "value -> its share among generated rows, and as real rows have it",
        },
        "not_computed": TEXT_OR_NULL,
    }
)
_ATTRIBUTE = closed(
    {
        "attribute": TEXT,
        "values": listed(
            closed(
                {
                    "value": {**TEXT_OR_NULL, "description": "null: rows that have none"},
                    "splits": {
                        "type": "object",
                        "additionalProperties": {"$ref": "#/$defs/share"},
                    },
                    "quality": {
                        "description": "of the rows of this value; null: not measured",
                        **or_null({"$ref": "#/$defs/quality"}),
                    },
                }
            )
        ),
        "skews": listed(_SKEW),
    }
)
_DECLARED = closed(
    {
        **_OF_KINDS,
        "splits": {"type": "object", "additionalProperties": closed(_OF_KINDS)},
        "marks": {**_COUNTS, "description": "mark -> rows whose file holds it"},
    }
)


def audit_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of `AuditReport.to_json()`."""
    body = closed(
        {
            "schema_version": {"const": 1},
            "uri": TEXT,
            "version": {
                "type": ["integer", "null"],
                "minimum": 0,
                "description": "Delta version; null: a folder without a Delta log",
            },
            "ok": {"type": "boolean", "description": "whether the verdict is ok"},
            "verdict": {
                "enum": ["ok", "failed", "not judged"],
                "description": "failed: a broken limit, or a finding that does more than warn; "
                "not judged: no rows",
            },
            "rows": COUNT,
            "shards": COUNT,
            "classes": {**_TEXTS, "description": "in order of label; then names that no list has"},
            "jobs": _TEXTS,
            "generators": {
                "type": "object",
                "additionalProperties": TEXT,
                "description": "generator.id -> name in the job that used it",
            },
            "counts_from": {
                "enum": ["rows", "log"],
                "description": "log: what commits counted, and no row was read",
            },
            "log": {
                "enum": ["agrees", "differs", "none"],
                "description": "whether the counts of the commits agree with the rows",
            },
            "whole": {"$ref": "#/$defs/share"},
            "splits": _list("share"),
            "cells": {**_list("share"), "description": "per split and class"},
            "by": {
                "type": "array",
                "items": {"enum": ["class", "split", "origin", "generator", "source"]},
            },
            "groups": {**_list("share"), "description": "per combination of `by`"},
            "limits_from": {
                "enum": ["recorded", "given", "none"],
                "description": "recorded with the table by its jobs, or given in their place",
            },
            "limits": _list("limit"),
            "checks": _list("check"),
            "findings": _list("finding"),
            "left_out": {
                **_list("left_out"),
                "description": "what stood in the sources and was not planned, as jobs say; "
                "what of an audited folder is no image",
            },
            "declared": {
                "anyOf": [{"type": "null"}, {"$ref": "#/$defs/declared"}],
                "description": "what images say in their files of where they come from; null: "
                "not known of every row",
            },
            "attributes": {
                **_list("attribute"),
                "description": "the data set by the values of what was asked for",
            },
            "quality": {
                "anyOf": [{"type": "null"}, {"$ref": "#/$defs/quality"}],
                "description": "how good the made part is; null: nobody asked",
            },
        }
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "augment audit report",
        **body,
        "$defs": {
            "share": _SHARE,
            "limit": _LIMIT,
            "check": _CHECK,
            "finding": _FINDING,
            "left_out": _LEFT_OUT,
            "declared": _DECLARED,
            "attribute": _ATTRIBUTE,
            **quality_defs(),
        },
    }
