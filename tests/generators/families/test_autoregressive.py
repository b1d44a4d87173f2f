from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save

from augment.errors import CheckpointError
from augment.generators import GeneratorHost, Placement, SampleRequest, describe, load_host
from augment.generators.families.autoregressive.convert import convert
from augment.generators.families.autoregressive.host import AutoregressiveHost, levels_of, picked
from augment.generators.families.autoregressive.model import (
    AutoregressiveInit,
    model_of,
    parameter_shapes,
)
from augment.generators.families.autoregressive.token_networks import ImageGpt, ImageGptInit
from augment.generators.foreign import Foreign
from augment.seeds import stream
from augment.spec.generators import AutoregressiveGenerator, AutoregressiveSampling
from tests.contracts.generator_contract import (
    GeneratorContract,
    TrainedGeneratorContract,
    requests,
)

torch.set_num_threads(1)

CLASSES = ["no", "12:30", "0"]
LLAMA: dict[str, Any] = {
    "transformer": {
        "kind": "llamagen",
        "grid": 4,
        "vocab_size": 16,
        "num_classes": 3,
        "dim": 16,
        "n_layer": 2,
        "n_head": 4,
        "n_kv_head": 2,
        "hidden": 24,
    },
    "decoder": {
        "codebook_size": 16,
        "codebook_embed_dim": 4,
        "z_channels": 8,
        "widths": [8, 16],
        "num_res_blocks": 1,
        "norm_groups": 4,
    },
}
GPT: dict[str, Any] = {
    "transformer": {
        "kind": "imagegpt",
        "height": 4,
        "width": 4,
        "vocab_size": 17,
        "n_embd": 16,
        "n_layer": 2,
        "n_head": 4,
    }
}
Arrays = dict[str, np.ndarray]


def init_of(raw: Mapping[str, Any], **transformer: Any) -> AutoregressiveInit:
    return AutoregressiveInit.model_validate(
        {**raw, "transformer": {**raw["transformer"], **transformer}}
    )


def arrays(init: AutoregressiveInit, seed: int = 0) -> Arrays:
    rng = np.random.default_rng(seed)
    shapes = parameter_shapes(init)
    made = {key: rng.normal(0.0, 0.3, shape).astype(np.float32) for key, shape in shapes.items()}
    if "clusters" in made:
        made["clusters"] = rng.uniform(-1, 1, shapes["clusters"]).astype(np.float32)
    return made


def tensors(init: AutoregressiveInit) -> dict[str, torch.Tensor]:
    return {key: torch.from_numpy(value) for key, value in arrays(init).items()}


