"""What StyleGAN2 and StyleGAN3 share around their different synthesis networks: the network
from (z, class) to w, truncation, and what the official program says of a generator.

torch is imported inside functions. Knows no synthesis network and no host.

Shape letters: B batch, Z latent, W width of w, N w vectors of one image (one for each layer
that is steered), C channels.
Sources: as in `ops`; truncation: Karras, Laine and Aila, "A Style-Based Generator
Architecture for Generative Adversarial Networks", CVPR 2019, section B. What differs: a
class's embedding is taken by index, not by a product with a one-hot vector, so that one
class's NaN stays its own; the product's other terms are zeros.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from augment.errors import CheckpointError
from augment.generators.families.stylegan.ops import dense, leaky, unit
from augment.generators.foreign import Foreign
from augment.spec.generator_base import Truncation

if TYPE_CHECKING:
    import torch

Width = Annotated[int, Field(ge=1, le=4096)]

LICENSE_NOTE = (
    "NVIDIA's StyleGAN checkpoints stand under the NVIDIA Source Code License: for research or "
    "evaluation, not commercially; ask whoever trained this one"
)


class MappingInit(BaseModel):
    """The mapping network. z_dim, w_dim: sizes of z and w. c_dim: classes, 0 where it is
    unconditional. num_layers: dense layers. embed_features: size of a class's vector, 0 without
    classes. layer_features: width between the layers. lr_multiplier: learning-rate multiplier
    of its training, which scales the stored parameters. w_avg: whether the average w is known,
    which truncation needs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    z_dim: Width
    c_dim: Annotated[int, Field(ge=0, le=100_000)]
    w_dim: Width
    num_layers: Annotated[int, Field(ge=1, le=64)]
    embed_features: Annotated[int, Field(ge=0, le=4096)]
    layer_features: Width
    lr_multiplier: Annotated[float, Field(gt=0.0, le=100.0)]
    w_avg: bool

    @model_validator(mode="after")
    def _classes_have_vectors(self) -> MappingInit:
        if (self.c_dim > 0) != (self.embed_features > 0):
            raise ValueError("c_dim and embed_features: expected both 0 or neither")
        return self


def mapping_shapes(init: MappingInit) -> dict[str, tuple[int, ...]]:
    """Name -> shape of the mapping network's tensors."""
    shapes: dict[str, tuple[int, ...]] = {}
    if init.c_dim:
        shapes["mapping.embed.weight"] = (init.embed_features, init.c_dim)
        shapes["mapping.embed.bias"] = (init.embed_features,)
    between = [init.layer_features] * (init.num_layers - 1)
    widths = [init.z_dim + init.embed_features, *between, init.w_dim]
    for i, (before, after) in enumerate(pairwise(widths)):
        shapes[f"mapping.fc{i}.weight"] = (after, before)
        shapes[f"mapping.fc{i}.bias"] = (after,)
    if init.w_avg:
        shapes["mapping.w_avg"] = (init.w_dim,)
    return shapes


def mapped(
    init: MappingInit, p: Mapping[str, torch.Tensor], z_BZ: torch.Tensor, class_B: torch.Tensor
) -> torch.Tensor:
    """w (B, W) float32 of z and int64 class indexes, which an unconditional network ignores."""
    import torch

    x = unit(z_BZ)
    if init.c_dim:
        weight, bias = p["mapping.embed.weight"], p["mapping.embed.bias"]
        embedded = weight.t()[class_B] / init.c_dim**0.5 + bias
        x = torch.cat([x, unit(embedded)], dim=1)
    for i in range(init.num_layers):
        weight, bias = p[f"mapping.fc{i}.weight"], p[f"mapping.fc{i}.bias"]
        x = leaky(dense(x, weight, bias, init.lr_multiplier))
    return x


def truncated(
    p: Mapping[str, torch.Tensor],
    w_BW: torch.Tensor,
    count: int,
    psi: float = 1.0,
    cutoff: int | None = None,
) -> torch.Tensor:
    """ws (B, N, W), `count` times w; the first `cutoff` (None: all) of them pulled to the
    average w: psi is what is left of their distance."""
    import torch

    ws_BNW = w_BW[:, None].expand(-1, count, -1)
    if psi == 1.0:
        return ws_BNW
    average = p["mapping.w_avg"]
    near_BNW = torch.lerp(average, ws_BNW[:, :cutoff], psi)
    return torch.cat([near_BNW, ws_BNW[:, near_BNW.shape[1] :]], dim=1)


