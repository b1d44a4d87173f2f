"""What a target of fuzzing is, and one input of it within a budget.

A budget is CPU time, not time: a busy machine does not fail it. Knows no reader.
"""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
import resource
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from tests.fuzz import targets

CPU_SECONDS = 10
"""Of one input. What readers do with kilobytes takes milliseconds; only work that grows
faster than the input comes near."""
MEBIBYTES = 512
"""That one input may add to what the process holds, at its peak."""


class TooMuch(Exception):  # noqa: N818 - it names what an input cost
    """An input took more work or memory than any of its size may."""


@dataclass(frozen=True)
class Target:
    """A reader of foreign bytes.

    seeds: name -> an input to begin with, whole ones above all. one: reads; may raise only
    what its reader documents, which it catches itself. tokens: bytes that mean something to
    the format, for mutations. cpu_seconds: of one input. short: inputs of the short form.
    """

    name: str
    seeds: Callable[[], Mapping[str, bytes]]
    one: Callable[[bytes], None]
    tokens: Sequence[bytes] = ()
    cpu_seconds: float = CPU_SECONDS
    short: int = 4000


def names() -> list[str]:
    """Of all targets: the modules of `tests.fuzz.targets`."""
    return sorted(module.name for module in pkgutil.iter_modules(targets.__path__))


def load(name: str) -> Target:
    """The target of that name; a dotted name is a module anywhere.

    Raises:
        LookupError: there is none.
    """
    place = name if "." in name else f"{targets.__name__}.{name}"
    try:
        module = importlib.import_module(place)
    except ModuleNotFoundError:
        raise LookupError(f"no target {name!r}; expected one of {', '.join(names())}") from None
    own = {"tokens": "TOKENS", "cpu_seconds": "CPU_SECONDS", "short": "SHORT"}
    given = {key: getattr(module, word) for key, word in own.items() if hasattr(module, word)}
    return Target(name, module.seeds, module.one, **given)


def begun(target: Target) -> None:
    """Give it what it begins with, outside of any budget: readers import as they go.

    Raises:
        Exception: whatever the reader does not document.
    """
    for data in target.seeds().values():
        target.one(data)


def tried(target: Target, data: bytes) -> None:
    """Give the target one input.

    Raises:
        TooMuch: it went over the budget.
        Exception: whatever the reader does not document.
    """
    _forget_peak()
    before = _most_mebibytes()
    with _cpu_limit(target.cpu_seconds):
        target.one(data)
    grown = _most_mebibytes() - before
    if grown > MEBIBYTES:
        raise TooMuch(f"{len(data)} bytes took {grown} MiB more memory; expected {MEBIBYTES}")


@contextlib.contextmanager
def _cpu_limit(seconds: float) -> Iterator[None]:
    """Raises TooMuch where the reader's own Python code runs; work inside one call of C is
    found when the call ends."""

    def over(_: int, __: FrameType | None) -> None:
        raise TooMuch(f"an input took more than {seconds:g} s of CPU time")

    kept = signal.signal(signal.SIGPROF, over)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, kept)


def _forget_peak() -> None:
    """Else what this process once held would hide what an input takes."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _most_mebibytes() -> int:
    """The most memory that this process held since its peak was forgotten."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) >> 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
