"""`augment submit --address` against a real Ray head: exit codes, once, stop and resume, tokens."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import albumentations
import pytest

from augment.cli import main
from augment.policy import PATH
from augment.submit.jobs_api import Cluster, Order
from tests.end_to_end.jobs import augment, job_document, write_digits, write_job
from tests.submit.conftest import ROOT, TOKEN, Head
from tests.waiting import ended, wait_until

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:1")  # what is asked for counts


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_digits(root / "data", {"0": 5, "1": 5, "2": 5})
    return root


def small(root: Path, name: str, **changes: Any) -> dict[str, Any]:
    document = job_document(root, name=name, augmentations=[], execution={"workers": 1}, **changes)
    document["pool"] = str(root / f"{name}-pool")
    document["output"]["uri"] = str(root / f"{name}-out")
    return document


def submit(head: Head, path: Path, root: Path, *more: str) -> list[str]:
    shared = ["--shared", str(root), "--python", sys.executable]
    return ["submit", str(path), "--address", head.url, *shared, *more]


def said(capsys: Capture) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_job_runs_once(head: Head, data: Path, capsys: Capture) -> None:
    """With small files beside it that the driver and the workers read."""
    (data / "classes.txt").write_text("0\n1\n2\n")
    pipeline = albumentations.to_dict(albumentations.HorizontalFlip(p=1.0))
    (data / "flip.json").write_text(json.dumps(pipeline))
    document = small(data, "once", classes={"file": "classes.txt"})
    document["augmentations"] = [{"name": "flip", "copies": 1, "pipeline": "flip.json"}]
    path = write_job(data / "once.yaml", document)
    assert main(submit(head, path, data, "--wait", "--json", "--attempts", "2")) == 0
    ended = said(capsys)
    assert (ended["how"], ended["status"], ended["exit_code"]) == ("started", "SUCCEEDED", 0)
    assert ended["id"] == f"{ended['request']}-1"
    assert (data / "once-out/_delta_log").is_dir()
    assert main(submit(head, path, data, "--wait", "--json")) == 0
    again = said(capsys)
    assert (again["how"], again["id"]) == ("done", ended["id"])
    assert main(["jobs", "list", "--address", head.url]) == 0
    assert f"{ended['id']}  SUCCEEDED" in capsys.readouterr().out
    assert main(["logs", ended["id"], "--address", head.url]) == 0
    assert "data set:" in capsys.readouterr().out
    assert main(["jobs", "logs", ended["id"], "--address", head.url, "--json"]) == 0
    assert "data set:" in said(capsys)["logs"]
    assert main(["jobs", "show", ended["id"], "--address", head.url]) == 0
    assert f"{ended['id']}: SUCCEEDED\n" in capsys.readouterr().out


def test_a_success_without_its_data_set_is_begun_again(
    head: Head, data: Path, capsys: Capture
) -> None:
    """What a cluster remembers is not what a store holds."""
    path = write_job(data / "gone.yaml", small(data, "gone"))
    assert main(submit(head, path, data, "--wait", "--json")) == 0
    first = said(capsys)
    shutil.rmtree(data / "gone-out")
    assert main(submit(head, path, data, "--wait")) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"started: {first['request']}-2\n")
    assert (
        f"note: an attempt has succeeded, but {data}/gone-out does not hold its data set: begun "
        "again\n"
    ) in told
    assert (data / "gone-out/_delta_log").is_dir()
    assert main(submit(head, path, data, "--json")) == 0
    assert said(capsys)["how"] == "done"


def test_a_limit_that_the_plan_breaks_is_1_before_anything_is_sent(
    head: Head, data: Path, capsys: Capture
) -> None:
    limits = {"synthetic_share": {"max": 0.1}}
    path = write_job(data / "limit.yaml", small(data, "limit", limits=limits))
    assert main(submit(head, path, data, "--wait")) == 1
    assert "1 limit would be broken by what is planned, so nothing was" in capsys.readouterr().err
    assert main(["jobs", "list", "--address", head.url, "--json"]) == 0
    assert not [s for s in said(capsys) if s["request"].startswith("limit-")]
    more = ("--despite-limits", "--wait", "--installed")
    assert main(submit(head, path, data, *more)) == 1
    told = capsys.readouterr()
    assert "note: --despite-limits: 1 limit will be broken: limits.synthetic_share" in told.err
    assert "FAILED, exit code 1\n" in told.out
    assert (data / "limit-out/_delta_log").is_dir()


def test_a_wrong_job_is_2_before_anything_is_sent(head: Head, data: Path, capsys: Capture) -> None:
    path = write_job(data / "wrong.yaml", small(data, "wrong") | {"sede": 1})
    assert main(submit(head, path, data, "--wait")) == 2
    assert "sede: got an unknown key" in capsys.readouterr().err
    assert main(["jobs", "list", "--address", head.url, "--json"]) == 0
    assert not [s for s in said(capsys) if s["request"].startswith("wrong-")]


def test_a_broken_run_is_3(head: Head, data: Path, capsys: Capture) -> None:
    """Too many images that cannot be read."""
    for n in range(12):
        (data / f"bad/train/0/{n}.png").parent.mkdir(parents=True, exist_ok=True)
        (data / f"bad/train/0/{n}.png").write_bytes(b"")
    document = small(data, "broken")
    source = {"format": "imagefolder", "uri": str(data / "bad"), "splits": {"train": "train"}}
    document["sources"]["bad"] = source
    path = write_job(data / "broken.yaml", document)
    assert main(submit(head, path, data, "--wait", "--json")) == 3
    ended = said(capsys)
    assert (ended["status"], ended["exit_code"]) == ("FAILED", 3)


def until_it_says(head: Head, submission: str, text: str, capsys: Capture) -> None:
    def says() -> bool:
        assert main(["logs", submission, "--address", head.url]) == 0
        return text in capsys.readouterr().out

    wait_until(says, every_s=0.2)


def rows(output: Path) -> dict[str, bytes]:
    from augment.api import open_dataset

    table = open_dataset(str(output)).to_table(columns=["sample_id", "image"])
    return {r["sample_id"]: r["image"]["bytes"] for r in table.to_pylist()}


def test_a_stopped_job_goes_on(head: Head, data: Path, capsys: Capture) -> None:
    document = small(data, "long", synthesize=[{"generators": ["fake"], "fill": {"to": 800}}])
    document["generators"]["fake"]["size"] = 32
    document["output"]["shard"]["row_group_bytes"] = 1 << 14
    path = write_job(data / "long.yaml", document)
    assert main(submit(head, path, data, "--json")) == 0
    first = said(capsys)
    until_it_says(head, first["id"], "synthesize fake:", capsys)
    assert main(submit(head, path, data, "--json")) == 0
    twin = said(capsys)
    assert (twin["how"], twin["id"]) == ("attached", first["id"])
    assert main(["stop", first["id"], "--address", head.url, "--json"]) == 0
    stopped = said(capsys)
    assert (stopped["status"], stopped["exit_code"]) == ("STOPPED", 3)
    assert not (data / "long-out/_delta_log").exists()
    assert main(submit(head, path, data, "--wait", "--json")) == 0
    ended = said(capsys)
    assert (ended["how"], ended["id"]) == ("started", f"{first['request']}-2")
    document |= {"pool": str(data / "p2")}
    document["output"]["uri"] = str(data / "o2")
    undisturbed = write_job(data / "undisturbed.yaml", document)
    assert main(["run", str(undisturbed), "--engine", "local"]) == 0
    made = rows(data / "long-out")
    assert len(made) > 2400
    assert made == rows(data / "o2")


def test_of_two_at_once_one_starts_it(head: Head, tmp_path: Path) -> None:
    """The other was faster, and had not been seen when this one looked."""
    from ray.job_submission import JobSubmissionClient

    cluster = Cluster(head.url)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS")
        other = JobSubmissionClient(head.url, headers=headers)
    other.submit_job(entrypoint="sleep 60", submission_id="race-0123456789ab-1")
    sent = cluster.send(Order("race-0123456789ab", "true", str(tmp_path)))
    assert (sent.how, sent.submission.id) == ("attached", "race-0123456789ab-1")
    assert cluster.stop(sent.submission.id).exit_code == 3


def test_a_driver_that_was_killed_is_3(head: Head, tmp_path: Path) -> None:
    cluster = Cluster(head.url)
    sent = cluster.send(Order("killed-0123456789ab", "kill -9 $$", str(tmp_path)))
    ended = cluster.wait(sent.submission.id)
    assert (ended.status, ended.exit_code) == ("FAILED", 3)


def test_a_value_travels_only_where_it_is_named(head: Head, tmp_path: Path) -> None:
    cluster = Cluster(head.url)
    order = Order("env-0123456789ab", "test $PLACE = here", str(tmp_path), {"PLACE": "here"})
    assert cluster.wait(cluster.send(order).submission.id).exit_code == 0


# ---- tokens and names ----------------------------------------------------------------


def refused(arguments: list[str], capsys: Capture, code: int = 2) -> str:
    assert main(arguments) == code
    return capsys.readouterr().err.strip()


def test_no_token(head: Head, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own: Ray keeps the token that it has once read."""
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    command = [sys.executable, "-m", "augment", "jobs", "list", "--address", head.url]
    process = subprocess.Popen(command, text=True, stderr=subprocess.PIPE)
    _, said = ended(process)
    assert process.returncode == 2
    assert said.strip() == (
        f"augment: {head.url}: got no token; the cluster asks for one: give --token, or set "
        "RAY_AUTH_TOKEN"
    )


