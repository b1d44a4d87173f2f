"""Mix units: every selected index once, even units, ranks, JSON."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment.intervals import Intervals
from augment.mix import MixUnit, PoolGroup, PoolSlice, cut_mix_units

GENERATORS, CLASSES, SPLITS = ("gan", "vae"), ("a", "b", "c"), ("train", "val")


def world(rng: random.Random) -> tuple[list[PoolGroup], dict, dict[str, int]]:
    """Row groups with scattered indexes, some rejected; some of them selected per split."""
    groups: list[PoolGroup] = []
    selected: dict = defaultdict(set)
    accepted_of: dict = defaultdict(lambda: defaultdict(set))
    for generator in GENERATORS:
        n_groups = rng.randrange(1, 9)
        for name in CLASSES:
            for index in range(rng.randrange(0, 60)):
                if rng.random() < 0.2:
                    continue
                group = index * n_groups // 60 if rng.random() < 0.7 else rng.randrange(n_groups)
                accepted_of[generator, group][name].add(index)
                split = rng.choice((*SPLITS, None))
                if split:
                    selected[generator, name, split].add(index)
    for (generator, group), accepted in accepted_of.items():
        sets = {name: Intervals.of(s) for name, s in accepted.items()}
        groups.append(PoolGroup(f"{generator}-{group // 3}.parquet", group % 3, generator, sets))
    rng.shuffle(groups)
    units = {split: rng.randrange(1, 8) for split in SPLITS}
    return groups, {key: Intervals.of(s) for key, s in selected.items()}, units


def gathered(units: list[MixUnit]) -> tuple[dict, dict]:
    indexes, ranks = defaultdict(list), defaultdict(list)
    for unit in units:
        for part in unit.pool:
            assert part.split == unit.split
            for name, chosen, first in part.selected:
                cell = (part.generator, name, unit.split)
                indexes[cell] += list(chosen)
                ranks[cell] += list(zip(chosen, range(first, first + len(chosen)), strict=True))
    return indexes, ranks


@settings(deadline=None, max_examples=80, derandomize=True)
@given(st.integers(0, 2**32))
def test_every_selected_index_once_with_its_rank(number: int) -> None:
    groups, selected, counts = world(random.Random(number))
    units = cut_mix_units(counts, {"train": (10, 73), "val": (0, 10)}, groups, selected, 7)
    indexes, ranks = gathered(units)
    assert {c: sorted(i) for c, i in indexes.items()} == {c: list(s) for c, s in selected.items()}
    for cell, pairs in ranks.items():
        assert sorted(pairs) == [(index, rank) for rank, index in enumerate(selected[cell])]


@settings(deadline=None, max_examples=80, derandomize=True)
@given(st.integers(0, 2**32))
def test_units_are_even_and_row_groups_whole_where_they_can_be(number: int) -> None:
    groups, selected, counts = world(random.Random(number))
    units = cut_mix_units(counts, {}, groups, selected, 7)
    held = {(g.shard, g.row_group): g for g in groups}
    for split in SPLITS:
        mine = [unit for unit in units if unit.split == split]
        assert [unit.number for unit in mine] == list(range(counts[split]))
        rows = [sum(map(len, unit.pool)) for unit in mine]
        used = [(part.shard, part.row_group) for unit in mine for part in unit.pool]
        if len(set(used)) >= counts[split]:
            assert len(used) == len(set(used))
            largest = max(len(part) for unit in mine for part in unit.pool)
            assert max(rows) - min(rows) <= largest
        else:
            assert max(rows) - min(rows) <= 1
        for unit in mine:
            for part in unit.pool:
                accepted = held[part.shard, part.row_group].accepted
                assert all(len(chosen - accepted[name]) == 0 for name, chosen, _ in part.selected)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(start=st.integers(0, 50), n=st.integers(0, 200), count=st.integers(1, 20))
def test_census_slices_are_even_and_follow_one_another(start: int, n: int, count: int) -> None:
    units = cut_mix_units({"train": count}, {"train": (start, start + n)}, [], {}, 7)
    edges = [start, *(unit.census[1] for unit in units)]
    assert [unit.census[0] for unit in units] == edges[:-1]
    assert edges[-1] == start + n
    sizes = [stop - begin for begin, stop in (unit.census for unit in units)]
    assert max(sizes) - min(sizes) <= 1


def one_group(**classes: int) -> PoolGroup:
    return PoolGroup("s.parquet", 0, "vae", {c: Intervals([(0, n)]) for c, n in classes.items()})


def test_a_shared_row_group_gives_every_unit_all_its_classes() -> None:
    group = one_group(a=40, b=20)
    selected = {("vae", c, "train"): s for c, s in group.accepted.items()}
    units = cut_mix_units({"train": 4}, {}, [group], selected, 7)
    for unit in units:
        (part,) = unit.pool
        assert {name: len(chosen) for name, chosen, _ in part.selected} == {"a": 10, "b": 5}


def test_the_order_of_groups_given_does_not_matter_and_the_seed_does() -> None:
    groups, selected, counts = world(random.Random(4))
    counts = {"train": 2, "val": 2}
    units = cut_mix_units(counts, {}, groups, selected, 7)
    assert units == cut_mix_units(counts, {}, groups[::-1], selected, 7)
    others = [cut_mix_units(counts, {}, groups, selected, seed) for seed in range(8, 12)]
    assert any(units != other for other in others)


def test_names_sort_and_say_the_split() -> None:
    units = cut_mix_units({"val": 1, "train": 2}, {}, [], {}, 7)
    assert [unit.name for unit in units] == ["train-00000", "train-00001", "val-00000"]


def test_json_round_trip_is_exact() -> None:
    groups, selected, counts = world(random.Random(1))
    for unit in cut_mix_units(counts, {"train": (3, 90)}, groups, selected, 7):
        text = json.dumps(unit.to_json())
        assert MixUnit.from_json(json.loads(text)) == unit


def test_json_is_small_and_readable() -> None:
    part = PoolSlice("s.parquet", 2, "vae", "train", (("a", Intervals([(0, 3), (5, 6)]), 4),))
    assert MixUnit("train", 1, (0, 9), (part,)).to_json() == {
        "split": "train",
        "number": 1,
        "census": [0, 9],
        "pool": [
            {
                "shard": "s.parquet",
                "row_group": 2,
                "generator": "vae",
                "split": "train",
                "selected": [["a", [[0, 3], [5, 6]], 4]],
            }
        ],
    }


def test_a_selected_index_that_no_row_group_holds() -> None:
    selected = {("vae", "a", "train"): Intervals([(0, 5)])}
    text = "train, vae, a: 5 indexes are selected, the row groups hold 3 of them; expected each"
    with pytest.raises(ValueError, match=text):
        cut_mix_units({"train": 1}, {}, [one_group(a=3)], selected, 7)


def test_a_selected_index_that_two_row_groups_hold() -> None:
    groups = [one_group(a=5), replace(one_group(a=5), row_group=1)]
    selected = {("vae", "a", "train"): Intervals([(0, 5)])}
    with pytest.raises(ValueError, match="the row groups hold 10 of them"):
        cut_mix_units({"train": 1}, {}, groups, selected, 7)


@pytest.mark.parametrize("counts", [{}, {"val": 3}, {"train": 0}])
def test_rows_without_a_unit(counts: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="split train has rows and 0 units; expected one"):
        cut_mix_units(counts, {"train": (0, 4)}, [], {}, 7)
    with pytest.raises(ValueError, match="split train has rows and 0 units; expected one"):
        cut_mix_units(counts, {}, [one_group(a=3)], {("vae", "a", "train"): Intervals([(0, 3)])}, 7)
