"""The extractors that there are: what is known of each, and each loaded."""

from __future__ import annotations

from typing import Literal, assert_never, get_args

from augment.features.asked import Asked
from augment.features.protocol import Extractor, ExtractorInfo
from augment.storage import Options

ExtractorName = Literal["efficientnet_lite0", "random"]
EXTRACTORS: tuple[ExtractorName, ...] = get_args(ExtractorName)
"""Those that need neither a file nor images to be fit on."""


def build(
    asked: Asked | ExtractorName, device: str = "cpu", options: Options | None = None
) -> Extractor:
    """An extractor, loaded. device: as torch names it. options: of the stores that its files may
    lie in.

    Raises:
        RequestError: a library that it needs is not installed, or the policy does not allow the
            place of its files.
        CheckpointError, StorageError: its weights are not those that they must be.
        ValueError: `task` without weights, which are fit on a data set (`task.fit`).
    """
    one = asked if isinstance(asked, Asked) else Asked(asked)
    match one.kind:
        case "efficientnet_lite0":
            from augment.features.efficientnet import EfficientNetLite0

            return EfficientNetLite0(device=device)
        case "random":
            from augment.features.random_network import RandomNetwork

            return RandomNetwork(device)
        case "task":
            from augment.features.task import TaskNetwork

            return TaskNetwork(one, device, options)
        case "inception":
            from augment.features.inception import Inception

            return Inception(one, device, options)
        case "dinov2" | "clip":
            from augment.features.transformers_folder import FolderNetwork

            return FolderNetwork(one, device, options)
        case "torchvision" | "timm":
            from augment.features.named_networks import NamedNetwork

            return NamedNetwork(one, device, options)
        case "onnx":
            from augment.features.onnx_session import OnnxExtractor

            return OnnxExtractor(one, device, options)
        case _:
            assert_never(one.kind)


def describe(asked: Asked | ExtractorName, options: Options | None = None) -> ExtractorInfo:
    """What decides the numbers of an extractor; loads no network where that can be known without.

    Raises:
        RequestError, CheckpointError, StorageError: as `build`.
    """
    one = asked if isinstance(asked, Asked) else Asked(asked)
    match one.kind:
        case "efficientnet_lite0":
            from augment.features.efficientnet import INFO

            return INFO
        case "random":
            from augment.features.random_network import info

            return info()
        case _:
            return build(one, "cpu", options).info