def check_truncation(name: str, sampling: Truncation, init: MappingInit, count: int) -> None:
    """Raises:
    CheckpointError: the checkpoint cannot be truncated so, or it would have no effect.
    """
    place = f"generators.{name}.sampling"
    if sampling.truncation_psi != 1.0 and not init.w_avg:
        raise CheckpointError(
            f"{place}.truncation_psi: got {sampling.truncation_psi}, but the checkpoint keeps no "
            "average w to go towards; expected 1.0"
        )
    cutoff = sampling.truncation_cutoff
    if cutoff is not None and cutoff >= count:
        raise CheckpointError(
            f"{place}.truncation_cutoff: got {cutoff}, which is all of the network's {count} w; "
            f"expected 1 to {count - 1}, or nothing for all"
        )


@dataclass(frozen=True)
class Official:
    """What the official program says of a generator beside its tensors: the arguments that
    it was constructed with and, in a pickle, the attributes of each module. Attributes are
    what really ran; defaults differ between the two programs' versions."""

    foreign: Foreign

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Of the constructor; {} where nothing is known."""
        key = "init_kwargs" if self.foreign.kind == "nvidia" else "init"
        found = self.foreign.config.get(key, {})
        if not isinstance(found, Mapping):
            raise self.foreign.refusal(f"config.{key} is {found!r:.80}", "an object")
        return found

    @property
    def license_note(self) -> str | None:
        """About the license of a checkpoint of NVIDIA's."""
        return LICENSE_NOTE if self.foreign.kind == "nvidia" else None

    @property
    def silent(self) -> bool:
        """Whether nothing stands beside the tensors."""
        return not self.arguments and not self.foreign.config.get("modules")

    def argument(self, group: str, key: str, default: Any) -> Any:
        """An argument among those of `group` (""; the constructor's own); `default` is the
        official one."""
        found = self.arguments.get(group, {}) if group else self.arguments
        if not isinstance(found, Mapping):
            raise self.foreign.refusal(f"{group} is {found!r:.80}", "an object")
        return found.get(key, default)

    def attribute(self, module: str, key: str, default: Any) -> Any:
        """What a module of a pickle holds; `default` where nothing is known of it."""
        modules = self.foreign.config.get("modules", {})
        found = modules.get(module, {}) if isinstance(modules, Mapping) else {}
        return found.get(key, default) if isinstance(found, Mapping) else default

    def same(self, modules: list[str], key: str, default: Any) -> Any:
        """The attribute that all modules have.

        Raises:
            CheckpointError: they differ.
        """
        values = [self.attribute(module, key, default) for module in modules]
        for module, value in zip(modules, values, strict=True):
            if value != values[0]:
                raise self.foreign.refusal(
                    f"{key} is {value!r:.80} in {module} and {values[0]!r:.80} in {modules[0]}",
                    "one value for all layers",
                )
        return values[0]


def mapping_init(official: Official, lr_multiplier: float) -> dict[str, Any]:
    """`MappingInit` of the tensors' shapes; lr_multiplier: the official program's default.

    Raises:
        CheckpointError: they are not those of a mapping network, or it has another activation.
    """
    foreign = official.foreign
    layers = 0
    while f"mapping.fc{layers}.weight" in foreign.tensors:
        layers += 1
    first, before = foreign.sizes("mapping.fc0.weight", 2)
    w_dim, _ = foreign.sizes(f"mapping.fc{layers - 1}.weight", 2)
    conditional = "mapping.embed.weight" in foreign.tensors
    embedding, classes = foreign.sizes("mapping.embed.weight", 2) if conditional else (0, 0)
    names = [f"mapping.fc{i}" for i in range(layers)]
    activation = official.argument("mapping_kwargs", "activation", "lrelu")
    activation = official.same(names, "activation", activation)
    if activation != "lrelu":
        raise foreign.refusal(f"the mapping network's activation is {activation!r:.80}", "'lrelu'")
    given = official.argument("mapping_kwargs", "lr_multiplier", lr_multiplier)
    return {
        "z_dim": before - embedding,
        "c_dim": classes,
        "w_dim": w_dim,
        "num_layers": layers,
        "embed_features": embedding,
        "layer_features": first if layers > 1 else w_dim,
        # a dense layer's attribute `bias_gain` is its multiplier
        "lr_multiplier": official.same(names, "bias_gain", given),
        "w_avg": "mapping.w_avg" in foreign.tensors,
    }
