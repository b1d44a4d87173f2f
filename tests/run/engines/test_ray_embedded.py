"""An embedded Ray: it starts in bounded time or says why not, and ends with its driver."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from augment.errors import InterruptedRun, RequestError
from augment.run.engines.ray_embedded import WAIT_VARIABLE, environment, lengthened, start
from augment.run.engines.ray_keeper import members
from tests.waiting import wait_until

AT_ONCE = {WAIT_VARIABLE: "30"}
"""Ray's own patience, so that `start_s` is what it says."""


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary ones, with a name that Ray's sockets have room for."""
    folder = tempfile.mkdtemp(prefix="t-", dir="/tmp")
    yield Path(folder)
    shutil.rmtree(folder, ignore_errors=True)


def keeper(code: str) -> list[str]:
    """Something else in the place of what keeps a Ray: it is given CPUs and a folder."""
    return [sys.executable, "-c", code]


def env(folder: Path, **more: str) -> dict[str, str]:
    return {**os.environ, **AT_ONCE, "RAY_TMPDIR": str(folder), **more}


def silent(seconds: float) -> None:
    """Nobody wants to know how long it takes."""


ANSWERS = 'import sys; print(\'{"address": "here:1"}\', flush=True); sys.stdin.read(1)'


def test_what_keeps_ray_says_where_it_is_and_goes_when_it_is_told(temporary: Path) -> None:
    found = start(3, silent, env(temporary), keeper=keeper(ANSWERS))
    assert found.address == "here:1"
    assert [path.stat().st_mode & 0o777 for path in temporary.iterdir()] == [0o700]
    found.close()
    assert list(members(found.session)) == []
    assert list(temporary.iterdir()) == []


def test_what_it_logged_stays_where_somebody_asks_for_it(temporary: Path) -> None:
    found = start(3, silent, env(temporary), keeper=keeper(ANSWERS))
    found.close(keep_logs=True)
    assert list(temporary.iterdir()) == [found.folder]


def test_a_folder_for_it_that_is_not_there_is_named(temporary: Path) -> None:
    gone = {**env(temporary), "RAY_TMPDIR": str(temporary / "gone")}
    with pytest.raises(RequestError, match=r"/gone: no folder .* \(No such file or directory\);"):
        start(1, silent, gone, keeper=keeper(ANSWERS))


def test_a_ray_that_says_nothing_is_given_up_with_the_way_out(temporary: Path) -> None:
    beats: list[float] = []
    hangs = keeper("import time; time.sleep(10_000)")
    with pytest.raises(InterruptedRun) as caught:
        start(1, beats.append, env(temporary), keeper=hangs, start_s=2.5)
    (folder,) = temporary.iterdir()
    assert str(caught.value).startswith("Ray did not start within ")
    assert str(caught.value).endswith(
        "s; run the same command again (a busy machine may need RAY_raylet_start_wait_time_s=60 in "
        f"its environment), or use `--engine local`. What Ray logged is below {folder}"
    )
    assert beats[0] < beats[-1]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("raise SystemExit('out of files')", "did not start: out of files; run"),
        ("import os; os.abort()", "did not start: its process ended without a word; run"),
        (
            'print(\'{"error": "Exception: timed out"}\')',
            "did not start: Exception: timed out; run",
        ),
    ],
)
def test_a_start_that_fails_is_tried_once_more(temporary: Path, code: str, why: str) -> None:
    counting = f"open({str(temporary / 'tries')!r}, 'a').write('x'); {code}"
    with pytest.raises(InterruptedRun, match=why):
        start(1, silent, env(temporary), keeper=keeper(counting))
    assert (temporary / "tries").read_text() == "xx"
    assert len(list(temporary.iterdir())) == 2  # the second attempt's log stays, the first's goes


def test_where_half_of_the_time_has_passed_there_is_no_other_attempt(temporary: Path) -> None:
    code = f"import time; open({str(temporary / 'tries')!r}, 'a').write('x'); time.sleep(2.5)"
    with pytest.raises(InterruptedRun):
        start(1, silent, env(temporary), keeper=keeper(code), start_s=4.0)
    assert (temporary / "tries").read_text() == "x"


def test_a_second_attempt_may_succeed(temporary: Path) -> None:
    at_first = f"import os, sys; os.mkdir({str(temporary / 'tried')!r}); sys.exit(1)"
    code = f"try:\n {at_first}\nexcept FileExistsError:\n {ANSWERS}"
    found = start(1, silent, env(temporary), keeper=keeper(code))
    assert found.address == "here:1"
    found.close()


def test_an_interrupt_leaves_nothing(temporary: Path) -> None:
    def interrupt(seconds: float) -> None:
        if seconds > 0.5:
            raise KeyboardInterrupt

    pid = temporary / "pid"
    code = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(10_000)"
    with pytest.raises(KeyboardInterrupt):
        start(1, interrupt, env(temporary), keeper=keeper(code))
    assert [path.name for path in temporary.iterdir()] == ["pid"]
    assert list(members(int(pid.read_text()))) == []


@pytest.mark.parametrize("wait", ["soon", "0", "-3", "1e3", "9" * 400])
def test_a_wait_that_is_no_number_of_seconds_is_a_wrong_request(temporary: Path, wait: str) -> None:
    text = f"RAY_raylet_start_wait_time_s: got {wait!r:.80}; expected a number of seconds, 1 to"
    with pytest.raises(RequestError) as caught:
        start(1, silent, env(temporary, **{WAIT_VARIABLE: wait}), keeper=keeper(ANSWERS))
    assert str(caught.value).startswith(text)


