"""What runs in a process that builds units of one task for its driver (child.py).

It ends with its driver, however that ends: within seconds, in the middle of a unit too.

    python -m augment.run.engines.serving FD      what is started; not for people
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import select
import signal
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Literal

from augment.errors import AugmentError, UnitFailed
from augment.run.engines.engine import Task, built, call, settle

_Said = tuple[Literal["built", "result"], str] | tuple[Literal["error"], tuple[str, str, str]]
_FAREWELL_S = 3.0
"""What this process may take to clean up behind itself once its driver is gone."""


def main(descriptor: str) -> int:
    """Build the units that come through the pipe, until it is closed."""
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver's, who ends this process
    signal.signal(signal.SIGTERM, _leave)
    _killed_first()
    with Connection(int(descriptor)) as pipe:
        threading.Thread(target=_end_with, args=(pipe.fileno(),), daemon=True).start()
        with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
            _serve(pipe)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends, and is not to be interrupted
    return 0


def _serve(pipe: Connection) -> None:
    try:
        worker = built(_task(pipe), alone=True)
        settle()
    except AugmentError as error:
        pipe.send(_told(error))
        return
    pipe.send(("built", ""))
    while True:
        unit = pipe.recv()
        try:
            answer: _Said = ("result", call(worker, unit))
        except AugmentError as error:
            answer = _told(error)
        pipe.send(answer)


def _task(pipe: Connection) -> Task:
    try:
        task: Task = pipe.recv()
    except EOFError:
        raise
    except Exception as error:
        raise UnitFailed(
            f"a worker's process could not read its task: {type(error).__name__}: {error}; a task "
            "holds names that can be imported and plain values"
        ) from error
    return task


def _told(error: AugmentError) -> _Said:
    return "error", (type(error).__name__, str(error), traceback.format_exc())


def _end_with(descriptor: int) -> None:
    """End this process once nobody holds the other end of its pipe."""
    poll = select.poll()
    poll.register(descriptor, 0)  # which tells of its end and of nothing else
    poll.poll()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_FAREWELL_S)
    os._exit(1)


def _leave(number: int, frame: FrameType | None) -> None:
    """What was begun is cleaned up: private folders, temporary files."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _killed_first() -> None:
    """Where memory runs out, Linux ends this process and not its driver."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