def test_a_wrong_token_does_not_stand_in_the_text(head: Head, capsys: Capture) -> None:
    wrong = ["jobs", "list", "--address", head.url, "--token", "not-the-token"]
    assert refused(wrong, capsys) == (
        f"augment: {head.url}: the token is not this cluster's; look at --token or RAY_AUTH_TOKEN"
    )


@pytest.mark.parametrize("verb", [["stop"], ["logs"], ["jobs", "show"]])
def test_a_submission_that_is_not_there(head: Head, capsys: Capture, verb: list[str]) -> None:
    assert refused([*verb, "nobody-1", "--address", head.url], capsys) == (
        f"augment: nobody-1: no such submission at {head.url}; `augment jobs list` names them"
    )


def test_a_variable_that_is_not_set_here(head: Head, data: Path, capsys: Capture) -> None:
    path = write_job(data / "env.yaml", small(data, "env"))
    assert refused(submit(head, path, data, "--env", "NOWHERE_SET"), capsys) == (
        "augment: --env: got NOWHERE_SET, which is not set here; set it or leave it out"
    )


def test_what_is_no_id_does_not_get_into_a_url(head: Head, capsys: Capture) -> None:
    assert refused(["stop", "../version", "--address", head.url], capsys) == (
        "augment: got '../version', which is no submission's id; `augment jobs list` names them"
    )


