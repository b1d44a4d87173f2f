"""`augment submit --target kuberay`: field by field against KubeRay's published names."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from augment.cli import main
from augment.spec import load_spec
from augment.spec.models import JobSpec
from augment.submit.rayjob import MAX_CONFIG_BYTES, name_of
from augment.submit.sizing import Node, size_of, wants_gpus
from tests.submit.kuberay import check_cluster, problems, templates
from tests.submit.test_bundle import document, written

Capture = pytest.CaptureFixture[str]
GIB = 1 << 30


def rendered(path: Path, capsys: Capture, *more: str) -> list[dict[str, Any]]:
    asked = ["submit", str(path), "--target", "kuberay", "--image", "reg/augment:1", "--dry-run"]
    assert main([*asked, *more]) == 0
    return list(yaml.safe_load_all(capsys.readouterr().out))


def refused(path: Path, capsys: Capture, *more: str, code: int = 2) -> str:
    assert main(["submit", str(path), *more]) == code
    return capsys.readouterr().err.strip().removeprefix("augment: ")


def gpu_job(folder: Path, gpus: float = 1, **replicas: int) -> Path:
    asks = {"resources": {"gpus": gpus}, "replicas": replicas}
    return written(folder, document(execution={"generators": {"p": asks}}))


def test_every_field_has_a_published_name(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/map.csv").write_text("from,to\nx,a\n")
    content = document(execution={"generators": {"p": {"replicas": {"max": 3}}}})
    content["sources"]["r"]["label_map"] = {"file": "in/map.csv"}
    path = written(tmp_path, content)
    config, job = rendered(
        path, capsys, "--namespace", "lab", "--queue", "team", "--service-account", "sa",
        "--token-secret", "tok", "--env-secret", "s3", "--image-pull-secret", "reg",
        "--gpus-per-node", "1", "--node-cpus", "8", "--node-memory", "32Gi",
        "--node-selector", "kind=a100", "--spot", "--ttl", "5", "--attempts", "2",
    )  # fmt: skip
    assert problems("RayJob", job["spec"]) == []
    check_cluster(job["spec"]["rayClusterSpec"])
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert set(job) == {"apiVersion", "kind", "metadata", "spec"}
    assert set(config) == {"apiVersion", "kind", "metadata", "data"}
    assert config["data"] == {"job.yaml": path.read_text(), "in__map.csv": "from,to\nx,a\n"}
    volume = templates(job["spec"]["rayClusterSpec"])[0]["spec"]["volumes"][0]
    assert volume["configMap"]["name"] == config["metadata"]["name"]
    assert volume["configMap"]["items"] == [
        {"key": "in__map.csv", "path": "in/map.csv"},
        {"key": "job.yaml", "path": "job.yaml"},
    ]


def test_the_checker_sees_a_wrong_name(tmp_path: Path, capsys: Capture) -> None:
    _, job = rendered(gpu_job(tmp_path), capsys)
    spec = job["spec"]
    spec["rayClusterSpec"]["workerGroupSpecs"][0]["template"]["spec"]["containers"][0]["imag"] = 1
    spec["suspended"] = True
    found = problems("RayJob", spec)
    assert len(found) == 2
    assert "'imag' was unexpected" in found[0] + found[1]
    assert "'suspended' was unexpected" in found[0] + found[1]


def test_what_a_queue_admits_has_one_size(tmp_path: Path, capsys: Capture) -> None:
    path = gpu_job(tmp_path, min=1, max=6)
    _, job = rendered(path, capsys, "--queue", "team")
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team"
    assert job["spec"]["suspend"] is True
    assert job["spec"]["shutdownAfterJobFinishes"] is True  # a suspended RayJob must say so
    cluster = job["spec"]["rayClusterSpec"]
    (group,) = cluster["workerGroupSpecs"]
    assert (group["minReplicas"], group["maxReplicas"]) == (6, 6)
    assert cluster["enableInTreeAutoscaling"] is False
    assert "autoscale" not in job["spec"]["entrypoint"]


def test_without_a_queue_it_grows_and_the_job_knows(tmp_path: Path, capsys: Capture) -> None:
    _, job = rendered(gpu_job(tmp_path, min=1, max=6), capsys, "--gpus-per-node", "2")
    cluster = job["spec"]["rayClusterSpec"]
    (group,) = cluster["workerGroupSpecs"]
    assert (group["groupName"], group["minReplicas"], group["maxReplicas"]) == ("gpu-workers", 1, 3)
    assert cluster["enableInTreeAutoscaling"] is True
    assert "suspend" not in job["spec"]
    assert job["spec"]["entrypoint"] == (
        "python -P -m augment.submit.again --attempts 5 --pause 15 --longest 600 -- run "
        "/etc/augment/job/job.yaml --set address=auto --set autoscale.cpus=12 "
        "--set autoscale.gpus=6"
    )


def test_kuberay_repeats_nothing_itself(tmp_path: Path, capsys: Capture) -> None:
    _, job = rendered(gpu_job(tmp_path), capsys)
    assert job["spec"]["backoffLimit"] == 0
    assert job["spec"]["ttlSecondsAfterFinished"] == 60


def test_gpus_and_spot_nodes_are_tolerated_by_workers_alone(
    tmp_path: Path, capsys: Capture
) -> None:
    _, job = rendered(gpu_job(tmp_path), capsys, "--spot", "--node-selector", "a/b=c")
    head, worker = (t["spec"] for t in templates(job["spec"]["rayClusterSpec"]))
    assert "tolerations" not in head
    assert "nodeSelector" not in head
    assert worker["nodeSelector"] == {"a/b": "c"}
    assert [t["key"] for t in worker["tolerations"]] == [
        "nvidia.com/gpu", "cloud.google.com/gke-spot", "kubernetes.azure.com/scalesetpriority",
    ]  # fmt: skip
    assert worker["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert worker["automountServiceAccountToken"] is False


def test_the_token_comes_from_a_secret(tmp_path: Path, capsys: Capture) -> None:
    path = gpu_job(tmp_path)
    _, job = rendered(path, capsys)
    assert job["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}
    _, job = rendered(path, capsys, "--token-secret", "tok", "--env-secret", "s3")
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token", "secretName": "tok"}
    for template in templates(cluster):
        (container,) = template["spec"]["containers"]
        assert container["envFrom"] == [{"secretRef": {"name": "s3"}}]


def test_no_value_of_a_variable_leaves(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("S3_SECRET", "hunter2")
    options = {"s3": {"secret": "${S3_SECRET}"}}
    path = written(tmp_path, document(execution={"storage_options": options}))
    asked = ["submit", str(path), "--target", "kuberay", "--image", "i", "--dry-run"]
    assert main(asked) == 0
    said = capsys.readouterr()
    assert "hunter2" not in said.out
    assert "${S3_SECRET}" in said.out
    assert said.err == "note: no --env-secret gives the pods S3_SECRET\n"


def test_a_volume_is_mounted_and_reached(tmp_path: Path, capsys: Capture) -> None:
    path = written(tmp_path, document(pool="/data/pool", output={"uri": "/data/out"}))
    _, job = rendered(path, capsys, "--volume", "claim:/data")
    check_cluster(job["spec"]["rayClusterSpec"])
    for template in templates(job["spec"]["rayClusterSpec"]):
        pod = template["spec"]
        assert {"name": "shared-0", "persistentVolumeClaim": {"claimName": "claim"}} in (
            pod["volumes"]
        )
        mounts = pod["containers"][0]["volumeMounts"]
        assert {"name": "shared-0", "mountPath": "/data"} in mounts
    assert "pool: got '/data/pool', which the cluster cannot reach" in refused(
        path, capsys, "--target", "kuberay", "--image", "i"
    )


@pytest.mark.parametrize(
    ("job_id", "name"),
    [
        ("far-0123456789ab", "far-0123456789ab"),
        ("A_long.Name-0123456789ab", "a-long-name-0123456789ab"),
        ("7up-0123456789ab", "j-7up-0123456789ab"),
        (f"{'x' * 64}-0123456789ab", f"{'x' * 34}-0123456789ab"),
    ],
)
def test_names_are_names_of_kubernetes(job_id: str, name: str) -> None:
    assert name_of(job_id) == name
    assert len(name) <= 47


# ---- what is refused -----------------------------------------------------------------


def test_options_of_the_other_way_are_refused(tmp_path: Path, capsys: Capture) -> None:
    path = gpu_job(tmp_path)
    assert refused(path, capsys) == (
        "submit: got neither; expected one of --address URL (a cluster that runs) and "
        "--target kuberay (one of its own)"
    )
    assert refused(path, capsys, "--target", "kuberay", "--wait") == (
        "submit: --wait has no effect with --target kuberay; leave it out"
    )
    assert refused(path, capsys, "--address", "http://h:1", "--queue", "q") == (
        "submit: --queue has no effect with --address; leave it out"
    )


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "submit: got no --image; expected one that has augment (see deploy/)"),
        (["--image", "i", "--node-memory", "16G"], "--node-memory: got '16G'; expected for "
         "example 16Gi"),
        (["--image", "i", "--node-cpus", "0"], "--node-cpus: got 0; expected at least 1"),
        (["--image", "i", "--attempts", "0"], "--attempts: got 0; expected at least 1"),
        (["--volume", "data"], "--volume: got 'data'; expected CLAIM:/FOLDER"),
        (["--image", "i", "--node-selector", "x"], "--node-selector: got 'x'; expected KEY=VALUE"),
        (["--image", "i", "--gpus-per-node", "0"], "execution.generators.p.resources.gpus: got 1 "
         "GPUs for one actor; expected at most 0. Raise --gpus-per-node, or ask for less"),
        (["--image", "i", "--set", "workers= 2"], "--set: got workers= 2, address=auto; expected "
         "values without spaces and quotes, which a RayJob's entrypoint loses. Write them into a "
         "file and name it with --execution"),
    ],
)  # fmt: skip
def test_what_cannot_be_rendered(
    tmp_path: Path, capsys: Capture, more: list[str], said: str
) -> None:
    assert refused(gpu_job(tmp_path), capsys, "--target", "kuberay", *more) == said


def test_a_kind_of_gpu_needs_nodes_that_have_it(tmp_path: Path, capsys: Capture) -> None:
    asks = {"resources": {"accelerator_type": "A100"}}
    path = written(tmp_path, document(execution={"generators": {"p": asks}}))
    assert refused(path, capsys, "--target", "kuberay", "--image", "i").startswith(
        "execution.generators.p.resources.accelerator_type: a cluster made for the job has it only "
        "on nodes that are chosen so: give --node-selector KEY=VALUE"
    )


def test_a_bundle_that_no_config_map_holds(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "map.csv").write_bytes(b"from,to\n" + b"x,a\n" * (MAX_CONFIG_BYTES // 4))
    content = document()
    content["sources"]["r"]["label_map"] = {"file": "map.csv"}
    path = written(tmp_path, content)
    assert refused(path, capsys, "--target", "kuberay", "--image", "i").endswith(
        f"bytes of files beside the job; expected at most {MAX_CONFIG_BYTES}. A ConfigMap holds "
        "1 MiB: put large files on storage and name them by URI"
    )


# ---- sizes ---------------------------------------------------------------------------


def spec_of(folder: Path, **execution: Any) -> JobSpec:
    return load_spec(written(folder, document(execution=execution))).spec


@pytest.mark.parametrize(
    ("asks", "node", "size"),
    [
        ({"resources": {"gpus": 1}, "replicas": {"min": 2, "max": 5}}, Node(8, GIB, 2), (1, 3)),
        ({"resources": {"gpus": 0.5}, "replicas": {"max": 5}}, Node(8, GIB, 1), (1, 3)),
        ({"resources": {"gpus": 0.4}, "replicas": {"max": 5}}, Node(8, GIB, 1), (1, 3)),
        ({"resources": {"gpus": 2}, "replicas": {"max": 5}}, Node(8, GIB, 5), (1, 3)),
        ({"resources": {"gpus": 0, "cpus": 3}, "replicas": {"max": 5}}, Node(8, GIB, 0), (1, 3)),
        ({"resources": {"memory": GIB}, "replicas": {"max": 5}}, Node(8, 2 * GIB, 0), (1, 3)),
        ({"replicas": {"max": 5}}, Node(8, GIB, 1), (1, 5)),
        ({"replicas": {"max": 5}}, Node(8, GIB, 0), (1, 1)),
    ],
)
def test_actors_are_packed_whole(
    tmp_path: Path, asks: dict[str, Any], node: Node, size: tuple[int, int]
) -> None:
    found = size_of(spec_of(tmp_path, generators={"p": asks}), node)
    assert (found.least, found.most) == size


def test_the_mix_asks_for_nodes_too(tmp_path: Path) -> None:
    found = size_of(spec_of(tmp_path, workers=16), Node(8, GIB, 0))
    assert (found.least, found.most) == (3, 3)


def test_who_wants_a_gpu(tmp_path: Path) -> None:
    assert not wants_gpus(spec_of(tmp_path))
    assert wants_gpus(spec_of(tmp_path, generators={"p": {"resources": {"gpus": 0.5}}}))
    content = document(generators={"v": {"family": "vae", "checkpoint": "s3://b/ckpt"}})
    content["synthesize"] = [{"generators": ["v"], "fill": {"to": 2}}]
    assert wants_gpus(load_spec(written(tmp_path, content)).spec)


# ---- kubectl -------------------------------------------------------------------------


def kubectl(folder: Path, script: str) -> str:
    """A program of that name that does as it is told; the search path to it."""
    program = folder / "bin/kubectl"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return f"{program.parent}:{os.defpath}"


def test_it_is_applied(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    script = f'cat > {tmp_path}/given; echo "$@" > {tmp_path}/asked; echo rayjob.ray.io/x created'
    monkeypatch.setenv("PATH", kubectl(tmp_path, script))
    path = gpu_job(tmp_path)
    assert main(["submit", str(path), "--target", "kuberay", "--image", "i", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    config, job = yaml.safe_load_all((tmp_path / "given").read_text())
    assert said == {"rayjob": job["metadata"]["name"], "said": ["rayjob.ray.io/x created"]}
    assert (tmp_path / "asked").read_text() == "apply -f -\n"
    assert config["kind"] == "ConfigMap"


def test_what_stands_already_is_said(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "echo rayjob.ray.io/$(grep -m1 -o 'far-[0-9a-f]*') unchanged"
    monkeypatch.setenv("PATH", kubectl(tmp_path, script))
    path = gpu_job(tmp_path)
    assert main(["submit", str(path), "--target", "kuberay", "--image", "i"]) == 0
    assert "it stands there already; to run it again: kubectl delete rayjob far-" in (
        capsys.readouterr().out
    )


def test_kubectl_that_fails_is_3(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "cat > /dev/null; echo 'the server is away' >&2; exit 1"
    monkeypatch.setenv("PATH", kubectl(tmp_path, script))
    more = ["--target", "kuberay", "--image", "i"]
    assert refused(gpu_job(tmp_path), capsys, *more, code=3) == (
        "kubectl apply: the server is away; mend it and submit again"
    )


def test_no_kubectl(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refused(gpu_job(tmp_path), capsys, "--target", "kuberay", "--image", "i") == (
        "submit: found no kubectl on the search path; install it, or write the objects with "
        "--dry-run and apply them elsewhere"
    )


def test_prometheus_finds_the_run_on_the_head(tmp_path: Path, capsys: Capture) -> None:
    _, plain = rendered(gpu_job(tmp_path), capsys)
    metrics = ["--set", "metrics.port=9464", "--set", "metrics.address=0.0.0.0"]
    _, told = rendered(gpu_job(tmp_path), capsys, *metrics)
    assert problems("RayJob", told["spec"]) == []
    head = told["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]
    assert head["metadata"]["annotations"] == {"augment/metrics-port": "9464"}
    assert {"name": "run-metrics", "containerPort": 9464} in head["spec"]["containers"][0]["ports"]
    unmarked = plain["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]
    assert "annotations" not in unmarked["metadata"]
    workers = told["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["template"]
    assert "annotations" not in workers["metadata"]
