"""Starts of Ray that tests make themselves, tried again where Ray gives one up."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Got = TypeVar("Got")

_STARTS = 3


def started(start: Callable[[], Got]) -> Got:
    """What `start` gives. On a machine that is busy Ray itself gives a start up where a process of
    its own was late (the agent of a raylet after 15 s, which no setting changes); what it raises
    then has no type of its own."""
    for _ in range(_STARTS - 1):
        try:
            return start()
        except Exception as error:
            if "timed out during startup" not in str(error):
                raise
    return start()
