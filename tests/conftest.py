"""For all tests: fast ones run first, those of the whole path last; one S3 server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.storage.s3_server import S3Server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: "end_to_end" in item.nodeid)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No checkpoint that a test fetches stays in the cache of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


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
