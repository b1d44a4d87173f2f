"""One unit in a process of its own, again and again until it leaves a result.

For a unit that ends whatever process builds it: its worker finds the row at fault over several
tries (suspects.py), and gives up by itself where there is none. Task and unit go to the process
through a pipe and its answer comes back through it. Knows nothing of what the unit is.

    python -m augment.run.engines.apart FD      what is started; not for people
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import subprocess
import sys
import traceback
from multiprocessing.connection import Connection

from augment import children
from augment.errors import AugmentError, UnitFailed
from augment.run.engines.engine import Task, as_raised, built, call

_LOG = logging.getLogger("augment.run")
_Answer = tuple[str, tuple[str, str, str] | None]
_TRIES = 1000
"""More than any unit needs: its worker gives up long before."""


def call_apart(task: Task, unit: str) -> str:
    """The unit's result.

    Raises:
        AugmentError: as the worker raised it.
    """
    for _ in range(_TRIES):
        answer = _ask(task, unit)
        if answer is not None:
            result, error = answer
            if error is not None:
                raise as_raised(*error)
            return result
    raise UnitFailed(f"unit {unit[:200]}: {_TRIES} processes died with it; the log has more")


def _ask(task: Task, unit: str) -> _Answer | None:
    """Result, or kind, text and traceback of an error; None where the process died."""
    ours, theirs = multiprocessing.Pipe()
    with ours:
        with theirs:
            command = children.command("augment.run.engines.apart", str(theirs.fileno()))
            process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        try:
            ours.send((task, unit))
            answer: _Answer | None = ours.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            answer = None
        finally:
            with contextlib.suppress(ProcessLookupError):
                if sys.exc_info()[0] is not None:  # Ctrl-C: it must not outlive us
                    process.kill()
            code = process.wait()
    if answer is None:
        _LOG.warning("a process that built unit %s ended with %s", unit[:200], code)
    return answer


def main(descriptor: str) -> int:
    """Build the one unit that comes through the pipe; the answer goes back."""
    with Connection(int(descriptor)) as pipe:
        task, unit = pipe.recv()
        try:
            answer: _Answer = (call(built(task, alone=True), unit), None)
        except AugmentError as error:
            answer = ("", (type(error).__name__, str(error), traceback.format_exc()))
        pipe.send(answer)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
