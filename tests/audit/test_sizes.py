"""What rows say of their size is believed up to a bound, and only where it is a number."""

from __future__ import annotations

import pytest

from augment.audit.sizes import MOST_PIXELS, most_pixels
from augment.spec.models import Errors

DEFAULT = Errors().max_pixels


def test_a_row_may_say_more_than_the_default() -> None:
    assert most_pixels(32, 32) == DEFAULT
    assert most_pixels(12_000, 12_000) == 144_000_000


def test_not_more_than_can_be_decoded_anywhere() -> None:
    assert DEFAULT < MOST_PIXELS
    assert most_pixels(1 << 31, 1 << 31) == MOST_PIXELS


@pytest.mark.parametrize("said", [None, "30000", [30000], -30000, float("nan"), b"30000"])
def test_what_is_no_number_says_nothing(said: object) -> None:
    assert most_pixels(said, 30_000) == DEFAULT
    assert most_pixels(said, said) == DEFAULT
