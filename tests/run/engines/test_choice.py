"""Which engine `auto` means."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from augment.cli.common import ENGINES
from augment.run.engines.choice import automatic, has_gpu
from augment.run.engines.cores import cores
from augment.spec.execution import EngineName, Execution


@pytest.mark.parametrize(
    ("execution", "generators", "gpu", "expected"),
    [
        ({}, ["g"], False, "processes"),
        ({}, ["g"], True, "ray"),
        ({}, [], True, "processes"),
        ({"address": "auto"}, [], False, "ray"),
        ({"autoscale": {"cpus": 8}}, [], False, "ray"),
        ({"generators": {"g": {"resources": {"gpus": 0}}}}, ["g"], True, "processes"),
        ({"generators": {"g": {"resources": {"gpus": 0}}}}, ["g", "h"], True, "ray"),
        ({"generators": {"g": {"resources": {"gpus": 0.5}}}}, ["g"], False, "ray"),
        ({"generators": {"g": {"resources": {"labels": {"zone": "a"}}}}}, ["g"], False, "ray"),
        ({"generators": {"g": {"resources": {"accelerator_type": "A100"}}}}, ["g"], False, "ray"),
        ({"generators": {"g": {"resources": {"memory": 1, "cpus": 2}}}}, ["g"], False, "processes"),
    ],
)
def test_ray_where_a_cluster_or_a_gpu_is(
    execution: dict[str, Any], generators: list[str], gpu: bool, expected: str
) -> None:
    asked = Execution.model_validate(execution)
    assert automatic(asked, generators, lambda: gpu) == expected


@pytest.mark.parametrize(
    ("device", "expected"),
    [("nvidia0", True), ("nvidia12", True), ("kfd", True), ("dxg", True), ("nvidiactl", False)],
)
def test_a_gpu_is_seen_by_its_device(tmp_path: Path, device: str, expected: bool) -> None:
    assert not has_gpu(tmp_path)
    (tmp_path / device).touch()
    assert has_gpu(tmp_path) is expected


def test_a_folder_of_devices_that_is_not_there(tmp_path: Path) -> None:
    assert not has_gpu(tmp_path / "gone")


def test_the_command_line_has_the_engines_of_the_job_file() -> None:
    assert EngineName.__args__ == ENGINES  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000", None),
        ("50000 100000", 1),
        ("100000 100000", 1),
        ("nonsense", None),
        ("", None),
    ],
)
def test_cpus_of_a_container(tmp_path: Path, quota: str, expected: int | None) -> None:
    (tmp_path / "cpu.max").write_text(quota)
    allowed = len(os.sched_getaffinity(0))
    assert cores(tmp_path / "cpu.max") == (expected or allowed)


def test_cpus_of_a_machine_without_quotas(tmp_path: Path) -> None:
    assert cores(tmp_path / "cpu.max") == len(os.sched_getaffinity(0))


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="a quota of two CPUs needs as many")
def test_a_part_of_a_cpu_is_one_more(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("110000 100000")
    assert cores(tmp_path / "cpu.max") == 2
