"""`near_copy.train`, `near_copy.holdout`: the least rate of false positives at which an image is
called a copy of one of these real images, by the detector of `audit.copies`.

The detector looks for candidates by pixels alone. The real images of a side are protected by a
threshold from those of the other, and all of that other's scores are kept, so that a score means
a rate, and no rate is in what is fit.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from augment import codec
from augment.audit.copies import Decoded, Detector, ImageSet
from augment.audit.copies import kept as arrays_of
from augment.audit.copies.calibration import NotCalibrated, least_n
from augment.checkpoints.blob import Blob, open_blob
from augment.checkpoints.safetensors_file import SafeTensors, read_safetensors
from augment.errors import CheckpointError
from augment.filters.near_copy import SCORES
from augment.run.progress import Reporter
from augment.run.scoring.reference import Reference
from augment.run.scoring.sides import RealSide
from augment.seeds import digest
from augment.spec.filters import LOOSEST, Side
from augment.spec.filters import NearCopy as Spec

_VERSION = 1
_SEED = 0
_MEASURED = 40
"""Images that copies of every kind are planted of, to tell what the detector finds."""
MOST_CALIBRATED = 5_000
"""Images that a side is calibrated on: enough for the tightest rate, also where some are left
out."""
_OTHER: Mapping[Side, Side] = {"train": "holdout", "holdout": "train"}


def digest_of(real: Mapping[Side, RealSide], spec: Spec) -> str:
    """32 hex digits."""
    known = [[side, real[side].reference.known_by] for side in real]
    version = [_VERSION, arrays_of.VERSION, _SEED, _MEASURED, MOST_CALIBRATED]
    return digest(["near_copy", version, spec.sides, known])[:32]


def fitted_to(
    real: Mapping[Side, RealSide], spec: Spec, reporter: Reporter, most: int = MOST_CALIBRATED
) -> bytes:
    """A detector of each side that the filter asks for and that has an image, and the scores of the
    other side's images. most: of these, the first ones.

    Raises:
        StorageError: a source cannot be read.
    """
    from safetensors.numpy import save

    sets = {side: _images(one.reference) for side, one in real.items()}
    tensors: dict[str, np.ndarray] = {}
    told: dict[str, Any] = {}
    for side in spec.sides:
        protected, held = sets[side], _some(sets[_OTHER[side]], most)
        reporter.doing(f"near_copy: {len(protected)} real images of {side}, beside {len(held)}")
        if not len(protected):
            told[side] = {"of": real[side].total, "protected": 0, "n": 0}
            continue
        detector = Detector.fit(protected, held, seed=_SEED, measured=_MEASURED, loosest=LOOSEST)
        arrays, about = arrays_of.kept(detector)
        tensors |= {f"{side}.{name}": array for name, array in arrays.items()}
        told[side] = {
            "of": real[side].total, "protected": len(protected), "detector": about,
            "n": len(detector.calibration.held.twins),
        }  # fmt: skip
    about = {"version": _VERSION, "sides": told}
    data: bytes = save(tensors, {"near_copy": json.dumps(about)})
    return data


def _some(images: ImageSet, most: int) -> ImageSet:
    labels = images.labels
    return ImageSet(images.images[:most], None if labels is None else labels[:most])


def _images(reference: Reference) -> ImageSet:
    labels, data = [], []
    for label, one, _ in reference.encoded():
        labels.append(label)
        data.append(one)
    bound = reference.frozen.prepared.job.spec.errors.max_pixels
    return ImageSet(Decoded(data, lambda one: codec.decode(one, bound)), labels)


def uncalibrated(fitted: bytes, spec: Spec) -> list[str]:
    """Of each side that has no threshold at the filter's rate, why not. What a plan counts may be
    fewer that can be read and repeat no protected image.

    Raises:
        CheckpointError: it is not what `fitted_to` made.
    """
    _, sides = _read(open_blob(fitted, "what near_copy is fit to"))
    needed = least_n(spec.false_positives)
    return [
        f"got {n} real images to calibrate copies of {side} on, which can be read and repeat no "
        f"protected image; expected at least {needed} for false_positives: {spec.false_positives:g}"
        for side in spec.sides
        if (n := int(sides[side]["n"])) < needed
    ]


class NearCopy:
    """The detectors."""

    def __init__(self, fitted: bytes) -> None:
        """Raises:
        CheckpointError: it is not what `fitted_to` made.
        """
        blob = open_blob(fitted, "what near_copy is fit to")
        tensors, self._sides = _read(blob)
        self._detectors: dict[Side, Detector] = {}
        for side, told in self._sides.items():
            own = {n.removeprefix(f"{side}."): n for n in tensors if n.startswith(f"{side}.")}
            if not own:
                continue
            try:
                arrays = {name: np.array(tensors[whole]) for name, whole in own.items()}
                self._detectors[side] = arrays_of.restored(arrays, told["detector"])
            except (IndexError, KeyError, TypeError, ValueError) as error:
                raise _no_fit(blob, error) from None
        self.names = tuple(SCORES[side] for side in self._sides)

    def __call__(self, images: Sequence[np.ndarray], labels: Sequence[str]) -> list[list[float]]:
        """images: (H, W, 3) uint8. labels: their classes."""
        asked = ImageSet(images, labels)
        columns = [
            [match.least_rate for match in self._detectors[side].search(asked)]
            if side in self._detectors
            else [math.nan] * len(images)
            for side in self._sides
        ]
        return [list(row) for row in zip(*columns, strict=True)]

    def about(self) -> dict[str, Any]:
        """What people are told of it."""
        return {side: self._told(side) for side in self._sides}

    def _told(self, side: Side) -> str:
        said = self._sides[side]
        images = f"{said['protected']} of {said['of']} real images"
        if (detector := self._detectors.get(side)) is None:
            return f"({images})"
        if isinstance(why := detector.calibration.overall, NotCalibrated):
            return f"({images}, equal pixels alone: {why.reason})"
        changed = [one for one in detector.recall if one.kind != "exact"]
        found = sum(one.found for one in changed) / max(1, sum(one.n for one in changed))
        rate = detector.calibration.rate
        return (
            f"({images}, calibrated on {said['n']} others, finds {found:.2f} of the changed copies "
            f"that it plants at {rate:.2g} false positives)"
        )


def _read(blob: Blob) -> tuple[SafeTensors, dict[Side, dict[str, Any]]]:
    found = read_safetensors(blob, dtypes=("U8", "I64", "F32", "F64"))
    try:
        about = json.loads(found.metadata["near_copy"])
        if about["version"] != _VERSION:
            raise ValueError("another version")
        sides = {side: dict(about["sides"][side]) for side in SCORES if side in about["sides"]}
        for one in sides.values():
            int(one["of"]), int(one["protected"]), int(one["n"])
        return found, sides
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise _no_fit(blob, error) from None


def _no_fit(blob: Blob, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"{blob.name}: not what this version of augment has fit ({error}); remove its folder below "
        "_scores/ of the pool, and it is fit again"
    )
