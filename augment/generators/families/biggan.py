"""biggan: BigGAN-deep in the Hugging Face form; network, loading, sampling, conversion.

Spectral normalisation is folded into the weights at conversion. Statistics of the batch
normalisations stand in tables by truncation and are taken once, for the job's. torch is
imported inside functions. Knows nothing of Ray or of how a checkpoint was trained.

Shape letters: B batch, Z latent, N features, C channels, H height (and width), P positions.
Source of the method: Brock, Donahue and Simonyan, "Large Scale GAN Training for High Fidelity
Natural Image Synthesis", ICLR 2019, appendix B; names and numbers checked against
huggingface/pytorch-pretrained-BigGAN (MIT). What differs: z is drawn by rejection from a
normal stream, not by scipy; a class's embedding is taken by index.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from augment.generators.foreign import Conversion, Foreign, matched
from augment.generators.hosting import placed
from augment.generators.labels import class_indexes
from augment.generators.loading import Checkpoint, class_info, opened
from augment.generators.one_pass import Drawn, OnePassHost
from augment.generators.protocol import GeneratorInfo, Options, Placement, must_match
from augment.seeds import Rewound
from augment.spec.generators import BigGanGenerator, BigGanSampling

if TYPE_CHECKING:
    import torch

_VERSION = 1
"""Raise it with every change that changes pixels: it enters the identity."""

_LIMIT = 2.0
"""z before it is scaled lies within +-this."""

Width = Annotated[int, Field(ge=1, le=4096)]
Times = Annotated[int, Field(ge=1, le=64)]
Block = Annotated[tuple[bool, Times, Times], Field(strict=False)]
"""(whether it doubles the side, channels before, channels after), in channel widths."""


class BigGanInit(BaseModel):
    """The generator's architecture, as `init` in `generator.json`; official names.

    layers: the blocks. attention_layer_position: index of the block that self-attention
    stands before, None: nowhere. n_stats: rows of the statistics' tables, for truncations from
    0 to 1 at equal steps.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    z_dim: Width
    class_embed_dim: Width
    num_classes: Annotated[int, Field(ge=1, le=100_000)]
    channel_width: Annotated[int, Field(ge=3, le=512)]
    layers: Annotated[list[Block], Field(min_length=1, max_length=64)]
    attention_layer_position: Annotated[int, Field(ge=0)] | None
    eps: Annotated[float, Field(gt=0.0, le=1.0)]
    n_stats: Annotated[int, Field(ge=2, le=1001)]

    @model_validator(mode="after")
    def _blocks_fit(self) -> BigGanInit:
        for i, (one, two) in enumerate(pairwise(self.layers)):
            if one[2] != two[1]:
                raise ValueError(f"layers.{i}: gives {one[2]} widths, the next takes {two[1]}")
        for i, (_, before, after) in enumerate(self.layers):
            if after != before and after * 2 != before:
                raise ValueError(f"layers.{i}: {before} to {after} widths, expected all or half")
            if before * self.channel_width % 4:
                raise ValueError(f"layers.{i}: {before} widths are not divisible by 4")
        if self.layers[-1][2] != 1:
            raise ValueError(f"layers: the last gives {self.layers[-1][2]} widths, expected 1")
        if self.side > 2048:
            raise ValueError(f"layers: the side is {self.side}, expected at most 2048")
        at = self.attention_layer_position
        if at is not None and (at >= len(self.layers) or self.attended % 8):
            raise ValueError("attention_layer_position: expected a block of 8 channels or more")
        return self

    @property
    def side(self) -> int:
        """Height and width of the image in pixels."""
        return 4 << sum(up for up, _, _ in self.layers)

    @property
    def attended(self) -> int:
        """Channels that self-attention works on."""
        assert self.attention_layer_position is not None
        return self.layers[self.attention_layer_position][1] * self.channel_width

    @property
    def condition(self) -> int:
        """Size of what steers each block: z and the class's vector."""
        return self.z_dim + self.class_embed_dim


def steps(init: BigGanInit) -> Iterator[tuple[str, Block | None]]:
    """(name, block) of each step in order; None: self-attention, which takes a number too."""
    at = 0
    for i, block in enumerate(init.layers):
        if i == init.attention_layer_position:
            yield f"generator.layers.{at}", None
            at += 1
        yield f"generator.layers.{at}", block
        at += 1


