"""Images finished in processes of their own: the same files, whatever becomes of a process."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from augment.run.synthesis.finishers import Finishers, finishers_beside
from augment.run.synthesis.finishing import Finish, finished

_RNG = np.random.Generator(np.random.Philox(key=7))
COLOUR = (_RNG.random((5, 3, 24, 17), dtype=np.float32) * 3 - 1.5).astype(np.float32)
GREY = COLOUR[:, :1]


@pytest.fixture
def two() -> Iterator[Finishers]:
    found = Finishers(2)
    yield found
    found.close()


def gone(pid: int) -> bool:
    """Whether a process that was ours or our child's has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize("images", [COLOUR, GREY, COLOUR[::2, :, ::-1], COLOUR[:0]])
def test_they_give_what_this_process_gives(two: Finishers, images: np.ndarray) -> None:
    assert two(images) == finished(images)


def test_as_many_calls_at_once_as_there_are_processes(two: Finishers) -> None:
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(two, [COLOUR, GREY, COLOUR, GREY]))
    assert found == [finished(COLOUR), finished(GREY)] * 2
    assert 1 <= len(two.pids()) <= 2


def test_a_process_that_was_killed_costs_its_work_and_is_replaced(
    two: Finishers, caplog: pytest.LogCaptureFixture
) -> None:
    two(GREY)
    (before,) = two.pids()
    os.kill(before, signal.SIGKILL)
    with caplog.at_level(logging.WARNING, logger="augment.run"):
        assert two(COLOUR) == finished(COLOUR)
    assert "a process that finishes images" in caplog.text
    assert two(COLOUR) == finished(COLOUR)
    (after,) = two.pids()
    assert after != before
    assert gone(before)


def test_where_they_end_again_and_again_none_is_started(two: Finishers) -> None:
    for _ in range(5):
        two(GREY)
        os.kill(two.pids()[0], signal.SIGKILL)
        assert two(GREY) == finished(GREY)
    assert two(COLOUR) == finished(COLOUR)
    assert two.pids() == []


def test_they_end_when_they_are_closed(two: Finishers) -> None:
    two(GREY)
    (pid,) = two.pids()
    two.close()
    assert gone(pid)
    assert two.pids() == []


def test_they_end_with_the_process_that_they_work_for() -> None:
    code = (
        "import numpy as np, sys\n"
        "from augment.run.synthesis.finishers import Finishers\n"
        "some = Finishers(1)\n"
        "some(np.zeros((1, 1, 4, 4), np.float32))\n"
        "print(some.pids()[0], flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        pid = int(other.stdout.readline())
        assert not gone(pid)
        other.kill()
        assert other.stdout.read() == ""  # the pipe that both held is closed by both
        other.wait()
    while not gone(pid):  # its parent is gone: whoever waits for it does it soon
        time.sleep(0.01)


def test_a_worker_on_the_cpu_has_none_and_one_beside_a_gpu_at_least_one() -> None:
    assert finishers_beside("cpu") is None
    assert finishers_beside("cpu", 1.0, 8) is None
    for cpus, count in ((0.5, 1), (1, 1), (2, 1), (5, 4), (4096, 16)):
        given = finishers_beside("cuda", 1.0, cpus)
        assert given is not None
        assert given.count == count
    tiny, whole = finishers_beside("cuda", 1e-6), finishers_beside("cuda:0")
    assert tiny is not None
    assert tiny.count == 1
    assert whole is not None
    assert 1 <= whole.count <= 16


def test_what_is_finished_stands_for_one_image_each() -> None:
    check: Finish = finished
    for image, one in zip(COLOUR, check(COLOUR), strict=True):
        assert [one] == finished(image[None])
        assert (one.height, one.width) == (24, 17)
        assert one.data.startswith(b"\x89PNG")
        assert set(one.scores) == {"degenerate.std", "degenerate.saturated"}
