"""`feature_outlier.distance`: how far a sample lies from the real images of its class, in features.

The distance to the third nearest real image of the class, in units of the same distance that 95 %
of those real images keep among themselves: above 1 lies one real image in twenty.

Shape letters: N images, D dimensions, C classes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from augment.audit.measures.neighbours import Base, nearest
from augment.checkpoints.blob import Blob, open_blob
from augment.checkpoints.safetensors_file import FLOATS, read_safetensors
from augment.errors import CheckpointError, RequestError
from augment.features import Asked, build, describe
from augment.features.arithmetic import plain_sums
from augment.plan.scored import LEAST_NEAR
from augment.run.scoring.reference import Reference
from augment.seeds import digest
from augment.spec.filters import FeatureOutlier as Spec

NAMES = ("feature_outlier.distance",)
_VERSION = 1
_NEIGHBOUR = 3
_QUANTILE = 0.95
_BATCH = 32


def digest_of(reference: Reference, spec: Spec) -> str:
    """32 hex digits."""
    extractor = describe(Asked(spec.extractor)).digest
    known = ["feature_outlier", _VERSION, _NEIGHBOUR, _QUANTILE, extractor, reference.known_by]
    return digest(known)[:32]


def fitted_to(reference: Reference, spec: Spec, place: str) -> bytes:
    """Features of the real images by class, and the unit of each class.

    Raises:
        RequestError: no class has enough real images, or a library is missing.
    """
    from safetensors.numpy import save

    network = build(Asked(spec.extractor))
    by_class: dict[str, list[np.ndarray]] = {}
    for labels, images in _batches(reference.decoded()):
        with plain_sums("cpu"):
            features = np.asarray(network(images), np.float32)
        for label, row in zip(labels, features, strict=True):
            by_class.setdefault(label, []).append(row)
    known = {c: np.stack(some) for c, some in by_class.items() if len(some) >= LEAST_NEAR}
    if not known:
        raise RequestError(
            f"{place}: no class has {LEAST_NEAR} real images that can be read; leave it out"
        )
    classes = sorted(known)
    tensors = {str(n): np.ascontiguousarray(known[c]) for n, c in enumerate(classes)}
    units = [unit_of(known[c]) for c in classes]
    about = {"version": _VERSION, "extractor": spec.extractor, "classes": classes, "units": units}
    data: bytes = save(tensors, {"feature_outlier": json.dumps(about)})
    return data


def unit_of(features_ND: np.ndarray) -> float:
    """What 95 % of the real images keep below of the distance to their third nearest other one."""
    found = nearest(Base(features_ND), features_ND, _NEIGHBOUR + 1)  # the nearest is itself
    return float(np.quantile(found.distance[:, -1], _QUANTILE))


def _batches(
    found: Iterator[tuple[str, np.ndarray]],
) -> Iterator[tuple[list[str], list[np.ndarray]]]:
    labels: list[str] = []
    images: list[np.ndarray] = []
    for label, image in found:
        labels.append(label)
        images.append(image)
        if len(images) == _BATCH:
            yield labels, images
            labels, images = [], []
    if images:
        yield labels, images


class FeatureOutlier:
    """Distances to the real images that it was fit to."""

    names = NAMES

    def __init__(self, fitted: bytes) -> None:
        """Raises:
        CheckpointError: it is not what `fitted_to` made. RequestError: a library is missing.
        """
        bases, units, self._extractor = _read(open_blob(fitted, "what feature_outlier is fit to"))
        self._network: Any = build(Asked(self._extractor))
        self._bases = {c: Base(features) for c, features in bases.items()}
        self._units = units

    def __call__(self, images: Sequence[np.ndarray], labels: Sequence[str]) -> list[list[float]]:
        """images: (H, W, 3) uint8. labels: their classes. NaN of a class with too few real images,
        or whose real images are all the same."""
        with plain_sums("cpu"):
            features_ND = np.asarray(self._network(images), np.float32)
        found = [[math.nan] for _ in labels]
        for name in sorted(set(labels) & self._bases.keys()):
            rows = [n for n, label in enumerate(labels) if label == name]
            if (unit := self._units[name]) > 0:
                apart = nearest(self._bases[name], features_ND[rows], _NEIGHBOUR).distance[:, -1]
                for n, distance in zip(rows, apart, strict=True):
                    found[n] = [float(distance) / unit]
        return found

    def about(self) -> dict[str, Any]:
        """What people are told of it."""
        images = sum(len(base.features) for base in self._bases.values())
        return {"extractor": self._extractor, "classes": len(self._bases), "images": images}


def _read(blob: Blob) -> tuple[dict[str, np.ndarray], dict[str, float], Any]:
    found = read_safetensors(blob, dtypes=FLOATS)
    try:
        about = json.loads(found.metadata["feature_outlier"])
        classes, tensors = [str(name) for name in about["classes"]], dict(found.items())
        if about["version"] != _VERSION:
            raise ValueError("another version")
        units = [float(unit) for unit in about["units"]]
        bases = {name: np.array(tensors[str(n)]) for n, name in enumerate(classes)}
        return bases, dict(zip(classes, units, strict=True)), about["extractor"]
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"{blob.name}: not what this version of augment has fit ({error}); remove its folder "
            "below _scores/ of the pool, and it is fit again"
        ) from None
