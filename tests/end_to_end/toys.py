"""What every toy generator of these tests says of itself."""

from __future__ import annotations

from collections.abc import Sequence

from augment.generators import GeneratorInfo
from augment.sample import DigitalSourceType
from augment.seeds import digest


def toy_info(
    name: str, classes: Sequence[str], side: int, channels: int = 3, more: Sequence[object] = ()
) -> GeneratorInfo:
    """more: what else changes its pixels."""
    return GeneratorInfo(
        name=name,
        family=name,
        identity=digest([name, *more]),
        sampling_digest=digest(""),
        checkpoint_sha256="",
        classes=tuple(classes),
        height=side,
        width=side,
        channels=channels,
        license="CC0-1.0",
        digital_source_type=DigitalSourceType.ALGORITHMIC_MEDIA.value,
    )
