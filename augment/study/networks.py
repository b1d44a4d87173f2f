"""The classifiers that a study trains: a small convolutional network, or any of torchvision's.

First weights are a function of a seed: those of the small network come from our own streams (He et
al. 2015), torchvision draws its own from torch's global generator, which is given a seed and put
back. A weights file is read as data; its last layer, which knows other classes, is left out.
"""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from augment.errors import CheckpointError, RequestError
from augment.features.libraries import library
from augment.seeds import integer, stream
from augment.study.plan import SMALL, TORCHVISION

if TYPE_CHECKING:
    import torch

WIDTH, WIDEST = 16, 128
"""Channels of the small network's first layer, of which each next one has twice as many, and at
most."""
_SMALL_SIDE = 40
_LAST_SIDE, _POOLED = 8, 4
"""Layers halve the picture until it has at most 8 px; the class is read from 4 x 4 means. Means of
the whole picture named 0.78 of real digits right where these named 0.91: in small ones places
matter."""


def check_network(name: str) -> None:
    """Raises:
    RequestError: torch or torchvision is not installed, or it has no such classifier.
    """
    _library("torch", "torch")
    if name == SMALL:
        return
    known = _library("torchvision", "features").models
    model = name.removeprefix(TORCHVISION)
    names = known.list_models(module=known)
    if model not in names:
        near = get_close_matches(model, names, 3)
        hint = f", for example {', '.join(near)}" if near else ""
        raise RequestError(
            f"network: got {name!r}; expected {SMALL}, or {TORCHVISION} and a classifier that the "
            f"installed torchvision has{hint}"
        )


def network(
    name: str, classes: int, side: int, seed: str, weights: Mapping[str, np.ndarray] | None = None
) -> torch.nn.Module:
    """On the CPU, in training mode; takes (B, 3, side, side), gives (B, classes). seed: names the
    streams of its first weights. weights: that it begins with, but for its last layer.

    Raises:
        RequestError: see `check_network`. CheckpointError: the weights are of another network.
    """
    check_network(name)
    found = _small(classes, side, seed) if name == SMALL else _of_torchvision(name, classes, seed)
    if weights is not None:
        _begin_with(found, weights, name)
    return found


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """torch computes on one thread inside, so that sums are taken in one order."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def seeded(seed: str) -> Iterator[None]:
    """torch's global generator begins at this seed inside, and is put back after."""
    import torch

    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(integer(seed, "torch", 63))
        yield


def _small(classes: int, side: int, seed: str) -> torch.nn.Module:
    from torch import nn

    layers: list[nn.Module] = []
    before, width, stride = 3, WIDTH, 1 if side <= _SMALL_SIDE else 2
    with seeded(seed):
        while side > _LAST_SIDE or not layers:
            layers += [nn.Conv2d(before, width, 3, stride=stride, padding=1, bias=False),
                       nn.BatchNorm2d(width), nn.ReLU()]  # fmt: skip
            side, before, width, stride = -(-side // stride), width, min(2 * width, WIDEST), 2
        layers += [nn.AdaptiveAvgPool2d(_POOLED), nn.Flatten(),
                   nn.Linear(before * _POOLED**2, classes)]  # fmt: skip
        found = nn.Sequential(*layers)
    _fill(found, seed)
    return found


def _fill(found: torch.nn.Module, seed: str) -> None:
    """Filters as He et al. draw them, the last layer zero."""
    import torch

    rng = stream(seed, "weights")
    with torch.no_grad():
        for parameter in found.parameters():
            if parameter.ndim == 4:
                spread = math.sqrt(2.0 / math.prod(parameter.shape[1:]))
                values = rng.standard_normal(tuple(parameter.shape)) * spread
                parameter.copy_(torch.from_numpy(values.astype(np.float32)))
        last = _last_linear(found)
        for name in ("weight", "bias"):
            found.get_parameter(f"{last}.{name}").zero_()


def _of_torchvision(name: str, classes: int, seed: str) -> torch.nn.Module:
    models = _library("torchvision", "features").models
    builder = models.get_model_builder(name.removeprefix(TORCHVISION))
    taken = inspect.signature(builder).parameters
    given: dict[str, Any] = {"weights": None, "num_classes": classes}
    if "init_weights" in taken or name.endswith(("googlenet", "inception_v3")):
        given["init_weights"] = True
    if name.endswith(("googlenet", "inception_v3")):
        given["aux_logits"] = False
    with seeded(seed):
        found: torch.nn.Module = builder(**given)
    return found


def _begin_with(found: torch.nn.Module, weights: Mapping[str, np.ndarray], name: str) -> None:
    import torch

    last = _last_linear(found)
    own = found.state_dict()
    skipped = {key for key in own if last is not None and key.startswith(f"{last}.")}
    odd = sorted((set(own) - skipped) - set(weights))
    odd += sorted(key for key in set(own) - skipped - set(odd)
                  if tuple(own[key].shape) != weights[key].shape)  # fmt: skip
    if odd:
        raise CheckpointError(
            f"weights: {len(odd)} tensors of {name} are not there or have another shape, for "
            f"example {odd[0]}; expected the whole state dict of this architecture"
        )
    kept = {key: torch.from_numpy(np.array(weights[key])) for key in set(own) - skipped}
    found.load_state_dict({**own, **kept})


def _last_linear(found: torch.nn.Module) -> str | None:
    from torch import nn

    names: Sequence[str] = [key for key, one in found.named_modules() if isinstance(one, nn.Linear)]
    return names[-1] if names else None


def _library(name: str, extra: str) -> Any:
    try:
        return library(name, "study", extra)
    except RequestError as error:
        raise RequestError(
            f"study: needs {name}, which is not installed; install augment-vision[{extra}]"
        ) from error
