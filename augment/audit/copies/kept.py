"""A detector as arrays, and back: what a file of it has to hold. Knows no file.

Restored, it answers as the one that was fit, bit for bit. Detectors that look for candidates by
extractors, or among images of a class alone, are not kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from augment.audit.copies.calibration import Calibration, NotCalibrated, Twin, calibrated
from augment.audit.copies.candidates import Index, Pixels
from augment.audit.copies.detector import Detector, Recall
from augment.audit.copies.evidence import NAMES
from augment.audit.copies.images import COLOUR_SIDE, SIDE, Reduced
from augment.audit.copies.planted import KINDS
from augment.audit.copies.projection import Projection
from augment.audit.copies.search import Search
from augment.audit.copies.verifier import Verifier
from augment.audit.copies.views import FRAMED, SEEN, SETTLED
from augment.audit.copies.warps import Array
from augment.audit.measures.shares import clopper_pearson

VERSION = 1
"""Of the arrays, and of what a detector finds: another one is raised where either changes."""
_VERIFIER = ("mean", "scale", "weights", "most", "least")


def kept(detector: Detector) -> tuple[dict[str, Array], dict[str, Any]]:
    """(arrays, the rest as JSON). Arrays are uint8, int64, float32 or float64.

    Raises:
        ValueError: it looks for candidates by extractors, or within a class.
    """
    search, held = detector.searched, detector.calibration.held
    if search.extractors or search.labels is not None:
        raise ValueError("detector: got extractors or same_class; expected one of pixels alone")
    small, pixels = search.small, search.index.pixels
    arrays = {
        "grey": small.grey,
        "colour": small.colour,
        "digests": np.frombuffer(b"".join(small.digests), np.uint8).reshape(len(small), -1),
        "framing.mean": pixels.framing.mean,
        "framing.axes": pixels.framing.axes,
        "settling.mean": pixels.settling.mean,
        "settling.axes": pixels.settling.axes,
        "framed": pixels.framed,
        "settled": pixels.settled,
        "settlings": pixels.settlings,
        **{f"verifier.{name}": getattr(detector.verify, name) for name in _VERIFIER},
        "verifier.bias": np.array([detector.verify.bias]),
        "held.rows": _pairs((t.holdout, t.protected) for t in held.twins),
        "held.scores": np.array([t.score for t in held.twins], np.float64),
        "held.equal": _pairs(detector.calibration.equal),
    }
    classes = sorted(set(held.labels or ()))
    if held.labels is not None:
        at = {label: n for n, label in enumerate(classes)}
        arrays["held.labels"] = np.array([at[label] for label in held.labels], np.int64)
    overall = detector.calibration.overall
    about = {
        "version": VERSION,
        "rate": detector.calibration.rate,
        "not_calibrated": overall.reason if isinstance(overall, NotCalibrated) else None,
        "n": overall.n,
        "classes": classes,
        "recall": {one.kind: [one.n, one.found, one.named] for one in detector.recall},
    }
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}, about


def restored(arrays: Mapping[str, Array], about: Mapping[str, Any]) -> Detector:
    """The detector.

    Raises:
        KeyError, TypeError, ValueError: these are no detector's of this version.
    """
    if about["version"] != VERSION:
        raise ValueError(f"version: got {about['version']!r}; expected {VERSION}")
    n = len(arrays["grey"])
    small = Reduced(
        _shaped(arrays, "grey", n, SIDE, SIDE, kind="u"),
        _shaped(arrays, "colour", n, COLOUR_SIDE, COLOUR_SIDE, 3, kind="u"),
        tuple(row.tobytes() for row in _shaped(arrays, "digests", n, 16, kind="u")),
    )
    return Detector(
        Search(small, Index(_pixels(arrays, n), {}), {}),
        _verifier(arrays),
        _calibration(arrays, about),
        tuple(_recall(kind, *about["recall"][kind]) for kind in KINDS if kind in about["recall"]),
    )


def _pairs(rows: Iterable[tuple[int, int]]) -> Array:
    return np.array(list(rows), np.int64).reshape(-1, 2)


def _shaped(arrays: Mapping[str, Array], name: str, *shape: int, kind: str = "f") -> Array:
    """kind: of its numbers, as in `numpy.dtype.kind`."""
    if (array := arrays[name]).shape != shape or array.dtype.kind != kind:
        came = f"{array.shape} {array.dtype}"
        raise ValueError(f"{name}: got {came}; expected {shape} of kind {kind}")
    return array


def _pixels(arrays: Mapping[str, Array], n: int) -> Pixels:
    framing, settling = (
        Projection(arrays[f"{one}.mean"], arrays[f"{one}.axes"]) for one in ("framing", "settling")
    )
    for one in (framing, settling):
        if one.mean.shape != (SEEN**2,) or one.axes.shape[:-1] != (SEEN**2,):
            raise ValueError(f"projection: got {one.axes.shape}; expected ({SEEN**2}, ...)")
    d = framing.axes.shape[1], settling.axes.shape[1]
    return Pixels(
        framing, settling,
        _shaped(arrays, "framed", len(FRAMED), n, d[0]),
        _shaped(arrays, "settled", len(SETTLED), n, d[1]),
        _shaped(arrays, "settlings", n, 3, 3),
    )  # fmt: skip


def _verifier(arrays: Mapping[str, Array]) -> Verifier:
    mean, scale, weights, most, least = (
        _shaped(arrays, f"verifier.{name}", len(NAMES)) for name in _VERIFIER
    )
    bias = float(_shaped(arrays, "verifier.bias", 1)[0])
    return Verifier(mean, scale, weights, bias, most, least)


def _calibration(arrays: Mapping[str, Array], about: Mapping[str, Any]) -> Calibration:
    scores = arrays["held.scores"].tolist()
    rows = _shaped(arrays, "held.rows", len(scores), 2, kind="i").tolist()
    twins = [Twin(a, b, score) for (a, b), score in zip(rows, scores, strict=True)]
    labels, classes = None, [str(name) for name in about["classes"]]
    if "held.labels" in arrays:
        own = [classes[at] for at in _shaped(arrays, "held.labels", len(scores), kind="i")]
        labels = {row[0]: label for row, label in zip(rows, own, strict=True)}
    equal = [(int(a), int(b)) for a, b in arrays["held.equal"].tolist()]
    if (reason := about["not_calibrated"]) is not None:
        return Calibration(float(about["rate"]), NotCalibrated(str(reason), int(about["n"])))
    return calibrated(twins, labels, float(about["rate"]), equal)


def _recall(kind: str, n: int, found: int, named: int) -> Recall:
    return Recall(kind, n, found, named, clopper_pearson(found, n))