def test_a_machine_that_has_no_room_for_processes_is_told(temporary: Path) -> None:
    with pytest.raises(InterruptedRun, match=r"^Ray did not start: .*No such file.*; run the same"):
        start(1, silent, env(temporary), keeper=["/none/of/these"])


def test_what_python_says_before_it_is_not_heard(temporary: Path) -> None:
    found = start(1, silent, env(temporary), keeper=keeper(f"print('a greeting'); {ANSWERS}"))
    assert found.address == "here:1"
    found.close()


def test_where_ray_waits_longer_so_do_we() -> None:
    for wait, ours in (("120", 140.0), ("30", 50.0), ("5", 50.0)):
        assert lengthened(50.0, {WAIT_VARIABLE: wait}) == ours
    assert lengthened(50.0, {}) == 50.0


def test_a_long_name_of_the_temporary_folder_is_not_used(tmp_path: Path) -> None:
    """The name of a socket has at most 107 bytes."""
    long = tmp_path / ("x" * 60)
    long.mkdir()
    found = start(1, silent, env(long), keeper=keeper(ANSWERS))
    assert found.folder.parent == Path("/tmp")
    found.close()


def test_only_driver_and_ray_know_their_token() -> None:
    first, second = environment({}), environment({})
    assert first["RAY_AUTH_MODE"] == "token"
    assert len(first["RAY_AUTH_TOKEN"]) == 64
    assert first["RAY_AUTH_TOKEN"] != second["RAY_AUTH_TOKEN"]
    settled = {"RAY_AUTH_MODE": "disabled", "RAY_AUTH_TOKEN": "of the user"}
    assert environment(settled).items() >= settled.items()
    assert "RAY_AUTH_TOKEN" not in environment({"RAY_AUTH_TOKEN_PATH": "/of/the/user"})


STARTS = """
import ctypes, os, pathlib, shutil, subprocess, types

def init(_temp_dir, **words):
    base = pathlib.Path(_temp_dir).parent
    subprocess.Popen([shutil.copy("/bin/sh", base / "{name}"), "-c", "{does}"])
    (base / "begun").write_text(str(os.getsid(0)))
    ctypes.PyDLL(None).sleep({seconds})
    return types.SimpleNamespace(address_info=dict(gcs_address="here:1"))
"""
"""A Ray that starts one process and waits, during which no thread of Python runs: so do Ray's own
inner parts."""


def a_ray(folder: Path, name: str, does: str, seconds: int = 10_000) -> Path:
    """In the folder, where Python is told to look for modules; its own folder."""
    (folder / "ray.py").write_text(STARTS.format(name=name, does=does, seconds=seconds))
    own = folder / "rays"
    own.mkdir()
    return own


@pytest.mark.parametrize("name", ["raylet", "gcs_server"])
def test_a_process_that_ends_in_the_start_ends_the_attempt(temporary: Path, name: str) -> None:
    """Ray would wait for it as long as it waits for one that lives."""
    rays = a_ray(temporary, name, does="sleep 0.2; exit 1")
    with pytest.raises(InterruptedRun) as caught:
        start(1, silent, env(rays, PYTHONPATH=str(temporary)))
    assert f"start: its {name} ended while it was starting; run" in str(caught.value)


def test_what_a_raylet_starts_may_end(temporary: Path) -> None:
    """A copy of the raylet that ends, and that it has not asked after yet, is not the raylet."""
    rays = a_ray(temporary, "raylet", does="(exit 0) & exec sleep 10000", seconds=3)
    found = start(1, silent, env(rays, PYTHONPATH=str(temporary)))
    assert found.address == "here:1"
    found.close()


def test_a_driver_that_is_killed_while_its_ray_starts_takes_all_with_it(temporary: Path) -> None:
    rays = a_ray(temporary, "raylet", does="exec sleep 10000")
    code = (
        "import os\n"
        "from augment.run.engines.ray_embedded import start\n"
        f"start(1, print, {{**os.environ, 'PYTHONPATH': {str(temporary)!r}}})\n"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, env=env(rays), stdout=subprocess.DEVNULL) as driver:
        begun = wait_until(lambda: "".join(path.read_text() for path in rays.glob("*/begun")))
        session = int(begun)
        assert len(list(members(session))) == 3  # the keeper, what starts Ray, and a part of it
        driver.kill()
        wait_until(lambda: not list(members(session)))


# ---- the real one -------------------------------------------------------------------

DRIVER = """
import sys
from augment.run.engines.ray_engine import RayEngine

engine = RayEngine()
engine.open()
import ray

@ray.remote
def here():
    import os
    return os.getpid()

print(engine._embedded.session, engine._embedded.folder, ray.get(here.remote()), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def driver(temporary: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-W", "ignore", "-c", DRIVER]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "RAY_TMPDIR": str(temporary)},
    ) as process:  # fmt: skip
        yield process
        process.kill()


def test_a_killed_driver_takes_its_ray_with_it(
    driver: subprocess.Popen[str], temporary: Path
) -> None:
    """Head, raylet, agents, workers, and what keeps them: all of its processes, by their ids."""
    assert driver.stdout is not None
    session, folder, worker = driver.stdout.readline().split()
    assert Path(folder).parent == temporary
    living = set(members(int(session)))
    assert {int(session), int(worker)} <= living
    assert len(living) >= 6
    driver.send_signal(signal.SIGKILL)
    wait_until(lambda: not list(members(int(session))), lambda: len(list(members(int(session)))))
    assert [path.name for path in temporary.iterdir()] == [Path(folder).name]  # its logs
