"""A bucket that is missing or closed is told in one line, by every verb."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from augment.api import load_spec, open_dataset, plan, run, status
from augment.cli import main
from augment.errors import AugmentError, RequestError, StorageError
from augment.storage import Folder
from augment.storage.trouble import plainly
from tests.end_to_end.jobs import job_document, write_digits, write_job
from tests.storage.s3_server import REQUEST_ID, SECRET, S3Server

NONE = "s3://no-such-bucket-here"
SAID = "no such bucket no-such-bucket-here; make it, or mend the name"


@pytest.fixture
def machine(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose environment leads to the server, with digits on its disk."""
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    write_digits(tmp_path / "data", {"0": 3, "1": 3})
    return tmp_path


def job(root: Path, **changes: Any) -> str:
    return str(write_job(root / "job.yaml", job_document(root, **changes)))


# ---- in storage ----------------------------------------------------------------------


def test_reading_listing_and_writing_say_that_the_bucket_is_missing(s3: S3Server) -> None:
    folder = Folder(f"{NONE}/a", s3.options())
    for ask in (
        lambda: folder.read("x"),
        lambda: folder.exists("x"),
        lambda: folder.info("x"),
        lambda: folder.folders(),
        lambda: list(folder.files()),
        lambda: folder.open("x"),
        lambda: folder.create("x", b""),
        lambda: folder.replace("x", b""),
        lambda: folder.publish("x", b"data"),
        lambda: folder.require_bucket(),
    ):
        with pytest.raises(RequestError) as missing:
            ask()
        assert str(missing.value) == f"{NONE}/a: {SAID}"


def test_what_is_missing_in_a_bucket_is_only_missing(s3: S3Server) -> None:
    folder = Folder(s3.bucket(), s3.options())
    assert not folder.exists("x")
    assert folder.folders() == list(folder.files()) == []
    with pytest.raises(FileNotFoundError):
        folder.read("x")
    looked = [r for r in s3.seen if r.method == "HEAD" and r.path.count("/") == 1]
    assert len(looked) <= 1  # once a process, not once a file


def test_a_bucket_that_may_not_be_looked_at_is_taken_to_be_there(s3: S3Server) -> None:
    bucket = s3.bucket()
    folder = Folder(bucket, s3.options())
    bare = bucket.removeprefix("s3:/")
    with s3.breaking(lambda r: "refused" if r.method == "HEAD" and r.path == bare else None):
        folder.require_bucket()
        assert not folder.exists("x")


@pytest.mark.parametrize(
    ("fault", "said"),
    [("refused", "AccessDenied: by plan"), ("wrong_key", "InvalidAccessKeyId: by plan")],
)
def test_who_is_not_let_in_is_told_so_in_one_line(s3: S3Server, fault: str, said: str) -> None:
    folder = Folder(f"{s3.bucket()}/a", s3.options())
    with s3.breaking(lambda request: fault):
        for ask in (lambda: folder.read("x"), lambda: folder.create("x", b"")):
            with pytest.raises(StorageError) as refused:
                ask()
            text = str(refused.value)
            assert f": access was denied ({said}); check the credentials and their rights" in text
            assert "\n" not in text
            assert REQUEST_ID not in text
            assert len(text) < 400
        with pytest.raises(StorageError) as refused:
            open_dataset(f"{folder.uri}", options=folder.options)
    assert REQUEST_ID not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_delta_says_is_one_line_without_ids() -> None:
    text = (
        "Generic S3 error: Error performing PUT http://h/b/x in 3ms - Server returned non-2xx "
        "status code: 403 Forbidden: <?xml version='1.0'?>\n<Error><Code>AccessDenied</Code>"
        f"<Message>Access\nDenied</Message><RequestId>{REQUEST_ID}</RequestId></Error>"
    )
    assert plainly(text) == "AccessDenied: Access Denied"
    assert plainly(f"denied (request id: {REQUEST_ID}, host id: ab+/=)") == "denied"
    assert plainly("a \x1b[31m↳\x1b[0m  b\n c") == "a b c"
    assert len(plainly("x " * 1000)) == 400


