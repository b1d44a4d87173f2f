"""The extractors that there are, by name."""

from __future__ import annotations

from typing import Literal, assert_never, get_args

from augment.features.protocol import Extractor

ExtractorName = Literal["efficientnet_lite0", "random"]
EXTRACTORS: tuple[ExtractorName, ...] = get_args(ExtractorName)


def build(name: ExtractorName, device: str = "cpu") -> Extractor:
    """An extractor, loaded. device: as torch names it.

    Raises:
        RequestError: a library that it needs is not installed.
        CheckpointError, StorageError: its weights are not those that they must be.
    """
    match name:
        case "efficientnet_lite0":
            from augment.features.efficientnet import EfficientNetLite0

            return EfficientNetLite0(device=device)
        case "random":
            from augment.features.random_network import RandomNetwork

            return RandomNetwork(device)
        case _:
            assert_never(name)
