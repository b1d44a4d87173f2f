"""Nothing is written or removed through a link, in either way of taking a step."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from augment.errors import StorageError
from augment.storage import Folder, writing_file
from augment.storage.below import STEPWISE, LinkInTheWay, OpenFolder, Top, opened

WAYS = pytest.mark.parametrize("stepwise", [True, False] if STEPWISE else [False])
AGAIN = "then run the same command again"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with files, and one elsewhere that is somebody else's."""
    for folder in ("mine/a/b", "theirs/b"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("mine/a/b/x", "theirs/b/x", "theirs/x"):
        (tmp_path / file).write_text(file)
    return tmp_path


def contents(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


# ---- steps -----------------------------------------------------------------------------


@WAYS
def test_what_one_does_in_a_folder(root: Path, stepwise: bool) -> None:
    with opened(Top(str(root / "mine")), "a/new/deep", make=True, stepwise=stepwise) as folder:
        for n in range(2):
            os.write(handle := folder.new_file(f"f{n}"), b"f")
            os.close(handle)
        folder.link("f0", "f2")
        folder.rename("f1", "f3")
        folder.unlink("f0")
        folder.take(root / "theirs/x", "f4")
        os.write(handle := folder.appended_file("f2"), b"+")
        os.close(handle)
        folder.sync()
        with pytest.raises(FileExistsError):
            folder.new_file("f2")
    found = contents(root / "mine")
    assert found == {
        "a/b/x": "mine/a/b/x", "a/new/deep/f2": "f+", "a/new/deep/f3": "f",
        "a/new/deep/f4": "theirs/x",
    }  # fmt: skip


@WAYS
@pytest.mark.parametrize("path", ["link", "link/b", "a/link", "a/link/b", "hop", "a/up/theirs"])
def test_no_part_below_the_top_may_be_a_link(root: Path, path: str, stepwise: bool) -> None:
    (root / "mine/link").symlink_to(root / "theirs")
    (root / "mine/a/link").symlink_to("../../theirs")
    (root / "mine/hop").symlink_to("link")
    (root / "mine/a/up").symlink_to("../..")
    for make in (False, True):
        with (
            pytest.raises(LinkInTheWay) as error,
            opened(Top(str(root / "mine")), path, make=make, stepwise=stepwise),
        ):
            pass
        assert os.path.islink(error.value.link)
        assert os.readlink(error.value.link) == error.value.target


@WAYS
def test_the_top_may_be_a_link(root: Path, stepwise: bool) -> None:
    (root / "named").symlink_to(root / "mine")
    with opened(Top(str(root / "named")), "a/b", stepwise=stepwise) as folder:
        folder.unlink("x")
    assert contents(root / "mine") == {}


@WAYS
def test_a_tree_goes_without_what_its_links_lead_to(root: Path, stepwise: bool) -> None:
    (root / "mine/a/link").symlink_to(root / "theirs")
    (root / "mine/a/b/link").symlink_to(root / "theirs/x")
    (root / "mine/other").symlink_to(root / "theirs")
    with opened(Top(str(root / "mine")), stepwise=stepwise) as folder:
        assert folder.folders() == ["a"]
        folder.remove_tree("a")
        with pytest.raises(LinkInTheWay):
            folder.remove_tree("other")
    assert os.listdir(root / "mine") == ["other"]
    assert contents(root / "theirs") == {"x": "theirs/x", "b/x": "theirs/b/x"}


@pytest.mark.skipif(not STEPWISE, reason="this system opens no name from an open folder")
def test_a_link_that_is_put_in_after_the_look_changes_nothing(root: Path) -> None:
    with opened(Top(str(root / "mine")), "a/b") as folder:
        (root / "mine/a/b").rename(root / "mine/a/moved")
        (root / "mine/a/b").symlink_to(root / "theirs")
        assert folder.look("x").st_size == len("mine/a/b/x")
        folder.unlink("x")
        os.close(folder.new_file("y"))
    assert contents(root / "theirs") == {"x": "theirs/x", "b/x": "theirs/b/x"}
    assert contents(root / "mine/a/moved") == {"y": ""}


@WAYS
def test_another_folder_in_place_of_a_pinned_one(root: Path, stepwise: bool) -> None:
    top = Top(str(root / "mine")).pinned()
    (root / "mine").rename(root / "gone")
    (root / "theirs").rename(root / "mine")
    with (
        pytest.raises(OSError, match="another folder took its place"),
        opened(top, "b", stepwise=stepwise),
    ):
        pass


def test_folders_are_told_by_name() -> None:
    assert OpenFolder("/", None).full("x") == "/x"
    assert OpenFolder("/a", None).full("x") == "/a/x"


# ---- folders ---------------------------------------------------------------------------

Write = Callable[[Folder, str], object]
WRITES: dict[str, Write] = {
    "create": lambda folder, path: folder.create(path, b"mine"),
    "replace": lambda folder, path: folder.replace(path, b"mine"),
    "publish": lambda folder, path: folder.publish(path, b"mine"),
    "publish what is there": lambda folder, path: folder.publish(path, b"theirs/x"),
    "publish a file": lambda folder, path: folder.publish(path, Path(__file__)),
    "append": lambda folder, path: folder.appended(path).close(),
    "remove": lambda folder, path: folder.remove(path),
    "by a child": lambda folder, path: (
        folder.child("a").replace(f"../{path}", b"")
        if path.startswith("a/..")
        else folder.child(os.path.dirname(path)).replace(os.path.basename(path), b"mine")
    ),
}


@pytest.mark.parametrize("path", ["link/x", "link/b/x", "a/link/x", "a/file", "a/gone", "gone/x"])
@pytest.mark.parametrize("write", WRITES)
def test_a_folder_writes_and_removes_nothing_through_a_link(
    root: Path, path: str, write: str
) -> None:
    mine, theirs = root / "mine", root / "theirs"
    (mine / "link").symlink_to(theirs)
    (mine / "a/link").symlink_to("../../theirs")
    (mine / "a/file").symlink_to(theirs / "x")
    (mine / "a/gone").symlink_to(theirs / "none")
    (mine / "gone").symlink_to(theirs / "none")
    before = sorted(os.listdir(theirs))
    with pytest.raises(StorageError) as error:
        WRITES[write](Folder(str(mine)), path)
    link = next(p for p in (mine / path, *(mine / path).parents) if p.is_symlink())
    done = "removed" if write == "remove" else "written"
    assert str(error.value) == (
        f"{mine}/{path} could not be {done}: {link} is a link to {os.readlink(link)}, and nothing "
        "is written or removed through a link; name the place that it leads to, put the folder "
        f"itself there, or mount it there, {AGAIN}"
    )
    assert link.is_symlink()
    assert sorted(os.listdir(theirs)) == before
    assert contents(theirs) == {"x": "theirs/x", "b/x": "theirs/b/x"}


def test_what_is_named_may_be_reached_by_a_link(root: Path) -> None:
    (root / "named").symlink_to(root / "mine")
    for folder in (Folder(str(root / "named")), Folder(str(root / "named/a"))):
        folder.replace("y", b"y")
        folder.child("deeper").create("y", b"y")
        folder.remove("y")
    assert sorted(contents(root / "mine")) == ["a/b/x", "a/deeper/y", "deeper/y"]


def test_stored_shows_links_and_follows_none(root: Path) -> None:
    (root / "mine/link").symlink_to("../theirs")
    (root / "mine/a/file").symlink_to(root / "theirs/x")
    folder = Folder(str(root / "mine"))
    found = {s.path: s.target for s in folder.stored()}
    assert found == {"a/b/x": "", "link": "../theirs", "a/file": f"{root}/theirs/x"}
    assert {s.path: s.target for s in folder.child("a").stored()} == {
        "b/x": "", "file": f"{root}/theirs/x",
    }  # fmt: skip
    assert [s.path for s in folder.stored("a/b")] == ["a/b/x"]
    assert {s.path for s in folder.stored("link")} == {"link/x", "link/b/x"}  # as it was named
    assert {s.path for s in folder.child("link/b").stored()} == {"x"}
    assert [folder.is_linked(p) for p in ("link", "link/b", "a/file", "a", "a/b/x", "no/x")] == [
        True, True, True, False, False, False,
    ]  # fmt: skip


def test_a_pinned_folder_is_the_one_that_was_listed(root: Path) -> None:
    folder = Folder(str(root / "mine")).pinned()
    assert folder.child("a").read("b/x") == b"mine/a/b/x"
    (root / "mine").rename(root / "aside")
    (root / "theirs").rename(root / "mine")
    for act in (lambda: folder.remove("b/x"), lambda: list(folder.stored())):
        with pytest.raises(StorageError, match="another folder took its place meanwhile"):
            act()
    assert (root / "mine/b/x").read_text() == "theirs/b/x"


@pytest.mark.skipif(not STEPWISE, reason="this system opens no name from an open folder")
def test_no_race_reaches_what_a_link_leads_to(root: Path) -> None:
    """A folder that turns into a link and back, all the time while files are put into it and
    removed from it: what is elsewhere stays as it is."""
    mine, theirs = root / "mine", root / "theirs"
    folder, stop = Folder(str(mine)), threading.Event()

    def swap() -> None:
        while not stop.is_set():
            (mine / "a").rename(mine / "aside")
            with contextlib.suppress(FileExistsError):  # the writer made one meanwhile
                (mine / "a").symlink_to(theirs)
                (mine / "a").unlink()
            shutil.rmtree(mine / "a", ignore_errors=True)
            with contextlib.suppress(OSError):
                (mine / "aside").rename(mine / "a")
            (mine / "a").mkdir(exist_ok=True)
            shutil.rmtree(mine / "aside", ignore_errors=True)

    swapping = threading.Thread(target=swap)
    swapping.start()
    refused = 0
    try:
        for _ in range(100_000):
            if refused >= 50:
                break
            for act in (lambda: folder.remove("a/b/x"), lambda: folder.replace("a/b/x", b"mine")):
                try:
                    act()
                except StorageError:
                    refused += 1
    finally:
        stop.set()
        swapping.join()
    assert refused >= 50
    assert contents(theirs) == {"x": "theirs/x", "b/x": "theirs/b/x"}


def test_a_file_that_somebody_names_is_not_written_through_a_link(root: Path) -> None:
    (root / "sheet.png").symlink_to(root / "theirs/x")
    with pytest.raises(OSError, match="it is a link to"), writing_file(root / "sheet.png"):
        pass
    with writing_file(root / "mine/new.png") as file:
        file.write(b"new")
    assert contents(root)["theirs/x"] == "theirs/x"
    assert contents(root)["mine/new.png"] == "new"


def test_no_file_takes_the_name_of_a_pipe_or_a_device(tmp_path: Path) -> None:
    """`--junit /dev/null` of an administrator put a file in the place of the device."""
    pipe = tmp_path / "a.xml"
    os.mkfifo(pipe)
    folder = Folder(str(tmp_path))
    for write in (folder.replace, folder.tell):
        with pytest.raises(StorageError) as error:
            write("a.xml", b"x")
        assert str(error.value) == (
            f"{pipe} could not be written: a pipe, a socket or a device has that name; name "
            "another place, then run the same command again"
        )
    with pytest.raises(OSError, match="a device has that name"), writing_file(pipe):
        pass
    assert stat.S_ISFIFO(os.lstat(pipe).st_mode)
    assert os.listdir(tmp_path) == ["a.xml"]
