"""A real Ray head with token authentication, as a process of this test session."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-of-tests-and-of-nothing-else"
_OF_NODES = (
    "dashboard-agent-listen-port", "dashboard-agent-grpc-port", "runtime-env-agent-port",
    "metrics-export-port",
)  # fmt: skip
_STARTS = 3
_OF_HEADS = ("port", "dashboard-port", "ray-client-server-port")


@dataclass(frozen=True)
class Head:
    url: str
    """Of its Jobs API."""
    address: str
    """Of the cluster, for a driver."""


def free_ports(n: int) -> list[int]:
    """Above 20000: Ray's own workers take what lies below."""
    taken = []
    while len(taken) < n:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port > 20000 and port not in taken:
            taken.append(port)
    return taken


Ready = Callable[[str, Mapping[str, int]], bool]
"""(what a node has said, its ports) -> whether it can be used."""


class NodeEndedError(AssertionError):
    """A node has ended by itself."""


@contextlib.contextmanager
def node(
    log: Path, kinds: Sequence[str], arguments: Sequence[str], env: Mapping[str, str], ready: Ready
) -> Iterator[dict[str, int]]:
    """A node as a process, once it is ready; its ports by name. Ray itself gives a start up where
    a process of its own was late (the agent of a raylet after 15 s, which no setting changes): it
    is then started again, on other ports."""
    mine = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    mine |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "PYTHONPATH": str(ROOT), **env}
    mine |= {"RAY_memory_monitor_refresh_ms": "0", "RAY_worker_niceness": "0"}
    mine |= {"RAY_raylet_start_wait_time_s": "120"}
    for left in reversed(range(_STARTS)):
        ports = dict(zip(kinds, free_ports(len(kinds)), strict=True))
        process = _start([*(f"--{name}={port}" for name, port in ports.items()), *arguments],
                         mine, log)  # fmt: skip
        try:
            if _is_ready(process, log, ports, ready, last=not left):
                yield ports
                return
        finally:
            end(process)


def _start(arguments: Sequence[str], env: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("w") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", "start", "--block",
             "--node-ip-address=127.0.0.1", "--object-store-memory=150000000",
             "--min-worker-port=0", "--max-worker-port=0", "--disable-usage-stats", *arguments],
            env=env, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip


def _is_ready(
    ray: subprocess.Popen[bytes], log: Path, ports: Mapping[str, int], ready: Ready, *, last: bool
) -> bool:
    """Once it is; False where it has ended. Raises: NodeEndedError, where it was the last one."""
    try:
        return wait_until(lambda: ready(said(ray, log), ports), every_s=0.5)
    except NodeEndedError:
        if last:
            raise
        return False


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    folder = tempfile.mkdtemp(prefix="r-", dir="/tmp")  # a socket's path is short
    given = ["--head", "--dashboard-host=127.0.0.1", "--num-cpus=4", f"--temp-dir={folder}"]
    try:
        kinds = (*_OF_HEADS, *_OF_NODES)
        with node(Path(folder) / "head.log", kinds, given, {}, _answers) as ports:
            url = f"http://127.0.0.1:{ports['dashboard-port']}"
            yield Head(url, f"127.0.0.1:{ports['port']}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def another_node(head: Head, tmp_path: Path) -> Iterator[Path]:
    """A second node of the same cluster, with a policy of its own; the policy's path."""
    policy, log = tmp_path / "policy.yaml", tmp_path / "node.log"
    policy.write_text("limits: {gpus: 1}\n")
    given = [f"--address={head.address}", "--num-cpus=1"]
    env = {"AUGMENT_POLICY": str(policy)}
    with node(log, _OF_NODES, given, env, lambda text, _: "Ray runtime started" in text):
        yield policy


def _answers(text: str, ports: Mapping[str, int]) -> bool:
    """`api/gcs_healthz` needs no token."""
    url = f"http://127.0.0.1:{ports['dashboard-port']}/api/gcs_healthz"
    try:
        with urllib.request.urlopen(url, timeout=30):
            return True
    except OSError:
        return False


def said(ray: subprocess.Popen[bytes], log: Path) -> str:
    """What a node has said up to now. Raises: NodeEndedError."""
    text = log.read_text()
    if ray.poll() is not None:
        raise NodeEndedError(text[-3000:])
    return text


def end(ray: subprocess.Popen[bytes]) -> None:
    """SIGTERM, then SIGKILL, to the processes of the session that was started here alone."""
    for number, patience_s in ((signal.SIGTERM, 5), (signal.SIGKILL, 30)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(ray.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            ray.wait(patience_s)
