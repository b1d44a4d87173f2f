"""A Ray that belongs to one process: begun for it, and ended when that process ends or is killed.

    python ray_keeper.py CPUS FOLDER      what is started; not for people

Stands between a driver and its embedded Ray. It leads a session of its own, in which all of that
Ray lives, so that Ray's processes can be told from every other Ray of the machine and are ended by
their ids. One line of JSON on standard output says where Ray is, or why it is not; anything on
standard input, its end, or another parent means that the driver is done or gone. What Ray itself
prints goes to standard error. Knows nothing of units.

Ray is started by a child, the starter, because Ray's start stops every thread of its process for
as long as it waits: from here the driver's end is seen meanwhile, and a Ray that cannot start.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_GRACE_S = 1.0
"""Between SIGTERM and SIGKILL."""
_LOOK_S = 0.5
_DEATH_SIGNAL, _SUBREAPER = 1, 36
"""PR_SET_PDEATHSIG and PR_SET_CHILD_SUBREAPER of prctl(2)."""
_ENDED = "ZX"
_VITAL = frozenset({"gcs_server", "raylet"})
"""Processes without which no Ray starts, though Ray goes on to wait for them: a raylet ends itself
where its agent has not said its port within 15 s, as on a busy machine."""


def main(cpus: str, folder: str) -> int:
    """Start a Ray of so many CPUs below `folder`, and end it when the driver is done or gone."""
    driver = os.getppid()
    with contextlib.suppress(PermissionError):  # it leads one already
        os.setsid()
    _control(_SUBREAPER, 1)  # whose parent dies becomes a child of this process
    told, tell = os.pipe()
    starter = os.fork()
    if not starter:
        os.close(told)
        _start(int(cpus), folder, tell)
    os.close(tell)
    _outlast_signals()
    if _watch(driver, told, starter):
        end_session(os.getpid(), but=starter)  # what it started, which would lose it otherwise
        _send(starter, signal.SIGKILL)
        os.waitpid(starter, 0)
    end_session(os.getpid())
    bury()
    return 0


def _start(cpus: int, folder: str, tell: int) -> None:
    """What the starter does: start Ray, say so, and stay, for its Ray ends with it."""
    try:
        keeper = os.getppid()
        _control(_DEATH_SIGNAL, signal.SIGKILL)
        os.dup2(2, 1)
        said = _started(cpus, folder)
        _outlast_signals()
        os.write(tell, _line(said))
        while os.getppid() == keeper:
            time.sleep(_LOOK_S)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)  # Ray's own farewell would wait for what has just been ended


def _outlast_signals() -> None:
    """Whoever tells all processes of a machine to end means the driver, which ends this one."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _started(cpus: int, folder: str) -> dict[str, Any]:
    try:
        import ray

        context = ray.init(
            address="local",  # or Ray joins whatever cluster RAY_ADDRESS or `ray start` left here
            num_cpus=cpus,
            include_dashboard=False,
            logging_level="ERROR",
            log_to_driver=False,
            _temp_dir=folder,
        )
    except Exception as error:  # Ray raises plain ones too
        return {"error": f"{type(error).__name__}: {error}"}
    return {"address": context.address_info["gcs_address"]}


def _watch(driver: int, told: int, starter: int) -> bool:
    """Hand on what the starter says, and wait for the driver's end; or for that of a process
    without which Ray cannot start. Whether the starter may still run."""
    starting = True
    while os.getppid() == driver:
        heard = select.select([0, told], [], [], _LOOK_S)[0]
        if 0 in heard:
            return True
        if told in heard:
            said = os.read(told, 65536)
            if not said:  # the starter has ended
                return True
            _say(said)
            starting = False
        if starting and (lost := _lost(starter)):
            _say(_line({"error": f"its {' and '.join(lost)} ended while it was starting"}))
            return True
        if starter in bury():
            return False
    return True


def _line(said: dict[str, Any]) -> bytes:
    return (json.dumps(said) + "\n").encode()


def _say(line: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(1, line)


def _lost(parent: int) -> list[str]:
    """Vital processes that a process has started, that have ended, and that it has not asked after
    yet. What a raylet starts bears its name for a moment, and is not meant."""
    found = set()
    for process in _processes():
        with contextlib.suppress(OSError):
            state, above = _state(process)
            if state in _ENDED and above == parent:
                found.add(Path(f"/proc/{process}/comm").read_text().strip())
    return sorted(_VITAL & found)


def _control(what: int, value: int) -> None:
    """Tell the system something about this process, where it is one that can be told."""
    with contextlib.suppress(OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(what, value, 0, 0, 0)


def bury() -> set[int]:
    """Ask after every child that has ended, so that none stays in the system's table."""
    ended: set[int] = set()
    with contextlib.suppress(ChildProcessError):
        while child := os.waitpid(-1, os.WNOHANG)[0]:
            ended.add(child)
    return ended


def end_session(leader: int, but: int = 0) -> None:
    """End every process of the session that `leader` leads, except this one and `but`."""
    asked: set[int] = set()
    until = time.monotonic() + _GRACE_S
    while (found := set(members(leader)) - {but}) and time.monotonic() < until:
        for process in found - asked:
            _send(process, signal.SIGTERM)
        asked |= found
        time.sleep(0.05)
    until = time.monotonic() + 10 * _GRACE_S
    while (found := set(members(leader)) - {but}) and time.monotonic() < until:
        for process in found:
            _send(process, signal.SIGKILL)
        time.sleep(0.05)


def members(leader: int) -> Iterator[int]:
    """The processes of a session that run, without this one."""
    for process in _processes():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if process != os.getpid() and os.getsid(process) == leader and _runs(process):
                yield process


def _send(process: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(process, number)


def _processes() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except FileNotFoundError:  # not Linux
        import subprocess

        listed = subprocess.run(["ps", "-axo", "pid="], capture_output=True, text=True, check=False)
        return [int(word) for word in listed.stdout.split()]


def _runs(process: int) -> bool:
    """One that ended and that nobody has asked after yet does not."""
    try:
        return _state(process)[0] not in _ENDED
    except FileNotFoundError:
        return not Path("/proc/self").exists()


def _state(process: int) -> tuple[str, int]:
    """As proc(5) says it in one letter, and the process's parent."""
    words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return words[0], int(words[1])


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
