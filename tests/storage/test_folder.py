"""Folders: the same questions asked of local paths, memory:// and s3://, then what is local."""

import errno
import os
import pickle
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from augment.errors import RequestError, StorageError
from augment.storage import FileInfo, Folder
from augment.storage.trouble import told

PATIENCE = {
    "max_retries": "5",
    "retry_timeout": "120s",
    "backoff_config.init_backoff": "500ms",
}
ODD = "a b/Ünï 'q\" [x]*?#%20/new\nline.png"


@pytest.fixture(params=["local", "memory", "file", "s3"])
def folder(request, tmp_path) -> Folder:
    if request.param == "s3":
        server = request.getfixturevalue("s3")
        return Folder(f"{server.bucket()}/f", server.options())
    if request.param == "memory":
        return Folder(f"memory://{uuid.uuid4().hex}")
    return Folder(f"file://{tmp_path}/f" if request.param == "file" else str(tmp_path / "f"))


# ---- every kind of folder --------------------------------------------------------------


def test_stored_shows_times_and_temporary_files(folder):
    before = time.time() - 2
    folder.publish("a/x.parquet", b"12345")
    folder.replace("a/.tmp-7-0123456789ab", b"1")
    found = {s.path: s for s in folder.stored()}
    assert {path: s.size for path, s in found.items()} == {
        "a/x.parquet": 5, "a/.tmp-7-0123456789ab": 1,
    }  # fmt: skip
    assert [s.path for s in found.values() if s.temporary] == ["a/.tmp-7-0123456789ab"]
    assert all(before < s.modified < time.time() + 2 for s in found.values())
    assert [f.path for f in folder.files("a")] == ["a/x.parquet"]
    assert list(folder.stored("nothing")) == []


def test_create_is_exclusive(folder):
    assert folder.create("a/b/c.json", b"first") is True
    assert folder.create("a/b/c.json", b"second") is False
    assert folder.read("a/b/c.json") == b"first"


def test_one_of_many_creators_wins(folder):
    start = threading.Barrier(8)

    def attempt(i: int) -> bool:
        start.wait()
        return folder.create("lease", b"%d" % i)

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(attempt, range(8)))
    assert sum(won) == 1
    assert folder.read("lease") == b"%d" % won.index(True)
    assert [f.path for f in folder.files()] == ["lease"]


def test_replace_and_remove(folder):
    folder.replace("card.md", b"old")
    folder.replace("card.md", b"newer")
    assert folder.read("card.md") == b"newer"
    assert folder.info("card.md").size == 5
    folder.remove("card.md")
    folder.remove("card.md")
    folder.remove("no/such/file")
    assert not folder.exists("card.md")


def test_publish_bytes_and_files(folder, tmp_path):
    folder.publish("data/x.parquet", b"shard")
    folder.publish("data/x.parquet", b"other")  # same name, same size: already there
    assert folder.read("data/x.parquet") == b"shard"
    made = tmp_path / "made"
    made.write_bytes(b"from a file")
    folder.publish("data/x.parquet", made)  # a half file of another size is replaced
    folder.publish("data/y.parquet", made)
    assert folder.read("data/x.parquet") == folder.read("data/y.parquet") == b"from a file"
    assert made.read_bytes() == b"from a file"
    assert sorted(f.path for f in folder.files("data")) == ["data/x.parquet", "data/y.parquet"]


def test_a_large_file_is_published_whole(folder):
    data = bytes(range(256)) * (8 << 10)  # 2 MB: local ones leave the page cache
    folder.publish("data/large.parquet", memoryview(data))
    assert folder.read("data/large.parquet") == data


def test_open_is_seekable_and_independent(folder):
    folder.replace("x", b"0123456789")
    with folder.open("x") as one, folder.open("x") as two:
        one.seek(-3, os.SEEK_END)
        assert one.read() == b"789"
        assert two.read(2) == b"01"


