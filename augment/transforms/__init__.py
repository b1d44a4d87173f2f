"""Classical augmentation: one decoded image in, one varied image out, seeded by sample id.

A `Transformer` is built once per worker from an `Augmentation` of the job file and then
applied to any number of samples in any order. Knows nothing of files of images, labels,
units or Ray. The libraries behind it are imported when one is built, not before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, assert_never

import numpy as np

from augment.sample import AppliedOp
from augment.spec.models import Augmentation

__all__ = ["Transformer", "build_transformer", "limit_threads"]


class Transformer(Protocol):
    """A built pipeline. Holds state while it works: one thread at a time may use it."""

    @property
    def digest(self) -> str:
        """64 hex digits over everything that decides pixels besides parent and sample id:
        the pipeline with its defaults, the versions of its libraries, the decoder."""

    @property
    def idle_chance(self) -> float:
        """How likely one draw leaves the image as it is, 0 to 1, by the chances that its
        operations have to run; that one runs and changes nothing is not foreseen."""

    def apply(
        self, image: np.ndarray, sample_id: str, draw: int = 0
    ) -> tuple[np.ndarray, tuple[AppliedOp, ...]]:
        """Vary one image: a pure function of (pipeline, image, sample id, draw).

        image: (H, W, 3) uint8 RGB; left as it is. draw: 0, 1, ...: each has random streams of
        its own. The result, of the same kind and perhaps another height and width, may share
        its memory: do not write into it. With it come the operations that ran, in order, with
        what was sampled.

        Raises:
            SampleError: `transform_failed`, with the operation and its own words.
        """


def build_transformer(
    augmentation: Augmentation,
    base: str,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Transformer:
    """The real pipeline of `augmentation`, every warning of its library taken as an error.

    base: folder that a relative `pipeline` file hangs on. options: storage options by
    protocol. The result can be pickled; a worker rebuilds it with its own libraries.

    Raises:
        PlanError: every operation and parameter that cannot be built, all at once.
    """
    match augmentation.backend:
        case "albumentations":
            from augment.transforms.albumentations_backend import build

            return build(augmentation, base, options)
        case _:
            assert_never(augmentation.backend)


def limit_threads(n: int) -> None:
    """Let OpenCV use `n` threads in this process (0 or 1: the caller's only).

    One worker per core wants 1; more threads than cores only cost time.
    """
    import cv2

    cv2.setNumThreads(n)
