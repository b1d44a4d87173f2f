"""What the families that translate an image share: normalisation, dropout masks, the host,
and the way from a checkpoint folder to it, of one network or of two.

A family brings a `TranslatorInit` (its architecture) and a `Network`. Knows nothing of Ray,
of any one architecture, or of what other programs write (`convert` does).

Shape letters: B batch, C channels, H height, W width.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Generic, Literal, Protocol, Self, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from augment.errors import CheckpointError
from augment.generators.hosting import Device, compiled, generated, placed
from augment.generators.loading import Checkpoint, Opened, checkpoint_info, opened
from augment.generators.protocol import (
    GeneratedBatch,
    GeneratorInfo,
    Options,
    Placement,
    SampleRequest,
    must_match,
)
from augment.generators.source_image import Intake, Size, SourceImages, notes
from augment.sample import DigitalSourceType
from augment.seeds import Rewound
from augment.spec.generator_base import TranslationSampling, Translator

if TYPE_CHECKING:
    import torch

Direction = Literal["AtoB", "BtoA"]
DIRECTIONS: tuple[Direction, Direction] = ("AtoB", "BtoA")
Shapes = dict[str, tuple[int, ...]]


class TranslatorInit(BaseModel, abc.ABC):
    """The common part of an architecture, as `init` in `generator.json`.

    input_nc, output_nc: channels of source and image. ngf: width of the first feature map.
    norm: `batch` has statistics and an affine map, `instance` neither, but then convolutions
    have a bias. dropout: whether the network was built with it. direction: None where
    unknown; `both`: two networks whose tensors stand under `AtoB.` and `BtoA.`, input_nc and
    output_nc being those of AtoB.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    input_nc: Literal[1, 3]
    output_nc: Annotated[int, Field(ge=1, le=4)]
    ngf: Annotated[int, Field(ge=1, le=1024)]
    norm: Literal["batch", "instance", "none"]
    dropout: bool
    direction: Literal["AtoB", "BtoA", "both"] | None = None

    @model_validator(mode="after")
    def _sources_both_ways(self) -> Self:
        if self.direction == "both" and self.output_nc not in (1, 3):
            raise ValueError("with both directions output_nc is 1 or 3: sources are grey or RGB")
        return self

    @abc.abstractmethod
    def shapes(self) -> Shapes:
        """Name -> shape of every tensor of one network."""

    @abc.abstractmethod
    def intake(self) -> Intake:
        """What one network takes."""

    @abc.abstractmethod
    def output_size(self, taken: Size) -> Size:
        """Size of what one network makes of an input."""

    @abc.abstractmethod
    def dropped(self, taken: Size) -> dict[str, tuple[int, int, int]]:
        """Name -> (C, H, W) of every feature map under dropout, for an input's size."""


Init = TypeVar("Init", bound=TranslatorInit)


class Network(Protocol):
    """(B, C, H, W) float32 in [-1, 1] -> the same of its images. keep: 1 where a value
    stays, by the names of `TranslatorInit.dropped`; empty: dropout is off."""

    def __call__(self, x_BCHW: torch.Tensor, keep: Mapping[str, torch.Tensor]) -> torch.Tensor: ...


@dataclass(frozen=True)
class Family(Generic[Init]):
    """version: raise it with every change that changes pixels, it enters the identity.
    network: from an architecture, its parameters, and whether batch norms take each
    sample's own statistics."""

    name: str
    version: int
    init: type[Init]
    network: Callable[[Init, Mapping[str, torch.Tensor], bool], Network]


# ---- arithmetic ----------------------------------------------------------------------


def norm_shapes(name: str, channels: int, norm: str) -> Shapes:
    """The tensors of the normalisation `name`."""
    kinds = ("weight", "bias", "running_mean", "running_var") if norm == "batch" else ()
    return {f"{name}.{kind}": (channels,) for kind in kinds}


def normalised(
    x_BCHW: torch.Tensor, p: Mapping[str, torch.Tensor], name: str, norm: str, per_sample: bool
) -> torch.Tensor:
    """The normalisation `name`; every variant takes each row for itself."""
    from torch.nn import functional as f

    if norm == "none":
        return x_BCHW
    if norm == "instance":
        return f.instance_norm(x_BCHW, eps=1e-5)
    weight, bias = p[f"{name}.weight"], p[f"{name}.bias"]
    if per_sample:
        return f.instance_norm(x_BCHW, weight=weight, bias=bias, eps=1e-5)
    mean, var = p[f"{name}.running_mean"], p[f"{name}.running_var"]
    return f.batch_norm(x_BCHW, mean, var, weight, bias, training=False, eps=1e-5)


