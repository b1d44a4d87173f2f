"""diffusion: a (class-conditional) U-Net and its noise schedule; loading and sampling.

The network is `unet2d`, the way from noise to image `solvers`; here stand the loop, guidance
by class, and what becomes of a diffusers folder. All noise is drawn per sample, so that a
row does not depend on its batch. torch is imported inside functions. Knows nothing of Ray,
of other families, or of how a checkpoint was trained.

Shape letters: B batch, C channels, H height, W width.
Sources: classifier-free guidance: Ho and Salimans, 2022, with the weight as in diffusers
(1 is none); a start from an image: SDEdit, Meng et al., ICLR 2022.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

from augment.errors import CheckpointError, RequestError
from augment.generators.checkpoint import Config
from augment.generators.families.diffusion.solvers import ScheduleInit, Walk, Walker, walk
from augment.generators.families.diffusion.unet2d import Unet, UnetInit, parameter_shapes
from augment.generators.hosting import Device, compiled, generated, padded, placed
from augment.generators.labels import class_indexes
from augment.generators.loading import Checkpoint, checkpoint_info, opened
from augment.generators.protocol import (
    GeneratedBatch,
    GeneratorInfo,
    Options,
    Placement,
    SampleRequest,
    must_match,
    need_class,
)
from augment.seeds import normals
from augment.spec.generators import DiffusionGenerator, DiffusionSampling

if TYPE_CHECKING:
    import torch

_VERSION = 1
"""Raise it with every change that changes pixels: it enters the identity."""

_LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601, as Pillow makes grey of RGB."""


