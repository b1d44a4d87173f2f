"""Cost before spending: a plan that measures, a budget that refuses, and what was spent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from augment.api import load_spec, run, status
from augment.cli import main
from augment.errors import GateError
from augment.run import LocalEngine, Resources
from tests.end_to_end.jobs import augment, job_document, write_digits, write_job
from tests.end_to_end.runs import records

COUNTS = {"0": 6, "1": 4, "2": 2}


class PretendsToHaveGpus(LocalEngine):
    """Its actors hold GPUs that their generators, without weights, do not use."""

    def gpus(self) -> float:
        return 1.0

    def infeasible(self, resources: Resources) -> str | None:
        return None


@pytest.fixture
def job(tmp_path: Path) -> Path:
    write_digits(tmp_path / "data", COUNTS)
    return write_job(tmp_path / "job.yaml", job_document(tmp_path))


def edited(job: Path, **changes: Any) -> Path:
    return write_job(job, yaml.safe_load(job.read_text()) | changes)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_plan_measures_and_touches_nothing(
    job: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(tmp_path)
    assert main(["plan", str(job), "--measure", "--engine", "local", "--json"]) == 0
    [cost] = json.loads(capsys.readouterr().out)["costs"]
    assert cost["samples"] == 3 * 30 - 2 * sum(COUNTS.values())
    assert cost["rows"] >= cost["samples"]
    seen = cost["measured"]
    assert (seen["generator"], seen["device"], seen["batch_rows"]) == ("fake", "cpu", 64)
    assert seen["made"] == 3 * cost["samples"]  # the caps end before four batches do
    assert 0 < seen["batch_s"] < cost["wall_s"]["1"]
    assert cost["gpu_hours"] == 0.0
    assert files(tmp_path) - before <= {f for f in files(tmp_path) if f.endswith(".log")}


def test_a_measured_run_compares_with_what_was_spent(
    job: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(job), "--measure", "--engine", "local"]) == 0
    out = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert any(line.endswith("actors: wall time GPU hours spent busy") for line in lines)
    assert any(
        line == "generator samples made per second of an actor device busy" for line in lines
    )
    result = run(load_spec(job), engine="local")  # already committed: it still knows
    assert [one.generator for one in result.estimates] == ["fake"]
    seconds = sum(sum(r["seconds"].values()) for r in records(tmp_path / "pool"))
    assert result.spent["fake"].busy_s == pytest.approx(seconds)
    assert result.spent["fake"].units == len(list(records(tmp_path / "pool")))
    spent, share = (
        result.to_json()["spent"]["fake"],
        sum(r["device_s"] for r in records(tmp_path / "pool")),
    )
    assert 0 < spent["busy_share"] <= 1
    assert spent["device_s"] == pytest.approx(share)
    assert spent["rows_per_s"] == pytest.approx(spent["rows"] / spent["made_s"])
    told = status(result.output).to_json()["jobs"][0]["stages"]
    assert [s["spent"] for s in told if s["spent"]] == [spent]
    [stage] = [s for s in status(result.output).jobs[0].stages if s.spent is not None]
    assert (stage.spent, [stage.estimate]) == (result.spent["fake"], list(result.estimates))
    assert main(["status", result.output]) == 0
    lines = capsys.readouterr().out.splitlines()
    head = next(i for i, line in enumerate(lines) if line.split()[:1] == ["cost"])
    assert lines[head].split() == [
        "cost", "busy", "estimated", "GPU", "hours", "estimated", "samples/s", "device", "busy",
    ]  # fmt: skip
    assert lines[head + 1].split()[:2] == ["synthesize", "fake"]


def test_a_budget_refuses_before_anything_is_made(job: Path, tmp_path: Path) -> None:
    edited(job, limits={"gpu_hours": 0.0})
    said = r"limits.gpu_hours: \S+ GPU hours \(0 spent, \S+ estimated: fake \S+\) exceed 0 by"
    with pytest.raises(GateError, match=said):
        run(load_spec(job), engine=PretendsToHaveGpus())
    assert not list((tmp_path / "pool").rglob("*.parquet"))
    edited(job, limits={"gpu_hours": 1.0})
    result = run(load_spec(job), engine=PretendsToHaveGpus())
    assert result.ok
    assert 0 < result.spent["fake"].gpu_hours < 1.0


def test_without_a_gpu_no_plan_is_over_budget(
    job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edited(job, limits={"gpu_hours": 0.0})
    assert main(["plan", str(job), "--measure", "--engine", "local"]) == 0
    assert "GPU hours" in capsys.readouterr().out


def test_generators_that_take_images_are_measured_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_digits(tmp_path / "data", COUNTS)
    tint = {"family": "tint"}
    document = job_document(
        tmp_path,
        generators={"tint": tint},
        synthesize=[{"generators": ["tint"], "input": {"per_image": 1}}],
    )
    job = write_job(tmp_path / "job.yaml", document)
    assert main(["plan", str(job), "--measure", "--engine", "local", "--json"]) == 0
    [cost] = json.loads(capsys.readouterr().out)["costs"]
    assert cost["samples"] == sum(COUNTS.values())


def test_what_has_no_effect_without_measuring_is_refused(
    job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", str(job), "--address", "auto"]) == 2
    assert capsys.readouterr().err == (
        "augment: plan: --address auto has no effect, a plan starts no engine; expected it "
        "together with --measure\n"
    )
    # a process of its own: this one may be connected to a Ray of other tests already
    there = augment("plan", str(job), "--measure", "--address", "127.0.0.1:1", cwd=job.parent)
    assert there.returncode == 3
    assert "Ray at 127.0.0.1:1: ConnectionRefusedError" in there.stderr
