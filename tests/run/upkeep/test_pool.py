"""What a pool holds, and what of it may go: visible rows only where somebody names them."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from augment.api import load_spec, open_dataset, run
from augment.errors import RequestError, StorageError
from augment.run.upkeep.pool import gc, pool_status
from augment.storage import Folder
from augment.write import Lease, live_files
from tests.end_to_end.jobs import CLASSES, fingerprint, job_document, rows_of, write_digits
from tests.run.upkeep.test_clean import DAY, files, paths, plant

COUNTS = {"0": 12, "1": 5, "2": 4}


def two(root: Path, **changes: Any) -> dict[str, Any]:
    """A job with two generators."""
    generators = {
        name: {"family": "palette", "classes": list(CLASSES), "size": size}
        for name, size in (("fine", 8), ("coarse", 4))
    }
    rule = {"generators": ["fine", "coarse"], "fill": {"to": 30}}
    return job_document(root, generators=generators, synthesize=[rule], augmentations=[], **changes)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pool")
    write_digits(root / "data", COUNTS)
    assert run(load_spec(two(root)), engine="local").ok
    shutil.copytree(root / "pool", root / "saved")
    return root


@pytest.fixture
def pool(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made / "saved", tmp_path / "pool")
    return tmp_path / "pool"


def live(pool: Path) -> list[str]:
    return [file.path for file in live_files(Folder(str(pool)))]


def test_universes_and_their_users_are_listed(pool: Path) -> None:
    found = pool_status(str(pool))
    assert (found.version, found.working) == (2, ())
    assert sorted(u.names for u in found.universes) == [("coarse",), ("fine",)]
    for universe in found.universes:
        assert universe.family == "palette"
        assert set(universe.classes) == set(CLASSES)
        assert universe.made == sum(universe.classes.values()) == sum(universe.accepted.values())
        assert (universe.failed, universe.unmade) == (0, 0)
        assert universe.shards == universe.visible > 0
        assert universe.bytes == sum(
            f.stat().st_size for f in (pool / "data" / universe.id).iterdir()
        )
        assert [job.rpartition("-")[0] for job in universe.jobs] == ["small"]
        assert universe.last_use is not None
    assert sum(u.made for u in found.universes) == sum(30 - n for n in COUNTS.values())


def test_a_pool_without_notes_of_use_is_listed_too(pool: Path) -> None:
    for notes in pool.glob("_work/*/uses"):
        shutil.rmtree(notes)
    found = pool_status(str(pool))
    assert {(u.family, u.names) for u in found.universes} == {("palette", ())}
    assert all(len(u.jobs) == 1 for u in found.universes)  # the records name who made them


def test_a_claim_that_nobody_kept_shows(pool: Path) -> None:
    name = pool_status(str(pool)).universes[0].id
    for record in (pool / "_work" / name / "units").glob("*.json"):
        record.unlink()
    told = {u.id: (u.units, u.unmade, u.visible) for u in pool_status(str(pool)).universes}
    assert told[name] == (1, 0, 1)  # its fold still says so, and a run believes it
    shutil.rmtree(pool / "_work" / name / "folds")
    told = {u.id: (u.units, u.unmade, u.visible) for u in pool_status(str(pool)).universes}
    assert told[name] == (0, 1, 1)


def test_a_listing_opens_no_record_that_a_fold_holds(pool: Path) -> None:
    expected = pool_status(str(pool)).universes
    for notes in pool.glob("_work/*/uses"):
        shutil.rmtree(notes)
    for record in pool.glob("_work/*/units/*.json"):
        record.write_text("spoilt")
    found = pool_status(str(pool)).universes
    assert [(u.id, u.family) for u in found] == [(u.id, u.family) for u in expected]
    assert [(u.classes, u.accepted) for u in found] == [(u.classes, u.accepted) for u in expected]
    assert [(u.units, u.shards, u.bytes) for u in found] == [
        (u.units, u.shards, u.bytes) for u in expected
    ]


@pytest.mark.parametrize("folds", [True, False])
def test_what_folds_or_records_name_is_no_orphan(pool: Path, folds: bool) -> None:
    shutil.rmtree(pool / "_delta_log")  # killed before it was committed
    for place in pool.glob("_work/*/folds"):
        if not folds:
            shutil.rmtree(place)
    for record in pool.glob("_work/*/units/*.json"):
        if folds:
            record.write_text("spoilt")
    [one] = (pool / "data" / pool_status(str(pool)).universes[0].id).glob("*.parquet")
    twin = plant(pool, f"data/{one.parent.name}/{one.name.rpartition('-')[0]}-{'0' * 12}.parquet")
    if folds:
        with pytest.raises(StorageError, match="no record of unit"):
            gc(str(pool))  # which of the two is recorded?
        (pool / twin).unlink()
        assert not [path for path in paths(gc(str(pool))) if path.endswith(".parquet")]
    else:
        assert [path for path in paths(gc(str(pool))) if path.endswith(".parquet")] == [twin]


def test_a_shard_of_a_unit_made_anew_is_kept_beside_a_fold_of_before(pool: Path) -> None:
    """Somebody had a unit made again by removing its record: the fold names the old shard."""
    shutil.rmtree(pool / "_delta_log")
    name = pool_status(str(pool)).universes[0].id
    [record] = (pool / "_work" / name / "units").glob("*.json")
    [one] = (pool / "data" / name).glob("*.parquet")
    anew = f"data/{name}/{one.name.rpartition('-')[0]}-{'1' * 12}.parquet"
    shutil.copy(one, pool / anew)
    record.write_text(record.read_text().replace(f"data/{name}/{one.name}", anew))
    assert not [path for path in paths(gc(str(pool))) if path.endswith(".parquet")]


def test_litter_goes_and_nothing_visible(pool: Path) -> None:
    name = pool_status(str(pool)).universes[0].id
    planted = {
        plant(pool, f"data/{name}/unit-{'0' * 20}-0123456789ab.parquet"),
        plant(pool, f"data/{'f' * 16}/again-{'0' * 20}-0123456789ab.parquet"),
        plant(pool, f"data/{name}/.tmp-3-0123456789ab"),
        plant(pool, "_work/clock/0123"),
    }
    left = {plant(pool, "data/mine.parquet"), plant(pool, f"_work/{name}/units/unit-x.try-1")}
    before = files(pool)
    dry = gc(str(pool))
    assert not dry.removed
    assert files(pool) == before
    assert planted <= paths(dry)
    assert all(".try-" in path for path in paths(dry) - planted)
    assert not left & paths(dry)
    gc(str(pool), yes=True)
    assert files(pool) == {p: h for p, h in before.items() if p not in paths(dry)}
    assert gc(str(pool), yes=True).litter == ()


def test_a_universe_goes_only_when_it_is_named(pool: Path) -> None:
    first, second = pool_status(str(pool)).universes
    there = live(pool)
    dry = gc(str(pool), universes=[first.id[:6]])
    assert live(pool) == there
    assert {p.split("/")[1] for p in paths(dry) if "clock" not in p} >= {first.id}
    gc(str(pool), universes=[first.id], yes=True)
    assert live(pool) == [p for p in there if p.startswith(f"data/{second.id}/")]
    assert not any(first.id in path for path in files(pool))
    (universe,) = pool_status(str(pool)).universes
    assert universe == second
    with pytest.raises(RequestError, match=r"--universe 'zz' fits 0 universes; expected one of"):
        gc(str(pool), universes=["zz"])


def test_after_a_universe_went_a_job_makes_the_same_samples_again(made: Path) -> None:
    before = fingerprint(rows_of(open_dataset(str(made / "out")).to_table()))
    name = pool_status(str(made / "pool")).universes[0].id
    gc(str(made / "pool"), universes=[name], yes=True)
    again = run(load_spec(two(made, output={"uri": str(made / "other")})), engine="local")
    assert again.ok
    assert again.made_now > 0
    assert fingerprint(rows_of(open_dataset(str(made / "other")).to_table())) == before


def test_unused_ones_go_by_age(pool: Path) -> None:
    soon, late = time.time() + DAY, time.time() + 40 * DAY
    assert not any("/units/unit" in p and ".try" not in p
                   for p in paths(gc(str(pool), unused_days=30, clock=lambda: soon)))  # fmt: skip
    gc(str(pool), unused_days=30, yes=True, clock=lambda: late)
    assert live(pool) == []
    assert pool_status(str(pool)).universes == ()


def test_nothing_is_collected_while_somebody_works(made: Path, pool: Path) -> None:
    name = pool_status(str(pool)).universes[0].id
    before = files(pool)
    with Lease(Folder(str(pool / "_work")), time.time):
        with pytest.raises(RequestError, match=r"holds a lease there .* collect again when it has"):
            gc(str(pool), yes=True)
        assert pool_status(str(pool)).working
    (job,) = pool_status(str(pool)).universes[0].jobs
    with (
        Lease(Folder(str(made / "out/_work" / job)), time.time),
        pytest.raises(RequestError, match=rf"{job}: process \d+ on .* holds a lease"),
    ):
        gc(str(pool), universes=[name], yes=True)
    leases = {p for p in files(pool) if "/leases/" in p}
    assert {p: h for p, h in files(pool).items() if p not in leases} == before


def test_where_there_is_no_pool(tmp_path: Path) -> None:
    for verb in (pool_status, gc):
        with pytest.raises(RequestError, match="no pool stands here; expected the folder that"):
            verb(str(tmp_path))


def test_scores_go_with_their_shard(pool: Path) -> None:
    """What scorers were fit to stays."""
    (kept,) = live(pool)[:1]
    universe, unit = kept.removeprefix("data/").removesuffix(".parquet").split("/")
    scorer = pool / f"_scores/{'ab' * 16}"
    (scorer / universe).mkdir(parents=True)
    mine, gone = scorer / universe / f"{unit}.json", scorer / universe / "unit-gone.json"
    fitted = scorer / "fitted.safetensors"
    for path in (mine, gone, fitted):
        path.write_text("{}")
    (found,) = [one for one in gc(str(pool)).litter if one.path.startswith("_scores")]
    assert (found.path, found.why) == (
        str(gone.relative_to(pool)), "scores of a shard that no record and no version names",
    )  # fmt: skip
    gc(str(pool), yes=True)
    assert (mine.exists(), gone.exists(), fitted.exists()) == (True, False, True)
    gc(str(pool), yes=True, universes=[universe])
    assert (mine.exists(), fitted.exists()) == (False, True)
