"""A job as Kubernetes objects for KubeRay: a ConfigMap with the bundle and a RayJob that brings
its own cluster, runs the job, and gives the nodes back.

The job is begun again inside the entrypoint, after exit code 3 alone: RayJob's own `backoffLimit`
would rebuild the whole cluster and repeat exit codes 1 and 2 as well. With Kueue the cluster has
one size from the start, because a queue admits a workload as a whole. Field names are those of
KubeRay 1.5 or later (`authOptions`). Plain values; applies nothing.
"""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from augment.errors import PlanError, Problem, RequestError
from augment.submit.bundle import Bundle
from augment.submit.entrypoint import Retries, entrypoint_of
from augment.submit.pods import JOB_FOLDER, PART_OF, Pods, head, submitter, worker
from augment.submit.sizing import Size

MAX_CONFIG_BYTES = 1_000_000
_LONGEST_NAME = 47
_FIVE = Retries(attempts=5)
_QUEUE_LABEL = "kueue.x-k8s.io/queue-name"


@dataclass(frozen=True)
class RayJobRequest:
    """job_id: name and digest of the request. ray_version: of the image. ttl_s: how long the
    pods stay after the end. token_secret: a Secret with the key `auth_token`; None: KubeRay makes
    one. overrides: laid over the job's `execution`. despite_limits: also where its plan breaks
    limits."""

    job_id: str
    bundle: Bundle
    size: Size
    pods: Pods
    ray_version: str
    namespace: str | None = None
    queue: str | None = None
    token_secret: str | None = None
    ttl_s: int = 60
    retries: Retries = _FIVE
    overrides: Sequence[str] = field(default_factory=tuple)
    despite_limits: bool = False

    @property
    def grows(self) -> bool:
        return self.queue is None and self.size.most > self.size.least


def objects_of(request: RayJobRequest) -> list[dict[str, Any]]:
    """The ConfigMap and the RayJob, in the order in which they are applied.

    Raises:
        PlanError, RequestError: what travels does not fit into a ConfigMap or a command.
    """
    name = name_of(request.job_id)
    return [_config_map(request, name), _ray_job(request, name)]


def name_of(job_id: str) -> str:
    """A name that Kubernetes allows; the digest at its end keeps it the request's own."""
    stem, _, digest = job_id.rpartition("-")
    plain = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-") or "job"
    if not plain[0].isalpha():
        plain = f"j-{plain}"
    return f"{plain[: _LONGEST_NAME - len(digest) - 1].rstrip('-')}-{digest}"


def _config_map(request: RayJobRequest, name: str) -> dict[str, Any]:
    bundle = request.bundle
    if bundle.size > MAX_CONFIG_BYTES:
        found = f"{bundle.size} bytes of files beside the job"
        hint = "A ConfigMap holds 1 MiB: put large files on storage and name them by URI"
        raise PlanError([Problem(bundle.job, found, f"at most {MAX_CONFIG_BYTES}", hint)])
    made: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(request, name),
    }
    for path, content in sorted(bundle.files.items()):
        try:
            made.setdefault("data", {})[_key(path)] = content.decode()
        except UnicodeDecodeError:
            encoded = base64.b64encode(content).decode()
            made.setdefault("binaryData", {})[_key(path)] = encoded
    return made


def _key(path: str) -> str:
    """A key holds no slash; the volume gives the file its name back."""
    key = re.sub(r"[^-._a-zA-Z0-9]", "_", path.replace("/", "__"))
    return key[-200:]


def _items(bundle: Bundle) -> list[dict[str, str]]:
    items = [{"key": _key(path), "path": path} for path in sorted(bundle.files)]
    if len({item["key"] for item in items}) < len(items):
        raise RequestError(
            "submit: two files beside the job have names that a ConfigMap cannot tell apart: "
            f"{', '.join(sorted(bundle.files))}; rename one"
        )
    return items


def _metadata(request: RayJobRequest, name: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": "augment", **PART_OF}
    if request.queue is not None:
        labels[_QUEUE_LABEL] = request.queue
    made: dict[str, Any] = {"name": name, "labels": labels}
    made["annotations"] = {"augment/request": request.job_id}
    if request.namespace is not None:
        made["namespace"] = request.namespace
    return made


def _ray_job(request: RayJobRequest, name: str) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "entrypoint": _entrypoint(request),
        "backoffLimit": 0,
        "shutdownAfterJobFinishes": True,
        "ttlSecondsAfterFinished": request.ttl_s,
        "submissionMode": "K8sJobMode",
        "submitterPodTemplate": submitter(request.pods),
        "rayClusterSpec": _cluster(request, name),
    }
    if request.queue is not None:
        spec["suspend"] = True
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": _metadata(request, name),
        "spec": spec,
    }


def _entrypoint(request: RayJobRequest) -> str:
    """KubeRay puts it into a shell command of its own, where quotes would be lost."""
    overrides = [*request.overrides, *_growth(request)]
    line = entrypoint_of(
        request.bundle,
        overrides=overrides,
        folder=f"{JOB_FOLDER}/",
        retries=request.retries,
        despite_limits=request.despite_limits,
    )
    if line != " ".join(shlex.split(line)):
        raise RequestError(
            f"--set: got {', '.join(request.overrides)}; expected values without spaces and "
            "quotes, which a RayJob's entrypoint loses. Write them into a file and name it with "
            "--execution"
        )
    return line


def _growth(request: RayJobRequest) -> list[str]:
    """What the cluster may grow to, in the words of the job's `execution`."""
    if not request.grows or any(o.startswith("autoscale") for o in request.overrides):
        return []
    node, most = request.size.node, request.size.most
    return [f"autoscale.cpus={most * node.cpus}", f"autoscale.gpus={most * node.gpus}"]


def _cluster(request: RayJobRequest, name: str) -> dict[str, Any]:
    auth = {"mode": "token"}
    if request.token_secret is not None:
        auth["secretName"] = request.token_secret
    volume = {"name": "job", "configMap": {"name": name, "items": _items(request.bundle)}}
    made: dict[str, Any] = {
        "rayVersion": request.ray_version,
        "authOptions": auth,
        "enableInTreeAutoscaling": request.grows,
        "headGroupSpec": head(request.pods, volume),
        "workerGroupSpecs": [_workers(request, volume)],
    }
    if request.grows:
        made["autoscalerOptions"] = {"idleTimeoutSeconds": 120, "upscalingMode": "Default"}
    return made


def _workers(request: RayJobRequest, volume: Mapping[str, Any]) -> dict[str, Any]:
    size = request.size
    least = size.least if request.grows else size.most
    return {
        "groupName": "gpu-workers" if size.node.gpus else "cpu-workers",
        "replicas": least,
        "minReplicas": least,
        "maxReplicas": size.most,
        "rayStartParams": {},
        "template": worker(request.pods, size.node, volume),
    }
