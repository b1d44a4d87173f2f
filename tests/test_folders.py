"""Folders of the user: nothing of ours has a fixed name where others can be first."""

from __future__ import annotations

import tempfile
from pathlib import Path

from augment.folders import own_folder


def test_they_are_where_the_specification_says(tmp_path: Path) -> None:
    env = {"XDG_STATE_HOME": str(tmp_path / "s"), "HOME": str(tmp_path / "h")}
    assert own_folder("state", "logs", env) == str(tmp_path / "s/augment/logs")
    assert own_folder("cache", "logs", env) == str(tmp_path / "h/.cache/augment/logs")
    env = {"XDG_STATE_HOME": "relative", "HOME": str(tmp_path)}
    assert own_folder("state", "logs", env) == str(tmp_path / ".local/state/augment/logs")
    assert (tmp_path / ".local/state/augment/logs").is_dir()


def test_without_a_home_they_are_new_and_for_nobody_else(tmp_path: Path) -> None:
    """No home, one that is no path, and one where no folder can be made."""
    file = tmp_path / "file"
    file.write_text("")
    for env in ({}, {"HOME": "nowhere"}, {"HOME": str(file)}):
        found = [Path(own_folder("state", "logs", env)) for _ in range(2)]
        assert found[0] != found[1]
        for folder in found:
            assert folder.parent == Path(tempfile.gettempdir())
            assert folder.stat().st_mode & 0o777 == 0o700
            folder.rmdir()
