"""vae: decoder of a class-conditional variational autoencoder; network, loading, sampling.

Images are sigmoid outputs of a small convolutional decoder over (z, class embedding).
torch is imported inside functions, so that facts and checks need none of it. Knows nothing
of Ray, of other families, or of how a checkpoint was trained.

Shape letters: B batch, Z latent, C channels, H height, W width.
Source of the method: Kingma and Welling, "Auto-Encoding Variational Bayes", ICLR 2014; the
class enters as in Sohn, Lee and Yan, "Learning Structured Output Representation using Deep
Conditional Generative Models", NeurIPS 2015. The network is our own.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from augment.errors import RequestError
from augment.generators.checkpoint import (
    Config,
    own_classes,
    read_config,
    read_weights,
    validated,
)
from augment.generators.hosting import Device, empty_batch, finished, placed
from augment.generators.labels import class_indexes
from augment.generators.protocol import (
    GeneratedBatch,
    GeneratorInfo,
    Options,
    Placement,
    SampleRequest,
    must_match,
    unknown_class,
)
from augment.sample import DigitalSourceType
from augment.seeds import digest, normals
from augment.spec.generators import VaeGenerator
from augment.storage import Folder

if TYPE_CHECKING:
    import torch

_VERSION = 1
"""Raise it with every change that changes pixels: it enters the identity."""

Width = Annotated[int, Field(ge=1, le=4096)]


class VaeInit(BaseModel):
    """The decoder's architecture, as `init` in `generator.json`.

    latent: size of z. embedding: size of a class's vector. hidden: width of the dense layer.
    base: side in pixels of the first feature map. widths: its channels, then those after
    each doubling of the side: the image's side is base * 2 ** (len(widths) - 1).
    channels: of the image, 1 or 3.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    latent: Width
    embedding: Width
    hidden: Width
    base: Annotated[int, Field(ge=1, le=64)]
    widths: Annotated[list[Width], Field(min_length=1, max_length=7)]
    channels: Annotated[int, Field(ge=1, le=4)]

    @property
    def side(self) -> int:
        """Height and width of the image in pixels."""
        return self.base << (len(self.widths) - 1)


def parameter_shapes(init: VaeInit, classes: int) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor that a decoder with `classes` classes has."""
    shapes: dict[str, tuple[int, ...]] = {
        "embedding.weight": (classes, init.embedding),
        "hidden.weight": (init.hidden, init.latent + init.embedding),
        "hidden.bias": (init.hidden,),
        "stem.weight": (init.widths[0] * init.base**2, init.hidden),
        "stem.bias": (init.widths[0] * init.base**2,),
    }
    for i, (before, after) in enumerate(zip(init.widths, init.widths[1:], strict=False)):
        shapes[f"up.{i}.weight"] = (after, before, 3, 3)
        shapes[f"up.{i}.bias"] = (after,)
    shapes["out.weight"] = (init.channels, init.widths[-1], 3, 3)
    shapes["out.bias"] = (init.channels,)
    return shapes


@dataclass(frozen=True)
class Decoder:
    """The network: `parameters` has the names and shapes of `parameter_shapes`, float32."""

    init: VaeInit
    parameters: Mapping[str, torch.Tensor]

    def logits(self, z_BZ: torch.Tensor, class_B: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) float32 before the sigmoid, from z and int64 class indexes."""
        from torch.nn import functional as f

        p = self.parameters
        x = f.embedding(class_B, p["embedding.weight"])
        x = f.linear(_cat(z_BZ, x), p["hidden.weight"], p["hidden.bias"])
        x = f.silu(f.linear(f.silu(x), p["stem.weight"], p["stem.bias"]))
        # rows of the stem stand channel last, which is how convolutions run fastest
        x = x.view(-1, self.init.base, self.init.base, self.init.widths[0]).permute(0, 3, 1, 2)
        for i in range(len(self.init.widths) - 1):
            x = f.interpolate(x, scale_factor=2.0, mode="nearest")
            x = f.silu(f.conv2d(x, p[f"up.{i}.weight"], p[f"up.{i}.bias"], padding=1))
        return f.conv2d(x, p["out.weight"], p["out.bias"], padding=1)

    def __call__(self, z_BZ: torch.Tensor, class_B: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) float32 in [-1, 1]."""
        return self.logits(z_BZ, class_B).sigmoid() * 2.0 - 1.0

    def to(self, placement: Placement) -> Decoder:
        """The same decoder where `placement` says."""
        return Decoder(self.init, placed(self.parameters, placement, on_cpu=True))


def _cat(*tensors: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.cat(tensors, dim=1)


class VaeHost:
    """A loaded decoder. network: on any device, it is moved. class_indexes: class -> the
    network's index. temperature: standard deviation of z."""

    def __init__(
        self,
        network: Decoder,
        info: GeneratorInfo,
        class_indexes: Mapping[str, int],
        placement: Placement | None = None,
        temperature: float = 1.0,
    ) -> None:
        placement = placement or Placement()
        self.info = info
        self._indexes = class_indexes
        self._device = Device(placement.device)
        self.network = network.to(placement)
        self._temperature = np.float32(temperature)

    def validate(self, request: SampleRequest) -> None:
        """Raises:
        RequestError: the class is not one of the checkpoint's.
        """
        if request.label_name not in self._indexes:
            raise RequestError(unknown_class(self.info, request.label_name))

    def batch_key(self, request: SampleRequest) -> Hashable:
        """All rows may share a batch, whatever their class."""
        return self.info.family

    def generate(self, batch: Sequence[SampleRequest]) -> GeneratedBatch:
        """Images (N, C, H, W); a row that is not finite is zeros and fails with `nan`.

        Raises:
            RequestError: the class is not one of the checkpoint's.
        """
        if not batch:
            return empty_batch(self.info)
        for request in batch:
            self.validate(request)
        class_B = np.array([self._indexes[r.label_name] for r in batch], dtype=np.int64)
        z_BZ = normals([r.sample_id for r in batch], "z", self.network.init.latent)
        z_BZ = z_BZ.astype(np.float32) * self._temperature
        with self._device.sampling():
            x_BCHW = self.network(self._device.send(z_BZ), self._device.send(class_B))
            return finished(self._device.fetch(x_BCHW))


