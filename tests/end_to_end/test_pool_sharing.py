"""Jobs that share a pool make every sample once, and each takes what its own rules accept."""

from __future__ import annotations

import datetime as dt
import io
import json
import shutil
import signal
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from augment.api import load_spec, open_dataset, run
from augment.errors import GateError, RequestError
from augment.run import How, LocalEngine, RunResult, carry_out
from augment.storage import Folder
from augment.write import Work, live_files, read_xmp, write_shard
from tests.end_to_end.jobs import (
    CLASSES,
    fingerprint,
    job_document,
    rows_of,
    write_digits,
    write_job,
)
from tests.end_to_end.runs import (
    Driver,
    commanded,
    folded,
    made_indexes,
    published,
    records,
    state,
)
from tests.waiting import wait_until

COUNTS = {"0": 12, "1": 5, "2": 4}
FILLS = (24, 40, 30, 36)
Scores = dict[str, dict[int, float]]
"""class -> index -> degenerate.std"""


def clock() -> dt.datetime:
    return dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("digits")
    write_digits(root / "data", COUNTS)
    return root


def document(data: Path, pool: Path, out: Path, fill: int, **changes: Any) -> dict[str, Any]:
    """A generator of pale images, about one in four of which is refused."""
    pale = {
        "family": "palette",
        "classes": list(CLASSES),
        "size": 16,
        "sampling": {"contrast": 0.05},
    }
    defaults: dict[str, Any] = {
        "augmentations": [],
        "generators": {"pale": pale},
        "synthesize": [{"generators": ["pale"], "fill": {"to": fill}}],
        "filters": [{"degenerate": {"min_std": 2.1}}],
        "max_attempts_per_sample": 6,
        "pool": str(pool),
        "output": {"uri": str(out)},
    }
    return job_document(data, **(defaults | changes))


def ran(*arguments: Any, **changes: Any) -> RunResult:
    return run(load_spec(document(*arguments, **changes)), engine="local", clock=clock)


def images(out: Path) -> dict[str, str]:
    return fingerprint(rows_of(open_dataset(str(out)).to_table()))


def generated(out: Path) -> dict[str, list[int]]:
    """class -> indexes of the generated rows of a data set."""
    found = defaultdict(list)
    for row in open_dataset(str(out)).to_table(["label_name", "generator"]).to_pylist():
        if row["generator"] is not None:
            found[row["label_name"]].append(row["generator"]["index"])
    return {label: sorted(indexes) for label, indexes in found.items()}


def pool_table(pool: Path) -> list[dict[str, Any]]:
    files = live_files(Folder(str(pool)))
    return [row for file in files for row in pq.read_table(pool / file.path).to_pylist()]


def deviations(pool: Path) -> Scores:
    """The stored score that the tests' filters look at, of every row of a pool."""
    found: Scores = defaultdict(dict)
    for row in pool_table(pool):
        scores = {s["name"]: s["value"] for s in row["scores"]}
        found[row["label_name"]][row["generator"]["index"]] = scores["degenerate.std"]
    return dict(found)


def lowest(scores: Scores, least: float, fill: int) -> dict[str, list[int]]:
    """The indexes that a job must have taken, counted here without the program's help."""
    return {
        label: [i for i in sorted(by_index) if by_index[i] >= least][: fill - COUNTS[label]]
        for label, by_index in scores.items()
    }


# ---- four jobs -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def in_turn(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[RunResult]]:
    root = tmp_path_factory.mktemp("turn")
    results = [ran(data, root / "pool", root / f"out-{n}", n) for n in FILLS]
    return root, results


def test_jobs_in_turn_make_only_what_the_pool_lacks(
    in_turn: tuple[Path, list[RunResult]],
) -> None:
    root, results = in_turn
    made = made_indexes(root / "pool")
    assert set(made.values()) == {1}
    assert sum(r.made_now for r in results) == len(made) == len(pool_table(root / "pool"))
    assert [r.made_now > 0 for r in results] == [True, True, False, False]
    assert all(r.ok for r in results)


@pytest.mark.parametrize("fill", FILLS)
def test_every_job_takes_the_lowest_accepted_indexes(
    in_turn: tuple[Path, list[RunResult]], fill: int
) -> None:
    root, _ = in_turn
    assert generated(root / f"out-{fill}") == lowest(deviations(root / "pool"), 2.1, fill)
    assert images(root / f"out-{fill}").items() <= images(root / "out-40").items()


