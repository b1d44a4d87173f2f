"""A package that its own settings break, found out by somebody else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from augment.errors import RequestError
from augment.importable import RAY_SETTINGS, refuse_unimportable

BREAKS = """
import os, signal
if os.environ.get("TOY_signal"):
    os.kill(os.getpid(), signal.SIGSEGV)
number = int(os.environ.get("TOY_number", "0"))
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "breakable.py").write_text(BREAKS)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "breakable"


def test_settings_that_it_takes_are_fine(toy: str) -> None:
    refuse_unimportable(toy, "TOY_[a-z]+", {**os.environ, "TOY_number": " 7 "})


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("TOY_signal", "its process ended with SIGSEGV"),
        ("TOY_number", "ValueError: invalid literal for int() with base 10: 'abc'"),
    ],
)
def test_one_that_breaks_it_is_named_and_nothing_of_ours_ends(
    toy: str, name: str, why: str
) -> None:
    with pytest.raises(RequestError) as caught:
        refuse_unimportable(toy, "TOY_[a-z]+", {**os.environ, name: "abc"})
    assert str(caught.value) == (
        f"{name} in the environment: breakable could not be imported ({why}); expected settings "
        "that breakable takes: numbers where it wants numbers. Mend or unset them"
    )


def test_where_nothing_looks_odd_nobody_is_asked() -> None:
    env = {"RAY_ADDRESS": "x", "PATH": "y", "RAY_health_check_period_ms": "10", "RAY_a_b": "true"}
    refuse_unimportable("there_is_no_such_package", RAY_SETTINGS, env)
