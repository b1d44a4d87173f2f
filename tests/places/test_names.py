"""A text names one place, the same for everybody, or is refused with a hint."""

from __future__ import annotations

from pathlib import Path

import pytest

from augment.errors import RequestError
from augment.places import Fault, Place, place_of, read_place, table_fault


def read(text: str, base: str = "/base") -> Place:
    found = read_place(text, base)
    assert isinstance(found, Place), found
    return found


def refused(text: str, base: str = "/base") -> str:
    found = read_place(text, base)
    assert isinstance(found, Fault), found
    return str(found.at("x"))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a", "/base/a"),
        ("./s3:", "/base/s3:"),
        ("a/../b//c/.", "/base/b/c"),
        ("/a b#c?d%41\\e*[1]", "/a b#c?d%41\\e*[1]"),
        ("//a", "/a"),
        ("ünïcode/日本", "/base/ünïcode/日本"),
        ("12:30", "/base/12:30"),
        ("run:1/x", "/base/run:1/x"),
        ("a@b", "/base/a@b"),
        ("/a://b", "/a:/b"),
        # RFC 8089
        ("file:/a/b", "/a/b"),
        ("file:///a/b", "/a/b"),
        ("file://localhost/a/b", "/a/b"),
        ("file://LOCALHOST/a/b", "/a/b"),
        ("file:///a%20b%23%25%c3%bc", "/a b#%ü"),
        ("file:///a b", "/a b"),
        ("file:/a/../b/", "/b"),
    ],
)
def test_what_is_a_path(text: str, path: str) -> None:
    assert read(text) == Place("file", path)
    assert read(read(text).uri) == Place("file", path)


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("s3://b/x/", "s3://b/x"),
        ("s3a://b", "s3a://b"),
        ("s3://b/a b/ü/%41#1", "s3://b/a b/ü/%41#1"),
        ("gs://b.c_d-e/x", "gs://b.c_d-e/x"),
        ("gcs://b/x", "gcs://b/x"),
        ("az://c/x@y", "az://c/x@y"),
        ("abfss://c@account1.dfs.core.windows.net/x", "abfss://c@account1.dfs.core.windows.net/x"),
        ("memory://", "memory://"),
        ("memory://a/b/", "memory://a/b"),
    ],
)
def test_what_is_a_uri(text: str, uri: str) -> None:
    assert read(text).uri == uri
    assert not read(text).is_local


def test_names_of_one_store_are_one_place() -> None:
    assert read("s3a://b/x").of_family() == read("s3://b/x/").of_family()
    assert read("abfss://c/x").of_family() == read("az://c/x").of_family()
    assert read("s3://b/x").of_family() != read("gs://b/x").of_family()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "x: got ''; expected a path or URI"),
        ("s3:/b/x", "x: got 's3:/b/x': s3: without two slashes behind it; expected s3://BUCKET/pa"),
        ("s3:b/x", "x: got 's3:b/x': s3: without two slashes behind it; expected s3://BUCKET/path"),
        ("evil:/x", "x: got 'evil:/x': the scheme evil:/; expected a path, or a URI that starts "),
        ("S3://b", "x: got 'S3://b': the scheme S3://; expected s3://"),
        ("ftp://h/x", "x: got 'ftp://h/x': the scheme ftp://; expected a path, or a URI that st"),
        ("hf://o/x", "x: got 'hf://o/x': the scheme hf://; expected a path"),
        ("s3://", "x: got 's3://': no bucket; expected s3://BUCKET/path"),
        ("s3:///x", "x: got 's3:///x': no bucket"),
        ("s3://b/a//c", "x: got 's3://b/a//c': an empty part (//), or one that is . or .."),
        ("s3://b/../c", "x: got 's3://b/../c': an empty part"),
        ("s3://e.x#/a", "x: got 's3://e.x#/a': a query, or a generation (what follows ? or #)"),
        ("gs://b/a#123", "x: got 'gs://b/a#123': a query, or a generation"),
        ("s3://ev!l/x", "x: got 's3://ev!l/x': a bucket whose name is not letters, digits"),
        ("zip::s3://b/x", "x: got 'zip::s3://b/x': :// inside a path"),
        ("simplecache::file:///etc", "x: got 'simplecache::file:///etc': :// inside a path"),
        ("s3://b/a::zip", "x: got 's3://b/a::zip': ::, which would chain file systems"),
        (" s3://b/x", "x: got ' s3://b/x': a space around a URI"),
        ("s3://b/x\n", "x: got 's3://b/x\\n': a control character"),
        ("a\0b", "x: got 'a\\x00b': a control character"),
        ("a\x85b", "x: got 'a\\x85b': a control character"),
        ("a\udcffb", "x: got 'a\\udcffb': a name that is not UTF-8"),
        ("C:\\data", "x: got 'C:\\\\data': a path of Windows; expected a path of this machine"),
        ("C:/data", "x: got 'C:/data': the scheme C:/"),
        ("abfss://c@evil.example/x", "a host that is not ACCOUNT.dfs.core.windows.net"),
        # RFC 8089 says nothing of these
        ("file:a", "x: got 'file:a': a file: URI of a relative path; expected file:///path, or a "),
        ("file://host/a", "x: got 'file://host/a': a file on another host"),
        ("file:///a%zz", "x: got 'file:///a%zz': a % in a file: URI that begins no %XX"),
        ("file:///a%2Fb", "x: got 'file:///a%2Fb': %2F in a file: URI, which no name can hold"),
        ("file:///a%00", "x: got 'file:///a%00': a control character"),
        ("file:///a%ff", "x: got 'file:///a%ff': %XX that are not UTF-8"),
        ("file:///a?b", "x: got 'file:///a?...': a ? or # in a file: URI"),
        ("FILE:///a", "x: got 'FILE:///a': the scheme FILE://; expected file://"),
        ("FILE:/a", "the scheme FILE:/; expected file://. For a path of that name write ./FILE:"),
        ("S3:/b", "the scheme S3:/; expected s3://. For a path of that name write ./S3:"),
    ],
)
def test_what_is_none(text: str, said: str) -> None:
    assert said in refused(text)


