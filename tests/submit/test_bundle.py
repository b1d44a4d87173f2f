"""What of a job travels, what is refused because no cluster could reach it, and no secret."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from augment.errors import RequestError, SpecError
from augment.spec import load_spec
from augment.submit.bundle import MAX_BYTES, Bundle, bundle_of
from augment.submit.entrypoint import Retries, entrypoint_of
from augment.submit.request import asked_of, write_bundle


def document(**more: Any) -> dict[str, Any]:
    """A job whose images and output lie in a bucket."""
    source = {"format": "imagefolder", "uri": "s3://b/data", "splits": {"train": "train"}}
    return {
        "version": 1,
        "name": "far",
        "seed": 1,
        "sources": {"r": source},
        "generators": {"p": {"family": "palette", "classes": ["a"]}},
        "synthesize": [{"generators": ["p"], "fill": {"to": 2}}],
        "pool": "s3://b/pool",
        "output": {"uri": "s3://b/out"},
        **more,
    }


def written(folder: Path, content: dict[str, Any]) -> Path:
    path = folder / "far.yaml"
    path.write_text("# a job\n" + yaml.safe_dump(content, sort_keys=False))
    return path


def bundled(folder: Path, content: dict[str, Any], **more: Any) -> Bundle:
    path = written(folder, content)
    return bundle_of(load_spec(path), str(path), **more)


def refused(folder: Path, content: dict[str, Any], **more: Any) -> list[str]:
    with pytest.raises(SpecError) as caught:
        bundled(folder, content, **more)
    return [str(p).removeprefix(f"{folder}/") for p in caught.value.problems]


def test_the_job_travels_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLACE", "s3://b/secret-place")
    bundle = bundled(tmp_path, document(output={"uri": "${PLACE}/out"}))
    assert bundle.files == {"job.yaml": (tmp_path / "far.yaml").read_bytes()}
    assert b"secret-place" not in bundle.files["job.yaml"]
    assert bundle.variables == ("PLACE",)


def test_small_files_beside_the_job_travel(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/classes.txt").write_text("a\nb\n")
    (tmp_path / "map.csv").write_text("from,to\nx,a\n")
    content = document(classes={"file": "lists/../lists/classes.txt"})
    content["sources"]["r"]["label_map"] = {"file": "map.csv"}
    bundle = bundled(tmp_path, content)
    assert sorted(bundle.files) == ["job.yaml", "lists/classes.txt", "map.csv"]
    assert bundle.files["map.csv"] == b"from,to\nx,a\n"


def test_everything_that_no_node_could_reach_is_named(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "classes.txt").write_text("a\n")
    (tmp_path / "inner/ckpt").mkdir()
    content = document(classes={"file": "../classes.txt"}, output={"uri": "out"})
    content["sources"]["r"]["uri"] = "/data/images"
    content["generators"]["p"] = {"family": "vae", "checkpoint": "ckpt"}
    del content["pool"]
    found = refused(tmp_path / "inner", content)
    place = "a URI, or an absolute path in a shared folder (--shared, on Kubernetes --volume)"
    assert found == [
        f"far.yaml:8: sources.r.uri: got '/data/images', which the cluster cannot reach; "
        f"expected {place}",
        f"far.yaml:14: generators.p.checkpoint: got 'ckpt', which the cluster cannot reach; "
        f"expected {place}",
        f"far.yaml:21: output.uri: got 'out', which the cluster cannot reach; expected {place}",
        f"far.yaml:23: classes.file: got '../classes.txt', which the cluster cannot reach; "
        f"expected a file in the job's own folder, which travels with it, {place}",
        f"far.yaml:2: pool: got nothing, which is a folder beside the job file; expected {place}",
    ]


def test_a_shared_folder_is_reached_by_absolute_paths_alone(tmp_path: Path) -> None:
    content = document(output={"uri": str(tmp_path / "out")})
    assert list(bundled(tmp_path, content, shared=[str(tmp_path)]).files) == ["job.yaml"]
    assert len(refused(tmp_path, content, shared=[str(tmp_path / "ou")])) == 1
    assert len(refused(tmp_path, document(output={"uri": "out"}), shared=[str(tmp_path)])) == 1


def test_memory_is_no_place_for_a_cluster(tmp_path: Path) -> None:
    assert refused(tmp_path, document(pool="memory://p")) == [
        "far.yaml:21: pool: got 'memory://p'; expected a place outside a process"
    ]


def test_a_secret_that_is_written_out_is_refused_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("S3_SECRET", "x")
    good = {"s3": {"key": "${S3_KEY}", "secret": "${S3_SECRET}", "endpoint_url": "http://s"}}
    monkeypatch.setenv("S3_KEY", "y")
    bundle = bundled(tmp_path, document(execution={"storage_options": good}))
    assert bundle.variables == ("S3_KEY", "S3_SECRET")
    bad = {"s3": {"key": "${S3_KEY}", "secret": "hunter2"}}
    (found,) = refused(tmp_path, document(execution={"storage_options": bad}))
    assert found == (
        "far.yaml: storage_options: secret: got a value that looks secret; expected a variable, "
        "${NAME}. The job travels as written: anybody who may list jobs could read it"
    )


def test_a_secret_in_the_execution_file_is_refused_too(tmp_path: Path) -> None:
    file = tmp_path / "more.yaml"
    file.write_text("storage_options: {s3: {client_kwargs: {aws_session_token: hunter2}}}\n")
    (found,) = refused(tmp_path, document(), execution=str(file))
    assert found.startswith("more.yaml: storage_options: aws_session_token: got a value that")
    with pytest.raises(RequestError) as caught:
        asked_of(
            str(written(tmp_path, document())),
            execution=None,
            overrides=["storage_options.s3.secret=hunter2"],
            shared=[],
        )
    assert str(caught.value) == (
        "--set storage_options.s3.secret: got storage options, which would stand in the cluster's "
        "list of jobs; expected them in the job file or in --execution FILE, secrets as ${NAME}"
    )


def test_a_file_that_is_too_large_for_travel(tmp_path: Path) -> None:
    (tmp_path / "map.csv").write_bytes(b"from,to\n" + b"x,a\n" * (MAX_BYTES // 4))
    content = document()
    content["sources"]["r"]["label_map"] = {"file": "map.csv"}
    (found,) = refused(tmp_path, content)
    assert found == (
        f"far.yaml:12: sources.r.label_map.file: got 'map.csv', with which more than {MAX_BYTES} "
        "bytes would travel; expected less. Name it by a URI"
    )


def test_a_name_that_is_taken(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text("x: a\n")
    content = document()
    content["sources"]["r"]["label_map"] = {"file": "job.yaml"}
    (found,) = refused(tmp_path, content)
    assert found.endswith("label_map.file: got 'job.yaml'; expected another name: it is taken")


def test_the_local_engine_is_no_cluster(tmp_path: Path) -> None:
    path = str(written(tmp_path, document(execution={"engine": "local"})))
    with pytest.raises(SpecError, match=r"execution\.address: got 'auto', which has no effect"):
        asked_of(path, execution=None, overrides=[], shared=[])


def test_a_bundle_laid_out(tmp_path: Path) -> None:
    bundle = Bundle("job.yaml", None, {"job.yaml": b"x", "in/c.txt": b"y"}, ())
    write_bundle(bundle, tmp_path / "plain", with_code=False)
    assert (tmp_path / "plain/job/in/c.txt").read_bytes() == b"y"
    assert {p.name for p in (tmp_path / "plain/job").iterdir()} == {"job.yaml", "in"}
    write_bundle(bundle, tmp_path / "whole", with_code=True)
    assert (tmp_path / "whole/augment/submit/again.py").is_file()
    assert (tmp_path / "whole/augment/spec/albumentations_ops.json").is_file()
    assert not list((tmp_path / "whole").rglob("__pycache__"))


@pytest.mark.parametrize("name", ["sitecustomize.py", "yaml.py", "augment/__init__.py"])
def test_a_file_that_travels_is_data_whatever_it_is_named(tmp_path: Path, name: str) -> None:
    """Ray puts the folder that travels first on the search path of the cluster's processes."""
    mark, folder = tmp_path / "mark", tmp_path / "travels"
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(f"open({str(mark)!r}, 'w').close()\n")
    real = {k: v for k, v in document().items() if k not in {"generators", "synthesize", "pool"}}
    bundle = bundled(tmp_path, {**real, "classes": {"file": name}})
    write_bundle(bundle, folder, with_code=True)
    read = "from pathlib import Path; from augment.spec import load_spec as s; s('job/job.yaml')"
    for path, ran in ((folder, False), (folder / "job", True)):
        env = {**os.environ, "PYTHONPATH": str(path)}
        command = [sys.executable, "-P", "-c", read]
        done = subprocess.run(command, cwd=folder, env=env, check=False, capture_output=True)
        assert mark.exists() == ran, done.stderr


