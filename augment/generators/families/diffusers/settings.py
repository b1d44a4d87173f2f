"""Which settings a component of a hosted pipeline may have, key by key.

Libraries take far more from a folder than a network's shape: other names for its weights,
code of a hub, quantizers, kernels, a path for each of a tokenizer's files. Here is a closed
table of keys for every kind of component, and a bound for every value: widths and numbers of
layers are measured against the weights beside them, so that no file of some bytes builds
gigabytes. A key that no table names is refused, whatever the library would do with it.

Source: `__init__` of the hosted classes in diffusers 0.35 to 0.42, the configurations of
transformers 4.20 to 5.24 (older ones wrote the arguments of text generation into every file),
`LoraConfig` of peft 0.21. A test holds the tables against the installed classes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Literal

from augment.checkpoints.safetensors_file import SafeTensors
from augment.generators.families.diffusers.settings_rules import (
    Anything,
    Count,
    Each,
    Either,
    Empty,
    Flag,
    Free,
    Named,
    Pair,
    Real,
    Rule,
    Scale,
    Table,
    Text,
    Whole,
    Width,
    Word,
)

Kind = Literal["network", "text", "checker", "scheduler", "tokenizer", "processor"]
"""What a component is, as its library treats it."""

MAX_SIDE = 4096
_LATENT = 512
_POSITIONS = 1 << 24
"""Sides of latents, and numbers of their positions, that cost nothing whatever the weights are."""

_UNSAID = {"sample_size": 128, "patch_size": 1, "num_attention_heads": 16,
           "attention_head_dim": 88}  # fmt: skip
"""What makes a transformer's positions, and the largest that its classes take where nothing is
said (the smallest of the patch)."""

_DTYPES = Word({"float32", "float16", "bfloat16", "auto"})
_TOKEN_ID = Either(Whole(-1, 1 << 20), Each(Whole(-1, 1 << 20), single=False))
WHY = {
    "transformers_weights": "names weights elsewhere",
    "quantization_config": "hands the weights to a quantizer",
    "auto_map": "asks for code of the model",
    "custom_pipeline": "asks for code of the model",
    "base_model_name_or_path": "names another model",
    "fusion_config": "replaces parts of the network",
    "kernel_config": "fetches kernels",
    "chat_template": "is a program",
    "vocab_file": "names a file elsewhere",
    "merges_file": "names a file elsewhere",
    "tokenizer_file": "names a file elsewhere",
    "fast_tokenizer_files": "names a file elsewhere",
    "init_inputs": "hands anything to the tokenizer",
}


def _all(rule: Rule, *names: str) -> dict[str, Rule]:
    return dict.fromkeys(names, rule)


_LABELS: dict[str, Rule] = {
    **_all(Text(512), "_name_or_path", "name_or_path", "_commit_hash"),
    **_all(Word(), "_class_name", "_diffusers_version", "transformers_version", "model_type"),
    "architectures": Each(Word()),
    "_use_default_values": Each(Word(), 128),
}
"""What says where settings came from."""

NETWORK = Table("a network of diffusers", {
    **_LABELS,
    **_all(Count(), "layers_per_block", "transformer_layers_per_block", "num_layers",
           "num_hidden_layers", "num_res_blocks", "reverse_transformer_layers_per_block"),
    **_all(Each(Count(), 16), "layers_per_block"),
    **_all(Each(Count(), 16, inner=2), "transformer_layers_per_block",
           "reverse_transformer_layers_per_block"),
    "block_out_channels": Each(Width(), 16, inner=0, least=1),
    **_all(Each(Width(), 16), "attention_head_dim", "num_attention_heads",
           "cross_attention_dim", "conditioning_embedding_out_channels"),
    **_all(Width(), "in_channels", "out_channels", "latent_channels", "caption_channels",
           "hidden_size", "intermediate_size", "encoder_hidden_size", "codebook_size",
           "vocab_size", "num_vq_embeddings", "vq_embed_dim", "cond_embed_dim", "encoder_hid_dim",
           "micro_cond_embed_dim", "micro_cond_encode_dim", "projection_class_embeddings_input_dim",
           "num_class_embeds", "num_vector_embeds", "time_embedding_dim",
           "time_cond_proj_dim", "addition_time_embed_dim", "conditioning_channels"),
    **_all(Whole(1, 1024), "norm_num_groups", "block_num_heads", "addition_embed_type_num_heads",
           "patch_size", "mid_block_scale_factor"),
    "num_embeds_ada_norm": Whole(1, 1 << 16),
    **_all(Whole(0, 64), "downsample_padding", "freq_shift", "conv_in_kernel", "conv_out_kernel"),
    "sample_size": Each(Whole(1, MAX_SIDE), 2, inner=0, least=2),
    **_all(Each(Word(), 16), "down_block_types", "up_block_types"),
    **_all(Word(), "act_fn", "activation_fn", "mid_block_type", "norm_type", "attention_type",
           "addition_embed_type", "class_embed_type", "encoder_hid_dim_type",
           "cross_attention_norm", "resnet_time_scale_shift", "time_embedding_type",
           "time_embedding_act_fn", "timestep_post_act", "controlnet_conditioning_channel_order"),
    **_all(Flag(), "attention_bias", "center_input_sample", "class_embeddings_concat",
           "double_self_attention", "dual_cross_attention", "flip_sin_to_cos", "force_upcast",
           "global_pool_conditions", "ln_elementwise_affine", "lookup_from_codebook",
           "mid_block_add_attention", "mid_block_only_cross_attention", "norm_elementwise_affine",
           "resnet_skip_time_act", "upcast_attention", "upsample", "downsample", "use_bias",
           "use_additional_conditions", "use_linear_projection", "use_post_quant_conv",
           "use_quant_conv"),
    "only_cross_attention": Each(Flag(), 16),
    **_all(Real(), "dropout", "attention_dropout", "hidden_dropout", "interpolation_scale",
           "norm_eps", "layer_norm_eps", "resnet_out_scale_factor", "scaling_factor",
           "shift_factor"),
    **_all(Each(Real(), 1024), "latents_mean", "latents_std"),
}, WHY)  # fmt: skip

SCHEDULER = Table("a scheduler", {
    **_LABELS,
    **_all(Whole(1, 100_000), "num_train_timesteps", "original_inference_steps"),
    **_all(Whole(0, 100_000), "steps_offset", "mask_token_id"),
    "solver_order": Whole(1, 8),
    "trained_betas": Each(Real(), 100_000, single=False, inner=0),
    "disable_corrector": Each(Whole(0, 100_000), 1024, single=False, inner=0),
    **_all(Word(), "algorithm_type", "beta_schedule", "final_sigmas_type", "interpolation_type",
           "masking_schedule", "prediction_type", "solver_type", "time_shift_type",
           "timestep_spacing", "timestep_type", "variance_type"),
    **_all(Flag(), "clip_sample", "euler_at_final", "lower_order_final", "predict_x0",
           "rescale_betas_zero_snr", "set_alpha_to_one", "skip_prk_steps", "thresholding",
           "use_beta_sigmas", "use_dynamic_shifting", "use_exponential_sigmas", "use_flow_sigmas",
           "use_karras_sigmas", "use_lu_lambdas"),
    **_all(Real(), "beta_end", "beta_start", "clip_sample_range", "dynamic_thresholding_ratio",
           "flow_shift", "sample_max_value", "shift_terminal", "sigma_max", "sigma_min",
           "timestep_scaling"),
    "lambda_min_clipped": Real(endless=True),
    "solver_p": Empty(),
}, WHY)  # fmt: skip

_GENERATION = _all(
    Free(), "add_cross_attention", "bad_words_ids", "begin_suppress_tokens",
    "chunk_size_feed_forward", "cross_attention_hidden_size", "decoder_start_token_id",
    "diversity_penalty", "do_sample", "early_stopping", "encoder_no_repeat_ngram_size",
    "exponential_decay_length_penalty", "finetuning_task", "forced_bos_token_id",
    "forced_eos_token_id", "id2label", "label2id", "length_penalty", "max_length", "min_length",
    "n_positions", "no_repeat_ngram_size", "num_beam_groups", "num_beams", "num_return_sequences",
    "output_past", "output_scores", "prefix", "problem_type", "remove_invalid_values",
    "repetition_penalty", "sep_token_id", "suppress_tokens", "task_specific_params", "temperature",
    "tf_legacy_loss", "tie_encoder_decoder", "tokenizer_class", "top_k", "top_p", "typical_p",
    "use_bfloat16", "return_dict_in_generate", "gradient_checkpointing",
)  # fmt: skip
"""What older versions wrote into every file, and no encoder reads."""

_TEXT: dict[str, Rule] = {
    **_LABELS,
    **_GENERATION,
    **_all(Width(), "hidden_size", "intermediate_size", "projection_dim", "vocab_size", "d_model",
           "d_ff", "d_kv"),
    **_all(Count(), "num_hidden_layers", "num_layers", "num_decoder_layers"),
    **_all(Whole(1, 1024), "num_attention_heads", "num_heads", "num_channels", "patch_size",
           "relative_attention_num_buckets"),
    **_all(Whole(1, 1 << 16), "max_position_embeddings", "relative_attention_max_distance"),
    "image_size": Whole(1, MAX_SIDE),
    **_all(_TOKEN_ID, "bos_token_id", "eos_token_id", "pad_token_id"),
    **_all(Real(), "attention_dropout", "classifier_dropout", "dropout", "dropout_rate",
           "initializer_factor", "initializer_range", "layer_norm_eps", "layer_norm_epsilon",
           "logit_scale_init_value"),
    **_all(Word(), "hidden_act", "feed_forward_proj", "dense_act_fn"),
    **_all(_DTYPES, "dtype", "torch_dtype"),
    **_all(Word({"eager", "sdpa"}), "_attn_implementation", "attn_implementation"),
    **_all(Flag(), "_attn_implementation_autoset", "is_decoder", "is_encoder_decoder",
           "is_gated_act", "output_attentions", "output_hidden_states", "return_dict",
           "scale_decoder_outputs", "tie_word_embeddings", "torchscript", "use_cache"),
    "pruned_heads": Empty(),
}  # fmt: skip
_INNER = Table("an encoder", _TEXT, WHY)

ENCODER = Table("an encoder of transformers", {
    **_TEXT,
    **_all(_INNER, "text_config", "vision_config", "text_config_dict", "vision_config_dict"),
}, WHY)  # fmt: skip

_ADDED = Table("a token", {
    **_all(Text(), "content", "__type"),
    **_all(Flag(), "lstrip", "rstrip", "normalized", "single_word", "special"),
    "id": Whole(0, 1 << 20),
}, WHY)  # fmt: skip
_TOKEN = Either(Text(), _ADDED)
_TOKENS = Either(Each(_TOKEN, 1024, single=False), Named(_TOKEN, 1024))
_SPECIAL: dict[str, Rule] = {
    **_all(_TOKEN, "bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token",
           "mask_token"),
    **_all(_TOKENS, "additional_special_tokens", "extra_special_tokens"),
}  # fmt: skip

TOKENIZER = Table("a tokenizer", {
    **_LABELS,
    **_SPECIAL,
    "added_tokens_decoder": Named(_ADDED),
    "tokenizer_class": Word({
        "CLIPTokenizer", "CLIPTokenizerFast", "T5Tokenizer", "T5TokenizerFast",
        "PreTrainedTokenizerFast", "TokenizersBackend",
    }),
    "backend": Word({"tokenizers", "sentencepiece"}),
    **_all(Word(), "errors", "padding_side", "truncation_side", "processor_class", "padding",
           "truncation"),
    "special_tokens_map_file": Text(512),
    **_all(Flag(), "add_bos_token", "add_eos_token", "add_prefix_space", "is_local", "legacy",
           "clean_up_tokenization_spaces", "do_lower_case", "local_files_only", "use_fast",
           "add_special_tokens", "split_special_tokens", "spaces_between_special_tokens"),
    **_all(Whole(0, 1 << 16), "extra_ids", "max_length", "pad_token_type_id", "pad_to_multiple_of",
           "stride"),
    "model_max_length": Either(Whole(1, 1 << 16), Word({"unbounded"})),
    "sp_model_kwargs": Empty(),
}, WHY)  # fmt: skip
_LONGEST = Whole(0, 1 << 16)
WORDS: Mapping[str, Rule] = {
    "special_tokens_map.json": Table("a list of special tokens", _SPECIAL, WHY),
    "added_tokens.json": Named(Whole(0, 1 << 20), 100_000),
    "vocab.json": Named(Whole(0, 1 << 20), 1 << 20),
    "tokenizer.json": Table("a tokenizer of tokenizers", {
        **_all(Anything(), "version", "added_tokens", "normalizer", "pre_tokenizer",
               "post_processor", "decoder", "model"),
        "truncation": Table("a truncation", {
            "max_length": _LONGEST, "stride": _LONGEST, "strategy": Word(), "direction": Word(),
        }, WHY),
        "padding": Table("a padding", {
            "strategy": Either(Word(), Named(_LONGEST, 1)), "pad_to_multiple_of": _LONGEST,
            **_all(Whole(0, 1 << 20), "pad_id", "pad_type_id"), "pad_token": Text(),
            "direction": Word(),
        }, WHY),
    }, WHY),
}  # fmt: skip
"""Files of a tokenizer's words that its library reads as JSON."""

