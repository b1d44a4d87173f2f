"""Inception as torch-fidelity has it, from a file that is read as data."""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from augment.errors import CheckpointError, UnsafeCheckpoint
from augment.features import build, read_asked
from augment.features.inception import NAME, RESIZE, STANDARD, is_standard
from augment.features.protocol import ExtractorInfo
from tests.features.networks import inception_tensors, photos


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.save(inception_tensors(), path)
    return path


def features_of_torch_fidelity(file: Path, images: list[np.ndarray]) -> np.ndarray:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    network: Any = FeatureExtractorInceptionV3(
        "inception", ["2048"], feature_extractor_weights_path=str(file)
    )
    with torch.inference_mode():
        batches = [torch.from_numpy(i.copy())[None].permute(0, 3, 1, 2) for i in images]
        return np.concatenate([network(x)[0].numpy() for x in batches])


def test_features_are_torch_fidelitys_bit_for_bit(file: Path) -> None:
    images = photos()[1:]  # of as many sizes as images: batches of one, as there
    found = build(read_asked(f"inception={file}"))
    features = found(images)
    assert features.shape == (4, 2048)
    assert features.std() > 0
    np.testing.assert_array_equal(features, features_of_torch_fidelity(file, images))
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    assert found.info == ExtractorInfo("inception", 1, 2048, sha256, RESIZE)
    assert not is_standard(found.info)


def test_the_same_weights_as_safetensors(file: Path, tmp_path: Path) -> None:
    save_file({n: t.contiguous() for n, t in inception_tensors().items()}, tmp_path / "w")
    images = photos()[:1]
    np.testing.assert_array_equal(
        build(read_asked(f"inception={tmp_path}/w"))(images),
        build(read_asked(f"inception={file}"))(images),
    )


def test_probabilities_of_the_classifier_without_its_bias(file: Path) -> None:
    found: Any = build(read_asked(f"inception={file}"))
    features = found(photos()[:2])
    said = found.probabilities(features)
    weight = inception_tensors()["fc.weight"].numpy().astype(np.float64)
    logits = features.astype(np.float64) @ weight.T
    expected = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(said, expected / expected.sum(axis=1, keepdims=True), atol=1e-5)


def test_only_the_standard_file_makes_a_fid() -> None:
    info = ExtractorInfo(NAME, 1, 2048, STANDARD, "")
    assert is_standard(info)
    assert not is_standard(replace(info, weights_sha256="0" * 64))
    assert not is_standard(replace(info, name="onnx"))


def test_another_hash_than_asked_for_is_refused(file: Path) -> None:
    with pytest.raises(CheckpointError, match=rf"got a file with sha256 .*; expected {'0' * 64}"):
        build(read_asked(f"inception={file},sha256={'0' * 64}"))


class Harm:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("this ran",))


def test_a_pickle_that_would_run_is_not_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "w.pth").write_bytes(pickle.dumps({"fc.weight": Harm()}))
    with pytest.raises(UnsafeCheckpoint):
        build(read_asked(f"inception={tmp_path}/w.pth"))
    assert "this ran" not in capfd.readouterr().out


def test_tensors_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.zeros(3, 3)}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"w\.pth: its tensors are not those of the network"):
        build(read_asked(f"inception={tmp_path}/w.pth"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"w\.pth: no such file"):
        build(read_asked(f"inception={tmp_path}/w.pth"))
