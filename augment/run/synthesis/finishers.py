"""Processes that finish images beside one that samples on a GPU.

Threads would not do: a process that starts a GPU's kernels holds Python's lock most of the time,
and each of the many short steps of encoding waits for it, for up to 5 ms. What crosses the pipes
is pixels one way and files the other, between two processes of the same program.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import queue
import subprocess
import weakref
from collections.abc import Sequence

import numpy as np

from augment import children
from augment.run.engines.cores import cores, gpus
from augment.run.engines.engine import KEEP_MEMORY
from augment.run.synthesis.finishing import Finished, finished

_LOG = logging.getLogger("augment.run")
_MOST = 16
_BROKEN = 5
"""So many processes that end or cannot be started: this process finishes images itself."""
_FAREWELL_S = 3.0


def finishers_beside(
    device: str, share: float = 1.0, cpus: float | None = None
) -> Finishers | None:
    """For a worker that takes this share of a GPU: as many as it was given CPUs, where the job says
    how many, else as the machine has cores for that share; one is left for the worker itself. From
    1 to 16. None of a worker on the CPU, where the network needs the cores."""
    if device == "cpu":
        return None
    own = cores() * share / gpus() if cpus is None else cpus
    return Finishers(max(1, min(_MOST, int(own) - 1)))


class Finishers:
    """So many processes, each started when it is first needed. Calls come from as many threads at
    most. A process that ends costs nothing but its work: what it had is finished here."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._idle: queue.LifoQueue[_Process | None] = queue.LifoQueue()
        self._living: set[_Process] = set()
        self._broken = 0
        for _ in range(count):
            self._idle.put(None)
        self._end = weakref.finalize(self, _ended, self._living)

    def __call__(self, images_NCHW: np.ndarray) -> list[Finished]:
        """As `finished` gives it."""
        if self._broken >= _BROKEN or not len(images_NCHW):
            return finished(images_NCHW)
        process = self._idle.get()
        try:
            process = process or self._started()
            return process.finished(images_NCHW)
        except (EOFError, OSError) as error:
            self._broken += 1
            _LOG.warning("a process that finishes images: %s: %s", type(error).__name__, error)
            if process is not None:
                self._living.discard(process)
                process.end()
                process = None
        finally:
            self._idle.put(process)
        return finished(images_NCHW)

    def _started(self) -> _Process:
        process = _Process()
        self._living.add(process)
        return process

    def pids(self) -> Sequence[int]:
        """Of those that run."""
        return sorted(process.pid for process in self._living)

    def close(self) -> None:
        """End them all; another call would start new ones."""
        self._end()


class _Process:
    """One, started.

    Raises:
        OSError: this machine has no process or pipe left.
    """

    def __init__(self) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        with theirs:
            self._process = subprocess.Popen(
                children.command("augment.run.synthesis.finishing_process", str(theirs.fileno())),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, **KEEP_MEMORY, "OMP_NUM_THREADS": "1"},
            )
        self.pid = self._process.pid

    def finished(self, images_NCHW: np.ndarray) -> list[Finished]:
        """Raises: EOFError, OSError: it has ended."""
        images = np.ascontiguousarray(images_NCHW, dtype=np.float32)
        self._pipe.send_bytes(json.dumps(images.shape).encode())
        self._pipe.send_bytes(images.data.cast("B"))
        found: list[Finished] = self._pipe.recv()
        return found

    def end(self) -> None:
        """It ends with its pipe."""
        self._pipe.close()
        try:
            self._process.wait(_FAREWELL_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _ended(living: set[_Process]) -> None:
    while living:
        living.pop().end()
