"""Files that hold more than one network, or the network under other names; files that need no
import; graphs that must be told what they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file, save_file

from augment.cli import main
from augment.errors import CheckpointError
from augment.generators import SampleRequest, describe, load_host
from augment.generators.importing import Choice, ImportRequest
from augment.spec.generators import OnnxGenerator
from tests.checkpoints.assembly import Call, G
from tests.checkpoints.nvidia_like import file, network
from tests.generators.importing.here import import_checkpoint, inspect
from tests.generators.onnx_graphs import FLOAT, INT, SIDE, Z, by_index, constant, model, weight
from tests.generators.translators import arrays, resnet

Tensors = dict[str, torch.Tensor]
UINT8 = TensorProto.UINT8


def a_network(seed: int = 0) -> Tensors:
    found = arrays(resnet(), seed)
    return {key: torch.from_numpy(np.array(value)) for key, value in found.items()}


def saved(path: Path, value: Any) -> str:
    torch.save(value, path)
    return str(path)


def stored(said_of: ImportRequest) -> dict[str, np.ndarray]:
    import_checkpoint(said_of)
    arrays: dict[str, np.ndarray] = load_file(Path(said_of.out) / "weights.safetensors")
    return arrays


def same(found: dict[str, np.ndarray], expected: Tensors) -> bool:
    return found.keys() == expected.keys() and all(
        np.array_equal(found[key], expected[key].numpy()) for key in expected
    )


# ---- keys --------------------------------------------------------------------------------


def test_the_one_network_of_a_training_is_found(tmp_path: Path) -> None:
    path = saved(tmp_path / "key_G.pth", {"G": a_network(), "epoch": 3})
    said = inspect(path)
    assert (said["family"], "refused" in said) == ("resnet_i2i", False)
    assert "left aside: 'epoch'" in said["notes"]


def test_of_several_networks_one_is_named(tmp_path: Path) -> None:
    """The names and sizes of all are told; an average is not taken unasked."""
    ema = a_network(1)
    value = {"model": a_network(), "ema": ema, "opt": {"state": {}}, "args": 5}
    path = saved(tmp_path / "dit.pt", value)
    count, numbers = len(ema), sum(tensor.numel() for tensor in ema.values())
    assert inspect(path)["refused"] == (
        f"dit.pt: 2 state dicts; its keys are 'model' ({count} tensors, {numbers} numbers), 'ema' "
        f"({count} tensors, {numbers} numbers), 'opt', 'args'; expected tensors, or one of "
        "state_dict, model_state_dict; say which with --key"
    )
    asked = ImportRequest(path, str(tmp_path / "out"), choice=Choice(key="ema"))
    assert same(stored(asked), ema)
    assert "refused" in inspect(path, choice=Choice(key="opt"))


def test_a_key_where_there_are_none(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"a": np.ones(1, np.float32)}, path)
    assert inspect(str(path), choice=Choice(key="ema"))["refused"] == (
        "a.safetensors: got --key ema, which has no effect: it is of the kind safetensors; "
        "expected a pickle of torch.save or NVIDIA that holds several things"
    )


@pytest.mark.parametrize("key", ["", ".", "..."])
def test_a_key_that_names_nothing(tmp_path: Path, key: str) -> None:
    path = saved(tmp_path / "x.pt", {"G": a_network()})
    assert inspect(path, choice=Choice(key=key))["refused"] == (
        f"x.pt: got --key {key!r}; expected the name of an entry"
    )


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda tensor: tensor.to_sparse(), "torch._utils._rebuild_sparse_tensor"),
        (lambda tensor: tensor.numpy(), "numpy._core.multiarray._reconstruct"),
        (lambda tensor: tensor.to("meta"), "torch._utils._rebuild_meta_tensor_no_storage"),
        (lambda tensor: tensor.to(torch.float8_e4m3fn), "torch._utils._rebuild_tensor_v3"),
    ],
)
def test_tensors_of_other_kinds_are_named(tmp_path: Path, change: Any, name: str) -> None:
    value = {key: change(tensor) for key, tensor in a_network().items()}
    said = inspect(saved(tmp_path / "x.pt", value))["refused"]
    assert f"its keys are 'model.1.weight' (an object of {name!r})" in said


def test_the_command_names_a_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path / "both.pt", {"g": a_network(), "g_ema": a_network(1)})
    assert main(["generators", "inspect", path]) == 2
    assert main(["generators", "inspect", path, "--key", "g_ema"]) == 0
    out = str(tmp_path / "out")
    assert main(["generators", "import", path, "--out", out, "--key", "g_ema"]) == 0
    assert "family:       resnet_i2i" in capsys.readouterr().out


# ---- prefixes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "quirks"),
    [
        ("module.", ["prefix module. (of DataParallel) taken off"]),
        ("_orig_mod.", ["prefix _orig_mod. (of torch.compile) taken off"]),
        (
            "module._orig_mod.",
            [
                "prefix module. (of DataParallel) taken off",
                "prefix _orig_mod. (of torch.compile) taken off",
            ],
        ),
    ],
)
def test_what_wrappers_put_before_every_name(
    tmp_path: Path, prefix: str, quirks: list[str]
) -> None:
    expected = a_network()
    path = saved(tmp_path / "a.pth", {prefix + key: value for key, value in expected.items()})
    said = inspect(path)
    assert said["quirks"][: len(quirks)] == quirks
    assert same(stored(ImportRequest(path, str(tmp_path / "out"))), expected)


def lightning(path: Path, *names: str) -> str:
    """A module that holds several: generators under these names, and a discriminator."""
    state = {f"D.model.{n}.weight": torch.ones(8, 8, 4, 4) for n in range(5)}
    for seed, name in enumerate(names):
        state |= {f"{name}.{key}": value for key, value in a_network(seed).items()}
    return saved(path, {"state_dict": state, "epoch": 1, "pytorch-lightning_version": "2"})


def test_the_one_hosted_sub_module_is_found(tmp_path: Path) -> None:
    path = lightning(tmp_path / "gan.ckpt", "G")
    said = inspect(path)
    assert said["quirks"][0] == "the sub-module G. alone"
    assert same(stored(ImportRequest(path, str(tmp_path / "out"))), a_network())


def test_a_network_deep_inside_others(tmp_path: Path) -> None:
    inside = {f"model.gan.net.parts.generator.{k}": v for k, v in a_network().items()}
    path = saved(tmp_path / "x.ckpt", {"state_dict": inside})
    assert inspect(path)["quirks"][0] == "the sub-module model.gan.net.parts.generator. alone"


def test_a_compiled_sub_module(tmp_path: Path) -> None:
    path = lightning(tmp_path / "gan.ckpt", "nets.G._orig_mod")
    assert same(stored(ImportRequest(path, str(tmp_path / "out"))), a_network())


def test_of_several_sub_modules_one_is_named(tmp_path: Path) -> None:
    path = lightning(tmp_path / "gan.ckpt", "G", "G_ema")
    assert inspect(path)["refused"] == (
        "gan.ckpt: several networks: G. (resnet_i2i), G_ema. (resnet_i2i); expected one; say which "
        "with --prefix, or save it alone"
    )
    for prefix in ("G_ema.", "G_ema"):
        out = tmp_path / f"out{len(prefix)}"
        asked = ImportRequest(path, str(out), choice=Choice(prefix=prefix))
        assert same(stored(asked), a_network(1))
    assert inspect(path, choice=Choice(prefix="H"))["refused"].startswith(
        "gan.ckpt: got --prefix 'H', with which no tensor begins; expected one of G"
    )
    assert "of no family that is hosted" in inspect(path, choice=Choice(prefix="D"))["refused"]


def test_a_sub_module_that_is_almost_hosted_says_why(tmp_path: Path) -> None:
    state = {f"G.{key}": value for key, value in a_network().items()}
    state["G.model.1.more"] = torch.ones(1)
    path = saved(tmp_path / "gan.ckpt", {"state_dict": state})
    refused = inspect(path)["refused"]
    assert refused.startswith("its sub-module G.: gan.ckpt: a generator of resnet_i2i by its names")
    assert "unknown: model.1.more" in refused


# ---- files that need no import -----------------------------------------------------------

SINGLE = ("model.diffusion_model.input_blocks.0.0.weight", "first_stage_model.encoder.conv_in.bias",
          "cond_stage_model.transformer.text_model.x.weight")  # fmt: skip
LORA = ("unet.down_blocks.0.to_q.lora_A.weight", "unet.down_blocks.0.to_q.lora_B.weight")
KOHYA = ("lora_unet_x.lora_down.weight", "lora_unet_x.lora_up.weight", "lora_unet_x.alpha")
FLUX = ("double_blocks.0.img_attn.qkv.weight", "single_blocks.0.linear1.weight")


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (
            SINGLE,
            "a single-file Stable Diffusion, which needs no import; name it in a job: {family: "
            "diffusers, checkpoint: a.safetensors, config: FOLDER}, where FOLDER holds its "
            "settings: a pipeline of diffusers without its weights",
        ),
        (
            LORA,
            "a LoRA, which changes another model; name it in a job, under `adapters` of family "
            "diffusers: adapters: [{type: lora, path: a.safetensors}]",
        ),
        (KOHYA, "a LoRA, which changes another model; "),
        (
            FLUX,
            "a single-file diffusion transformer (Stable Diffusion 3, Flux or alike), which is ",
        ),
        (
            ("model.diffusion_model.joint_blocks.0.x", "first_stage_model.x"),
            "a single-file diffusion transformer",
        ),
        (("control_model.input_blocks.0.0.weight",), "a ControlNet in one file; expected the fold"),
    ],
)
def test_a_file_that_another_key_of_a_job_names(
    tmp_path: Path, names: tuple[str, ...], text: str
) -> None:
    save_file({name: np.ones(2, np.float32) for name in names}, tmp_path / "a.safetensors")
    assert inspect(str(tmp_path / "a.safetensors"))["refused"].startswith(f"a.safetensors: {text}")


def test_a_pickled_one_is_saved_anew_first(tmp_path: Path) -> None:
    state = {"state_dict": {name: torch.ones(2) for name in SINGLE}, "global_step": 1}
    assert (
        "needs no import; save its tensors as .safetensors, which a job reads, then name it in a "
        "job: {family: diffusers, checkpoint: FILE.safetensors, config: FOLDER}"
    ) in inspect(saved(tmp_path / "v1-5.ckpt", state))["refused"]


def test_a_network_of_another_program_is_told_the_ways_out(tmp_path: Path) -> None:
    """As the generator of DCGAN, of which nothing here is hosted."""
    state = {f"main.{n}.weight": torch.ones(4, 4, 4, 4) for n in (0, 3, 6, 9, 12)}
    refused = inspect(saved(tmp_path / "netG_epoch_24.pth", state))["refused"]
    assert "of no family that is hosted (kind state_dict; 5 tensors: main.0.weight, " in refused
    assert refused.endswith(
        "A network of another program can be exported as ONNX (docs/generators.md shows how), or "
        "hosted as family custom"
    )


def test_a_network_with_modules_of_torch_is_of_another_program(tmp_path: Path) -> None:
    """As class-conditional StyleGAN-XL has them: not unsafe, and not hosted."""
    embedding = Call(G("torch.nn.modules.sparse", "Embedding"), (), (), {"x": 1}, b"\x81")
    path = tmp_path / "xl.pkl"
    path.write_bytes(file(network(embed=embedding)))
    assert inspect(str(path))["refused"] == (
        "xl.pkl: the network 'G_ema' has modules of torch itself (torch.nn.modules.sparse."
        "Embedding); expected StyleGAN2 or StyleGAN3, which have none: it is of another program "
        "(StyleGAN-XL with classes, for one), whose networks are not hosted; export it as ONNX, or "
        "host it as family custom"
    )


def test_a_pickle_of_no_known_program_says_what_it_names(tmp_path: Path) -> None:
    import pickle

    path = tmp_path / "fast.pkl"
    path.write_bytes(pickle.dumps({"G_ema": np.float32(1), "x": OnnxGenerator}))
    assert (
        "a pickle of no known program (it names augment.spec.generators.OnnxGenerator); "
        in (inspect(str(path))["refused"])
    )


# ---- graphs ------------------------------------------------------------------------------


def opened(*sizes: int) -> bytes:
    """A graph with a class, whose image's sizes are open but that come out as `sizes`."""
    nodes = [
        helper.make_node("Gather", ["e", "y"], ["g"]),
        helper.make_node("MatMul", ["z", "w"], ["m"]),
        helper.make_node("Add", ["m", "g"], ["s"]),
        helper.make_node("Tanh", ["s"], ["t"]),
        helper.make_node("Reshape", ["t", "shape"], ["image"]),
    ]
    n = int(np.prod(sizes))
    weights = [weight("w", Z, n), weight("e", 3, n, seed=1), constant("shape", -1, *sizes)]
    inputs = [("z", FLOAT, ["b", Z]), ("y", INT, ["b"])]
    out = ("image", FLOAT, ["b", "c", "h", "w"])
    return bytes(model(nodes, inputs, [out], weights).SerializeToString())


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(opened(3, SIDE, SIDE))
    return path