class DiffusionInit(BaseModel):
    """`init` in `generator.json`: the network and the schedule it was trained with."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    unet: UnetInit
    schedule: ScheduleInit


@dataclass(frozen=True)
class Labels:
    """indexes: class -> the network's index, {} where any class is made from an image.
    null: the index that means no class, where it is used."""

    indexes: Mapping[str, int]
    null: int | None = None


class DiffusionHost:
    """A loaded network on its way from noise. network: where `placement` says."""

    def __init__(
        self,
        network: Unet,
        info: GeneratorInfo,
        labels: Labels,
        way: Walk,
        sampling: DiffusionSampling,
        placement: Placement | None = None,
    ) -> None:
        self.info = info
        self._init = network.init
        self._labels = labels
        self._walk = way
        self._guidance = sampling.guidance_scale
        self._device = Device(placement, sampling.precision)
        self._network = compiled(network, self._device.placement)

    def validate(self, request: SampleRequest) -> None:
        """Raises:
        RequestError: the class is not one of the checkpoint's, or the source image is
            missing, not wanted, or of another size.
        """
        if self._labels.indexes:
            need_class(self.info, request, self._labels.indexes)
        place = f"generators.{self.info.name}"
        if not self.info.takes_image:
            if request.source is not None:
                raise RequestError(
                    f"{place}: got a source image; expected none without sampling.strength"
                )
            return
        expected = (self.info.height, self.info.width, 3)
        found = None if request.source is None else request.source.shape
        if found != expected:
            raise RequestError(
                f"{place}: got {'no source image' if found is None else f'a source of {found}'}; "
                f"expected one of {expected}, the network's size; resize it in the job"
            )

    def batch_key(self, request: SampleRequest) -> Hashable:
        """All rows may share a batch, whatever their class."""
        return self.info.family

    def generate(self, batch: Sequence[SampleRequest]) -> GeneratedBatch:
        """Images (N, C, H, W); a row that is not finite is zeros and fails with `nan`.

        Raises:
            RequestError: a request that `validate` refuses.
        """
        return generated(self, batch, self._made)

    def _made(self, batch: Sequence[SampleRequest]) -> np.ndarray:
        ids = [r.sample_id for r in batch]
        with self._device.sampling():
            class_B = self._classes(batch)
            x_BCHW = self._start(batch, self._send(self._noise(ids, "z")))
            walker = Walker(self._walk)
            for k, step in enumerate(self._walk.steps):
                said_BCHW = self._predicted(x_BCHW, step.t, class_B)
                noise = self._send(self._noise(ids, f"step/{k}")) if self._walk.eta else None
                x_BCHW = walker.step(k, x_BCHW, said_BCHW, noise)
            return self._device.fetch(x_BCHW[: len(batch)])

    def _noise(self, ids: Sequence[str], name: str) -> np.ndarray:
        c, h, w = self._init.shape
        return normals(ids, name, c * h * w).astype(np.float32).reshape(-1, c, h, w)

    def _send(self, array: np.ndarray) -> torch.Tensor:
        import torch

        placement = self._device.placement
        tensor = self._device.send(*padded([array], placement))
        if placement.lays_last(on_cpu=True) and tensor.dim() == 4:
            return tensor.contiguous(memory_format=torch.channels_last)
        return tensor

    def _classes(self, batch: Sequence[SampleRequest]) -> torch.Tensor | None:
        if self._init.num_class_embeds is None:
            return None
        indexes = [self._labels.indexes[r.label_name] for r in batch]
        return self._send(np.array(indexes, dtype=np.int64))

    def _start(self, batch: Sequence[SampleRequest], z_BCHW: torch.Tensor) -> torch.Tensor:
        """x at the first step: noise, or the noised source images."""
        if not self.info.takes_image:
            return z_BCHW * self._walk.first
        images = [_prepared(r.source, self.info.channels) for r in batch if r.source is not None]
        return self._walk.noised(self._send(np.stack(images)), z_BCHW)

    def _predicted(
        self, x_BCHW: torch.Tensor, t: float, class_B: torch.Tensor | None
    ) -> torch.Tensor:
        """What the network says, float32; guided away from what it says of no class."""
        import torch

        t_B = torch.full((len(x_BCHW),), t, dtype=torch.float32, device=x_BCHW.device)
        if class_B is None or self._labels.null is None:
            return self._network(x_BCHW, t_B, class_B).float()
        both_B = torch.cat([class_B, torch.full_like(class_B, self._labels.null)])
        said = self._network(torch.cat([x_BCHW, x_BCHW]), torch.cat([t_B, t_B]), both_B).float()
        of_class, of_none = said.chunk(2)
        return of_none + self._guidance * (of_class - of_none)


def _prepared(source_HWC: np.ndarray, channels: int) -> np.ndarray:
    """A source image as the network sees images: (C, H, W) float32 in [-1, 1]."""
    x_HWC = source_HWC.astype(np.float32) / 127.5 - 1.0
    if channels == 1:
        x_HWC = x_HWC @ np.array(_LUMA, dtype=np.float32)[:, None]
    return np.ascontiguousarray(x_HWC.transpose(2, 0, 1))


# ---- loading -------------------------------------------------------------------------


def describe(name: str, spec: DiffusionGenerator, options: Options) -> GeneratorInfo:
    """Facts of a checkpoint, after every check that needs no network.

    Raises:
        CheckpointError: the folder does not hold what it must, or the sampling does not fit
            it. StorageError: unreadable.
    """
    found, _ = _read(name, spec, options, keep=False)
    _walk(name, found.init, spec.sampling)
    return found.info


def load(
    name: str, spec: DiffusionGenerator, info: GeneratorInfo, placement: Placement, options: Options
) -> DiffusionHost:
    """The host of a checkpoint that must still be the one that `info` describes.

    Raises:
        CheckpointError: as `describe`, or it has changed since. StorageError: unreadable.
    """
    found, labels = _read(name, spec, options)
    must_match(found.info, info)
    network = Unet(found.init.unet, placed(found.arrays, placement, on_cpu=True))
    way = _walk(name, found.init, spec.sampling)
    return DiffusionHost(network, info, labels, way, spec.sampling, placement)


def _read(
    name: str, spec: DiffusionGenerator, options: Options, keep: bool = True
) -> tuple[Checkpoint[DiffusionInit], Labels]:
    found = opened(name, spec, "diffusion", options)
    init = found.init(DiffusionInit)
    labels = _labels(name, spec, found.config, init.unet.num_class_embeds, options)
    arrays = found.weights(parameter_shapes(init.unet), keep)
    info = checkpoint_info(
        found,
        _VERSION,
        pixels={"init": init.model_dump(), "classes": labels.indexes},
        sampling={"sampling": spec.sampling.model_dump()},
        shape=init.unet.shape,
        classes=labels.indexes,
        takes_image=spec.sampling.strength is not None,
    )
    return Checkpoint(info, init, arrays, labels.indexes), labels


def _labels(
    name: str, spec: DiffusionGenerator, config: Config, rows: int | None, options: Options
) -> Labels:
    """Class -> index. The last of the network's `rows` means no class where the names are
    one fewer than rows: a null class is not guessed from a checkpoint without names."""
    guided = spec.sampling.guidance_scale > 1.0
    place = f"generators.{name}.sampling.guidance_scale"
    if rows is None:
        if guided:
            raise CheckpointError(
                f"{place}: has no effect, the checkpoint is unconditional; expected 1.0"
            )
        any_class = spec.sampling.strength is not None and spec.label is None
        if any_class and spec.class_index is None:
            return Labels({})
        return Labels(class_indexes(name, spec, None, 0, options))
    named = config.classes
    if named is not None and len(named) not in (rows - 1, rows):
        raise CheckpointError(
            f"generators.{name}: generator.json: classes: {len(named)} names, expected {rows}, or "
            f"{rows - 1} with a null class as the last of the network's; import it again"
        )
    indexes = class_indexes(name, spec, named, len(named) if named else rows, options)
    if not guided:
        return Labels(indexes)
    whole = set(range(rows - 1))
    if named is not None and len(named) == rows:
        raise CheckpointError(
            f"{place}: the checkpoint has no null class ({rows} names for {rows} indexes); "
            "expected 1.0"
        )
    if named is None and set(indexes.values()) != whole:
        raise CheckpointError(
            f"{place}: needs a null class, and which index that is can only be known when all "
            f"others are named; expected generators.{name}.class_index to name 0 to {rows - 2}"
        )
    return Labels(indexes, rows - 1)


def _walk(name: str, init: DiffusionInit, sampling: DiffusionSampling) -> Walk:
    place = f"generators.{name}.sampling"
    total, asked = init.schedule.num_train_timesteps, sampling.steps
    most = total - 1 if sampling.scheduler == "dpmpp_2m" else total
    most = min(most, total - init.schedule.steps_offset)
    if asked > most:
        raise CheckpointError(
            f"{place}.steps: got {asked}; expected at most {most}, for the network was trained "
            f"on {total} time steps"
        )
    if sampling.eta and sampling.scheduler != "ddim":
        raise CheckpointError(
            f"{place}.eta: has no effect with scheduler {sampling.scheduler!r}; expected 0, or "
            "scheduler: ddim"
        )
    way = walk(init.schedule, sampling.scheduler, asked, sampling.eta)
    if sampling.strength is None:
        return way
    part = way.begun_from(sampling.strength)
    if not part.steps:
        raise CheckpointError(
            f"{place}.strength: got {sampling.strength}, which leaves no step of {asked}; "
            f"expected at least {1 / asked:g}, or more steps"
        )
    return part
