"""Any classifier of torchvision or timm with a file of its weights: what stands before the last
layer.

The architecture is one that the installed library knows by name; the file is read as data and must
hold exactly its tensors. Images are prepared in one way, whatever the network was trained with,
unless a size, mean and deviation are said. Shape letters: N images, C classes, D dimensions.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from augment.errors import CheckpointError, RequestError
from augment.features.asked import Asked, Colour
from augment.features.batches import in_batches
from augment.features.files import opened, read_tensors
from augment.features.libraries import library
from augment.features.protocol import ExtractorInfo
from augment.features.resizing import BICUBIC, resized
from augment.storage import Options

if TYPE_CHECKING:
    import torch

SIDE = 224
MEAN: Colour = (0.485, 0.456, 0.406)
STD: Colour = (0.229, 0.224, 0.225)
"""Of ImageNet's pixels: what nearly all published weights were trained with."""


class NamedNetwork:
    """See the module. device: as torch names it."""

    def __init__(self, asked: Asked, device: str = "cpu", options: Options | None = None) -> None:
        """Raises:
        RequestError: the library is not installed or knows no such network, or the policy does
            not allow the place.
        CheckpointError: the file is not that of the network, or it takes no such images.
        StorageError: it cannot be read.
        """
        library(asked.kind, asked.name)
        make = _of_timm if asked.kind == "timm" else _of_torchvision
        with opened(asked, options) as (blob, sha256):
            tensors = read_tensors(blob, asked.name)
            network, head, said = make(asked, tensors, f"extractor {asked.name}: {blob.name}")
        self._network, self._head = network.to(device).eval().requires_grad_(False), head
        self._device = device
        self._side = asked.size or said[0]
        self._mean, self._std = asked.mean or said[1], asked.std or said[2]
        self.info = ExtractorInfo(
            asked.name, 1, self._dimensions(asked), sha256,
            BICUBIC.format(side=self._side) + f", x / 255, mean {list(self._mean)}, "
            f"std {list(self._std)}",
        )  # fmt: skip

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """(N, D) float32; see `Extractor`.

        Raises:
            ValueError: something is no image.
        """
        return in_batches(images, self.info.dimensions, self._vectors)

    def _dimensions(self, asked: Asked) -> int:
        try:
            return int(self._vectors([np.zeros((8, 8, 3), np.uint8)]).shape[1])
        except (RuntimeError, AssertionError, ValueError) as error:
            raise CheckpointError(
                f"extractor {asked.name}: takes no images of {self._side} px "
                f"({' '.join(str(error).split())[:200]}); expected the size that it was trained "
                "with: say it as size=N"
            ) from error

    def _vectors(self, images: Sequence[np.ndarray]) -> np.ndarray:
        import torch

        with torch.inference_mode():
            x = torch.from_numpy(resized(images, self._side)).to(self._device)
            x = x.permute(0, 3, 1, 2).float() / 255.0
            mean, std = (torch.tensor(c, device=x.device).view(1, 3, 1, 1)
                         for c in (self._mean, self._std))  # fmt: skip
            found = _before(self._network, self._head, (x - mean) / std)
            return found.float().cpu().numpy()


def _before(network: Any, head: str | None, x: torch.Tensor) -> torch.Tensor:
    """(N, D): what goes into the module `head`; None: what timm calls the features before it."""
    if head is None:
        pooled: torch.Tensor = network.forward_head(network.forward_features(x), pre_logits=True)
        return pooled
    seen: list[torch.Tensor] = []
    hook = network.get_submodule(head).register_forward_pre_hook(
        lambda module, given: seen.append(given[0])
    )
    try:
        network(x)
    finally:
        hook.remove()
    return seen[-1].flatten(1)


_Made = tuple[Any, str | None, tuple[int, Colour, Colour]]


def _of_timm(asked: Asked, tensors: Mapping[str, np.ndarray], place: str) -> _Made:
    """The network without its classifier, whose tensors are left out of the file."""
    timm = library("timm", asked.name)
    if not timm.is_model(asked.model):
        raise _unknown(asked, timm.list_models(), "timm")
    network = timm.create_model(asked.model, pretrained=False, num_classes=0)
    config = network.pretrained_cfg
    heads = config.get("classifier") or ()
    heads = (heads,) if isinstance(heads, str) else tuple(heads)
    own = network.state_dict().keys()
    kept = {
        name: array
        for name, array in tensors.items()
        if name in own or not name.startswith(tuple(f"{head}." for head in heads))
    }
    _load(network, kept, place)
    said = (int(config["input_size"][-1]), tuple(config["mean"]), tuple(config["std"]))
    return network, None, said


def _of_torchvision(asked: Asked, tensors: Mapping[str, np.ndarray], place: str) -> _Made:
    """The network with as many classes as the file has, and the name of its last linear layer."""
    torchvision = library("torchvision", asked.name)
    torch = library("torch", asked.name, "torch")
    known = torchvision.models.list_models(module=torchvision.models)
    if asked.model not in known:
        raise _unknown(asked, known, "torchvision")
    builder = torchvision.models.get_model_builder(asked.model)
    given: dict[str, Any] = {"weights": None}
    if "init_weights" in inspect.signature(builder).parameters or asked.model in (
        "googlenet", "inception_v3",
    ):  # fmt: skip
        given["init_weights"] = False
    with torch.device("meta"):
        linear = [name for name, module in builder(**given).named_modules()
                  if isinstance(module, torch.nn.Linear)]  # fmt: skip
    if not linear:
        raise CheckpointError(
            f"extractor {asked.name}: its last layer is no linear one, so nothing stands before "
            "it; expected another network"
        )
    weight = tensors.get(f"{linear[-1]}.weight")
    if weight is None or weight.ndim != 2:
        raise CheckpointError(
            f"{place}: has no matrix {linear[-1]}.weight, the network's last layer; expected the "
            f"whole state dict of a {asked.model}"
        )
    network = builder(num_classes=weight.shape[0], **given)
    _load(network, tensors, place)
    return network, linear[-1], (SIDE, MEAN, STD)


def _load(network: Any, tensors: Mapping[str, np.ndarray], place: str) -> None:
    import torch

    try:
        network.load_state_dict({name: torch.from_numpy(a) for name, a in tensors.items()})
    except RuntimeError as error:
        raise CheckpointError(
            f"{place}: its tensors are not those of the network "
            f"({' '.join(str(error).split())[:300]}); expected its whole state dict: name the "
            "architecture that it was saved from"
        ) from None


def _unknown(asked: Asked, known: Sequence[str], package: str) -> RequestError:
    near = get_close_matches(asked.model, known, 3)
    hint = f", for example {', '.join(near)}" if near else ""
    return RequestError(
        f"extractor {asked.name}: got {asked.model!r}; expected a network that the installed "
        f"{package} has{hint}"
    )
