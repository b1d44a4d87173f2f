"""Objects judged by the published field names of KubeRay (tests/data/kuberay), and by the rules
that its operator checks beyond them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema

FIELDS = json.loads((Path(__file__).parents[1] / "data/kuberay/fields.json").read_text())


def problems(kind: str, spec: Any) -> list[str]:
    """What of the spec of a RayJob or RayCluster has no such name or another type."""
    schema = {"$ref": f"#/$defs/{kind}Spec", "$defs": FIELDS["$defs"]}
    found = jsonschema.Draft202012Validator(schema).iter_errors(spec)
    return [f"{e.json_path}: {e.message:.200}" for e in found]


def check_cluster(spec: dict[str, Any]) -> None:
    """Rules of ray-operator/controllers/ray/utils/validation.go that a schema cannot say."""
    assert problems("RayCluster", spec) == []
    assert tuple(map(int, spec["rayVersion"].split("."))) >= (2, 52)  # token authentication
    for group in spec["workerGroupSpecs"]:
        assert 0 <= group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    for template in templates(spec):
        check_pod(template["spec"])


def check_pod(pod: dict[str, Any]) -> None:
    """Nobody is root, mounts have volumes, requests are limits, Ray's containers are probed."""
    security = pod["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] > 0
    volumes = {volume["name"] for volume in pod["volumes"]}
    for container in pod["containers"]:
        assert {m["name"] for m in container["volumeMounts"]} <= volumes
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["resources"]["requests"] == container["resources"]["limits"]
        for probe in ("readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"] == {"path": "/api/healthz", "port": 52365}


def templates(spec: dict[str, Any]) -> list[dict[str, Any]]:
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    return [group["template"] for group in groups]