def test_jobs_at_once_make_every_sample_once(
    data: Path, in_turn: tuple[Path, list[RunResult]], tmp_path: Path
) -> None:
    drivers = []
    for fill in FILLS:
        folder = tmp_path / str(fill)
        folder.mkdir()
        body = document(data, tmp_path / "pool", folder / "out", fill)
        drivers.append(Driver(write_job(folder / "job.yaml", body)))
    results = [driver.end().result for driver in drivers]
    made = made_indexes(tmp_path / "pool")
    assert set(made.values()) == {1}
    assert sum(r["made_now"] for r in results) == len(made) == len(pool_table(tmp_path / "pool"))
    for fill in FILLS:
        assert images(tmp_path / str(fill) / "out") == images(in_turn[0] / f"out-{fill}")
    folds = list(folded(tmp_path / "pool"))
    assert len({claim for _, claim, _ in folds}) == len(folds)
    held = sorted(record["unit"] for _, _, some in folds for record in some)
    assert held == sorted(record["unit"] for record in records(tmp_path / "pool"))


def test_a_pool_without_folds_is_read_and_folded_as_it_stands(
    data: Path, in_turn: tuple[Path, list[RunResult]], tmp_path: Path
) -> None:
    """As an older version left it."""
    pool = tmp_path / "pool"
    shutil.copytree(in_turn[0] / "pool", pool)
    [place] = pool.glob("_work/*/folds")
    folds = {path.name: path.read_bytes() for path in place.iterdir()}
    shutil.rmtree(place)
    result = ran(data, pool, tmp_path / "out", 40)
    assert (result.made_now, result.accounts) == (0, in_turn[1][1].accounts)
    assert images(tmp_path / "out") == images(in_turn[0] / "out-40")
    assert {path.name: path.read_bytes() for path in place.iterdir()} == folds


def test_a_folded_pool_is_read_without_its_records(
    data: Path, in_turn: tuple[Path, list[RunResult]], tmp_path: Path
) -> None:
    pool = tmp_path / "pool"
    shutil.copytree(in_turn[0] / "pool", pool)
    for place in pool.glob("_work/*/units"):
        shutil.rmtree(place)
    result = ran(data, pool, tmp_path / "out", 40)
    assert (result.made_now, result.accounts) == (0, in_turn[1][1].accounts)
    assert images(tmp_path / "out") == images(in_turn[0] / "out-40")


@pytest.mark.parametrize("damage", ["summary", "records", "lost shard"])
def test_a_damaged_fold_changes_nothing(
    data: Path, in_turn: tuple[Path, list[RunResult]], tmp_path: Path, damage: str
) -> None:
    pool = tmp_path / "pool"
    shutil.copytree(in_turn[0] / "pool", pool)
    whole = published(pool)
    [place] = pool.glob("_work/*/folds")
    folds = {path: path.read_bytes() for path in sorted(place.iterdir())}
    if damage == "lost shard":
        (pool / max(whole)).unlink()
    else:
        path = next(p for p in folds if (".records." in p.name) == (damage == "records"))
        path.write_bytes(bytes(len(folds[path])))
    result = ran(data, pool, tmp_path / "out", 40)
    assert (result.made_now > 0) == (damage == "lost shard")
    assert images(tmp_path / "out") == images(in_turn[0] / "out-40")
    assert published(pool) == whole
    assert {path: path.read_bytes() for path in sorted(place.iterdir())} == folds


@pytest.mark.parametrize("ending", [signal.SIGCONT, signal.SIGKILL], ids=["goes on", "dies"])
def test_a_job_waits_for_claimed_samples_as_long_as_their_owner_lives(
    data: Path, tmp_path: Path, ending: signal.Signals
) -> None:
    """The first job is held inside a unit; the second needs the same samples."""
    jobs = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        body = document(data, tmp_path / "pool", tmp_path / name / "out", 24)
        jobs.append(write_job(tmp_path / name / "job.yaml", body | {"name": name}))
    claim = "told stage synthesize"
    first = Driver(jobs[0], claim, signal.SIGSTOP)
    wait_until(lambda: f"signal at: {claim}" in first.notes())
    second = Driver(jobs[1])
    try:
        wait_until(lambda: "waiting for samples of pale that another job makes" in second.notes())
        assert not list(records(tmp_path / "pool"))
    finally:
        first.signal(ending)
    ended = first.end()
    made = second.end().result["made_now"]
    if ending is signal.SIGCONT:
        made += ended.result["made_now"]
    assert made == len(made_indexes(tmp_path / "pool"))
    assert set(made_indexes(tmp_path / "pool").values()) == {1}


