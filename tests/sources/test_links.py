"""Links in sources: which are followed, which are left out, and nothing is read behind others."""

from __future__ import annotations

import itertools
import os
import pickle
import random
from pathlib import Path

import pytest

from augment.errors import SampleError
from augment.sample import RealRow
from augment.sources import open_source, take_census
from augment.spec import Job
from augment.storage import Folder
from tests.sources import test_parquet as parquet
from tests.sources.losses import left
from tests.sources.test_census import folder_job, png, rows, texts

ANNEX = "links that leave the source"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four images of each of two classes in data/train, and some elsewhere."""
    for label, n in itertools.product(("cat", "dog"), range(4)):
        Folder(str(tmp_path)).replace(f"data/train/{label}/{n}.png", png(n))
    for n in range(3):
        Folder(str(tmp_path)).replace(f"outside/{n}.png", png(n))
    return tmp_path


def job(root: Path, **source: object) -> Job:
    return folder_job(str(root / "data"), {"train": "train"}, **source)


def listed(root: Path, **source: object) -> list[str]:
    """The images that stand beside the eight."""
    found = [r[1].removeprefix("train/") for r in rows(take_census(job(root, **source)))]
    return [x for x in found if x not in {f"{a}/{n}.png" for a in ("cat", "dog") for n in range(4)}]


def allow(root: Path, monkeypatch: pytest.MonkeyPatch, *folders: str) -> None:
    """The operator's policy of this machine."""
    policy = root / "policy.yaml"
    policy.write_text("allowed_uris: [" + ", ".join(str(root / f) for f in folders) + "]\n")
    monkeypatch.setenv("AUGMENT_POLICY", str(policy))


# ---- what costs itself -------------------------------------------------------------------


def test_links_to_nothing_and_in_loops_cost_themselves(root: Path) -> None:
    cat = root / "data/train/cat"
    for name, target in {
        "gone.png": "none.png",
        "self.png": "self.png",
        "one.png": "two.png",
        "two.png": "one.png",
        "file.png": "0.png/below",
        "name.png": "x" * 300,
        "deep/up": "..",
        "deep/top": "../../..",
        "deep/here": ".",
    }.items():
        (cat / name).parent.mkdir(exist_ok=True)
        (cat / name).symlink_to(target)
    census = take_census(job(root))
    assert len(census.table) == 8
    assert left(census) == {
        "link_to_nothing .png": 3, "link_in_a_loop .png": 3, "link_in_a_loop": 3,
    }  # fmt: skip


def test_a_class_of_links_to_nothing_is_told(root: Path) -> None:
    """A git-annex, DataLad or DVC checkout whose content was not fetched."""
    for label, n in itertools.product(("cat", "owl"), range(4, 8)):
        (root / f"data/train/{label}").mkdir(exist_ok=True)
        (root / f"data/train/{label}/{n}.png").symlink_to(f"../../../.git/annex/objects/{n}")
    (text,) = texts(job(root))
    assert "class folders without an image to use: 'owl';" in text
    assert "links to nothing: 8 (.png 8); class owl: 4 of 4, cat: 4 of 8; for example " in text
    assert "fetch what they stand for (`git annex get`, `dvc pull`)" in text
    census = take_census(job(root, empty_classes="keep"))
    assert census.classes == ("cat", "dog", "owl")
    assert census.left_out[0].of == {"cat": 8, "owl": 4}


def test_class_folders_that_are_links_to_nothing_are_named(root: Path) -> None:
    (root / "data/train/owl").symlink_to("../.git/annex/owl")
    (root / "data/train/n01.v2").symlink_to("n01.v2")
    (root / "data/train/loose.png").symlink_to("nothing")
    (text,) = texts(job(root))
    assert "class folders without an image to use: 'n01.v2', 'owl';" in text
    assert "links to nothing: 2 (no ending 1, .png 1); class owl: 1 of 1;" in text


# ---- links that leave ---------------------------------------------------------------------


