"""Pipelines of strangers: the libraries open what was judged, from a private folder, and nothing
else; whatever a folder says beyond its weights' shapes is refused, with the component's name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from augment.errors import CheckpointError, StorageError, UnsafeCheckpoint
from augment.generators import describe, load_host
from augment.generators.families.diffusers.loading import told
from augment.spec.generators import DiffusersGenerator
from tests.contracts.generator_contract import requests
from tests.generators import pipelines

torch.set_num_threads(1)
pytestmark = pytest.mark.filterwarnings(  # how the library's schedulers use numpy
    "ignore:__array__ implementation:DeprecationWarning",
    "ignore:__array_wrap__ must:DeprecationWarning",
)
REPOSITORY = Path(__file__).parents[3]
UNET = "unet/diffusion_pytorch_model.safetensors"
WORDS = "text_encoder/model.safetensors"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    for name in ("stable_diffusion", "pixart", "dit"):
        getattr(pipelines, name)(folder / "words").save_pretrained(folder / name)
    pipelines.controlnet().save_pretrained(folder / "controlnet")
    return folder


@pytest.fixture
def model(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole / "stable_diffusion", tmp_path / "model"))


def spec_of(folder: Path, **given: Any) -> DiffusersGenerator:
    sampling = {"call": {"num_inference_steps": 2}}
    raw = {"family": "diffusers", "checkpoint": str(folder), "classes": ["cat"]}
    return DiffusersGenerator.model_validate({**raw, "sampling": sampling, **given})


def said(path: Path, **changed: Any) -> None:
    """Changes a JSON file."""
    found = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**found, **changed}))


def setting(inside: str, **changed: Any) -> Callable[[Path], None]:
    return lambda model: said(model / inside, **changed)


# ---- settings ----------------------------------------------------------------------------


def _adapter(model: Path) -> None:
    (model / "text_encoder" / "config.json").rename(model.parent / "config.json")
    said(model / "text_encoder" / "adapter_config.json", base_model_name_or_path="/elsewhere")


def _hidden_link(model: Path) -> None:
    said(model / "text_encoder" / "config.json", transformers_weights=".h.safetensors")
    (model / "text_encoder" / ".h.safetensors").symlink_to("/etc/hostname")


def _distributed(model: Path) -> None:
    (model / WORDS).unlink()
    (model / "text_encoder" / ".metadata").write_bytes(b"\x80\x04never read")


def _other_stem(model: Path) -> None:
    (model / UNET).rename(model / "unet" / "model.safetensors")


def _both_stems(model: Path) -> None:
    shutil.copy(model / UNET, model / "unet" / "model.safetensors")


SETTINGS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a base model elsewhere": (_adapter, "adapter_config.json: an adapter in the place of a comp"),
    "hidden weights": (
        _hidden_link,
        "text_encoder/config.json: the key 'transformers_weights', which names weights elsewhere; "
        "expected only keys that an encoder of transformers has",
    ),
    "weights elsewhere": (
        setting("text_encoder/config.json", transformers_weights="../../other.safetensors"),
        "names weights elsewhere",
    ),
    "a distributed checkpoint": (_distributed, "text_encoder/: no weights; expected model.safe"),
    "weights of another kind": (_other_stem, "unet/: weights called model.safetensors; expected"),
    "two kinds of weights": (_both_stems, "unet/: weights called model.safetensors; expected"),
    "a kernel of a hub": (
        setting("text_encoder/config.json", _attn_implementation="org/kernel"),
        "_attn_implementation: got 'org/kernel'; expected one of eager, sdpa",
    ),
    "a quantizer": (
        setting("text_encoder/config.json", quantization_config={"quant_method": "gptq"}),
        "the key 'quantization_config', which hands the weights to a quantizer",
    ),
    "a quantizer of the network": (
        setting("unet/config.json", quantization_config={"quant_method": "torchao"}),
        "unet/config.json: the key 'quantization_config'",
    ),
    "fused layers": (
        setting("text_encoder/config.json", fusion_config={"patch_embeddings": True}),
        "the key 'fusion_config', which replaces parts of the network",
    ),
    "a setting inside a setting": (
        setting("text_encoder/config.json", text_config={"transformers_weights": "x"}),
        "text_config: got an object of 1; expected at the key 'transformers_weights'",
    ),
    "pruned heads": (
        setting("text_encoder/config.json", pruned_heads={"0": [1]}),
        "pruned_heads: got an object of 1; expected nothing there",
    ),
    "a key of nobody": (
        setting("vae/config.json", anything=1),
        "vae/config.json: the key 'anything'; expected only keys that a network of diffusers has",
    ),
    "another class's settings": (
        setting("unet/config.json", _class_name="UNet2DModel"),
        "_class_name is 'UNet2DModel'; expected UNet2DConditionModel, as model_index.json says",
    ),
    # ---- sizes ---------------------------------------------------------------------------
    "wide": (
        setting("unet/config.json", block_out_channels=[800_000, 1_600_000]),
        "block_out_channels: got a list of 2; expected a width from 1 to 1024, the largest",
    ),
    "deep": (
        setting("text_encoder/config.json", num_hidden_layers=10**7),
        "num_hidden_layers: got 10000000; expected a number from 1 to ",
    ),
    "deep in blocks in blocks": (
        setting("unet/config.json", layers_per_block=100, transformer_layers_per_block=[[100], 9]),
        "layers_per_block and transformer_layers_per_block: got 20000 layers in all; expected at",
    ),
    "many blocks": (
        setting("unet/config.json", block_out_channels=[8] * 17),
        "a list of 17; expected 1 to 16 values",
    ),
    "large": (
        setting("unet/config.json", sample_size=10**12),
        "sample_size: got 1000000000000; expected a whole number from 1 to 4096",
    ),
    "a number beyond all": (
        setting("text_encoder/config.json", layer_norm_eps=float("inf")),
        "layer_norm_eps: got inf; expected a number of at most",
    ),
    "no number": (
        setting("unet/config.json", in_channels="4"), "in_channels: got '4'; expected a width",
    ),
    "a list for a path": (
        setting("vae/config.json", act_fn="../x"), "act_fn: got '../x'; expected a plain name",
    ),
    "half a size": (
        setting("unet/config.json", sample_size=[8]),
        "unet/config.json: sample_size: got a list of 1; expected 2 values",
    ),
    "blocks that are no list": (
        setting("vae/config.json", block_out_channels=8),
        "generators.m: vae/config.json: block_out_channels: got 8; expected a list, a width",
    ),
    "no blocks": (
        setting("vae/config.json", block_out_channels=[]),
        "vae/config.json: block_out_channels: got a list of 0; expected 1 to 16 values",
    ),
    "deeper than any reader": (
        lambda model: (model / "unet" / "config.json").write_text('{"a":' * 65 + "1" + "}" * 65),
        "unet/config.json: JSON has values inside values more than 64 deep; expected plain JSON",
    ),
    "positions for ever": (
        setting("text_encoder/config.json", max_position_embeddings=10**9),
        "max_position_embeddings: got 1000000000; expected a whole number from 1 to 65536",
    ),
    # ---- schedulers ----------------------------------------------------------------------
    "time steps for ever": (
        setting("scheduler/scheduler_config.json", num_train_timesteps=10**9),
        "scheduler/scheduler_config.json: num_train_timesteps: got 1000000000; expected a whole",
    ),
    "betas that are code": (
        setting("scheduler/scheduler_config.json", trained_betas="__import__('os')"),
        "trained_betas: got \"__import__('os')\"; expected a list of",
    ),
    "a scheduler's class that is a path": (
        setting("scheduler/scheduler_config.json", _class_name="../../x"),
        "_class_name: got '../../x'; expected a plain name",
    ),
    "another scheduler as a setting": (
        setting("scheduler/scheduler_config.json", solver_p=["diffusers", "DDIMScheduler"]),
        "solver_p: got a list of 2; expected nothing there",
    ),
    # ---- tokenizers ----------------------------------------------------------------------
    **{
        f"a tokenizer's {key}": (
            setting("tokenizer/tokenizer_config.json", **{key: "/etc/hostname"}),
            f"tokenizer/tokenizer_config.json: the key '{key}', which names a file elsewhere",
        )
        for key in ("vocab_file", "merges_file", "tokenizer_file")
    },
    "a tokenizer's arguments": (
        setting("tokenizer/tokenizer_config.json", init_inputs=["/etc/hostname"]),
        "the key 'init_inputs', which hands anything to the tokenizer",
    ),
    "a file among special tokens": (
        setting("tokenizer/special_tokens_map.json", vocab_file="/etc/hostname"),
        "tokenizer/special_tokens_map.json: the key 'vocab_file', which names a file elsewhere",
    ),
    "a program among templates": (
        setting("tokenizer/tokenizer_config.json", chat_template="{{ cycler }}"),
        "the key 'chat_template', which is a program",
    ),
    "a tokenizer's own class": (
        setting("tokenizer/tokenizer_config.json", tokenizer_class="EvilTokenizer"),
        "tokenizer_class: got 'EvilTokenizer'; expected one of CLIPTokenizer, ",
    ),
    "texts padded for ever": (
        setting("tokenizer/tokenizer_config.json", model_max_length=10**9),
        "model_max_length: got 1000000000; expected a whole number from 1 to 65536",
    ),
    "tokens padded for ever": (
        setting("tokenizer/tokenizer.json", padding={"strategy": {"Fixed": 10**9}}),
        "tokenizer/tokenizer.json: padding: got an object of 1; expected at strategy",
    ),
    "a word beyond all": (
        setting("tokenizer/added_tokens.json", x=10**12), "tokenizer/added_tokens.json: other con",
    ),
    "arguments of sentencepiece": (
        setting("tokenizer/tokenizer_config.json", sp_model_kwargs={"enable_sampling": True}),
        "sp_model_kwargs: got an object of 1; expected nothing there",
    ),
    "a tokenizer without words": (
        lambda model: [path.unlink() for path in (model / "tokenizer").iterdir()],
        "model/tokenizer/: no words; expected one of tokenizer.json, vocab.json, spiece.model",
    ),
    # ---- the pipeline --------------------------------------------------------------------
    "another library": (
        setting("model_index.json", text_encoder=["this", "CLIPTextModel"]),
        "component 'text_encoder' is [this, CLIPTextModel]; expected [transformers, CLIPTextMode",
    ),
    "the program's own module": (
        setting("model_index.json", text_encoder=["__main__", "CLIPTextModel"]),
        "component 'text_encoder' is [__main__, CLIPTextModel]",
    ),
    "a class of the other library": (
        setting("model_index.json", vae=["transformers", "AutoencoderKL"]),
        "component 'vae' is [transformers, AutoencoderKL]; expected [diffusers, AutoencoderKL]",
    ),
    "a hosted class in another's place": (
        setting("model_index.json", unet=["diffusers", "AutoencoderKL"]),
        "component 'unet' is [diffusers, AutoencoderKL]; expected [diffusers, UNet2DConditionMod",
    ),
    "a component of nobody": (
        setting("model_index.json", helper=["diffusers", "AutoencoderKL"]),
        "model_index.json: the component 'helper'; expected only vae, text_encoder, ",
    ),
    "a component that is a text": (
        setting("model_index.json", safety_checker="evil"),
        "model_index.json: safety_checker: got 'evil'; expected [library, class], or [null, null",
    ),
    "a setting of nobody": (
        setting("model_index.json", anything=True),
        "model_index.json: the key 'anything'; expected only keys that a StableDiffusionPipeline",
    ),
    "a pipeline of its own": (
        setting("model_index.json", custom_pipelines="x"), "custom_pipelines asks for code",
    ),
    "no tokenizer": (
        setting("model_index.json", tokenizer=[None, None]),
        "model_index.json: no tokenizer; a StableDiffusionPipeline needs one, of class CLIPToken",
    ),
    "a component without its folder": (
        lambda model: shutil.rmtree(model / "vae"), "model/vae/: no weights; expected diffusion_py",
    ),
    "a component without settings": (
        lambda model: (model / "unet" / "config.json").unlink(), "model: no unet/config.json; exp",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_that_no_hosted_component_has(model: Path, name: str) -> None:
    change, text = SETTINGS[name]
    change(model)
    with pytest.raises(CheckpointError) as caught:
        describe("m", spec_of(model))
    assert text in str(caught.value)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("size", [None, [16, 8]])
def test_sizes_that_are_allowed(model: Path, size: Any) -> None:
    setting("unet/config.json", sample_size=size)(model)
    info = describe("m", spec_of(model))
    assert (info.height, info.width) == ((128, 128) if size is None else (32, 16))


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        (
            {"sample_size": 512, "patch_size": 1, "num_attention_heads": 1000},
            "sample_size, patch_size and num_attention_heads: got 262144 positions of ",
        ),
        ({"sample_size": 513, "patch_size": 64}, "sample_size: got 513; expected at most 512 of a"),
        (
            {"sample_size": None, "num_attention_heads": 1024, "attention_head_dim": 1024},
            "got 1024 positions of 1048576 numbers; expected at most 16777216 in all",
        ),
        ({"num_embeds_ada_norm": None}, "no num_embeds_ada_norm; expected how many classes"),
    ],
)
def test_a_transformer_computes_no_more_than_its_weights(
    whole: Path, tmp_path: Path, changed: dict[str, Any], text: str
) -> None:
    model = Path(shutil.copytree(whole / "dit", tmp_path / "model"))
    said(model / "transformer" / "config.json", **changed)
    with pytest.raises(CheckpointError) as caught:
        describe("m", spec_of(model, classes=None, class_index={"cat": 0}))
    assert text in str(caught.value)


def test_a_pipeline_without_its_tokenizer_names_it(whole: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(whole / "pixart", tmp_path / "model"))
    said(model / "model_index.json", tokenizer=[None, None])
    with pytest.raises(CheckpointError) as caught:
        describe("m", spec_of(model))
    assert str(caught.value) == (
        "model: model_index.json: no tokenizer; a PixArtAlphaPipeline needs one, of class "
        "PreTrainedTokenizerFast or T5Tokenizer or T5TokenizerFast or TokenizersBackend: save the "
        "pipeline again with it"
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"num_train_timesteps": 10**10}, "num_train_timesteps: got 10000000000; expected a whole"),
        ({"trained_betas": ["x"]}, "trained_betas: got a list of 1; expected a number of at most"),
        ({"beta_start": 1e9}, "beta_start: got 1000000000.0; expected a number of at most"),
    ],
)
def test_a_jobs_own_scheduler_is_held_to_the_same(
    model: Path, options: dict[str, Any], text: str
) -> None:
    sampling = {"scheduler": {"class": "EulerDiscreteScheduler", **options}}
    with pytest.raises(CheckpointError) as caught:
        describe("m", spec_of(model, sampling=sampling))
    assert str(caught.value).startswith(f"generators.m.sampling.scheduler: {text}")


def test_a_controlnet_is_held_to_the_same(model: Path, whole: Path, tmp_path: Path) -> None:
    net = Path(shutil.copytree(whole / "controlnet", tmp_path / "net"))
    said(net / "config.json", quantization_config={})
    with pytest.raises(UnsafeCheckpoint, match=r"^net/config\.json: the key 'quantization_config'"):
        describe("m", spec_of(model, pipeline="controlnet", controlnet=str(net)))


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        (
            {"unet.megatron_config": {"x": 1}, "unet.megatron_core": "os"},
            "'unet.megatron_config': expected nothing there",
        ),
        ({"unet.megatron_core": "my.module"}, "expected one of megatron.core"),
        ({"unet.corda_config": {"covariance_file": "/etc/x"}}, "expected nothing there"),
        ({"unet.target_modules": "(a+)+$"}, "expected a list of"),
        ({"unet.rank_pattern": {"(a+)+$": 2}}, "holds a pattern; expected names of modules"),
        (
            {"unet.exclude_modules": f"a{'.+' * 30}b"},
            "'unet.exclude_modules' holds a pattern; expected names of modules",
        ),
        ({"unet.r": 10**9}, "expected a whole number from 1 to 65536"),
        ("[", "lora_adapter_metadata is not JSON"),
        ([1], "lora_adapter_metadata is no object"),
    ],
)
def test_what_an_adapter_says_of_itself(
    model: Path, tmp_path: Path, metadata: Any, text: str
) -> None:
    path = tmp_path / "lora.safetensors"
    text_of_it = metadata if isinstance(metadata, str) else json.dumps(metadata)
    save_file({"a": torch.ones(1)}, path, metadata={"lora_adapter_metadata": text_of_it})
    with pytest.raises(UnsafeCheckpoint) as caught:
        describe("m", spec_of(model, adapters=[{"type": "lora", "path": str(path)}]))
    assert str(caught.value).startswith("generators.m.adapters.0.path: ")
    assert text in str(caught.value)


# ---- what the libraries raise ------------------------------------------------------------


def _without(file: str, tensor: str) -> Callable[[Path], None]:
    def change(model: Path) -> None:
        tensors = load_file(model / file)
        del tensors[tensor]
        save_file(tensors, model / file, metadata={"format": "pt"})

    return change


def _grown(model: Path, file: str, component: str, **changed: Any) -> None:
    """Settings of gigabytes, allowed one by one because of a tensor that nothing needs."""
    tensors = {**load_file(model / file), "beside": torch.zeros(4096)}
    save_file(tensors, model / file, metadata={"format": "pt"})
    said(model / component / "config.json", **changed)


RAISED: dict[str, tuple[Callable[[Path], None], str]] = {
    "an encoder that lacks a tensor": (
        _without(WORDS, "final_layer_norm.weight"),
        "component 'text_encoder': its weights are not those of its config.json (1 missing keys",
    ),
    "a network that lacks a tensor": (
        _without(UNET, "conv_in.weight"),
        "component 'unet': its weights are not those of its config.json (1 missing keys, the fir",
    ),
    "tensors of other shapes": (
        setting("unet/config.json", cross_attention_dim=16),
        "component 'unet': the library cannot use it (ValueError: Cannot load because ",
    ),
    "more layers than its weights have": (
        lambda model: _grown(model, WORDS, "text_encoder", hidden_size=4096, num_hidden_layers=16),
        "component 'text_encoder': its config.json is of a network of 1081262680 numbers, and its "
        "weights hold 34824; expected those of one network",
    ),
    "a network wider than its weights": (
        lambda model: _grown(model, UNET, "unet", block_out_channels=[4096, 4096]),
        "component 'unet': its config.json is of a network of 5672718340 numbers, and its weigh",
    ),
    "blocks that are not said": (
        setting("vae/config.json", block_out_channels=None),
        "component 'vae': the library cannot use it (TypeError: ",
    ),
    "an activation of nobody": (
        setting("text_encoder/config.json", hidden_act="nothing"),
        "component 'text_encoder': the library cannot use it (KeyError: 'nothing')",
    ),
    "a block of nobody": (
        setting("vae/config.json", up_block_types=["X", "Y"]),
        "component 'vae': the library cannot use it (ValueError: X does not exist.)",
    ),
    "betas of nobody": (
        setting("scheduler/scheduler_config.json", beta_schedule="x"),
        "component 'scheduler': the library cannot use it (NotImplementedError: x is not impleme",
    ),
    "words that panic": (
        setting(
            "tokenizer/tokenizer.json",
            normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA"},
        ),
        "component 'tokenizer': the library cannot use it (PanicException: ",
    ),
    "words that are none": (
        setting("tokenizer/tokenizer.json", model=[1]),
        "component 'tokenizer': the library cannot use it (AttributeError: ",
    ),
    "texts without end": (
        setting("tokenizer/tokenizer_config.json", model_max_length=int(1e30)),
        "one image of it: the library cannot use it (OverflowError: ",
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", RAISED)
def test_what_a_library_raises_is_told_with_its_component(model: Path, name: str) -> None:
    change, text = RAISED[name]
    change(model)
    spec = spec_of(model)
    with pytest.raises(CheckpointError) as caught:
        load_host("m", spec, describe("m", spec))
    assert f"generators.m: {text}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_a_network_that_does_not_fit_in_memory_says_so(error: Exception) -> None:
    text = r"^m: component 'unet': it does not fit in the memory that is left \("
    with pytest.raises(CheckpointError, match=text), told("m: component 'unet'"):
        raise error


def test_what_somebody_else_raises_is_left_as_it_is() -> None:
    for error in (KeyboardInterrupt(), StorageError("disk full")):
        with pytest.raises(type(error)), told("m"):
            raise error


# ---- what was hashed is what is opened ---------------------------------------------------


def test_a_write_into_the_files_does_not_reach_a_loaded_pipeline(model: Path) -> None:
    """The libraries map weights, and read their pages when they are first needed."""
    spec = spec_of(model)
    info = describe("m", spec)
    host = load_host("m", spec, info)
    for path in model.rglob("*.safetensors"):
        with path.open("r+b") as file:
            start = 8 + int.from_bytes(file.read(8), "little")
            file.seek(start)
            file.write(bytes(path.stat().st_size - start))
    batch = requests(info, ["cat"], 2)
    with pytest.raises(CheckpointError, match="it has changed since the job was planned"):
        load_host("m", spec, info)
    images = host.generate(batch).images
    assert images.std() > 0.0
    assert not np.array_equal(load_host("m", spec, describe("m", spec)).generate(batch).images,
                              images)  # fmt: skip


WATCHED = textwrap.dedent("""
    import json, os, sys, warnings
    warnings.filterwarnings("ignore")
    from pathlib import Path
    from augment.generators import describe, load_host
    from augment.spec.generators import DiffusersGenerator

    outside, found = Path(sys.argv[1]), {"by others": [], "private": set(), "connects": []}

    def seen(event, arguments):
        if event == "socket.connect":
            found["connects"].append(repr(arguments[1]))
        if event != "open" or not isinstance(arguments[0], str):
            return
        frame = sys._getframe(1)
        while "augment" not in frame.f_code.co_filename and frame.f_back is not None and (
            "site-packages" not in frame.f_code.co_filename):
            frame = frame.f_back
        own = "/augment/" in frame.f_code.co_filename
        path = os.path.abspath(arguments[0])
        if "augment-load-" in path and not own:
            found["private"].add(path.split("/checkpoint/model/", 1)[-1])
        elif path.startswith(str(outside)) and not own:
            found["by others"].append(path)

    spec = DiffusersGenerator.model_validate_json(sys.argv[2])
    info = describe("m", spec)
    sys.addaudithook(seen)
    load_host("m", spec, info)
    found["private"] = sorted(found["private"])
    print(json.dumps(found))
