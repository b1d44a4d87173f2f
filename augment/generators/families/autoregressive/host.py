"""autoregressive: images token by token; loading, sampling, and what becomes of checkpoints.

What is loaded is a `model`; here stands the loop. A token comes from
the cumulated probabilities at uniform numbers of the row's own stream, in the order of token
ids, so that a row depends on no batch but where a number falls within float error of a
boundary. torch is imported inside functions.
Knows nothing of Ray, of other families, or of how a checkpoint was trained.

Shape letters: B batch, T positions, L levels, V tokens, C channels, H height, W width.
Sources: top-p: Holtzman et al., "The Curious Case of Neural Text Degeneration", ICLR 2020;
guidance of logits as in LlamaGen (see `token_networks`), 1 is none.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from augment.errors import CheckpointError
from augment.generators.families.autoregressive.model import (
    AutoregressiveInit,
    model_of,
    parameter_shapes,
)
from augment.generators.hosting import Device, compiled, generated, placed
from augment.generators.labels import class_indexes
from augment.generators.loading import Checkpoint, class_info, opened
from augment.generators.protocol import (
    GeneratedBatch,
    GeneratorInfo,
    Options,
    Placement,
    SampleRequest,
    must_match,
    need_class,
)
from augment.seeds import Rewound
from augment.spec.generators import AutoregressiveGenerator, AutoregressiveSampling

if TYPE_CHECKING:
    import torch

_VERSION = 1
"""Raise it with every change that changes pixels: it enters the identity."""
_RADIX = 32


class AutoregressiveHost:
    """A loaded model. tensors: where `placement` says. indexes: class -> the transformer's
    index."""

    def __init__(
        self,
        init: AutoregressiveInit,
        tensors: Mapping[str, torch.Tensor],
        info: GeneratorInfo,
        indexes: Mapping[str, int],
        sampling: AutoregressiveSampling,
        placement: Placement | None = None,
    ) -> None:
        self.info = info
        self._init = init
        self._indexes = indexes
        self._sampling = sampling
        self._device = Device(placement, sampling.precision)
        self._model = model_of(init, tensors, self._device.placement)
        self._step = compiled(self._model.transformer.step, self._device.placement)

    def validate(self, request: SampleRequest) -> None:
        """Raises:
        RequestError: the class is not one of the checkpoint's.
        """
        need_class(self.info, request, self._indexes)

    def batch_key(self, request: SampleRequest) -> Hashable:
        """All rows may share a batch, whatever their class."""
        return self.info.family

    def generate(self, batch: Sequence[SampleRequest]) -> GeneratedBatch:
        """Images (N, C, H, W); a row that is not finite is zeros and fails with `nan`.

        Raises:
            RequestError: the class is not one of the checkpoint's.
        """
        return generated(self, batch, self._made)

    def _made(self, batch: Sequence[SampleRequest]) -> np.ndarray:
        class_B = np.array([self._indexes[r.label_name] for r in batch], dtype=np.int64)
        rewound, network = Rewound(), self._init.transformer
        shape = (network.positions, levels_of(network.num_tokens))
        draws = [rewound.to(r.sample_id, "token").random(shape) for r in batch]
        return self._device.passed([class_B, np.stack(draws)], self._images)

    def _images(self, class_B: torch.Tensor, drawn_BTL: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W); NaN where a row's logits were not finite."""
        tokens_BT, finite_B = self._tokens(class_B, drawn_BTL)
        x_BCHW = self._model.pixels(tokens_BT).float()
        return x_BCHW.masked_fill(~finite_B[:, None, None, None], float("nan"))

    def _tokens(
        self, class_B: torch.Tensor, drawn_BTL: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, T) tokens, and whether all of a row's logits were finite, (B,)."""
        import torch

        network = self._model.transformer
        guided = self._sampling.guidance_scale > 1.0
        if guided:
            null = torch.full_like(class_B, self._init.num_classes)
            class_B = torch.cat([class_B, null])
        cache = network.cache(len(class_B))
        x_BD = network.first(class_B)
        finite_B = torch.ones(len(drawn_BTL), dtype=torch.bool, device=drawn_BTL.device)
        tokens = []
        for t in range(drawn_BTL.shape[1]):
            position = torch.tensor([t], device=drawn_BTL.device)
            logits_BV = self._step(x_BD, position, cache).float()
            if guided:
                of_class, of_none = logits_BV.chunk(2)
                logits_BV = of_none + self._sampling.guidance_scale * (of_class - of_none)
            finite_B &= logits_BV.isfinite().all(dim=1)
            logits_BV = logits_BV.where(finite_B[:, None], 0.0)  # any token: the row has failed
            tokens.append(picked(logits_BV, drawn_BTL[:, t], self._sampling))
            x_BD = network.embedded(tokens[-1])
            x_BD = torch.cat([x_BD, x_BD]) if guided else x_BD
        return torch.stack(tokens, dim=1), finite_B


