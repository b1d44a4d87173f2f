"""Work that does not end by itself is interrupted, also where SIGINT is ignored."""

from __future__ import annotations

import sys

import pytest

from tests.waiting import run

CODE = """
import signal, threading, time
from augment.errors import UnitFailed
from augment.run.engines.ending import Ending

signal.signal(signal.SIGINT, {handler})
{before}
ending = Ending(alone=False, grace_s={grace_s})
try:
    with ending.told():
        threading.Thread(target=ending.end, args=(UnitFailed("too long"),)).start()
        {work}
except UnitFailed as error:
    print("ended:", error, signal.getsignal(signal.SIGINT) == {handler})
"""
HANDLERS = ["signal.SIG_IGN", "signal.default_int_handler"]


def told(handler: str, work: str, grace_s: float = 300.0, before: str = "") -> tuple[int, str, str]:
    code = CODE.format(handler=handler, work=work, grace_s=grace_s, before=before)
    done = run([sys.executable, "-c", code])
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize("work", ["time.sleep(100_000)", "while True: pass"])
def test_it_is_interrupted_and_its_error_arrives(handler: str, work: str) -> None:
    assert told(handler, work)[:2] == (0, "ended: too long True\n")


@pytest.mark.parametrize("handler", HANDLERS)
def test_what_hears_nothing_ends_its_process(handler: str) -> None:
    """As a C library does: it never comes back to Python."""
    deaf = "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])"
    code, out, error = told(handler, "time.sleep(100_000)", grace_s=0.2, before=deaf)
    assert (code, out) == (3, "")
    assert error.endswith("augment: too long\n")


def test_a_sigint_of_others_stays_ignored_where_it_was() -> None:
    code = """
import os, signal
from augment.run.engines.ending import Ending
signal.signal(signal.SIGINT, signal.SIG_IGN)
with Ending(alone=False).told():
    os.kill(os.getpid(), signal.SIGINT)
    print("goes on")
"""
    done = run([sys.executable, "-c", code])
    assert (done.returncode, done.stdout) == (0, "goes on\n")
