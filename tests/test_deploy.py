"""The files of deploy/, as far as they can be judged without a container or a cluster."""

from __future__ import annotations

import fnmatch
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from augment import __version__
from augment.cli import main, parser
from augment.policy import PATH, VARIABLE, read_policy
from tests.submit.kuberay import check_cluster, problems, templates

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
IMAGES = sorted(DEPLOY.glob("Dockerfile.*"))
PART_OF = {"app.kubernetes.io/part-of": "augment"}


def instructions(path: Path) -> list[tuple[str, str]]:
    """(instruction, rest) of each, continued lines joined, comments left out."""
    lines = [x for x in path.read_text().splitlines() if not x.strip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    pairs = [line.split(None, 1) for line in joined.splitlines() if line.strip()]
    return [(name, " ".join(rest.split())) for name, rest in pairs]


def constraint(package: str) -> str:
    found = re.search(rf"^{package}==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert found, package
    return found[1]


def loaded(name: str) -> Any:
    (document,) = yaml.safe_load_all((DEPLOY / name).read_text())
    return document


def test_there_are_two_images() -> None:
    assert [p.name for p in IMAGES] == ["Dockerfile.cpu", "Dockerfile.gpu"]


@pytest.mark.parametrize("path", IMAGES, ids=lambda p: p.suffix)
class TestImage:
    def test_the_base_is_pinned_and_what_builds_does_not_run(self, path: Path) -> None:
        bases = [rest for name, rest in instructions(path) if name == "FROM"]
        assert bases == ["python:3.11.13-slim-bookworm AS build", "python:3.11.13-slim-bookworm"]

    def test_it_is_installed_as_it_was_tested(self, path: Path) -> None:
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
            "optional-dependencies"
        ]
        run = next(r for n, r in instructions(path) if n == "RUN" and "pip install" in r)
        installs = re.findall(r"pip install ([^&]*)", run)
        assert all("-c constraints.txt" in i and "--no-cache-dir" in i for i in installs)
        named = re.search(r"'\.\[([a-z0-9,]+)\]'", run)
        assert named
        assert set(named[1].split(",")) <= set(extras)
        assert "cluster" in named[1]

    def test_nobody_is_root_and_the_policy_is_root_s(self, path: Path) -> None:
        steps = instructions(path)
        last = len(steps) - 1 - [name for name, _ in steps][::-1].index("FROM")
        final = steps[last:]
        user = final.index(("USER", "1000:1000"))
        policy = final.index(("COPY", f"--chmod=0644 deploy/policy.yaml {PATH}"))
        assert policy < user
        assert not [step for step in final[user:] if step[0] in ("COPY", "RUN", "USER")][1:]

    def test_it_asks_itself_whether_it_is_well(self, path: Path) -> None:
        check = next(rest for name, rest in instructions(path) if name == "HEALTHCHECK")
        assert check.endswith('CMD ["augment", "doctor"]')

    def test_what_it_copies_is_there_and_not_ignored(self, path: Path) -> None:
        allowed = [
            line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"
        ]
        for name, rest in instructions(path):
            words = [w for w in rest.split() if not w.startswith("--")]
            if name != "COPY" or "--from=build" in rest:
                continue
            for source in words[:-1]:
                assert (ROOT / source).exists(), source
                assert any(fnmatch.fnmatch(source, pattern) for pattern in allowed), source


def test_the_cluster_that_stays() -> None:
    cluster = loaded("raycluster.yaml")
    assert (cluster["apiVersion"], cluster["kind"]) == ("ray.io/v1", "RayCluster")
    spec = cluster["spec"]
    assert problems("RayCluster", spec) == []
    check_cluster(spec)
    assert spec["rayVersion"] == constraint("ray")
    assert spec["authOptions"] == {"mode": "token", "secretName": "augment-token"}
    assert spec["enableInTreeAutoscaling"] is True
    assert spec["headGroupSpec"]["serviceType"] == "ClusterIP"
    assert "enableIngress" not in spec["headGroupSpec"]


def test_gpu_workers_come_and_go_and_may_be_taken() -> None:
    groups = {g["groupName"]: g for g in loaded("raycluster.yaml")["spec"]["workerGroupSpecs"]}
    gpu = groups["gpu-workers"]
    assert (gpu["minReplicas"], gpu["maxReplicas"]) == (0, 16)
    pod = gpu["template"]["spec"]
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert {t["key"] for t in pod["tolerations"]} == {
        "nvidia.com/gpu", "cloud.google.com/gke-spot", "kubernetes.azure.com/scalesetpriority",
    }  # fmt: skip
    assert "tolerations" not in groups["cpu-workers"]["template"]["spec"]


def test_images_have_the_name_of_this_version() -> None:
    found = [
        container["image"]
        for template in templates(loaded("raycluster.yaml")["spec"])
        for container in template["spec"]["containers"]
    ]
    assert set(found) == {f"augment:{__version__}-cpu", f"augment:{__version__}-gpu"}


def test_the_rendered_job_is_what_the_command_renders(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "empty.yaml").write_text("{}")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "empty.yaml"))
    text = (DEPLOY / "rayjob.yaml").read_text()
    command = re.search(r"`augment (submit [^`]+)`", text.replace("\n# ", " "))
    assert command
    arguments = [str(ROOT / w) if w == "deploy/job.yaml" else w for w in command[1].split()]
    assert main(arguments) == 0
    assert "".join(re.findall(r"^(?!#).*\n", text, re.MULTILINE)) == capsys.readouterr().out
    config, job = yaml.safe_load_all(text)
    assert config["data"]["job.yaml"] == (DEPLOY / "job.yaml").read_text()
    assert problems("RayJob", job["spec"]) == []
    check_cluster(job["spec"]["rayClusterSpec"])


