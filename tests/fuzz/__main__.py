"""Runs the long searches of targets and tells what they found: `make fuzz`.

Every target is searched for so many seconds, as many at a time as there are cores. An input
that a reader does not answer as it documents is written to a file, whose path is printed;
given as FILE to the same command, it is tried again. Exit codes: 0 nothing was found, 1
something was, 2 the request is wrong.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz import frame, search

REPOSITORY = Path(__file__).parents[2]
_LINES = 12
"""Of what a search said last, which are shown of one that found something."""


@dataclass(frozen=True)
class Searched:
    """What became of one target's search. found: files; said: its last lines."""

    name: str
    found: tuple[Path, ...]
    said: tuple[str, ...]
    ok: bool


def main(words: Sequence[str] | None = None) -> int:
    """The exit code."""
    asked = _parser().parse_args(words)
    targets = asked.target or frame.names()
    try:
        for name in targets:
            frame.load(name)
    except LookupError as error:
        print(error, file=sys.stderr)
        return 2
    if asked.files:
        return _again(targets, asked.files)
    guided = search.guided() and not asked.unguided
    way = "by coverage" if guided else "by mutation" + (
        "" if asked.unguided else " (atheris is not installed: pip install 'augment-vision[fuzz]')"
    )  # fmt: skip
    print(f"{len(targets)} targets, {asked.seconds} s each, {way}, seed {asked.seed}", flush=True)

    def one(name: str) -> Searched:
        return searched(name, asked.seconds, asked.seed, guided, Path(asked.out))

    with ThreadPoolExecutor(asked.jobs) as pool:
        done = [_told(result) for result in pool.map(one, targets)]
    return 0 if all(result.ok for result in done) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("files", nargs="*", metavar="FILE", help="inputs to try, and no others")
    parser.add_argument("--target", action="append", metavar="NAME", help="default: all")
    parser.add_argument("--seconds", type=int, default=60, help="of each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="targets at once")
    parser.add_argument("--out", default="out/fuzz", metavar="DIR", help="for what is found")
    parser.add_argument("--unguided", action="store_true", help="mutations, also with atheris")
    return parser


def searched(name: str, seconds: int, seed: int, guided: bool, out: Path) -> Searched:
    """Search one target in a process of its own; what it found lies in `out`."""
    with tempfile.TemporaryDirectory(prefix="augment-fuzz-") as place:
        request = {
            "target": name, "seconds": seconds, "seed": seed, "folder": place, "guided": guided,
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "tests.fuzz.search", json.dumps(request)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            check=False, cwd=REPOSITORY,
        )  # fmt: skip
        found = [path.read_bytes() for path in sorted(Path(place).glob("found-*"))]
        if done.returncode and not found:
            found = [search.current(Path(place))]
    kept = tuple(_kept(out, name, data) for data in found) if done.returncode else ()
    lines = tuple(line for line in done.stdout.splitlines() if line.strip())
    return Searched(name, kept, lines[-_LINES:], done.returncode == 0)


def _kept(out: Path, name: str, data: bytes) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    return path


def _told(result: Searched) -> Searched:
    print(f"{'ok   ' if result.ok else 'FOUND'} {result.name}", flush=True)
    if not result.ok:
        print(*(f"      {line}" for line in result.said), sep="\n")
        for path in result.found:
            print(f"      input: {path}")
            print(f"      again: python -m tests.fuzz --target {result.name} {path}", flush=True)
    return result


def _again(targets: Sequence[str], files: Sequence[str]) -> int:
    """Errors come out as they are, with their traceback."""
    for name in targets:
        target = frame.load(name)
        for file in files:
            frame.tried(target, Path(file).read_bytes())
            print(f"ok    {name} {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
