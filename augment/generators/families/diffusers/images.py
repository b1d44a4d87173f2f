"""Images that a diffusers pipeline starts from: in their roles, and of sizes that it can make.

Knows no pipeline and no torch.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from augment.generators.protocol import SampleRequest

Size = tuple[int, int]


def fitted(request: SampleRequest, steered: bool, multiple: int) -> SampleRequest:
    """The request as a pipeline takes it.

    steered: the pipeline takes a control image: where a job gives one image, it is that one.
    multiple: of the sides; images are scaled to the nearest (bicubic, masks by nearest
    neighbour), which keeps all of them and moves their aspect by little.
    """
    if steered and request.control is None:
        request = replace(request, control=request.source, source=None)
    images = (request.source, request.mask, request.control)
    sizes = {image.shape[:2] for image in images if image is not None}
    if len(sizes) != 1:
        return request  # none, or of different sizes, which is refused
    (given,) = sizes
    size = rounded(given, multiple)
    if size == given:
        return request
    source, mask, control = (None if image is None else _resized(image, size) for image in images)
    return replace(request, source=source, mask=mask, control=control)


def rounded(size: Size, multiple: int) -> Size:
    """The nearest (height, width) whose sides are multiples, at least one."""
    height, width = (max(1, round(side / multiple)) * multiple for side in size)
    return height, width


def _resized(image: np.ndarray, size: Size) -> np.ndarray:
    """Bicubic; a mask (two axes) by nearest neighbour."""
    how = Image.Resampling.NEAREST if image.ndim == 2 else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize(size[::-1], how))
