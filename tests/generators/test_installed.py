"""What a family needs beside augment, and what of it is installed."""

from __future__ import annotations

from importlib import metadata

import pytest

from augment import DISTRIBUTION
from augment.generators.catalog import FAMILIES
from augment.generators.installed import Missing, missing

NEEDS = (
    "numpy>=1.26",
    'here>=1.0; extra == "some"',
    'old>=2; extra == "some"',
    'gone<3,>=2; extra == "some"',
    'here>=5; extra == "other"',
    'nowhere; sys_platform == "none" and extra == "some"',
)
VERSIONS = {"here": "1.5", "old": "1.9", "numpy": "0.1"}


def requires(name: str) -> tuple[str, ...]:
    assert name == DISTRIBUTION
    return NEEDS


def version(name: str) -> str:
    try:
        return VERSIONS[name]
    except KeyError:
        raise metadata.PackageNotFoundError(name) from None


def test_what_is_gone_or_too_old_is_named_with_what_is_wanted() -> None:
    assert missing("some", requires, version) == (
        Missing("old>=2", "1.9"),
        Missing("gone<3,>=2", None),
    )
    assert missing("other", requires, version) == (Missing("here>=5", "1.5"),)


def test_an_extra_that_nobody_knows_is_not_called_installed() -> None:
    def none(name: str) -> tuple[str, ...]:
        raise metadata.PackageNotFoundError(name)

    assert missing("unheard", requires, version) is None
    assert missing("some", none, version) is None
    assert missing("some", lambda _: None, version) is None


@pytest.mark.parametrize("extra", sorted({f.extra for f in FAMILIES if f.extra}))
def test_the_extras_of_families_are_extras_of_augment(extra: str) -> None:
    assert missing(extra) == ()