def annexed(root: Path) -> None:
    """All images are links that leave the source, as DVC and git-annex make them."""
    cache = root / "data-cache"
    for path in sorted((root / "data").rglob("*.png")):
        kept = cache / str(path.relative_to(root / "data")).replace("/", "-")
        kept.parent.mkdir(exist_ok=True)
        path.rename(kept)
        path.symlink_to(os.path.relpath(kept, path.parent))


def test_links_that_leave_are_left_out_and_the_way_out_is_told(root: Path) -> None:
    annexed(root)
    (text,) = texts(job(root))
    assert text.startswith(f"sources.digits.uri: got {root}/data, which holds no image with a")
    assert (
        f"{ANNEX}: 8 (.png 8); class cat: 4 of 4, dog: 4 of 4; for example train/cat/0.png" in text
    )
    assert text.endswith("`follow_links: true` in the source takes them")


def test_links_that_leave_are_followed_where_the_source_says_so(root: Path) -> None:
    before = take_census(job(root))
    annexed(root)
    (root / "data/train/more").symlink_to(root / "outside")
    after = take_census(job(root, follow_links=True))
    assert listed(root, follow_links=True) == ["more/0.png", "more/1.png", "more/2.png"]
    assert after.left_out == ()
    kept = [r for r in after.table.to_pylist() if r["label_name"] != "more"]
    ids = ("source", "locator", "split", "label_name", "rank", "size")
    assert [[r[k] for k in ids] for r in kept] == [
        [r[k] for k in ids] for r in before.table.to_pylist()
    ]


@pytest.mark.parametrize("link", ["train/b", "train/cat/sub", "train/cat/x.png", "train/cat/noend"])
@pytest.mark.parametrize("chain", [False, True])
def test_nothing_behind_a_link_that_leaves_is_a_row(root: Path, link: str, chain: bool) -> None:
    is_file = link.endswith(("x.png", "noend"))
    target = root / "outside/0.png" if is_file else root / "outside"
    if chain:
        (root / "data/hop").symlink_to(target)
        target = Path(os.path.relpath(root / "data/hop", (root / "data" / link).parent))
    (root / "data" / link).symlink_to(target)
    if link == "train/b":
        (text,) = texts(job(root))
        assert "class folders without an image to use: 'b';" in text
        assert f"{ANNEX}: 1; class b: 1 of 1; for example train/b; `follow_links: true`" in text
    assert listed(root, empty_classes="drop") == []
    assert len(listed(root, follow_links=True)) == (1 if is_file else 3)


def test_the_folder_of_a_split_may_not_lead_out(root: Path) -> None:
    (root / "data/train").rename(root / "elsewhere")
    (root / "data/train").symlink_to("../elsewhere")
    (text,) = texts(job(root))
    assert f"{ANNEX}: 1; for example train; `follow_links: true`" in text
    assert len(rows(take_census(job(root, follow_links=True)))) == 8


def test_the_source_itself_may_be_a_link(root: Path) -> None:
    (root / "named").symlink_to("data")
    asked = folder_job(str(root / "named"), {"train": "train"})
    assert rows(take_census(asked)) == rows(take_census(job(root)))


def test_the_policy_says_where_links_may_lead(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "secret").mkdir()
    (root / "secret/x.png").write_bytes(png(7))
    (root / "data/train/cat/s.png").symlink_to(root / "secret/x.png")
    (root / "data/train/cat/o.png").symlink_to(root / "outside/1.png")
    (root / "data/train/s").symlink_to(root / "secret")
    allow(root, monkeypatch, "data", "outside")
    asked = job(root, follow_links=True, empty_classes="drop")
    assert listed(root, follow_links=True, empty_classes="drop") == ["cat/o.png"]
    assert left(take_census(asked)) == {
        "link_to_a_refused_place": 1, "link_to_a_refused_place .png": 1,
    }  # fmt: skip
    allow(root, monkeypatch, "data", "outside", "secret")
    assert listed(root, follow_links=True) == ["cat/o.png", "cat/s.png", "s/x.png"]


# ---- links that stay inside ------------------------------------------------------------------


