from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A file that hostile checkpoints would make."""
    return tmp_path / "canary"