def test_open_sizes_are_those_that_a_run_shows(tmp_path: Path, graph: Path) -> None:
    """The images are those of the same graph with its sizes written in it."""
    said = inspect(str(graph))
    assert (said["family"], "height" in said, "refused" in said) == ("onnx", False, False)
    assert said["quirks"] == ["the size of image is open: a run shows it"]
    out = tmp_path / "out"
    made = import_checkpoint(ImportRequest(str(graph), str(out), classes=["a", "b", "c"]))
    assert (made["height"], made["width"]) == (SIDE, SIDE)
    assert made["quirks"] == ["the size of image was open; a run made [3, 4, 4]"]
    closed = tmp_path / "closed.onnx"
    closed.write_bytes(by_index().SerializeToString())
    import_checkpoint(ImportRequest(str(closed), str(tmp_path / "two"), classes=["a", "b", "c"]))
    images: list[np.ndarray] = []
    for folder in (out, tmp_path / "two"):
        spec = OnnxGenerator(family="onnx", checkpoint=str(folder))
        host = load_host("m", spec, describe("m", spec))
        images.append(host.generate([SampleRequest("0" * 32, "b", 0)]).images)
    assert np.array_equal(images[0], images[1])


def valued(factor: float, offset: float, whole: bool) -> bytes:
    """A graph whose image has the values of tanh, times `factor` plus `offset`. whole: uint8."""
    nodes = [
        helper.make_node("MatMul", ["z", "w"], ["m"]),
        helper.make_node("Tanh", ["m"], ["t"]),
        helper.make_node("Mul", ["t", "factor"], ["f"]),
        helper.make_node("Add", ["f", "offset"], ["s"]),
        helper.make_node("Reshape", ["s", "shape"], ["r"]),
        helper.make_node("Cast", ["r"], ["image"], to=UINT8 if whole else FLOAT),
    ]
    n = 3 * SIDE * SIDE
    numbers = {"factor": factor, "offset": offset}
    weights = [weight("w", Z, n), constant("shape", -1, 3, SIDE, SIDE)]
    weights += [numpy_helper.from_array(np.float32(v), k) for k, v in numbers.items()]
    out = ("image", UINT8 if whole else FLOAT, ["b", 3, SIDE, SIDE])
    return bytes(model(nodes, [("z", FLOAT, ["b", Z])], [out], weights).SerializeToString())


