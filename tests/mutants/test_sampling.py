from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.mutants.__main__ import REPOSITORY
from tests.mutants.equal import key_of, read_equal
from tests.mutants.mirror import stages_of
from tests.mutants.sampling import CORE, all_of, modules_of, sample


def test_a_sample_follows_from_its_seed() -> None:
    first = sample(REPOSITORY, ["places", "mix"], 20, 1)
    assert first == sample(REPOSITORY, ["places", "mix"], 20, 1)
    assert first[:6] == sample(REPOSITORY, ["places", "mix"], 6, 1)
    assert first != sample(REPOSITORY, ["places", "mix"], 20, 2)
    assert len({one.mutant.text for one in first}) == 20


def test_packages_take_turns_until_they_have_no_more() -> None:
    found = Counter(one.package for one in sample(REPOSITORY, ["filters", "mix", "mix"], 200, 1))
    assert found["filters"] == len(all_of(REPOSITORY, "filters")) < 100
    assert found["mix"] == 200 - found["filters"]


def test_a_package_that_is_not_there() -> None:
    with pytest.raises(LookupError, match=r"no package 'nothing' in augment; expected one of spec"):
        sample(REPOSITORY, ["nothing"], 1, 1)


@pytest.mark.parametrize("package", CORE)
def test_every_module_of_the_core_has_tests(package: str) -> None:
    for file in modules_of(REPOSITORY, package):
        for stage in stages_of(REPOSITORY, file):
            assert stage
            assert all((REPOSITORY / test).exists() for test in stage)


def test_the_nearest_tests_come_first() -> None:
    assert stages_of(REPOSITORY, "augment/sources/parquet_files.py") == [
        ("tests/sources/test_parquet.py",),
        ("tests/sources",),
    ]
    assert stages_of(REPOSITORY, "augment/spec/op_rules.py") == [
        ("tests/spec", "tests/test_schemas.py")
    ]
    assert stages_of(REPOSITORY, "augment/seeds.py") == [("tests/test_seeds.py",)]
    with pytest.raises(LookupError, match=r"no tests mirror it; expected tests/test_nothing\.py"):
        stages_of(REPOSITORY, "augment/nothing.py")


def test_the_kept_list_names_mutants_that_are_there() -> None:
    there = {key_of(one) for package in CORE for one in all_of(REPOSITORY, package)}
    assert sorted(set(read_equal()) - there) == []


def test_an_entry_of_the_kept_list_has_a_reason_and_stands_once(tmp_path: Path) -> None:
    path = tmp_path / "equal.toml"
    entry = '[[equal]]\nfile = "a.py"\nwithin = "x = 1"\nbefore = "1"\nafter = "2"\nreason = "{}"\n'
    path.write_text(entry.format("a bound of work"))
    assert read_equal(path) == {("a.py", "x = 1", "1", "2"): "a bound of work"}
    path.write_text(entry.format(" "))
    with pytest.raises(ValueError, match="expected one entry with a reason"):
        read_equal(path)
    path.write_text(entry.format("x") * 2)
    with pytest.raises(ValueError, match="expected one entry with a reason"):
        read_equal(path)
    path.write_text('[[equal]]\nfile = "a.py"\n')
    with pytest.raises(
        ValueError, match=r"got \['file'\]; expected file, within, before, after and"
    ):
        read_equal(path)