def parameter_shapes(init: BigGanInit) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor; the official names, `weight` for the normalised weight."""
    width, stem = init.channel_width, init.layers[0][1] * init.channel_width
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.weight": (init.class_embed_dim, init.num_classes),
        "generator.gen_z.weight": (16 * stem, init.condition),
        "generator.gen_z.bias": (16 * stem,),
    }
    for name, block in steps(init):
        shapes |= _attention(name, init.attended) if block is None else _block(name, init, block)
    shapes |= _statistics("generator.bn", init, width)
    shapes["generator.bn.weight"] = shapes["generator.bn.bias"] = (width,)
    shapes["generator.conv_to_rgb.weight"] = (width, width, 3, 3)
    shapes["generator.conv_to_rgb.bias"] = (width,)
    return shapes


def _block(name: str, init: BigGanInit, block: Block) -> dict[str, tuple[int, ...]]:
    before, after = (times * init.channel_width for times in block[1:])
    middle = before // 4
    shapes: dict[str, tuple[int, ...]] = {}
    convs = ((before, middle, 1), (middle, middle, 3), (middle, middle, 3), (middle, after, 1))
    for i, (inside, outside, k) in enumerate(convs):
        shapes |= _statistics(f"{name}.bn_{i}", init, inside)
        shapes[f"{name}.bn_{i}.scale.weight"] = (inside, init.condition)
        shapes[f"{name}.bn_{i}.offset.weight"] = (inside, init.condition)
        shapes[f"{name}.conv_{i}.weight"] = (outside, inside, k, k)
        shapes[f"{name}.conv_{i}.bias"] = (outside,)
    return shapes


def _statistics(name: str, init: BigGanInit, channels: int) -> dict[str, tuple[int, ...]]:
    table = (init.n_stats, channels)
    return {f"{name}.running_means": table, f"{name}.running_vars": table}


def _attention(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    return {
        f"{name}.snconv1x1_theta.weight": (channels // 8, channels, 1, 1),
        f"{name}.snconv1x1_phi.weight": (channels // 8, channels, 1, 1),
        f"{name}.snconv1x1_g.weight": (channels // 2, channels, 1, 1),
        f"{name}.snconv1x1_o_conv.weight": (channels, channels // 2, 1, 1),
        f"{name}.gamma": (1,),
    }


@dataclass(frozen=True)
class Generator:
    """The network under one sampling: `parameters` has the names and shapes of
    `parameter_shapes`, float32."""

    init: BigGanInit
    parameters: Mapping[str, torch.Tensor]
    sampling: BigGanSampling = field(default_factory=BigGanSampling)

    def draw(self, sample_ids: Sequence[str]) -> dict[str, np.ndarray]:
        """z (B, Z): truncation times normal numbers within +-2, by rejection."""
        rewound = Rewound()
        z_BZ = np.empty((len(sample_ids), self.init.z_dim), np.float32)
        for row, sample_id in zip(z_BZ, sample_ids, strict=True):
            stream = rewound.to(sample_id, "z")
            kept = np.empty(0)
            while len(kept) < len(row):
                drawn = stream.standard_normal(2 * len(row))
                kept = np.concatenate([kept, drawn[np.abs(drawn) <= _LIMIT]])
            row[:] = kept[: len(row)] * self.sampling.truncation
        return {"z": z_BZ}

    def __call__(self, class_B: torch.Tensor, drawn: Drawn) -> torch.Tensor:
        """(B, 3, H, H) in [-1, 1] of int64 class indexes and z, truncated already."""
        import torch
        from torch.nn import functional as f

        p = self.parameters
        embedded = p["embeddings.weight"].t()[class_B]
        condition = torch.cat([drawn["z"], embedded], dim=1)
        x = f.linear(condition, p["generator.gen_z.weight"], p["generator.gen_z.bias"])
        # rows of the stem stand channel last, which is how convolutions run fastest
        x = x.view(len(x), 4, 4, -1).permute(0, 3, 1, 2)
        for name, block in steps(self.init):
            x = self._attend(x, name) if block is None else self._block(x, name, block, condition)
        mean, variance = self._statistics("generator.bn")
        weight, bias = p["generator.bn.weight"], p["generator.bn.bias"]
        x = f.batch_norm(x, mean, variance, weight, bias, eps=self.init.eps).relu()
        weight, bias = p["generator.conv_to_rgb.weight"], p["generator.conv_to_rgb.bias"]
        # of its channels only three are colours
        return f.conv2d(x, weight[:3], bias[:3], padding=1).float().tanh()

    def _block(
        self, x: torch.Tensor, name: str, block: Block, condition: torch.Tensor
    ) -> torch.Tensor:
        from torch.nn import functional as f

        up, before, after = block
        past = x if after == before else x[:, : x.shape[1] // 2]
        for i in range(4):
            x = self._normalised(x, f"{name}.bn_{i}", condition).relu()
            if up and i == 1:
                x = f.interpolate(x, scale_factor=2.0, mode="nearest")
            weight, bias = (
                self.parameters[f"{name}.conv_{i}.{part}"] for part in ("weight", "bias")
            )
            x = f.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)
        if up:
            past = f.interpolate(past, scale_factor=2.0, mode="nearest")
        return x + past

    def _normalised(self, x: torch.Tensor, name: str, condition: torch.Tensor) -> torch.Tensor:
        """Batch normalisation whose scale and offset the condition gives."""
        from torch.nn import functional as f

        mean, variance = self._statistics(name)
        scale = 1.0 + f.linear(condition, self.parameters[f"{name}.scale.weight"])
        offset = f.linear(condition, self.parameters[f"{name}.offset.weight"])
        scale = scale * (variance + self.init.eps).rsqrt()
        return x * scale[:, :, None, None] + (offset - mean * scale)[:, :, None, None]

    def _statistics(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and variance (C) at the sampling's truncation.

        Between two rows of the table the official program interpolates with the weights
        exchanged; so does this, for that is what its images are made with.
        """
        whole = self.init.n_stats - 1
        share, start = math.modf(self.sampling.truncation / (1.0 / whole))
        low = min(int(start), whole)
        tables = (self.parameters[f"{name}.running_{kind}"] for kind in ("means", "vars"))
        mean, variance = (
            table[low] * share + table[min(low + 1, whole)] * (1.0 - share) if share else table[low]
            for table in tables
        )
        return mean, variance

    def _attend(self, x_BCHW: torch.Tensor, name: str) -> torch.Tensor:
        """Self-attention from every position to the maxima of every 2x2 positions."""
        from torch.nn import functional as f

        def projected(x: torch.Tensor, kind: str) -> torch.Tensor:
            return f.conv2d(x, self.parameters[f"{name}.snconv1x1_{kind}.weight"])

        theta_BCP = projected(x_BCHW, "theta").flatten(2)
        phi_BCP = f.max_pool2d(projected(x_BCHW, "phi"), 2).flatten(2)
        g_BCP = f.max_pool2d(projected(x_BCHW, "g"), 2).flatten(2)
        weights = (theta_BCP.transpose(1, 2) @ phi_BCP).softmax(dim=-1)
        seen = (g_BCP @ weights.transpose(1, 2)).reshape(len(x_BCHW), -1, *x_BCHW.shape[2:])
        return x_BCHW + self.parameters[f"{name}.gamma"] * projected(seen, "o_conv")