_SIZE = Either(Whole(1, MAX_SIDE), Named(Whole(1, MAX_SIDE), 8))
PROCESSOR = Table("an image processor", {
    **_LABELS,
    **_all(Word(), "feature_extractor_type", "image_processor_type", "processor_class", "backend",
           "data_format", "input_data_format"),
    **_all(_SIZE, "size", "crop_size", "pad_size"),
    "resample": Either(Whole(0, 5), Word()),
    **_all(Flag(), "do_center_crop", "do_convert_rgb", "do_normalize", "do_pad", "do_rescale",
           "do_resize", "default_to_square", "use_square_size", "disable_grouping"),
    "rescale_factor": Real(),
    **_all(Each(Real(), 4), "image_mean", "image_std"),
    "_valid_processor_keys": Each(Word(), 64),
    **_all(Empty(), "device", "return_tensors"),
}, WHY)  # fmt: skip

PIPELINE: dict[str, Rule] = {
    **_LABELS,
    **_all(Flag(), "requires_safety_checker", "force_zeros_for_empty_prompt",
           "requires_aesthetics_score", "is_unet_version_less_0_9_0"),
    "id2label": Free(),
}  # fmt: skip
"""Keys of model_index.json beside its components."""
COMPONENT = Pair()

_TABLES: Mapping[Kind, tuple[str, Table]] = {
    "network": ("config.json", NETWORK),
    "text": ("config.json", ENCODER),
    "checker": ("config.json", ENCODER),
    "scheduler": ("scheduler_config.json", SCHEDULER),
    "processor": ("preprocessor_config.json", PROCESSOR),
    "tokenizer": ("tokenizer_config.json", TOKENIZER),
}
_NO_LENGTH = int(1e30)
"""How transformers write that a tokenizer knows no longest text."""