@pytest.mark.parametrize(
    ("factor", "offset", "whole", "words", "text"),
    [
        (127.5, 127.5, True, {"range": [0, 255]}, ": a job says range: [0, 255]"),
        (127.5, 127.5, False, {"range": [0, 255]}, ": a job says range: [0, 255]"),
        (0.5, 0.5, False, {}, ": where 0 is black, say range: [0, 1] in a job"),
        (50.0, 0.0, False, {}, ", beyond every range that a job can say: black and white at the"),
        (1.5, 0.0, False, {}, None),
        (1.0, 0.0, False, {}, None),
    ],
)
def test_values_other_than_a_job_expects_are_told(
    tmp_path: Path, factor: float, offset: float, whole: bool, words: Any, text: str | None
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(valued(factor, offset, whole))
    said = import_checkpoint(ImportRequest(str(path), str(tmp_path / "out")))
    assert said["words"] == words
    quirks = [quirk for quirk in said["quirks"] if quirk.startswith("the values of image lay from")]
    assert [text in quirk for quirk in quirks] == ([True] if text else [])
    if words:
        assert said["smoke"]["std"] > 0.3


def test_a_graph_counts_its_numbers(tmp_path: Path, graph: Path) -> None:
    assert inspect(str(graph))["parameters"] == (Z + 3) * 3 * SIDE * SIDE + 4


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_sizes_that_fit_both_layouts_are_told(
    tmp_path: Path, layout: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "model.onnx", tmp_path / "out"
    path.write_bytes(opened(3, SIDE, 3))
    with pytest.raises(CheckpointError) as told:
        import_checkpoint(ImportRequest(str(path), str(out)))
    assert str(told.value) == (
        "model.onnx: output: got image (float32 [?, 3, 4, 3]), whose channels cannot be told; "
        "expected layout: NCHW or NHWC; say it with --layout"
    )
    command = ["generators", "import", str(path), "--out", str(out), "--layout", layout]
    assert main(command) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"in a job:     generators: {{name: {{family: onnx, checkpoint: {out}, class_index: "
        f"{{name: index, ...}}, layout: {layout}}}}}"
    )


def test_inputs_that_can_be_read_in_several_ways_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model.onnx"
    nodes = [
        helper.make_node("Concat", ["a", "b"], ["both"], axis=1),
        helper.make_node("MatMul", ["both", "w"], ["m"]),
        helper.make_node("Reshape", ["m", "shape"], ["image"]),
    ]
    inputs = [("a", FLOAT, ["n", 3]), ("b", FLOAT, ["n", 4])]
    out = [("image", FLOAT, ["n", 3, SIDE, SIDE])]
    weights = [weight("w", 7, 48), constant("shape", -1, 3, SIDE, SIDE)]
    path.write_bytes(model(nodes, inputs, out, weights).SerializeToString())
    assert inspect(str(path))["refused"].endswith("say it with --inputs")
    roles = ["--inputs", "class=a,z=b", "--class-as", "onehot"]
    assert main(["generators", "inspect", str(path), *roles]) == 0
    assert main(["generators", "import", str(path), "--out", str(tmp_path / "o"), *roles]) == 0
    assert (
        capsys.readouterr()
        .out.splitlines()[-1]
        .endswith("class_index: {name: index, ...}, class_as: onehot, inputs: {class: a, z: b}}}")
    )
    for text in ("z", "z=a,z=b", "x=a", "z="):
        assert main(["generators", "inspect", str(path), "--inputs", text]) == 2


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        (Choice(told={"layout": "NCHW"}), "--layout: has no effect, a.pth is no ONNX graph"),
        (Choice(told={"class_as": "index"}), "--class-as: has no effect, a.pth is no ONNX graph"),
    ],
)
def test_words_for_graphs_have_no_effect_on_tensors(
    tmp_path: Path, choice: Choice, text: str
) -> None:
    assert inspect(saved(tmp_path / "a.pth", a_network()), choice=choice)["refused"] == text


def test_a_prefix_has_no_effect_on_a_graph(graph: Path) -> None:
    assert inspect(str(graph), choice=Choice(prefix="G."))["refused"] == (
        "--prefix G.: has no effect, a graph has no sub-modules"
    )


def test_sizes_of_another_graph_are_refused(tmp_path: Path, graph: Path) -> None:
    """What a run has shown is held against every run."""
    import json

    out = tmp_path / "out"
    import_checkpoint(ImportRequest(str(graph), str(out), classes=["a", "b", "c"]))
    path = out / "generator.json"
    document = json.loads(path.read_text())
    assert document["init"] == {"image": [3, SIDE, SIDE]}
    path.write_text(json.dumps({**document, "init": {"image": [3, SIDE, SIDE + 1]}}))
    spec = OnnxGenerator(family="onnx", checkpoint=str(out))
    with pytest.raises(CheckpointError, match=r"the image came out as \(1, 3, 4, 4\); expected"):
        load_host("m", spec, describe("m", spec))
    path.write_text(json.dumps({**document, "init": {"image": [3, SIDE]}}))
    with pytest.raises(CheckpointError, match=r"init\.image"):
        describe("m", spec)
