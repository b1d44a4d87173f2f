"""The whole path in folders whose names some clients read otherwise."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import polars
import pytest

from augment.api import audit, load_spec, open_dataset, retry, run, status
from augment.cli import main
from augment.errors import SpecError
from augment.run import RunResult
from augment.run.upkeep.clean import clean
from augment.run.upkeep.pool import pool_status
from tests.end_to_end.jobs import (
    fingerprint,
    job_document,
    rows_of,
    write_digits,
    write_job,
)
from tests.end_to_end.runs import commanded

COUNTS = {"0": 4, "1": 3}
READ = """
import datasets, sys
print({name: split.num_rows for name, split in datasets.load_dataset(sys.argv[1]).items()})
"""


def made(root: Path, *, output: str = "out", **changes: Any) -> RunResult:
    """The result of a small job that lies in `root` with all that it names, by relative paths."""
    write_digits(root / "data", COUNTS)
    document = job_document(root, pool="pool", output={"uri": output}, **changes)
    document["sources"]["digits"]["uri"] = "data"
    result = run(load_spec(write_job(root / "job.yaml", document)), engine="local")
    assert result.ok
    return result


def ids(output: str) -> dict[str, str]:
    return fingerprint(rows_of(open_dataset(output).to_table()))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the job makes in a folder with a plain name."""
    return ids(made(tmp_path_factory.mktemp("plain")).output)


@pytest.mark.parametrize("name", ["a b", "no#1 ü", "100%", "{x}"])
def test_a_job_works_where_it_lies(tmp_path: Path, name: str, plain: dict[str, str]) -> None:
    root = tmp_path / name
    result = made(root)
    assert ids(result.output) == plain
    again = run(load_spec(root / "job.yaml"), engine="local")
    assert (again.already, again.made_now) == (True, 0)
    assert audit(result.output, verify=True).ok
    (job,) = status(result.output).jobs
    assert (job.state, job.version) == ("committed", 1)
    assert pool_status(str(root / "pool")).universes
    assert retry(load_spec(root / "job.yaml"), engine="local").ok
    clean(result.output, yes=True)
    assert ids(result.output) == plain
    assert sorted(os.listdir(tmp_path)) == [name]
    files = [f"{result.output}/{file}" for file in open_dataset(result.output).files]
    assert polars.scan_parquet(files).select(polars.len()).collect().item() == len(plain)
    assert duckdb.read_parquet(files).aggregate("count(*)").to_df().iloc[0, 0] == len(plain)
    done = subprocess.run(
        [sys.executable, "-c", READ, result.output],
        env={**os.environ, "HF_DATASETS_CACHE": str(root / "cache"), "HF_HUB_OFFLINE": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sum(eval(done.stdout).values()) == len(plain)


@pytest.mark.parametrize("name", ["ws_feature%2Flogin", "a b%20c", "back\\slash"])
def test_no_data_set_is_made_where_delta_would_look_for_it_elsewhere(
    tmp_path: Path, name: str, plain: dict[str, str]
) -> None:
    """The job, its data and its pool may lie there, as continuous integration names folders."""
    root = tmp_path / name
    with pytest.raises(SpecError, match=r"output\.uri: .* which delta-rs takes for another folder"):
        made(root)
    assert sorted(os.listdir(root)) == ["data", "job.yaml"]
    result = made(root, output="../out")
    assert result.output == str(tmp_path / "out")
    assert ids(result.output) == plain
    assert pool_status(str(root / "pool")).universes


def test_a_data_set_that_was_moved_there_is_read_and_kept(
    tmp_path: Path, plain: dict[str, str]
) -> None:
    """Three folders that delta-rs would take for one, each with rows of its own."""
    names = ("o x", "o%20x", "o%2520x")
    for seed, name in enumerate(names):
        made(tmp_path, seed=seed)
        os.rename(tmp_path / "out", tmp_path / name)
    found = [ids(str(tmp_path / name)) for name in names]
    assert len({frozenset(one) for one in found}) == 3
    for name in names:
        output = str(tmp_path / name)
        assert audit(output, verify=True).ok
        assert [job.state for job in status(output).jobs] == ["committed"]
        assert commanded("retry", output, cwd=tmp_path).returncode == 0
        clean(output, yes=True)
    assert [ids(str(tmp_path / name)) for name in names] == found


def test_every_form_of_a_path_is_that_path_to_every_verb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "a%2Fb ü"
    root.mkdir()
    shutil.copytree(made(tmp_path / "plain").output, output := str(root / "out"))
    quoted = output.replace("%", "%25").replace(" ", "%20")
    monkeypatch.chdir(root)
    for form in (
        output,
        "out",
        "./out/",
        f"file:{quoted}",
        f"file://{quoted}/",
        f"file://localhost{quoted}",
    ):
        for verb in ("audit", "status", "clean"):
            assert main([verb, form, "--json"]) == 0
            assert "%2Fb" in capsys.readouterr().out
    for odd in ("file:out", "s3:/b/out", "file://host/out", "out\n"):
        assert main(["audit", odd]) == 2
        assert capsys.readouterr().err.count("\n") == 1