def test_nobody_answers(capsys: Capture) -> None:
    text = refused(["jobs", "list", "--address", "http://127.0.0.1:1"], capsys, 3)
    assert text.startswith("augment: http://127.0.0.1:1: nobody answers (")
    assert text.endswith("is the cluster up?")


@pytest.mark.parametrize("address", ["127.0.0.1:8265", "ray://127.0.0.1:10001", "auto"])
def test_an_address_that_is_no_dashboard(capsys: Capture, address: str) -> None:
    assert refused(["jobs", "list", "--address", address], capsys) == (
        f"augment: --address: got {address!r}; expected the cluster's dashboard, for example "
        "http://HEAD:8265"
    )


def test_the_dashboards_port_is_not_the_clusters(head: Head, capsys: Capture) -> None:
    """Ray itself tries on for minutes there, without a word."""
    dashboard = head.url.removeprefix("http://")
    assert refused(["doctor", "--address", dashboard], capsys).startswith(
        f"augment: Ray at {dashboard}: got a web server; expected the port of a head's GCS"
    )


def test_a_token_that_is_not_the_clusters(head: Head, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "of another cluster")
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    asked = augment("doctor", "--address", head.address, "--json", cwd=ROOT)
    assert asked.returncode == 3, asked.stderr
    assert "token is missing or incorrect" in json.loads(asked.stdout)["text"]


def test_the_doctor_asks_every_node(
    head: Head, another_node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS")
    asked = augment("doctor", "--address", head.address, "--json", cwd=ROOT)
    assert asked.returncode == 1, asked.stderr
    found = json.loads(asked.stdout)
    assert sorted(n["ray_resources"]["CPU"] for n in found["nodes"]) == [1.0, 4.0]
    assert {n["policy"]["path"] for n in found["nodes"]} == {PATH, str(another_node)}
    (finding,) = found["findings"]
    assert finding["level"] == "wrong"
    assert finding["text"].startswith("nodes have different policies: no file on ")
