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
from collections.abc import Iterator, Mapping, Sequence
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


@contextlib.contextmanager
def node(
    log: Path, kinds: Sequence[str], arguments: Sequence[str], env: Mapping[str, str]
) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, int]]]:
    """A node as a process, and its ports by name."""
    ports = dict(zip(kinds, free_ports(len(kinds)), strict=True))
    mine = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    mine |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "PYTHONPATH": str(ROOT), **env}
    mine |= {"RAY_memory_monitor_refresh_ms": "0", "RAY_worker_niceness": "0"}
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", "start", "--block",
             "--node-ip-address=127.0.0.1", "--object-store-memory=150000000",
             "--min-worker-port=0", "--max-worker-port=0", "--disable-usage-stats",
             *(f"--{name}={port}" for name, port in ports.items()), *arguments],
            env=mine, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
        try:
            yield process, ports
        finally:
            end(process)


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    folder = tempfile.mkdtemp(prefix="r-", dir="/tmp")  # a socket's path is short
    log = Path(folder) / "head.log"
    given = ["--head", "--dashboard-host=127.0.0.1", "--num-cpus=4", f"--temp-dir={folder}"]
    try:
        with node(log, (*_OF_HEADS, *_OF_NODES), given, {}) as (process, ports):
            url = f"http://127.0.0.1:{ports['dashboard-port']}"
            wait_until_it_answers(url, process, log)
            yield Head(url, f"127.0.0.1:{ports['port']}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def another_node(head: Head, tmp_path: Path) -> Iterator[Path]:
    """A second node of the same cluster, with a policy of its own; the policy's path."""
    policy, log = tmp_path / "policy.yaml", tmp_path / "node.log"
    policy.write_text("limits: {gpus: 1}\n")
    given = [f"--address={head.address}", "--num-cpus=1"]
    with node(log, _OF_NODES, given, {"AUGMENT_POLICY": str(policy)}) as (process, _):
        wait_until(lambda: "Ray runtime started" in said(process, log))
        yield policy


def wait_until_it_answers(url: str, ray: subprocess.Popen[bytes], log: Path) -> None:
    """`api/gcs_healthz` needs no token."""

    def answers() -> bool:
        said(ray, log)
        try:
            with urllib.request.urlopen(f"{url}/api/gcs_healthz", timeout=30):
                return True
        except OSError:
            return False

    wait_until(answers, every_s=0.5)


def said(ray: subprocess.Popen[bytes], log: Path) -> str:
    """What a node has said up to now; fails where it has ended."""
    text = log.read_text()
    assert ray.poll() is None, text[-3000:]
    return text


def end(ray: subprocess.Popen[bytes]) -> None:
    """SIGTERM, then SIGKILL, to the processes of the session that was started here alone."""
    for number, patience_s in ((signal.SIGTERM, 5), (signal.SIGKILL, 30)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(ray.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            ray.wait(patience_s)
