"""A folder whose name delta-rs reads as another one is read and written all the same, by its own
name and no other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from augment.errors import RequestError, StorageError
from augment.places import Place
from augment.storage import Folder
from augment.storage.delta_names import as_asked, delta_name
from augment.write import Commit, commit_once, ensure_table, live_files, newest_version, open_table

SCHEMA = pa.schema([("x", pa.int64())])
NAMES = [
    "ws_feature%2Flogin", "o%20x", "a%25b", "%00", "%", "a\\b", "o#1", "o?x", "o*", "o[1]", "{x}",
    "a|b", "$HOME", "a\"b'c", "<x>", "\u202ex", "tab\tx",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_table_stands_where_its_name_says(tmp_path: Path, name: str) -> None:
    own = tmp_path / name / "out"
    own.mkdir(parents=True)
    place = Place("file", str(own))
    linked = delta_name(place, making=True)
    assert linked != str(own)
    assert (Path(linked) / "_delta_log").resolve() == own / "_delta_log"
    assert delta_name(place) == linked
    assert as_asked(f"File not found: {linked}/_delta_log/0.json") == (
        f"File not found: {own}/_delta_log/0.json"
    )


@pytest.mark.parametrize("name", ["plain", "o x", "ü日本", "a+b=c,d@e", "(a)!&'~;", "run:1"])
def test_plain_names_are_given_as_they_are(tmp_path: Path, name: str) -> None:
    assert delta_name(Place("file", str(tmp_path / name))) == str(tmp_path / name)


@pytest.mark.parametrize("name", [n for n in NAMES if n != "tab\tx"])
def test_tables_are_made_grown_and_read_there(tmp_path: Path, name: str) -> None:
    """Beside a folder that the name would be read as, which stays as it is."""
    folder = Folder(str(tmp_path / name / "out"))
    assert open_table(folder) is None
    table = ensure_table(folder, SCHEMA, ["c"])
    assert ensure_table(folder, SCHEMA, ["c"]).version() == 0
    commit = Commit("a" * 64, 1, [], {"job_id": "j"})
    assert commit_once(folder, table, commit, lambda table: None).version == 1
    assert commit_once(folder, table, commit, lambda table: None).already
    again = open_table(folder)
    assert again is not None
    assert [entry.get("job_id") for entry in again.history()] == ["j", None]
    assert (newest_version(folder), live_files(folder)) == (1, [])
    assert sorted(os.listdir(tmp_path)) == [name]
    assert sorted(os.listdir(tmp_path / name / "out/_delta_log")) == [
        f"{version:020}.json" for version in range(2)
    ]


def test_the_folder_that_the_name_would_be_read_as_is_another(tmp_path: Path) -> None:
    other, own = Folder(str(tmp_path / "o x")), Folder(str(tmp_path / "o%20x"))
    ensure_table(other, SCHEMA, ["other"])
    assert open_table(own) is None
    ensure_table(own, SCHEMA, ["own"])
    table = open_table(own)
    assert table is not None
    assert table.metadata().configuration["augment.classes"] == '["own"]'


def test_errors_name_the_folder_and_not_the_link(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / "a%2Fb"))
    (tmp_path / "a%2Fb/_delta_log").mkdir(parents=True)
    (tmp_path / "a%2Fb/_delta_log/00000000000000000000.json").write_text("no JSON\n")
    with pytest.raises(StorageError) as damaged:
        open_table(folder)
    assert str(damaged.value).startswith(f"{tmp_path}/a%2Fb: the table's log could not be read: ")
    assert "augment-delta-" not in str(damaged.value)


PROGRAM = """
import os, sys
from augment.places import Place
from augment.storage.delta_names import delta_name
link = delta_name(Place("file", sys.argv[1]), making=True)
if os.fork() == 0:
    sys.exit()
os.wait()
print(os.path.exists(link + "/_delta_log"))
print(link)
"""


def test_links_go_with_their_process_and_what_they_lead_to_stays(tmp_path: Path) -> None:
    (tmp_path / "a%2Fb/_delta_log").mkdir(parents=True)
    (tmp_path / "a%2Fb/_delta_log/0.json").write_text("kept")
    (tmp_path / "tmp").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "a%2Fb")],
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    there, link = done.stdout.split()
    assert there == "True"
    assert Path(link).parent == tmp_path / "tmp"
    assert os.listdir(tmp_path / "tmp") == []
    assert (tmp_path / "a%2Fb/_delta_log/0.json").read_text() == "kept"


def test_a_temporary_folder_with_such_a_name_is_passed_by(tmp_path: Path) -> None:
    (tmp_path / "ws%2Fx@tmp").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "a%2Fb")],
        env={**os.environ, "TMPDIR": str(tmp_path / "ws%2Fx@tmp")},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split()[1].startswith(("/tmp/", "/var/tmp/"))


def test_no_table_where_none_can_stand() -> None:
    for uri in ("memory://x", "hf://o/x"):
        with pytest.raises(RequestError, match=f"{uri}: a table cannot stand in"):
            Folder(uri).delta_uri()
    with pytest.raises(RequestError, match="a %XX, backslash, colon or #, which Delta reads as"):
        Folder("s3://b/a%2Fb").delta_uri()
    assert Folder("s3a://b/x").delta_uri() == "s3://b/x"
    assert Folder("abfss://c@account1.dfs.core.windows.net/x").delta_uri().startswith("abfss://c@")
