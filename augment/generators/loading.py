"""From a checkpoint folder in our format to the facts of its family: what `describe` and `load`
of every family that has one do the same way.

A family opens the folder, reads its architecture and its tensors in the order of its own checks,
and says what of it decides pixels. Knows no architecture, no sampling and no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
from pydantic import BaseModel

from augment.generators.checkpoint import WEIGHTS, Config, read_config, read_weights, validated
from augment.generators.protocol import GeneratorInfo, Options
from augment.sample import DigitalSourceType
from augment.seeds import digest
from augment.spec.generator_base import CheckpointBase
from augment.storage import Folder

M = TypeVar("M", bound=BaseModel)
Init = TypeVar("Init")


@dataclass(frozen=True)
class Opened:
    """The folder of the job's generator `name`, of which `generator.json` was read."""

    name: str
    spec: CheckpointBase
    folder: Folder
    config: Config

    def init(self, model: type[M]) -> M:
        """The architecture, `init` in `generator.json`, as the family's model.

        Raises:
            CheckpointError: it does not fit.
        """
        return validated(model, self.config.init, self.name, at="init")

    def weights(
        self, shapes: Mapping[str, tuple[int, ...]], keep: bool = True
    ) -> dict[str, np.ndarray]:
        """Name -> float32 of exactly the tensors in `shapes`; keep: False gives none, after the
        same checks.

        Raises:
            CheckpointError, StorageError: as `checkpoint.read_weights`.
        """
        return read_weights(self.folder, self.name, self.config, self.spec.sha256, shapes, keep)


@dataclass(frozen=True)
class Checkpoint(Generic[Init]):
    """What was read of a folder, after every check that needs no network. arrays: name -> float32,
    {} where they were not kept. indexes: class -> the network's index, {} where it takes none."""

    info: GeneratorInfo
    init: Init
    arrays: Mapping[str, np.ndarray]
    indexes: Mapping[str, int] = field(default_factory=dict)


def opened(
    name: str, spec: CheckpointBase, family: str, options: Options, weights: str = WEIGHTS
) -> Opened:
    """The folder that the job names; weights: the file that should lie in it.

    Raises:
        CheckpointError: as `checkpoint.read_config`, among others: it is of another family.
        StorageError: it cannot be read.
    """
    folder = Folder(spec.checkpoint, options)
    return Opened(name, spec, folder, read_config(folder, name, family, weights))


def checkpoint_info(
    found: Opened,
    version: int,
    *,
    pixels: Mapping[str, Any],
    sampling: Mapping[str, Any],
    shape: tuple[int, int, int],
    classes: Iterable[str] = (),
    kind: DigitalSourceType = DigitalSourceType.TRAINED_ALGORITHMIC_MEDIA,
    takes_image: bool = False,
    varies: bool = True,
) -> GeneratorInfo:
    """Facts of a checkpoint, for the job's generator.

    version: of the family's pixels. pixels: what decides them beside family, version and
    weights, as JSON values. sampling: how it samples, as JSON values. shape: (C, H, W) of its
    images. kind: what its images are. The rest: as in `GeneratorInfo`.
    """
    config = found.config
    weights = config.weights_sha256
    identity = {"family": config.family, "version": version, "weights": weights, **pixels}
    channels, height, width = shape
    return GeneratorInfo(
        name=found.name,
        family=config.family,
        identity=digest(identity),
        sampling_digest=digest({"family": config.family, **sampling}),
        checkpoint_sha256=weights,
        classes=tuple(classes),
        height=height,
        width=width,
        channels=channels,
        license=found.spec.license or config.license,
        digital_source_type=kind.value,
        takes_image=takes_image,
        varies=varies,
    )


def class_info(
    found: Opened,
    version: int,
    init: Mapping[str, Any],
    sampling: BaseModel,
    shape: tuple[int, int, int],
    indexes: Mapping[str, int],
) -> GeneratorInfo:
    """Facts of a checkpoint that makes images of classes and nothing else: pixels are decided by
    its architecture `init` and by which index stands for a class. The rest: as `checkpoint_info`.
    """
    return checkpoint_info(
        found,
        version,
        pixels={"init": init, "classes": indexes},
        sampling={"sampling": sampling.model_dump()},
        shape=shape,
        classes=indexes,
    )
