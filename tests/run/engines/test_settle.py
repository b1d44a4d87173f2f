"""What a settled worker leaves to the collector."""

from __future__ import annotations

import subprocess
import sys


def test_what_is_there_is_not_looked_at_again() -> None:
    """In a process of its own: it is for good."""
    code = (
        "import gc; from augment.run.engines.engine import settle; settle(); "
        "print(gc.get_freeze_count() > 1000, gc.get_threshold()[0])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "True 50000\n"
