"""Files are opened for what they are, and known by where they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from augment.opening import NotRegular, opened, true_place

TOLD = pytest.mark.parametrize("open_files", ["/proc/self/fd", "/no/such/folder"])


def place(path: Path, open_files: str) -> str:
    descriptor = opened(str(path))
    try:
        return true_place(descriptor, str(path), open_files)
    finally:
        os.close(descriptor)


@TOLD
def test_a_file_is_known_by_its_true_place(tmp_path: Path, open_files: str) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/x").write_text("x")
    (tmp_path / "way").symlink_to("real")
    (tmp_path / "y").symlink_to("way/x")
    for way in ("way/x", "y", "real/x"):
        assert place(tmp_path / way, open_files) == str(tmp_path / "real/x")


@TOLD
def test_another_file_in_its_place_is_not_it(tmp_path: Path, open_files: str) -> None:
    path = tmp_path / "x"
    path.write_text("x")
    descriptor = opened(str(path))
    path.unlink()
    path.write_text("another one")
    with pytest.raises(FileNotFoundError):
        true_place(descriptor, str(path), open_files)
    os.close(descriptor)


def test_a_file_that_was_moved_or_removed_while_it_is_open(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("x")
    descriptor = opened(str(path))
    path.rename(tmp_path / "moved")
    assert true_place(descriptor, str(path)) == str(tmp_path / "moved")
    (tmp_path / "moved").unlink()
    with pytest.raises(FileNotFoundError):
        true_place(descriptor, str(path))
    os.close(descriptor)


@TOLD
def test_a_file_may_be_called_as_if_it_were_gone(tmp_path: Path, open_files: str) -> None:
    (tmp_path / "x (deleted)").write_text("x")
    assert place(tmp_path / "x (deleted)", open_files) == str(tmp_path / "x (deleted)")


@pytest.mark.parametrize("kind", ["pipe", "device", "link to a pipe"])
def test_what_is_no_file_is_not_opened(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "device":
        path = Path("/dev/null")
    else:
        os.mkfifo(tmp_path / "pipe")
        path.symlink_to("pipe")
    with pytest.raises(NotRegular, match="it is a pipe, a socket or a device"):
        opened(str(path))


def test_a_folder_and_nothing_are_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        opened(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        opened(str(tmp_path / "none"))
