"""Processes that build units of one task, seen from their driver; serving.py is what runs in them.

Task, units and answers cross one pipe as pickles between two processes of the same program;
nobody else can reach it. Knows nothing of what a unit is.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import subprocess
import tempfile
from collections import deque
from collections.abc import Mapping
from multiprocessing.connection import wait
from typing import IO

from augment import children
from augment.errors import InterruptedRun, UnitFailed
from augment.escaping import cut
from augment.run.engines.engine import KEEP_MEMORY, Task, as_raised

_LOG = logging.getLogger("augment.run")
_FAREWELL_S = 3.0
"""What a process may take to clean up behind itself; then it is killed."""
_UNBUILT = 5
"""Processes that die one after the other before their worker stands."""
_TRIES = 1000
"""More than any unit needs: its worker gives up long before."""
_LINES = 20
"""Lines of its standard error that are logged where a process died."""


class Child:
    """A process for units of one task. built: whether its worker stands. unit: what it was given
    and has not answered."""

    def __init__(self, task: Task, cpus: float = 1.0) -> None:
        """cpus: what libraries in the process may use; at least one thread.

        Raises:
            InterruptedRun: this machine has no process, pipe or file left.
        """
        self.built = False
        self.unit: str | None = None
        try:
            self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed when it ends
            self.pipe, theirs = multiprocessing.Pipe()
            with theirs:
                self._process = subprocess.Popen(
                    children.command("augment.run.engines.serving", str(theirs.fileno())),
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=self._errors,
                    env=_environment(os.environ, cpus),
                )
        except OSError as error:
            raise InterruptedRun(
                f"a worker's process could not be started: {error}; finished units are kept: "
                "free processes, open files or room for temporary files, and run the same "
                "command again"
            ) from error
        self._send(task)

    def give(self, unit: str) -> None:
        """Have a unit built; `said` brings its result."""
        self.unit = unit
        self._send(unit)

    def said(self) -> str | None:
        """The result that has come; an empty text where the worker has been built; None where
        the process has died.

        Raises:
            AugmentError: as the worker, or its making, raised it.
        """
        try:
            kind, content = self.pipe.recv()
        except (EOFError, OSError):
            return None
        if kind == "error":
            raise as_raised(*content)
        if kind == "built":
            self.built = True
            return ""
        self.unit = None
        return str(content)

    @property
    def dead(self) -> bool:
        """Whether the process has ended and has left nothing to be read."""
        return self._process.poll() is not None and not self.pipe.poll()

    def bury(self) -> None:
        """Let go of a process that has died, and log how it ended."""
        self.leave()
        self._wait()
        unit = "no unit" if self.unit is None else f"unit {self.unit[:200]}"
        code = self._process.returncode
        _LOG.warning("a process that built %s ended with %s%s", unit, code, self._last_words())
        self._errors.close()

    def leave(self) -> None:
        """Have the process clean up behind itself and end, whatever it does."""
        self.pipe.close()
        self._process.terminate()

    def end(self) -> None:
        """See to it that a process that was to leave has ended."""
        self._wait()
        self._errors.close()

    def _wait(self) -> None:
        try:
            self._process.wait(_FAREWELL_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _send(self, content: Task | str) -> None:
        with contextlib.suppress(OSError):  # it died: `said` tells
            self.pipe.send(content)

    def _last_words(self) -> str:
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - 16_384))
        lines = self._errors.read().decode(errors="replace").splitlines()
        return "".join(f"\n  {cut(line, 300)}" for line in lines[-_LINES:])


class Crew:
    """Processes for one task. Each has one unit at a time; one that dies is replaced, and what it
    was building is built again: its worker knows from its tries whose fault it was (suspects.py).
    """

    def __init__(self, task: Task, cpus: float = 1.0) -> None:
        self.task = task
        self._cpus = cpus
        self._children: list[Child] = []
        self._unbuilt = 0
        self._deaths: dict[str, int] = {}

    def grow(self, most: int) -> None:
        """So many processes, unless there are more."""
        while len(self._children) < most:
            self._children.append(Child(self.task, self._cpus))

    def work(self, waiting: deque[str]) -> list[str]:
        """Hand out what waits, and return results that have come: at least one, unless nothing
        is being built.

        Raises:
            AugmentError: as a worker raised it. UnitFailed: processes die again and again.
        """
        results: list[str] = []
        while not results:
            for child in self._children:
                if child.unit is None and waiting:
                    child.give(waiting.popleft())
            busy = [child for child in self._children if child.unit is not None]
            if not busy:
                break
            ready = wait([child.pipe for child in busy], 1.0)
            for child in busy:
                if child.pipe in ready or child.dead:
                    results += self._heard(child, waiting)
        return results

    def end(self) -> None:
        """End all processes."""
        gone, self._children = self._children, []
        for child in gone:
            child.leave()
        for child in gone:
            child.end()

    def _heard(self, child: Child, waiting: deque[str]) -> list[str]:
        said = child.said()
        if said is None:
            self._replace(child, waiting)
            return []
        if child.unit is None and waiting:  # before anybody looks at the result
            child.give(waiting.popleft())
        return [said] if said else []

    def _replace(self, child: Child, waiting: deque[str]) -> None:
        child.bury()
        self._children.remove(child)
        unit = str(child.unit)
        self._unbuilt = 0 if child.built else self._unbuilt + 1
        self._deaths[unit] = self._deaths.get(unit, 0) + 1
        if self._unbuilt >= _UNBUILT or self._deaths[unit] >= _TRIES:
            what = "while its worker was made" if not child.built else "with it"
            many = _UNBUILT if not child.built else _TRIES
            raise UnitFailed(
                f"unit {unit[:200]}: {many} processes died {what}; look for what ended them in the "
                "log and the system's log (memory, driver), mend it and run the same command again"
            )
        waiting.appendleft(unit)
        self._children.append(Child(self.task, self._cpus))


def _environment(env: Mapping[str, str], cpus: float) -> dict[str, str]:
    return {**KEEP_MEMORY, "OMP_NUM_THREADS": str(max(1, int(cpus))), **env}
