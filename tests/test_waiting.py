"""Tests wait while something goes on, and no longer."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.waiting import cpu_of, ended, run, wait_until


def test_what_comes_is_returned() -> None:
    answers = iter([None, "", "found"])
    assert wait_until(lambda: next(answers)) == "found"


def test_what_changes_may_take_longer_than_the_limit() -> None:
    left = iter(range(40))
    assert wait_until(
        lambda: next(left) == 39, progress=lambda: object(), still_s=0.2, every_s=0.02
    )


def test_what_does_not_change_hangs() -> None:
    with pytest.raises(AssertionError, match="nothing changed for 0 s: 'as it was'"):
        wait_until(lambda: False, progress=lambda: "as it was", still_s=0.1)


def test_a_process_that_uses_its_cpu_goes_on() -> None:
    code = "import time\nwhile time.process_time() < 1: pass\nprint('done')"
    done = run([sys.executable, "-c", code])
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_a_process_that_sleeps_hangs_beside_one_that_works() -> None:
    """As a Ray of other tests does, which never rests."""
    works = [sys.executable, "-c", "while True: pass"]
    sleeps = [sys.executable, "-c", "import time; time.sleep(3600)"]
    with (
        ending(subprocess.Popen(works)),
        subprocess.Popen(sleeps, text=True, stdout=subprocess.PIPE) as child,
    ):
        with pytest.raises(AssertionError, match="nothing changed for"):
            ended(child, still_s=2.0)
        assert child.wait() != 0


def test_what_the_processes_below_a_process_use_is_its_own() -> None:
    works = "import time\nwhile time.process_time() < 2: pass"
    asks = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {works!r}])"
    with subprocess.Popen([sys.executable, "-c", asks]) as parent:
        assert wait_until(
            lambda: any(
                pid != parent.pid and ticks >= 20 for pid, ticks in cpu_of(parent.pid).items()
            )
        )


@contextlib.contextmanager
def ending(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    with process:
        try:
            yield process
        finally:
            process.kill()
