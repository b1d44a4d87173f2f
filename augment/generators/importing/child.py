"""The limited process: reads one request from standard input, answers with one JSON line.

    python -m augment.generators.importing.child < request.json

Limits are set before the first byte of the checkpoint is read, and raised for the trial of its
network alone.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import sys
from typing import Any

from augment.errors import AugmentError
from augment.generators.importing.answers import imported, inspected


def main() -> None:
    """One request, one answer: `{"ok": ...}` or `{"error": [class, text]}`."""
    request = json.load(sys.stdin)
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not stand in the answer
    _limit(request["cpu_seconds"], request["memory"], request["smoke_memory"])
    try:
        said: dict[str, Any] = {"ok": _answer(request)}
    except AugmentError as error:
        said = {"error": [type(error).__name__, str(error)]}
    except MemoryError:
        said = {"error": ["MemoryError", ""]}
    except OSError as error:
        full = error.errno == errno.ENOMEM  # a file that cannot be mapped
        said = {"error": ["MemoryError" if full else "StorageError", str(error)]}
    answer.write(json.dumps(said))
    answer.close()


def _limit(cpu_seconds: int, memory: int, smoke_memory: int) -> None:
    """memory: of the address space in bytes while the checkpoint is read; smoke_memory: the
    most that it may be raised to."""
    _set(resource.RLIMIT_CPU, cpu_seconds, cpu_seconds)
    _set(resource.RLIMIT_AS, memory, max(memory, smoke_memory))
    _set(resource.RLIMIT_CORE, 0, 0)


def _set(what: int, soft: int, hard: int) -> None:
    """Never above what this process was given itself."""
    _, given = resource.getrlimit(what)
    if given != resource.RLIM_INFINITY:
        soft, hard = min(soft, given), min(hard, given)
    resource.setrlimit(what, (soft, hard))


def _widen() -> None:
    """To what the trial of the network may use."""
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    return inspected(request) if request["verb"] == "inspect" else imported(request, _widen)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
