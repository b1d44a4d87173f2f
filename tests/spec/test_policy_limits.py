"""A job under the limits of this machine's operator: never more, and less where it says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from augment.errors import SpecError
from augment.policy import VARIABLE, PolicyLimits
from augment.spec import load_spec
from augment.spec.models import JobLimits
from augment.spec.policy_limits import of_policy


def job(root: Path, **more: Any) -> dict[str, Any]:
    source = {"format": "imagefolder", "uri": str(root / "data"), "splits": {"train": "train"}}
    return {
        "version": 1,
        "name": "j",
        "seed": 1,
        "sources": {"r": source},
        "generators": {"p": {"family": "palette", "classes": ["a"]}},
        "synthesize": [{"generators": ["p"], "fill": {"to": 2}}],
        "output": {"uri": str(root / "out")},
        **more,
    }


def held(
    root: Path, patch: pytest.MonkeyPatch, rules: str, **more: Any
) -> tuple[Path, dict[str, Any]]:
    """A machine with these limits, and a job on it."""
    path = root / "policy.yaml"
    path.write_text(f"limits: {rules}\n")
    path.chmod(0o644)
    patch.setenv(VARIABLE, str(path))
    return path, job(root, pool=str(root / "pool"), **more)


@pytest.mark.parametrize(
    ("limits", "more", "said"),
    [
        (
            "{gpus: 4}",
            {
                "execution": {
                    "generators": {"p": {"resources": {"gpus": 1}, "replicas": {"max": 8}}}
                }
            },
            "execution.generators.p.resources.gpus: got 8 GPUs at once (8 x 1); expected at "
            "most 4, ",
        ),
        (
            "{gpus: 0}",
            {},
            "execution.generators.p.resources.gpus: got 1 GPUs at once (1 x 1, where "
            "there is one); expected at most 0, ",
        ),
        (
            "{actors: 2}",
            {"execution": {"workers": 2, "generators": {"p": {"replicas": {"min": 3}}}}},
            "execution.generators.p.replicas: got 3 actors; expected at most 2, ",
        ),
        (
            "{actors: 2}",
            {},
            "execution.workers: got nothing, which is one a CPU; expected at most 2, ",
        ),
        (
            "{actors: 2}",
            {"execution": {"workers": 9}},
            "execution.workers: got 9; expected at most 2, ",
        ),
        (
            "{gpu_hours: 10}",
            {"limits": {"gpu_hours": 11}},
            "limits.gpu_hours: got 11; expected at most 10, ",
        ),
        (
            "{synthetic_share: 0.5}",
            {"limits": {"synthetic_share": {"max": 0.75}}},
            "limits.synthetic_share.max: got 0.75; expected at most 0.5, ",
        ),
    ],
)
def test_a_job_may_not_ask_for_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: str, more: dict[str, Any], said: str
) -> None:
    path, asked = held(tmp_path, monkeypatch, limits, **more)
    with pytest.raises(SpecError) as caught:
        load_spec(asked)
    assert str(caught.value).startswith(f"job: {said}the limit of {path}")
    assert len(caught.value.problems) == 1


def test_a_job_that_sets_no_limit_has_the_operators(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = "{gpu_hours: 10, synthetic_share: 0.5}"
    share = {"synthetic_share": {"per_class": 0.7}}
    _, asked = held(tmp_path, monkeypatch, limits, limits=share)
    spec = load_spec(asked).spec
    assert spec.limits.gpu_hours == 10
    assert spec.limits.synthetic_share is not None
    assert (spec.limits.synthetic_share.max, spec.limits.synthetic_share.per_class) == (0.5, 0.7)


def test_a_job_may_tighten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = "{gpus: 4, actors: 4, gpu_hours: 10, synthetic_share: 0.5}"
    own = {"gpu_hours": 1, "synthetic_share": {"max": 0.25}}
    execution = {"workers": 2, "generators": {"p": {"replicas": {"max": 2}}}}
    _, asked = held(tmp_path, monkeypatch, limits, limits=own, execution=execution)
    spec = load_spec(asked).spec
    assert spec.limits.gpu_hours == 1
    assert spec.limits.synthetic_share is not None
    assert spec.limits.synthetic_share.max == 0.25


def test_a_job_may_ask_for_all_that_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"gpu_hours": 10, "synthetic_share": {"max": 0.5}}
    replicas = {"resources": {"gpus": 0.5}, "replicas": {"max": 4}}
    execution = {"workers": 4, "generators": {"p": replicas}}
    limits = "{gpus: 2, actors: 4, gpu_hours: 10, synthetic_share: 0.5}"
    _, asked = held(tmp_path, monkeypatch, limits, limits=own, execution=execution)
    spec = load_spec(asked).spec
    assert spec.limits == JobLimits.model_validate(own)
    assert spec.execution.workers == 4


def test_every_generator_is_held_to_the_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that the job says nothing of under `execution`, which takes a GPU."""
    _, asked = held(tmp_path, monkeypatch, "{gpus: 0, gpu_hours: 1}")
    family = {"family": "palette", "classes": ["a"]}
    asked["generators"] = {"p": family, "q": family}
    asked["synthesize"] = [{"generators": ["p", "q"], "fill": {"to": 2}}]
    asked["execution"] = {"generators": {"p": {"resources": {"gpus": 0}}}}
    with pytest.raises(SpecError) as caught:
        load_spec(asked)
    (problem,) = caught.value.problems
    assert str(problem).startswith("job: execution.generators.q.resources.gpus: got 1 GPUs at once")
    assert problem.hint == "For none, write resources: {gpus: 0}"


def test_more_of_everything_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks = {"resources": {"gpus": 1}, "replicas": {"max": 3}}
    limits = "{gpus: 2, actors: 2, gpu_hours: 1, synthetic_share: 0.5}"
    _, asked = held(
        tmp_path, monkeypatch, limits,
        execution={"workers": 3, "generators": {"p": asks}},
        limits={"gpu_hours": 2, "synthetic_share": {"max": 0.6}},
    )  # fmt: skip
    with pytest.raises(SpecError) as caught:
        load_spec(asked)
    assert [p.place for p in caught.value.problems] == [
        "job: execution.generators.p.replicas",
        "job: execution.generators.p.resources.gpus",
        "job: execution.workers",
        "job: limits.gpu_hours",
        "job: limits.synthetic_share.max",
    ]
    assert {p.hint for p in caught.value.problems} == {""}


def test_the_operators_limits_hold_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, asked = held(tmp_path, monkeypatch, "{gpu_hours: 10}")
    assert load_spec(asked).spec.limits == JobLimits(gpu_hours=10)
    _, asked = held(tmp_path, monkeypatch, "{synthetic_share: 0.5}")
    found = load_spec(asked).spec.limits
    assert found == JobLimits.model_validate({"synthetic_share": {"max": 0.5}})
    _, asked = held(tmp_path, monkeypatch, "{}")
    assert load_spec(asked).spec.limits == JobLimits()


def test_what_the_operator_bounds_of_a_result() -> None:
    assert of_policy(PolicyLimits()) == JobLimits()
    assert of_policy(PolicyLimits(gpu_hours=2.0)) == JobLimits(gpu_hours=2.0)
    share = of_policy(PolicyLimits(synthetic_share=0.5)).synthetic_share
    assert share is not None
    assert (share.max, share.per_class) == (0.5, None)
