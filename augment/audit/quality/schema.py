"""The published JSON Schema of `Quality.to_json()`. Pure data; a test holds it to the code."""

from __future__ import annotations

from typing import Any

from augment.audit.quality.comparing import MEASURES
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

_NUMBER_OR_NULL = {"type": ["number", "null"]}
_SHARE_OR_NULL = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
_GROUP = {
    "split": TEXT,
    "class": {**TEXT_OR_NULL, "description": "null: all classes of the split"},
    "maker": {**TEXT_OR_NULL, "description": "id of a generator, or `augmented`; null: real"},
}


_INTERVAL = closed({"low": NUMBER, "high": NUMBER, "level": NUMBER})
_EXTRACTOR_INFO = closed(
    {
        "name": TEXT,
        "version": COUNT,
        "dimensions": COUNT,
        "weights_sha256": TEXT,
        "resize": {**TEXT, "description": "how an image becomes the network's input"},
        "digest": {**TEXT, "description": "over all of it"},
    }
)
_REFERENCE = closed(
    {
        "kind": {
            "enum": ["holdout", "halves"],
            "description": "train against holdout, or two halves of train",
        },
        "draws": COUNT,
        "low": NUMBER,
        "median": NUMBER,
        "high": NUMBER,
    },
    description="the same figure between real images of the same n",
)
_FIGURE = closed(
    {
        "measure": {"enum": list(MEASURES)},
        "extractor": TEXT_OR_NULL,
        **_GROUP,
        "value": _NUMBER_OR_NULL,
        "n": {**COUNT, "description": "made images that it is of"},
        "n_real": {"type": ["integer", "null"], "minimum": 0},
        "real": {
            "enum": ["train", "holdout", "both", None],
            "description": "where the real images come from; the holdout where train has fewer",
        },
        "interval": or_null(_INTERVAL),
        "reference": or_null(_REFERENCE),
        "quantile": {**_SHARE_OR_NULL, "description": "its place among the reference's draws"},
        "ratio": {**_NUMBER_OR_NULL, "description": "value : median of the reference"},
        "apart": {
            "type": ["boolean", "null"],
            "description": "outside of what real images give, on the worse side",
        },
        "not_computed": {**TEXT_OR_NULL, "description": "why value or reference is null"},
    }
)
_LABELS = closed(
    {
        **_GROUP,
        "n": COUNT,
        "agreement": {**_SHARE_OR_NULL, "description": "whose class the classifier names too"},
        "interval": or_null(_INTERVAL),
        "shown": {
            "type": "object",
            "additionalProperties": COUNT,
            "description": "other class that it names -> images, the most frequent five",
        },
        "doubtful": {**COUNT, "description": "rows whose class has a probability below 0.1"},
        "inception_score": {
            **_NUMBER_OR_NULL,
            "description": "by this classifier, of all classes together; null: fewer than 200 "
            "images, or one class",
        },
        "not_computed": TEXT_OR_NULL,
    }
)


