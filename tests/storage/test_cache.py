"""Remote folders kept on a machine: fetched once, verified, thrown away, and what goes wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from augment.errors import StorageError
from augment.storage import Folder
from augment.storage.cache import Cache, CacheState
from tests.storage.s3_server import Nth, Request, S3Server
from tests.waiting import STILL_S, ended

NAMED = "`cache` in /etc/augment/policy.yaml"
FILES = {"config.json": b"{}", "unet/weights": bytes(range(256)) * 64}


@pytest.fixture
def source(s3: S3Server) -> Folder:
    return filled(s3, FILES)


def filled(s3: S3Server, files: dict[str, bytes]) -> Folder:
    folder = Folder(f"{s3.bucket()}/model", s3.options())
    for name, data in files.items():
        folder.replace(name, data)
    s3.seen.clear()
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(str(tmp_path / "cache"), 1 << 20, NAMED)


@contextmanager
def opened(cache: Cache, source: Folder) -> Iterator[Path]:
    with cache.local(source, sorted(source.files())) as path:
        yield path


def contents(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def fetched(s3: S3Server) -> int:
    return s3.count("GET", "/model/unet/weights")


def left(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "cache" / "partial").iterdir())


def test_a_folder_is_fetched_once(s3: S3Server, source: Folder, cache: Cache) -> None:
    for _ in range(3):
        with opened(cache, source) as path:
            assert contents(path) == FILES
    assert fetched(s3) == 1


def test_what_changed_is_fetched_again(s3: S3Server, source: Folder, cache: Cache) -> None:
    with opened(cache, source) as old:
        source.replace("config.json", b"[]")
        with opened(cache, source) as new:
            assert contents(old) == FILES
            assert contents(new) == FILES | {"config.json": b"[]"}
    assert cache.state().entries == 2


def test_equal_folders_are_kept_once(s3: S3Server, source: Folder, cache: Cache) -> None:
    other = filled(s3, FILES)
    with opened(cache, source) as one:
        pass
    with opened(cache, other) as two:
        assert one == two
    assert cache.state().entries == 1


def test_state_says_what_is_kept(source: Folder, cache: Cache, tmp_path: Path) -> None:
    folder = str(tmp_path / "cache")
    assert cache.state() == CacheState(folder, 1 << 20, 0, 0)
    assert not Path(folder).exists()
    with opened(cache, source):
        assert cache.state() == CacheState(folder, 1 << 20, 1, sum(map(len, FILES.values())))


FETCH = """
    import sys
    from augment.storage import Folder
    from augment.storage.cache import Cache
    source = Folder(sys.argv[2])
    with Cache(sys.argv[1], 1 << 20, "n").local(source, sorted(source.files())) as path:
        print((path / "unet/weights").stat().st_size)