def _read(
    name: str, spec: VaeGenerator, options: Options
) -> tuple[Config, VaeInit, dict[str, np.ndarray], dict[str, int]]:
    """Configuration, architecture, tensors, and class -> index."""
    folder = Folder(spec.checkpoint, options)
    config = read_config(folder, name, "vae")
    init = validated(VaeInit, config.init, name, at="init")
    named = own_classes(config, name)
    weights = read_weights(folder, name, config, spec.sha256, parameter_shapes(init, len(named)))
    return config, init, weights, class_indexes(name, spec, named, len(named), options)


def _info(
    name: str, spec: VaeGenerator, config: Config, init: VaeInit, indexes: Mapping[str, int]
) -> GeneratorInfo:
    identity = {
        "family": "vae",
        "version": _VERSION,
        "weights": config.weights_sha256,
        "init": init.model_dump(),
        "classes": dict(indexes),
    }
    return GeneratorInfo(
        name=name,
        family="vae",
        identity=digest(identity),
        sampling_digest=digest({"family": "vae", "sampling": spec.sampling.model_dump()}),
        checkpoint_sha256=config.weights_sha256,
        classes=tuple(indexes),
        height=init.side,
        width=init.side,
        channels=init.channels,
        license=spec.license or config.license,
        digital_source_type=DigitalSourceType.TRAINED_ALGORITHMIC_MEDIA.value,
    )


def describe(name: str, spec: VaeGenerator, options: Options) -> GeneratorInfo:
    """Facts of a checkpoint, after every check that needs no network.

    Raises:
        CheckpointError: the folder does not hold what it must. StorageError: unreadable.
    """
    config, init, _, indexes = _read(name, spec, options)
    return _info(name, spec, config, init, indexes)


def load(
    name: str, spec: VaeGenerator, info: GeneratorInfo, placement: Placement, options: Options
) -> VaeHost:
    """The host of a checkpoint that must still be the one that `info` describes.

    Raises:
        CheckpointError: as `describe`, or it has changed since. StorageError: unreadable.
    """
    import torch

    config, init, arrays, indexes = _read(name, spec, options)
    must_match(_info(name, spec, config, init, indexes), info)
    network = Decoder(init, {key: torch.from_numpy(array) for key, array in arrays.items()})
    return VaeHost(network, info, indexes, placement, spec.sampling.temperature)