def write(
    folder: Path,
    raw: Mapping[str, Any] = LLAMA,
    classes: list[str] | None = CLASSES,
    *,
    spec: Mapping[str, Any] | None = None,
    **sampling: Any,
) -> AutoregressiveGenerator:
    """A checkpoint folder and the spec that names it."""
    init = init_of(raw)
    weights = save(arrays(init))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weights.safetensors").write_bytes(weights)
    config = {
        "format": "augment-generator/1",
        "family": "autoregressive",
        "init": init.model_dump(),
        "classes": classes,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    (folder / "generator.json").write_text(json.dumps(config))
    raw_spec = {"family": "autoregressive", "checkpoint": str(folder), "sampling": sampling}
    return AutoregressiveGenerator.model_validate({**raw_spec, **(spec or {})})


class TestLlamaContract(TrainedGeneratorContract):
    sampling: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture
    def spec(self, tmp_path: Path) -> AutoregressiveGenerator:
        return write(tmp_path / "checkpoint", **self.sampling)

    @pytest.fixture
    def broken_class(self) -> str:
        return "12:30"

    @pytest.fixture
    def broken_host(self, spec: AutoregressiveGenerator, broken_class: str) -> GeneratorHost:
        init = init_of(LLAMA)
        values = tensors(init)
        index = CLASSES.index(broken_class)
        values["transformer.cls_embedding.embedding_table.weight"][index] = torch.nan
        indexes = {c: i for i, c in enumerate(CLASSES)}
        return AutoregressiveHost(init, values, describe("mine", spec), indexes, spec.sampling)


class TestGuidedLlamaContract(TestLlamaContract):
    sampling: ClassVar[Mapping[str, Any]] = {
        "guidance_scale": 2.0,
        "top_k": 12,
        "top_p": 0.9,
        "temperature": 1.1,
    }


class TestImageGptContract(GeneratorContract):
    @pytest.fixture
    def spec(self, tmp_path: Path) -> AutoregressiveGenerator:
        return write(tmp_path / "checkpoint", GPT, None, spec={"label": "cat"})


# ---- the networks --------------------------------------------------------------------


def test_imagegpt_is_that_of_transformers(tmp_path: Path) -> None:
    from transformers import ImageGPTConfig, ImageGPTForCausalImageModeling

    init = ImageGptInit(
        kind="imagegpt",
        height=4,
        width=4,
        vocab_size=17,
        n_embd=16,
        n_layer=2,
        n_head=4,
        n_inner=24,
    )
    torch.manual_seed(0)
    config = ImageGPTConfig(
        vocab_size=17, n_positions=16, n_embd=16, n_layer=2, n_head=4, n_inner=24
    )
    theirs = ImageGPTForCausalImageModeling(config).eval()
    with torch.no_grad():
        for value in theirs.parameters():
            value.normal_(std=0.3)
    ours = ImageGpt(init, theirs.state_dict())
    tokens = torch.randint(0, 16, (2, 16))
    start = torch.full((2, 1), 16)
    with torch.inference_mode():
        expected = theirs(input_ids=torch.cat([start, tokens[:, :-1]], dim=1)).logits
        cache, x = ours.cache(2), ours.first(torch.zeros(2, dtype=torch.int64))
        for t in range(16):
            logits = ours.step(x, torch.tensor([t]), cache)
            assert (logits - expected[:, t]).abs().max() < 1e-5
            x = ours.embedded(tokens[:, t])


def rms(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return np.asarray(x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5) * weight)


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return np.asarray(e / e.sum(-1, keepdims=True))


def whole(p: Arrays, label: int, tokens: list[int]) -> np.ndarray:
    """The logits after every position of one row, once more: float64 numpy, no cache."""
    head, grid = 4, 4
    x = np.concatenate(
        [
            p["transformer.cls_embedding.embedding_table.weight"][[label]],
            p["transformer.tok_embeddings.weight"][tokens],
        ]
    )
    n = len(x)
    angle = np.zeros((n, 2))
    for i in range(1, n):
        angle[i] = [(i - 1) // grid, (i - 1) % grid]  # one rate, 1, for each of two axes
    turn = np.exp(1j * angle)
    turn[0] = 0.0  # the class is not turned: it is made zero

    def turned(v: np.ndarray) -> np.ndarray:
        z = (v[..., 0::2] + 1j * v[..., 1::2]) * turn[:, None]
        return np.stack([z.real, z.imag], axis=-1).reshape(v.shape)

    causal = np.where(np.tri(n, dtype=bool), 0.0, -np.inf)
    for layer in range(2):
        at = f"transformer.layers.{layer}"
        h = rms(x, p[f"{at}.attention_norm.weight"]) @ p[f"{at}.attention.wqkv.weight"].T
        q, k, v = (part.reshape(n, -1, head) for part in np.split(h, [16, 24], axis=1))
        q, k = turned(q), turned(k)
        read = [softmax(q[:, i] @ k[:, i // 2].T / 2.0 + causal) @ v[:, i // 2] for i in range(4)]
        x = x + np.concatenate(read, axis=1) @ p[f"{at}.attention.wo.weight"].T
        h = rms(x, p[f"{at}.ffn_norm.weight"])
        gate = h @ p[f"{at}.feed_forward.w1.weight"].T
        gate = gate / (1.0 + np.exp(-gate)) * (h @ p[f"{at}.feed_forward.w3.weight"].T)
        x = x + gate @ p[f"{at}.feed_forward.w2.weight"].T
    return np.asarray(rms(x, p["transformer.norm.weight"]) @ p["transformer.output.weight"].T)


@pytest.mark.parametrize("guidance", [1.0, 2.5])
def test_tokens_are_those_of_an_independent_loop(tmp_path: Path, guidance: float) -> None:
    spec = write(tmp_path, guidance_scale=guidance, temperature=0.8)
    init = init_of(LLAMA)
    info = describe("d", spec)
    batch = requests(info, CLASSES, 2)
    images = load_host("d", spec, info).generate(batch).images
    p = {key: value.astype(np.float64) for key, value in arrays(init).items()}
    pixels = model_of(init, tensors(init), Placement()).pixels
    for request, image in zip(batch, images, strict=True):
        tokens: list[int] = []
        for u in stream(request.sample_id, "token").random(16):
            logits = whole(p, CLASSES.index(request.label_name), tokens)[-1]
            if guidance > 1.0:
                null = whole(p, 3, tokens)[-1]
                logits = null + guidance * (logits - null)
            tokens.append(int(np.searchsorted(softmax(logits / 0.8).cumsum(), u, side="right")))
        with torch.inference_mode():
            expected = pixels(torch.tensor([tokens])).clamp(-1, 1)[0].numpy()
        assert np.abs(image - expected).max() < 1e-4


def test_images_of_imagegpt_are_made_of_its_colours(tmp_path: Path) -> None:
    spec = write(tmp_path, GPT, None, spec={"label": "cat"})
    host = load_host("d", spec, describe("d", spec))
    images = host.generate(requests(host.info, ["cat"], 3)).images
    palette = {tuple(c) for c in arrays(init_of(GPT))["clusters"].tolist()}
    found = {tuple(c) for c in images.transpose(0, 2, 3, 1).reshape(-1, 3).tolist()}
    assert len(found) > 4
    assert found <= palette


def test_pixels_are_pinned(tmp_path: Path) -> None:
    """The networks agreed with LlamaGen's when this was written; a change needs a new version."""
    spec = write(tmp_path, guidance_scale=2.0, top_k=8, top_p=0.9)
    batch = [SampleRequest("00" * 16, "0", 0), SampleRequest("ab" * 16, "no", 1)]
    images = load_host("d", spec, describe("d", spec)).generate(batch).images
    assert np.allclose(images[:, 1, 3, :4], GOLDEN, atol=1e-3)


GOLDEN = [[0.8431, 0.2886, 0.5689, 0.6229], [0.6461, 0.564, 0.1726, 0.4579]]


def test_torch_random_numbers_are_left_alone(tmp_path: Path) -> None:
    spec = write(tmp_path)
    host = load_host("d", spec, describe("d", spec))
    before = torch.random.get_rng_state()
    host.generate(requests(host.info, CLASSES, 2))
    assert torch.equal(before, torch.random.get_rng_state())


def test_bf16_runs_and_changes_the_sampling_alone(tmp_path: Path) -> None:
    one = describe("d", write(tmp_path))
    spec = write(tmp_path, precision="bf16")
    two = describe("d", spec)
    assert one.identity == two.identity
    assert one.sampling_digest != two.sampling_digest
    made = load_host("d", spec, two).generate(requests(two, CLASSES, 1))
    assert made.failed == (None,) * 3


# ---- picking a token -----------------------------------------------------------------


def frequencies(shares: list[float], **sampling: Any) -> np.ndarray:
    """Of each token, drawn at evenly spread numbers."""
    n = 10_000
    logits = torch.tensor(shares).log().repeat(n, 1)
    drawn = ((torch.arange(n, dtype=torch.float64) + 0.5) / n)[:, None]
    tokens = picked(logits, drawn, AutoregressiveSampling(**sampling))
    return np.bincount(tokens.numpy(), minlength=len(shares)) / n


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        ({}, [0.1, 0.4, 0.3, 0.2]),
        ({"top_k": 2}, [0.0, 4 / 7, 3 / 7, 0.0]),
        ({"top_k": 1}, [0.0, 1.0, 0.0, 0.0]),
        ({"top_p": 0.65}, [0.0, 4 / 7, 3 / 7, 0.0]),
        ({"top_p": 0.75}, [0.0, 4 / 9, 3 / 9, 2 / 9]),
        ({"top_p": 1e-9}, [0.0, 1.0, 0.0, 0.0]),
        ({"top_k": 3, "top_p": 0.5}, [0.0, 4 / 7, 3 / 7, 0.0]),
        ({"temperature": 0.5}, np.array([0.01, 0.16, 0.09, 0.04]) / 0.3),
    ],
)
def test_how_often_a_token_is_picked(sampling: dict[str, Any], expected: Any) -> None:
    assert np.abs(frequencies([0.1, 0.4, 0.3, 0.2], **sampling) - expected).max() < 2e-4


def test_many_tokens_are_picked_as_often_by_digits() -> None:
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.full(70, 0.5))
    n = 300
    grid = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    drawn = torch.cartesian_prod(grid, grid)
    logits = torch.from_numpy(shares).log().repeat(len(drawn), 1)
    tokens = picked(logits, drawn, AutoregressiveSampling())
    found = np.bincount(tokens.numpy(), minlength=70) / len(drawn)
    assert (levels_of(32), levels_of(70), levels_of(16_384)) == (1, 2, 3)
    assert np.abs(found - shares).max() < 2.0 / n


def test_float_error_seldom_changes_a_token() -> None:
    """As a batch of another size moves the logits of 4096 tokens."""
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(0.0, 2.0, (2000, 4096)))
    moved = logits + torch.from_numpy(rng.normal(0.0, 1e-6, logits.shape))
    drawn = torch.from_numpy(rng.random((2000, levels_of(4096))))
    one, two = (picked(x, drawn, AutoregressiveSampling()) for x in (logits, moved))
    assert int((one != two).sum()) == 0


def test_no_token_without_a_share_is_picked_at_the_ends() -> None:
    logits = torch.tensor([[0.0, 1.0, 0.0, 2.0, 0.0]]).log().repeat(2, 1)
    drawn = torch.tensor([[0.0], [np.nextafter(1.0, 0.0)]], dtype=torch.float64)
    assert picked(logits, drawn, AutoregressiveSampling()).tolist() == [1, 3]


# ---- refusals ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "classes", "spec", "sampling", "text"),
    [
        (
            GPT, None, {"label": "cat"}, {"guidance_scale": 2.0},
            ".sampling.guidance_scale: has no effect, the checkpoint is unconditional; expected "
            "1.0",
        ),
        (
            LLAMA, CLASSES, {}, {"top_k": 16},
            ".sampling.top_k: got 16, which leaves all 16 tokens and so has no effect; expected "
            "fewer",
        ),
        (
            LLAMA, ["a"], {}, {},
            ": generator.json: classes: 1 names, expected 3; import it again",
        ),
        (
            LLAMA, None, {"class_index": {"a": 3}}, {},
            ".class_index.a: got 3; expected 0 to 2, the checkpoint's indexes",
        ),
        (
            GPT, None, {}, {},
            ": the checkpoint is unconditional; say which class its images are of with "
            "generators.d.label",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit(
    tmp_path: Path,
    raw: dict[str, Any],
    classes: list[str] | None,
    spec: dict[str, Any],
    sampling: dict[str, Any],
    text: str,
) -> None:
    with pytest.raises(CheckpointError) as caught:
        describe("d", write(tmp_path, raw, classes, spec=spec, **sampling))
    assert str(caught.value) == f"generators.d{text}"


@pytest.mark.parametrize(
    ("part", "change", "text"),
    [
        ("transformer", {"n_head": 3}, "dim: 16 is not a multiple of 4 n_head, 12"),
        ("transformer", {"n_kv_head": 3}, "n_head: 4 is not a multiple of n_kv_head, 3"),
        ("transformer", {"grid": 10**6}, "Input should be less than or equal to 128"),
        ("decoder", {"codebook_size": 17}, "17 codes for 16 tokens"),
        ("decoder", {"norm_groups": 3}, "widths: 8 is not a multiple of norm_groups, 3"),
    ],
)
def test_architectures_that_cannot_be(
    tmp_path: Path, part: str, change: dict[str, Any], text: str
) -> None:
    spec = write(tmp_path)
    config = json.loads((tmp_path / "generator.json").read_text())
    config["init"][part] |= change
    (tmp_path / "generator.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError) as caught:
        describe("d", spec)
    assert text in str(caught.value)


# ---- importing -----------------------------------------------------------------------


def saved_imagegpt(folder: Path, **config: Any) -> Foreign:
    from transformers import ImageGPTConfig, ImageGPTForCausalImageModeling

    torch.manual_seed(0)
    asked = ImageGPTConfig(vocab_size=17, n_positions=16, n_embd=16, n_layer=2, n_head=4)
    ImageGPTForCausalImageModeling(asked).save_pretrained(folder)
    clusters = np.linspace(-1, 1, 48).reshape(16, 3).tolist()
    read = json.loads((folder / "config.json").read_text())
    beside = {"preprocessor_config": {"clusters": clusters}}
    return Foreign(
        place="folder",
        kind="transformers",
        tensors=load_file(folder / "model.safetensors"),
        config={**read, **beside, **config},
    )


def test_a_saved_imagegpt_is_converted_whole(tmp_path: Path) -> None:
    conversion = convert(saved_imagegpt(tmp_path))
    assert conversion is not None
    init = AutoregressiveInit.model_validate(conversion.init)
    assert init == init_of(GPT)
    assert {k: v.shape for k, v in conversion.tensors.items()} == parameter_shapes(init)
    assert (conversion.family, conversion.num_classes) == ("autoregressive", 0)
    assert conversion.quirks == ("image of 4 x 4 inferred",)


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (
            {"activation_function": "gelu"},
            "folder: activation_function is 'gelu'; this family hosts 'quick_gelu' only",
        ),
        (
            {"preprocessor_config": {}},
            "folder: no clusters; expected the colours of its tokens in preprocessor_config.json",
        ),
        (
            {"preprocessor_config": {"clusters": [[0, 128, 255]]}},
            "folder: clusters of shape (1, 3) up to 255; expected (colours, 3) in [-1, 1]",
        ),
        *(
            (
                {"preprocessor_config": {"clusters": clusters}},
                "folder: clusters that are no table of numbers; expected (colours, 3) in [-1, 1]",
            )
            for clusters in (["a"], {}, [[1, 2], [3]], "x")
        ),
        (
            {"preprocessor_config": {"clusters": []}},
            "folder: clusters of shape (0,) up to 0; expected (colours, 3) in [-1, 1]",
        ),
        (
            {"preprocessor_config": {"clusters": [[float("nan")] * 3]}},
            "folder: clusters of shape (1, 3) up to nan; expected (colours, 3) in [-1, 1]",
        ),
        ({"n_positions": 17}, "folder: n_positions is 17; expected a square number"),
        ({"n_positions": -4}, "folder: n_positions is -4; expected a square number"),
        ({"n_positions": None}, "folder: n_positions is NoneType; expected a square number"),
        ({"n_positions": [16]}, "folder: n_positions is list; expected a square number"),
    ],
)
def test_an_imagegpt_that_is_not_hosted(tmp_path: Path, config: dict[str, Any], text: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        convert(saved_imagegpt(tmp_path, **config))
    assert str(caught.value) == text


def llamagen(**config: Any) -> Foreign:
    """LlamaGen's two files in one, with what its programs leave in them."""
    values = arrays(init_of(LLAMA))
    values["transformer.layers.0.attention.kv_cache.k_cache"] = np.zeros((1, 2), np.float32)
    values["decoder.encoder.conv_in.weight"] = np.zeros((1, 2), np.float32)
    values["decoder.quant_conv.bias"] = np.zeros(2, np.float32)
    values["decoder.quantize.codebook_used"] = np.zeros(2, np.float32)
    given = {"n_head": 4, "block_size": 16, "norm_groups": 4, **config}
    return Foreign("file", "safetensors", values, given)


def test_llamagen_is_converted_whole() -> None:
    conversion = convert(llamagen())
    assert conversion is not None
    assert AutoregressiveInit.model_validate(conversion.init) == init_of(LLAMA)
    assert {k: v.shape for k, v in conversion.tensors.items()} == parameter_shapes(init_of(LLAMA))
    assert conversion.num_classes == 3
    assert conversion.quirks == (
        "the last class row is taken for the null class",
        "codebook_l2_norm not given: true",
        "4 tensors left out: masks, caches, encoder",
    )


def test_what_no_shape_tells_must_be_given() -> None:
    with pytest.raises(CheckpointError) as caught:
        convert(llamagen(n_head=None))
    assert str(caught.value) == (
        "file: config: n_head is None; expected LlamaGen's whole number, for no shape tells it"
    )


def test_a_transformer_without_its_decoder() -> None:
    alone = {"cls_embedding.embedding_table.weight": np.zeros((4, 16), np.float32)}
    with pytest.raises(CheckpointError, match="transformer without the decoder of its codes"):
        convert(Foreign("file", "state_dict", alone))
    both = {k: v for k, v in llamagen().tensors.items() if not k.startswith("decoder.post")}
    with pytest.raises(CheckpointError, match=r"tensor 'decoder\.post_quant_conv\.weight' is m"):
        convert(Foreign("file", "state_dict", both, llamagen().config))


def test_what_is_not_of_this_family() -> None:
    assert convert(Foreign("x", "safetensors", {}, {})) is None
    assert convert(Foreign("x", "transformers", {}, {"model_type": "gpt2"})) is None


@pytest.mark.parametrize(
    "key",
    [
        "transformer.cls_embedding.embedding_table.weight",
        "transformer.tok_embeddings.weight",
        "transformer.layers.0.attention.wqkv.weight",
        "transformer.layers.0.feed_forward.w1.weight",
        "decoder.quantize.embedding.weight",
        "decoder.post_quant_conv.weight",
        "decoder.decoder.conv_blocks.0.res.0.conv1.weight",
        "decoder.decoder.conv_out.weight",
    ],
)
@pytest.mark.parametrize("shape", [(), (0,), (0, 0), (1,) * 5])
def test_llamagens_tensors_of_other_shapes(key: str, shape: tuple[int, ...]) -> None:
    read = llamagen()
    odd = replace(read, tensors={**read.tensors, key: np.zeros(shape, np.float32)})
    with pytest.raises(CheckpointError, match=r"^file: "):
        convert(odd)
