"""What the environment says to augment and its libraries."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from augment.cli import main
from augment.errors import RequestError
from augment.surroundings import SILENT, check, failed_import, fixed_time
from tests.end_to_end.jobs import augment

ASK = """
import os, sys
from augment.surroundings import SILENT, silently
silently(sys.argv[1])
print(os.environ[SILENT[sys.argv[1]][0]], os.listdir(os.environ["TMPDIR"]))
"""


@pytest.mark.parametrize("library", sorted(SILENT))
def test_a_library_is_told_to_tell_nobody(library: str, tmp_path: Path) -> None:
    """onnxruntime 1.32 keeps an id of the machine in the temporary folder where it sends events."""
    env = {n: v for n, v in os.environ.items() if n not in dict(SILENT.values())}
    for given, said in (({}, "1 []"), ({SILENT[library][0]: "true"}, "true []")):
        done = subprocess.run(
            [sys.executable, "-c", ASK, library], capture_output=True, text=True, check=True,
            env={**env, "TMPDIR": str(tmp_path), **given},
        )  # fmt: skip
        assert done.stdout.strip() == said


def test_nobody_else_imports_such_a_library() -> None:
    files = list((Path(__file__).parents[1] / "augment").rglob("*.py"))
    assert len(files) > 300
    pattern = re.compile(rf"^\s*(import|from) ({'|'.join(SILENT)})\b", re.M)
    found = [str(file) for file in files if pattern.search(file.read_text())]
    assert found == []


def test_a_time_that_stands_in_for_the_clock() -> None:
    assert fixed_time({}) is None
    assert fixed_time({"SOURCE_DATE_EPOCH": "0"}) == dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "1\n", "\u0661", "9" * 12])
def test_a_time_that_is_none_is_refused_before_anything_else(text: str) -> None:
    with pytest.raises(RequestError, match="SOURCE_DATE_EPOCH in the environment: got "):
        check({"SOURCE_DATE_EPOCH": text})


@pytest.mark.parametrize(
    "text",
    ["", " ", "max_split_size_mb:128", "garbage_collection_threshold:0.8, expandable_segments:True",
     "roundup_power2_divisions:[256:1,512:2,>:8],max_split_size_mb:64"],
)  # fmt: skip
def test_settings_of_an_allocator(text: str) -> None:
    check({"PYTORCH_CUDA_ALLOC_CONF": text, "PYTORCH_ALLOC_CONF": text})


@pytest.mark.parametrize("text", ["x", "a:", ":5", ",", "a:b:c", "a:[1:2", "a:1,,b:2"])
def test_settings_that_end_the_process_are_refused(text: str) -> None:
    with pytest.raises(RequestError, match="PYTORCH_ALLOC_CONF in the environment: got "):
        check({"PYTORCH_ALLOC_CONF": text})


@pytest.mark.parametrize("text", ["1", "16", "0008", "9999"])
def test_numbers_of_threads(text: str) -> None:
    check({"TOKIO_WORKER_THREADS": text})


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "1.5", " 2", "10000", "2\n", "\udcff"])
def test_threads_at_which_delta_panics_are_refused(text: str) -> None:
    with pytest.raises(RequestError, match="TOKIO_WORKER_THREADS in the environment: got "):
        check({"TOKIO_WORKER_THREADS": text})


@pytest.mark.parametrize("text", ["", "0", "0-3", "0-14:2", "0 3 1-2", "3-1", "0,", " 1, 2 "])
def test_cpus_as_libgomp_takes_them(text: str) -> None:
    check({"GOMP_CPU_AFFINITY": text, "OPENCV_FOR_THREADS_NUM": "4"})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("GOMP_CPU_AFFINITY", text) for text in ("x", "0 x", "0-", "all")),
        *(("OPENCV_FOR_THREADS_NUM", text) for text in ("x", "-3", "", "1.5")),
    ],
)
def test_what_native_code_reads_late_is_refused(name: str, text: str) -> None:
    """libgomp never came back from it, OpenCV ended the workers of a run."""
    with pytest.raises(RequestError, match=f"{name} in the environment: got "):
        check({name: text})


def test_a_panic_of_native_code_is_not_the_exit_code_of_a_limit(tmp_path: Path) -> None:
    """Stacks of threads as no machine has them: delta-rs panics, which is no `Exception`."""
    table = tmp_path / "table" / "_delta_log"
    table.mkdir(parents=True)
    (table / f"{0:020d}.json").write_text("{}")
    said = augment("audit", "table", "--json", cwd=tmp_path, RUST_MIN_STACK=str(2**60))
    assert said.returncode == 3, said.stderr
    assert "no rule foresaw this: please report it" in json.loads(said.stdout)["text"]


@pytest.mark.parametrize("name", ["OPENCV_IO_MAX_IMAGE_WIDTH", "OPENCV_TRACE"])
def test_nonsense_for_native_code_is_exit_2(tmp_path: Path, name: str) -> None:
    """And not what the system says of a process that ended itself."""
    said = augment("validate", "job.yaml", cwd=tmp_path, **{name: "wide"})
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr.startswith(f"augment: {name} in the environment: cv2 could not be imported")
    assert len(said.stderr.splitlines()) == 1


def test_what_opencv_can_use_is_left_to_it(tmp_path: Path) -> None:
    said = augment("schema", "job", cwd=tmp_path, OPENCV_IO_MAX_IMAGE_PIXELS="1MB")
    assert said.returncode == 0


def library(folder: Path, text: str) -> Path:
    """A package as one that is installed."""
    place = folder / "site-packages"
    place.mkdir()
    (place / "of_strangers.py").write_text(text)
    return place


def test_a_library_that_cannot_be_imported_is_a_wrong_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Here: the package of a generator, which reads a variable while it is imported."""
    place = library(tmp_path, "import os\nlimit = int(os.environ['STRANGE_LIMIT'])\n")
    monkeypatch.syspath_prepend(place)
    monkeypatch.setenv("STRANGE_LIMIT", "many")
    with pytest.raises(ValueError, match="many") as raised:
        __import__("of_strangers")
    said = failed_import(raised.value, os.environ)
    assert said is not None
    assert said.startswith("of_strangers could not be imported: ValueError: invalid literal")
    assert said.endswith("look at STRANGE_LIMIT, or install it anew")
    assert "look at the variables that it reads" in str(failed_import(raised.value, {}))


def test_an_error_within_a_call_is_none_of_an_import(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="invalid literal") as raised:
        int("x")
    assert failed_import(raised.value, os.environ) is None
    sys.path.insert(0, str(library(tmp_path, "def call(text):\n    return int(text)\n")))
    try:
        from of_strangers import call  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)
        sys.modules.pop("of_strangers", None)
    with pytest.raises(ValueError, match="invalid literal") as raised:
        call("x")
    assert failed_import(raised.value, os.environ) is None


def test_numpy_reads_a_time_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "soon")
    assert main(["plan", str(tmp_path / "job.yaml")]) == 2
    assert capfd.readouterr().err.startswith("augment: SOURCE_DATE_EPOCH in the environment: ")
