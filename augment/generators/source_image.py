"""The image that a sample is made from, on its way into a network and back.

Sizes, resizing, cropping and the key of a batch: everything that a family does to a source
before its network and after it. Knows no network (an `Intake` says what it takes) and no
torch.

Source of the method: data/base_dataset.py of junyanz/pytorch-CycleGAN-and-pix2pix (BSD-2),
at test time. What differs: nothing is flipped; a crop's place comes from the sample's own
stream `crop`, not from a global generator; a source that is smaller than the crop is refused,
not padded; `none` rounds to what the network can take, not always to 4, and where it had to,
the row's notes say so instead of a warning on the screen.

Shape letters: N rows, C channels, H height, W width. A size is (height, width) in pixels.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from augment.errors import CheckpointError, RequestError
from augment.generators.protocol import SampleRequest, need_source
from augment.seeds import stream
from augment.spec.generator_base import Preprocess

Size = tuple[int, int]

_MOST_PIXELS = 1 << 26
"""Of a network's input: a sliver scaled to a width must not become a tower."""
_TYPICAL: Size = (256, 256)


@dataclass(frozen=True)
class Intake:
    """What a network takes. channels: 1 (luma) or 3 (RGB). multiple: what `none` rounds the
    sides to. exact: whether it takes multiples only. least: its smallest side."""

    channels: int
    multiple: int
    exact: bool
    least: int


