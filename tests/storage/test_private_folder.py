"""Folders of one process: what is put there stays as it is, and nothing of them stays."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from augment.errors import StorageError
from augment.policy import VARIABLE
from augment.storage.node_cache import loading_folder
from augment.storage.private_folder import PREFIX, private_folder, sweep


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "models" / "weights"
    path.parent.mkdir()
    path.write_bytes(bytes(range(256)) * 64)
    return path


def test_a_file_is_another_than_the_one_it_came_from(tmp_path: Path, model: Path) -> None:
    """A write in place, before or after, does not reach it."""
    whole = model.read_bytes()
    with private_folder(tmp_path / "loading") as private:
        found = private.put(model, "unet/weights", len(whole))
        with model.open("r+b") as file:
            file.write(b"changed")
        assert found == private.path / "unet" / "weights"
        assert found.read_bytes() == whole
        assert not found.samefile(model)
        modes = [stat.S_IMODE(p.stat().st_mode) for p in (private.path, found.parent, found)]
        assert modes == [0o700, 0o700, 0o600]
    assert list((tmp_path / "loading").iterdir()) == []


def test_a_file_of_a_fixed_place_is_linked(tmp_path: Path, model: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"x")
    with private_folder(tmp_path / "loading", fixed=model.parent) as private:
        assert private.put(model, "a").samefile(model)
        assert not private.put(other, "b").samefile(other)
    assert model.exists()


def test_a_path_that_leads_out_of_the_fixed_place_is_copied(tmp_path: Path, model: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "weights").write_bytes(b"x")
    (model.parent / "link").symlink_to(outside)
    with private_folder(tmp_path / "loading", fixed=model.parent) as private:
        source = model.parent / "link" / "weights"
        assert not private.put(source, "a").samefile(source)


def _swapped_for_a_link(model: Path) -> None:
    model.rename(model.with_name("moved"))
    model.symlink_to(model.with_name("moved"))


def _swapped_for_a_pipe(model: Path) -> None:
    model.unlink()
    os.mkfifo(model)


@pytest.mark.parametrize(
    "change",
    [
        Path.unlink,
        lambda model: model.write_bytes(b"shorter"),
        _swapped_for_a_pipe,
    ],
)
def test_a_file_that_is_another_than_was_looked_at(
    tmp_path: Path, model: Path, change: object
) -> None:
    size = model.stat().st_size
    assert callable(change)
    change(model)
    with private_folder(tmp_path / "loading") as private:
        with pytest.raises(StorageError) as told:
            private.put(model, "a", size)
        assert str(told.value) == (
            f"{model}: it was removed or written to while it was read; run the same command again"
        )


def test_a_file_that_became_a_link(tmp_path: Path, model: Path) -> None:
    size = model.stat().st_size
    _swapped_for_a_link(model)
    with private_folder(tmp_path / "loading") as private, pytest.raises(StorageError):
        private.put(model, "a", size)


def test_what_a_killed_process_left_is_removed_and_nothing_else(
    tmp_path: Path, model: Path
) -> None:
    """Neither the folder of a process that lives, nor what only has such a name."""
    above = tmp_path / "loading"
    left = _killed_in(above, model)
    assert (left / "weights").exists()
    (above / f"{PREFIX}file").write_bytes(b"")
    (above / f"{PREFIX}link").symlink_to(model.parent)
    (above / "other").mkdir()
    with private_folder(above) as first:
        first.put(model, "weights")
        assert not left.exists()
        with private_folder(above):
            assert (first.path / "weights").exists()
        sweep(above)
        assert (first.path / "weights").exists()
    assert sorted(p.name for p in above.iterdir()) == [
        f"{PREFIX}file", f"{PREFIX}link", "other",
    ]  # fmt: skip
    assert model.exists()


def _killed_in(above: Path, model: Path) -> Path:
    """The folder of a process that was killed while it had one."""
    program = textwrap.dedent(f"""
        import sys
        from pathlib import Path
        from augment.storage.private_folder import private_folder
        with private_folder(Path({str(above)!r})) as private:
            private.put(Path({str(model)!r}), "weights")
            print(private.path, flush=True)
            sys.stdin.read()
    """)
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        path = Path(one.stdout.readline().strip())
        one.send_signal(signal.SIGKILL)
        one.wait()
    return path


def test_no_room(tmp_path: Path, model: Path) -> None:
    above = tmp_path / "file"
    above.write_bytes(b"")
    with pytest.raises(StorageError, match=f"^{above} could not be written: "):
        private_folder(above).__enter__()


def _policy(folder: Path) -> Path:
    """One that says nothing, whatever this machine has."""
    path = folder / "policy.yaml"
    path.write_text("allow_code: []\n")
    return path


def test_it_lies_beside_the_cache_of_the_machine(tmp_path: Path) -> None:
    env = {VARIABLE: str(_policy(tmp_path)), "HOME": str(tmp_path)}
    with loading_folder(env) as private:
        assert private.path.parent == tmp_path / ".cache" / "augment" / "checkpoints" / "loading"
    entry = tmp_path / ".cache" / "augment" / "checkpoints" / "entries" / "ab" / "files" / "x"
    entry.parent.mkdir(parents=True)
    entry.write_bytes(b"x")
    with loading_folder(env) as private:
        assert private.put(entry, "x").samefile(entry)


def test_a_user_without_a_cache_loads_in_the_temporary_folder(tmp_path: Path) -> None:
    import tempfile

    with loading_folder({VARIABLE: str(_policy(tmp_path))}) as private:
        assert private.path.parent == Path(tempfile.gettempdir())
        assert stat.S_IMODE(private.path.stat().st_mode) == 0o700
    assert not private.path.exists()
