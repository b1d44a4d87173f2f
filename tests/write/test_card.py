"""The card: a pure function of a version that shows `datasets` that version and no more."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest
import yaml

from augment.errors import RequestError
from augment.sample import SAMPLE_SCHEMA
from augment.storage import Folder
from augment.write.card import (
    MAX_LISTED_FILES,
    card_is_current,
    datasets_split,
    render_card,
    write_card,
)
from augment.write.creation import ensure_table
from augment.write.provenance import (
    count_cells,
    counts_table,
    write_counts,
    write_job,
    write_verdict,
)
from augment.write.shards import ShardEntry, write_shard
from augment.write.table import Commit, commit_once
from augment.write.work import Work

CLASSES = ("0", "no|way", "cat")
JOB = "job-0123456789ab"
Rows = Callable[..., pa.Table]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(str(tmp_path / "digits"))


def commit(folder: Folder, rows: Rows, shards: dict[str, int], generation: int = 1) -> int:
    """Commit one shard of so many rows per split; the version."""
    entries, cells = [], []
    for split, n in shards.items():
        table = rows(n, split, start=100 * (generation - 1))
        entry = write_shard(
            table, folder, f"data/{split}/{JOB}/{split}-{generation}", CLASSES, (n,)
        )
        entries.append(entry)
        cells.append((entry.path, count_cells(table)))
    write_job(folder, JOB, {"digest": "0123456789ab" + "f" * 52})
    write_counts(folder, JOB, counts_table(cells))
    table = ensure_table(folder, SAMPLE_SCHEMA, CLASSES)
    return commit_once(folder, table, Commit("d", generation, entries), lambda _: None).version


def load(folder: Folder, cache: Path) -> datasets.DatasetDict:
    return datasets.load_dataset(folder.uri, cache_dir=str(cache))


def test_datasets_sees_each_split_with_its_own_rows_and_nothing_else(
    folder: Folder, rows: Rows, tmp_path: Path
) -> None:
    commit(folder, rows, {"train": 7, "test": 3})
    write_card(folder)
    # an orphan in data/, a half-done job beside, provenance with Parquet files of its own
    write_shard(rows(5, start=50), folder, f"data/train/{JOB}/orphan", CLASSES, (5,))
    write_shard(rows(5, start=60), folder, "data/train/other-0/u", CLASSES, (5,))
    Work(folder.child("_work/other-0")).begin("u")
    loaded = load(folder, tmp_path / "cache")
    assert {name: split.num_rows for name, split in loaded.items()} == {"train": 7, "test": 3}
    assert set(loaded["test"]["split"]) == {"test"}
    assert loaded["train"][0]["image"].size == (64, 64)
    assert loaded["train"].features["label"].names == list(CLASSES)
    assert loaded["train"].features["label"].int2str(loaded["train"][1]["label"]) == "no|way"


def test_a_version_without_rows_shows_no_orphan(folder: Folder, rows: Rows, tmp_path: Path) -> None:
    commit(folder, rows, {})
    write_shard(rows(5), folder, f"data/train/{JOB}/orphan", CLASSES, (5,))
    write_card(folder)
    with pytest.raises(FileNotFoundError, match="this-version-has-no-rows"):
        load(folder, tmp_path / "cache")


def test_above_the_bound_datasets_is_refused_and_told_where_to_read(
    folder: Folder, rows: Rows, tmp_path: Path
) -> None:
    one = write_shard(rows(1), folder, f"data/train/{JOB}/u", CLASSES, (1,))
    data = folder.read(one.path)
    entries = []
    for i in range(MAX_LISTED_FILES + 1):
        path = f"data/train/{JOB}/u-{i}.parquet"
        Path(folder.url(path)).write_bytes(data)
        entries.append(ShardEntry(path, one.size, one.sha256, 1, (1,)))
    write_counts(folder, JOB, counts_table((e.path, count_cells(rows(1))) for e in entries))
    table = ensure_table(folder, SAMPLE_SCHEMA, CLASSES)
    commit_once(folder, table, Commit("d", 1, entries), lambda _: None)
    write_card(folder)
    card = folder.read("README.md").decode()
    assert "more than 1,000 of them" in card
    assert "`augment.api.open_dataset`" in card
    with pytest.raises(FileNotFoundError, match="read-this-table-through-its-delta-log"):
        load(folder, tmp_path / "cache")


def test_the_card_tells_counts_shares_and_origin(folder: Folder, rows: Rows) -> None:
    version = commit(folder, rows, {"train": 7, "test": 3})
    card = render_card(folder, version)
    assert "# digits\n\nVersion 1 of this table: 10 rows in 2 Parquet files" in card
    train = card[card.index("## Split train") :]
    assert "| class | real | generated | all |\n|---|---:|---:|---:|\n| 0 | 3 | 0 | 3 |" in train
    assert "| no\\|way | 2 | 0 | 2 |\n| cat | 0 | 2 | 2 |\n| **all** | 5 | 2 | 7 |" in train
    assert "Generated rows of all rows (`synthetic_share`): 2 / 7 = 0.2857" in train
    assert "Generated to untouched real rows (`synthetic_to_real`): 2 / 5 = 0.4000." in train
    assert f"`_provenance/{JOB}/`" in card
    assert "(10 rows; request digest `0123456789abfff" in card
    assert "`Iptc4xmpExt:DigitalSourceType`" in card


def test_the_front_matter_lists_exactly_the_files(folder: Folder, rows: Rows) -> None:
    version = commit(folder, rows, {"train": 4})
    matter = yaml.safe_load(render_card(folder, version).split("---\n")[1])
    (entry,) = matter["configs"][0]["data_files"]
    assert entry["split"] == "train"
    assert re.fullmatch(rf"data/train/{JOB}/train-1-[0-9a-f]{{12}}\.parquet", entry["path"][0])


def test_a_card_is_remade_when_missing_or_older_and_else_left_alone(
    folder: Folder, rows: Rows
) -> None:
    first = commit(folder, rows, {"train": 4})
    assert not card_is_current(folder, first)
    assert write_card(folder) == first
    assert card_is_current(folder, first)
    token = folder.info("README.md").token
    write_card(folder)
    assert folder.info("README.md").token == token
    second = commit(folder, rows, {"train": 2}, generation=2)
    assert not card_is_current(folder, second)
    assert render_card(folder, first) == folder.read("README.md").decode()  # pure
    assert write_card(folder) == second
    assert card_is_current(folder, second)


def test_there_is_no_card_without_a_table(folder: Folder) -> None:
    with pytest.raises(RequestError, match=r"digits: no table stands there; there is no card"):
        write_card(folder)


def test_a_table_of_real_rows_says_so(folder: Folder, rows: Rows) -> None:
    card = render_card(folder, commit(folder, rows, {"train": 2}))
    assert "No row of this version was made by a generator." in card


def test_split_names_are_made_fit_for_datasets(folder: Folder, rows: Rows, tmp_path: Path) -> None:
    assert [datasets_split(s) for s in ("train", "val-1", "a..b.", "1.5")] == [
        "train", "val_1", "a_.b_", "1.5",
    ]  # fmt: skip
    commit(folder, rows, {"val-1": 3})
    write_card(folder)
    assert load(folder, tmp_path / "cache")["val_1"].num_rows == 3
    assert "For `datasets`, split `val-1` is `val_1`." in folder.read("README.md").decode()


def test_the_snippets_of_the_card_parse(folder: Folder, rows: Rows) -> None:
    card = render_card(folder, commit(folder, rows, {"train": 4}))
    snippets = re.findall(r"```python\n(.*?)\n```", card, re.S)
    assert len(snippets) == 2
    for snippet in snippets:
        compile(snippet, "card", "exec")


# ---- what made the rows --------------------------------------------------------------

FACTS = {
    "digest": "0123456789ab" + "f" * 52,
    "seed": 7,
    "split_seed": 3,
    "about": {"owner": "vision | team", "purpose": "demo", "ticket": None, "license": "CC0-1.0"},
    "sources": {"photos|x": {"format": "parquet", "license": "CC-BY-4.0"}},
    "generators": {
        "vae": {
            "family": "vae",
            "universe": "e" * 64,
            "checkpoint_sha256": "c" * 64,
            "license": "MIT",
            "trained_on": [{"source": "photos|x", "splits": ["train", "val"]}],
        },
        "fake": {"family": "palette", "universe": "d" * 64, "checkpoint_sha256": ""},
        "unused": {"family": "onnx", "universe": None, "checkpoint_sha256": "b" * 64},
    },
    "filters": [{"degenerate": {"min_std": 2.0}}],
    "limits": {"synthetic_share": {"max": 0.5}, "min_rows_per_class": {"train": 3}},
}
VERDICT = {
    "version": 1, "verdict": "failed", "exit_code": 1,
    "limits": [{"limit": "limits.x", "kept": 2, "broken": 1, "not_judged": 0, "text": "x | 1"}],
    "findings": ["log: they\ndiffer"], "more_findings": 4,
}  # fmt: skip


def job_section(folder: Folder, version: int) -> str:
    card = render_card(folder, version)
    return card[card.index(f"### Job {JOB}") :]


def committed_by(folder: Folder, rows: Rows, facts: Any) -> int:
    write_job(folder, JOB, facts)  # what is there first stays
    return commit(folder, rows, {"train": 7})


def test_the_card_names_what_made_the_rows(folder: Folder, rows: Rows) -> None:
    version = committed_by(folder, rows, FACTS)
    said = job_section(folder, version)
    assert "Seed 7. Seed of the splits of real rows: 3. Owner: vision \\| team. Purpose: " in said
    assert "Licence of the data set: CC0-1.0." in said
    assert "| photos\\|x | parquet | CC-BY-4.0 |\n" in said
    assert f"| vae | vae | {'c' * 64} | MIT | photos\\|x: train, val |\n" in said
    assert "| fake | palette | none (procedural) | not given | nothing |\n" in said
    assert "unused" not in said
    assert "Filters of generated samples: degenerate (min_std 2.0)." in said
    assert "Limits: synthetic_share.max 0.5, min_rows_per_class.train 3.\n" in said
    assert "This version was not audited yet: `augment audit` does it." in said
    assert card_is_current(folder, write_card(folder))


def test_the_card_carries_the_verdict_of_its_own_version(folder: Folder, rows: Rows) -> None:
    version = committed_by(folder, rows, FACTS)
    write_card(folder)
    write_verdict(folder, JOB, VERDICT)
    assert not card_is_current(folder, version)
    said = job_section(folder, version)
    assert "- kept in 2, BROKEN in 1 places: x \\| 1\n" in said
    assert said.rstrip().endswith(
        "Verdict of the audit of version 1: FAILED.\n- log: they\\\\ndiffer\n- and 4 more findings"
    )
    write_verdict(folder, JOB, VERDICT | {"version": 0})
    assert "was not audited yet" in job_section(folder, version)
    folder.replace(f"_provenance/{JOB}/verdict.json", b"{")
    assert "was not audited yet" in job_section(folder, version)


@pytest.mark.parametrize(
    "facts",
    [
        {"digest": "d"},
        {"digest": "d", "generators": 3, "sources": [], "limits": 7, "filters": "x", "about": 1},
        {"digest": "d", "generators": {"a": 1, "b": {}}, "filters": [1, {"f": None}], "limits": {}},
        {"digest": "d", "generators": {"a": {"checkpoint_sha256": "c", "trained_on": [1, {}]}}},
    ],
)
def test_what_another_version_kept_is_shown_as_far_as_it_goes(
    folder: Folder, rows: Rows, facts: Any
) -> None:
    said = job_section(folder, committed_by(folder, rows, facts))
    assert said.startswith(f"### Job {JOB}\n")
    if facts.get("limits") == {}:
        assert "Limits: none were given." in said
        assert "Filters of generated samples: f ()." in said


def test_many_generators_are_cut(folder: Folder, rows: Rows) -> None:
    many = {f"g{n:03d}": {"family": "vae", "checkpoint_sha256": "c"} for n in range(300)}
    said = job_section(folder, committed_by(folder, rows, FACTS | {"generators": many}))
    assert "... and 280 more, in job.json." in said
    assert "g019" in said
    assert "g020" not in said
