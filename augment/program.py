"""The console command as a process, which ends as soon as its work has.

Where a store is read, threads of Arrow hold Python's file objects and let go of them a moment after
the last row has come. One that does so while Python takes itself apart is ended by Python in the
middle of C++ code, and that ends the process: "terminate called without an active exception", exit
code 134, although everything had been done. So nothing is taken apart: what is registered for the
end is called, streams are flushed, and the process ends with the command's exit code.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
from typing import NoReturn, TextIO

_STOPPED = 3  # as `errors.InterruptedRun` says, which may not be imported yet


def program() -> NoReturn:
    """Run the command that this process was started with, and leave with its exit code."""
    try:
        from augment.cli import main

        code = main()
    except KeyboardInterrupt:  # before there was a command, or after it
        with contextlib.suppress(OSError):
            os.write(2, b"augment: stopped\n")
        code = _STOPPED
    leave(code)


def leave(code: int) -> NoReturn:
    """End the process. Where a thread is left that Python waits for, it is waited for as usual."""
    others = [one for one in threading.enumerate() if one is not threading.main_thread()]
    if any(not one.daemon for one in others):
        sys.exit(code)
    with contextlib.suppress(KeyboardInterrupt):
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            _flush(stream)
    os._exit(code)


def _flush(stream: TextIO | None) -> None:
    """What can be flushed: it may be closed, or nobody may read it."""
    if stream is not None:
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
