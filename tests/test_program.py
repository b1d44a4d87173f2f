"""The command as a process: it ends with its exit code, also where threads of a library linger."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.waiting import run

LEAVE = """
import atexit, sys, threading, time
from augment.program import leave
atexit.register(lambda: print("at the end"))
print("said")
"""


def left(more: str, code: int = 3) -> tuple[int, str, str]:
    done = run([sys.executable, "-c", f"{LEAVE}\n{more}\nleave({code})"])
    return done.returncode, done.stdout, done.stderr


def test_what_was_said_and_what_is_registered_for_the_end_is_done() -> None:
    assert left("") == (3, "said\nat the end\n", "")


def test_a_thread_that_only_lingers_holds_nothing_up() -> None:
    linger = "threading.Thread(target=lambda: time.sleep(1000), daemon=True).start()"
    assert left(linger, 0) == (0, "said\nat the end\n", "")


def test_a_thread_that_python_waits_for_is_waited_for() -> None:
    work = "threading.Thread(target=lambda: (time.sleep(0.2), print('worked'))).start()"
    assert left(work, 1) == (1, "said\nworked\nat the end\n", "")


def test_an_interrupt_before_there_is_a_command_is_said_like_any_other() -> None:
    """While modules are imported, which takes longer than some people wait."""
    early = """
import sys
from augment.program import program

class Interrupts:
    def find_spec(self, name, path, target=None):
        if name == "augment.cli":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupts())
program()
"""
    done = run([sys.executable, "-c", early])
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "augment: stopped\n")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_stream_that_is_closed_is_no_trouble(stream: str) -> None:
    assert left(f"sys.{stream}.close()", 0)[0] == 0
    assert left(f"sys.{stream} = None", 0)[0] == 0


def test_arrow_may_still_hold_a_file_of_python_s(tmp_path: Path) -> None:
    """Without `leave` a few of a thousand such processes are aborted, with exit code 134."""
    rows = pa.table({f"c{i}": [str(j) for j in range(2000)] for i in range(20)})
    pq.write_table(rows, tmp_path / "rows.parquet", row_group_size=200)
    read = f"""
import io
import pyarrow.parquet as pq

class Stored(io.BytesIO):
    pass

file = pq.ParquetFile(Stored(open({str(tmp_path / "rows.parquet")!r}, "rb").read()))
for group in range(file.num_row_groups):
    file.read_row_group(group)
"""
    assert [left(read, 0)[0] for _ in range(10)] == [0] * 10
