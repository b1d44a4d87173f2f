"""A generator of one's own: printed characters, turned and moved a little for each sample.

It shows the whole of what a class must have. Where it stands (`custom_generator:Printed`) has
to be on Python's search path, and listed in the policy of the machine that runs it.

    PYTHONPATH=examples/families augment generators check custom_generator:Printed \\
        --init '{"classes": ["0", "1"]}'
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import PIL
from PIL import Image, ImageDraw, ImageFont

from augment.errors import RequestError
from augment.generators import GeneratedBatch, GeneratorInfo, SampleRequest
from augment.sample import DigitalSourceType
from augment.seeds import digest, stream

SIDE = 32


class Printed:
    """Draws the name of a sample's class with Pillow's own font, light on black."""

    def __init__(self, classes: list[str], degrees: float = 15.0) -> None:
        """degrees: the largest turn either way."""
        self._degrees = degrees
        self.info = GeneratorInfo(
            name="printed",
            family="printed",
            # everything that changes pixels and is not an argument: the library that draws
            identity=digest({"version": 1, "pillow": PIL.__version__}),
            sampling_digest=digest(""),
            checkpoint_sha256="",
            classes=tuple(classes),
            height=SIDE,
            width=SIDE,
            channels=1,
            license="CC0-1.0",
            digital_source_type=DigitalSourceType.ALGORITHMIC_MEDIA.value,
        )

    def validate(self, request: SampleRequest) -> None:
        """Raises:
        RequestError: the class is not one of those it was made for.
        """
        if request.label_name not in self.info.classes:
            raise RequestError(f"printed: no class {request.label_name!r}")

    def batch_key(self, request: SampleRequest) -> Hashable:
        """All samples may share a batch."""
        return self.info.family

    def generate(self, batch: Sequence[SampleRequest]) -> GeneratedBatch:
        """(N, 1, 32, 32) in [-1, 1]; all of a row's randomness comes from its own stream."""
        images = np.empty((len(batch), 1, SIDE, SIDE), np.float32)
        for row, request in enumerate(batch):
            images[row, 0] = self._drawn(request) / 127.5 - 1.0
        return GeneratedBatch(images, (None,) * len(batch))

    def _drawn(self, request: SampleRequest) -> np.ndarray:
        """(32, 32) levels from 0 to 255."""
        self.validate(request)
        rng = stream(request.sample_id, "pose")
        size, turn = rng.uniform(20.0, 28.0), rng.uniform(-self._degrees, self._degrees)
        right, down = rng.uniform(-2.0, 2.0, 2)
        image = Image.new("L", (SIDE, SIDE))
        middle = (SIDE / 2 + right, SIDE / 2 + down)
        font = ImageFont.load_default(size)
        ImageDraw.Draw(image).text(middle, request.label_name, 255, font, anchor="mm")
        return np.asarray(image.rotate(turn, Image.Resampling.BICUBIC), dtype=np.float32)