def test_links_inside_are_names_like_any_other(root: Path) -> None:
    """An image that has two names is two rows; whether that is meant is for the audit to ask."""
    (root / "data/train/kitty").symlink_to("cat")
    (root / "data/train/dog/again.png").symlink_to("0.png")
    (root / "data/train/dog/cat.png").symlink_to(root / "data/train/cat/0.png")
    assert listed(root) == [
        "dog/again.png", "dog/cat.png", *(f"kitty/{n}.png" for n in range(4)),
    ]  # fmt: skip
    assert take_census(job(root)).left_out == ()


def test_links_in_all_directions_end(root: Path) -> None:
    """Twelve folders, each with a link to each: there are 10^9 ways through them."""
    base = root / "data/train/cat"
    for n in range(12):
        (base / f"d{n:02}").mkdir()
        (base / f"d{n:02}/x.png").write_bytes(png(n))
    for a, b in itertools.product(range(12), repeat=2):
        (base / f"d{a:02}/to{b:02}").symlink_to(f"../d{b:02}")
    first = take_census(job(root))
    assert 12 + 8 <= first.table.num_rows <= 12 * 12 * 12
    assert {f"cat/d{n:02}/x.png" for n in range(12)} <= set(listed(root))
    names = sorted(base.iterdir())
    random.Random(1).shuffle(names)
    for path in names:  # another order in the folder
        if path.is_dir():
            path.rename(base / "aside")
            (base / "aside").rename(path)
    again = take_census(job(root))
    assert again.table.equals(first.table)
    assert again.left_out == first.left_out


# ---- reading ---------------------------------------------------------------------------------


def read(job: Job, table_rows: list[RealRow]) -> list[bytes | SampleError]:
    """As a worker reads them: the reader comes from the driver."""
    (name, spec), *_ = job.spec.sources.items()
    return list(pickle.loads(pickle.dumps(open_source(name, spec))).read(table_rows))


def of_census(job: Job) -> list[RealRow]:
    return [RealRow(**row) for row in take_census(job).table.to_pylist()]


@pytest.mark.parametrize("part", ["train/cat/0.png", "train/cat", "train"])
def test_a_link_that_is_put_in_after_the_census_gives_no_bytes(root: Path, part: str) -> None:
    """Of the same size and time, so that nothing but the place tells them apart."""
    asked = job(root)
    known = next(r for r in of_census(asked) if r.locator == "train/cat/0.png")
    state = (root / "data/train/cat/0.png").stat()
    moved = root / "moved"
    (root / "data" / part).rename(moved)
    (root / "data" / part).symlink_to(moved)
    assert os.stat(root / "data/train/cat/0.png").st_mtime_ns == state.st_mtime_ns
    (found,) = read(asked, [known])
    assert isinstance(found, SampleError)
    assert found.reason == "unreadable"
    place = moved / Path("train/cat/0.png").relative_to(part) if part != known.locator else moved
    assert found.detail == (
        f"{root}/data/train/cat/0.png is not read: it leads to {place}, outside the source; say "
        "`follow_links: true` in the source to read such links"
    )
    assert read(job(root, follow_links=True), [known]) == [png(0)]


def test_the_policy_of_the_machine_that_reads_holds(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "data/train/cat/o.png").symlink_to(root / "outside/1.png")
    asked = job(root, follow_links=True)
    known = [r for r in of_census(asked) if r.locator == "train/cat/o.png"]
    allow(root, monkeypatch, "data")
    (found,) = read(asked, known)
    assert isinstance(found, SampleError)
    assert found.detail.endswith(
        f"it leads to {root}/outside/1.png, where the operator of this machine lets no job read"
    )
    allow(root, monkeypatch, "outside", "data")
    assert read(asked, known) == [png(1)]
    allow(root, monkeypatch, "elsewhere")  # no link: the source itself
    assert all(isinstance(x, SampleError) for x in read(job(root), of_first(root)))


def of_first(root: Path) -> list[RealRow]:
    return [RealRow("digits", "train/cat/0.png", "train", "cat", 0)]


