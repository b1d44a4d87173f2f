"""What stands in a source and is no row: counted by cause, ending and class, told in few lines."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from augment.sources import LeftOut, read_left_out, take_census
from augment.sources.left_out import Cause, Loss, Losses, lines, summary
from augment.storage import Folder
from tests.sources.losses import left
from tests.sources.test_census import folder_job, png, rows, texts


def encoded(kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (4, 3), (9, 99, 199)).save(out, kind)
    return out.getvalue()


@pytest.fixture(params=["local", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    if request.param == "memory":
        return Folder(f"memory://{tmp_path.name}-{random.getrandbits(64):x}")
    return Folder(str(tmp_path / "data"))


def of(folder: Folder, **source: object) -> LeftOut:
    """What is left out of the folder's `train`."""
    (found,) = take_census(folder_job(folder.uri, {"train": "train"}, **source)).left_out
    return found


# ---- images are known by content -------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("no ending", "PNG"),
        ("x.JPG_large", "JPEG"),
        ("x.jpg-large", "JPEG"),
        ("x.2024", "PNG"),
        ("x.", "GIF"),
        ("x.photo", "WEBP"),
        ("x.jpg?width=640", "JPEG"),
        ("x.xyz", "TIFF"),
        ("x.image", "BMP"),
        ("x.raster", "PPM"),
        ("deep/er/x", "PNG"),
    ],
)
def test_an_image_needs_no_ending(folder: Folder, name: str, kind: str) -> None:
    folder.replace("train/a/0.png", png(0))
    folder.replace(f"train/a/{name}", encoded(kind))
    census = take_census(folder_job(folder.uri, {"train": "train"}))
    assert [r[1] for r in rows(census)] == sorted(["train/a/0.png", f"train/a/{name}"])
    assert census.left_out == ()


@pytest.mark.parametrize(
    ("name", "data", "cause"),
    [
        ("notes", b"BMW is no bitmap, whatever it begins with", Cause.NO_IMAGE),
        ("empty", b"", Cause.NO_IMAGE),
        ("x.jp2", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(60), Cause.NO_IMAGE),
        ("x.part7", png(1)[:4], Cause.NO_IMAGE),
        ("x.png.bak", png(1), Cause.OTHER_FILE),
        ("x.png~", png(1), Cause.OTHER_FILE),
        ("x.jpg_original", png(1), Cause.OTHER_FILE),
        ("x.TXT", png(1), Cause.OTHER_FILE),
        ("x.dng", encoded("TIFF"), Cause.OTHER_FILE),
        (".0.png", png(1), Cause.HIDDEN),
        ("._0.png", png(1), Cause.HIDDEN),
        ("Thumbs.db", png(1), Cause.HIDDEN),
        ("desktop.ini", png(1), Cause.HIDDEN),
    ],
)
def test_what_is_no_image_is_counted(folder: Folder, name: str, data: bytes, cause: Cause) -> None:
    folder.replace("train/a/0.png", png(0))
    folder.replace(f"train/a/{name}", data)
    found = of(folder)
    assert [(x.cause, x.n, x.classes) for x in found.losses] == [(cause, 1, {"a": 1})]
    assert found.taken == 1


def test_what_is_read_of_a_doubtful_file_is_little(tmp_path: Path) -> None:
    """A huge file costs as little as a small one, and so do very many."""
    folder = Folder(str(tmp_path))
    folder.replace("train/a/0.png", png(0))
    with (tmp_path / "train/a/huge").open("wb") as huge:
        huge.truncate(1 << 40)  # a hole
    for n in range(5000):
        (tmp_path / f"train/a/{n}.thing").write_bytes(b"nothing that is known")
    assert left(take_census(folder_job(str(tmp_path), {"train": "train"}))) == {
        "not_an_image": 1, "not_an_image .thing": 5000,
    }  # fmt: skip


def test_names_with_the_ending_of_an_image_are_not_looked_into(folder: Folder) -> None:
    """They are rows, and quarantined if they are no images: nothing is left out in silence."""
    folder.replace("train/a/0.png", b"no image")
    census = take_census(folder_job(folder.uri, {"train": "train"}))
    assert len(rows(census)) == 1
    assert census.left_out == ()


