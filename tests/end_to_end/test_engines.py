"""What may differ between engines, batch sizes and numbers of workers: nothing, or one level."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from augment.api import load_spec, open_dataset, run
from augment.errors import InterruptedRun, PlanError, RequestError
from augment.run import LocalEngine
from augment.run.engines.ray_engine import RayEngine
from tests.end_to_end.jobs import (
    assert_alike,
    fingerprint,
    job_document,
    rows_of,
    write_digits,
)

CHECKPOINT = Path(__file__).parents[2] / "examples" / "digits" / "checkpoint"
CLASSES = ("0", "1", "2")


def clock() -> dt.datetime:
    return dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("digits")
    write_digits(root / "data", {"0": 12, "1": 5, "2": 4})
    return root


def vae_job(data: Path, root: Path, **execution: Any) -> dict[str, Any]:
    return job_document(
        data,
        generators={"vae": {"family": "vae", "checkpoint": str(CHECKPOINT)}},
        synthesize=[{"generators": ["vae"], "fill": {"to": 60}}],
        pool=str(root / "pool"),
        output={"uri": str(root / "out"), "shard": {"target_bytes": 65536}},
        execution=execution,
    )


def shards(root: Path) -> dict[str, str]:
    """path below the root -> sha256, of everything that a table is made of."""
    return {
        str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(root.rglob("data/**/*.parquet"))
    }


@pytest.fixture(scope="module")
def local(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("local")
    run(load_spec(vae_job(data, root)), engine=LocalEngine(), clock=clock)
    return root


@pytest.mark.parametrize("engine", ["processes", "ray"])
def test_all_engines_write_equal_bytes(
    data: Path, local: Path, tmp_path: Path, engine: str, request: pytest.FixtureRequest
) -> None:
    chosen = request.getfixturevalue("ray_engine") if engine == "ray" else engine
    result = run(load_spec(vae_job(data, tmp_path)), engine=chosen, clock=clock)
    assert result.ok
    assert shards(tmp_path) == shards(local)
    assert len(shards(local)) >= 3


@pytest.mark.parametrize(("batch_size", "actors"), [(1, 1), (64, 3)])
def test_batch_size_and_actors_change_no_row(
    data: Path, local: Path, tmp_path: Path, ray_engine: RayEngine, batch_size: int, actors: int
) -> None:
    generators = {
        "vae": {"batch_size": batch_size, "replicas": {"min": actors}, "resources": {"cpus": 0.5}}
    }
    job = load_spec(vae_job(data, tmp_path, generators=generators))
    run(job, engine=ray_engine, clock=clock)
    expected = rows_of(open_dataset(str(local / "out")).to_table())
    found = rows_of(open_dataset(str(tmp_path / "out")).to_table())
    assert_alike(found, expected)


def test_more_than_the_cluster_has_is_refused_at_once(
    data: Path, tmp_path: Path, ray_engine: RayEngine
) -> None:
    job = load_spec(vae_job(data, tmp_path, generators={"vae": {"resources": {"gpus": 8}}}))
    with pytest.raises(
        PlanError,
        match=r"generators.vae: got 1 actors with 1 CPU, 8 GPU each are asked for; the cluster "
        r"holds 0 of them \(.*: 0\). Ask for fewer",
    ):
        run(job, engine=ray_engine, clock=clock)


def test_an_address_is_that_of_the_ray_that_the_process_is_connected_to(
    ray_engine: RayEngine,
) -> None:
    """A process is connected to one Ray at a time: a job that asks for another is told so."""
    import ray

    connected = ray.get_runtime_context().gcs_address
    port = connected.rpartition(":")[2]
    for address in (None, "auto", connected, f"127.0.0.1:{port}", f"localhost:{port}"):
        RayEngine(address).open()
    for address in ("127.0.0.1:1", f"192.0.2.77:{port}"):
        with pytest.raises(RequestError) as refused:
            RayEngine(address).open()
        assert str(refused.value) == (
            f"Ray at {address}: this process is connected to the Ray at {connected} already; "
            "disconnect from it first (`ray.shutdown()`), or give its address or none"
        )


def test_an_error_in_a_worker_arrives_as_itself(
    data: Path, tmp_path: Path, ray_engine: RayEngine
) -> None:
    """The pool is a file: every worker that wants to write there fails."""
    (tmp_path / "pool").write_text("not a folder")
    with pytest.raises(InterruptedRun, match="pool"):
        run(load_spec(vae_job(data, tmp_path)), engine=ray_engine, clock=clock)
    assert fingerprint([]) == {}


def test_workers_of_our_own_ray_keep_their_memory(ray_engine: RayEngine) -> None:
    import ray

    value = ray.remote(lambda: os.environ.get("MALLOC_ARENA_MAX")).remote()
    assert ray.get(value) == "1"


def test_any_number_of_sources_generators_and_transforms_ends(
    data: Path, tmp_path: Path, ray_engine: RayEngine
) -> None:
    """More actors than there are CPUs are asked for, one generator after the other."""
    sources = {}
    for name in ("first", "second", "third"):
        write_digits(tmp_path / name, {"0": 6, "1": 4, "2": 3})
        splits = {"train": "train", "test": "test"}
        sources[name] = {"format": "imagefolder", "uri": str(tmp_path / name), "splits": splits}
    generators = {
        f"fake-{k}": {"family": "palette", "classes": list(CLASSES), "size": 8 + k}
        for k in range(4)
    }
    document = job_document(
        data,
        sources=sources,
        generators=generators,
        augmentations=[
            {"name": f"rule-{k}", "copies": 1, "ops": [{"Affine": {"rotate": [-k, k], "p": 1.0}}]}
            for k in range(1, 6)
        ],
        synthesize=[{"generators": list(generators), "fill": {"to": 120}}],
        pool=str(tmp_path / "pool"),
        output={"uri": str(tmp_path / "out"), "shard": {"target_bytes": 65536}},
        execution={
            "workers": ray_engine.cpus(),
            "generators": {
                name: {"replicas": {"min": 1, "max": 8}, "resources": {"cpus": 1}}
                for name in generators
            },
        },
    )
    result = run(load_spec(document), engine=ray_engine, clock=clock)
    assert result.shortfall == 0
    train = sum(cell.written for cell in result.cells if cell.split == "train")
    assert train == 3 * 120
