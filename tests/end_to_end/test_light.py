"""An environment that has neither torch nor Ray: what needs none works, the rest says so."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from augment.api import load_spec, open_dataset, run
from tests.end_to_end.jobs import (
    assert_alike,
    augment,
    job_document,
    rows_of,
    write_digits,
    write_job,
)

CHECKPOINT = Path(__file__).parents[2] / "examples" / "digits" / "checkpoint"
REPOSITORY = Path(__file__).parents[2]
EPOCH = {"SOURCE_DATE_EPOCH": "0"}


@pytest.fixture
def light(tmp_path: Path) -> Callable[..., CompletedProcess[str]]:
    """`augment` where importing torch or Ray fails as it does where they are not installed, in
    every process that it starts too."""
    away = tmp_path / "away"
    for name in ("torch", "ray"):
        (away / name).mkdir(parents=True)
        text = f"raise ModuleNotFoundError(\"No module named '{name}'\", name='{name}')\n"
        (away / name / "__init__.py").write_text(text)

    def call(*words: str) -> CompletedProcess[str]:
        return augment(*words, cwd=tmp_path, PYTHONPATH=f"{away}:{REPOSITORY}", **EPOCH)

    return call


def document(root: Path, **changes: Any) -> dict[str, Any]:
    vae = {"vae": {"family": "vae", "checkpoint": str(CHECKPOINT)}}
    rule = [{"generators": ["vae"], "fill": {"to": 20}}]
    return job_document(root, generators=vae, synthesize=rule) | changes


def test_a_job_with_our_small_vae_runs_and_makes_what_torch_makes(
    tmp_path: Path, light: Callable[..., CompletedProcess[str]]
) -> None:
    write_digits(tmp_path / "data", {"0": 6, "1": 4, "2": 2})
    write_job(tmp_path / "job.yaml", document(tmp_path))
    for words in (["plan", "job.yaml"], ["run", "job.yaml"], ["audit", "out"], ["status", "out"]):
        done = light(*words)
        assert done.returncode == 0, done.stdout + done.stderr
    trace = light("trace", "out", first_generated(tmp_path / "out"), "--json")
    assert json.loads(trace.stdout)["sample"]["row"]["generator"]["family"] == "vae", trace.stderr
    output = document(tmp_path)["output"] | {"uri": str(tmp_path / "other")}
    job = load_spec(document(tmp_path, output=output, pool=str(tmp_path / "other-pool")))
    assert run(job, engine="local", clock=lambda: dt.datetime.fromtimestamp(0, dt.UTC)).ok
    found, expected = (
        rows_of(open_dataset(str(tmp_path / name)).to_table()) for name in ("out", "other")
    )
    assert_alike(found, expected)


def first_generated(output: Path) -> str:
    rows = open_dataset(str(output)).to_table(columns=["sample_id", "generated"]).to_pylist()
    return str(next(row["sample_id"] for row in rows if row["generated"]))


def test_a_network_names_the_extra_before_a_sample_is_made(
    tmp_path: Path, light: Callable[..., CompletedProcess[str]]
) -> None:
    write_digits(tmp_path / "data", {"0": 6, "1": 4, "2": 2})
    half = {"family": "vae", "checkpoint": str(CHECKPOINT), "sampling": {"precision": "bf16"}}
    write_job(tmp_path / "job.yaml", document(tmp_path, generators={"vae": half}))
    done = light("run", "job.yaml")
    assert done.returncode == 2
    assert (
        "generators.vae: family vae needs torch, which is not installed; install "
        "augment-vision[torch]"
    ) in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_an_engine_that_is_not_there_is_told_with_the_way_out(
    tmp_path: Path, light: Callable[..., CompletedProcess[str]]
) -> None:
    write_digits(tmp_path / "data", {"0": 6, "1": 4, "2": 2})
    write_job(tmp_path / "job.yaml", document(tmp_path))
    done = light("run", "job.yaml", "--engine", "ray")
    assert done.returncode == 2
    assert "engine ray: Ray is not installed; " in done.stderr
    assert "or use `--engine processes`" in done.stderr
