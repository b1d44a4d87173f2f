"""DINOv2 and CLIP from folders of transformers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from augment.errors import CheckpointError, UnsafeCheckpoint
from augment.features import build, read_asked
from tests.features.networks import photos, write_clip, write_dinov2

WRITERS: dict[str, Callable[..., Path]] = {"dinov2": write_dinov2, "clip": write_clip}


@pytest.fixture(params=["dinov2", "clip"])
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def reference(kind: str, folder: Path, images: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(pixels, features) as transformers makes them, its Pillow backend one by one."""
    from transformers import (
        BitImageProcessorPil,
        CLIPImageProcessorPil,
        CLIPModel,
        Dinov2Model,
    )

    processor: Any = BitImageProcessorPil if kind == "dinov2" else CLIPImageProcessorPil
    network: Any = Dinov2Model if kind == "dinov2" else CLIPModel
    prepare = processor.from_pretrained(folder)
    pixels = torch.cat([prepare(image, return_tensors="pt")["pixel_values"] for image in images])
    model = network.from_pretrained(folder).eval()
    with torch.inference_mode():
        if kind == "dinov2":
            features = model(pixel_values=pixels).pooler_output
        else:
            features = model.visual_projection(model.vision_model(pixels).pooler_output)
    return pixels.numpy(), features.numpy()


def test_images_are_prepared_and_seen_as_by_transformers(kind: str, tmp_path: Path) -> None:
    folder = WRITERS[kind](tmp_path / "model")
    found: Any = build(read_asked(f"{kind}={folder}"))
    pixels, features = reference(kind, folder, photos())
    np.testing.assert_array_equal(found._prepared(photos()), pixels)
    np.testing.assert_array_equal(found(photos()), features)
    assert found.info.dimensions == features.shape[1]
    assert (found.info.name, found.info.version) == (kind, 1)


def test_the_digest_is_of_weights_and_preparation(kind: str, tmp_path: Path) -> None:
    folder = WRITERS[kind](tmp_path / "model")
    first = build(read_asked(f"{kind}={folder}")).info
    assert build(read_asked(f"{kind}={folder}")).info == first
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    mean = {**settings, "image_mean": [0.1, 0.2, 0.3]}
    (folder / "preprocessor_config.json").write_text(json.dumps(mean))
    assert build(read_asked(f"{kind}={folder}")).info.digest != first.digest


def test_the_whole_image_where_the_folder_says_so(tmp_path: Path) -> None:
    folder = write_clip(
        tmp_path / "m", size={"height": 32, "width": 32}, do_center_crop=False, crop_size=None
    )
    found: Any = build(read_asked(f"clip={folder}"))
    assert "the whole image to 32 x 32 px" in found.info.resize
    np.testing.assert_array_equal(found._prepared(photos()), reference("clip", folder, photos())[0])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"resample": 2}, "resample: got 2; expected 3"),
        ({"do_normalize": False}, "do_normalize: got False; expected True"),
        ({"size": {"shortest_edge": 16}}, "crop_size: got 32; expected a square of at most 16 px"),
        ({"size": {"shortest_edge": 1e9}}, "size: got .* expected one number of px, at most 2048"),
        ({"crop_size": {"height": 1, "width": 2}}, "crop_size: got .* expected one number of px"),
        ({"image_mean": [1, 2]}, "image_mean: got .* expected three finite numbers"),
        ({"image_std": [0.1, 0.2, 0]}, "image_std: got .* expected three finite numbers"),
    ],
)
def test_settings_of_another_preparation_are_refused(
    tmp_path: Path, change: dict[str, Any], text: str
) -> None:
    folder = write_clip(tmp_path / "m", **change)
    with pytest.raises(
        CheckpointError, match=rf"extractor clip: preprocessor_config\.json: {text}"
    ):
        build(read_asked(f"clip={folder}"))


def changed(folder: Path, **keys: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **keys}))


def test_a_folder_of_another_network_is_refused(tmp_path: Path) -> None:
    folder = write_dinov2(tmp_path / "m")
    with pytest.raises(CheckpointError, match="model_type: got 'dinov2'; expected one of clip"):
        build(read_asked(f"clip={folder}"))


def test_code_of_a_model_is_refused(tmp_path: Path) -> None:
    folder = write_dinov2(tmp_path / "m")
    changed(folder, auto_map={"AutoModel": "evil.Evil"})
    with pytest.raises(UnsafeCheckpoint, match="auto_map asks for code of the model"):
        build(read_asked(f"dinov2={folder}"))


def test_settings_of_a_larger_network_are_refused(tmp_path: Path) -> None:
    folder = write_dinov2(tmp_path / "m")
    changed(folder, hidden_size=8192)
    with pytest.raises(CheckpointError, match=r"its config\.json is of a network of \d+ numbers"):
        build(read_asked(f"dinov2={folder}"))


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("hidden_size", 1 << 20, "hidden_size: got 1048576; expected a whole number up to 16384"),
        ("num_hidden_layers", -1, "num_hidden_layers: got -1; expected a whole number up to 256"),
        ("mlp_ratio", True, "mlp_ratio: got True; expected a whole number"),
        ("layer_norm_eps", "x", "layer_norm_eps: got 'x'; expected a finite number"),
        ("qkv_bias", 1, "qkv_bias: got 1; expected true or false"),
        ("hidden_act", "os.system", "hidden_act: got 'os.system'; expected one of gelu"),
        ("num_channels", 4, "num_channels: got 4; expected 3"),
        ("model_type", ["dinov2"], r"model_type: got \['dinov2'\]; expected one of dinov2"),
    ],
)
def test_values_that_no_such_network_has_are_refused(
    tmp_path: Path, key: str, value: Any, text: str
) -> None:
    folder = write_dinov2(tmp_path / "m")
    changed(folder, **{key: value})
    with pytest.raises(CheckpointError, match=text):
        build(read_asked(f"dinov2={folder}"))


def test_what_is_not_known_reaches_nobody(tmp_path: Path) -> None:
    folder = write_dinov2(tmp_path / "m")
    first = build(read_asked(f"dinov2={folder}"))(photos())
    changed(
        folder,
        quantization_config={"quant_method": "none_that_there_is"},
        _attn_implementation="somebody/kernels",
        attn_implementation="somebody/kernels",
        output_attentions=True,
    )
    np.testing.assert_array_equal(build(read_asked(f"dinov2={folder}"))(photos()), first)


def test_weights_that_lack_a_tensor_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = write_dinov2(tmp_path / "m")
    tensors = load_file(folder / "model.safetensors")
    tensors.pop("layernorm.weight")
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"1 missing keys, the first .*layernorm\.weight"):
        build(read_asked(f"dinov2={folder}"))


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_that_is_none_is_named(tmp_path: Path, there: bool) -> None:
    if there:
        (tmp_path / "m").mkdir()
    with pytest.raises(CheckpointError, match=r"extractor dinov2: nothing is at .*/m; expected"):
        build(read_asked(f"dinov2={tmp_path}/m"))
