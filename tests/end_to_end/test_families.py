"""Four families in one job: exact quotas, every kind of input, and a resume that makes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augment.api import audit, load_spec, open_dataset, run
from augment.errors import CheckpointError, RequestError
from augment.generators import GeneratedBatch, GeneratorInfo, SampleRequest
from augment.policy import VARIABLE
from augment.sample import DigitalSourceType
from augment.seeds import digest, stream
from tests.end_to_end.jobs import CLASSES, job_document, rows_of, write_digits
from tests.generators import onnx_graphs, test_vae_kl, test_vae_pythae

COUNTS = {"0": 5, "1": 4, "2": 3}


class Dots:
    """A generator that somebody wrote: one bright pixel on a noisy ground."""

    def __init__(self, classes: list[str]) -> None:
        self.info = GeneratorInfo(
            name="dots", family="dots", identity=digest("dots"), sampling_digest=digest(""),
            checkpoint_sha256="", classes=tuple(classes), height=8, width=8, channels=3,
            license="CC0-1.0",
            digital_source_type=DigitalSourceType.ALGORITHMIC_MEDIA.value,
        )  # fmt: skip

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


def document(root: Path) -> dict[str, Any]:
    """A class each from a graph, a decoder and a person's class, filled up to ten rows; and a
    variation of every real row."""
    onnx_graphs.write(root / "graph", onnx_graphs.plain())
    test_vae_pythae.write(root / "pythae", test_vae_pythae.converted())
    test_vae_kl.write(root / "kl")
    generators = {
        "graph": {"family": "onnx", "checkpoint": str(root / "graph"), "label": "0"},
        "decoder": {"family": "vae", "checkpoint": str(root / "pythae"), "label": "1"},
        "dots": {"family": "custom", "class_path": f"{__name__}:Dots",
                 "init_args": {"classes": ["2", "spare"]}},
        "varied": {"family": "vae", "checkpoint": str(root / "kl"),
                   "sampling": {"variation": 0.5}},
    }  # fmt: skip
    fill = [
        {"generators": [name], "fill": {"to": 10}, "classes": [label]}
        for name, label in (("graph", "0"), ("decoder", "1"), ("dots", "2"))
    ]
    vary = {"generators": ["varied"], "input": {"from": {"origin": ["real"]}, "per_image": 1}}
    return job_document(root, generators=generators, synthesize=[*fill, vary], augmentations=[])


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_digits(tmp_path / "data", COUNTS, test=2)
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"allow_code: ['{__name__}:Dots']\n")
    monkeypatch.setenv(VARIABLE, str(policy))
    return tmp_path


def test_four_families_fill_their_quotas(root: Path) -> None:
    job = load_spec(document(root))
    result = run(job, engine="local")
    assert result.ok
    assert audit(result.output, verify=True).ok
    rows = [r for r in rows_of(open_dataset(result.output).to_table()) if r["split"] == "train"]
    assert Counter((r["label_name"], r["origin"]) for r in rows) == {
        **{(label, "real"): n for label, n in COUNTS.items()},
        **{(label, "synthetic"): 10 - n for label, n in COUNTS.items()},
        **{(label, "translated"): n for label, n in COUNTS.items()},
    }
    assert {r["label_name"] for r in rows} == set(CLASSES)
    again = run(job, engine="local")
    assert (again.ok, again.made_now) == (True, 0)


def test_without_the_policy_the_job_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(root / "none.yaml"))
    with pytest.raises(CheckpointError, match=r"^generators\.dots\.class_path: got .*not allow"):
        run(load_spec(document(root)), engine="local")
    assert not (root / "out").exists()
