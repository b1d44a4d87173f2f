"""The pods of a cluster that is made for one job: head, workers, and the one that submits.

Nobody is root, nothing is mounted that is not needed, the dashboard answers inside the cluster
alone and asks for a token. Probes are written out as KubeRay would add them for this Ray, so
that they need no wget in the image. Plain values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from augment.submit.sizing import Node

JOB_FOLDER = "/etc/augment/job"
PART_OF = {"app.kubernetes.io/part-of": "augment"}
_SPOT = (
    {"key": "cloud.google.com/gke-spot", "value": "true"},
    {"key": "kubernetes.azure.com/scalesetpriority", "value": "spot"},
)
"""Taints that clouds put on nodes which can be taken away; EKS puts none."""
_HEAD = {"cpu": "2", "memory": "8Gi"}
_SUBMITTER = {"cpu": "500m", "memory": "1Gi"}
_USER = 1000
_AGENT_PORT = 52365


@dataclass(frozen=True)
class Pods:
    """env_secrets: Secrets whose keys are variables of every pod. node_selector: of workers.
    spot: whether workers may stand on nodes that can be taken away. worker_memory: as
    Kubernetes writes it. claims: folder -> the PersistentVolumeClaim that every pod of Ray sees
    there. metrics_port: where the run on the head answers Prometheus."""

    image: str
    worker_memory: str = "16Gi"
    service_account: str | None = None
    pull_secret: str | None = None
    env_secrets: tuple[str, ...] = ()
    node_selector: Mapping[str, str] = field(default_factory=dict)
    spot: bool = False
    claims: Mapping[str, str] = field(default_factory=dict)
    metrics_port: int | None = None


def head(pods: Pods, job: Mapping[str, Any]) -> dict[str, Any]:
    """The group of the head: the driver, and no actor. job: the volume of the bundle."""
    ports = [("gcs-server", 6379), ("dashboard", 8265), ("client", 10001), ("metrics", 8080)]
    container = _ray_container(pods, "ray-head", _HEAD)
    ports += [("run-metrics", pods.metrics_port)] if pods.metrics_port else []
    container["ports"] = [{"name": name, "containerPort": port} for name, port in ports]
    template = _template(pods, container, job)
    if pods.metrics_port:  # deploy/prometheus looks for it
        template["metadata"]["annotations"] = {"augment/metrics-port": str(pods.metrics_port)}
    return {
        "serviceType": "ClusterIP",
        "rayStartParams": {"num-cpus": "0", "dashboard-host": "0.0.0.0"},
        "template": template,
    }


def worker(pods: Pods, node: Node, job: Mapping[str, Any]) -> dict[str, Any]:
    """The template of a worker's pod."""
    resources = {"cpu": str(node.cpus), "memory": pods.worker_memory}
    if node.gpus:
        resources["nvidia.com/gpu"] = str(node.gpus)
    template = _template(pods, _ray_container(pods, "ray-worker", resources), job)
    spec = template["spec"]
    spec["automountServiceAccountToken"] = False
    if pods.node_selector:
        spec["nodeSelector"] = dict(pods.node_selector)
    tolerations = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    tolerations = tolerations if node.gpus else []
    if pods.spot:
        tolerations += [{**taint, "operator": "Equal", "effect": "NoSchedule"} for taint in _SPOT]
    if tolerations:
        spec["tolerations"] = tolerations
    return template


def submitter(pods: Pods) -> dict[str, Any]:
    """The template of the pod that hands the job to the head; KubeRay gives it its command."""
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": _pod_security(),
        "containers": [_container(pods, "ray-job-submitter", _SUBMITTER)],
    }
    return {"metadata": {"labels": dict(PART_OF)}, "spec": spec | _accounts(pods)}


def _template(pods: Pods, container: dict[str, Any], job: Mapping[str, Any]) -> dict[str, Any]:
    spec = {
        "securityContext": _pod_security(),
        "terminationGracePeriodSeconds": 60,
        "containers": [container],
        "volumes": [
            dict(job),
            {"name": "ray", "emptyDir": {}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "4Gi"}},
            *(
                {"name": f"shared-{n}", "persistentVolumeClaim": {"claimName": claim}}
                for n, claim in enumerate(pods.claims.values())
            ),
        ],
    }
    return {"metadata": {"labels": dict(PART_OF)}, "spec": spec | _accounts(pods)}


def _accounts(pods: Pods) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if pods.service_account is not None:
        found["serviceAccountName"] = pods.service_account
    if pods.pull_secret is not None:
        found["imagePullSecrets"] = [{"name": pods.pull_secret}]
    return found


def _pod_security() -> dict[str, Any]:
    return {
        "runAsNonRoot": True,
        "runAsUser": _USER,
        "runAsGroup": _USER,
        "fsGroup": _USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _ray_container(pods: Pods, name: str, resources: Mapping[str, str]) -> dict[str, Any]:
    container = _container(pods, name, resources)
    container["volumeMounts"] = [
        {"name": "job", "mountPath": JOB_FOLDER, "readOnly": True},
        {"name": "ray", "mountPath": "/tmp/ray"},
        {"name": "shm", "mountPath": "/dev/shm"},
        *({"name": f"shared-{n}", "mountPath": path} for n, path in enumerate(pods.claims)),
    ]
    container["env"] = [{"name": "RAY_JOB_STOP_WAIT_TIME_S", "value": "30"}]
    if pods.env_secrets:
        container["envFrom"] = [{"secretRef": {"name": secret}} for secret in pods.env_secrets]
    container["readinessProbe"] = _probe(delay_s=10, failures=10)
    container["livenessProbe"] = _probe(delay_s=30, failures=120)
    return container


def _container(pods: Pods, name: str, resources: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": name,
        "image": pods.image,
        "imagePullPolicy": "IfNotPresent",
        "resources": {"requests": dict(resources), "limits": dict(resources)},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _probe(*, delay_s: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": "/api/healthz", "port": _AGENT_PORT},
        "initialDelaySeconds": delay_s,
        "periodSeconds": 5,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }
