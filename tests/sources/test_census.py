"""The census: what is listed, mapped, drawn and capped, on real digits written as files."""

import io
import random
import unicodedata
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from augment.errors import PlanError
from augment.sample import CENSUS_SCHEMA
from augment.seeds import normalise_locator, order_key
from augment.sources import Census, take_census
from augment.sources.part import identities_of
from augment.spec import Job, JobSpec
from augment.storage import Folder
from tests.sources.losses import left

DIGITS = load_digits()


def png(i: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray((DIGITS.images[i] * 15).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def job(sources: dict, seed: int = 7, **more) -> Job:
    request = {"version": 1, "name": "t", "seed": seed, "output": {"uri": "out"}}
    spec = JobSpec.model_validate({**request, "sources": sources, **more})
    return Job(spec=spec, text="", base="")


def folder_job(
    uri: str, splits: dict, seed: int = 7, classes=None, split_seed: int = 0, **source
) -> Job:
    more = {} if classes is None else {"classes": {"names": classes}}
    more["split_seed"] = split_seed
    one = {"format": "imagefolder", "uri": uri, "splits": splits, **source}
    return job({"digits": one}, seed, **more)


def rows(census: Census) -> list[tuple]:
    columns = ("source", "locator", "split", "label_name")
    return [tuple(r[c] for c in columns) for r in census.table.to_pylist()]


def texts(job: Job) -> list[str]:
    with pytest.raises(PlanError) as error:
        take_census(job)
    return [str(p) for p in error.value.problems]


def fill(folder: Folder, per_class: dict[str, int], prefix: str = "") -> list[str]:
    names = []
    for label, n in per_class.items():
        of_class = np.flatnonzero(DIGITS.target == len(names) % 10)
        for i in range(n):
            names.append(f"{prefix}{label}/{i:03}.png")
            folder.replace(names[-1], png(int(of_class[i % len(of_class)])))
    return names


@pytest.fixture(params=["local", "memory"])
def folder(request, tmp_path) -> Folder:
    if request.param == "memory":
        return Folder(f"memory://{tmp_path.name}-{random.getrandbits(64):x}")
    return Folder(str(tmp_path / "data"))


# ---- image folders ---------------------------------------------------------------------


def test_folders_of_splits(folder):
    fill(folder, {"3": 2, "1": 1}, "training/")
    fill(folder, {"1": 1}, "test/")
    folder.replace("test/1/deep/er/x.JPEG", b"not looked at")
    for name in ("README.md", "training/3/notes.txt", "training/.DS_Store", "test/.x/1/1.png"):
        folder.replace(name, b"x")
    folder.replace("training/3/.hidden.png", b"x")
    folder.replace("training/loose.png", b"x")
    census = take_census(folder_job(folder.uri, {"train": "training", "test": "test"}))
    assert census.table.schema == CENSUS_SCHEMA
    assert rows(census) == [
        ("digits", "test/1/000.png", "test", "1"),
        ("digits", "test/1/deep/er/x.JPEG", "test", "1"),
        ("digits", "training/1/000.png", "train", "1"),
        ("digits", "training/3/000.png", "train", "3"),
        ("digits", "training/3/001.png", "train", "3"),
    ]
    assert census.classes == ("1", "3")
    assert left(census) == {
        "hidden": 1, "hidden .png": 2, "other_file .txt": 1, "not_in_a_class_folder .png": 1
    }  # fmt: skip
    for row in census.table.to_pylist():
        assert (row["size"], row["token"]) == tuple(folder.info(row["locator"]))[1:]
    assert census.blocks().to_pylist() == [""] * 5


def test_shares_are_exact_and_whole(folder):
    per_class = {"a": 10, "b": 7, "c": 1}
    for at, (label, n) in enumerate(per_class.items()):
        for i in range(n):
            folder.replace(f"{label}/{i:03}.png", png(10 * at + i))
    census = take_census(folder_job(folder.uri, {"train": 0.7, "validation": 0.1, "test": 0.2}))
    counts = Counter((r[3], r[2]) for r in rows(census))
    assert counts == {
        ("a", "train"): 7, ("a", "validation"): 1, ("a", "test"): 2,
        ("b", "train"): 5, ("b", "validation"): 1, ("b", "test"): 1,
        ("c", "train"): 1,
    }  # fmt: skip
    # the order of each class is the seeded order of its locators
    mine = sorted(
        (f"a/{i:03}.png" for i in range(10)), key=lambda x: order_key(0, "split:digits", x)
    )
    split_of = {r[1]: r[2] for r in rows(census)}
    assert [split_of[x] for x in mine] == ["test"] * 2 + ["train"] * 7 + ["validation"]


def test_a_split_may_be_the_folder_itself(folder):
    fill(folder, {"a": 1})
    census = take_census(folder_job(folder.uri, {"test": "."}))
    assert rows(census) == [("digits", "a/000.png", "test", "a")]


def test_ranks_are_a_seeded_order_over_all_sources(tmp_path):
    one, two = Folder(str(tmp_path / "one")), Folder(str(tmp_path / "two"))
    fill(one, {"a": 6, "b": 2}, "train/")
    fill(two, {"a": 5}, "train/")
    sources = {
        name: {"format": "imagefolder", "uri": f.uri, "splits": {"train": "train"}}
        for name, f in (("one", one), ("two", two))
    }
    table = take_census(job(sources)).table.to_pylist()
    for label in "ab":
        own = [r for r in table if r["label_name"] == label]
        own.sort(key=lambda r: order_key(0, f"rank:{r['source']}", r["locator"]))
        assert [r["rank"] for r in own] == list(range(len(own)))
    other = take_census(job(sources, split_seed=8)).table
    assert other.drop(["rank"]).equals(take_census(job(sources)).table.drop(["rank"]))
    assert other["rank"] != take_census(job(sources)).table["rank"]


SHARES = {"train": 0.8, "test": 0.2}


@pytest.mark.parametrize("more", [{}, {"max_per_class": 11}])
def test_nothing_about_real_rows_is_a_matter_of_the_jobs_seed(folder, more):
    """Else a seed sweep would be judged on images that other runs learned from."""
    fill(folder, {"a": 20, "b": 15})
    one = take_census(folder_job(folder.uri, SHARES, **more))
    two = take_census(folder_job(folder.uri, SHARES, seed=8, **more))
    assert two.table.equals(one.table)
    assert two.draws == one.draws
    seeded = take_census(folder_job(folder.uri, SHARES, split_seed=3, **more))
    assert seeded.draws.keys() == one.draws.keys() == {"digits"}
    assert seeded.draws != one.draws
    splits = [dict(zip(c.table["locator"].to_pylist(), c.table["split"].to_pylist(), strict=True))
              for c in (one, seeded)]  # fmt: skip
    assert splits[0] != splits[1]
    assert Counter(splits[0].values()) == Counter(splits[1].values())


def test_a_draw_is_named_by_what_is_in_which_split(folder):
    """Caps take rows away and move none; another image, another share is another draw."""
    fill(folder, {"a": 20})
    name = take_census(folder_job(folder.uri, SHARES)).draws["digits"]
    assert len(name) == 16
    capped = take_census(folder_job(folder.uri, SHARES, max_per_class=5))
    assert capped.draws == {"digits": name}
    other = [take_census(folder_job(folder.uri, {"train": 0.7, "test": 0.3})).draws["digits"]]
    folder.replace("a/more.png", png(0))
    other.append(take_census(folder_job(folder.uri, SHARES)).draws["digits"])
    assert len({name, *other}) == 3
    assert take_census(folder_job(folder.uri, {"train": "."})).draws == {}


def test_a_cap_is_divided_as_the_shares_say(folder):
    """So many images a class, in all splits together, and no image changes its split by it."""
    fill(folder, {"a": 100, "b": 100, "c": 7})
    whole = dict(_splits_of(folder_job(folder.uri, SHARES)))
    for most, expected in ((20, (16, 4)), (80, (64, 16)), (100, (80, 20)), (7, (6, 1))):
        asked = folder_job(folder.uri, SHARES, max_per_class=most)
        found = dict(_splits_of(asked))
        assert found.items() <= whole.items()
        for label in "ab":
            own = Counter(s for x, s in found.items() if x.startswith(f"{label}/"))
            assert (own["train"], own["test"]) == expected
        left_out = sum(max(0, n - most) for n in (100, 100, 7))
        assert left(take_census(asked)).get("over_max_per_class", 0) == left_out
    three = {"train": 0.9, "validation": 0.05, "test": 0.05}
    found = Counter(s for _, s in _splits_of(folder_job(folder.uri, three, max_per_class=10)))
    assert sum(found.values()) == 10 + 10 + 7
    ranks = [r["rank"] for r in _dicts(folder_job(folder.uri, SHARES, max_per_class=20))
             if (r["split"], r["label_name"]) == ("train", "a")]  # fmt: skip
    assert sorted(ranks) == list(range(16))


def _splits_of(job: Job) -> list[tuple[str, str]]:
    return [(r["locator"], r["split"]) for r in _dicts(job)]


def test_caps_keep_a_prefix_of_the_ranks(folder):
    """Splits that are folders are sets of their own: each keeps so many."""
    fill(folder, {"a": 9, "b": 2}, "train/")
    fill(folder, {"a": 5}, "test/")
    splits = {"train": "train", "test": "test"}
    every = {r["locator"]: r["rank"] for r in _dicts(folder_job(folder.uri, splits))}
    capped_job = folder_job(folder.uri, splits, max_per_class=3)
    capped = {r["locator"]: r["rank"] for r in _dicts(capped_job)}
    assert capped == {x: rank for x, rank in every.items() if rank < 3}
    assert left(take_census(capped_job)) == {"over_max_per_class": 8}


def _dicts(job: Job) -> list[dict]:
    return take_census(job).table.to_pylist()


def test_label_maps(folder):
    fill(folder, {"three": 2, "3": 1, "junk": 4}, "train/")
    label_map = {"map": {"three": "3", "3": "3"}, "unmapped": "drop"}
    census = take_census(folder_job(folder.uri, {"train": "train"}, label_map=label_map))
    assert census.classes == ("3",)
    assert census.table.num_rows == 3
    assert left(census) == {"label_not_in_the_map": 4}
    label_map["unmapped"] = "error"
    assert texts(folder_job(folder.uri, {"train": "train"}, label_map=label_map)) == [
        "sources.digits.label_map: got label 'junk'; expected one of 3, three. "
        "Map it, or say `unmapped: drop`."
    ]
    label_map = {"map": {"x": "y"}, "unmapped": "drop"}
    assert texts(folder_job(folder.uri, {"train": "train"}, label_map=label_map)) == [
        f"sources.digits.uri: got {folder.uri}, which holds no image with a class; expected at "
        "least one. Left out: label not in the label map: 7; class junk: 4 of 4, three: 2 of 2, "
        "3: 1 of 1"
    ]


def test_classes_have_the_order_given(folder):
    fill(folder, {"cat": 1, "dog": 1}, "train/")
    census = take_census(folder_job(folder.uri, {"train": "train"}, classes=["dog", "emu", "cat"]))
    assert census.classes == ("dog", "emu", "cat")
    assert [r[3] for r in rows(census)] == ["cat", "dog"]


def test_any_name_is_a_class_or_a_file(folder):
    names = ["a b", "q\"uo'te", "new\nline", "日本", "0", "no", "12:30", "#", "a*[x]?"]
    for name in names:
        folder.replace(f"train/{name}/{name}.png", png(0))
    census = take_census(folder_job(folder.uri, {"train": "train"}))
    assert census.classes == tuple(sorted(names))
    assert {r[1] for r in rows(census)} == {f"train/{n}/{n}.png" for n in names}


# ---- names -----------------------------------------------------------------------------

NFD = unicodedata.normalize("NFD", "é")
NFC = unicodedata.normalize("NFC", "é")


def test_a_decomposed_name_still_opens_and_has_the_composed_class(tmp_path):
    Folder(str(tmp_path)).replace(f"train/{NFD}/{NFD}.png", png(0))
    for classes in (None, [NFC], [NFD]):
        census = take_census(folder_job(str(tmp_path), {"train": "train"}, classes=classes))
        assert census.classes == (classes[0] if classes else NFC,)
        (row,) = rows(census)
        assert row[1] == f"train/{NFD}/{NFD}.png"
        assert row[3] == census.classes[0]


def test_names_that_collide_are_refused(tmp_path):
    folder = Folder(str(tmp_path))
    folder.replace(f"train/a/{NFD}.png", png(0))
    folder.replace(f"train/a/{NFC}.png", png(1))
    assert texts(folder_job(str(tmp_path), {"train": "train"})) == [
        f"sources.digits: got two images of one name 'train/a/{NFC}.png': "
        f"'train/a/{ascii(NFD)[1:-1]}.png' and 'train/a/{ascii(NFC)[1:-1]}.png'; expected names "
        "that differ after Unicode normalisation (NFC), with '/' for '\\'. Rename one of them."
    ]  # written so that they can be told apart


def test_the_order_of_names_is_the_one_of_ids():
    names = ["a\\b.png", f"{NFD}.png", "z.png", NFC + "x", "日本", "ＡＢ"]
    got = identities_of(pa.chunked_array([names])).to_pylist()
    assert got == [normalise_locator(n) for n in names]


def test_names_that_are_no_text_are_left_out(tmp_path):
    folder = Folder(str(tmp_path))
    fill(folder, {"a": 1}, "train/")
    (tmp_path / "train" / "a" / "caf\udce9.png").write_bytes(b"x")
    census = take_census(folder_job(str(tmp_path), {"train": "train"}))
    assert left(census) == {"name_not_utf8 .png": 1}


# ---- problems --------------------------------------------------------------------------


def test_every_problem_is_told_at_once(folder):
    fill(folder, {"cat": 2}, "train/")
    fill(folder, {"cat": 1}, "test/")
    where = {"format": "imagefolder", "uri": folder.uri}
    asked = job(
        {
            "one": {**where, "splits": {"train": "trian", "test": "test"}},
            "two": {**where, "uri": f"{folder.uri}/none", "splits": {"train": 1.0}},
            "three": {**where, "splits": {"train": "train"}},
        },
        classes={"names": ["cats", "dogs"]},
    )
    assert texts(asked) == [
        f"sources.one.splits.train: got folder 'trian', which does not exist in {folder.uri}; "
        "expected one of the folders it holds: test, train. Did you mean 'train'?",
        f"sources.two.uri: got {folder.uri}/none, which does not exist; expected a folder of "
        "images",
        "sources.three: got class 'cat' (2 images); expected one of cats, dogs. "
        "Did you mean 'cats'?",
    ]


def test_empty_sources_and_splits(folder):
    fill(folder, {"a": 1}, "train/")
    folder.replace("test/a/readme.txt", b"x")
    assert texts(folder_job(folder.uri, {"train": "train", "test": "test"})) == [
        "sources.digits.splits.test: got 'test', which holds no image; expected images. Left out: "
        "other files, by ending: 1 (.txt 1)"
    ]
    assert texts(folder_job(folder.uri, {"test": "test"})) == [
        f"sources.digits.uri: got {folder.uri}, which holds no image with a class; expected at "
        "least one. Left out: other files, by ending: 1 (.txt 1)"
    ]


def test_an_image_cannot_be_in_two_splits(folder):
    fill(folder, {"a": 1}, "train/b/")
    assert texts(folder_job(folder.uri, {"train": "train", "test": "train/b/"})) == [
        "sources.digits.splits: got folder 'train/b' of test, which lies in folder 'train' of "
        "train; expected folders apart from one another: an image has one split"
    ]
    assert len(texts(folder_job(folder.uri, {"train": "train", "test": "train"}))) == 1


# ---- size ------------------------------------------------------------------------------


def test_a_census_is_small(tmp_path):
    folder = Folder(str(tmp_path))
    fill(folder, {str(c): 5 for c in range(10)}, "train/")
    table = take_census(folder_job(str(tmp_path), {"train": "train"})).table
    assert table.nbytes / table.num_rows < 150
    assert pc.sum(table["size"]).as_py() > 0