def test_a_followed_link_that_is_turned_elsewhere_is_another_file(root: Path) -> None:
    link = root / "data/train/cat/o.png"
    link.symlink_to(root / "outside/1.png")
    asked = job(root, follow_links=True)
    known = [r for r in of_census(asked) if r.locator == "train/cat/o.png"]
    link.unlink()
    link.symlink_to(root / "outside/2.png")
    (found,) = read(asked, known)
    assert isinstance(found, SampleError)
    assert found.reason == "changed"


def test_a_pipe_in_the_place_of_a_file_hangs_nobody(root: Path) -> None:
    asked = job(root)
    known = [r for r in of_census(asked) if r.locator == "train/cat/0.png"]
    (root / "data/train/cat/0.png").unlink()
    os.mkfifo(root / "data/train/cat/0.png")
    (found,) = read(asked, known)
    assert isinstance(found, SampleError)
    assert found.reason == "unreadable"
    assert "it is a pipe, a socket or a device, not a file" in found.detail


# ---- Parquet -----------------------------------------------------------------------------------


def tables(root: Path) -> Path:
    folder = Folder(str(root / "tables"))
    for name in ("a", "b"):
        columns = {"image": [png(0), png(1)], "label": ["x", "y"]}
        parquet.put(folder, f"train/{name}.parquet", columns)
    return root / "tables"


def test_tables_behind_links_that_leave_are_left_out(root: Path) -> None:
    base = tables(root)
    (base / "train/b.parquet").rename(root / "b.parquet")
    (base / "train/b.parquet").symlink_to(root / "b.parquet")
    (base / "train/gone.parquet").symlink_to("none")
    (base / "train/loop.parquet").symlink_to("loop.parquet")
    os.mkfifo(base / "train/pipe.parquet")
    census = take_census(parquet.job(str(base), {"train": "train"}))
    assert len(census.table) == 2
    assert left(census) == {
        "link_that_leaves .parquet": 1, "link_to_nothing .parquet": 1,
        "link_in_a_loop .parquet": 1, "special_file .parquet": 1,
    }  # fmt: skip
    followed = parquet.job(str(base), {"train": "train"}, follow_links=True)
    assert len(take_census(followed).table) == 4
    known = [r for r in of_census(followed) if r.locator == "train/b.parquet#0"]
    assert read(followed, known) == [png(0)]
    (found,) = read(parquet.job(str(base), {"train": "train"}), known)
    assert isinstance(found, SampleError)
    assert "outside the source" in found.detail


def test_paths_in_rows_lead_no_further_than_links_do(root: Path) -> None:
    base = tables(root)
    (base / "in.png").write_bytes(png(3))
    (base / "link.png").symlink_to("in.png")
    (base / "out.png").symlink_to(root / "outside/0.png")
    os.mkfifo(base / "pipe.png")
    paths = [
        "in.png",
        "link.png",
        "out.png",
        "../outside/0.png",
        str(root / "outside/0.png"),
        "pipe.png",
    ]
    parquet.put(Folder(str(base)), "p.parquet", {"image": paths, "label": ["x"] * len(paths)})
    asked = parquet.job(str(base / "p.parquet"), {"train": 1.0})
    got = {
        r.locator: x for r, x in zip(of_census(asked), read(asked, of_census(asked)), strict=True)
    }
    found = [got[f"p.parquet#{i}"] for i in range(len(paths))]
    assert found[:2] == [png(3), png(3)]
    assert [x.reason for x in found[2:] if isinstance(x, SampleError)] == ["unreadable"] * 4
    followed = parquet.job(str(base / "p.parquet"), {"train": 1.0}, follow_links=True)
    assert read(followed, [RealRow("d", "p.parquet#2", "train", "x", 0)]) == [png(0)]


def test_a_table_that_is_named_may_itself_be_a_link(root: Path) -> None:
    tables(root)
    (root / "named.parquet").symlink_to("tables/train/a.parquet")
    asked = parquet.job(str(root / "named.parquet"), {"train": 1.0})
    assert read(asked, of_census(asked)) == [png(0), png(1)]
