"""Images as they are searched: checked, hashed, and reduced to one small size first, so that
whatever follows costs the same for every image."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar, overload

import cv2
import numpy as np

from augment.audit.measures.features import checked

Image = np.ndarray
"""(H, W, 3) uint8 RGB as displayed, H and W at least 1."""

SIDE, COLOUR_SIDE = 64, 32
"""Images are compared at SIDE x SIDE in grey and at COLOUR_SIDE x COLOUR_SIDE in colour."""
BLOCK, BLOCK_BYTES = 256, 256 << 20
"""Images that are held at once as they came: so many, of so many bytes, or one."""

T = TypeVar("T")


class Decoded(Sequence[Image], Generic[T]):
    """Images that are held as they are stored, and decoded whenever somebody asks for one. decode:
    of what is stored; its errors are those of asking."""

    def __init__(self, stored: Sequence[T], decode: Callable[[T], Image]) -> None:
        self._stored, self._decode = stored, decode

    def __len__(self) -> int:
        return len(self._stored)

    @overload
    def __getitem__(self, at: int) -> Image: ...
    @overload
    def __getitem__(self, at: slice) -> Decoded[T]: ...
    def __getitem__(self, at: int | slice) -> Image | Decoded[T]:
        if isinstance(at, slice):
            return Decoded(self._stored[at], self._decode)
        return self._decode(self._stored[at])


@dataclass(frozen=True)
class ImageSet:
    """Images with what is known of them.

    images: any sizes; read one after the other and possibly more than once, so it may decode as it
    is asked. labels: a class each, or None. features: by the extractor's name (N, D) float32 or
    float64, a row an image; what is not given is computed where a detector has that extractor.
    """

    images: Sequence[Image]
    labels: Sequence[str] | None = None
    features: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def label(self, row: int) -> str | None:
        return None if self.labels is None else self.labels[row]

    def check(self, name: str) -> None:
        """Raises:
        ValueError: labels or features are not one an image, or features are refused.
        """
        if self.labels is not None and len(self.labels) != len(self):
            raise ValueError(
                f"{name}.labels: got {len(self.labels)}; expected {len(self)}, one an image"
            )
        for extractor, rows in self.features.items():
            if len(checked(f"{name}.features[{extractor!r}]", rows, 0)) != len(self):
                raise ValueError(
                    f"{name}.features[{extractor!r}]: got {len(rows)} rows; expected {len(self)}, "
                    "one an image"
                )


@dataclass(frozen=True, eq=False)
class Reduced:
    """N images at one size. grey: (N, SIDE, SIDE) uint8. colour: (N, COLOUR_SIDE, COLOUR_SIDE, 3)
    uint8 RGB. digests: 16 bytes each over size and pixels, equal for equal images alone."""

    grey: np.ndarray
    colour: np.ndarray
    digests: tuple[bytes, ...]

    def __len__(self) -> int:
        return len(self.digests)


def reduced(images: Sequence[Image], name: str = "images", first: int = 0) -> Reduced:
    """Every image at the small size; sides are scaled by themselves, so nothing is cut off.

    name, first: what an error calls the sequence, and the index of its first image.

    Raises:
        ValueError: something is no such image.
    """
    grey = np.empty((len(images), SIDE, SIDE), np.uint8)
    colour = np.empty((len(images), COLOUR_SIDE, COLOUR_SIDE, 3), np.uint8)
    digests = []
    for row, image in enumerate(images):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(
                f"{name}[{first + row}]: got {image.shape} {image.dtype}; expected (H, W, 3) uint8 "
                "RGB"
            )
        pixels = np.ascontiguousarray(image)
        digests.append(_digest(pixels))
        middle = _resized(pixels, SIDE)
        grey[row] = cv2.cvtColor(middle, cv2.COLOR_RGB2GRAY)
        colour[row] = _resized(middle, COLOUR_SIDE)
    return Reduced(grey, colour, tuple(digests))


def reduced_set(images: Sequence[Image], name: str) -> Reduced:
    """`reduced`, block by block.

    Raises:
        ValueError: something is no image.
    """
    parts = [reduced(block, name, first) for first, block in blocks_of(images)]
    if not parts:
        return reduced([], name)
    return Reduced(
        np.concatenate([part.grey for part in parts]),
        np.concatenate([part.colour for part in parts]),
        tuple(one for part in parts for one in part.digests),
    )


def blocks_of(
    images: Sequence[Image], most_bytes: int = BLOCK_BYTES
) -> Iterator[tuple[int, list[Image]]]:
    """(index of its first image, images), in order; see `BLOCK`."""
    block: list[Image] = []
    held = 0
    for row in range(len(images)):
        block.append(images[row])
        held += getattr(block[-1], "nbytes", 0)
        if len(block) == BLOCK or held >= most_bytes:
            yield row + 1 - len(block), block
            block, held = [], 0
    if block:
        yield len(images) - len(block), block


def _digest(pixels: Image) -> bytes:
    state = hashlib.blake2b(f"{pixels.shape}".encode(), digest_size=16)
    state.update(pixels.data)
    return state.digest()


def _resized(image: Image, side: int) -> Image:
    shrinks = image.shape[0] >= side and image.shape[1] >= side
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    made: Image = cv2.resize(image, (side, side), interpolation=how)
    return made