_COPY = closed(
    {
        "sample_id": TEXT,
        **_GROUP,
        "real_id": TEXT,
        "real_split": TEXT,
        "score": NUMBER,
        "equal": {"type": "boolean", "description": "pixel by pixel"},
        "mirrored": {"type": "boolean"},
    }
)
_BINS = closed(
    {
        "n": {**COUNT, "description": "images"},
        "unlike": {**COUNT, "description": "of these, without any candidate to score"},
        "first": {"type": "integer", "description": "number of the first bin"},
        "counts": listed(
            COUNT, description="images of each bin; the outermost hold what is beyond"
        ),
    }
)
_SCORES = closed(
    {
        "width": NUMBER,
        "real": {**_BINS, "description": "of the images that the threshold comes from"},
        "made": {**_BINS, "description": "of generated images"},
    },
    description="scores less the threshold of the image's class: bin i holds those above i x width "
    "and up to (i + 1) x width, so bins from 0 on lie beyond the threshold; null: not calibrated",
)
_SEARCHED = closed_but(
    ("scores",),
    {
        "of": {
            "enum": ["train", "holdout"],
            "description": "real images of the splits that made ones are in, or of the others",
        },
        "protected": {**COUNT, "description": "real images that were searched"},
        "real": {**COUNT, "description": "that there are"},
        "rate": {**NUMBER, "description": "share of real images that may be called copies"},
        "threshold": {**_NUMBER_OR_NULL, "description": "of the score; null: not calibrated"},
        "holdout": {**COUNT, "description": "real images that the threshold comes from"},
        "upper": {**_SHARE_OR_NULL, "description": "95 % upper bound of the rate"},
        "not_calibrated": TEXT_OR_NULL,
        "recall": listed(
            closed({"kind": TEXT, "n": COUNT, "found": COUNT, "interval": _INTERVAL}),
            description="of copies that were planted in this data set",
        ),
        "looked": listed(closed({**_GROUP, "n": COUNT, "copies": COUNT})),
        "copies": listed(_COPY, description="the nearest, 200 at most"),
        "twins": listed(
            closed({"id": TEXT, "real_id": TEXT, "score": NUMBER}),
            description="real images that look most like protected ones: the threshold is theirs",
        ),
        "scores": or_null(_SCORES),
    },
)


_LEAKS = closed(
    {
        "splits": {
            "type": "object",
            "additionalProperties": closed({"n": COUNT, "found": COUNT}),
            "description": "split that nothing is made in -> its real images, found in train",
        },
        "rate": {**NUMBER, "description": "share that chance explains, at most"},
        "leaks": listed(
            closed(
                {"sample_id": TEXT, "split": TEXT, "train_id": TEXT, "score": NUMBER,
                 "equal": {"type": "boolean"}}
            ),
            description="the nearest, 200 at most",
        ),
        "not_judged": TEXT_OR_NULL,
    }
)  # fmt: skip


_EMBEDDING = closed(
    {
        "extractor": TEXT,
        "shares": {
            "type": "array",
            "items": NUMBER,
            "minItems": 2,
            "maxItems": 2,
            "description": "of the variance of the features, that each direction shows",
        },
        "points": listed(
            closed({"sample_id": TEXT, **_GROUP, "x": NUMBER, "y": NUMBER}),
            description="600 at most; each beginning of the list is even over classes and origins",
        ),
    },
    description="some images at the principal components of their features; null: none was drawn",
)


def quality_defs() -> dict[str, Any]:
    """What `$defs` of an audit report has for its quality."""
    repeats = closed({**_GROUP, "rows": COUNT, "different": COUNT})
    fidelity = closed({**_GROUP, "frechet_ratio": NUMBER, "extractors": COUNT})
    doubt = closed({"sample_id": TEXT, **_GROUP, "probability": NUMBER, "shows": TEXT})
    extractor = closed(
        {"name": TEXT, "info": or_null(_EXTRACTOR_INFO), "not_computed": TEXT_OR_NULL}
    )
    return {
        "quality": closed_but(
            ("embedding",),
            {
                "seed": COUNT,
                "draws": closed({"references": COUNT, "intervals": COUNT}),
                "extractors": listed(extractor),
                "makers": {"type": "object", "additionalProperties": TEXT},
                "lost": {**COUNT, "description": "rows whose image could not be seen"},
                "fidelity": listed(
                    fidelity, description="geometric mean of Fréchet ratios over extractors"
                ),
                "figures": listed({"$ref": "#/$defs/figure"}),
                "repeats": listed(repeats, description="rows and different images, by hash"),
                "labels": listed({"$ref": "#/$defs/agreement"}),
                "quarantine": listed(
                    doubt, description="made rows that show least of their class, 200 at most"
                ),
                "leaks": or_null(
                    _LEAKS, description="real images of one split in another; null: nobody asked"
                ),
                "copies": or_null(listed(_SEARCHED), description="null: nobody asked"),
                "embedding": or_null(_EMBEDDING),
            },
        ),
        "figure": _FIGURE,
        "agreement": _LABELS,
    }