def picked(
    logits_BV: torch.Tensor, drawn_BL: torch.Tensor, sampling: AutoregressiveSampling
) -> torch.Tensor:
    """A token a row, (B,), from `levels_of(V)` float64 uniform numbers in [0, 1)."""
    import torch

    logits_BV = logits_BV.double() / sampling.temperature
    if sampling.top_k is not None and sampling.top_k < logits_BV.shape[1]:
        least_B1 = logits_BV.topk(sampling.top_k, dim=1).values[:, -1:]
        logits_BV = logits_BV.masked_fill(logits_BV < least_B1, -torch.inf)
    shares_BV = logits_BV.softmax(dim=1)
    if sampling.top_p < 1.0:
        falling_BV = shares_BV.sort(dim=1, descending=True).values
        before_BV = falling_BV.cumsum(dim=1) - falling_BV
        kept_B1 = (before_BV < sampling.top_p).sum(dim=1, keepdim=True)
        shares_BV = shares_BV.masked_fill(shares_BV < falling_BV.gather(1, kept_B1 - 1), 0.0)
    return _descended(shares_BV, drawn_BL)


def _descended(shares_BV: torch.Tensor, drawn_BL: torch.Tensor) -> torch.Tensor:
    """A token a row from its shares, digit by digit: one of 32 groups of tokens, then one of
    its 32 groups, and so on. Float error moves cumulated shares with the batch, and a search
    through all V at once has V boundaries near which that changes the token: with 16,384
    tokens and errors of 1e-6 in the logits, 9 of 30,000 tokens changed, by digits none."""
    import torch

    rows, levels = drawn_BL.shape
    rest = torch.nn.functional.pad(shares_BV, (0, _RADIX**levels - shares_BV.shape[1]))
    token_B = torch.zeros(rows, dtype=torch.int64, device=rest.device)
    for level in range(levels):
        rest = rest.view(rows, _RADIX, -1)
        reached = rest.sum(dim=2).cumsum(dim=1)
        beyond = reached <= drawn_BL[:, level : level + 1] * reached[:, -1:]
        digit_B = beyond.sum(dim=1).clamp(max=_RADIX - 1)
        token_B = token_B * _RADIX + digit_B
        rest = rest[torch.arange(rows, device=rest.device), digit_B]
    return token_B


def levels_of(tokens: int) -> int:
    """How many numbers decide one of that many tokens."""
    levels = 1
    while _RADIX**levels < tokens:
        levels += 1
    return levels


# ---- loading -------------------------------------------------------------------------


def describe(name: str, spec: AutoregressiveGenerator, options: Options) -> GeneratorInfo:
    """Facts of a checkpoint, after every check that needs no network.

    Raises:
        CheckpointError: the folder does not hold what it must, or the sampling does not fit
            it. StorageError: unreadable.
    """
    return _read(name, spec, options, keep=False).info


def load(
    name: str,
    spec: AutoregressiveGenerator,
    info: GeneratorInfo,
    placement: Placement,
    options: Options,
) -> AutoregressiveHost:
    """The host of a checkpoint that must still be the one that `info` describes.

    Raises:
        CheckpointError: as `describe`, or it has changed since. StorageError: unreadable.
    """
    found = _read(name, spec, options)
    must_match(found.info, info)
    tensors = placed(found.arrays, placement)
    return AutoregressiveHost(found.init, tensors, info, found.indexes, spec.sampling, placement)


def _read(
    name: str, spec: AutoregressiveGenerator, options: Options, keep: bool = True
) -> Checkpoint[AutoregressiveInit]:
    found = opened(name, spec, "autoregressive", options)
    init = found.init(AutoregressiveInit)
    _check_sampling(f"generators.{name}.sampling", init, spec.sampling)
    named = found.config.classes
    if named is not None and len(named) != init.num_classes:
        raise CheckpointError(
            f"generators.{name}: generator.json: classes: {len(named)} names, expected "
            f"{init.num_classes or 'none, it is unconditional'}; import it again"
        )
    indexes = class_indexes(name, spec, named, init.num_classes, options)
    arrays = found.weights(parameter_shapes(init), keep)
    info = class_info(found, _VERSION, init.model_dump(), spec.sampling, init.shape, indexes)
    return Checkpoint(info, init, arrays, indexes)


def _check_sampling(place: str, init: AutoregressiveInit, sampling: AutoregressiveSampling) -> None:
    if sampling.guidance_scale > 1.0 and not init.num_classes:
        raise CheckpointError(
            f"{place}.guidance_scale: has no effect, the checkpoint is unconditional; expected 1.0"
        )
    tokens = init.transformer.num_tokens
    if sampling.top_k is not None and sampling.top_k >= tokens:
        raise CheckpointError(
            f"{place}.top_k: got {sampling.top_k}, which leaves all {tokens} tokens and so has no "
            "effect; expected fewer"
        )
