"""The two decoder-only transformers that make images token by token.

`ImageGpt`: every token is a pixel's colour out of a palette. `Llama`: every token is a code
of a VQGAN, the first position holds the class. Both take one position at a time and keep
the keys and values of those before in a `Cache`, whose shapes never change, so that one
compiled step serves all positions. Know nothing of sampling, files, or how tokens become
an image. torch is imported inside functions.

Shape letters: B batch, D width, N heads, T positions, V tokens.
Sources: ImageGPT: Chen et al., "Generative Pretraining from Pixels", ICML 2020; names of
tensors as in transformers, models/imagegpt (Apache-2.0). Llama: Sun et al.,
"Autoregressive Model Beats Diffusion: Llama for Scalable Image Generation", 2024, names of
tensors as in FoundationVision/LlamaGen, autoregressive/models/gpt.py (MIT). Written anew;
they differ in that nothing is dropped and all goes through the cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    import torch

Width = Annotated[int, Field(ge=1, le=16_384)]
Grid = Annotated[int, Field(ge=1, le=128)]
Layers = Annotated[int, Field(ge=1, le=256)]
Heads = Annotated[int, Field(ge=1, le=256)]
Tokens = Annotated[int, Field(ge=2, le=1_000_000)]
Epsilon = Annotated[float, Field(gt=0.0, le=0.1)]
Shapes = dict[str, tuple[int, ...]]


class ImageGptInit(BaseModel):
    """In the words of transformers' `ImageGPTConfig`. vocab_size: colours and one more, the
    start. height, width: of the image in pixels, together n_positions. n_inner: width of the
    perceptron, None for 4 n_embd."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: Literal["imagegpt"]
    height: Grid
    width: Grid
    vocab_size: Tokens = 513
    n_embd: Width = 512
    n_layer: Layers = 24
    n_head: Heads = 8
    n_inner: Annotated[int, Field(ge=1, le=65_536)] | None = None
    layer_norm_epsilon: Epsilon = 1e-5
    scale_attn_weights: bool = True

    @model_validator(mode="after")
    def _fits(self) -> ImageGptInit:
        _must_divide("n_embd", self.n_embd, "n_head", self.n_head)
        return self

    @property
    def positions(self) -> int:
        """Tokens of an image."""
        return self.height * self.width

    @property
    def num_tokens(self) -> int:
        """Tokens that a position may have."""
        return self.vocab_size - 1


