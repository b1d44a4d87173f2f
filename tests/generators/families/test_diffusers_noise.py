"""What a pipeline draws by itself: a row's own stream, the same numbers in every precision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from augment.generators import SampleRequest, describe, load_host
from augment.generators.families.diffusers.noise import drawn_in_single_precision, row_generator
from augment.spec.generators import DiffusersGenerator
from tests.generators import pipelines

_TWO_STEPS = {"num_inference_steps": 2, "guidance_scale": 1.0}
HALVES = [torch.float16, torch.bfloat16]


def test_a_row_generator_has_all_of_its_stream() -> None:
    draws = [torch.randn(4, generator=row_generator(f"{n:032x}")).tolist() for n in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]
    low = row_generator("0" * 32).get_state()
    again = row_generator("0" * 32)
    torch.rand(1, generator=again)
    assert not torch.equal(low, again.get_state())
    numbers = torch.rand(20_000, generator=row_generator("ab" * 16))
    assert abs(float(numbers.mean()) - 0.5) < 0.01
    assert abs(float(numbers.std()) - 12**-0.5) < 0.01


def _seeded() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.mark.parametrize("half", HALVES)
def test_normals_of_half_precision_are_those_of_single_precision_rounded(half: torch.dtype) -> None:
    single = torch.randn((1, 1000), generator=_seeded())
    with drawn_in_single_precision():
        drawn = torch.randn((1, 1000), generator=_seeded(), dtype=half, device="cpu")
    assert drawn.dtype == half
    assert torch.equal(drawn, single.to(half))


@pytest.mark.parametrize("half", HALVES)
def test_so_are_numbers_drawn_in_place(half: torch.dtype) -> None:
    single = torch.empty(1000).uniform_(0, 2, generator=_seeded())
    normal = torch.empty(1000).normal_(generator=_seeded())
    with drawn_in_single_precision():
        drawn = torch.empty(1000, dtype=half)
        assert drawn.uniform_(0, 2, generator=_seeded()) is drawn
        assert torch.equal(drawn, single.to(half))
        assert torch.equal(drawn.normal_(generator=_seeded()), normal.to(half))


def test_what_has_no_generator_or_is_in_single_precision_is_left_alone() -> None:
    with torch.random.fork_rng(), drawn_in_single_precision():
        torch.manual_seed(1)
        drawn = torch.randn(1000, dtype=torch.bfloat16)
        single = torch.randn(1000, generator=_seeded())
    with torch.random.fork_rng():
        torch.manual_seed(1)
        assert torch.equal(drawn, torch.randn(1000, dtype=torch.bfloat16))
    assert torch.equal(single, torch.randn(1000, generator=_seeded()))


def _dit(folder: Path, precision: str) -> DiffusersGenerator:
    return DiffusersGenerator.model_validate({
        "family": "diffusers", "checkpoint": str(folder), "class_index": {"first": 0, "last": 9},
        "sampling": {"call": dict(_TWO_STEPS), "precision": precision},
    })  # fmt: skip


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:__array_wrap__ must:DeprecationWarning")
def test_a_pipeline_that_draws_its_first_noise_makes_one_sample_in_every_precision(
    tmp_path: Path,
) -> None:
    """torch below 2.14 gave its half precisions a sample of their own."""
    pipelines.dit(tmp_path / "words").save_pretrained(tmp_path / "dit")
    batch = [SampleRequest(f"{n:032x}", "first", n) for n in range(8)]
    made = {}
    for precision in ("fp32", "bf16", "fp16"):
        spec = _dit(tmp_path / "dit", precision)
        made[precision] = load_host("m", spec, describe("m", spec)).generate(batch).images
    assert np.abs(made["bf16"] - made["fp32"]).mean() < 0.03
    assert np.abs(made["fp16"] - made["fp32"]).mean() < 0.005


def test_samples_of_half_precision_have_an_identity_of_their_own(tmp_path: Path) -> None:
    pipelines.dit(tmp_path / "words").save_pretrained(tmp_path / "dit")
    infos = [describe("m", _dit(tmp_path / "dit", p)) for p in ("fp32", "bf16", "fp16")]
    assert len({info.sampling_digest for info in infos}) == 3
    assert infos[0].identity != infos[1].identity == infos[2].identity