def test_listing(folder):
    assert list(folder.files()) == []
    assert folder.folders() == []
    for name in ("train/cat/1.png", "train/cat/2.png", "train/dog/1.png", "test/x", "top"):
        folder.replace(name, name.encode())
    assert sorted(f.path for f in folder.files("train")) == [
        "train/cat/1.png", "train/cat/2.png", "train/dog/1.png"
    ]  # fmt: skip
    assert len(list(folder.files())) == 5
    assert folder.folders() == ["test", "train"]
    assert folder.folders("train") == ["cat", "dog"]
    assert folder.folders("none") == folder.folders("top") == []
    assert list(folder.files("none")) == []
    for info in folder.files():
        assert info == folder.info(info.path)
        assert info.size == len(info.path)


def test_tokens_change_with_the_file(folder):
    folder.replace("x", b"abc")
    before = folder.info("x")
    assert before == folder.info("x")
    folder.replace("x", b"abd")
    assert folder.info("x").token != before.token


def test_touch_time_moves_on(folder):
    folder.replace("beat", b"1")
    first = folder.touch_time("beat")
    folder.replace("beat", b"2")
    assert folder.touch_time("beat") >= first > 1e9


def test_temporary_files_are_never_listed(folder):
    folder.replace("a/.tmp-1-x", b"half")
    folder.replace("a/.tmp-dir/x", b"x")
    folder.replace("a/whole", b"w")
    assert "a/.tmp-1-x" not in [f.path for f in folder.files()]
    assert folder.folders("a") == []


def test_any_name_goes(folder):
    odd = ODD.replace("\n", "") if folder.protocol == "s3" else ODD  # moto's router has no \n
    assert folder.create(odd, b"x")
    assert [f.path for f in folder.files()] == [odd]
    assert folder.read(odd) == b"x"
    assert folder.child("a b").folders() == ["Ünï 'q\" [x]*?#%20"]


def test_missing_is_file_not_found(folder):
    folder.replace("a/file", b"x")
    for path in ("none", "a/none", "a/file/below", "a"):
        with pytest.raises(FileNotFoundError):
            folder.info(path)
    for path in ("none", "a/none", "a/file/below"):
        for ask in (folder.read, folder.open, folder.touch_time):
            with pytest.raises(FileNotFoundError):
                ask(path)
    assert folder.exists("a")
    assert folder.exists("a/file")
    assert not folder.exists("a/none")


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "a/..", "x\0y"])
def test_paths_stay_inside(folder, path):
    for ask in (folder.read, folder.open, folder.info, folder.exists, folder.remove, folder.child):
        with pytest.raises(RequestError) as error:
            ask(path)
        assert str(error.value) == (
            f"{folder.uri}: got the path {path!r}; expected a relative path that stays inside"
        )
    for write in (folder.create, folder.publish, folder.replace):
        with pytest.raises(RequestError):
            write(path, b"")
    with pytest.raises(RequestError):
        list(folder.files(path))


def test_pickles_and_children(folder):
    folder.replace("a/b/c", b"x")
    again = pickle.loads(pickle.dumps(folder))
    assert again.read("a/b/c") == b"x"
    assert again.uri == folder.uri
    assert folder.child("a").child("./b//").read("c") == b"x"
    assert folder.child("a/b").url("c") == folder.url("a/b/c") == f"{folder.uri}/a/b/c"


# ---- URIs ------------------------------------------------------------------------------


