"""For all tests: fast ones run first, those of the whole path last; one S3 server."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from augment.surroundings import SILENT
from tests.hostile import Hostile, make

if TYPE_CHECKING:
    from tests.storage.s3_server import S3Server


os.environ.update(SILENT.values())  # tests import such libraries themselves
_LONGEST = (
    "poison", "faults", "chaos", "retry_poison", "retry", "s3", "readme", "store_faults", "engines",
    "scored_filters", "observability", "takeover",
)  # fmt: skip
"""Files of tests/end_to_end that take minutes each."""

_ONE_RAY = ("engines", "families", "observability", "s3")
"""Files of tests/end_to_end that need some Ray: one process starts one for all of them."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """`--dist loadfile`, but the files that share a Ray go to the same process."""
    from xdist.scheduler import LoadFileScheduling

    class ByFileAndRay(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = Path(super()._split_scope(nodeid))
            shared = "end_to_end" in file.parts and file.stem.removeprefix("test_") in _ONE_RAY
            return "one Ray" if shared else str(file)

    return ByFileAndRay(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """What is imported and collected stays until the end: the garbage collector need not look at
    these millions of objects again, whenever a test or the library asks for a collection."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
        atexit.register(gc.unfreeze)  # libraries complain of what is left of them at the end


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first; of those that run whole jobs the longest files, so that no process is left
    alone with one at the end."""
    items.sort(key=lambda item: _turn(item.path))


def _turn(path: Path) -> int:
    if "end_to_end" not in path.parts:
        return 0
    return 1 if path.stem.removeprefix("test_") in _LONGEST else 2


@pytest.fixture(scope="session", autouse=True)
def _environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing that a test fetches or logs stays in the home of whoever runs it. Processes that are
    started find the toys of the tests. On a busy machine Ray may take its time, its workers get
    their turn as other processes do, and it kills nobody for memory that others use. It sees no
    other Ray of the machine, nor what one has left. Ctrl-C reaches what is started."""
    rays = tempfile.mkdtemp(prefix="t-", dir="/tmp")  # the name of a socket is short
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
        patch.setenv("RAY_TMPDIR", rays)
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.setenv("RAY_raylet_start_wait_time_s", "300")
        patch.setenv("RAY_memory_monitor_refresh_ms", "0")
        patch.setenv("RAY_worker_niceness", "0")
        if (
            signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        ):  # as a shell's background jobs have it
            signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
    shutil.rmtree(rays, ignore_errors=True)


@pytest.fixture
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Hostile:
    """Where somebody may happen to stand."""
    return make(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="session")
def s3_session() -> Iterator[S3Server]:
    from tests.storage.s3_server import serving

    with serving() as server:
        yield server


@pytest.fixture
def s3(s3_session: S3Server) -> S3Server:
    """The session's server, which has seen nothing yet."""
    s3_session.seen.clear()
    return s3_session
