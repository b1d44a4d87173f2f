"""Where features are kept."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.dataset as pads
import pytest

from augment.audit.table import DataSet, data_set_to_be, open_data_set
from augment.errors import RequestError, StorageError
from augment.features.kept import Shelf
from augment.run import LocalEngine
from augment.run.extraction.extracting import How, extract
from augment.run.extraction.shelving import shelf_for
from augment.storage import Folder
from tests.audit.conftest import TableBuilder, png
from tests.run.extraction.conftest import RANDOM


def place_of(data: DataSet, cache: str | None = None) -> Shelf:
    with contextlib.ExitStack() as held:
        return shelf_for(data, cache, {}, held)


def test_beside_a_table_of_ours(data: DataSet, table: TableBuilder) -> None:
    assert place_of(data).folder.uri == f"{table.uri}/_features"


def test_beside_what_a_job_of_ours_is_about_to_commit(tmp_path: Path) -> None:
    (tmp_path / "out/_work/job").mkdir(parents=True)
    data = data_set_to_be(Folder(str(tmp_path / "out")), ())
    assert place_of(data).folder.uri == f"{tmp_path}/out/_features"


def test_no_reader_takes_them_for_data(data: DataSet, table: TableBuilder) -> None:
    before = pads.dataset(table.path, format="parquet").count_rows()
    with extract(data, RANDOM, LocalEngine()):
        pass
    assert pads.dataset(table.path, format="parquet").count_rows() == before
    assert open_data_set(table.uri).shards == data.shards


def test_they_say_what_they_are_of(data: DataSet, table: TableBuilder) -> None:
    with extract(data, RANDOM, LocalEngine()) as found:
        (info,) = found.infos
    (place,) = (table.path / "_features").rglob("extractor.json")
    assert json.loads(place.read_text())["weights_sha256"] == info.weights_sha256
    assert "augment clean" in (table.path / "_features" / "README.txt").read_text()


def test_no_marks_of_tries_are_left(data: DataSet, table: TableBuilder) -> None:
    with extract(data, RANDOM, LocalEngine()):
        pass
    assert not [p for p in (table.path / "_features" / "tries").rglob("*") if p.is_file()]


def test_a_folder_of_others_is_left_alone(
    foreign: Callable[..., DataSet], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    data = foreign(image=[png(0)])
    with extract(data, RANDOM, LocalEngine()):
        pass
    assert [p.name for p in (tmp_path / "foreign").iterdir()] == ["part.parquet"]
    found = list((tmp_path / "xdg" / "augment" / "checkpoints" / "features").rglob("*.safetensors"))
    assert len(found) == 1


def test_a_table_that_cannot_be_written_to_is_left_alone(
    data: DataSet, table: TableBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    (table.path / "_features").write_bytes(b"a file in its place")
    assert place_of(data).folder.uri.startswith(str(tmp_path / "xdg"))


def test_without_any_place_they_live_as_long_as_their_reader(
    foreign: Callable[..., DataSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    data = foreign(image=[png(0)])
    with contextlib.ExitStack() as held:
        folder = shelf_for(data, None, {}, held).folder
        assert Path(folder.uri).is_dir()
    assert not Path(folder.uri).exists()


def test_for_one_run_alone(data: DataSet, table: TableBuilder) -> None:
    with extract(data, RANDOM, LocalEngine(), How(cache="none")) as found:
        assert [len(kept.rows) for _, kept in found.shards("random")] == [9, 9, 7]
    assert not (table.path / "_features").exists()


def test_where_somebody_says(data: DataSet, table: TableBuilder, tmp_path: Path) -> None:
    with extract(data, RANDOM, LocalEngine(), How(cache=str(tmp_path / "mine"))):
        pass
    assert not (table.path / "_features").exists()
    assert len(list((tmp_path / "mine").rglob("*.safetensors"))) == 3


def test_two_data_sets_share_a_cache(tmp_path: Path) -> None:
    names = {place_of(open_data_set(TableBuilder(tmp_path / name).build({
        "data/a-0123456789ab.parquet": []}).uri), str(tmp_path / "c")).folder.uri
        for name in ("one", "two")}  # fmt: skip
    assert len(names) == 2


@pytest.mark.parametrize(
    ("cache", "error", "text"),
    [
        ("http://x/y", RequestError, "cache: got 'http://x/y': the scheme http"),
        ("/proc/nowhere", StorageError, "/proc/nowhere"),
    ],
)
def test_a_place_that_is_none_is_an_error(
    data: DataSet, cache: str, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        place_of(data, cache)


def test_a_policy_closes_other_places(
    data: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"allowed_uris: [{tmp_path}]\n")
    monkeypatch.setenv("AUGMENT_POLICY", str(policy))
    assert place_of(data, str(tmp_path / "c")).folder.uri.startswith(str(tmp_path / "c"))
    with pytest.raises(RequestError, match="cache: got '/elsewhere', where this machine lets"):
        place_of(data, "/elsewhere")