def test_uris_are_normalised(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Folder("x/").uri == Folder(f"file://{tmp_path}/x").uri == str(tmp_path / "x")
    assert Folder("x").is_local
    assert Folder("memory://a/b/").uri == "memory://a/b"
    assert not Folder("memory://a").is_local
    assert Folder("file:///x%20y").uri == Folder("file://localhost/x y").uri == "/x y"
    with pytest.raises(RequestError, match="storage: got ''; expected a path or URI"):
        Folder("")


def test_unknown_protocols_say_so():
    with pytest.raises(RequestError) as error:
        Folder("zip://a/b", {"zip": {"fo": "/etc/passwd"}})
    assert str(error.value) == (
        "storage: got 'zip://a/b': the scheme zip://; expected a path, or a URI that starts with "
        "one of abfs://, abfss://, az://, file://, gcs://, gs://, hf://, memory://, s3://, s3a://"
    )


def test_exclusive_create_is_refused_where_it_is_unsafe():
    folder = Folder("hf://datasets/x")
    with pytest.raises(RequestError, match="'hf' is not known to create a file exclusively"):
        folder.create("x", b"")


def test_options_reach_delta_under_its_own_names():
    options = {
        "s3": {
            "endpoint_url": "http://127.0.0.1:9000",
            "key": "k",
            "secret": "s",
            "token": "t",
            "client_kwargs": {"region_name": "eu-1"},
        }
    }
    for uri in ("s3://bucket/table", "s3a://bucket/table/"):
        folder = Folder(uri, options)
        assert folder.delta_uri() == "s3://bucket/table"
        assert folder.delta_options() == {
            "AWS_ENDPOINT_URL": "http://127.0.0.1:9000",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "k",
            "AWS_SECRET_ACCESS_KEY": "s",
            "AWS_SESSION_TOKEN": "t",
            "AWS_REGION": "eu-1",
            "AWS_CONDITIONAL_PUT": "etag",
            **PATIENCE,
        }
        assert "'s'" not in repr(folder)
    https = Folder("s3://b", {"s3": {"endpoint_url": "https://x", "anon": True}})
    assert https.delta_options() == {
        "AWS_ENDPOINT_URL": "https://x",
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_CONDITIONAL_PUT": "etag",
        **PATIENCE,
    }


def test_delta_names_of_other_folders(tmp_path):
    local = Folder(str(tmp_path), {"s3": {"key": "k"}})
    assert (local.delta_uri(), local.delta_options()) == (str(tmp_path), {})
    with pytest.raises(RequestError, match=r"memory://x: a table cannot stand in memory://"):
        Folder("memory://x").delta_uri()
    with pytest.raises(
        RequestError, match=r"storage options: gs\.token: got another str; expected anon or"
    ):
        Folder("gs://x", {"gs": {"token": "t"}}).delta_options()
    given = {"gs": {"project": "mine-1", "token": "anon"}}
    assert Folder("gcs://x", given).delta_options() == {"google_skip_signature": "true"}


def test_a_store_that_cannot_be_reached():
    options = {
        "endpoint_url": "http://127.0.0.1:9",  # the discard port: nobody listens
        "key": "k",
        "secret": "s",
        "config_kwargs": {"retries": {"max_attempts": 0}},
    }
    folder = Folder("s3://bucket/x", {"s3": options})
    with pytest.raises(StorageError) as error:
        folder.read("y")
    text = str(error.value)
    assert text.startswith("s3://bucket/x/y could not be read: ")
    assert "127.0.0.1:9" in text
    assert text.endswith(
        "check the disk, the connection and the credentials, then run the same command again"
    )


def test_a_create_that_always_meets_another_is_bounded(s3):
    folder = Folder(s3.bucket(), s3.options())
    with s3.breaking(lambda request: "conflict"), pytest.raises(StorageError) as error:
        folder.create("x", b"")
    assert str(error.value).startswith(f"{folder.uri}/x could not be written: ")
    assert len(s3.broken) == 6


# ---- local only ------------------------------------------------------------------------


def test_links_are_followed_but_not_in_circles(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(b"x")
    (tmp_path / "a" / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a" / "gone").symlink_to(tmp_path / "none")
    (tmp_path / "link").symlink_to(tmp_path / "a" / "x")
    os.mkfifo(tmp_path / "pipe")
    assert sorted(f.path for f in Folder(str(tmp_path)).files()) == ["a/x", "link"]


def test_nothing_half_written_remains(tmp_path):
    folder = Folder(str(tmp_path))
    folder.create("a", b"1")
    folder.create("a", b"2")
    folder.publish("b", b"3")
    (tmp_path / "c").mkdir()
    with pytest.raises(StorageError):
        folder.replace("c", b"4")  # a folder stands there
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b", "c"]


def test_a_killed_writer_leaves_nothing_that_is_visible(tmp_path):
    program = f"""
        import os, signal
        from augment.storage import writing_file

        os.mkdir({str(tmp_path / "x")!r})
        with writing_file({str(tmp_path / "x/record.json")!r}) as file:
            file.write(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False)
    assert done.returncode == -9
    assert len(list((tmp_path / "x").iterdir())) == 1  # the temporary file
    folder = Folder(str(tmp_path))
    assert list(folder.files()) == []
    assert folder.create("x/record.json", b"whole")


AGAIN = "then run the same command again"


def test_below_a_file(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    folder = Folder(str(tmp_path / "file" / "out"))
    for write in (folder.create, folder.publish, folder.replace):
        with pytest.raises(StorageError) as error:
            write("x", b"1")
        assert str(error.value) == (
            f"{tmp_path}/file/out/x could not be written: a part of the path is a file, not a "
            f"folder; name another place, {AGAIN}"
        )


def test_where_nothing_can_be_made():
    with pytest.raises(StorageError) as error:  # refused to root as well
        Folder("/proc/augment-test").create("x", b"1")
    assert str(error.value).startswith("/proc/augment-test/x could not be written: ")
    assert str(error.value).endswith(f"name another place, {AGAIN}")


def fill_the_disk() -> None:
    with told("/out/x", "written", True), open("/dev/full", "wb") as full:  # a real ENOSPC
        full.write(b"x" * 100_000)
        full.flush()


def test_a_full_disk():
    with pytest.raises(StorageError) as error:
        fill_the_disk()
    assert str(error.value) == (
        "/out/x could not be written: the disk is full; free space or name another place, " + AGAIN
    )


def test_a_file_over_the_allowed_size(tmp_path):
    program = f"""
        import resource
        from augment.errors import StorageError
        from augment.storage import Folder

        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        folder = Folder({str(tmp_path)!r})
        for write in (folder.create, folder.publish, folder.replace):
            try:
                write("x", bytes(10_000))
            except StorageError as error:
                print(error)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert said == 3 * [
        f"{tmp_path}/x could not be written: the file is larger than allowed here (ulimit -f, or "
        f"the file system); raise the limit or name another place, {AGAIN}"
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "permission denied; allow access or name another place"),
        (errno.EROFS, "it lies on a read-only file system; name another place"),
        (errno.EDQUOT, "the disk quota is used up; free space or name another place"),
        (errno.EIO, "[Errno 5] Input/output error; check the disk, the connection"),
    ],
)
def test_other_trouble(number, words):
    with (
        pytest.raises(StorageError, match="could not be read: ") as error,
        told("/x", "read", True),
    ):
        raise OSError(number, os.strerror(number))
    assert words in str(error.value)
    assert str(error.value).endswith(AGAIN)


def test_a_name_that_is_too_long(tmp_path):
    with pytest.raises(StorageError, match="the name is too long for this file system"):
        Folder(str(tmp_path)).create("x" * 300, b"")


def test_reading_a_folder_says_so(tmp_path):
    with pytest.raises(StorageError, match="could not be read: it is a folder, not a file"):
        Folder(str(tmp_path)).read("")


def test_file_info_is_a_plain_tuple(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    info = Folder(str(tmp_path)).info("x")
    when = (tmp_path / "x").stat().st_mtime_ns
    assert info == FileInfo("x", 3, f"3-{when}")


@pytest.mark.parametrize(
    "name", ["a#b", "a?b", "a::b", "a//b", "x:1", "s3:", "%41", "a*[1]", "~", "$HOME"]
)
def test_names_below_a_folder_are_what_they_are(tmp_path, name):
    for top in (Folder(str(tmp_path)), Folder(f"memory://{tmp_path.name}")):
        below = top.child(name)
        below.replace("x", b"data")
        assert top.read(f"{name}/x") == b"data"
        assert [info.path for info in below.files()] == ["x"]
        assert pickle.loads(pickle.dumps(below)).read("x") == b"data"
