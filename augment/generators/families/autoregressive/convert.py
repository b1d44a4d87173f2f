"""autoregressive, at import: an ImageGPT of transformers, or LlamaGen's two files, in the family's
own terms. What neither shapes nor settings tell is refused. Knows no sampling.

Sources: `ImageGPTConfig` of transformers; autoregressive/models/gpt.py and
tokenizer/tokenizer_image/vq_model.py of FoundationVision/LlamaGen (MIT).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import ValidationError

from augment.checkpoints.blob import shown
from augment.errors import CheckpointError
from augment.generators.families.autoregressive.model import PALETTE, AutoregressiveInit
from augment.generators.families.autoregressive.token_networks import ImageGptInit
from augment.generators.foreign import Conversion, Foreign

_ONLY = {
    "activation_function": "quick_gelu",
    "add_cross_attention": False,
    "scale_attn_by_inverse_layer_idx": False,
}
"""Options of `ImageGPTConfig` of which only the default is hosted."""
_LEFT_OUT = re.compile(
    r"(transformer\.h\.\d+\.attn\.(masked_)?bias"
    r"|transformer\.layers\.\d+\.attention\.kv_cache\..*|transformer\.freqs_cis"
    r"|decoder\.(encoder|quant_conv)\..*|decoder\.quantize\.codebook_used)"
)
"""Masks, caches and what only training or encoding needs."""


def convert(foreign: Foreign) -> Conversion | None:
    """Of a transformers folder with an ImageGPT (`config`: config.json, and under
    `preprocessor_config` the file of that name), or of LlamaGen's two files in one, the
    transformer's tensors under `transformer.` and the tokenizer's under `decoder.`
    (`config`: n_head and block_size, which no shape tells).

    Raises:
        CheckpointError: it is one, but with an option that is not hosted, or incomplete.
    """
    tensors = foreign.tensors
    if foreign.config.get("model_type") == "imagegpt":
        raw, extra, quirks = _imagegpt(foreign)
    elif "cls_embedding.embedding_table.weight" in tensors:
        raise CheckpointError(
            f"{foreign.place}: LlamaGen's transformer without the decoder of its codes; expected "
            "both in one file, under transformer. and decoder., with n_head and block_size"
        )
    elif "transformer.cls_embedding.embedding_table.weight" in tensors:
        raw, extra, quirks = _llamagen(foreign)
    else:
        return None
    try:
        init = AutoregressiveInit.model_validate(raw)
    except ValidationError as e:
        text = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in e.errors()[:5])
        raise CheckpointError(f"{foreign.place}: not hosted by this family ({text})") from None
    kept = {k: v for k, v in {**tensors, **extra}.items() if not _LEFT_OUT.fullmatch(k)}
    if left := len(tensors) + len(extra) - len(kept):
        quirks.append(f"{left} tensors left out: masks, caches, encoder")
    return Conversion(
        family="autoregressive",
        init=init.model_dump(),
        tensors={k: np.asarray(v, dtype=np.float32) for k, v in kept.items()},
        num_classes=init.num_classes,
        quirks=tuple(quirks),
    )


_Read = tuple[dict[str, Any], dict[str, np.ndarray], list[str]]
"""init, tensors that lay elsewhere, quirks."""


def _imagegpt(foreign: Foreign) -> _Read:
    config, place = foreign.config, foreign.place
    for key, value in _ONLY.items():
        if config.get(key, value) != value:
            raise CheckpointError(
                f"{place}: {key} is {config[key]!r}; this family hosts {value!r} only"
            )
    beside = config.get("preprocessor_config")
    given = beside.get("clusters") if isinstance(beside, Mapping) else None
    if given is None:
        raise CheckpointError(
            f"{place}: no clusters; expected the colours of its tokens in preprocessor_config.json"
        )
    try:
        clusters = np.asarray(given, dtype=np.float32)
    except (ValueError, TypeError, OverflowError):
        raise CheckpointError(
            f"{place}: clusters that are no table of numbers; expected (colours, 3) in [-1, 1]"
        ) from None
    if clusters.ndim != 2 or not clusters.size or not np.abs(clusters).max() <= 1.01:
        raise CheckpointError(
            f"{place}: clusters of shape {clusters.shape} up to "
            f"{np.abs(clusters).max(initial=0.0):g}; expected (colours, 3) in [-1, 1]"
        )
    positions = config.get("n_positions", 1024)
    side = math.isqrt(positions) if type(positions) is int and positions > 0 else 0
    if not side or side**2 != positions:
        raise CheckpointError(
            f"{place}: n_positions is {shown(positions)}; expected a square number"
        )
    known = {k: v for k, v in config.items() if k in ImageGptInit.model_fields}
    known |= {"kind": "imagegpt", "height": side, "width": side}
    return {"transformer": known}, {PALETTE: clusters}, [f"image of {side} x {side} inferred"]


def _llamagen(foreign: Foreign) -> _Read:
    config, place, tensors = foreign.config, foreign.place, foreign.tensors
    for key in ("n_head", "block_size"):
        if type(config.get(key)) is not int or config[key] < 1:
            raise CheckpointError(
                f"{place}: config: {key} is {config.get(key)!r:.80}; expected LlamaGen's whole "
                "number, for no shape tells it"
            )

    shape = foreign.sizes
    rows, dim = shape("transformer.cls_embedding.embedding_table.weight", 2)
    heads, layer = config["n_head"], "transformer.layers.0"
    wide = shape(f"{layer}.attention.wqkv.weight", 2)[0] * heads // max(dim, 1)  # in heads
    transformer = {
        "kind": "llamagen",
        "grid": math.isqrt(config["block_size"]),
        "vocab_size": shape("transformer.tok_embeddings.weight", 2)[0],
        "num_classes": rows - 1,
        "dim": dim,
        "n_layer": _count(tensors, r"transformer\.layers\.(\d+)\."),
        "n_head": heads,
        "n_kv_head": (wide - heads) // 2,
        "hidden": shape(f"{layer}.feed_forward.w1.weight", 2)[0],
        **{k: config[k] for k in ("rope_base", "norm_eps") if k in config},
    }
    blocks = "decoder.decoder.conv_blocks"
    first = "res.0.conv1.weight"
    levels = _count(tensors, rf"{re.escape(blocks)}\.(\d+)\.")
    size, width = shape("decoder.quantize.embedding.weight", 2)
    decoder = {
        "codebook_size": size,
        "codebook_embed_dim": width,
        "z_channels": shape("decoder.post_quant_conv.weight", 4)[0],
        "widths": [shape(f"{blocks}.{k}.{first}", 4)[0] for k in reversed(range(levels))],
        "num_res_blocks": _count(tensors, rf"{re.escape(blocks)}\.0\.res\.(\d+)\.") - 1,
        "channels": shape("decoder.decoder.conv_out.weight", 4)[0],
        **{k: config[k] for k in ("codebook_l2_norm", "norm_groups") if k in config},
    }
    quirks = ["the last class row is taken for the null class"]
    if "codebook_l2_norm" not in config:
        quirks.append("codebook_l2_norm not given: true")
    return {"transformer": transformer, "decoder": decoder}, {}, quirks


def _count(tensors: Mapping[str, np.ndarray], pattern: str) -> int:
    """How many numbers a part of the names counts up to."""
    found = (re.match(pattern, key) for key in tensors)
    return 1 + max((int(m[1][:9]) for m in found if m), default=-1)
