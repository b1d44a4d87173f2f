"""The whole path where every file is in an object store: moto on loopback, reached through the
same clients as a real one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from augment.api import load_spec, open_dataset, run
from augment.errors import RequestError, StorageError
from augment.run import RunResult
from augment.run.engines.ray_engine import RayEngine
from augment.storage import Folder
from tests.end_to_end import stores
from tests.end_to_end.jobs import augment, write_job
from tests.end_to_end.runs import command_begun, commanded
from tests.end_to_end.stores import document, images, pool_rows, write_inputs
from tests.storage.s3_server import SECRET, Nth, Request, S3Server


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the same job makes of the same files on a disk."""
    root = tmp_path_factory.mktemp("local")
    write_inputs(root)
    assert run(load_spec(document(str(root))), engine="local").ok
    return images(str(root))


def carry_out(base: str, s3: S3Server, engine: Any = "local", **changes: Any) -> RunResult:
    execution = {"storage_options": s3.options()}
    return run(load_spec(document(base, execution=execution, **changes)), engine=engine)


def everything(base: str, s3: S3Server) -> dict[str, bytes]:
    """Path -> bytes of all that a job left."""
    folder = Folder(base, s3.options())
    return {
        f"{table}/{info.path}": folder.child(table).read(info.path)
        for table in ("out", "pool")
        for info in folder.child(table).files()
    }


def test_on_the_command_line_with_credentials_from_the_environment(
    s3: S3Server, base: str, local: dict[str, str], tmp_path: Path
) -> None:
    job = str(write_job(tmp_path / "job.yaml", document(base)))
    env = s3.environment()
    first = augment("run", job, "--engine", "local", "--json", cwd=tmp_path, **env)
    assert first.returncode == 0, first.stderr
    assert images(base, s3.options()) == local
    again = commanded("run", job, "--engine", "local", cwd=tmp_path, **env)
    assert again.returncode == 0, again.stderr
    assert "already committed" in again.stdout
    judged = commanded("audit", f"{base}/out", "--verify", "--json", cwd=tmp_path, **env)
    assert judged.returncode == 0, judged.stderr
    assert json.loads(judged.stdout)["ok"]
    made = pool_rows(base, s3.options())[0][0]
    traced = commanded("trace", f"{base}/out", made, cwd=tmp_path, **env)
    assert traced.returncode == 0, traced.stderr
    assert "digits-vae" in traced.stdout
    told = [x for done in (first, again, judged, traced) for x in (done.stdout, done.stderr)]
    assert not [text for text in told if SECRET in text]
    assert os.listdir(tmp_path) == ["job.yaml"]


def test_options_stay_out_of_all_that_is_written(
    s3: S3Server, base: str, local: dict[str, str]
) -> None:
    result = carry_out(base, s3)
    assert result.ok
    assert images(base, s3.options()) == local
    assert not [path for path, data in everything(base, s3).items() if SECRET.encode() in data]
    assert SECRET not in repr(result)
    made = len(pool_rows(base, s3.options()))
    again = carry_out(base, s3)
    assert (again.already, again.made_now) == (True, 0)
    assert len(pool_rows(base, s3.options())) == made == result.made_now


def test_on_ray(s3: S3Server, base: str, local: dict[str, str], ray_engine: RayEngine) -> None:
    assert carry_out(base, s3, ray_engine).ok
    assert s3.count("GET", "checkpoint/weights.safetensors") == 1  # driver and actors together
    assert images(base, s3.options()) == local


