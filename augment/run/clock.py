"""The time that a run writes down."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Callable

from augment.errors import RequestError

Clock = Callable[[], dt.datetime]


def now() -> dt.datetime:
    """The time in UTC; `SOURCE_DATE_EPOCH` (seconds) stands in for it where it is set, as
    reproducible-builds.org specifies.

    Raises:
        RequestError: that variable holds something else.
    """
    fixed = os.environ.get("SOURCE_DATE_EPOCH")
    if not fixed:
        return dt.datetime.now(dt.UTC)
    if not re.fullmatch("[0-9]{1,11}", fixed):
        raise RequestError(
            f"SOURCE_DATE_EPOCH in the environment: got {fixed!r:.40}; expected whole seconds "
            "since 1970. Set it so, or unset it"
        )
    return dt.datetime.fromtimestamp(int(fixed), dt.UTC)