def test_a_password_in_an_endpoint_never_travels(tmp_path: Path) -> None:
    """A URL with one is refused before anything is laid out, wherever it stands."""
    options = {"s3": {"endpoint_url": "http://u:hunter2@h/"}}
    (found,) = refused(tmp_path, document(execution={"storage_options": options}))
    assert "execution.storage_options.s3.endpoint_url: got 'http://***@h/': credentials" in found
    file = tmp_path / "more.yaml"
    file.write_text("storage_options: {s3: {endpoint_url: 'http://u:hunter2@h/'}}\n")
    path = str(written(tmp_path, document()))
    with pytest.raises(SpecError) as caught:
        asked_of(path, execution=str(file), overrides=[], shared=[])
    assert "endpoint_url: got 'http://***@h/': credentials" in str(caught.value)
    assert "hunter2" not in f"{found}{caught.value}"


def test_the_command() -> None:
    bundle = Bundle("job.json", "execution.yaml", {}, ())
    assert entrypoint_of(bundle, overrides=["address=auto", "a=b c"]) == (
        "python -P -m augment run job.json --execution execution.yaml --set address=auto "
        "--set 'a=b c'"
    )
    assert entrypoint_of(bundle, despite_limits=True).endswith(" --despite-limits")
    again = entrypoint_of(
        Bundle("job.yaml", None, {}, ()), folder="/etc/job/", retries=Retries(attempts=5)
    )
    assert again == (
        "python -P -m augment.submit.again --attempts 5 --pause 15 --longest 600 -- "
        "run /etc/job/job.yaml"
    )


