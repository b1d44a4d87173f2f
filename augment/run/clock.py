"""The time that a run writes down."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable

from augment.surroundings import fixed_time

Clock = Callable[[], dt.datetime]


def now() -> dt.datetime:
    """The time in UTC, or what the environment says in its place.

    Raises:
        RequestError: see `surroundings.fixed_time`.
    """
    return fixed_time(os.environ) or dt.datetime.now(dt.UTC)
