"""What a generator's options are told that have no effect or contradict one another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Problems = Callable[..., list[str]]


def translator(**preprocess: Any) -> dict[str, Any]:
    return {
        "generators.fake": {
            "family": "unet_i2i",
            "checkpoint": ".",
            "direction": "AtoB",
            "preprocess": preprocess,
        }
    }


@pytest.mark.parametrize(
    ("preprocess", "text"),
    [
        (
            {"resize": "crop", "load_size": 64},
            "load_size: got 64, which has no effect: resize is crop; expected no such key",
        ),
        (
            {"resize": "none", "crop_size": 64},
            "crop_size: got 64, which has no effect: resize is none; expected no such key",
        ),
        (
            {"load_size": 128},
            "load_size: got crop_size 256 with load_size 128; expected a crop_size of at most "
            "load_size",
        ),
        (
            {"resize": "scale_width_and_crop", "load_size": 64, "crop_size": 65},
            "crop_size: got crop_size 65 with load_size 64; expected a crop_size of at most "
            "load_size",
        ),
        (
            {"load_size": 286, "output": "input_size"},
            "output: got input_size with resize: resize_and_crop, which cuts a part out; expected "
            "model_size. The part would be stretched over the whole: use scale_width or none",
        ),
        (
            {"resize": "crop", "output": "input_size"},
            "output: got input_size with resize: crop, which cuts a part out; expected "
            "model_size. The part would be stretched over the whole: use scale_width or none",
        ),
        (
            {"resize": "scale"},
            "resize: got 'scale'; expected one of crop, none, resize_and_crop, scale_width, "
            "scale_width_and_crop. Did you mean 'scale_width'?",
        ),
        ({"load_size": 2}, "load_size: got 2; expected a number >= 4"),
    ],
)
def test_preprocess(problems: Problems, preprocess: dict[str, Any], text: str) -> None:
    assert problems(translator(**preprocess)) == [f"job: generators.fake.preprocess.{text}"]


@pytest.mark.parametrize(
    "preprocess",
    [
        {},
        {"output": "input_size"},
        {"load_size": 286},
        {"resize": "crop", "crop_size": 64},
        {"resize": "scale_width", "load_size": 64, "crop_size": 128, "output": "input_size"},
        {"resize": "none", "output": "input_size"},
    ],
)
def test_right_preprocesses(problems: Problems, preprocess: dict[str, Any]) -> None:
    assert problems(translator(**preprocess)) == []


def test_unknown_directions_and_modes(problems: Problems) -> None:
    job = translator()
    job["generators.fake"] |= {"direction": "AtoC", "sampling": {"norm_mode": "batch"}}
    assert problems(job) == [
        "job: generators.fake.direction: got 'AtoC'; expected one of AtoB, BtoA. "
        "Did you mean 'AtoB'?",
        "job: generators.fake.sampling.norm_mode: got 'batch'; expected one of per_sample, running",
    ]


@pytest.mark.parametrize(
    ("sampling", "text"),
    [
        *(
            (
                {"call": {"num_inference_steps": steps}},
                "call: got a mapping of num_inference_steps; expected num_inference_steps: a whole "
                "number from 1 to 1000",
            )
            for steps in (0, -1, 1001, 2.5, "many", None, True, [4])
        ),
        *(
            (
                {"call": {"guidance_scale": scale}},
                "call: got a mapping of guidance_scale; expected guidance_scale: a number from 0 "
                "to 100",
            )
            for scale in ("high", None, -1, 101, {}, False)
        ),
        (
            {"call": {"max_sequence_length": 10**9}},
            "call: got a mapping of max_sequence_length; expected max_sequence_length: a whole "
            "number from 1 to 4096",
        ),
        (
            {"call": {"timesteps": list(range(1001))}},
            "call: got a mapping of timesteps; expected timesteps: at most 1000 steps",
        ),
        ({"call": {"eta": float("inf")}}, "call.eta: got inf; expected finite numbers"),
        (
            {"scheduler": {"class": "DDIMScheduler", "beta_end": [1, {"a": float("nan")}]}},
            "scheduler.beta_end: got a list of 2; expected finite numbers",
        ),
    ],
)
def test_how_a_pipeline_is_called(problems: Problems, sampling: dict[str, Any], text: str) -> None:
    spec = {"family": "diffusers", "checkpoint": ".", "classes": ["cat"], "sampling": sampling}
    assert problems({"generators.fake": spec}) == [f"job: generators.fake.sampling.{text}"]
