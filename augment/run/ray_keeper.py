"""A Ray that belongs to one process: begun for it, and ended when that process ends or is killed.

    python ray_keeper.py CPUS FOLDER      what is started; not for people

Stands between a driver and its embedded Ray. It leads a session of its own, in which all of that
Ray lives, so that Ray's processes can be told from every other Ray of the machine and are ended by
their ids. One line of JSON on standard output says where Ray is, or why it is not; anything on
standard input, its end, or another parent means that the driver is done or gone. What Ray itself
prints goes to standard error. Knows nothing of units.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_GRACE_S = 1.0
"""Between SIGTERM and SIGKILL."""
_LOOK_S = 0.5
_SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of prctl(2)."""


def main(cpus: str, folder: str) -> int:
    """Start a Ray of so many CPUs below `folder`, and end it when the driver is done or gone."""
    driver = os.getppid()
    with contextlib.suppress(PermissionError):  # it leads one already
        os.setsid()
    _take_orphans()
    out = os.dup(1)
    os.dup2(2, 1)
    watch = threading.Thread(target=_watch, args=(driver,))  # Ray may hang in its start
    watch.start()
    told = _started(int(cpus), folder)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it lasts as long as its driver
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(BrokenPipeError):
        os.write(out, (json.dumps(told) + "\n").encode())
    watch.join()
    return 0


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


def _watch(driver: int) -> None:
    """Wait for the driver's end, then end all."""
    while os.getppid() == driver and not select.select([0], [], [], _LOOK_S)[0]:
        bury()
    end_session(os.getpid())
    bury()
    os._exit(0)  # Ray's own farewell would wait for what has just been ended


def _take_orphans() -> None:
    """Where the system can: whose parent dies becomes a child of this process, which buries it."""
    with contextlib.suppress(OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def bury() -> None:
    """Ask after every child that has ended, so that none stays in the system's table."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def end_session(leader: int) -> None:
    """End every process of the session that `leader` leads, except this one."""
    asked: set[int] = set()
    until = time.monotonic() + _GRACE_S
    while (found := set(members(leader))) and time.monotonic() < until:
        for process in found - asked:
            _send(process, signal.SIGTERM)
        asked |= found
        time.sleep(0.05)
    until = time.monotonic() + 10 * _GRACE_S
    while (found := set(members(leader))) and time.monotonic() < until:
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
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return not Path("/proc/self").exists()


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
