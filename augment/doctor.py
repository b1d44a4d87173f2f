"""What a machine has and what its operator allows, and where machines that should be alike
are not. A machine is asked without importing torch or ray. Facts are plain JSON values, because
they come from nodes that may run another version. Knows nothing of Ray:
`run.engines.ray_nodes` asks the nodes of a cluster.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any, Literal

from augment import __version__
from augment.errors import AugmentError, SpecError
from augment.policy import read_policy
from augment.storage.node_cache import node_cache

Facts = dict[str, Any]
_LITTLE_DISK = 1 << 30
_ASK_S = 20
_IMAGE_LIBRARIES = ("pillow", "simplejpeg", "pillow-heif")
"""They decide pixels, and which formats a node can read."""


@dataclass(frozen=True)
class Finding:
    """level: `wrong` makes the exit code 1, `note` does not."""

    level: Literal["wrong", "note"]
    text: str


def this_machine() -> Facts:
    """The facts of the machine that this runs on."""
    scratch = tempfile.gettempdir()
    return {
        "host": socket.gethostname(),
        "versions": {
            "augment": __version__,
            "python": platform.python_version(),
            "ray": _version("ray"),
            "torch": _version("torch"),
            **{name: _version(name) for name in _IMAGE_LIBRARIES},
        },
        "cpus": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpus": _gpus(),
        "disk": {"folder": scratch, "free_bytes": shutil.disk_usage(scratch).free},
        "policy": _policy(),
        "cache": _cache(),
    }


def findings(nodes: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """What is wrong on one node, and in what nodes differ. A node that could not be asked has
    `host` and `error` alone; that there is none is wrong too, for nothing was looked at."""
    if not nodes:
        return [Finding("wrong", "no node was asked: the cluster has none")]
    found = [
        Finding("wrong", f"{n['host']}: could not be asked: {n['error']}")
        for n in nodes
        if "error" in n
    ]
    told = [n for n in nodes if "error" not in n]
    for node in told:
        found += _of_one(node)
    for what in ("augment", "python", "ray", "torch", *_IMAGE_LIBRARIES):
        found += _differ(told, f"{what} versions", lambda n, w=what: n["versions"].get(w))
    found += _differ(told, "policies", _policy_name)
    found += _differ(told, "kinds of GPU", lambda n: ", ".join(sorted(set(n["gpus"]))), "note")
    return found


def _of_one(node: Mapping[str, Any]) -> list[Finding]:
    found = []
    if "error" in node["policy"]:
        found.append(Finding("wrong", f"{node['host']}: {node['policy']['error']}"))
    if "error" in node.get("cache", {}) and "error" not in node["policy"]:
        found.append(Finding("wrong", f"{node['host']}: {node['cache']['error']}"))
    free = node["disk"]["free_bytes"]
    if free < _LITTLE_DISK:
        text = f"{node['host']}: {free / 1e9:.1f} GB free in {node['disk']['folder']}"
        found.append(Finding("note", f"{text}: little for what Ray spills there"))
    return found


def _differ(
    nodes: Sequence[Mapping[str, Any]],
    what: str,
    of: Any,
    level: Literal["wrong", "note"] = "wrong",
) -> list[Finding]:
    """One finding where nodes have several of it: which, and on which nodes."""
    hosts: dict[str, list[str]] = {}
    for node in nodes:
        hosts.setdefault(of(node) or "none", []).append(node["host"])
    if len(hosts) < 2:
        return []
    parts = "; ".join(f"{value} on {_some(names)}" for value, names in sorted(hosts.items()))
    return [Finding(level, f"nodes have different {what}: {parts}")]


def _some(names: Sequence[str]) -> str:
    rest = len(names) - 5
    return ", ".join(names[:5]) + (f" and {rest} more" if rest > 0 else "")


def _policy_name(node: Mapping[str, Any]) -> str:
    policy = node["policy"]
    if "error" in policy:
        return "one that cannot be read"
    digest = policy["sha256"]
    return "no file" if digest is None else f"sha256 {digest[:12]}"


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _gpus() -> list[str]:
    """The kinds, one name a GPU, as the driver's own tool says; none where it is missing."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    command = [tool, "--query-gpu=name", "--format=csv,noheader"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in said.stdout.splitlines() if line.strip()]


def _cache() -> Facts:
    """Of checkpoints: where it lies and what it holds."""
    try:
        return asdict(node_cache().state())
    except AugmentError as error:
        return {"error": str(error)}


def _policy() -> Facts:
    try:
        policy = read_policy()
    except SpecError as error:
        return {"error": str(error)}
    rules = policy.rules.model_dump(mode="json")
    return {"path": policy.path, "sha256": policy.sha256, "rules": rules}
