"""The embedded Ray of a driver, seen from the driver: begun in bounded time, ended with it.

Ray itself runs behind a process of its own (ray_keeper.py). So one that hangs in its start or ends
its process costs an attempt and not the driver, and a driver that is killed takes its Ray with it.
Everything of it lies in a folder that nobody else can open.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any

from augment.errors import InterruptedRun, RequestError
from augment.run.engines import ray_keeper
from augment.run.engines.engine import KEEP_MEMORY

START_S = 50.0
"""All attempts together, where Ray waits for its own processes as long as it usually does."""
WAIT_VARIABLE = "RAY_raylet_start_wait_time_s"
_RAYS_WAIT_S = 30.0
_FAREWELL_S = 4.0
"""What keeps it may take so long to end it; then that is done from here."""
_LONGEST_BASE = 40
"""Bytes of a folder below which Ray's sockets still have room for their names."""
KEEPER = (sys.executable, "-P", ray_keeper.__file__)

TRUST = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN")
"""Variables by which processes of one Ray know one another."""

Tell = Callable[[float], None]
"""Told every second for how many seconds it has been going on."""


class Embedded:
    """A Ray that runs. address: of its head. folder: where its logs and sockets are."""

    def __init__(self, address: str, folder: Path, keeper: subprocess.Popen[bytes]) -> None:
        self.address, self.folder = address, folder
        self._keeper = keeper

    @property
    def session(self) -> int:
        """The system's session in which all its processes are."""
        return self._keeper.pid

    @property
    def logs(self) -> Path:
        return self.folder / "r" / "session_latest" / "logs"

    def close(self, *, keep_logs: bool = False) -> None:
        """End it, and remove its folder unless somebody may want to read what it logged."""
        _end(self._keeper)
        if not keep_logs:
            shutil.rmtree(self.folder, ignore_errors=True)


def start(
    cpus: int,
    tell: Tell,
    env: Mapping[str, str],
    *,
    keeper: Sequence[str] = KEEPER,
    start_s: float = START_S,
) -> Embedded:
    """A Ray of so many logical CPUs. env: of all its processes. keeper: the command that keeps it.

    Raises:
        InterruptedRun: it did not start in time, or not at all; nothing of it runs any more.
        RequestError: a variable of the environment is no number of seconds, or names no folder
            that can be written.
    """
    wait_s = wait_of(env)
    begun = time.monotonic()
    until = begun + lengthened(start_s, env)
    try:
        return _attempt([*keeper, str(cpus)], tell, env, until)
    except _NotStarted as error:
        if time.monotonic() > (begun + until) / 2:  # no time for another
            raise error.told(wait_s) from None
        shutil.rmtree(error.folder, ignore_errors=True)
    try:
        return _attempt([*keeper, str(cpus)], tell, env, until)
    except _NotStarted as error:
        raise error.told(wait_s) from None


class _NotStarted(Exception):
    """An attempt that came to nothing. folder: has what was logged."""

    def __init__(self, folder: Path, why: str) -> None:
        super().__init__(why)
        self.folder = folder

    def told(self, wait_s: float) -> InterruptedRun:
        return InterruptedRun(
            f"Ray {self}; run the same command again (a busy machine may need {WAIT_VARIABLE}="
            f"{2 * wait_s:.0f} in its environment), or use `--engine local`. What Ray logged is "
            f"below {self.folder}"
        )


def _attempt(command: Sequence[str], tell: Tell, env: Mapping[str, str], until: float) -> Embedded:
    folder = _made(_base(env))
    log = folder / "start.log"
    begun = time.monotonic()
    try:
        with log.open("wb") as out:
            keeper = subprocess.Popen(
                [*command, str(folder / "r")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=out,
                env=dict(env),
                start_new_session=True,
            )
    except OSError as error:  # no processes, files or room left on this machine
        raise _NotStarted(folder, f"did not start: {error}") from error
    try:
        said = _said(keeper, begun, until, tell)
    except BaseException:  # Ctrl-C
        _end(keeper)
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if said is None:
        why = f"did not start within {time.monotonic() - begun:.0f} s"
    elif "address" in said:
        return Embedded(said["address"], folder, keeper)
    else:
        why = f"did not start: {said.get('error') or _last_line(log)}"
    _end(keeper)
    raise _NotStarted(folder, why)


def _said(
    keeper: subprocess.Popen[bytes], begun: float, until: float, tell: Tell
) -> dict[str, Any] | None:
    """What the keeper writes, which is nothing where it ended; None where it takes too long."""
    assert keeper.stdout is not None
    said = b""
    while (left := until - time.monotonic()) > 0:
        tell(time.monotonic() - begun)
        if not select.select([keeper.stdout], [], [], min(1.0, left))[0]:
            continue
        part = os.read(keeper.stdout.fileno(), 65536)
        said += part
        for line in said.split(b"\n")[:-1]:
            if line.startswith(b"{"):  # others are of whatever Python loads before it
                return dict(json.loads(line))
        if not part:
            return {}
    return None


def _end(keeper: subprocess.Popen[bytes]) -> None:
    """Say goodbye, and see to it that nothing stays."""
    assert keeper.stdin is not None
    assert keeper.stdout is not None
    with contextlib.suppress(OSError):
        keeper.stdin.write(b".")  # a child that this process forked may hold the pipe open
        keeper.stdin.close()
    until = time.monotonic() + _FAREWELL_S
    while (left := until - time.monotonic()) > 0 and select.select([keeper.stdout], [], [], left)[
        0
    ]:
        if not os.read(keeper.stdout.fileno(), 65536):  # it has ended
            break
    else:
        keeper.kill()
    ray_keeper.end_session(keeper.pid)  # its number is its own until it is waited for
    keeper.wait()
    keeper.stdout.close()


def environment(env: Mapping[str, str]) -> dict[str, str]:
    """What an embedded Ray and its driver run in: with a token that only they know, unless
    whoever calls has settled how they trust one another."""
    found = {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0", **KEEP_MEMORY, **env}
    if not {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & env.keys():
        found["RAY_AUTH_TOKEN"] = token_hex(32)
    return found


def wait_of(env: Mapping[str, str]) -> float:
    """Seconds that Ray waits for each of its processes."""
    given = env.get(WAIT_VARIABLE, "")
    if given and not re.fullmatch("0*[1-9][0-9]{0,5}", given):
        raise RequestError(
            f"{WAIT_VARIABLE}: got {given!r:.80}; expected a number of seconds, 1 to 999999"
        )
    return float(given) if given else _RAYS_WAIT_S


def lengthened(seconds: float, env: Mapping[str, str]) -> float:
    """Seconds that hold where Ray waits as long as it usually does, by what it waits more."""
    return max(seconds, seconds + wait_of(env) - _RAYS_WAIT_S)


def _made(base: str) -> Path:
    """A new folder for nobody else."""
    try:
        return Path(tempfile.mkdtemp(prefix="augment-ray-", dir=base))
    except OSError as error:
        raise RequestError(
            f"{base}: no folder for Ray's sockets and logs could be made there "
            f"({error.strerror}); expected a folder that this user can write. Name one in "
            "RAY_TMPDIR or TMPDIR"
        ) from None


def _base(env: Mapping[str, str]) -> str:
    """Where temporary folders are, as far as the names of Ray's sockets allow."""
    found = env.get("RAY_TMPDIR") or tempfile.gettempdir()
    return found if len(os.fsencode(found)) <= _LONGEST_BASE else "/tmp"


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "its process ended without a word"