@pytest.mark.parametrize("way", ["a link", "a chain", "a folder", "a folder above it"])
def test_no_link_takes_what_lies_outside_along(tmp_path: Path, way: str) -> None:
    """What travels can be read by everybody who may list the cluster's jobs."""
    job, secret = tmp_path / "job", tmp_path / "elsewhere/id_rsa"
    (job / "lists").mkdir(parents=True)
    secret.parent.mkdir()
    secret.write_text("PRIVATE KEY\n")
    file = "lists/names.txt"
    match way:
        case "a link":
            (job / file).symlink_to(secret)
        case "a chain":
            (job / "inside.txt").symlink_to("../elsewhere/id_rsa")
            (job / file).symlink_to("../inside.txt")
        case "a folder":
            (job / "more").symlink_to(secret.parent)
            file = "more/id_rsa"
        case "a folder above it":
            (job / "up").symlink_to("..")
            file = "up/elsewhere/id_rsa"
    found = refused(job, document(classes={"file": file}))
    assert found == [
        f"far.yaml:25: classes.file: got '{file}', a link to {secret}; expected a file in {job}. "
        "Copy it there, or name it by a URI"
    ]


def test_links_within_the_jobs_folder_travel(tmp_path: Path) -> None:
    """Also where the folder itself is reached by a link."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real/v2.txt").write_text("a\n")
    (tmp_path / "real/names.txt").symlink_to("v2.txt")
    (tmp_path / "named").symlink_to("real")
    bundle = bundled(tmp_path / "named", document(classes={"file": "names.txt"}))
    assert bundle.files["names.txt"] == b"a\n"