""")


def test_the_libraries_open_the_private_files_and_nothing_else(model: Path) -> None:
    """Not the folder that was named, nothing beside it, no server."""
    for name in ("README.md", "unet/notes.txt", "unet/.hidden", "text_encoder/other.safetensors"):
        (model / name).write_text("not needed")
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(model.parent), spec_of(model).model_dump_json()],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["by others"], found["connects"]) == ([], [])
    opened = {p for p in found["private"] if Path(p).suffix in (".json", ".safetensors", ".txt")}
    assert opened <= {
        "model_index.json", "scheduler/scheduler_config.json", "unet/config.json",
        "vae/config.json", "text_encoder/config.json", "tokenizer/tokenizer_config.json",
        "tokenizer/tokenizer.json", "tokenizer/vocab.json", "tokenizer/merges.txt", UNET, WORDS,
        "vae/diffusion_pytorch_model.safetensors",
    }  # fmt: skip
    assert {"model_index.json", "unet/config.json", "text_encoder/config.json"} <= opened


def test_identity_covers_what_is_opened_and_no_more(model: Path) -> None:
    info = describe("m", spec_of(model))
    (model / "README.md").write_text("a card")
    (model / "unet" / "notes.txt").write_text("x")
    assert describe("m", spec_of(model)).identity == info.identity
    said(model / "tokenizer" / "tokenizer_config.json", model_max_length=20)
    assert describe("m", spec_of(model)).identity != info.identity
