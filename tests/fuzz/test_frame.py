from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz import search
from tests.fuzz.__main__ import REPOSITORY, main, searched
from tests.fuzz.frame import MEBIBYTES, Target, TooMuch, load, names, tried
from tests.fuzz.mutation import inputs, mutated

TOYS = "tests.fuzz.toys"


def test_an_input_follows_from_target_seed_and_number_alone() -> None:
    target = load(TOYS)
    first = list(inputs(target, seed=1, count=40))
    assert first == list(inputs(target, seed=1, count=40))
    assert first[:10] == list(inputs(target, seed=1, count=10))
    assert first != list(inputs(target, seed=2, count=40))
    assert len(set(first)) > 30


def test_mutations_cut_grow_splice_and_count() -> None:
    target = load(TOYS)
    made = list(inputs(target, seed=1, count=3000))
    longest = max(map(len, target.seeds().values()))
    assert min(map(len, made)) == 0
    assert max(map(len, made)) > 8 * longest
    assert any(data.startswith(b"a plain") and data.endswith(b"cdef") for data in made)
    assert any(data[4:] == b"abcdef" and data[:4] not in (b"\x06\0\0\0",) for data in made)
    assert all(any(token in data for data in made) for token in target.tokens)
    assert mutated([b""], (), "x") is not None


def test_what_a_reader_does_not_document_comes_out() -> None:
    with pytest.raises(KeyError, match="boom"):
        tried(load(TOYS), b"a boom")


def test_work_and_memory_beyond_the_budget_are_found() -> None:
    with pytest.raises(TooMuch, match=rf"^4 bytes took \d+ MiB more memory; expected {MEBIBYTES}"):
        tried(dataclasses.replace(load(TOYS), cpu_seconds=60), b"hold")
    with pytest.raises(TooMuch, match=r"more than 0\.2 s of CPU time"):
        tried(load(TOYS), b"spin")
    tried(load(TOYS), b"and goes on")


def test_a_target_that_is_not_there() -> None:
    with pytest.raises(LookupError, match=r"no target 'nothing'; expected one of .*pickles"):
        load("nothing")
    assert main(["--target", "nothing"]) == 2


@pytest.mark.parametrize("name", names())
def test_every_target_has_something_to_begin_with(name: str) -> None:
    target: Target = load(name)
    assert target.seeds()
    assert all(isinstance(data, bytes) for data in target.seeds().values())


@pytest.mark.parametrize("guided", [False, *([True] if search.guided() else [])])
def test_a_search_writes_what_it_found_to_a_file(guided: bool, tmp_path: Path) -> None:
    """A search that found nothing would go on for this many seconds."""
    result = searched(TOYS, 300, 1, guided, tmp_path / "found")
    assert not result.ok
    (path,) = result.found
    assert path.parent == tmp_path / "found"
    assert any(word in path.read_bytes() for word in (b"boom", b"spin", b"hold"))


def test_a_found_file_is_tried_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "one"
    path.write_bytes(b"harmless")
    assert main(["--target", TOYS, str(path)]) == 0
    assert capsys.readouterr().out == f"ok    {TOYS} {path}\n"
    path.write_bytes(b"boom")
    with pytest.raises(KeyError):
        main(["--target", TOYS, str(path)])


def test_a_search_that_finds_nothing_says_so() -> None:
    command = ["--target", "safetensors", "--seconds", "1", "--jobs", "1", "--unguided"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", *command],
        capture_output=True, text=True, check=False, cwd=REPOSITORY,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ("1 targets, 1 s each, by mutation, seed 1\nok    safetensors\n")


def test_what_the_process_held_before_hides_nothing() -> None:
    held = bytearray(2 * MEBIBYTES << 20)
    held[::4096] = b"x" * len(held[::4096])
    del held
    with pytest.raises(TooMuch, match="MiB more memory"):
        tried(dataclasses.replace(load(TOYS), cpu_seconds=60), b"hold")
