"""Images that stand in several sources: in one split, wherever that can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment.sources import Census, take_census
from augment.sources.equal import EqualTold
from augment.storage import Folder
from tests.sources.test_census import job, png

SHARES = {"train": 0.7, "test": 0.3}
Splits = Mapping[str, Any]


def folder_of(
    root: Path, name: str, images: Sequence[int], splits: Splits = SHARES, **more: Any
) -> dict[str, dict[str, Any]]:
    """A source with a file `a/<position>.png` for each number of a picture."""
    folder = Folder(str(root / name))
    for at, image in enumerate(images):
        folder.replace(f"{'' if '.' in splits.values() else 'all/'}a/{at}.png", png(image))
    uri = folder.uri if "." in splits.values() else f"{folder.uri}/all"
    return {name: {"format": "imagefolder", "uri": uri, "splits": dict(splits), **more}}


def parquet_of(
    root: Path, name: str, images: Sequence[Any], splits: Splits = SHARES
) -> dict[str, dict[str, Any]]:
    values = [png(image) if isinstance(image, int) else image for image in images]
    (root / name).mkdir(exist_ok=True)
    columns = {"image": values, "label": ["a"] * len(values)}
    pq.write_table(pa.table(columns), root / name / "x.parquet", row_group_size=4)
    return {name: {"format": "parquet", "uri": str(root / name), "splits": dict(splits)}}


def census_of(*sources: dict[str, dict[str, Any]], **more: Any) -> Census:
    return take_census(job({k: v for source in sources for k, v in source.items()}, **more))


def splits_of(census: Census) -> dict[tuple[str, int], str]:
    """(source, position of the image in it) -> split."""
    tables = pa.concat_tables([census.table, census.inputs])
    columns = (tables[name].to_pylist() for name in ("source", "locator", "split"))
    return {
        (source, int(locator.rpartition("#")[2].rpartition("/")[2].removesuffix(".png"))): split
        for source, locator, split in zip(*columns, strict=True)
    }


@pytest.mark.parametrize("split_seed", range(4))
def test_an_image_of_two_sources_is_drawn_into_one_split(tmp_path: Path, split_seed: int) -> None:
    """Its own draw stays that of the first source, and the numbers are those of the shares."""
    one = folder_of(tmp_path, "photos", range(20))
    two = folder_of(tmp_path, "web", range(10, 30))
    census = census_of(two, one, split_seed=split_seed)
    found = splits_of(census)
    for i in range(10):
        assert found["photos", 10 + i] == found["web", i]
    counts = Counter((source, split) for (source, _), split in found.items())
    assert counts["photos", "train"] == 14
    assert counts["web", "train"] + counts["web", "test"] == 20
    assert counts["web", "test"] == max(6, sum(found["web", i] == "test" for i in range(10)))
    told = EqualTold(20, 10, 10)
    assert census.equal == {"photos": told, "web": told}
    alone = census_of(one, split_seed=split_seed)
    assert alone.draws["photos"] == census.draws["photos"]
    assert alone.equal == {"photos": EqualTold(20, 0, 0)}


def test_what_has_no_equals_elsewhere_is_drawn_as_without_the_others(tmp_path: Path) -> None:
    one, two = folder_of(tmp_path, "one", range(30)), folder_of(tmp_path, "two", range(40, 60))
    assert census_of(one, two).draws == census_of(one).draws | census_of(two).draws


def test_images_in_files_and_columns_are_compared(tmp_path: Path) -> None:
    """Of 600 kB too, where the ends of the bytes alone do not tell."""
    large = [png(0) + bytes([i]) * 600_000 for i in range(4)]
    root = tmp_path / "paths"
    for i in range(12):
        Folder(str(root)).replace(f"img/{i}.png", png(i) if i < 8 else large[i - 8])
    files = folder_of(tmp_path, "files", range(8))
    for i in range(8, 12):
        Folder(str(tmp_path / "files/all/a")).replace(f"{i}.png", large[i - 8])
    named = parquet_of(tmp_path, "paths", [f"img/{i}.png" for i in range(12)])
    column = parquet_of(tmp_path, "column", [*range(8), *large])
    for split_seed in range(4):
        census = census_of(files, named, column, split_seed=split_seed)
        found = splits_of(census)
        for i in range(12):
            assert len({found[name, i] for name in ("files", "paths", "column")}) == 1
        assert census.equal == dict.fromkeys(("files", "paths", "column"), EqualTold(12, 12, 12))
        assert Counter(found.values()) == {"train": 3 * 8, "test": 3 * 4}


@pytest.mark.parametrize("splits", [{"test": "."}, {"test": 1.0}, {"test": "b"}])
def test_shares_follow_a_split_that_is_given(tmp_path: Path, splits: Splits) -> None:
    """Else a test set that is kept apart would be learned from."""
    sources = folder_of(tmp_path, "photos", range(40))
    if "b" in splits.values():
        held = folder_of(tmp_path, "held", [])
        for i in range(8):
            Folder(str(tmp_path / "held")).replace(f"b/a/{i}.png", png(5 * i))
        held["held"] |= {"uri": str(tmp_path / "held"), "splits": dict(splits)}
    else:
        held = folder_of(tmp_path, "held", [5 * i for i in range(8)], splits)
    census = census_of(sources, held)
    found = splits_of(census)
    assert [found["photos", 5 * i] for i in range(8)] == ["test"] * 8
    assert Counter(s for (x, _), s in found.items() if x == "photos") == {"train": 28, "test": 12}
    assert census.equal == {"photos": EqualTold(40, 8, 8)}


def test_what_can_be_in_no_split_of_both_is_counted(tmp_path: Path) -> None:
    """An image of a test set in a source that has no such split; its own twins stay together."""
    held = folder_of(tmp_path, "held", [0, 1, 2], {"test": "."})
    photos = folder_of(tmp_path, "photos", [0, 0, 1, *range(3, 20)], {"train": 0.5, "val": 0.5})
    census = census_of(held, photos)
    found = splits_of(census)
    assert found["photos", 0] == found["photos", 1]
    assert census.equal == {"photos": EqualTold(20, 3, 2, "", 3)}


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
def test_an_image_goes_to_a_split_that_all_of_its_sources_have(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    """Whichever is drawn first."""
    three = {"train": 0.4, "val": 0.3, "test": 0.3}
    photos = folder_of(tmp_path, names[0], range(40), three)
    more = folder_of(tmp_path, names[1], range(0, 40, 2), {"train": 0.5, "val": 0.5})
    for split_seed in range(3):
        census = census_of(photos, more, split_seed=split_seed)
        found = splits_of(census)
        assert all(found[names[0], 2 * i] == found[names[1], i] for i in range(20))
        own = Counter(split for (name, _), split in found.items() if name == names[0])
        assert own == {"train": 16, "val": 12, "test": 12}
        assert {told.apart for told in census.equal.values()} == {0}


def test_given_splits_that_disagree_are_taken_as_they_are(tmp_path: Path) -> None:
    """The first by name is followed, of those that the source has."""
    held = folder_of(tmp_path, "held", [0, 1], {"test": "."})
    other = folder_of(tmp_path, "other", [0, 1], {"train": "."})
    photos = folder_of(tmp_path, "photos", range(10), {"train": 0.9, "val": 0.1})
    census = census_of(photos, other, held)
    found = splits_of(census)
    assert (found["photos", 0], found["photos", 1]) == ("train", "train")
    assert census.equal == {"photos": EqualTold(10, 2, 2, "", 2)}
    both = folder_of(tmp_path, "both", range(10), SHARES)
    assert splits_of(census_of(both, other, held))["both", 0] == "test"


def test_inputs_follow_rows_and_rows_never_inputs(tmp_path: Path) -> None:
    rows = folder_of(tmp_path, "rows", range(20))
    drawn = folder_of(tmp_path, "drawn", range(20), use="inputs")
    given = folder_of(tmp_path, "given", range(20), {"train": "."}, use="inputs")
    census = census_of(rows, drawn, given)
    found = splits_of(census)
    assert all(found["rows", i] == found["drawn", i] for i in range(20))
    assert census.draws["rows"] == census_of(rows).draws["rows"]
    assert set(census.equal) == {"rows", "drawn"}


def test_nothing_is_compared_where_nothing_is_drawn(tmp_path: Path) -> None:
    given = folder_of(tmp_path, "given", range(3), {"train": "."})
    whole = folder_of(tmp_path, "whole", range(3), {"test": 1.0})
    assert census_of(given, whole).equal == {}


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([SHARES, {"train": 0.5, "val": 0.5}, {"val": 1.0}, {"test": "."}]),
            st.lists(st.integers(0, 9), min_size=1, max_size=9),
        ),
        min_size=1,
        max_size=4,
    ),
    st.integers(0, 3),
)
def test_no_image_is_in_two_splits_that_could_be_in_one(
    tmp_path_factory: pytest.TempPathFactory, some: list[tuple[Splits, list[int]]], split_seed: int
) -> None:
    root = tmp_path_factory.mktemp("sources")
    sources = [folder_of(root, f"s{at}", images, s) for at, (s, images) in enumerate(some)]
    census = census_of(*sources, split_seed=split_seed)
    found = splits_of(census)
    at_splits: dict[int, dict[str, set[str]]] = {}
    for (source, at), split in found.items():
        image = some[int(source[1:])][1][at]
        at_splits.setdefault(image, {}).setdefault(source, set()).add(split)
    for by_source in at_splits.values():
        given = {s for x, s in by_source.items() if len(some[int(x[1:])][0]) == 1 for s in s}
        for source, splits in by_source.items():
            own = set(some[int(source[1:])][0])
            assert len(splits) == 1  # of one source: always
            if given & own:
                assert splits <= given
        common = set.intersection(*(set(some[int(x[1:])][0]) for x in by_source))
        if common and len(given) <= 1:
            assert len(set.union(*by_source.values())) == 1
    for name, told in census.equal.items():
        images = some[int(name[1:])][1]
        twins = Counter(i for _, each in some for i in each)
        assert told.equal == sum(twins[i] > 1 for i in images)
        apart = {i for i, by in at_splits.items() if len(set.union(*by.values())) > 1}
        assert told.apart == sum(i in apart for i in images)