# ---- counting ----------------------------------------------------------------------------


def scene(folder: Folder) -> None:
    for n in range(4):
        folder.replace(f"train/cat/{n}.png", png(n))
        folder.replace(f"train/dog/{n}.png", png(n))
        folder.replace(f"train/heron/{n}.jp2", b"\0\0\0\x0cjP  \r\n\x87\n")
    for name in ("cat/Thumbs.db", "cat/._0.png", "cat/notes.txt", "dog/notes.txt", "loose.png"):
        folder.replace(f"train/{name}", png(0))


def test_everything_is_counted_by_cause_ending_and_class(folder: Folder) -> None:
    scene(folder)
    found = of(folder, empty_classes="keep")
    assert found == LeftOut(
        "digits",
        8,
        (
            Loss(Cause.NO_CLASS, "png", 1, {"": 1}, ("train/loose.png",)),
            Loss(
                Cause.NO_IMAGE, "jp2", 4, {"heron": 4},
                ("train/heron/0.jp2", "train/heron/1.jp2", "train/heron/2.jp2"),
            ),
            Loss(
                Cause.OTHER_FILE, "txt", 2, {"cat": 1, "dog": 1},
                ("train/cat/notes.txt", "train/dog/notes.txt"),
            ),
            Loss(Cause.HIDDEN, "db", 1, {"cat": 1}, ("train/cat/Thumbs.db",)),
            Loss(Cause.HIDDEN, "png", 1, {"cat": 1}, ("train/cat/._0.png",)),
        ),
        {"heron": 4},
        ("heron",),
    )  # fmt: skip
    assert lines(found) == [
        "left out of digits: 9, beside 8 that are taken",
        "  not in a class folder: 1 (.png 1); for example train/loose.png",
        "  no image that is read here, by content: 4 (.jp2 4); class heron: 4 of 4; "
        "for example train/heron/0.jp2",
        "  other files, by ending: 2 (.txt 2)",
        "  hidden: 2 (.db 1, .png 1)",
        "class folders of digits without an image to use: heron",
    ]


def test_the_order_of_a_listing_does_not_show() -> None:
    names = [(cause, f"p/{n}.{n % 7}x", f"c{n % 5}", f"{n % 7}x")
             for n, cause in enumerate([Cause.HIDDEN, Cause.NOTHING] * 2000)]  # fmt: skip
    results = []
    for seed in range(3):
        random.Random(seed).shuffle(names)
        losses = Losses()
        for name in names:
            losses.add(*name)
        results.append(losses.losses())
    assert results[0] == results[1] == results[2]
    assert sum(loss.n for loss in results[0]) == len(names)
    assert all(len(loss.examples) == 3 for loss in results[0])


def test_what_is_kept_says_the_same_again(folder: Folder) -> None:
    scene(folder)
    found = of(folder, empty_classes="keep")
    document = json.loads(json.dumps({"left_out": [found.to_json()]}))
    assert read_left_out(document) == [found]
    assert found.to_json()["left_out"] == found.n == 9


@pytest.mark.parametrize(
    "kept", [None, 3, "x", {}, [None], [{}], [{"source": "s"}], [[]], [{"losses": 1}]]
)
def test_what_was_damaged_says_nothing(kept: object) -> None:
    assert read_left_out({"left_out": kept}) == []


def test_few_lines_whatever_the_number_of_classes_and_endings() -> None:
    losses = Losses()
    for n in range(5000):
        for k in range(n % 3 + 1):
            losses.add(Cause.NOTHING, f"train/c{n:04}/{k}.e{n}", f"c{n:04}", f"e{n}")
    classes = {f"c{n:04}": 3 for n in range(5000)}
    empty = tuple(sorted(classes))
    found = LeftOut("many", 0, losses.losses(), classes, empty)
    told = lines(found)
    assert len(told) == 3
    assert all(len(line) < 400 for line in told)
    assert told[1] == (
        "  links to nothing: 9999 (.e1001 3, .e1004 3, .e1007 3, .e101 3, .e1010 3, others 9984); "
        "class c0002: 3 of 3, c0005: 3 of 3, c0008: 3 of 3, c0011: 3 of 3, c0014: 3 of 3 and 4995 "
        "more; for example train/c0000/0.e0; fetch what they stand for (`git annex get`, "
        "`dvc pull`)"
    )
    assert told[2].endswith("c0009 and 4990 more")
    assert len(found.losses) == 51


