"""The published JSON Schema of `Quality.to_json()`. Pure data; a test holds it to the code."""

from __future__ import annotations

from typing import Any

from augment.audit.quality.comparing import MEASURES

_COUNT = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string"}
_TEXT_OR_NULL = {"type": ["string", "null"]}
_NUMBER = {"type": "number"}
_NUMBER_OR_NULL = {"type": ["number", "null"]}
_SHARE_OR_NULL = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
_GROUP = {
    "split": _TEXT,
    "class": {**_TEXT_OR_NULL, "description": "null: all classes of the split"},
    "maker": {**_TEXT_OR_NULL, "description": "id of a generator, or `augmented`; null: real"},
}


def _object(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        **more,
    }


def _or_null(one: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"anyOf": [{"type": "null"}, one], **more}


def _list(of: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": of, **more}


_INTERVAL = _object({"low": _NUMBER, "high": _NUMBER, "level": _NUMBER})
_EXTRACTOR_INFO = _object(
    {
        "name": _TEXT,
        "version": _COUNT,
        "dimensions": _COUNT,
        "weights_sha256": _TEXT,
        "resize": {**_TEXT, "description": "how an image becomes the network's input"},
        "digest": {**_TEXT, "description": "over all of it"},
    }
)
_REFERENCE = _object(
    {
        "kind": {
            "enum": ["holdout", "halves"],
            "description": "train against holdout, or two halves of train",
        },
        "draws": _COUNT,
        "low": _NUMBER,
        "median": _NUMBER,
        "high": _NUMBER,
    },
    description="the same figure between real images of the same n",
)
_FIGURE = _object(
    {
        "measure": {"enum": list(MEASURES)},
        "extractor": _TEXT_OR_NULL,
        **_GROUP,
        "value": _NUMBER_OR_NULL,
        "n": {**_COUNT, "description": "made images that it is of"},
        "n_real": {"type": ["integer", "null"], "minimum": 0},
        "real": {
            "enum": ["train", "holdout", "both", None],
            "description": "where the real images come from; the holdout where train has fewer",
        },
        "interval": _or_null(_INTERVAL),
        "reference": _or_null(_REFERENCE),
        "quantile": {**_SHARE_OR_NULL, "description": "its place among the reference's draws"},
        "ratio": {**_NUMBER_OR_NULL, "description": "value : median of the reference"},
        "apart": {
            "type": ["boolean", "null"],
            "description": "outside of what real images give, on the worse side",
        },
        "not_computed": {**_TEXT_OR_NULL, "description": "why value or reference is null"},
    }
)
_LABELS = _object(
    {
        **_GROUP,
        "n": _COUNT,
        "agreement": {**_SHARE_OR_NULL, "description": "whose class the classifier names too"},
        "interval": _or_null(_INTERVAL),
        "shown": {
            "type": "object",
            "additionalProperties": _COUNT,
            "description": "other class that it names -> images, the most frequent five",
        },
        "doubtful": {**_COUNT, "description": "rows whose class has a probability below 0.1"},
        "not_computed": _TEXT_OR_NULL,
    }
)


_COPY = _object(
    {
        "sample_id": _TEXT,
        **_GROUP,
        "real_id": _TEXT,
        "real_split": _TEXT,
        "score": _NUMBER,
        "equal": {"type": "boolean", "description": "pixel by pixel"},
        "mirrored": {"type": "boolean"},
    }
)
_SEARCHED = _object(
    {
        "of": {
            "enum": ["train", "holdout"],
            "description": "real images of the splits that made ones are in, or of the others",
        },
        "protected": {**_COUNT, "description": "real images that were searched"},
        "real": {**_COUNT, "description": "that there are"},
        "rate": {**_NUMBER, "description": "share of real images that may be called copies"},
        "threshold": {**_NUMBER_OR_NULL, "description": "of the score; null: not calibrated"},
        "holdout": {**_COUNT, "description": "real images that the threshold comes from"},
        "upper": {**_SHARE_OR_NULL, "description": "95 % upper bound of the rate"},
        "not_calibrated": _TEXT_OR_NULL,
        "recall": _list(
            _object({"kind": _TEXT, "n": _COUNT, "found": _COUNT, "interval": _INTERVAL}),
            description="of copies that were planted in this data set",
        ),
        "looked": _list(_object({**_GROUP, "n": _COUNT, "copies": _COUNT})),
        "copies": _list(_COPY, description="the nearest, 200 at most"),
        "twins": _list(
            _object({"id": _TEXT, "real_id": _TEXT, "score": _NUMBER}),
            description="real images that look most like protected ones: the threshold is theirs",
        ),
    }
)


_LEAKS = _object(
    {
        "splits": {
            "type": "object",
            "additionalProperties": _object({"n": _COUNT, "found": _COUNT}),
            "description": "split that nothing is made in -> its real images, found in train",
        },
        "rate": {**_NUMBER, "description": "share that chance explains, at most"},
        "leaks": _list(
            _object(
                {"sample_id": _TEXT, "split": _TEXT, "train_id": _TEXT, "score": _NUMBER,
                 "equal": {"type": "boolean"}}
            ),
            description="the nearest, 200 at most",
        ),
        "not_judged": _TEXT_OR_NULL,
    }
)  # fmt: skip


def quality_defs() -> dict[str, Any]:
    """What `$defs` of an audit report has for its quality."""
    repeats = _object({**_GROUP, "rows": _COUNT, "different": _COUNT})
    fidelity = _object({**_GROUP, "frechet_ratio": _NUMBER, "extractors": _COUNT})
    doubt = _object({"sample_id": _TEXT, **_GROUP, "probability": _NUMBER, "shows": _TEXT})
    extractor = _object(
        {"name": _TEXT, "info": _or_null(_EXTRACTOR_INFO), "not_computed": _TEXT_OR_NULL}
    )
    return {
        "quality": _object(
            {
                "seed": _COUNT,
                "draws": _object({"references": _COUNT, "intervals": _COUNT}),
                "extractors": _list(extractor),
                "makers": {"type": "object", "additionalProperties": _TEXT},
                "lost": {**_COUNT, "description": "rows whose image could not be seen"},
                "fidelity": _list(
                    fidelity, description="geometric mean of Fréchet ratios over extractors"
                ),
                "figures": _list({"$ref": "#/$defs/figure"}),
                "repeats": _list(repeats, description="rows and different images, by hash"),
                "labels": _list({"$ref": "#/$defs/agreement"}),
                "quarantine": _list(
                    doubt, description="made rows that show least of their class, 200 at most"
                ),
                "leaks": _or_null(
                    _LEAKS, description="real images of one split in another; null: nobody asked"
                ),
                "copies": _or_null(_list(_SEARCHED), description="null: nobody asked"),
            }
        ),
        "figure": _FIGURE,
        "agreement": _LABELS,
    }