def test_another_name_of_the_same_generator_shares_its_samples(
    data: Path, in_turn: tuple[Path, list[RunResult]], tmp_path: Path
) -> None:
    root, _ = in_turn
    body = document(data, root / "pool", tmp_path / "out", 24)
    body["generators"] = {"renamed": body["generators"]["pale"]}
    body["synthesize"] = [{"generators": ["renamed"], "fill": {"to": 24}}]
    result = run(load_spec(body), engine="local", clock=clock)
    assert result.made_now == 0
    assert images(tmp_path / "out") == images(root / "out-24")


def test_another_seed_makes_other_samples(data: Path, tmp_path: Path) -> None:
    for seed in (7, 8):
        result = ran(data, tmp_path / "pool", tmp_path / f"out-{seed}", 20, seed=seed)
        assert result.made_now > 0
    first, second = (
        {r["sample_id"] for r in rows_of(open_dataset(str(tmp_path / f"out-{seed}")).to_table())
         if r["generated"]}
        for seed in (7, 8)
    )  # fmt: skip
    assert first
    assert second
    assert not first & second
    assert len(list((tmp_path / "pool" / "data").iterdir())) == 2


# ---- filters -------------------------------------------------------------------------


def test_another_threshold_needs_no_new_sample(
    data: Path, in_turn: tuple[Path, list[RunResult]], tmp_path: Path
) -> None:
    root, _ = in_turn
    looser = [{"degenerate": {"min_std": 2.0}}]
    result = ran(data, root / "pool", tmp_path / "out", 36, filters=looser)
    assert result.made_now == 0
    scores = deviations(root / "pool")
    assert generated(tmp_path / "out") == lowest(scores, 2.0, 36) != lowest(scores, 2.1, 36)


def test_the_account_of_a_class_adds_up(in_turn: tuple[Path, list[RunResult]]) -> None:
    root, results = in_turn
    scores = deviations(root / "pool")
    for fill, result in zip(FILLS, results, strict=True):
        for account in result.accounts:
            by_index = scores[account.label_name]
            looked = [by_index[i] for i in range(account.attempted)]
            assert account.target == fill - COUNTS[account.label_name]
            assert account.target == account.selected + account.shortfall
            assert account.attempted == account.accepted + account.failed + sum(
                account.rejected.values()
            )
            assert account.rejected == {"degenerate.blank": sum(s < 2.1 for s in looked)}
            assert looked[-1] >= 2.1  # the last one looked at is the last one taken


def test_rejected_rows_stay_in_the_pool_with_their_image(
    in_turn: tuple[Path, list[RunResult]],
) -> None:
    rejected = 0
    for row in pool_table(in_turn[0] / "pool"):
        scores = {s["name"]: s["value"] for s in row["scores"]}
        image = np.asarray(Image.open(io.BytesIO(row["image"]["bytes"])))
        assert scores["degenerate.std"] == pytest.approx(image.std(axis=(0, 1)).max())
        mark = read_xmp(row["image"]["bytes"])
        assert mark is not None
        assert mark.sample_id == row["sample_id"]
        rejected += scores["degenerate.std"] < 2.1
    assert rejected > 10


