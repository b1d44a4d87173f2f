"""The long search of one target, in a process of its own: its parent learns what it found
even where the process was killed, because the input lies in a file before it is read.

    python -m tests.fuzz.search REQUEST      (JSON, from `__main__` alone)

With atheris the search follows coverage (libFuzzer); without, the mutations go on until the
time is over. Knows no reader.
"""

from __future__ import annotations

import importlib.util
import json
import mmap
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

_LEAST_BYTES = 4096
_BACKSTOP_S = 300
"""Where the reader hangs inside one call of C, libFuzzer ends it after this time."""


def guided() -> bool:
    """Whether the search can follow coverage."""
    return importlib.util.find_spec("atheris") is not None


def main(request: dict[str, Any]) -> None:
    """request: target, seconds, seed, folder (for what is found), guided."""
    folder = Path(request["folder"])
    if request["guided"]:
        _by_coverage(request["target"], request["seconds"], request["seed"], folder)
    else:
        _by_mutation(request["target"], request["seconds"], request["seed"], folder)


def _by_mutation(name: str, seconds: float, seed: int, folder: Path) -> None:
    from tests.fuzz.frame import begun, load, tried
    from tests.fuzz.mutation import MAX_BYTES, inputs

    target = load(name)
    current = _Current(folder / "current", MAX_BYTES)
    begun(target)
    end, count = time.monotonic() + seconds, 0
    for data in inputs(target, seed):
        if time.monotonic() > end:
            break
        current.put(data)
        # it ends the process: in one call of C that goes on, nobody asks the frame's limit
        signal.setitimer(signal.ITIMER_VIRTUAL, 4 * target.cpu_seconds)
        tried(target, data)
        count += 1
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    current.put(b"")
    print(f"{count} inputs")


class _Current:
    """The input that is being read, where the parent finds it."""

    def __init__(self, path: Path, size: int) -> None:
        path.write_bytes(bytes(8 + size))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    def put(self, data: bytes) -> None:
        self._map[8 : 8 + len(data)] = data
        self._map[:8] = len(data).to_bytes(8, "little")


def current(folder: Path) -> bytes:
    """What was read when the process ended; b"" where it ended well."""
    try:
        data = (folder / "current").read_bytes()
    except FileNotFoundError:
        return b""
    return data[8 : 8 + int.from_bytes(data[:8], "little")]


def _by_coverage(name: str, seconds: float, seed: int, folder: Path) -> None:
    """Ends the process: libFuzzer does, with a code of its own where something was found."""
    import atheris

    with atheris.instrument_imports(include=["augment"]):
        from tests.fuzz.frame import begun, load, tried

        target = load(name)
        begun(target)
    whole = target.seeds()
    first = Path(tempfile.mkdtemp(dir=folder))
    for number, (_, data) in enumerate(sorted(whole.items())):
        (first / f"{number:04}").write_bytes(data)
    words = folder / "tokens"
    words.write_text("".join(f'"{_escaped(token)}"\n' for token in target.tokens))
    arguments = [
        "fuzz", str(first), f"-max_total_time={int(seconds)}", f"-seed={seed}",
        f"-artifact_prefix={folder}{os.sep}found-", f"-timeout={_BACKSTOP_S}",
        f"-max_len={max(_LEAST_BYTES, *(2 * len(data) for data in whole.values()))}",
        "-rss_limit_mb=4096", "-print_final_stats=1", "-verbosity=0",
        *([f"-dict={words}"] if target.tokens else []),
    ]  # fmt: skip
    atheris.Setup(arguments, lambda data: tried(target, data))
    atheris.Fuzz()


def _escaped(token: bytes) -> str:
    """As a dictionary of libFuzzer has it."""
    return "".join(f"\\x{byte:02x}" for byte in token)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
