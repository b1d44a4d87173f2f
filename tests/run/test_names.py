"""The names of `augment.run`, each imported when it is asked for."""

from __future__ import annotations

import pkgutil

import pytest

import augment.run


def test_every_name_is_there_and_is_no_modules() -> None:
    modules = {found.name for found in pkgutil.iter_modules(augment.run.__path__)}
    for name in augment.run.__all__:
        assert getattr(augment.run, name) is not None
        assert name not in modules  # the module would hide it, once it is imported


def test_another_name_is_refused_as_usual() -> None:
    with pytest.raises(AttributeError, match=r"module 'augment\.run' has no attribute 'nothing'"):
        getattr(augment.run, "nothing")  # noqa: B009  # mypy knows that it is not there