def test_missing_scores_are_computed_from_the_image(
    data: Path, in_turn: tuple[Path, list[RunResult]], tmp_path: Path
) -> None:
    """A pool that another version wrote: the same rows without scores, nothing judged."""
    old, new = in_turn[0] / "pool", Folder(str(tmp_path / "pool"))
    for record in records(old):
        entry = record.pop("entry")
        table = pq.read_table(old / entry["path"])
        place, kind = table.schema.get_field_index("scores"), table.schema.field("scores").type
        none = pa.array([[]] * len(table), kind)
        prefix = entry["path"].rpartition("-")[0]
        written = write_shard(
            table.set_column(place, "scores", none), new, prefix, None, entry["group_rows"]
        )
        work = Work(new.child(f"_work/{prefix.split('/')[1]}"))
        body = {k: v for k, v in record.items() if k not in ("unit", "attempt")}
        work.record(work.begin(record["unit"]), body | {"entry": written.to_json(), "verdicts": {}})
    result = ran(data, tmp_path / "pool", tmp_path / "out", 40)
    assert result.made_now == 0
    assert generated(tmp_path / "out") == generated(in_turn[0] / "out-40")
    assert images(tmp_path / "out") == images(in_turn[0] / "out-40")


# ---- shortfall -----------------------------------------------------------------------


def test_rejects_lead_to_the_next_indexes_up_to_the_cap(data: Path, tmp_path: Path) -> None:
    body = document(
        data,
        tmp_path / "pool",
        tmp_path / "out",
        14,
        filters=[{"degenerate": {"min_std": 100}}],
        max_attempts_per_sample=2,
    )
    with pytest.raises(GateError, match=r"\(rejected by degenerate\.blank \d+\); split train, "):
        run(load_spec(body), engine="local")  # no class has a sample: see test_lost_classes
    body["errors"] = {"allow_empty_classes": sorted(COUNTS)}
    fails = commanded("run", str(write_job(tmp_path / "job.yaml", body)), "--engine", "local",
                    "--json", cwd=tmp_path)  # fmt: skip
    assert fails.returncode == 1, fails.stderr
    told = json.loads(fails.stdout)
    wanted = {label: 14 - n for label, n in COUNTS.items()}
    assert told["made_now"] == 0
    for account in told["accounts"]:
        quota = wanted[account["label_name"]]
        assert (account["target"], account["attempted"]) == (quota, 2 * quota)
        assert (account["selected"], account["accepted"]) == (0, 0)
        assert account["rejected"] == {"degenerate.blank": 2 * quota}
    assert len(images(tmp_path / "out")) == sum(COUNTS.values()) + 9  # committed all the same
    warned = run(load_spec(body | {"on_shortfall": "warn"}), engine="local")
    assert warned.ok
    assert warned.already
    assert warned.shortfall == sum(wanted.values())


def test_a_partial_shortfall_is_committed_and_warned_of(data: Path, tmp_path: Path) -> None:
    result = ran(
        data,
        tmp_path / "pool",
        tmp_path / "out",
        24,
        max_attempts_per_sample=1,
        on_shortfall="warn",
    )
    assert result.ok
    assert not result.already
    assert 0 < result.shortfall < result.made_now == sum(24 - n for n in COUNTS.values())
    assert generated(tmp_path / "out") == lowest(deviations(tmp_path / "pool"), 2.1, 24)
    again = document(data, tmp_path / "pool", tmp_path / "out", 24, max_attempts_per_sample=1)
    assert not run(load_spec(again | {"on_shortfall": "fail"}), engine="local").ok


# ---- the two halves ------------------------------------------------------------------


def test_synthesize_then_mix_equals_run(data: Path, tmp_path: Path) -> None:
    halves, whole = tmp_path / "halves", tmp_path / "whole"
    job = load_spec(document(data, halves / "pool", halves / "out", 24))
    filled = carry_out(job, LocalEngine(), "synthesize", How(clock=clock))
    assert not published(halves / "out")
    mixed = carry_out(job, LocalEngine(), "mix", How(clock=clock))
    direct = ran(data, whole / "pool", whole / "out", 24)
    assert (mixed.ok, mixed.made_now, filled.made_now) == (True, 0, direct.made_now)
    assert mixed.accounts == direct.accounts
    assert state(halves) == state(whole)


def test_mix_refuses_a_pool_that_lacks_samples(data: Path, tmp_path: Path) -> None:
    job = load_spec(document(data, tmp_path / "pool", tmp_path / "out", 24))
    with pytest.raises(RequestError) as told:
        carry_out(job, LocalEngine(), "mix")
    assert str(told.value) == (
        f"pool {tmp_path}/pool: generator pale, class '0' has 0 accepted samples; the plan needs "
        "12: run `augment synthesize` (or `augment run`) first"
    )
    assert run(job, engine="local").ok
