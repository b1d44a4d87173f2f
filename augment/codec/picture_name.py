"""What a picture shows, as one name: equal for equal pixels, whatever file they stand in.

Knows nothing of formats: the caller decodes.
"""

from __future__ import annotations

import hashlib

import numpy as np
import xxhash

_SCHEME = "augment pixels 1"


def pixels_sha256(image: np.ndarray) -> str:
    """The name (64 hex digits) of a picture, (H, W, 3) or (H, W, 1) uint8, RGB or grey.

    SHA-256 over the ASCII text "augment pixels 1 <width> <height> RGB8 " and the 16 bytes, most
    significant first, of the XXH3-128 (seed 0) of the pixels: row by row from the top, each from
    the left, three bytes a pixel; grey counts as three equal values. Pixels are as displayed and
    as `codec.decode` gives them; metadata and marks are no part of it.

    In Python: `sha256(f"augment pixels 1 {w} {h} RGB8 ".encode() + xxh3_128(rgb).digest())`.

    Two steps, because SHA-256 of the pixels themselves took 245 us of a photograph of 384 x 384
    where XXH3 takes 7, and decoding it 540. Whoever makes two pictures collide on purpose makes
    them look like copies; equal pictures cannot be made to look different.

    Source: XXH3-128, xxHash 0.8 (Collet), github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3):
        raise ValueError(
            f"image is {image.dtype} {image.shape}; expected uint8 (H, W, 3) or (H, W, 1)"
        )
    height, width, channels = image.shape
    rgb = image if channels == 3 else np.repeat(image, 3, axis=2)
    state = hashlib.sha256(f"{_SCHEME} {width} {height} RGB8 ".encode())
    state.update(xxhash.xxh3_128_digest(np.ascontiguousarray(rgb)))  # type: ignore[arg-type]
    return state.hexdigest()