@dataclass(frozen=True)
class SourceImages:
    """The way of sources in the job's generator `name`."""

    name: str
    spec: Preprocess
    intake: Intake

    # ---- facts ----

    @property
    def varies(self) -> bool:
        """Whether two samples of one source can be cropped at different places."""
        fixed = self.spec.resize == "resize_and_crop" and self.spec.load_size == self.spec.crop_size
        return self._crops and not fixed

    def typical(self) -> Size:
        """Size of the network's input for a source of 256 x 256, or the nearest it takes."""
        height, width = self.input_size(_TYPICAL)
        return max(height, self.intake.least), max(width, self.intake.least)

    def image_size(self, made: Size, source: Size = _TYPICAL) -> Size:
        """Size of an image of which the network made `made`."""
        return source if self.spec.output == "input_size" else made

    def check(self) -> None:
        """Raises:
        CheckpointError: the job's sizes are none that the network takes.
        """
        side = "crop_size" if self._crops else "load_size"
        size, multiple = getattr(self.spec, side), self.intake.multiple
        place = f"generators.{self.name}.preprocess.{side}: got {size}"
        if self.spec.resize == "none":
            return
        if self.intake.exact and size % multiple:
            raise CheckpointError(
                f"{place}; expected a multiple of {multiple}, which is all that the network takes"
            )
        if size < self.intake.least:
            raise CheckpointError(
                f"{place}; expected at least {self.intake.least}, the least that the network takes"
            )

    # ---- one request ----

    def validate(self, request: SampleRequest) -> None:
        """Raises:
        RequestError: there is no source, it is no RGB image, or the network cannot take it.
        """
        self._check_sizes(request, _size(need_source(self.name, request)))

    def key(self, request: SampleRequest) -> Hashable:
        """Rows of an equal key have inputs of one size and images of one size.

        Raises:
            RequestError: as `validate`.
        """
        self.validate(request)
        source = _size(_source(request))
        after = source if self.spec.output == "input_size" else None
        return self.input_size(source), after

    def note(self, request: SampleRequest) -> dict[str, Any]:
        """What was decided on the way: `crop` [top, left] of the resized source, or `rounded`,
        the [height, width] that `none` brought the source to."""
        source = _size(_source(request))
        if any(self._room(source)):
            return {"crop": list(self._corner(request))}
        if self.spec.resize == "none" and self._resized(source) != source:
            return {"rounded": list(self._resized(source))}
        return {}

    # ---- a batch ----

    def prepared(self, batch: Sequence[SampleRequest]) -> np.ndarray:
        """(N, C, H, W) float32 in [-1, 1], the network's input; keys are equal."""
        taken_NHWC = np.stack([self._taken(request) for request in batch])
        x_NCHW = taken_NHWC.transpose(0, 3, 1, 2).astype(np.float32, order="C")
        x_NCHW /= 255.0  # in the official program's steps: its numbers to the last bit
        x_NCHW -= 0.5
        x_NCHW /= 0.5
        return x_NCHW

    def restored(self, images_NCHW: np.ndarray, batch: Sequence[SampleRequest]) -> np.ndarray:
        """The network's images in the size that was asked for; a resize may overshoot."""
        if self.spec.output == "model_size":
            return images_NCHW
        height, width = _size(_source(batch[0]))
        if images_NCHW.shape[2:] == (height, width):
            return images_NCHW
        rows = [[_stretched(plane, width, height) for plane in image] for image in images_NCHW]
        return np.array(rows, dtype=np.float32)

    # ---- sizes ----

    def input_size(self, source: Size) -> Size:
        """Size of the network's input for a source."""
        if self._crops:
            return self.spec.crop_size, self.spec.crop_size
        return self._resized(source)

    @property
    def _crops(self) -> bool:
        return self.spec.resize in ("crop", "resize_and_crop", "scale_width_and_crop")

    def _resized(self, source: Size) -> Size:
        """Before a crop."""
        height, width = source
        load, least = self.spec.load_size, self.spec.crop_size
        match self.spec.resize:
            case "resize_and_crop":
                return load, load
            case "scale_width" | "scale_width_and_crop":
                same = width == load and height >= least
                return source if same else (int(max(load * height / width, least)), load)
            case "crop":
                return source
            case "none":
                step = self.intake.multiple
                return round(height / step) * step, round(width / step) * step

    def _room(self, source: Size) -> Size:
        """How far the crop's corner can move down and right."""
        (height, width), (h, w) = self._resized(source), self.input_size(source)
        return height - h, width - w

    def _corner(self, request: SampleRequest) -> Size:
        down, right = self._room(_size(_source(request)))
        rng = stream(request.sample_id, "crop")
        return int(rng.integers(down + 1)), int(rng.integers(right + 1))

    def _check_sizes(self, request: SampleRequest, source: Size) -> None:
        place = f"generators.{self.name}: the source of sample {request.sample_id} is {_by(source)}"
        if min(self._room(source)) < 0:
            raise RequestError(
                f"{place}, smaller than preprocess.crop_size {self.spec.crop_size}; "
                "expected larger sources, or resize: resize_and_crop"
            )
        made, step = self.input_size(source), self.intake.multiple
        text = f"{place}, and resize: {self.spec.resize} makes it {_by(made)}; the network takes"
        if self.intake.exact and any(side % step for side in made):
            raise RequestError(
                f"{text} multiples of {step}; expected resize: resize_and_crop, or none"
            )
        if min(made) < self.intake.least:
            raise RequestError(f"{text} sides of at least {self.intake.least}")
        if made[0] * made[1] > _MOST_PIXELS:
            raise RequestError(f"{text} at most {_MOST_PIXELS} pixels")

    # ---- pixels ----

    def _taken(self, request: SampleRequest) -> np.ndarray:
        """(H, W, C) uint8, resized and cropped."""
        image = Image.fromarray(_source(request))
        if self.intake.channels == 1:
            image = image.convert("L")
        source = _size(_source(request))
        height, width = self._resized(source)
        if (height, width) != source:
            image = image.resize((width, height), Image.Resampling.BICUBIC)
        if any(self._room(source)):
            (top, left), (h, w) = self._corner(request), self.input_size(source)
            image = image.crop((left, top, left + w, top + h))
        return np.asarray(image).reshape(image.height, image.width, -1)


def notes(images: SourceImages, batch: Sequence[SampleRequest]) -> tuple[Mapping[str, Any], ...]:
    """`note` of each row; empty where no row has one."""
    found = tuple(images.note(request) for request in batch)
    return found if any(found) else ()


def _source(request: SampleRequest) -> np.ndarray:
    assert request.source is not None, "validate comes first"
    return request.source


def _size(source: np.ndarray) -> Size:
    return source.shape[0], source.shape[1]


def _by(size: Size) -> str:
    return f"{size[0]} x {size[1]} (height x width)"


def _stretched(plane_HW: np.ndarray, width: int, height: int) -> np.ndarray:
    # mode F: the values stay floats, so nothing is rounded twice
    image = Image.fromarray(np.ascontiguousarray(plane_HW))
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