def test_the_policy_is_one_and_the_first_job_is_within_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = read_policy({VARIABLE: str(DEPLOY / "policy.yaml")})
    assert policy.rules.limits.gpus == 64
    monkeypatch.setenv(VARIABLE, str(DEPLOY / "policy.yaml"))
    assert main(["validate", str(DEPLOY / "job.yaml"), "--skip-sources"]) == 0
    assert capsys.readouterr().out.endswith("job.yaml: ok; not looked at: real\n")


def test_the_network_policy_closes_what_the_clusters_open() -> None:
    policy = loaded("networkpolicy.yaml")
    assert (policy["apiVersion"], policy["kind"]) == ("networking.k8s.io/v1", "NetworkPolicy")
    spec = policy["spec"]
    assert spec["podSelector"]["matchLabels"] == PART_OF
    assert spec["policyTypes"] == ["Ingress"]
    _, job = yaml.safe_load_all((DEPLOY / "rayjob.yaml").read_text())
    pods = [
        *templates(loaded("raycluster.yaml")["spec"]),
        *templates(job["spec"]["rayClusterSpec"]),
        job["spec"]["submitterPodTemplate"],
    ]
    assert all(PART_OF.items() <= pod["metadata"]["labels"].items() for pod in pods)
    first, *others = spec["ingress"]
    assert first["from"] == [{"podSelector": {"matchLabels": PART_OF}}]
    assert [p["port"] for rule in others for p in rule["ports"]] == [8265, 8080, 9464]


def test_every_command_of_the_readme_is_one() -> None:
    text = (DEPLOY / "README.md").read_text()
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    commands = [
        shlex.split(line, comments=True)[1:]
        for block in blocks
        for line in block.splitlines()
        if line.startswith("augment ")
    ]
    assert len(commands) >= 7
    for command in commands:
        parser().parse_args(command)


def test_the_readme_names_every_file() -> None:
    text = (DEPLOY / "README.md").read_text()
    for path in filter(Path.is_file, DEPLOY.iterdir()):
        assert path.name == "README.md" or f"`{path.name}`" in text, path.name