def _read(
    name: str, spec: BigGanGenerator, options: Options, keep: bool = True
) -> Checkpoint[BigGanInit]:
    found = opened(name, spec, "biggan", options)
    init = found.init(BigGanInit)
    arrays = found.weights(parameter_shapes(init), keep)
    indexes = class_indexes(name, spec, found.config.classes, init.num_classes, options)
    shape = (3, init.side, init.side)
    info = class_info(found, _VERSION, found.config.init, spec.sampling, shape, indexes)
    return Checkpoint(info, init, arrays, indexes)


def describe(name: str, spec: BigGanGenerator, options: Options) -> GeneratorInfo:
    """Facts of a checkpoint, after every check that needs no network.

    Raises:
        CheckpointError: the folder does not hold what it must. StorageError: unreadable.
    """
    return _read(name, spec, options, keep=False).info


def load(
    name: str, spec: BigGanGenerator, info: GeneratorInfo, placement: Placement, options: Options
) -> OnePassHost:
    """The host of a checkpoint that must still be the one that `info` describes.

    Raises:
        CheckpointError: as `describe`, or it has changed since. StorageError: unreadable.
    """
    found = _read(name, spec, options)
    must_match(found.info, info)
    network = Generator(found.init, placed(found.arrays, placement), spec.sampling)
    return OnePassHost(network, info, found.indexes, placement, spec.sampling.precision)