def thinned(x_BCHW: torch.Tensor, keep: Mapping[str, torch.Tensor], name: str) -> torch.Tensor:
    """Dropout of one half under the mask `name`, where there is one."""
    if name not in keep:
        return x_BCHW
    return x_BCHW * (keep[name].to(x_BCHW.dtype) * 2.0)


def masks(
    sample_ids: Sequence[str], shapes: Mapping[str, tuple[int, int, int]]
) -> dict[str, np.ndarray]:
    """Name -> (B, C, H, W) uint8 of 0 and 1, evenly: a bit per value of the sample's own
    stream `dropout/<name>`."""
    rewound = Rewound()
    found = {}
    for name, shape in shapes.items():
        count = int(np.prod(shape))
        bits = np.empty((len(sample_ids), count), dtype=np.uint8)
        for row, sample_id in zip(bits, sample_ids, strict=True):
            raw = rewound.to(sample_id, f"dropout/{name}").bytes((count + 7) // 8)
            row[:] = np.unpackbits(np.frombuffer(raw, dtype=np.uint8), count=count)
        found[name] = bits.reshape(len(sample_ids), *shape)
    return found


# ---- the host ------------------------------------------------------------------------


class TranslatorHost(Generic[Init]):
    """A loaded translator. network: on the device that `placement` says."""

    def __init__(
        self,
        network: Network,
        init: Init,
        info: GeneratorInfo,
        spec: Translator,
        placement: Placement | None = None,
    ) -> None:
        self.info = info
        self.network = network
        self._init = init
        self._device = Device(placement, spec.sampling.precision)
        self._images = SourceImages(info.name, spec.preprocess, init.intake())
        self._drops = spec.sampling.dropout == "seeded"
        self._run = compiled(network, self._device.placement)

    def validate(self, request: SampleRequest) -> None:
        """Raises:
        RequestError: there is no source, or none that the network can take. (Any class is
            right: it is that of the source, or what the job says.)
        """
        self._images.validate(request)

    def batch_key(self, request: SampleRequest) -> Hashable:
        """Rows may share a batch where the network's input and the image have one size.

        Raises:
            RequestError: as `validate`.
        """
        return self._images.key(request)

    def generate(self, batch: Sequence[SampleRequest]) -> GeneratedBatch:
        """Images (N, C, H, W); a row that is not finite is zeros and fails with `nan`.

        Raises:
            RequestError: as `validate`.
        """
        made = generated(self, batch, self._made)
        return dataclasses.replace(made, notes=notes(self._images, batch))

    def _made(self, batch: Sequence[SampleRequest]) -> np.ndarray:
        x_BCHW = self._images.prepared(batch)
        dropped = self._init.dropped(x_BCHW.shape[2:]) if self._drops else {}
        keep = masks([r.sample_id for r in batch], dropped)

        def run(x_BCHW: torch.Tensor, *kept: torch.Tensor) -> torch.Tensor:
            return self._run(self._laid_out(x_BCHW), dict(zip(keep, kept, strict=True)))

        made_BCHW = self._device.passed([x_BCHW, *keep.values()], run)
        return self._images.restored(made_BCHW, batch)

    def _laid_out(self, x_BCHW: torch.Tensor) -> torch.Tensor:
        import torch

        last = self._device.placement.lays_last()
        return x_BCHW.contiguous(
            memory_format=torch.channels_last if last else torch.contiguous_format
        )


# ---- from a checkpoint ---------------------------------------------------------------


def one_network(
    family: Family[Init], found: Opened, spec: Translator, keep: bool = True
) -> tuple[Init, dict[str, np.ndarray]]:
    """Architecture and tensors of the network that the job asks for; keep: as `Opened.weights`.

    Raises:
        CheckpointError: the folder does not hold what it must, or not that network.
        StorageError: unreadable.
    """
    init = found.init(family.init)
    _check_direction(found.name, spec, init)
    tensors = found.weights(all_shapes(init), keep)
    if init.direction != "both":
        return init, tensors
    assert spec.direction is not None, "checked above"
    prefix = f"{spec.direction}."
    own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    return one_way(init, spec.direction), own


def one_way(init: Init, direction: Direction) -> Init:
    """The architecture of one of the two networks of `init`."""
    update: dict[str, object] = {"direction": direction}
    if direction == "BtoA":
        update |= {"input_nc": init.output_nc, "output_nc": init.input_nc}
    return init.model_copy(update=update)


def all_shapes(init: TranslatorInit) -> Shapes:
    """Name -> shape of every tensor of a checkpoint, of both networks where it holds two."""
    if init.direction != "both":
        return init.shapes()
    return {
        f"{direction}.{key}": shape
        for direction in DIRECTIONS
        for key, shape in one_way(init, direction).shapes().items()
    }


def describe(family: Family[Init], name: str, spec: Translator, options: Options) -> GeneratorInfo:
    """Facts of a checkpoint, after every check that needs no network.

    Raises:
        CheckpointError: the folder does not hold what it must, or the job asks for what the
            network has not. StorageError: unreadable.
    """
    return _read(family, name, spec, options, keep=False).info


def load(
    family: Family[Init],
    name: str,
    spec: Translator,
    info: GeneratorInfo,
    placement: Placement,
    options: Options,
) -> TranslatorHost[Init]:
    """The host of a checkpoint that must still be the one that `info` describes.

    Raises:
        CheckpointError: as `describe`, or it has changed since. StorageError: unreadable.
    """
    found = _read(family, name, spec, options)
    must_match(found.info, info)
    per_sample = spec.sampling.norm_mode == "per_sample"
    network = family.network(found.init, placed(found.arrays, placement), per_sample)
    return TranslatorHost(network, found.init, info, spec, placement)


def _read(
    family: Family[Init], name: str, spec: Translator, options: Options, keep: bool = True
) -> Checkpoint[Init]:
    found = opened(name, spec, family.name, options)
    init, arrays = one_network(family, found, spec, keep)
    return Checkpoint(_info(family, found, spec, init), init, arrays)


def _check_direction(name: str, spec: Translator, init: TranslatorInit) -> None:
    place = f"generators.{name}.direction"
    asked, held = spec.direction, init.direction
    if held == "both":
        if asked is None:
            raise CheckpointError(
                f"{place}: missing, but the checkpoint holds two networks; expected AtoB or BtoA"
            )
    elif asked is not None and asked != held:
        known = f"goes {held}" if held else "does not say which way it goes"
        expected = f"expected {held} or no such key" if held else "expected no such key"
        raise CheckpointError(
            f"{place}: got {asked}, but the checkpoint's network {known}; {expected}"
        )


def _info(family: Family[Init], found: Opened, spec: Translator, init: Init) -> GeneratorInfo:
    images = SourceImages(found.name, spec.preprocess, init.intake())
    images.check()
    _check_sampling(f"generators.{found.name}", spec.sampling, init)
    return checkpoint_info(
        found,
        family.version,
        pixels={"init": init.model_dump()},
        sampling={
            "sampling": spec.sampling.model_dump(),
            "preprocess": spec.preprocess.model_dump(),
        },
        shape=(init.output_nc, *images.image_size(init.output_size(images.typical()))),
        kind=DigitalSourceType.COMPOSITE_WITH_TRAINED,
        takes_image=True,
        varies=spec.sampling.dropout == "seeded" or images.varies,
    )


def _check_sampling(place: str, sampling: TranslationSampling, init: TranslatorInit) -> None:
    if init.output_nc not in (1, 3):
        raise CheckpointError(
            f"{place}: the checkpoint's images have {init.output_nc} channels; expected 1 or 3"
        )
    if sampling.norm_mode == "per_sample" and init.norm != "batch":
        raise CheckpointError(
            f"{place}.sampling.norm_mode: got per_sample, which has no effect: the checkpoint has "
            f"no batch norm (its norm is {init.norm}); expected no such key"
        )
    least = init.intake().least
    if sampling.dropout == "seeded" and not init.dropped((least, least)):
        raise CheckpointError(
            f"{place}.sampling.dropout: got seeded, which has no effect: the checkpoint's network "
            "has no dropout; expected no such key"
        )