def test_names_cannot_draw_on_the_screen(tmp_path: Path) -> None:
    evil = "\x1b[2J\nok\u202e"
    Folder(str(tmp_path)).replace("train/a/0.png", png(0))
    (tmp_path / f"train/{evil}").mkdir()
    (tmp_path / f"train/{evil}/x{'y' * 90}").write_text("")
    found = of(Folder(str(tmp_path)), empty_classes="drop")
    for line in [*lines(found), summary(found)]:
        assert line.isprintable()
        assert "yyyy..." in line or "class" in line or "left out" in line


def test_a_class_is_counted_under_one_name(tmp_path: Path) -> None:
    """However its letters are composed."""
    folder = Folder(str(tmp_path))
    folder.replace("train/e\u0301/0.png", png(0))
    folder.replace("train/e\u0301/1.jp2", b"x")
    found = of(folder)
    assert (found.of, found.empty) == ({"\u00e9": 2}, ())


# ---- class folders without an image -------------------------------------------------------


def emptied(folder: Folder) -> None:
    scene(folder)
    folder.replace("train/ant/readme.txt", b"to come")


def test_an_emptied_class_folder_is_refused(folder: Folder) -> None:
    """The ids of the classes behind it would shift, and nobody would see why."""
    emptied(folder)
    (text,) = texts(folder_job(folder.uri, {"train": "train"}))
    assert text == (
        "sources.digits: got class folders without an image to use: 'ant', 'heron'; expected an "
        "image in every class folder: without them the ids of other classes would shift. Fetch or "
        "mend their images, or remove the folders; or say in the source `empty_classes: keep` "
        "(their classes keep their label ids) or `empty_classes: drop`, or list the `classes`. "
        "Left out: not in a class folder: 1 (.png 1); for example train/loose.png; no image that "
        "is read here, by content: 4 (.jp2 4); class heron: 4 of 4; for example "
        "train/heron/0.jp2; other files, by ending: 3 (.txt 3); hidden: 2 (.db 1, .png 1)"
    )


def test_it_keeps_its_place_or_has_none_where_the_job_says_so(folder: Folder) -> None:
    emptied(folder)
    for said, classes in (("keep", ("ant", "cat", "dog", "heron")), ("drop", ("cat", "dog"))):
        census = take_census(folder_job(folder.uri, {"train": "train"}, empty_classes=said))
        assert census.classes == classes
        assert census.left_out[0].empty == ("ant", "heron")
        assert len(rows(census)) == 8


def test_given_classes_say_which_there_are(folder: Folder) -> None:
    emptied(folder)
    asked = folder_job(folder.uri, {"train": "train"}, classes=["dog", "cat", "heron"])
    census = take_census(asked)
    assert census.classes == ("dog", "cat", "heron")
    assert census.left_out[0].empty == ("ant", "heron")


def test_a_split_may_lack_a_class_that_another_has(folder: Folder) -> None:
    scene(folder)
    folder.replace("test/cat/0.png", png(0))
    folder.replace("test/dog/readme.txt", b"")
    folder.replace("test/heron/0.png", png(0))
    census = take_census(folder_job(folder.uri, {"train": "train", "test": "test"}))
    assert census.classes == ("cat", "dog", "heron")
    assert census.left_out[0].empty == ()


def test_another_source_may_have_the_images_of_a_class(folder: Folder, tmp_path: Path) -> None:
    emptied(folder)
    other = Folder(str(tmp_path / "other"))
    other.replace("train/heron/0.png", png(0))
    other.replace("train/ant/0.png", png(0))
    asked = folder_job(folder.uri, {"train": "train"})
    more = asked.spec.sources["digits"].model_copy(update={"uri": other.uri})
    spec = asked.spec.model_copy(update={"sources": {**asked.spec.sources, "more": more}})
    census = take_census(type(asked)(spec, "", ""))
    assert census.classes == ("ant", "cat", "dog", "heron")
    assert census.left_out[0].empty == ("ant", "heron")


