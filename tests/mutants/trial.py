"""A private copy of the repository, and tests run there: on the original, then on one mutant.

The copy is compiled with pycs that are checked by content, because a mutant is written within the
second of another one and may have its size. A run has limits of its own kind: CPU time
for what is busy for ever, stillness for what waits for ever, memory for what grows for ever.
"""

from __future__ import annotations

import compileall
import contextlib
import os
import py_compile
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.waiting import cpu_of, wait_until

STILL_S = 60.0
"""Without any use of the CPU by the tests: they wait for what will not come."""
SPARE_CPU_S = 20
_TIMES = 4
"""A mutant's tests may take so many times the CPU time of the original, and the spare."""
_DATA_BYTES = 6 << 30
_LEFT_OUT = {"__pycache__", ".git", ".venv", ".hypothesis"}
_MADE = {"out", "data", "pool", "build", "dist"}
"""Left out where they stand at the top: what demo and tests made."""
_COLLECTED_NOTHING = 5


@dataclass(frozen=True)
class Ran:
    """A run of tests. outcome: passed, failed or timed out. said: its last lines."""

    outcome: str
    cpu_s: float
    said: str


class Copy:
    """A copy of a repository in a folder that is empty or not there, where tests run. python: the
    interpreter, whose packages the tests use. spare_cpu_s: see `SPARE_CPU_S`."""

    def __init__(
        self,
        repository: Path,
        place: Path,
        python: str = sys.executable,
        spare_cpu_s: int = SPARE_CPU_S,
    ) -> None:
        self.root = place / "copy"
        self._place, self._python, self._spare_cpu_s = place, python, spare_cpu_s
        shutil.copytree(repository, self.root, ignore=_ignored(repository), symlinks=True)
        by_content = py_compile.PycInvalidationMode.CHECKED_HASH
        compileall.compile_dir(self.root / "augment", quiet=2, invalidation_mode=by_content)
        self._usual: dict[tuple[str, ...], Ran] = {}

    def usual(self, tests: Sequence[str]) -> Ran:
        """Tests on the original; they run once."""
        key = tuple(tests)
        if key not in self._usual:
            self._usual[key] = self._run(key, None)
        return self._usual[key]

    def mutated(self, file: str, text: str, tests: Sequence[str]) -> Ran:
        """Tests on a mutant: `text` stands in `file` while they run. Those on the original must
        have passed."""
        path = self.root / file
        original = path.read_bytes()
        usual = self.usual(tests).cpu_s
        try:
            path.write_text(text, encoding="utf-8")
            return self._run(tuple(tests), int(_TIMES * usual) + self._spare_cpu_s)
        finally:
            path.write_bytes(original)

    def imports_itself(self, module: str) -> bool:
        """Whether a module is read from the copy, not from an installed package."""
        code = f"import {module} as m; print(m.__file__)"
        done = subprocess.run(
            [self._python, "-c", code], cwd=self.root, env=self._env(), capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        return Path(done.stdout.strip() or "/").is_relative_to(self.root)

    def _env(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.root)}

    def _run(self, tests: tuple[str, ...], cpu_s: int | None) -> Ran:
        shutil.rmtree(self.root / ".hypothesis", ignore_errors=True)  # what another mutant left
        scratch, log = self._place / "tests", self._place / "said"
        command = [
            self._python, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=line",
            f"--basetemp={scratch}", *_seeded(), *tests,
        ]  # fmt: skip
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, cwd=self.root, env=self._env(), stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, start_new_session=True,
                preexec_fn=lambda: _limited(cpu_s),
            )  # fmt: skip
            hung = not _ended(process)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        shutil.rmtree(scratch, ignore_errors=True)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        said = "\n".join(log.read_text(errors="replace").strip().splitlines()[-6:])
        return Ran(_outcome(process.returncode, hung), used, said)


def _ignored(repository: Path) -> Callable[[str, list[str]], set[str]]:
    def ignored(folder: str, names: list[str]) -> set[str]:
        made = _MADE if Path(folder) == repository else set()
        left_out = _LEFT_OUT | made
        return {n for n in names if n in left_out or n.endswith(("_cache", ".egg-info"))}

    return ignored


def _seeded() -> list[str]:
    """A mutant lives or dies by the same random inputs every time."""
    import importlib.util

    return ["--hypothesis-seed=0"] if importlib.util.find_spec("hypothesis") else []


def _outcome(code: int, hung: bool) -> str:
    if hung or code in (-signal.SIGXCPU, -signal.SIGKILL):
        return "timed out"
    if code in (0, _COLLECTED_NOTHING):
        return "passed" if code == 0 else "none"
    return "failed"


def _limited(cpu_s: int | None) -> None:
    """In the child before it is another program."""
    if cpu_s is not None:
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 5))
        resource.setrlimit(resource.RLIMIT_DATA, (_DATA_BYTES, _DATA_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it ended by itself; what is still there of its session is killed in any case."""
    try:
        wait_until(
            lambda: process.poll() is not None,
            lambda: sum(cpu_of(process.pid).values()),
            still_s=STILL_S,
            every_s=0.05,
        )
    except AssertionError:
        return False
    else:
        return True
    finally:
        _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