def settings_file(kind: Kind) -> str:
    """The file that says how a component of this kind is built."""
    return _TABLES[kind][0]


def wrong_settings(
    kind: Kind, found: Mapping[str, Any], scale: Scale | None, patches: bool = False
) -> str:
    """ "" where the settings of a component fit, else the first that does not, and what was
    expected. scale: of its weights, None where it has none. patches: whether it is a network
    that knows where each patch of a latent lies."""
    if kind == "tokenizer" and found.get("model_max_length") == _NO_LENGTH:
        found = {**found, "model_max_length": "unbounded"}
    wrong = _TABLES[kind][1].wrong(found, scale)
    if wrong:
        return wrong[0]
    if kind != "network":
        return ""
    return _too_deep(found, scale) or (_too_many_positions(found, scale) if patches else "")


def _too_deep(found: Mapping[str, Any], scale: Scale | None) -> str:
    """What single values do not show: layers in blocks in blocks."""
    most = 1 << 14 if scale is None else max(64, scale.tensors)
    layers = ("layers_per_block", "transformer_layers_per_block")
    blocks = _numbers(found.get("block_out_channels"))
    depth = math.prod([len(blocks), *(max(_numbers(found.get(key, 1))) for key in layers)])
    if depth > most:
        return (
            f"{' and '.join(layers)}: got {depth} layers in all; expected at most {most}, for each "
            "has tensors of its own"
        )
    return ""


