"""What every generator family is to the rest: facts known without loading it, and a host
that turns requests into images. Holds the values that pass between them.

Knows no family, no torch, no Ray, and nothing of what becomes of the images.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Container, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from augment.errors import CheckpointError, RequestError

Options = Mapping[str, Mapping[str, Any]] | None
"""fsspec options by protocol."""
BATCH_TOLERANCE = 1e-4
"""How far a row's values ([-1, 1]) may move with the batch it is made in."""


@dataclass(frozen=True, slots=True)
class GeneratorInfo:
    """What is known of a generator without loading it.

    name: the job's name for it. identity: 64 hex digits over weights, configuration and
    everything else that changes pixels, but not sampling, which has its own digest.
    checkpoint_sha256: of the weights file, "" for a family without weights.
    classes: the names it can make; empty where any class can be made from an image.
    height, width, channels: of its images; for a family whose images follow their source,
    of a typical one.
    digital_source_type: IPTC URI of what it makes.
    takes_image: whether every sample is made from a source image; takes_mask: and from a
    mask beside it.
    varies: whether two samples of one class (and source, where it takes one) can differ;
    False: more than one of them would be copies.
    """

    name: str
    family: str
    identity: str
    sampling_digest: str
    checkpoint_sha256: str
    classes: tuple[str, ...]
    height: int
    width: int
    channels: int
    license: str | None
    digital_source_type: str
    takes_image: bool = False
    takes_mask: bool = False
    varies: bool = True

    def makes(self, label_name: str) -> bool:
        """Whether it can make samples of that class."""
        return label_name in self.classes or (self.takes_image and not self.classes)


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """One sample to be made: all its randomness comes from streams of `sample_id`.

    index: its position (from 0) in the universe's class. source: (H, W, 3) uint8 RGB as
    displayed, the image that it is made from, for a family that takes one. mask: (H, W)
    uint8, 255 where an inpainting family paints. control: as source, for a family that is
    steered by a second image.
    """

    sample_id: str
    label_name: str
    index: int
    source: np.ndarray | None = None
    mask: np.ndarray | None = None
    control: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class GeneratedBatch:
    """What came of a batch, in the order of its requests.

    images: (N, C, H, W) float32 in [-1, 1]; zeros where the row failed.
    failed: per row None, or a reason, for example `nan`.
    notes: empty, or per row what else decided it and belongs in its provenance (JSON
    values), for example {"prompt": ..., "template": 3}.
    seconds: for how long the device worked on it; None where the call took as long.
    """

    images: np.ndarray
    failed: tuple[str | None, ...]
    notes: tuple[Mapping[str, Any], ...] = ()
    seconds: float | None = None


Coming = Callable[[], GeneratedBatch]
"""Waits for a batch that was begun."""


class GeneratorHost(Protocol):
    """A loaded generator. A row's image depends on its request alone: on no batch beyond
    `BATCH_TOLERANCE`, no order, no global generator of random numbers."""

    @property
    def info(self) -> GeneratorInfo: ...

    def validate(self, request: SampleRequest) -> None:
        """Raises:
        RequestError: this generator cannot make that sample.
        """

    def batch_key(self, request: SampleRequest) -> Hashable:
        """Rows may share a batch where their keys are equal."""

    def generate(self, batch: Sequence[SampleRequest]) -> GeneratedBatch:
        """Make the images of one batch, whose rows have equal keys; a bad row fails alone.

        Raises:
            RequestError: a request that `validate` refuses.
        """


@runtime_checkable
class Ahead(Protocol):
    """A host that can begin a batch while the images of the one before are on their way."""

    def begin(self, batch: Sequence[SampleRequest]) -> Coming:
        """As `GeneratorHost.generate`, but what is not known yet is waited for later.

        Raises:
            RequestError: a request that `validate` refuses.
        """


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and how a host runs: nothing of it decides what a sample is.

    device: `cpu`, `cuda` or `cuda:1`. channels_last: lay convolutions out so; None: on a GPU,
    and on a CPU where the family says that it is faster.
    compile: `torch.compile`'s mode; with one, batches are padded to `batch_size` rows, for a
    compiled network is made for one shape. (The numerics of compiled kernels may differ
    within `BATCH_TOLERANCE`; units record it.)
    """

    device: str = "cpu"
    channels_last: bool | None = None
    compile: Literal["off", "default", "reduce-overhead"] = "off"
    batch_size: int = 64

    def lays_last(self, on_cpu: bool = False) -> bool:
        """Whether convolutions are laid out channels last. on_cpu: the family's wish there."""
        if self.channels_last is None:
            return on_cpu or self.device != "cpu"
        return self.channels_last


def class_index(info: GeneratorInfo, label_name: str) -> int:
    """Position of a class among the generator's own, found by its name.

    Raises:
        RequestError: the generator does not know the class.
    """
    try:
        return info.classes.index(label_name)
    except ValueError:
        raise RequestError(unknown_class(info, label_name)) from None


def need_class(info: GeneratorInfo, request: SampleRequest, known: Container[str]) -> None:
    """known: the classes that can be made (a mapping answers for many of them faster than
    `info.classes` does).

    Raises:
        RequestError: the request's class is not among them.
    """
    if request.label_name not in known:
        raise RequestError(unknown_class(info, request.label_name))


def need_source(name: str, request: SampleRequest) -> np.ndarray:
    """The source image of a request, (H, W, 3) uint8. name: of the generator.

    Raises:
        RequestError: there is none, or it is no RGB image.
    """
    source = request.source
    if source is None:
        raise RequestError(
            f"generators.{name}: takes an image, and sample {request.sample_id} has none; "
            "expected a source for every sample: name the images under `input` of the rule that "
            "uses it"
        )
    if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3 or not source.size:
        raise RequestError(
            f"generators.{name}: takes an image of (H, W, 3) uint8, and sample "
            f"{request.sample_id} has one of {source.shape} {source.dtype}"
        )
    return source


def unknown_class(info: GeneratorInfo, label_name: str) -> str:
    """The text about a class that a generator cannot make."""
    shown = ", ".join(repr(c) for c in info.classes[:10])
    more = ", ..." if len(info.classes) > 10 else ""
    near = difflib.get_close_matches(label_name, info.classes, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return (
        f"generators.{info.name}: cannot make class {label_name!r}; "
        f"it knows {len(info.classes)}: {shown}{more}{hint}"
    )


def must_match(found: GeneratorInfo, planned: GeneratorInfo) -> None:
    """Raises:
    CheckpointError: a generator is no longer what it was when the job was planned.
    """
    for what in ("identity", "sampling_digest"):
        now, then = getattr(found, what), getattr(planned, what)
        if now != then:
            raise CheckpointError(
                f"generators.{planned.name}: it has changed since the job was planned: "
                f"{what} is {now}, the plan says {then}; put back what was planned, or plan again"
            )
