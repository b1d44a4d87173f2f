"""Waiting in tests: for as long as something goes on, however slow the machine is.

A limit in seconds says how busy a machine may be, not whether the software works. So what is
waited for may take as long as it likes while something can be seen to go on: the processes that
the tests started use their CPU, or what a test names changes. Where nothing does for minutes, it
hangs. The time limit of pytest itself is for what keeps busy for ever.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

Got = TypeVar("Got")

STILL_S = 300.0
"""Without any change; on a quiet machine what tests wait for changes every second."""


def wait_until(
    done: Callable[[], Got],
    progress: Callable[[], Any] | None = None,
    *,
    still_s: float = STILL_S,
    every_s: float = 0.02,
) -> Got:
    """What `done` returns, once it is true. progress: anything that differs while what is
    waited for goes on; None: the CPU time of all processes below this one.

    Raises:
        AssertionError: nothing has changed for `still_s`.
    """
    look = below_cpu if progress is None else progress
    seen, since = look(), time.monotonic()
    while not (found := done()):
        time.sleep(every_s)
        if time.monotonic() - since > still_s / 100 and (now := look()) != seen:
            seen, since = now, time.monotonic()
        assert time.monotonic() - since < still_s, f"nothing changed for {still_s:.0f} s: {seen!r}"
    return found


def ended(process: subprocess.Popen[str], still_s: float = STILL_S) -> tuple[str, str]:
    """What a process wrote to its pipes ("" without one) until it ended.

    Raises:
        AssertionError: neither it nor a process below it has used any CPU for `still_s`; it is
            killed. A Ray of other tests, which never rests, counts for nothing.
    """
    said: list[tuple[str, str]] = []

    def over() -> bool:
        try:
            out, error = process.communicate(timeout=0.1)
        except subprocess.TimeoutExpired:
            return False
        said.append((out or "", error or ""))
        return True

    try:
        wait_until(over, lambda: sum(cpu_of(process.pid).values()), still_s=still_s)
    finally:
        if not said:
            process.kill()
    return said[0]


def run(
    command: list[str], *, env: Mapping[str, str] | None = None, cwd: Path | str | None = None
) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run`, with its texts, for as long as it goes on."""
    with subprocess.Popen(
        command, env=env, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        out, error = ended(process)
    return subprocess.CompletedProcess(command, process.returncode, out, error)


def below_cpu() -> int:
    """Ticks of CPU that the processes below this one have used."""
    return sum(ticks for pid, ticks in cpu_of(os.getpid()).items() if pid != os.getpid())


def cpu_of(top: int) -> dict[int, int]:
    """Ticks of CPU that a process and each process below it have used, by their numbers; where
    that cannot be seen, time itself."""
    if not Path("/proc/self/stat").exists():
        return {0: time.monotonic_ns()}
    children: dict[int, list[int]] = {}
    used: dict[int, int] = {}
    for pid, parent, ticks in _processes():
        children.setdefault(parent, []).append(pid)
        used[pid] = ticks
    found: dict[int, int] = {}
    todo = [top]
    while todo:
        pid = todo.pop()
        found[pid] = used.get(pid, 0)
        todo += children.get(pid, ())
    return found


def _processes() -> Iterator[tuple[int, int, int]]:
    """(process, parent, ticks), as proc(5) says."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            yield int(folder.name), int(fields[1]), int(fields[11]) + int(fields[12])
