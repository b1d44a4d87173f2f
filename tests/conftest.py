"""For all tests: fast ones run first, those of the whole path last."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: "end_to_end" in item.nodeid)
