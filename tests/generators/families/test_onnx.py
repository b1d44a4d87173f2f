"""onnx: graphs as generators, with onnxruntime; the graphs are built here, and tiny."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from augment.checkpoints.onnx_graph import read_graph
from augment.errors import CheckpointError, RequestError
from augment.generators import GeneratorHost, Placement, SampleRequest, describe, load_host
from augment.generators.families.onnx.host import OnnxHost, _threads, latents
from augment.generators.families.onnx.roles import roles_of
from augment.seeds import stream
from augment.spec.generators import OnnxGenerator, OnnxSampling
from tests.contracts.generator_contract import (
    GeneratorContract,
    TrainedGeneratorContract,
    requests,
)
from tests.generators.onnx_graphs import (
    CLASSES,
    FLOAT,
    SIDE,
    Z,
    by_index,
    by_onehot,
    greedy,
    plain,
    refused,
    translating,
    weight,
    write,
)


def host_of(spec: OnnxGenerator) -> GeneratorHost:
    return load_host("mine", spec, describe("mine", spec))


# ---- the contract --------------------------------------------------------------------


class TestByIndex(TrainedGeneratorContract):
    @pytest.fixture
    def spec(self, tmp_path: Path) -> OnnxGenerator:
        return write(tmp_path / "c", by_index(), config_classes=CLASSES)

    @pytest.fixture
    def broken_class(self) -> str:
        return "12:30"

    @pytest.fixture
    def broken_host(self, tmp_path: Path, broken_class: str) -> GeneratorHost:
        table = numpy_helper.to_array(weight("e", 3, 48, seed=1)).copy()
        table[CLASSES.index(broken_class)] = np.nan
        return host_of(write(tmp_path / "broken", by_index(table), config_classes=CLASSES))


class TestByOnehot(GeneratorContract):
    @pytest.fixture
    def spec(self, tmp_path: Path) -> OnnxGenerator:
        inputs = {"z": "z", "class": "y"}
        return write(tmp_path, by_onehot(), inputs=inputs, range=[0, 255], config_classes=CLASSES)


class TestFixedBatch(GeneratorContract):
    """A graph of five rows a run: batches are cut and padded."""

    @pytest.fixture
    def spec(self, tmp_path: Path) -> OnnxGenerator:
        return write(tmp_path, plain(batch=5), label="cat")


class TestBatchOfOne(GeneratorContract):
    @pytest.fixture
    def spec(self, tmp_path: Path) -> OnnxGenerator:
        return write(tmp_path, by_index(batch=1), config_classes=CLASSES)


# ---- what is fed, and what comes out -------------------------------------------------


def expected_by_index(request: SampleRequest, temperature: float = 1.0) -> np.ndarray:
    w = numpy_helper.to_array(weight("w", Z, 48)).astype(np.float64)
    e = numpy_helper.to_array(weight("e", 3, 48, seed=1)).astype(np.float64)
    z = stream(request.sample_id, "z").standard_normal(Z) * temperature
    return z @ w + e[CLASSES.index(request.label_name)]


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_pixels_are_those_of_numpy(tmp_path: Path, rank: int, temperature: float) -> None:
    sampling = {"temperature": temperature}
    spec = write(tmp_path, by_index(rank=rank), config_classes=CLASSES, sampling=sampling)
    host = host_of(spec)
    batch = requests(host.info, CLASSES, 3)
    for request, image in zip(batch, host.generate(batch).images, strict=True):
        expected = np.tanh(expected_by_index(request, temperature)).reshape(3, SIDE, SIDE)
        assert np.abs(image - expected).max() < 1e-5


def test_onehot_classes_and_channels_last_in_255(tmp_path: Path) -> None:
    spec = write(
        tmp_path, by_onehot(), inputs={"z": "z", "class": "y"}, range=[0, 255],
        class_index={"a": 2, "b": 0},
    )  # fmt: skip
    host = host_of(spec)
    assert host.info.classes == ("a", "b")
    batch = requests(host.info, ["a", "b"], 2)
    index = {"a": "0", "b": "no"}
    for request, image in zip(batch, host.generate(batch).images, strict=True):
        named = SampleRequest(request.sample_id, index[request.label_name], 0)
        expected = 2.0 / (1.0 + np.exp(-expected_by_index(named))) - 1.0
        assert np.abs(image - expected.reshape(SIDE, SIDE, 3).transpose(2, 0, 1)).max() < 1e-5


def test_a_latent_of_one_by_one_pixels(tmp_path: Path) -> None:
    flat, tall = (
        write(tmp_path / "a", plain(), label="x"),
        write(tmp_path / "b", plain(z_shape=(Z, 1, 1)), label="x"),
    )
    batch = requests(describe("m", flat), ["x"], 2)
    assert np.array_equal(
        host_of(flat).generate(batch).images, host_of(tall).generate(batch).images
    )


def test_truncation_draws_again_what_lies_beyond() -> None:
    ids = [f"{i:032x}" for i in range(200)]
    sampling = OnnxSampling(truncation=0.5, temperature=2.0)
    z = latents(ids, 8, sampling)
    assert z.dtype == np.float32
    assert 0.95 < np.abs(z).max() <= 1.0
    assert len(np.unique(z)) == z.size
    first = stream(ids[3], "z").standard_normal(8)
    kept = first[np.abs(first) <= 0.5] * 2.0
    assert np.allclose(z[3, : len(kept)], kept)
    assert np.array_equal(latents(ids[3:4], 8, sampling)[0], z[3])


def test_sampling_has_its_own_digest(tmp_path: Path) -> None:
    base = describe("d", write(tmp_path, plain(), label="x"))
    cut = describe("d", write(tmp_path, plain(), label="x", sampling={"truncation": 1.0}))
    assert base.identity == cut.identity
    assert base.sampling_digest != cut.sampling_digest


def test_identity_holds_what_changes_pixels(tmp_path: Path) -> None:
    found = {
        describe("d", write(tmp_path / "a", plain(), label="x")).identity,
        describe("d", write(tmp_path / "b", plain(seed=1), label="x")).identity,
        describe("d", write(tmp_path / "c", plain(), label="y")).identity,
        describe("d", write(tmp_path / "d", plain(), label="x", range=[0, 1])).identity,
    }
    assert len(found) == 4
    again = describe("d", write(tmp_path / "e", plain(), label="x", license="MIT"))
    assert again.identity in found
    assert again.license == "MIT"


# ---- from an image -------------------------------------------------------------------


def from_images(n: int, size: tuple[int, int] = (6, 5)) -> list[SampleRequest]:
    rng = np.random.default_rng(0)
    return [
        SampleRequest(f"{i:032x}", "any", i, rng.integers(0, 256, (*size, 3)).astype(np.uint8))
        for i in range(n)
    ]


def test_a_source_of_the_graphs_size_goes_in_as_it_is(tmp_path: Path) -> None:
    host = host_of(write(tmp_path, translating()))
    assert host.info.takes_image
    assert (host.info.classes, host.info.height, host.info.width) == ((), 6, 5)
    assert host.info.digital_source_type.endswith("/compositeWithTrainedAlgorithmicMedia")
    batch = from_images(3)
    for request, image in zip(batch, host.generate(batch).images, strict=True):
        assert request.source is not None
        x = request.source.transpose(2, 0, 1) / 127.5 - 1.0
        z = stream(request.sample_id, "z").standard_normal(1)
        assert np.abs(image - np.clip(x / 2 + np.tanh(z) / 2, -1, 1)).max() < 1e-5


def test_other_sources_are_brought_to_the_graphs_size(tmp_path: Path) -> None:
    host = host_of(write(tmp_path, translating()))
    batch = [*from_images(1, (9, 20)), *from_images(2)[1:]]
    assert len({host.batch_key(r) for r in batch}) == 1
    together = host.generate(batch).images
    alone = np.concatenate([host.generate([r]).images for r in batch])
    assert together.shape == (2, 3, 6, 5)
    assert np.abs(together - alone).max() < 1e-6


def test_a_missing_or_odd_source_is_refused(tmp_path: Path) -> None:
    host = host_of(write(tmp_path, translating()))
    with pytest.raises(RequestError, match=r"takes an image, and sample 00+ has none"):
        host.validate(SampleRequest("0" * 32, "any", 0))
    odd = SampleRequest("0" * 32, "any", 0, np.zeros((4, 4), np.uint8))
    with pytest.raises(RequestError, match=r"takes an image of \(H, W, 3\) uint8, and .* \(4, 4\)"):
        host.generate([odd])


def test_it_keeps_the_contract_with_images(tmp_path: Path) -> None:
    from augment.generators.contract import questions, sample_requests

    spec = write(tmp_path, translating())
    info = describe("m", spec)
    found = list(questions(lambda: load_host("m", spec, info), sample_requests(info)))
    assert [a for a in found if not a.ok] == []


# ---- the file, the runtime -----------------------------------------------------------


def test_wrong_hashes_and_a_missing_file(tmp_path: Path) -> None:
    spec = write(tmp_path, plain(), label="x", sha256="77c0" * 16)
    assert refused(spec).startswith("generators.mine: model.onnx: sha256 is ")
    spec = write(tmp_path, plain(), label="x", config_weights_sha256="ab" * 32)
    assert "generator.json says abab" in refused(spec)
    (tmp_path / "model.onnx").unlink()
    assert refused(spec) == (
        f"generators.mine: model.onnx: no such file in {tmp_path}; expected a folder with "
        "generator.json and model.onnx; update generators.mine.checkpoint"
    )


def test_a_class_that_the_graph_does_not_know_shows_at_loading(tmp_path: Path) -> None:
    spec = write(tmp_path, by_index(), class_index={"a": 0, "b": 3})
    info = describe("mine", spec)
    with pytest.raises(CheckpointError, match=r"the runtime refuses the batch \(.*Gather"):
        load_host("mine", spec, info)


def test_a_graph_that_the_runtime_refuses(tmp_path: Path) -> None:
    made = plain()
    made.graph.node[2].op_type = "Tahn"
    spec = write(tmp_path, made, label="x")
    with pytest.raises(CheckpointError, match=r"the runtime refuses the graph \(.*Tahn"):
        host_of(spec)


def test_an_image_of_another_size_than_the_file_says(tmp_path: Path) -> None:
    made = plain()
    del made.graph.output[:]
    made.graph.output.append(helper.make_tensor_value_info("image", FLOAT, ["b", 3, 8, 2]))
    spec = write(tmp_path, made, label="x")
    with pytest.raises(CheckpointError, match=r"as \(1, 3, 4, 4\); expected \(1, 3, 8, 2\)"):
        host_of(spec)


def test_a_file_of_two_formats_is_what_our_reader_saw(tmp_path: Path) -> None:
    """Bytes 4 to 7 are the mark of the runtime's own format, inside a producer's name."""
    data = plain().SerializeToString()
    two = write(tmp_path / "two", b"\x12\x06xxORTM" + data, label="x")
    one = write(tmp_path / "one", data, label="x")
    batch = requests(describe("m", one), ["x"], 2)
    assert np.array_equal(host_of(two).generate(batch).images, host_of(one).generate(batch).images)


def test_what_does_not_fit_into_memory(tmp_path: Path) -> None:
    """Of a batch an error that halves it; of one row an error that names the graph."""
    spec = write(tmp_path / "small", greedy(4), label="x")
    host = host_of(spec)
    assert host.generate(requests(host.info, ["x"], 2)).failed == (None, None)
    spec = write(tmp_path / "large", greedy(1 << 42), label="x")
    with pytest.raises(CheckpointError, match=r"one run of the graph does not fit .*allocate"):
        host_of(spec)
    session = onnxruntime.InferenceSession(
        greedy(1 << 42).SerializeToString(), _quiet(), providers=["CPUExecutionProvider"]
    )
    roles = roles_of("mine", spec, read_graph(greedy(1).SerializeToString(), "m"))
    host = OnnxHost(session, describe("mine", spec), roles, {"x": 0}, spec)
    with pytest.raises(MemoryError):
        host.generate(requests(host.info, ["x"], 2))


def _quiet() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return options


def test_options_of_torch_and_of_gpus(tmp_path: Path) -> None:
    spec = write(tmp_path, plain(), label="x")
    info = describe("mine", spec)
    with pytest.raises(CheckpointError, match=r"^execution.generators.mine.compile: got default"):
        load_host("mine", spec, info, placement=Placement(compile="default"))
    with pytest.raises(CheckpointError, match=r"^generators.mine: got the device cuda, and"):
        load_host("mine", spec, info, placement=Placement(device="cuda"))


def test_threads_are_those_that_torch_takes() -> None:
    assert [_threads({"OMP_NUM_THREADS": n}) for n in ("2", "x", "")] == [2, 0, 0]
    assert _threads({}) == 0
