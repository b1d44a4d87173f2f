"""Ending work that does not end by itself: a worker's process where it has one of its own, else
what its main thread is doing.

Knows nothing of units; who calls it has noted why.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from augment import streams
from augment.errors import AugmentError

_LOG = logging.getLogger("augment.run")
_GRACE_S = 10.0


class Ending:
    """alone: the process does nothing but this work, and whoever started it starts another."""

    def __init__(self, alone: bool, grace_s: float = _GRACE_S) -> None:
        self._alone, self._grace_s = alone, grace_s
        self._cause: AugmentError | None = None
        self._over = threading.Event()

    def end(self, cause: AugmentError) -> None:
        """End what is done inside `told`, from another thread. In a process that does other
        work as well it is interrupted as by Ctrl-C; if that changes nothing, as inside a C
        library, the process ends with the error's exit code."""
        _LOG.error("%s", cause)
        if self._alone:
            os.kill(os.getpid(), signal.SIGKILL)
        self._cause = cause
        main = threading.main_thread().ident
        if main is not None and hasattr(signal, "pthread_kill"):
            signal.pthread_kill(main, signal.SIGINT)
        if not self._over.wait(self._grace_s):
            streams.note(f"augment: {cause}")
            os._exit(cause.exit_code)

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """What is done inside can be ended.

        Raises:
            AugmentError: as given to `end`.
        """
        with self._hearing():
            try:
                yield
            except KeyboardInterrupt:
                if self._cause is None:
                    raise
                cause, self._cause = self._cause, None
                self._over.set()
                raise cause from None

    @contextlib.contextmanager
    def _hearing(self) -> Iterator[None]:
        """Where SIGINT is ignored, as in what a shell starts in the background, ours is heard."""
        main = threading.current_thread() is threading.main_thread()
        if not main or signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            yield
            return
        signal.signal(signal.SIGINT, self._heed)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _heed(self, number: int, frame: FrameType | None) -> None:
        if self._cause is not None:
            raise KeyboardInterrupt
