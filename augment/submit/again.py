"""`python -m augment.submit.again --attempts N -- run job.yaml`: the command again where it broke
half-way, and only there.

Exit code 3 means that the same command resumes, and so does a death by a signal, which leaves
no exit code: both begin it again after a pause that doubles. 0, 1 and 2 are final: a limit that
failed and a wrong request are so at every attempt. SIGTERM and SIGINT go to the command and end
the repeating. Imports nothing of `augment`, so that what broke cannot break it.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import FrameType

_BROKE = 3


def main(argv: Sequence[str]) -> int:
    """The exit code of the last attempt; 3 where a signal ended it."""
    asked = _parser().parse_args(argv)
    command = [sys.executable, "-P", "-m", "augment", *asked.command]
    attempts = Attempts()
    for number in range(1, asked.attempts + 1):
        code = attempts.one(command)
        if code != _BROKE or attempts.told_to_stop or number == asked.attempts:
            return code
        pause = min(asked.pause * 2 ** (number - 1), asked.longest)
        said = f"augment: attempt {number} of {asked.attempts} broke half-way; again in {pause:g} s"
        with contextlib.suppress(OSError, ValueError, AttributeError):  # nobody may be listening
            print(said, file=sys.stderr, flush=True)
        if attempts.pause(pause):
            return _BROKE
    return _BROKE


class Attempts:
    """Runs the command, and hears signals meanwhile and between."""

    def __init__(self) -> None:
        self.told_to_stop = False
        self._child: subprocess.Popen[bytes] | None = None
        self._woken = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._hear)

    def one(self, command: Sequence[str]) -> int:
        """One attempt; its exit code, 3 where it died by a signal."""
        if self.told_to_stop:
            return _BROKE
        self._child = subprocess.Popen(command)
        if self.told_to_stop:  # heard while it was being started
            self._child.terminate()
        code = self._child.wait()
        self._child = None
        return code if 0 <= code < 128 else _BROKE

    def pause(self, seconds: float) -> bool:
        """Whether a signal ended the pause."""
        return self._woken.wait(seconds)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.told_to_stop = True
        self._woken.set()
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="augment.submit.again", allow_abbrev=False)
    parser.add_argument("--attempts", type=_count, default=5)
    parser.add_argument("--pause", type=float, default=15.0, help="seconds, doubled each time")
    parser.add_argument("--longest", type=float, default=600.0, help="pause in seconds")
    parser.add_argument("command", nargs="+", help="what follows `augment`")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"got {text}; expected at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