def test_a_retry_works_on_the_place_that_it_is_given(
    s3: S3Server, base: str, tmp_path: Path
) -> None:
    """A copy of a data set in the same bucket, by both names of the store."""
    inputs, image = Folder(base, s3.options()), "data/train/0/000.png"
    whole = inputs.read(image)
    inputs.replace(image, b"")
    job = document(base, execution={"storage_options": s3.options()})
    assert run(load_spec(job), engine="local").ok
    inputs.replace(image, whole)
    out, copy = inputs.child("out"), inputs.child("copy")
    for info in list(out.files()):
        copy.replace(info.path, out.read(info.path))
    options = json.dumps(s3.options())
    for place, elsewhere in ((copy, out.uri), (out, None)):
        given = place.uri.replace("s3://", "s3a://")
        done = commanded(
            "retry", given, "--engine", "local", "--json", "--storage-options", options,
            cwd=tmp_path, **s3.environment(),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert (told["healed"], told["version"], told["elsewhere"]) == (2, 2, elsewhere)
        assert SECRET not in done.stdout + done.stderr


def _is_commit(request: Request) -> bool:
    return request.method == "PUT" and "out/_delta_log/00000000000000000001" in request.path


def _is_shard(request: Request) -> bool:
    return request.method == "PUT" and "/out/data/" in request.path


@pytest.mark.parametrize("lost", ["a record", "a shard", "a pool record", "a pool shard"])
def test_what_is_lost_before_the_commit_is_made_again(
    s3: S3Server, base: str, local: dict[str, str], lost: str
) -> None:
    stop = _is_shard if "pool" in lost else _is_commit
    with s3.breaking(Nth("refused", stop, times=99)), pytest.raises(StorageError):
        carry_out(base, s3)
    table = Folder(f"{base}/{'pool' if 'pool' in lost else 'out'}", s3.options())
    ending = ".parquet" if "shard" in lost else ".json"
    place = "data" if "shard" in lost else "_work"
    found = sorted(i.path for i in table.files(place) if i.path.endswith(ending))
    table.remove(next(p for p in found if place == "data" or "/units/" in p))
    assert carry_out(base, s3).ok
    assert images(base, s3.options()) == local


def test_two_drivers_at_once(
    s3: S3Server, base: str, local: dict[str, str], tmp_path: Path
) -> None:
    job = str(write_job(tmp_path / "job.yaml", document(base)))
    command = ["run", job, "--engine", "local", "--json"]
    drivers = [
        command_begun(*command, cwd=tmp_path, texts=tmp_path, **s3.environment()) for _ in range(2)
    ]
    ends = [driver.end() for driver in drivers]
    assert [end.code for end in ends] == [0, 0], ends
    assert images(base, s3.options()) == local
    rows = pool_rows(base, s3.options())
    assert len({sample_id for sample_id, _ in rows}) == len(rows)
    assert Folder(f"{base}/out", s3.options()).exists("_delta_log/00000000000000000001.json")
    assert not Folder(f"{base}/out", s3.options()).exists("_delta_log/00000000000000000002.json")


def test_a_commit_that_is_refused(s3: S3Server, base: str) -> None:
    with s3.breaking(Nth("refused", _is_commit, times=99)), pytest.raises(StorageError) as refused:
        carry_out(base, s3)
    text = str(refused.value)
    assert text.startswith(f"{base}/out: the transaction could not be written: ")
    assert text.endswith("; put the cause right and run the same command again")


def test_a_bucket_that_is_not_there(s3: S3Server, base: str) -> None:
    with pytest.raises(RequestError) as missing:
        carry_out(base, s3, output={"uri": "s3://no-such-bucket-here/out"})
    said = "no such bucket no-such-bucket-here; make it, or mend the name"
    assert str(missing.value) == f"s3://no-such-bucket-here/out: {said}"


def test_two_buckets_with_credentials_of_their_own(
    s3: S3Server, base: str, local: dict[str, str]
) -> None:
    """Both clients sign every request with the keys of its bucket."""
    other = s3.bucket()
    own = s3.options()["s3"]
    options = {base: {**own, "key": "INPUTS"}, f"{other}/deep": {**own, "key": "RESULTS"}}
    changes = {"output": {"uri": f"{other}/deep/out", "shard": {"target_bytes": 65536}}}
    document = stores.document(base, execution={"storage_options": options}, **changes)
    s3.seen.clear()
    assert run(load_spec(document), engine="local").ok
    signed = {(request.path.split("/")[1], request.credential) for request in s3.seen}
    assert signed == {(base.split("/")[2], "INPUTS"), (other.split("/")[2], "RESULTS")}
    assert len(local) == open_dataset(f"{other}/deep/out", options=options).count_rows()


def test_a_source_that_is_not_there(s3: S3Server, base: str) -> None:
    sources = stores.document(base)["sources"]
    sources["digits"]["uri"] = f"{base}/dta"
    with pytest.raises(Exception, match=rf"{base}/dta, which does not exist; expected a folder"):
        carry_out(base, s3, sources=sources)
