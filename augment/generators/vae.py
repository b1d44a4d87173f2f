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
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from augment.errors import RequestError
from augment.generators.checkpoint import Config, read_config, read_weights, validated
from augment.generators.protocol import (
    GeneratedBatch,
    GeneratorInfo,
    SampleRequest,
    must_match,
    unknown_class,
)
from augment.sample import DigitalSourceType
from augment.seeds import digest, normals
from augment.spec.models import VaeGenerator
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

    def to(self, device: str) -> Decoder:
        """The same decoder on a device, convolutions laid out channels last."""
        import torch

        placed = {}
        for key, value in self.parameters.items():
            layout = torch.channels_last if value.dim() == 4 else torch.contiguous_format
            placed[key] = value.detach().to(device, memory_format=layout)
        return Decoder(self.init, placed)


def _cat(*tensors: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.cat(tensors, dim=1)


class VaeHost:
    """A loaded decoder. network: on any device, it is moved. device: `cpu`, `cuda` or
    `cuda:1`. temperature: standard deviation of z."""

    def __init__(
        self, network: Decoder, info: GeneratorInfo, device: str, temperature: float = 1.0
    ) -> None:
        self.info = info
        self._class_indexes = {name: i for i, name in enumerate(info.classes)}
        self.network = network.to(device)
        self._device = device
        self._temperature = np.float32(temperature)

    def validate(self, request: SampleRequest) -> None:
        """Raises:
        RequestError: the class is not one of the checkpoint's.
        """
        if request.label_name not in self._class_indexes:
            raise RequestError(unknown_class(self.info, request.label_name))

    def batch_key(self, request: SampleRequest) -> Hashable:
        """All rows may share a batch, whatever their class."""
        return self.info.family

    def generate(self, batch: Sequence[SampleRequest]) -> GeneratedBatch:
        """Images (N, C, H, W); a row that is not finite is zeros and fails with `nan`.

        Raises:
            RequestError: the class is not one of the checkpoint's.
        """
        import torch

        info = self.info
        if not batch:
            empty = np.zeros((0, info.channels, info.height, info.width), dtype=np.float32)
            return GeneratedBatch(empty, ())
        for request in batch:
            self.validate(request)
        class_B = np.array([self._class_indexes[r.label_name] for r in batch], dtype=np.int64)
        z_BZ = normals([r.sample_id for r in batch], "z", self.network.init.latent)
        z_BZ = z_BZ.astype(np.float32) * self._temperature
        with torch.inference_mode(), _exact_convolutions(self._device):
            x_BCHW = self.network(self._send(z_BZ), self._send(class_B))
            images_BCHW = self._fetch(x_BCHW)
        finite_B = np.isfinite(images_BCHW).all(axis=(1, 2, 3))
        images_BCHW[~finite_B] = 0.0
        return GeneratedBatch(images_BCHW, tuple(None if ok else "nan" for ok in finite_B))

    def _send(self, array: np.ndarray) -> torch.Tensor:
        import torch

        tensor = torch.from_numpy(array)
        if self._device == "cpu":
            return tensor
        return tensor.pin_memory().to(self._device, non_blocking=True)

    def _fetch(self, x_BCHW: torch.Tensor) -> np.ndarray:
        """As a writable, contiguous NCHW array, through pinned memory from a GPU."""
        import torch

        on_gpu = self._device != "cpu"
        out = torch.empty(x_BCHW.shape, dtype=torch.float32, pin_memory=on_gpu)
        out.copy_(x_BCHW, non_blocking=on_gpu)
        if on_gpu:
            torch.cuda.current_stream(x_BCHW.device).synchronize()
        return out.numpy()


def _exact_convolutions(device: str) -> Any:
    """On a GPU: full float32 and one algorithm per shape, or rows would move with their batch
    by more than the tolerance (TF32 keeps 10 bits of mantissa)."""
    import contextlib

    import torch

    if device == "cpu":
        return contextlib.nullcontext()
    return torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )


def _read(
    name: str, spec: VaeGenerator, options: Mapping[str, Mapping[str, Any]] | None
) -> tuple[Config, VaeInit, dict[str, np.ndarray]]:
    folder = Folder(spec.checkpoint, options)
    config = read_config(folder, name, "vae")
    init = validated(VaeInit, config.init, name, at="init")
    shapes = parameter_shapes(init, len(config.classes))
    return config, init, read_weights(folder, name, config, spec.sha256, shapes)


def _info(name: str, spec: VaeGenerator, config: Config, init: VaeInit) -> GeneratorInfo:
    identity = {
        "family": "vae",
        "version": _VERSION,
        "weights": config.weights_sha256,
        "init": init.model_dump(),
        "classes": config.classes,
    }
    return GeneratorInfo(
        name=name,
        family="vae",
        identity=digest(identity),
        sampling_digest=digest({"family": "vae", "sampling": spec.sampling.model_dump()}),
        checkpoint_sha256=config.weights_sha256,
        classes=tuple(config.classes),
        height=init.side,
        width=init.side,
        channels=init.channels,
        license=spec.license or config.license,
        digital_source_type=DigitalSourceType.TRAINED_ALGORITHMIC_MEDIA.value,
    )


def describe(
    name: str, spec: VaeGenerator, options: Mapping[str, Mapping[str, Any]] | None
) -> GeneratorInfo:
    """Facts of a checkpoint, after every check that needs no network.

    Raises:
        CheckpointError: the folder does not hold what it must. StorageError: unreadable.
    """
    config, init, _ = _read(name, spec, options)
    return _info(name, spec, config, init)


def load(
    name: str,
    spec: VaeGenerator,
    info: GeneratorInfo,
    device: str,
    options: Mapping[str, Mapping[str, Any]] | None,
) -> VaeHost:
    """The host of a checkpoint that must still be the one that `info` describes.

    Raises:
        CheckpointError: as `describe`, or it has changed since. StorageError: unreadable.
    """
    import torch

    config, init, arrays = _read(name, spec, options)
    must_match(_info(name, spec, config, init), info)
    parameters = {key: torch.from_numpy(array) for key, array in arrays.items()}
    return VaeHost(Decoder(init, parameters), info, device, spec.sampling.temperature)
