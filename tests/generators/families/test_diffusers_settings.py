"""The tables of settings: they know what the installed classes take, what public models of all
ages say, and end within bounds whatever they are given."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest
import torch
from safetensors.torch import save

from augment.checkpoints.safetensors_file import read_safetensors
from augment.generators.families.diffusers.parts import KINDS
from augment.generators.families.diffusers.settings import (
    ENCODER,
    NETWORK,
    SCHEDULER,
    Kind,
    wrong_adapter,
    wrong_settings,
)
from augment.generators.families.diffusers.settings_rules import (
    Count,
    Each,
    Free,
    Named,
    Scale,
    Table,
    Text,
    Width,
)

PUBLIC: dict[str, tuple[Kind, Scale | None, dict[str, Any]]] = {
    "an encoder of 2022": ("text", Scale(49408, 196, 123_060_480), {
        "_name_or_path": "openai/clip-vit-large-patch14", "architectures": ["CLIPTextModel"],
        "attention_dropout": 0.0, "bos_token_id": 0, "dropout": 0.0, "eos_token_id": 2,
        "hidden_act": "quick_gelu", "hidden_size": 768, "initializer_factor": 1.0,
        "initializer_range": 0.02, "intermediate_size": 3072, "layer_norm_eps": 1e-05,
        "max_position_embeddings": 77, "model_type": "clip_text_model", "num_attention_heads": 12,
        "num_hidden_layers": 12, "pad_token_id": 1, "projection_dim": 768,
        "torch_dtype": "float32", "transformers_version": "4.22.0.dev0", "vocab_size": 49408,
    }),
    "a safety checker of 2022": ("checker", Scale(4096, 396, 303_981_588), {
        "_commit_hash": "4bb6", "_name_or_path": "CompVis/stable-diffusion-safety-checker",
        "architectures": ["StableDiffusionSafetyChecker"], "initializer_factor": 1.0,
        "logit_scale_init_value": 2.6592, "model_type": "clip", "projection_dim": 768,
        "text_config": {
            "_name_or_path": "", "add_cross_attention": False, "architectures": None,
            "bad_words_ids": None, "chunk_size_feed_forward": 0, "diversity_penalty": 0.0,
            "do_sample": False, "eos_token_id": 2, "finetuning_task": None,
            "id2label": {"0": "LABEL_0", "1": "LABEL_1"}, "label2id": {"LABEL_0": 0, "LABEL_1": 1},
            "num_beams": 1, "problem_type": None, "pruned_heads": {}, "return_dict": True,
            "task_specific_params": None, "tf_legacy_loss": False, "tie_word_embeddings": True,
            "torch_dtype": None, "torchscript": False, "typical_p": 1.0, "use_bfloat16": False,
            "transformers_version": "4.21.0.dev0", "vocab_size": 1000, "hidden_size": 768,
        },
        "text_config_dict": {"hidden_size": 768, "intermediate_size": 3072},
        "vision_config": {"image_size": 224, "patch_size": 14, "num_channels": 3},
        "torch_dtype": "float32", "transformers_version": None,
    }),
    "a T5": ("text", Scale(32128, 219, 4_762_310_656), {
        "_name_or_path": "google/t5-v1_1-xxl", "architectures": ["T5EncoderModel"], "d_ff": 10240,
        "d_kv": 64, "d_model": 4096, "decoder_start_token_id": 0, "dense_act_fn": "gelu_new",
        "dropout_rate": 0.1, "eos_token_id": 1, "feed_forward_proj": "gated-gelu",
        "initializer_factor": 1.0, "is_encoder_decoder": True, "is_gated_act": True,
        "layer_norm_epsilon": 1e-06, "model_type": "t5", "num_decoder_layers": 24,
        "num_heads": 64, "num_layers": 24, "output_past": True, "pad_token_id": 0,
        "relative_attention_max_distance": 128, "relative_attention_num_buckets": 32,
        "tie_word_embeddings": False, "torch_dtype": "float16", "transformers_version": "4.21.1",
        "use_cache": True, "vocab_size": 32128, "classifier_dropout": 0.0,
    }),
    "an XL network": ("network", Scale(10240, 1680, 2_567_463_684), {
        "_class_name": "UNet2DConditionModel", "_diffusers_version": "0.19.0.dev0",
        "act_fn": "silu", "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
        "attention_head_dim": [5, 10, 20], "block_out_channels": [320, 640, 1280],
        "class_embed_type": None, "cross_attention_dim": 2048, "conv_in_kernel": 3,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "downsample_padding": 1, "dual_cross_attention": False, "flip_sin_to_cos": True,
        "in_channels": 4, "layers_per_block": 2, "mid_block_type": "UNetMidBlock2DCrossAttn",
        "projection_class_embeddings_input_dim": 2816, "sample_size": 128,
        "transformer_layers_per_block": [1, 2, 10], "use_linear_projection": True,
    }),
    "a PixArt": ("network", Scale(4608, 500, 611_349_920), {
        "_class_name": "Transformer2DModel", "_diffusers_version": "0.22.0.dev0",
        "activation_fn": "gelu-approximate", "attention_head_dim": 72, "caption_channels": 4096,
        "cross_attention_dim": 1152, "double_self_attention": False, "norm_type": "ada_norm_single",
        "num_attention_heads": 16, "num_embeds_ada_norm": 1000, "num_layers": 28,
        "num_vector_embeds": None, "only_cross_attention": False, "patch_size": 2,
        "sample_size": 128,
    }),
    "an autoencoder": ("network", Scale(512, 248, 83_653_863), {
        "_class_name": "AutoencoderKL", "_diffusers_version": "0.6.0", "sample_size": 512,
        "_name_or_path": "../sdxl-vae/", "block_out_channels": [128, 256, 512, 512],
        "layers_per_block": 2, "norm_num_groups": 32, "force_upcast": True,
    }),
    "a scheduler of 2022": ("scheduler", None, {
        "_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0", "beta_end": 0.012,
        "beta_schedule": "scaled_linear", "beta_start": 0.00085, "num_train_timesteps": 1000,
        "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1,
        "trained_betas": None, "clip_sample": False,
    }),
    "a scheduler's infinity": ("scheduler", None, {"lambda_min_clipped": float("-inf")}),
    "a tokenizer of 2022": ("tokenizer", None, {
        "add_prefix_space": False,
        "bos_token": {"__type": "AddedToken", "content": "<|startoftext|>", "lstrip": False,
                      "normalized": True, "rstrip": False, "single_word": False},
        "do_lower_case": True, "errors": "replace", "model_max_length": 77,
        "name_or_path": "openai/clip-vit-large-patch14", "pad_token": "<|endoftext|>",
        "special_tokens_map_file": "./special_tokens_map.json", "tokenizer_class": "CLIPTokenizer",
    }),
    "a tokenizer of a T5": ("tokenizer", None, {
        "additional_special_tokens": [f"<extra_id_{n}>" for n in range(100)], "extra_ids": 100,
        "eos_token": "</s>", "legacy": True, "model_max_length": int(1e30), "pad_token": "<pad>",
        "sp_model_kwargs": {}, "tokenizer_class": "T5Tokenizer", "unk_token": "<unk>",
        "added_tokens_decoder": {"0": {"content": "<pad>", "lstrip": False, "special": True}},
        "clean_up_tokenization_spaces": True,
    }),
    "an image processor of 2022": ("processor", None, {
        "crop_size": 224, "do_center_crop": True, "do_convert_rgb": True, "do_normalize": True,
        "do_resize": True, "feature_extractor_type": "CLIPFeatureExtractor",
        "image_mean": [0.48, 0.45, 0.40], "image_std": [0.26, 0.26, 0.27], "resample": 3,
        "size": 224,
    }),
    "an image processor": ("processor", None, {
        "crop_size": {"height": 224, "width": 224}, "size": {"shortest_edge": 224},
        "image_processor_type": "CLIPImageProcessor", "rescale_factor": 0.00392156862745098,
    }),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLIC)
def test_settings_of_public_models(name: str) -> None:
    """Widths and tensors as their weights have them."""
    kind, scale, found = PUBLIC[name]
    patches = "patch_size" in found
    assert wrong_settings(kind, json.loads(json.dumps(found)), scale, patches) == ""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("kind", "table"), [("network", NETWORK), ("scheduler", SCHEDULER)])
def test_every_argument_of_the_installed_classes_is_known(kind: Kind, table: Table) -> None:
    """A key that a new version brings is looked at before it is allowed."""
    import diffusers

    for name, (_, own) in KINDS.items():
        if own == kind:
            taken = inspect.signature(getattr(diffusers, name).__init__).parameters
            unknown = taken.keys() - table.rules.keys() - {"self", "args", "kwargs"}
            assert unknown == set(), name


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["CLIPTextConfig", "CLIPVisionConfig", "CLIPConfig", "T5Config"])
def test_every_field_of_the_installed_encoders_is_known(name: str) -> None:
    import transformers

    written = set(getattr(transformers, name)().to_dict())
    assert written - ENCODER.rules.keys() - {"quantization_config"} == set()


@pytest.mark.parametrize(
    ("rule", "value", "wanted"),
    [
        (Width(), 1024, ""),
        (Width(), 1025, "a width from 1 to 1024, the largest dimension of its weights"),
        (Width(), True, "a width from 1 to 1024, the largest dimension of its weights"),
        (Count(), 20, ""),
        (Count(), 21, "a number from 1 to 20"),
        (Each(Count(), 2), [1, [2]], ""),
        (Each(Count(), 2), [1, [[2]]], "a number from 1 to 20"),
        (Each(Count(), 2), [1, 2, 3], "at most 2 values"),
        (Each(Count(), 2, single=False), 1, "a list of such"),
        (Each(Count(), 2, least=2), [1], "2 values"),
        (Each(Count(), 2, least=1), [], "1 to 2 values"),
        (Named(Count(), 1), {"a": 1, "b": 2}, "an object of at most 1 keys"),
        (Named(Count()), [], "an object of at most 10000 keys"),
        (Free(), {"a": [1, {"b": "x"}]}, ""),
        (Free(), ["x" * 5000], "texts of at most 4096 characters"),
        (Free(), [0] * 200_000, "at most 100000 values"),
        (Text(3), "abcd", "a text of at most 3 characters"),
    ],
)
def test_rules(rule: Any, value: Any, wanted: str) -> None:
    assert rule.wants(value, Scale(widest=7, tensors=20, elements=140)) == wanted


def test_an_adapter_that_diffusers_saved() -> None:
    said = {
        "unet.r": 4, "unet.lora_alpha": 4, "unet.target_modules": ["to_q", "to_v"],
        "unet.init_lora_weights": True, "unet.peft_type": "LORA", "unet.task_type": None,
        "unet.megatron_core": "megatron.core", "unet.megatron_config": None, "unet.bias": "none",
        "unet.loftq_config": {}, "unet.rank_pattern": {"mid_block.attentions.0.proj_in": 8},
        "unet.layers_pattern": None, "unet.use_dora": False, "unet.revision": None,
    }  # fmt: skip
    data = save({"a": torch.ones(1)}, metadata={"lora_adapter_metadata": json.dumps(said)})
    assert wrong_adapter(read_safetensors(data)) == ""
    assert wrong_adapter(read_safetensors(save({"a": torch.ones(1)}))) == ""
