"""What a driver says of itself: kept as it goes, without secrets, and never a reason to stop."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from augment.errors import RequestError, StorageError
from augment.storage import Folder
from augment.write import Journal, read_journals

SECRET = "wJalrXUtnFEMI"


class Clock:
    """Says what it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def journal(folder: Folder, clock: Clock) -> Journal:
    return Journal(folder, "run", clock, {"pool": "s3://b/pool"}, {SECRET, "x"})


@contextlib.contextmanager
def kept(folder: Folder, clock: Clock) -> Iterator[Journal]:
    """A journal of a driver that has begun to work."""
    with journal(folder, clock) as told:
        told.keep()
        yield told


def only(folder: Folder) -> dict[str, object]:
    (entry,) = read_journals(folder)
    return entry


def test_it_says_who_what_and_how_far(tmp_path: object) -> None:
    folder, clock = Folder(str(tmp_path)), Clock()
    with kept(folder, clock) as told:
        entry = only(folder)
        assert (entry["verb"], entry["started_at"], entry["ended_at"]) == ("run", 100.0, None)
        assert (entry["pool"], entry["exit_code"]) == ("s3://b/pool", None)
        told.stage("mix", 7)
        clock.now += 1
        told.advance(1)
        assert (only(folder)["stage"], only(folder)["done"], only(folder)["total"]) == ("mix", 0, 7)
        clock.now += 60
        told.advance(5)
        assert (only(folder)["done"], only(folder)["at"]) == (5, 161.0)
    ended = only(folder)
    assert (ended["ended_at"], ended["exit_code"], ended["error"]) == (161.0, 0, None)


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (StorageError(f"s3 said {SECRET}: no"), 3, "StorageError"),
        (RequestError("https://me:hunter2@host/x?X-Amz-Signature=abc&b=1 is gone"), 2,
         "RequestError"),
        (ZeroDivisionError("x"), 3, "ZeroDivisionError"),
    ],
)  # fmt: skip
def test_the_last_error_is_kept_without_secrets(
    tmp_path: object, error: BaseException, code: int, kind: str
) -> None:
    folder = Folder(str(tmp_path))
    with pytest.raises(type(error)), kept(folder, Clock()):
        raise error
    entry = only(folder)
    assert entry["exit_code"] == code
    assert isinstance(entry["error"], dict)
    assert entry["error"]["class"] == kind
    text = json.dumps(entry)
    assert not [s for s in (SECRET, "hunter2", "abc") if s in text]
    assert entry["error"]["text"]


def test_who_stops_a_run_is_no_error_of_it(tmp_path: object) -> None:
    folder = Folder(str(tmp_path))
    with pytest.raises(KeyboardInterrupt), kept(folder, Clock()):
        raise KeyboardInterrupt
    assert (only(folder)["exit_code"], only(folder)["error"]) == (3, None)


def test_two_drivers_leave_two_entries(tmp_path: object) -> None:
    folder = Folder(str(tmp_path))
    with kept(folder, Clock()), kept(folder, Clock()):
        assert len(list(read_journals(folder))) == 2


def test_what_is_no_entry_is_left_out(tmp_path: object) -> None:
    folder = Folder(str(tmp_path))
    for name, data in (("a", b""), ("b", b"[1]"), ("c", b'{"started_at": "x"}'), ("d", b"\xff")):
        folder.replace(f"state/{name}.json", data)
    assert list(read_journals(folder)) == []


def test_a_journal_that_cannot_be_written_stops_nobody(tmp_path: object) -> None:
    folder = Folder(str(tmp_path))
    folder.replace("state", b"a file where the folder would be")
    with kept(folder, Clock()) as told:
        told.stage("mix", 1)


def test_a_request_that_is_refused_at_once_leaves_nothing(tmp_path: Path) -> None:
    def refused() -> None:
        with journal(Folder(str(tmp_path)), Clock()) as told:
            told.stage("census", None)
            told.doing("1,024 images")
            raise RequestError("no such class")

    with pytest.raises(RequestError):
        refused()
    assert list(tmp_path.iterdir()) == []


def test_what_takes_long_is_kept_before_the_work_begins(tmp_path: Path) -> None:
    folder, clock = Folder(str(tmp_path)), Clock()
    with journal(folder, clock) as told:
        told.stage("census", None)
        clock.now += 4.9
        told.doing("1,024 images")
        assert list(read_journals(folder)) == []
        clock.now += 0.2
        told.doing(f"2,048 images, {SECRET}")
        entry = only(folder)
        assert (entry["stage"], entry["doing"], entry["total"]) == (
            "census", "2,048 images, ***", None,
        )  # fmt: skip
        clock.now += 1
        told.doing("3,072 images")
        assert only(folder) == entry
    assert only(folder)["doing"] == "3,072 images"