def _too_many_positions(found: Mapping[str, Any], scale: Scale | None) -> str:
    """They have a row of numbers each, which are computed when the network is made."""
    side, patch, *widths = (max(_numbers(found.get(k) or least)) for k, least in _UNSAID.items())
    if side > _LATENT:
        return f"sample_size: got {side}; expected at most {_LATENT} of a transformer"
    across, width = side // patch, math.prod(widths)
    most = _POSITIONS if scale is None else max(_POSITIONS, scale.elements)
    if across * across * width > most:
        return (
            f"sample_size, patch_size and num_attention_heads: got {across * across} positions of "
            f"{width} numbers; expected at most {most} in all, what its weights have"
        )
    return ""


def _numbers(value: Any) -> list[int]:
    if isinstance(value, list):
        return [number for item in value for number in _numbers(item)] or [1]
    return [value if isinstance(value, int) else 1]


# ---- adapters --------------------------------------------------------------------------

_MODULES = Either(Each(Text(256), 10_000, single=False), Word())
_LORA: dict[str, Rule] = {
    **_all(Whole(1, 1 << 16), "r"),
    **_all(Real(), "lora_alpha", "lora_dropout"),
    **_all(_MODULES, "target_modules", "exclude_modules"),
    **_all(Named(Real()), "rank_pattern", "alpha_pattern"),
    **_all(Flag(), "use_dora", "use_rslora", "lora_bias", "fan_in_fan_out", "inference_mode"),
    "bias": Word({"none", "all", "lora_only"}),
    "init_lora_weights": Either(Flag(), Word({"gaussian"})),
    **_all(Text(64), "peft_type", "task_type", "peft_version"),
    "base_model_name_or_path": Text(512),
    "megatron_core": Word({"megatron.core"}),
    "qalora_group_size": Whole(0, 1 << 16),
}
_MATCHED = ("rank_pattern", "alpha_pattern", "target_modules", "exclude_modules")
"""Whose texts peft takes as regular expressions."""
_METADATA = "lora_adapter_metadata"


def wrong_adapter(tensors: SafeTensors) -> str:
    """ "" where what a LoRA file says of itself is fit for peft, else what is not: its
    configuration names modules to import, files to read and patterns to match."""
    try:
        said = json.loads(tensors.metadata.get(_METADATA) or "{}")
    except (ValueError, RecursionError):
        return f"{_METADATA} is not JSON; expected what diffusers writes"
    if not isinstance(said, dict):
        return f"{_METADATA} is no object; expected what diffusers writes"
    for key, value in said.items():
        name = key.rpartition(".")[2]
        wanted = _LORA.get(name, Empty()).wants(value, None) if value is not None else ""
        if wanted:
            return f"{_METADATA}: {key[:100]!r}: expected {wanted}"
        if name in _MATCHED and _is_pattern(value):
            return f"{_METADATA}: {key[:100]!r} holds a pattern; expected names of modules"
    return ""


def _is_pattern(value: Any) -> bool:
    """Whether a name in it is a regular expression that could take for ever."""
    names = [value] if isinstance(value, str) else list(value or ())
    return any(set(str(name)) & set("*+?{[(|\\") for name in names)
