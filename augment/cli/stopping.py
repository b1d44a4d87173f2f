"""SIGTERM, as clusters send it before they take a machine away: the work in hand is abandoned
as by Ctrl-C, and where that takes too long the process ends all the same.

Knows nothing of what is being done.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from types import FrameType

from augment import streams

GRACE_S = 20.0
"""Kubernetes kills after 30 seconds; leases and Ray are given back within this time."""
_RESUMABLE = 3


class Terminated(KeyboardInterrupt):
    """The process was asked to end."""


def heed_sigterm(grace_s: float = GRACE_S) -> None:
    """From now on SIGTERM raises `Terminated` in the main thread, and after `grace_s` seconds
    ends the process with exit code 3. Does nothing outside the main thread, or where somebody
    else handles SIGTERM already."""
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # one is enough; a second interrupts cleaning
        raise Terminated

    signal.signal(signal.SIGTERM, end)
    _watch(grace_s)


def _watch(grace_s: float) -> None:
    """A handler runs between two steps of Python, to which a library may never come back: so a
    thread is told of the signal too."""
    ours, pythons = socket.socketpair()
    pythons.setblocking(False)
    signal.set_wakeup_fd(pythons.fileno(), warn_on_full_buffer=False)
    os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))  # not for its children

    def wait() -> None:
        with pythons:  # open as long as somebody listens
            while signal.SIGTERM not in ours.recv(64):
                pass
            time.sleep(grace_s)
            _give_up()

    threading.Thread(target=wait, name="sigterm", daemon=True).start()


def _give_up() -> None:
    streams.note("augment: stopped by SIGTERM; the same command resumes")
    os._exit(_RESUMABLE)
