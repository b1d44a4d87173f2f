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
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-of-tests-and-of-nothing-else"
_PORTS = (
    "port", "dashboard-port", "dashboard-agent-listen-port", "dashboard-agent-grpc-port",
    "ray-client-server-port", "runtime-env-agent-port", "metrics-export-port",
)  # fmt: skip


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


@pytest.fixture(scope="package")
def head() -> Iterator[Head]:
    folder = tempfile.mkdtemp(prefix="r-", dir="/tmp")  # a socket's path is short
    ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
    given = [f"--{name}={port}" for name, port in ports.items()]
    env = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    env |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "PYTHONPATH": str(ROOT)}
    log = open(f"{folder}/head.log", "w")  # noqa: SIM115 - the process writes there to its end
    ray = subprocess.Popen(
        [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block",
         "--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1", "--num-cpus=4",
         "--object-store-memory=150000000", f"--temp-dir={folder}", "--min-worker-port=0",
         "--max-worker-port=0", "--disable-usage-stats", *given],
        env=env, stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{ports['dashboard-port']}"
        wait_until_it_answers(url, ray, Path(log.name))
        yield Head(url, f"127.0.0.1:{ports['port']}")
    finally:
        end(ray)
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def wait_until_it_answers(url: str, ray: subprocess.Popen[bytes], log: Path) -> None:
    """`api/gcs_healthz` needs no token."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        assert ray.poll() is None, log.read_text()[-3000:]
        try:
            with urllib.request.urlopen(f"{url}/api/gcs_healthz", timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"{url} did not answer: {log.read_text()[-3000:]}")


def end(ray: subprocess.Popen[bytes]) -> None:
    """SIGTERM, then SIGKILL, to the processes of the session that was started here alone."""
    for number, patience_s in ((signal.SIGTERM, 10), (signal.SIGKILL, 30)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(ray.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            ray.wait(patience_s)