class LlamaInit(BaseModel):
    """In the words of LlamaGen's `ModelArgs`. grid: tokens along a side, block_size of them
    in all. hidden: width of the gated perceptron. num_classes: without the null class, which
    the class embedding holds as its last row."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: Literal["llamagen"]
    grid: Grid
    vocab_size: Tokens
    num_classes: Annotated[int, Field(ge=1, le=100_000)]
    dim: Width
    n_layer: Layers
    n_head: Heads
    n_kv_head: Heads
    hidden: Annotated[int, Field(ge=1, le=65_536)]
    rope_base: Annotated[float, Field(gt=1.0, le=1e9)] = 10_000.0
    norm_eps: Epsilon = 1e-5

    @model_validator(mode="after")
    def _fits(self) -> LlamaInit:
        _must_divide("dim", self.dim, "4 n_head", 4 * self.n_head)
        _must_divide("n_head", self.n_head, "n_kv_head", self.n_kv_head)
        return self

    @property
    def positions(self) -> int:
        """Tokens of an image."""
        return self.grid**2

    @property
    def num_tokens(self) -> int:
        """Tokens that a position may have."""
        return self.vocab_size


def _must_divide(what: str, whole: int, name: str, part: int) -> None:
    if whole % part:
        raise ValueError(f"{what}: {whole} is not a multiple of {name}, {part}")


def imagegpt_shapes(init: ImageGptInit) -> Shapes:
    """Name -> shape; the weights of its dense layers stand as (in, out)."""
    d, inner = init.n_embd, init.n_inner or 4 * init.n_embd
    shapes: Shapes = {
        "transformer.wte.weight": (init.vocab_size, d),
        "transformer.wpe.weight": (init.positions, d),
    }
    for i in range(init.n_layer):
        at = f"transformer.h.{i}"
        shapes |= {f"{at}.ln_1.weight": (d,), f"{at}.ln_2.weight": (d,)}
        dense = {"attn.c_attn": (d, 3 * d), "attn.c_proj": (d, d)}
        dense |= {"mlp.c_fc": (d, inner), "mlp.c_proj": (inner, d)}
        for name, (before, after) in dense.items():
            shapes |= {f"{at}.{name}.weight": (before, after), f"{at}.{name}.bias": (after,)}
    return shapes | {"transformer.ln_f.weight": (d,), "lm_head.weight": (init.num_tokens, d)}


def llama_shapes(init: LlamaInit) -> Shapes:
    """Name -> shape, under `transformer.`."""
    d, head = init.dim, init.dim // init.n_head
    shapes: Shapes = {
        "transformer.cls_embedding.embedding_table.weight": (init.num_classes + 1, d),
        "transformer.tok_embeddings.weight": (init.vocab_size, d),
    }
    for i in range(init.n_layer):
        at = f"transformer.layers.{i}"
        shapes |= {
            f"{at}.attention.wqkv.weight": ((init.n_head + 2 * init.n_kv_head) * head, d),
            f"{at}.attention.wo.weight": (d, d),
            f"{at}.feed_forward.w1.weight": (init.hidden, d),
            f"{at}.feed_forward.w3.weight": (init.hidden, d),
            f"{at}.feed_forward.w2.weight": (d, init.hidden),
            f"{at}.attention_norm.weight": (d,),
            f"{at}.ffn_norm.weight": (d,),
        }
    return shapes | {
        "transformer.norm.weight": (d,),
        "transformer.output.weight": (init.vocab_size, d),
    }


@dataclass
class Cache:
    """Keys and values of all layers, (layers, 2, B, N, T, D / N), filled as positions come."""

    filled: torch.Tensor

    @classmethod
    def empty(cls, layers: int, rows: int, heads: int, positions: int, head: int,
              like: torch.Tensor) -> Cache:  # fmt: skip
        import torch

        shape = (layers, 2, rows, heads, positions, head)
        return cls(torch.zeros(shape, dtype=torch.float32, device=like.device))

    def attended(
        self, layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor,
        position: torch.Tensor, scale: float,
    ) -> torch.Tensor:  # fmt: skip
        """What a query (B, N, 1, D / N) reads of all positions up to its own, (B, D)."""
        import torch
        from torch.nn import functional as f

        keys, values = self.filled[layer]
        keys.index_copy_(2, position, k.to(keys.dtype))
        values.index_copy_(2, position, v.to(values.dtype))
        repeats = q.shape[1] // keys.shape[1]
        if repeats > 1:
            keys, values = (x.repeat_interleave(repeats, dim=1) for x in (keys, values))
        seen = torch.arange(keys.shape[2], device=q.device) <= position
        y = f.scaled_dot_product_attention(
            q.to(keys.dtype), keys, values, attn_mask=seen[None, None, None], scale=scale
        )
        return y.transpose(1, 2).flatten(1)


class TokenNetwork(Protocol):
    """A transformer that says which token comes next."""

    def cache(self, rows: int) -> Cache:
        """An empty one for that many rows."""

    def first(self, class_B: torch.Tensor) -> torch.Tensor:
        """What stands at position 0, (B, D), from class indexes."""

    def embedded(self, token_B: torch.Tensor) -> torch.Tensor:
        """A token as the network takes it, (B, D)."""

    def step(self, x_BD: torch.Tensor, position: torch.Tensor, cache: Cache) -> torch.Tensor:
        """Logits (B, V) of what comes after `position`, int64 (1,). Fills the cache there."""


@dataclass(frozen=True)
class ImageGpt:
    """`parameters` has the names and shapes of `imagegpt_shapes`, float32."""

    init: ImageGptInit
    parameters: Mapping[str, torch.Tensor]

    def cache(self, rows: int) -> Cache:
        i, like = self.init, self.parameters["lm_head.weight"]
        head = i.n_embd // i.n_head
        return Cache.empty(i.n_layer, rows, i.n_head, i.positions, head, like)

    def first(self, class_B: torch.Tensor) -> torch.Tensor:
        import torch

        return self.embedded(torch.full_like(class_B, self.init.vocab_size - 1))

    def embedded(self, token_B: torch.Tensor) -> torch.Tensor:
        from torch.nn import functional as f

        return f.embedding(token_B, self.parameters["transformer.wte.weight"])

    def step(self, x_BD: torch.Tensor, position: torch.Tensor, cache: Cache) -> torch.Tensor:
        import torch

        x = x_BD + self.parameters["transformer.wpe.weight"][position]
        for layer in range(self.init.n_layer):
            at = f"transformer.h.{layer}"
            x = x + self._attention(layer, self._norm(f"{at}.ln_1", x), position, cache)
            h = self._dense(f"{at}.mlp.c_fc", self._norm(f"{at}.ln_2", x))
            x = x + self._dense(f"{at}.mlp.c_proj", h * torch.sigmoid(1.702 * h))
        return self._norm("transformer.ln_f", x) @ self.parameters["lm_head.weight"].T

    def _attention(
        self, layer: int, x_BD: torch.Tensor, position: torch.Tensor, cache: Cache
    ) -> torch.Tensor:
        at = f"transformer.h.{layer}.attn"
        head = self.init.n_embd // self.init.n_head
        qkv = self._dense(f"{at}.c_attn", x_BD).view(len(x_BD), 3, self.init.n_head, 1, head)
        scale = head**-0.5 if self.init.scale_attn_weights else 1.0
        y = cache.attended(layer, qkv[:, 0], qkv[:, 1], qkv[:, 2], position, scale)
        return self._dense(f"{at}.c_proj", y)

    def _dense(self, at: str, x_BD: torch.Tensor) -> torch.Tensor:
        return x_BD @ self.parameters[f"{at}.weight"] + self.parameters[f"{at}.bias"]

    def _norm(self, at: str, x_BD: torch.Tensor) -> torch.Tensor:
        return _rms_norm(x_BD, self.parameters[f"{at}.weight"], self.init.layer_norm_epsilon)


@dataclass(frozen=True)
class Llama:
    """`parameters` has the names and shapes of `llama_shapes`, float32."""

    init: LlamaInit
    parameters: Mapping[str, torch.Tensor]

    def cache(self, rows: int) -> Cache:
        i, like = self.init, self.parameters["transformer.output.weight"]
        return Cache.empty(i.n_layer, rows, i.n_kv_head, i.positions, i.dim // i.n_head, like)

    def first(self, class_B: torch.Tensor) -> torch.Tensor:
        from torch.nn import functional as f

        table = self.parameters["transformer.cls_embedding.embedding_table.weight"]
        return f.embedding(class_B, table)

    def embedded(self, token_B: torch.Tensor) -> torch.Tensor:
        from torch.nn import functional as f

        return f.embedding(token_B, self.parameters["transformer.tok_embeddings.weight"])

    def step(self, x_BD: torch.Tensor, position: torch.Tensor, cache: Cache) -> torch.Tensor:
        from torch.nn import functional as f

        turns = self._turns(position)
        x = x_BD
        for layer in range(self.init.n_layer):
            at = f"transformer.layers.{layer}"
            h = self._norm(f"{at}.attention_norm", x)
            x = x + self._attention(layer, h, turns, position, cache)
            h = self._norm(f"{at}.ffn_norm", x)
            gated = f.silu(self._dense(f"{at}.feed_forward.w1", h))
            gated = gated * self._dense(f"{at}.feed_forward.w3", h)
            x = x + self._dense(f"{at}.feed_forward.w2", gated)
        return self._dense("transformer.output", self._norm("transformer.norm", x))

    def _turns(self, position: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(cos, sin) of the rotary embedding in two dimensions, each (D / N / 2,): the first
        half turns with the row, the second with the column of the token that stands there.
        The class, at position 0, has neither: both are zero, as upstream, so that it is
        attended to by its value alone."""
        import torch

        quarter = self.init.dim // self.init.n_head // 4
        place = position - 1
        steps = torch.arange(quarter, dtype=torch.float32, device=position.device)
        rates = self.init.rope_base ** (-steps / quarter)
        angles = torch.cat([(place // self.init.grid) * rates, (place % self.init.grid) * rates])
        there = (position > 0).float()
        return angles.cos() * there, angles.sin() * there

    def _attention(
        self,
        layer: int,
        x_BD: torch.Tensor,
        turns: tuple[torch.Tensor, torch.Tensor],
        position: torch.Tensor,
        cache: Cache,
    ) -> torch.Tensor:
        at = f"transformer.layers.{layer}.attention"
        head, kv = self.init.dim // self.init.n_head, self.init.n_kv_head
        qkv = self._dense(f"{at}.wqkv", x_BD).view(len(x_BD), self.init.n_head + 2 * kv, 1, head)
        q, k = qkv[:, : self.init.n_head], qkv[:, self.init.n_head : self.init.n_head + kv]
        v = qkv[:, self.init.n_head + kv :]
        y = cache.attended(layer, _turned(q, turns), _turned(k, turns), v, position, head**-0.5)
        return self._dense(f"{at}.wo", y)

    def _dense(self, at: str, x_BD: torch.Tensor) -> torch.Tensor:
        return x_BD @ self.parameters[f"{at}.weight"].T

    def _norm(self, at: str, x_BD: torch.Tensor) -> torch.Tensor:
        return _rms_norm(x_BD, self.parameters[f"{at}.weight"], self.init.norm_eps)


def _turned(x: torch.Tensor, turns: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Neighbouring numbers of the last axis turned as points of a plane."""
    import torch

    cos, sin = turns
    a, b = x.float().view(*x.shape[:-1], -1, 2).unbind(-1)
    return torch.stack([a * cos - b * sin, b * cos + a * sin], dim=-1).flatten(-2)


def _rms_norm(x_BD: torch.Tensor, weight_D: torch.Tensor, eps: float) -> torch.Tensor:
    import torch

    x = x_BD.float()
    return x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + eps) * weight_D