def test_an_emptied_folder_counts_as_the_class_that_it_is_mapped_to(folder: Folder) -> None:
    emptied(folder)
    label_map = {"map": {"cat": "pet", "dog": "pet", "heron": "bird"}, "unmapped": "drop"}
    asked = {"label_map": label_map}
    (text,) = texts(folder_job(folder.uri, {"train": "train"}, **asked))
    assert "class folders without an image to use: 'heron';" in text  # ant is not asked for
    kept = take_census(folder_job(folder.uri, {"train": "train"}, empty_classes="keep", **asked))
    assert kept.classes == ("bird", "pet")
    label_map["map"]["heron"] = "pet"
    assert take_census(folder_job(folder.uri, {"train": "train"}, **asked)).classes == ("pet",)


def test_folders_that_nobody_means_are_no_classes(folder: Folder) -> None:
    folder.replace("train/cat/0.png", png(0))
    for hidden in (".git/x", ".ipynb_checkpoints/x.png", "__MACOSX/cat/._0.png"):
        folder.replace(f"train/{hidden}", b"x")
    census = take_census(folder_job(folder.uri, {"train": "train"}))
    assert census.classes == ("cat",)
    assert left(census) == {"hidden": 1, "hidden .png": 2}


def test_an_empty_folder_on_a_disk_is_a_class_folder(tmp_path: Path) -> None:
    Folder(str(tmp_path)).replace("train/cat/0.png", png(0))
    (tmp_path / "train/wren").mkdir()
    (tmp_path / "train/owl/deep/er").mkdir(parents=True)
    (text,) = texts(folder_job(str(tmp_path), {"train": "train"}))
    assert "class folders without an image to use: 'owl', 'wren'; expected" in text


# ---- what may not be read, and what is no file ------------------------------------------------


def test_what_is_no_file_is_left_out_and_never_opened(tmp_path: Path) -> None:
    Folder(str(tmp_path)).replace("train/a/0.png", png(0))
    os.mkfifo(tmp_path / "train/a/pipe.png")
    os.mkfifo(tmp_path / "train/a/pipe")
    (tmp_path / "train/a/null.png").symlink_to("/dev/null")
    (tmp_path / "train/a/zero").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(tmp_path / "train/a/socket.png"))
        census = take_census(folder_job(str(tmp_path), {"train": "train"}, follow_links=True))
    assert left(census) == {"special_file": 2, "special_file .png": 3}
    assert len(rows(census)) == 1
    without = take_census(folder_job(str(tmp_path), {"train": "train"}))
    assert left(without)["link_that_leaves .png"] == 1


@contextlib.contextmanager
def nobody() -> Iterator[None]:
    """Somebody who may not read everything, also where root runs the tests."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_what_may_not_be_read_costs_itself() -> None:
    root = Path(tempfile.mkdtemp())  # pytest's own folder is closed to others
    try:
        root.chmod(0o755)
        folder = Folder(str(root))
        for name in ("a/0.png", "a/shut/1.png", "b/0.png", "names/0.png", "a/secret"):
            folder.replace(f"train/{name}", png(0))
        (root / "train/a/link.png").symlink_to("shut/1.png")
        for name, mode in (("a/shut", 0o000), ("b", 0o000), ("a/secret", 0o000), ("names", 0o444)):
            (root / "train" / name).chmod(mode)
        with nobody():
            (text,) = texts(folder_job(str(root), {"train": "train"}))
            census = take_census(folder_job(str(root), {"train": "train"}, empty_classes="keep"))
    finally:
        for name in ("a/shut", "b", "names"):
            (root / "train" / name).chmod(0o755)
        shutil.rmtree(root)
    assert "class folders without an image to use: 'b', 'names';" in text
    assert census.classes == ("a", "b", "names")
    assert left(census) == {"unreadable": 3, "unreadable .png": 2}
    assert rows(census) == [("digits", "train/a/0.png", "train", "a")]
