"""SIGTERM ends a process in time, whatever it is doing, and never the one that forked it."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

_BEGIN = """
import hashlib, os, signal, sys, threading
from augment.cli.stopping import Terminated, heed_sigterm
heed_sigterm(0.2)
def told():
    print("ready", flush=True)
"""
_IN_C = """
def minutes():
    hashlib.pbkdf2_hmac("sha256", b"", b"", (1 << 31) - 1)
try:
    told()
    minutes()
except Terminated:  # the signal came before the call did
    minutes()
"""
"""Minutes within one call of C, which looks for no signal."""
_IN_PYTHON = """
try:
    told()
    threading.Event().wait()
except Terminated:
    sys.exit(7)
"""
_CLEANING = """
try:
    told()
    threading.Event().wait()
except Terminated:
    threading.Event().wait()  # what never ends
"""
_FORKED = """
ours, theirs = os.pipe()
child = os.fork()
if not child:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(4))
    signal.alarm(60)
    os.write(theirs, b"x")
    while True:
        signal.pause()
os.read(ours, 1)
os.kill(child, signal.SIGTERM)
status = os.waitpid(child, 0)[1]
assert os.WEXITSTATUS(status) == 4
told()
threading.Event().wait(1.0)
sys.exit(5)
"""


def ended(body: str, *, asked: bool = True) -> tuple[int, str]:
    """(exit code, standard error) of a process that was asked to end once it was ready."""
    with subprocess.Popen(
        [sys.executable, "-c", _BEGIN + body], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        if asked:
            process.send_signal(signal.SIGTERM)
        _, said = process.communicate()
        return process.returncode, said


def test_work_in_python_is_interrupted() -> None:
    assert ended(_IN_PYTHON) == (7, "")


@pytest.mark.parametrize("body", [_IN_C, _CLEANING], ids=["in a library", "while it cleans"])
def test_what_does_not_end_is_ended(body: str) -> None:
    code, said = ended(body)
    assert code == 3
    assert "stopped by SIGTERM; the same command resumes" in said


def test_a_signal_to_a_child_is_not_its_parents() -> None:
    assert ended(_FORKED, asked=False) == (5, "")
