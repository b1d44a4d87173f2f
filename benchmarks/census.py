"""Listing an image folder on a local disk: CPU time a name, by what kind of name it is.

    python benchmarks/census.py [--names 100000] [--rounds 5] [--json]

    named    files with the ending of an image: listed without a look
    other    files with the ending of something else: counted without a look
    odd      images without an ending: their first bytes are read
    linked   links to files in 256 folders outside (a DVC cache), with follow_links

Makes the names in a temporary folder, 1,000 a class; of the CPU times of the rounds the least is
told, and its ratio to `named`. --json prints both as one line, the ratios by kind in `ratios`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from augment.sources.imagefolder import list_imagefolder
from augment.spec.models import ImageFolderSource

PNG = b"\x89PNG\r\n\x1a\n" + bytes(56)


def write(path: Path, n: int, content: bytes) -> None:
    path.write_bytes(content)


def link(path: Path, n: int, cache: Path) -> None:
    kept = cache / f"{n % 256:02x}" / f"{n:030x}"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.touch()
    path.symlink_to(kept)


def make(root: Path, names: int, ending: str, put: Callable[[Path, int], None]) -> None:
    for n in range(names):
        path = root / f"class{n // 1000:04}" / f"{n:07}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        put(path, n)


def scenes(root: Path, names: int) -> dict[str, Path]:
    """kind -> source, made anew."""
    made: dict[str, tuple[str, Callable[[Path, int], None]]] = {
        "named": (".jpg", lambda path, n: write(path, n, b"")),
        "other": (".txt", lambda path, n: write(path, n, b"")),
        "odd": ("", lambda path, n: write(path, n, PNG)),
        "linked": (".jpg", lambda path, n: link(path, n, root / "cache")),
    }
    for kind, (ending, put) in made.items():
        make(root / kind, names, ending, put)
    return {kind: root / kind for kind in made}


def cpu_us(source: Path, names: int, rounds: int) -> float:
    """Least CPU time of a listing, in microseconds a name."""
    spec = ImageFolderSource(
        format="imagefolder", uri=str(source), splits={"train": 1.0}, follow_links=True
    )
    times = []
    for _ in range(rounds):
        begun = time.process_time()
        listing = list_imagefolder("s", spec)
        times.append(time.process_time() - begun)
        lost = sum(loss.n for loss in listing.losses.losses())
        assert listing.table.num_rows + lost == names
    return 1e6 * min(times) / names


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--names", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sources = scenes(Path(folder), asked.names)
        found = {kind: cpu_us(path, asked.names, asked.rounds) for kind, path in sources.items()}
    ratios = {kind: each / found["named"] for kind, each in found.items()}
    if asked.json:
        print(json.dumps({**found, "ratios": ratios}))
        return
    for kind, each in found.items():
        print(f"{kind:<7} {each:6.1f} us a name  {ratios[kind]:5.2f} x named")


if __name__ == "__main__":
    main()
