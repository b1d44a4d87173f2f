"""Leases: alive while the process is, or while the heart beats; no sleeping here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from augment.errors import InterruptedRun
from augment.storage import Folder
from augment.write.lease import Lease, alive, holders, look
from tests.waiting import STILL_S


def clock() -> float:
    return 1000.0


def lease_file(tmp_path: Path, lease: Lease) -> Path:
    return tmp_path / f"leases/lease-{lease.id}.json"


def elsewhere(path: Path, age_s: float) -> None:
    """As if the holder were on another host and had last touched it `age_s` ago."""
    path.write_text(json.dumps({**json.loads(path.read_text()), "host": "far", "pid": 1}))
    stamp = path.stat().st_mtime - age_s
    os.utime(path, (stamp, stamp))


def test_a_lease_lives_while_it_is_held_and_leaves_nothing(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    with Lease(folder, clock) as lease:
        assert alive(folder, lease.id)
        assert holders(folder) == [lease.holder]
        assert str(lease.holder).startswith(f"process {os.getpid()} on ")
    assert not alive(folder, lease.id)
    assert [info.path for info in folder.files()] == []
    assert "augment-lease" not in [thread.name for thread in threading.enumerate()]


def test_it_is_given_back_when_the_work_fails(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    with pytest.raises(KeyError), Lease(folder, clock):
        raise KeyError("work")
    assert holders(folder) == []


def test_the_heart_beats_until_told_to_stop(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    waits: list[float] = []
    beaten = threading.Event()

    def wait(seconds: float) -> bool:
        if waits:  # one beat was made: the file that was deleted is back
            assert list(folder.files("leases"))
            beaten.set()
            return True
        for info in list(folder.files("leases")):
            folder.remove(info.path)
        waits.append(seconds)
        return False

    with Lease(folder, clock, interval_s=7.0, wait=wait):
        assert beaten.wait(STILL_S)
    assert waits == [7.0]


def test_a_killed_process_is_dead_at_once_even_if_nobody_waited_for_it(tmp_path: Path) -> None:
    code = (
        "import sys; from augment.storage import Folder; from augment.write.lease import Lease\n"
        f"with Lease(Folder({str(tmp_path)!r}), lambda: 0.0) as lease:\n"
        "    print(lease.id, flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin
    assert child.stdout
    lease_id, folder = child.stdout.readline().strip(), Folder(str(tmp_path))
    assert alive(folder, lease_id)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and still a zombie
    assert not alive(folder, lease_id)
    assert (tmp_path / f"leases/lease-{lease_id}.json").exists()
    child.communicate()
    assert not alive(folder, lease_id)


def test_a_reused_process_id_is_another_process(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    with Lease(folder, clock) as lease:
        path = lease_file(tmp_path, lease)
        path.write_text(json.dumps({**json.loads(path.read_text()), "started": "1"}))
        assert not alive(folder, lease.id)


def test_elsewhere_the_heartbeat_decides_by_the_stores_clock(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    with Lease(folder, clock) as lease:
        elsewhere(lease_file(tmp_path, lease), age_s=100)
        assert alive(folder, lease.id, stale_after_s=200)
        assert not alive(folder, lease.id, stale_after_s=50)
        assert len(holders(folder, stale_after_s=200)) == 1
        assert holders(folder, stale_after_s=50) == []
        assert [i.path for i in folder.files("clock")] == []


def test_where_starts_are_unknown_the_heartbeat_decides(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    with Lease(folder, clock) as lease:
        path = lease_file(tmp_path, lease)
        path.write_text(json.dumps({**json.loads(path.read_text()), "started": "", "pid": 1}))
        assert alive(folder, lease.id, stale_after_s=60)


def test_an_unknown_lease_is_dead(tmp_path: Path) -> None:
    assert not alive(Folder(str(tmp_path)), "0" * 32)


@pytest.mark.parametrize("damage", ["", "{", "7", "[]", '{"id": "x"}'])
def test_a_lease_that_cannot_be_read_keeps_nobody_waiting(tmp_path: Path, damage: str) -> None:
    folder = Folder(str(tmp_path))
    with Lease(folder, clock) as own:
        for name in ("lease-" + "0" * 32, f"over-{own.id}"):
            (tmp_path / f"leases/{name}.json").write_text(damage)
        assert not alive(folder, "0" * 32)
        own.check()
        assert [seen.holder for seen in look(folder)] == [own.holder]
        (tmp_path / f"leases/over-{own.id}.json").unlink()
        assert holders(folder) == [own.holder]


def test_a_lease_that_was_taken_over_counts_for_nobody(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    with Lease(folder, clock) as first, Lease(folder, lambda: 2000.0) as second:
        first.check()
        assert holders(folder) == [first.holder, second.holder]
        second.take_over(folder, first.holder)
        second.take_over(folder, first.holder)  # once more changes nothing
        assert holders(folder) == [second.holder]
        assert not alive(folder, first.id)
        second.check()
        with pytest.raises(InterruptedRun) as caught:
            first.check()
        assert str(caught.value) == (
            f"{folder.uri}: {second.holder} took this job over at 1970-01-01 00:33 UTC; this run "
            "stops, what it finished is kept"
        )
    assert [info.path for info in folder.files()] == []


def test_leases_of_one_process_are_known_as_such(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    with Lease(folder, clock) as one, Lease(folder.child("pool"), clock) as other:
        assert one.holder.is_process_of(other.holder)
        elsewhere(lease_file(tmp_path, one), 0.0)
        assert not holders(folder)[0].is_process_of(other.holder)
