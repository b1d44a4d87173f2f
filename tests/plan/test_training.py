"""What a generator has seen, against the splits that a job draws."""

from __future__ import annotations

from typing import Any

from augment.plan import open_draws, other_draws
from augment.spec.models import JobSpec

HERE, ELSEWHERE = "0123456789abcdef", "fedcba9876543210"


def spec(**seen: Any) -> JobSpec:
    """A job whose generator has seen the split `train` of source `a`; `b` has folders."""
    one = {"format": "imagefolder", "uri": "x"}
    return JobSpec.model_validate(
        {
            "version": 1,
            "name": "t",
            "seed": 7,
            "sources": {
                "a": {**one, "splits": {"train": 0.8, "test": 0.2}},
                "b": {**one, "splits": {"train": "train"}},
            },
            "generators": {
                "g": {
                    "family": "vae",
                    "checkpoint": "c",
                    "trained_on": [
                        {"source": "b", "splits": ["train"]},
                        {"source": "a", "splits": ["train"], **seen},
                    ],
                }
            },
            "output": {"uri": "out"},
        }
    )


def test_a_generator_of_another_draw_is_refused() -> None:
    (problem,) = other_draws(spec(split_digest=ELSEWHERE), {"a": HERE})
    assert str(problem) == (
        "generators.g.trained_on[1].split_digest: got fedcba9876543210, but the splits of source a "
        "are drawn as 0123456789abcdef; expected the draw that it has seen. What it has seen may "
        "stand in a protected split now. Bring the images, the shares and `split_seed` back, give "
        "the splits as folders, or train it again"
    )
    assert open_draws(spec(split_digest=ELSEWHERE), {"a": HERE}) == []


def test_the_same_draw_is_well() -> None:
    assert other_draws(spec(split_digest=HERE), {"a": HERE}) == []
    assert open_draws(spec(split_digest=HERE), {"a": HERE}) == []


def test_a_draw_that_is_not_told_is_open() -> None:
    assert other_draws(spec(), {"a": HERE}) == []
    assert open_draws(spec(), {"a": HERE}) == [
        "generators.g.trained_on[1].split_digest: unknown; the splits of source a are shares, and "
        "another draw has other images in them: write 0123456789abcdef where it is this draw that "
        "the generator has seen"
    ]
