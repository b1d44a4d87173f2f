"""The repeating of what broke half-way, as a process: a package `augment` whose runs do as they
are told stands in for the real one, which the repeater never imports."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import ended as over

ROOT = Path(__file__).parents[2]
RUN = """
import os, pathlib, signal, sys, time
log = pathlib.Path(sys.argv[1])
codes = sys.argv[2].split(",")
done = len(log.read_text().split()) if log.exists() else 0
log.write_text("x " * (done + 1))
code = codes[min(done, len(codes) - 1)]
if code == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
if code == "hang":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
    print("hangs", flush=True)
    time.sleep(100_000)
sys.exit(int(code))
"""


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    (tmp_path / "augment/submit").mkdir(parents=True)
    (tmp_path / "augment/__init__.py").write_text("")
    (tmp_path / "augment/submit/__init__.py").write_text("")
    (tmp_path / "augment/__main__.py").write_text(RUN)
    shutil.copy(ROOT / "augment/submit/again.py", tmp_path / "augment/submit")
    return tmp_path


def begun(folder: Path, *more: str, codes: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "augment.submit.again", *more, "--", "log", codes]
    env = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.Popen(command, cwd=folder, env=env, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)  # fmt: skip


def ended(folder: Path, codes: str, attempts: int = 3) -> tuple[int, int, str]:
    """Exit code, attempts, what it said."""
    process = begun(folder, "--attempts", str(attempts), "--pause", "0.01", codes=codes)
    _, said = over(process)
    return process.returncode, len((folder / "log").read_text().split()), said


@pytest.mark.parametrize("code", [0, 1, 2])
def test_what_is_final_is_not_repeated(stand_in: Path, code: int) -> None:
    assert ended(stand_in, str(code)) == (code, 1, "")


def test_what_broke_is_repeated_with_a_pause_that_doubles(stand_in: Path) -> None:
    code, attempts, said = ended(stand_in, "3,3,0")
    assert (code, attempts) == (0, 3)
    assert said.splitlines() == [
        "augment: attempt 1 of 3 broke half-way; again in 0.01 s",
        "augment: attempt 2 of 3 broke half-way; again in 0.02 s",
    ]


def test_a_limit_that_fails_later_is_final(stand_in: Path) -> None:
    assert ended(stand_in, "3,1,0")[:2] == (1, 2)


def test_it_ends_after_the_last_attempt(stand_in: Path) -> None:
    assert ended(stand_in, "3")[:2] == (3, 3)


def test_a_death_by_a_signal_is_broken_half_way(stand_in: Path) -> None:
    assert ended(stand_in, "kill,0")[:2] == (0, 2)
    (stand_in / "log").unlink()
    assert ended(stand_in, "kill")[:2] == (3, 3)


def test_sigterm_goes_to_the_command_and_ends_the_repeating(stand_in: Path) -> None:
    process = begun(stand_in, "--attempts", "5", "--pause", "0.01", codes="hang")
    assert process.stdout is not None
    assert process.stdout.readline() == "hangs\n"
    process.send_signal(signal.SIGTERM)
    over(process)
    assert process.returncode == 3
    assert (stand_in / "log").read_text().split() == ["x"]


def test_sigterm_ends_a_pause(stand_in: Path) -> None:
    process = begun(stand_in, "--attempts", "5", "--pause", "500", codes="3")
    assert process.stderr is not None
    assert process.stderr.readline() == "augment: attempt 1 of 5 broke half-way; again in 500 s\n"
    process.send_signal(signal.SIGTERM)
    over(process)
    assert process.returncode == 3


def test_no_attempt_is_no_number(stand_in: Path) -> None:
    process = begun(stand_in, "--attempts", "0", codes="0")
    _, said = over(process)
    assert process.returncode == 2
    assert "--attempts: got 0; expected at least 1" in said


def test_the_real_one_passes_the_code_on(tmp_path: Path) -> None:
    asked = subprocess.run(
        [sys.executable, "-m", "augment.submit.again", "--", "run", str(tmp_path / "none.yaml")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert asked.returncode == 2
    assert "none.yaml: got no such file; expected a file that exists" in asked.stderr
