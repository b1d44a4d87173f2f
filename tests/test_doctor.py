"""What machines have and allow, and where they are not alike."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import PIL
import pytest

from augment import __version__
from augment.cli import main
from augment.doctor import Finding, findings, this_machine
from augment.policy import VARIABLE
from tests.end_to_end.jobs import augment


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text("allow_code: ['a.b:C']\nlimits: {gpus: 4}\n")
    monkeypatch.setenv(VARIABLE, str(path))
    return path


def node(host: str, **changes: Any) -> dict[str, Any]:
    made = {
        "host": host,
        "versions": {"augment": "1", "python": "3.11.7", "ray": "2.60.0", "torch": "2.9"},
        "cpus": 4,
        "memory_bytes": 8 << 30,
        "gpus": ["A100"],
        "disk": {"folder": "/tmp", "free_bytes": 64 << 30},
        "policy": {"path": "/etc/p", "sha256": "ab" * 32, "rules": {}},
    }
    return copy.deepcopy(made) | changes


def versions(**changes: str | None) -> dict[str, Any]:
    return {**node("x")["versions"], **changes}


def test_this_machine(policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    facts = this_machine()
    assert facts["versions"]["augment"] == __version__
    assert facts["versions"]["pillow"] == PIL.__version__
    assert facts["cpus"] >= 1
    assert facts["memory_bytes"] > 1 << 28
    assert facts["policy"]["path"] == str(policy)
    assert facts["policy"]["rules"]["limits"]["gpus"] == 4
    assert len(facts["policy"]["sha256"]) == 64
    assert facts["cache"]["entries"] == 0
    assert facts["cache"]["max_bytes"] == facts["policy"]["rules"]["cache"]["max_bytes"]
    assert json.loads(json.dumps(facts)) == facts


def test_nodes_that_are_alike_are_well() -> None:
    assert findings([node("a"), node("b")]) == []


def test_a_cluster_without_nodes_is_not_well() -> None:
    assert [(f.level, f.text) for f in findings([])] == [
        ("wrong", "no node was asked: the cluster has none")
    ]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        (
            {"versions": versions(augment="2")},
            Finding("wrong", "nodes have different augment versions: 1 on a, b; 2 on c"),
        ),
        (
            {"versions": versions(torch=None)},
            Finding("wrong", "nodes have different torch versions: 2.9 on a, b; none on c"),
        ),
        (
            {"versions": versions(**{"pillow-heif": "1.8.1"})},
            Finding("wrong", "nodes have different pillow-heif versions: 1.8.1 on c; none on a, b"),
        ),
        (
            {"policy": {"path": "/etc/p", "sha256": None, "rules": {}}},
            Finding(
                "wrong", "nodes have different policies: no file on c; sha256 abababababab on a, b"
            ),
        ),
        (
            {"gpus": []},
            Finding("note", "nodes have different kinds of GPU: A100 on a, b; none on c"),
        ),
        (
            {"disk": {"folder": "/tmp", "free_bytes": 10**8}},
            Finding("note", "c: 0.1 GB free in /tmp: little for what Ray spills there"),
        ),
    ],
)
def test_a_node_that_differs_is_named(changes: dict[str, Any], found: Finding) -> None:
    assert findings([node("a"), node("b"), node("c", **changes)]) == [found]


def test_a_node_that_does_not_answer_is_wrong() -> None:
    silent = {"host": "b", "error": "no answer within 60 s"}
    assert findings([node("a"), silent]) == [
        Finding("wrong", "b: could not be asked: no answer within 60 s")
    ]


def test_many_nodes_are_counted() -> None:
    some = [node(f"n{i}") for i in range(7)]
    (found,) = findings([*some, node("x", versions=versions(ray="3"))])
    assert found.text == (
        "nodes have different ray versions: 2.60.0 on n0, n1, n2, n3, n4 and 2 more; 3 on x"
    )


def test_the_verb_tells_the_rules(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"node {this_machine()['host']}"
    assert f"  policy {policy}: sha256 {this_machine()['policy']['sha256']}" in said
    assert '    allow_code: ["a.b:C"]' in said
    assert said[-1] == "1 node"


def test_a_policy_that_cannot_be_read_is_1(
    policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy.write_text("nonsense: 1\n")
    assert main(["doctor", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False
    (finding,) = found["findings"]
    assert finding["level"] == "wrong"
    assert f"{policy}: nonsense: got an unknown key; expected one of allow_code" in finding["text"]


def test_nobody_at_the_address(tmp_path: Path) -> None:
    """Asked in a process of its own: this one may be connected to a Ray of other tests already."""
    asked = augment("doctor", "--address", "127.0.0.1:1", cwd=tmp_path)
    said = asked.stderr
    assert asked.returncode == 3
    assert "Ray at 127.0.0.1:1: ConnectionRefusedError" in said
    assert said.endswith(". A cluster that asks for a token wants it in RAY_AUTH_TOKEN\n")