@pytest.mark.parametrize(
    "text",
    [
        "s3://KEY:HUNTER2@bucket/x",
        "s3://KEY:HUN/TER2@bucket/x",
        "s3://HUNTER2@bucket/x",
        "s3://KEY%3AHUNTER2%40bucket/x",
        "s3://b/x?X-Amz-Signature=HUNTER2",
        "s3://b/x?versionId=HUNTER2",
        "az://c/x?sv=1&sig=HUNTER2",
        "s3://b/x%3FX-Amz-Signature=HUNTER2",
        "s3://b/x&X-Amz-Security-Token=HUNTER2",
        "s3://b/x#sig=HUNTER2",
        "s3://b/x;AWSAccessKeyId=HUNTER2",
        "az://c/x%26sig%3DHUNTER2",
        "https://me:HUNTER2@host/x",
        "file://me:HUNTER2@host/x",
        "S3://KEY:HUNTER2@bucket/x",
        "s3:KEY:HUNTER2@bucket/x",
        "abfss://c:HUNTER2@account1.dfs.core.windows.net/x",
    ],
)
def test_credentials_in_a_uri_are_refused_and_not_repeated(text: str) -> None:
    said = refused(text)
    assert "HUNTER2" not in said
    assert "HUN" not in said


def test_a_folder_above_that_nobody_can_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "a control character in a folder above it" in refused("x", "/a\nb")
    assert "a name that is not UTF-8 in a folder above it" in refused("x", "/a\udcff")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(RequestError, match="a relative path, and the working folder is gone"):
        place_of("x")
    assert place_of("/x").uri == "/x"


def test_where_a_home_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert read("~/x").uri == "/home/me/x"
    assert read("./~/x").uri == "/base/~/x"


@pytest.mark.parametrize("name", ["o*", "o?", "o[1]", "a::b", "a$HOME", "a${X}"])
def test_a_data_set_has_no_name_that_readers_take_for_a_pattern(name: str) -> None:
    for inside in (name, f"{name}/out"):
        place = read(inside)
        fault = table_fault(place, for_readers=True, shown=inside)
        assert fault is not None
        assert "which readers take for a pattern; expected a place without" in str(fault.at("x"))
        assert table_fault(place, for_readers=False, shown=inside) is None


@pytest.mark.parametrize("name", ["_delta_log", "x/_delta_log/y", "s3://b/_delta_log"])
def test_no_table_stands_in_the_log_of_another(name: str) -> None:
    for readers in (True, False):
        fault = table_fault(read(name), for_readers=readers, shown=name)
        assert fault is not None
        assert "a folder _delta_log, in which Delta looks for a log" in str(fault.at("x"))
    assert table_fault(read("a_delta_log/_delta_log_2"), for_readers=True, shown="x") is None


@pytest.mark.parametrize(("letter", "most"), [("x", 200), ("é", 50), ("語", 33)])
def test_a_name_that_the_cache_of_datasets_can_hold(letter: str, most: int) -> None:
    """100 letters é were read by every client but `datasets`: its lock had 330 bytes."""
    fits, long = letter * most, letter * (most + 1)
    assert table_fault(read(fits), for_readers=True, shown=fits) is None
    assert table_fault(read(f"{long}/out"), for_readers=True, shown="x") is None
    assert table_fault(read(long), for_readers=False, shown=long) is None
    fault = table_fault(read(long), for_readers=True, shown=long)
    assert fault is not None
    assert "datasets makes longer names of it" in str(fault.at("x"))


@pytest.mark.parametrize(
    "name", ["a b", "ü", "o#1", "100%", "5%zz", "a$", "$ 5", "a:b", "{x}", "q'\"q", "日本"]
)
def test_other_names_of_paths_are_fine_for_tables(name: str) -> None:
    assert table_fault(read(name), for_readers=True, shown=name) is None


@pytest.mark.parametrize("name", ["a%2Fb", "o%20x", "a%25", "%c3%a9", "a\\b"])
def test_a_data_set_has_no_name_that_delta_takes_for_another(name: str) -> None:
    """`DeltaTable("o%20x")` would read the table of `o x`."""
    for inside in (name, f"{name}/out"):
        place = read(inside)
        fault = table_fault(place, for_readers=True, shown=inside)
        assert fault is not None
        assert "which delta-rs takes for another folder; expected a place" in str(fault.at("x"))
        assert table_fault(place, for_readers=False, shown=inside) is None


@pytest.mark.parametrize("name", ["a%2Fb", "a\\b", "a:b", "a#b", "a/ b/c", "a /b"])
def test_a_bucket_holds_no_table_under_a_name_that_delta_reads_otherwise(name: str) -> None:
    place = read(f"s3://bucket/{name}/x")
    assert table_fault(place, for_readers=False, shown=place.uri) is not None
    assert table_fault(read("s3://bucket/ü 1+2=3"), for_readers=True, shown="x") is None