def convert(foreign: Foreign) -> Conversion | None:
    """BigGAN-deep of pytorch-pretrained-BigGAN with its `config.json`; None where it is no
    BigGAN.

    Raises:
        CheckpointError: it is a BigGAN of another program, or lacks its configuration.
    """
    if {"shared.weight", "blocks.0.0.bn1.gain.weight"} <= foreign.tensors.keys():
        raise foreign.refusal(
            "a BigGAN of ajbrock/BigGAN-PyTorch", "BigGAN-deep in the Hugging Face form",
            "take a checkpoint of huggingface/pytorch-pretrained-BigGAN, or export this one as "
            "ONNX (docs/generators.md shows how)",
        )  # fmt: skip
    if not {"embeddings.weight", "generator.gen_z.weight_orig"} <= foreign.tensors.keys():
        return None
    init = foreign.fitted(BigGanInit, _found(foreign))
    tensors = matched(foreign.place, _folded(foreign), parameter_shapes(init))
    return Conversion("biggan", init.model_dump(), tensors, num_classes=init.num_classes)


def _found(foreign: Foreign) -> dict[str, Any]:
    """`BigGanInit` of a foreign checkpoint, before it is checked. Which blocks double the side
    stands in no tensor, so the configuration must be there."""
    config = foreign.config.get("init", foreign.config)
    wanted = ("z_dim", "channel_width", "layers", "attention_layer_position", "eps", "n_stats")
    missing = [key for key in wanted if not isinstance(config, Mapping) or key not in config]
    if missing:
        raise foreign.refusal(
            f"no configuration that says {', '.join(missing)}", "the config.json beside it",
            "import the folder that holds both",
        )  # fmt: skip
    embedding, classes = foreign.sizes("embeddings.weight", 2)
    # the official program knows no network without attention: a position past the end is none
    at, layers = config["attention_layer_position"], config["layers"]
    past = isinstance(at, int) and isinstance(layers, list) and at >= len(layers)
    return {
        **{key: config[key] for key in wanted},
        "class_embed_dim": embedding,
        "num_classes": classes,
        "attention_layer_position": None if past else at,
    }


def _folded(foreign: Foreign) -> dict[str, np.ndarray]:
    """The tensors, each spectrally normalised weight divided by its stored norm.

    Source: Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR
    2018; the norm is u W v with the vectors that training left, as in evaluation.
    """
    folded = {}
    for key, array in foreign.tensors.items():
        stem, _, part = key.rpartition(".")
        if part in ("weight_u", "weight_v") and f"{stem}.weight_orig" in foreign.tensors:
            continue
        if part != "weight_orig":
            folded[key] = array
            continue
        if array.ndim < 2 or not array.size:
            raise foreign.refusal(f"{key} has shape {list(array.shape)}", "a matrix or more")
        wide = np.asarray(array, np.float64)
        flat = wide.reshape(len(wide), -1)
        (rows,), (columns,) = (foreign.sizes(f"{stem}.weight_{x}", 1) for x in "uv")
        if (rows, columns) != flat.shape:
            raise foreign.refusal(
                f"{stem}: weight_u and weight_v have {rows} and {columns} values",
                f"{flat.shape[0]} and {flat.shape[1]}",
            )
        u, v = (np.asarray(foreign.tensors[f"{stem}.weight_{x}"], np.float64) for x in "uv")
        norm = float(u @ flat @ v)
        if not norm > 0.0:
            raise foreign.refusal(f"{stem}: its spectral norm is {norm}", "more than 0")
        folded[f"{stem}.weight"] = (wide / norm).astype(np.float32)
    return folded