"""


def child(cache: Path, source: Folder, s3: S3Server) -> subprocess.Popen[str]:
    code = textwrap.dedent(FETCH)
    return subprocess.Popen(
        [sys.executable, "-c", code, str(cache), source.uri],
        env=os.environ | s3.environment(), text=True, stdout=subprocess.PIPE,
    )  # fmt: skip


def test_processes_at_once_fetch_once(s3: S3Server, source: Folder, tmp_path: Path) -> None:
    children = [child(tmp_path / "cache", source, s3) for _ in range(4)]
    ends = [ended(process)[0] for process in children]
    assert ends == [f"{len(FILES['unet/weights'])}\n"] * 4
    assert fetched(s3) == 1


def test_threads_at_once_fetch_once(s3: S3Server, source: Folder, cache: Cache) -> None:
    start = threading.Barrier(4)
    found: list[dict[str, bytes]] = []

    def one() -> None:
        start.wait()
        with opened(cache, source) as path:
            found.append(contents(path))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [FILES] * 4
    assert fetched(s3) == 1


def test_one_that_is_killed_half_way_leaves_nothing(
    s3: S3Server, source: Folder, cache: Cache, tmp_path: Path
) -> None:
    reached, go = threading.Event(), threading.Event()

    def stall(request: Request) -> None:
        if request.method == "GET" and request.path.endswith("weights"):
            reached.set()
            go.wait(STILL_S)

    with s3.breaking(stall):
        process = child(tmp_path / "cache", source, s3)
        assert reached.wait(STILL_S)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        go.set()
    assert [len(contents(path)) for path in left(tmp_path)] == [2]  # config.json, weights: empty
    assert cache.state().entries == 0
    with opened(cache, source) as path:
        assert contents(path) == FILES
    assert left(tmp_path) == []


@pytest.mark.parametrize("damage", ["cut", "other", "missing", "entry", "ref"])
def test_a_damaged_copy_is_fetched_again(
    s3: S3Server, source: Folder, cache: Cache, tmp_path: Path, damage: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    with opened(cache, source) as path:
        weights = path / "unet/weights"
    match damage:
        case "cut":
            weights.write_bytes(FILES["unet/weights"][:-1])
        case "other":
            weights.write_bytes(FILES["unet/weights"][:-1] + b"?")
        case "missing":
            weights.unlink()
        case "entry":
            (path.parent / "entry.json").write_text("[")
        case "ref":
            next((tmp_path / "cache/refs").iterdir()).write_text('{"entry": 1}')
    with opened(cache, source) as path:
        assert contents(path) == FILES
    assert fetched(s3) == 2
    if damage != "ref":
        assert f"{source.uri}: its copy {path.parent} is damaged; fetching it again" in caplog.text
    with opened(cache, source):
        assert fetched(s3) == 2


def test_the_least_lately_used_makes_room(s3: S3Server, tmp_path: Path) -> None:
    cache = Cache(str(tmp_path / "cache"), 250, NAMED)
    sources = [filled(s3, {"w": bytes([n]) * 100}) for n in range(3)]
    paths = []
    for n, source in enumerate(sources[:2]):
        with opened(cache, source) as path:
            paths.append(path)
        os.utime(path.parent / "used", (n, n))
    os.utime(paths[0].parent / "used", (9, 9))  # the first was used again
    with opened(cache, sources[2]) as path:
        assert contents(path) == {"w": bytes([2]) * 100}
    assert [p.exists() for p in paths] == [True, False]
    assert cache.state().bytes == 200


def test_what_is_in_use_is_never_thrown_away(s3: S3Server, tmp_path: Path) -> None:
    cache = Cache(str(tmp_path / "cache"), 250, NAMED)
    sources = [filled(s3, {"w": bytes([n]) * 100}) for n in range(3)]
    with opened(cache, sources[0]) as one, opened(cache, sources[1]) as two:
        with pytest.raises(StorageError) as full, opened(cache, sources[2]):
            pass
        assert one.exists()
        assert two.exists()
    assert str(full.value) == (
        f"{sources[2].uri}: 100 bytes do not fit into the checkpoint cache {tmp_path}/cache, "
        f"which may hold 250 and has 200 in use; raise max_bytes of {NAMED}, then run the same "
        "command again"
    )
    with opened(cache, sources[2]):
        assert cache.state().entries == 2


def test_what_is_too_large_is_not_fetched(s3: S3Server, source: Folder, tmp_path: Path) -> None:
    small = Cache(str(tmp_path / "cache"), 1000, NAMED)
    with pytest.raises(StorageError, match="do not fit into the checkpoint"), opened(small, source):
        pass
    assert fetched(s3) == 0


def test_a_folder_that_cannot_be_written(source: Folder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StorageError) as told,
        opened(Cache(f"{tmp_path}/file/c", 99, NAMED), source),
    ):
        pass
    assert str(told.value) == (
        f"checkpoint cache {tmp_path}/file/c could not be written: a part of the path is a file, "
        f"not a folder; name another place, then run the same command again; {NAMED} names its "
        "folder"
    )


@pytest.mark.parametrize("fault", ["refused", "internal_error", "truncated"])
def test_a_source_that_fails_leaves_nothing(
    s3: S3Server, source: Folder, cache: Cache, tmp_path: Path, fault: str
) -> None:
    files = sorted(source.files())
    few = Folder(source.uri, s3.options(config_kwargs={"retries": {"total_max_attempts": 1}}))
    plan = Nth(fault, lambda r: r.method == "GET" and r.path.endswith("weights"), times=99)
    with s3.breaking(plan), pytest.raises(StorageError) as told, cache.local(few, files):
        pass
    assert str(told.value).startswith(f"{source.uri}/unet/weights could not be read: ")
    assert left(tmp_path) == []
    assert cache.state().entries == 0


def test_a_source_that_changes_meanwhile(s3: S3Server, source: Folder, cache: Cache) -> None:
    files = sorted(source.files())
    source.replace("config.json", b"longer than it was")
    with pytest.raises(StorageError) as told, cache.local(source, files):
        pass
    assert str(told.value) == (
        f"{source.uri}/config.json: 18 bytes came, 2 were listed; it changed while it was "
        "fetched, run the same command again"
    )
    source.remove("config.json")
    with pytest.raises(StorageError, match="0 bytes came, 2 were"), cache.local(source, files):
        pass


def test_a_full_disk(s3: S3Server, tmp_path: Path) -> None:
    """A child whose files may be 4096 bytes large stands for a disk that is full."""
    source = filled(s3, FILES)
    code = (
        "import resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n" + textwrap.dedent(FETCH)
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "cache"), source.uri],
        env=os.environ | s3.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    last = done.stderr.strip().splitlines()[-1]
    assert (
        f"StorageError: checkpoint cache {tmp_path}/cache could not be written: the file is "
        in last
    )
    assert left(tmp_path) == []


def test_no_options_are_kept(s3: S3Server, source: Folder, cache: Cache, tmp_path: Path) -> None:
    with opened(cache, source):
        pass
    ref = json.loads(next((tmp_path / "cache/refs").iterdir()).read_bytes())
    assert ref.keys() == {"entry", "source"}
    assert ref["source"] == source.uri


@pytest.mark.parametrize("place", ["partial", "entries", "refs", "locks"])
def test_what_lies_behind_a_link_is_not_the_caches(
    source: Folder, cache: Cache, tmp_path: Path, place: str
) -> None:
    """Half fetched folders are swept, and entries thrown away: not somebody else's folders."""
    theirs = tmp_path / "theirs"
    for name in ("gone-1", "photos", "thesis"):
        (theirs / name).mkdir(parents=True)
        (theirs / name / "used").write_text("precious")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / place).symlink_to(theirs)
    before = contents(theirs)
    with pytest.raises(StorageError) as told, opened(cache, source):
        pass
    assert f"{tmp_path}/cache/{place} is a link to {theirs}" in str(told.value)
    assert contents(theirs) == before


def test_links_in_the_cache_stay_and_count_nothing(
    s3: S3Server, source: Folder, tmp_path: Path
) -> None:
    cache = Cache(str(tmp_path / "cache"), 250 + sum(map(len, FILES.values())), NAMED)
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "used").write_text("precious" * 99)
    with opened(cache, source) as path:
        for place in ("entries", "partial"):
            (tmp_path / "cache" / place / "gone-link").symlink_to(theirs)
        (path.parent / "link").symlink_to(theirs)
        (path / "link").symlink_to(theirs)
    assert cache.state().entries == 1
    with opened(cache, filled(s3, {"w": bytes(251)})):  # the first goes, with the links in it
        assert not path.exists()
    assert contents(theirs) == {"used": b"precious" * 99}
    assert (tmp_path / "cache/entries/gone-link").is_symlink()


def test_the_cache_may_be_named_by_a_link(source: Folder, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "cache").symlink_to(tmp_path / "disk")
    with opened(Cache(str(tmp_path / "cache"), 1 << 20, NAMED), source) as path:
        assert contents(path) == FILES
