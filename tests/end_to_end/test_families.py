"""Four families with networks in one job, on one core and on two: exact quotas, the same rows, and
a resume that makes nothing. And a class that a person wrote, where the operator allows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augment.api import audit, load_spec, open_dataset, run
from augment.errors import CheckpointError, RequestError
from augment.generators import GeneratedBatch, SampleRequest
from augment.policy import VARIABLE
from augment.run.engines.ray_engine import RayEngine
from augment.seeds import stream
from tests.end_to_end.jobs import CLASSES, assert_alike, job_document, rows_of, write_digits
from tests.end_to_end.test_engines import clock
from tests.end_to_end.toys import toy_info
from tests.generators import onnx_graphs
from tests.generators.families import test_stylegan2, test_vae_kl, test_vae_pythae
from tests.generators.translators import resnet, spec_of

COUNTS = {"0": 5, "1": 4, "2": 3}


class Dots:
    """A generator that somebody wrote: one bright pixel on a noisy ground."""

    def __init__(self, classes: list[str]) -> None:
        self.info = toy_info("dots", classes, 8)

    def validate(self, request: SampleRequest) -> None:
        if request.label_name not in self.info.classes:
            raise RequestError(f"no class {request.label_name}")

    def batch_key(self, request: SampleRequest) -> Hashable:
        return "dots"

    def generate(self, batch: Sequence[SampleRequest]) -> GeneratedBatch:
        images = np.zeros((len(batch), 3, 8, 8), np.float32)
        for image, request in zip(images, batch, strict=True):
            self.validate(request)
            rng = stream(request.sample_id, "z")
            image[:] = rng.uniform(-1.0, 0.5, (3, 8, 8))
            image[:, rng.integers(8), rng.integers(8)] = 1.0
        return GeneratedBatch(images, (None,) * len(batch))


def families(root: Path) -> dict[str, dict[str, Any]]:
    """Generators of four families with networks, written below `root`."""
    onnx_graphs.write(root / "graph", onnx_graphs.plain())
    test_vae_pythae.write(root / "pythae", test_vae_pythae.converted())
    gan = test_stylegan2.checkpoint(root / "gan", test_stylegan2.init(classes=0))
    translator = spec_of(root / "translator", resnet(norm="batch"))
    return {
        "graph": {"family": "onnx", "checkpoint": str(root / "graph"), "label": "0"},
        "decoder": {"family": "vae", "checkpoint": str(root / "pythae"), "label": "1"},
        "gan": {"family": "stylegan2", "checkpoint": gan.checkpoint, "label": "2",
                "sampling": {"noise_mode": "random"}},
        "translator": {"family": "resnet_i2i", "checkpoint": translator.checkpoint,
                       "preprocess": {"load_size": 20, "crop_size": 16}},
    }  # fmt: skip


def document(data: Path, root: Path) -> dict[str, Any]:
    """Each class is filled up to ten rows by a family of its own; a fourth translates every
    real row twice, cut out at places of the sample's own. Two workers for two of them."""
    generators = families(root)
    fill = [
        {"generators": [name], "fill": {"to": 10}, "classes": [label]}
        for name, label in (("graph", "0"), ("decoder", "1"), ("gan", "2"))
    ]
    translate = {"generators": ["translator"], "input": {"per_image": 2}}
    return job_document(
        data,
        generators=generators,
        synthesize=[*fill, translate],
        augmentations=[],
        pool=str(root / "pool"),
        output={"uri": str(root / "out"), "shard": {"target_bytes": 65536}},
        execution={
            "workers": 2,
            "generators": {name: {"replicas": {"min": 2}} for name in ("gan", "translator")},
        },
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("digits")
    write_digits(root / "data", COUNTS, test=2)
    return root


@pytest.fixture(scope="module")
def local(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("local")
    assert run(load_spec(document(data, root)), engine="local", clock=clock).ok
    return root


def rows(root: Path) -> list[dict[str, Any]]:
    return rows_of(open_dataset(str(root / "out")).to_table())


def assert_quotas(root: Path) -> None:
    """Every cell has as many rows as the job says, of the family that it says."""
    made = {"0": "onnx", "1": "vae", "2": "stylegan2"}
    assert Counter(
        (r["split"], r["label_name"], r["origin"], (r["generator"] or {}).get("family"))
        for r in rows(root)
    ) == {
        **{("train", label, "real", None): n for label, n in COUNTS.items()},
        **{("train", label, "synthetic", made[label]): 10 - n for label, n in COUNTS.items()},
        **{("train", label, "translated", "resnet_i2i"): 2 * n for label, n in COUNTS.items()},
        **{("test", label, "real", None): 2 for label in CLASSES},
    }


def test_four_families_fill_their_quotas(data: Path, local: Path) -> None:
    assert_quotas(local)
    assert audit(str(local / "out"), verify=True).ok
    again = run(load_spec(document(data, local)), engine="local")
    assert (again.ok, again.made_now) == (True, 0)


def test_four_families_at_once_on_two_cores(
    data: Path, local: Path, tmp_path: Path, ray_engine: RayEngine
) -> None:
    result = run(load_spec(document(data, tmp_path)), engine=ray_engine, clock=clock)
    assert result.ok
    assert_quotas(tmp_path)
    assert audit(result.output, verify=True).ok
    assert_alike(rows(tmp_path), rows(local))


def own_class(data: Path, root: Path) -> dict[str, Any]:
    """A person's class makes one class, an autoencoder varies every real row."""
    test_vae_kl.write(root / "kl")
    dots = {
        "family": "custom",
        "class_path": f"{__name__}:Dots",
        "init_args": {"classes": ["2", "spare"]},
    }
    varied = {"family": "vae", "checkpoint": str(root / "kl"), "sampling": {"variation": 0.5}}
    return job_document(
        data,
        generators={"dots": dots, "varied": varied},
        synthesize=[
            {"generators": ["dots"], "fill": {"to": 10}, "classes": ["2"]},
            {"generators": ["varied"], "input": {"per_image": 1}},
        ],
        augmentations=[],
        pool=str(root / "pool"),
        output={"uri": str(root / "out")},
    )


def test_a_persons_class_beside_an_autoencoder(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"allow_code: ['{__name__}:Dots']\n")
    monkeypatch.setenv(VARIABLE, str(policy))
    result = run(load_spec(own_class(data, tmp_path)), engine="local")
    assert result.ok
    assert audit(result.output, verify=True).ok
    made = Counter((r["label_name"], r["origin"]) for r in rows(tmp_path) if r["generated"])
    assert made == {
        ("2", "synthetic"): 10 - COUNTS["2"],
        **{(label, "translated"): n for label, n in COUNTS.items()},
    }


def test_where_the_policy_allows_none_the_job_is_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty.yaml").write_text("{}")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "empty.yaml"))
    with pytest.raises(CheckpointError, match=r"^generators\.dots\.class_path: got .*not allow"):
        run(load_spec(own_class(data, tmp_path)), engine="local")
    assert not (tmp_path / "out").exists()