def test_the_frames_that_rust_adds_are_left_out() -> None:
    """They stand there where RUST_BACKTRACE is set, and crowd out what was said."""
    frames = "   0: <unknown>\n  12: start_thread\n             at ./nptl/a.c:442:8\n  13: clone3\n"
    assert plainly(f"Kernel error: cut off\n{frames}") == "Kernel error: cut off"
    assert plainly(f"cut off\n{frames}caused by: no space") == "cut off caused by: no space"
    assert plainly("rows\n  3: a number\nat 0: noon") == "rows 3: a number at 0: noon"


def test_blocks_of_options_reach_their_buckets(s3: S3Server) -> None:
    """Both clients sign with the keys of the block whose prefix is the longest."""
    one, two = s3.bucket(), s3.bucket()
    own = s3.options()["s3"]
    options = {
        "s3": {**own, "key": "any"},
        one: {**own, "key": "ONE"},
        f"{two}/a": {**own, "key": "TWO"},
    }
    for uri in (one, f"{two}/a/b", f"{two}/c"):
        Folder(uri, options).create("x", b"")
    keys = [
        Folder(uri, options).delta_options()["AWS_ACCESS_KEY_ID"]
        for uri in (one, f"{two}/a/b", two)
    ]
    assert keys == ["ONE", "TWO", "any"]
    signed = [r.credential for r in s3.seen if r.method == "PUT" and r.credential]
    assert signed[-3:] == ["ONE", "TWO", "any"]


# ---- by every verb -------------------------------------------------------------------

VERBS = {
    "status OUT": {},
    "audit OUT": {},
    "audit OUT --sheet x.png": {},
    "trace OUT 0123456789": {},
    "clean OUT": {},
    "retry OUT": {},
    "pool ls OUT": {},
    "pool gc OUT": {},
    "generators inspect OUT": {},
    "generators import OUT --out made": {},
    "validate JOB --check-remote": {"output": {"uri": f"{NONE}/x"}},
    "plan JOB": {"output": {"uri": f"{NONE}/x"}},
    "run JOB --engine local": {"output": {"uri": f"{NONE}/x"}},
    "mix JOB --engine local": {"output": {"uri": f"{NONE}/x"}},
    "synthesize JOB --engine local": {"pool": f"{NONE}/x"},
}


@pytest.mark.parametrize("line", VERBS)
def test_every_verb_says_that_the_bucket_is_missing(
    line: str, machine: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(machine)
    path = job(machine, **VERBS[line])
    words = [{"JOB": path, "OUT": f"{NONE}/x"}.get(word, word) for word in line.split()]
    assert main(words) == 2
    err = capfd.readouterr().err
    assert err.splitlines()[-1].startswith(f"augment: {NONE}/x")
    assert err.endswith(f": {SAID}\n")
    assert main([*words, "--json"]) == 2
    assert json.loads(capfd.readouterr().out)["text"].endswith(f": {SAID}")


@pytest.mark.parametrize(
    "changes",
    [
        {"pool": f"{NONE}/pool"},
        {"classes": {"file": f"{NONE}/c.txt"}},
        {"sources": {"d": {"format": "imagefolder", "uri": f"{NONE}/d", "splits": {"train": "t"}}}},
        {"sources": {"d": {"format": "parquet", "uri": f"{NONE}/d", "splits": {"train": "t"}}}},
        {"generators": {"g": {"family": "vae", "checkpoint": f"{NONE}/c", "label": "0"}},
         "synthesize": [{"generators": ["g"], "fill": {"to": 9}}]},
    ],
)  # fmt: skip
def test_wherever_a_job_names_it(machine: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match=SAID):
        plan(load_spec(job(machine, **changes)))


def test_programs_are_told_alike(machine: Path) -> None:
    loaded = load_spec(job(machine, output={"uri": f"{NONE}/x"}))
    for ask in (
        lambda: run(loaded, engine="local"),
        lambda: status(f"{NONE}/x"),
        lambda: open_dataset(f"{NONE}/x"),
    ):
        with pytest.raises(AugmentError) as missing:
            ask()
        assert (type(missing.value), SAID in str(missing.value)) == (RequestError, True)
        assert SECRET not in str(missing.value)
