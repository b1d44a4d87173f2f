"""The command's exit code, whatever becomes of its standard streams."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from augment.api import audit, open_dataset
from augment.cli import main
from tests.end_to_end.jobs import job_document, write_digits, write_job

COUNTS = {"0": 6, "1": 5, "2": 4}
TELLING = ("schema job", "--help", "validate job.yaml", "plan job.yaml", "audit out", "status out")
"""Commands all of whose work is to print."""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a job file `job.yaml` and its committed data set `out`."""
    root = tmp_path_factory.mktemp("streams")
    write_digits(root / "data", COUNTS)
    write_job(root / "job.yaml", job_document(root, augmentations=[]))
    assert main(["run", str(root / "job.yaml"), "--engine", "local", "--json"]) == 0
    return root


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    write_digits(tmp_path / "data", COUNTS)
    write_job(tmp_path / "job.yaml", job_document(tmp_path, augmentations=[]))
    return tmp_path


def shell(line: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """A line for bash, in which `augment` is the command."""
    code = f'augment() {{ "{sys.executable}" -m augment "$@"; }}; {line}'
    return subprocess.run(
        ["bash", "-c", code], cwd=cwd, env=os.environ | {"PYTHONPATH": os.getcwd()} | env,
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip


def assert_committed(root: Path) -> None:
    assert open_dataset(str(root / "out")).count_rows() == 99


@pytest.mark.parametrize("command", TELLING)
def test_what_cannot_be_printed_is_exit_3(command: str, done: Path) -> None:
    said = shell(f"augment {command} >/dev/full", done)
    assert said.returncode == 3
    assert said.stderr.splitlines() == [
        "augment: standard output could not be written (No space left on device): the same command "
        "prints it again"
    ]  # fmt: skip


@pytest.mark.parametrize("command", TELLING)
def test_a_reader_who_goes_away_changes_nothing(command: str, done: Path) -> None:
    said = shell(f"augment {command} | true; echo ${{PIPESTATUS[0]}}", done)
    assert (said.stdout, said.stderr) == ("0\n", "")


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", ["plan job.yaml", "audit out"])
def test_nobody_is_told_what_nobody_listens_to(command: str, closed: str, done: Path) -> None:
    said = shell(f"augment {command} {closed}", done)
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


@pytest.mark.parametrize("closed", ["2>&-", "2>/dev/full", "2> >(true)"])
def test_a_wrong_request_is_exit_2_also_where_nobody_can_be_told(closed: str, done: Path) -> None:
    assert shell(f"augment plan nowhere.yaml {closed}", done).returncode == 2
    assert shell(f"augment plan nowhere.yaml --json {closed} >/dev/full", done).returncode == 2


@pytest.mark.parametrize(
    "streams", ["<&- >&- 2>&-", ">/dev/full", ">/dev/full 2>/dev/full", "2>&1 | true"]
)
def test_a_run_that_has_committed_says_so_with_its_exit_code(streams: str, fresh: Path) -> None:
    """Progress, result and log go nowhere: files of the data set get none of it either."""
    line = f"augment run job.yaml --engine local {streams}; echo ${{PIPESTATUS[0]}} >code"
    said = shell(line, fresh)
    assert (fresh / "code").read_text() == "0\n", said.stderr
    assert_committed(fresh)
    assert audit(str(fresh / "out"), verify=True).ok
    if streams == ">/dev/full":
        assert said.stderr.splitlines()[-1] == (
            "augment: standard output could not be written (No space left on device): the report "
            "is lost, what it reports of is done"
        )


ODD: Sequence[tuple[str, dict[str, str]]] = (
    ("no home", {"HOME": "/nonexistent"}),
    ("an empty home", {"HOME": ""}),
    ("no width", {"COLUMNS": "0"}),
    ("a width that is none", {"COLUMNS": "wide", "LINES": "-1", "TERM": "dumb", "NO_COLOR": "1"}),
    ("a narrow terminal", {"COLUMNS": "1", "TERM": "unknown", "FORCE_COLOR": "1"}),
    ("plain C", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    ("ASCII alone", {"PYTHONIOENCODING": "ascii"}),
    ("Latin-1", {"PYTHONIOENCODING": "latin-1"}),
)


@pytest.mark.parametrize(("what", "env"), ODD, ids=[what for what, _ in ODD])
def test_odd_surroundings_are_no_traceback(what: str, env: dict[str, str], done: Path) -> None:
    for command in ("audit out", "plan --help"):
        said = shell(f"augment {command}", done, **env)
        assert (said.returncode, said.stderr) == (0, "")
        assert "verdict: ok" in said.stdout or "exit codes" in said.stdout


def test_letters_that_a_terminal_has_not_stand_as_their_escapes(fresh: Path) -> None:
    (fresh / "data/train/0").rename(fresh / "data/train/café")
    (fresh / "data/test/0").rename(fresh / "data/test/café")
    document = job_document(fresh)
    for key in ("generators", "synthesize", "filters", "pool"):
        del document[key]
    write_job(fresh / "job.yaml", document)
    said = shell("augment plan job.yaml", fresh, PYTHONIOENCODING="ascii")
    assert said.returncode == 0
    assert r"train caf\xe9" in said.stdout


def test_a_working_folder_that_is_gone(tmp_path: Path, done: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    for command, code in ((f"audit {done / 'out'}", 0), ("plan job.yaml", 2)):
        said = shell(f"cd {gone} && rmdir {gone} && augment {command}; c=$?; mkdir {gone}; exit $c",
                     done)  # fmt: skip
        assert said.returncode == code, said.stderr
        assert "Traceback" not in said.stderr


def test_arguments_that_are_no_text(done: Path) -> None:
    said = shell(r"augment plan $'no\xff\nsuch.yaml'", done)
    assert said.returncode == 2
    assert said.stderr == (
        "augment: no\\udcff\\nsuch.yaml: got no such file; expected a file that exists\n"
    )
