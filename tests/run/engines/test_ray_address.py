"""Whom Ray is told to reach, where no job file stands before it: nothing is imported for an
address, and nobody is reached that the operator's policy does not allow."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from augment.cli import main
from augment.errors import RequestError, SpecError
from augment.policy import VARIABLE
from augment.run.engines.ray_engine import RayEngine, allowed_address
from augment.run.engines.ray_nodes import ask_nodes
from augment.submit.jobs_api import Cluster

ODD = ["evilmod://x", "evilmod://head:1", "ray://127.0.0.1:10001", "http://head:8265", "local", "x"]


@pytest.fixture(autouse=True)
def evil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module on the search path that leaves a mark where anybody imports it."""
    (tmp_path / "evilmod.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w').close()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return tmp_path / "mark"


def test_the_mark_shows_an_import(evil: Path) -> None:
    import evilmod  # type: ignore[import-not-found]  # noqa: F401

    assert evil.exists()
    del sys.modules["evilmod"]


@pytest.mark.parametrize("address", ODD)
def test_an_engine_takes_no_other_address(address: str, evil: Path) -> None:
    for reach in (RayEngine, ask_nodes):
        with pytest.raises(RequestError) as refused:
            reach(address)
        assert str(refused.value).startswith(f"address: got {address!r}")
        assert "expected auto or HOST:PORT" in str(refused.value)
    assert main(["doctor", "--address", address]) == 2
    assert not evil.exists()


@pytest.mark.parametrize("named", ["evilmod://x", "ray://127.0.0.1:10001", "http://head:8265", "x"])
def test_nor_one_of_the_environment(
    named: str, evil: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray itself takes RAY_ADDRESS for `auto`."""
    monkeypatch.setenv("RAY_ADDRESS", named)
    with pytest.raises(RequestError) as refused:
        RayEngine("auto")
    assert str(refused.value).startswith(f"RAY_ADDRESS in the environment: got {named!r}")
    assert not evil.exists()


def test_what_ray_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    assert allowed_address(None) is None
    assert allowed_address("auto") == "auto"
    assert allowed_address("HEAD:6379") == "head:6379"
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert allowed_address("auto") == "10.0.0.1:6379"
    assert allowed_address("head:6379") == "head:6379"
    assert allowed_address(None) is None
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    assert allowed_address("auto") == "auto"


def test_the_policy_lists_whom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("allowed_addresses: [auto, 'ray://head:10001', 'http://head:8265']\n")
    monkeypatch.setenv(VARIABLE, str(policy))
    assert allowed_address("ray://head:10001") == "ray://head:10001"
    with pytest.raises(RequestError, match="'head:6379', where this machine lets nobody go"):
        RayEngine("head:6379")
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")  # where this machine's own cluster is
    assert allowed_address("auto") == "10.0.0.1:6379"
    monkeypatch.setenv("RAY_ADDRESS", "ray://other:10001")
    with pytest.raises(
        RequestError, match="RAY_ADDRESS in the environment: got 'ray://other:10001'"
    ):
        RayEngine("auto")
    with pytest.raises(
        RequestError, match="--address: got 'http://other:8265', where this machine"
    ):
        Cluster("http://other:8265")
    policy.write_text("allowed_addresses: []\n")
    for none in ("auto", "head:6379"):
        with pytest.raises(RequestError, match="lets nobody go; expected none"):
            RayEngine(none)
    policy.write_text("nonsense: 1\n")
    for address in ("auto", None):
        with pytest.raises(SpecError, match="nonsense: got an unknown key"):
            RayEngine(address)


@pytest.mark.parametrize(
    "address",
    ["evilmod://x", "auto", "head:8265", "ray://head:1", "http://u:hunter2@head", "http://head?x"],
)
def test_a_jobs_api_is_an_http_url(
    address: str, evil: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RequestError) as refused:
        Cluster(address, "token")
    assert "expected the cluster's dashboard, for example http://HEAD:8265" in str(refused.value)
    assert "hunter2" not in str(refused.value)
    for verb in (
        ["jobs", "list"],
        ["logs", "x-1"],
        ["stop", "x-1"],
        ["jobs", "show", "x-1"],
        ["status", "x"],
    ):
        assert main([*verb, "--address", address]) == 2
    assert "hunter2" not in capsys.readouterr().err
    assert not evil.exists()
