"""The audit's exact search against a bare loop of matrix products over the same blocks.

    python benchmarks/audit.py --search [--queries 8192] [--base 100000] [--dim 512] [--k 1]
                               [--rounds 3] [--json]

    bare     queries @ base.T, block by block into one buffer, and nothing else
    search   augment.audit.measures.nearest: the k nearest of each query, exact (l2)
    cosine   the same by cosines
    faiss    IndexFlatL2 of faiss-cpu, where it can be imported

Random float32 features, every way in each round; of the wall times of the rounds the least is told,
the base's preparation included, and which share of the bare loop's speed it is. Answers of
`search` and of faiss must agree where faiss is there. Memory: what the largest resident set grew by
while `search` ran, beside the bytes of the base. --json prints one line; `ratios` has `search`,
`cosine` and, where it ran, `faiss`: bare seconds : seconds.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from augment.audit.measures import Base, nearest
from augment.audit.measures.neighbours import BASE_BLOCK, QUERY_BLOCK

Way = Callable[[], np.ndarray]


@dataclass(frozen=True)
class Work:
    """queries: (Q, D), base: (N, D), float32."""

    queries: np.ndarray
    base: np.ndarray
    k: int


def work(queries: int, base: int, dim: int, k: int) -> Work:
    rng = np.random.Generator(np.random.Philox(key=dim))
    asked, searched = (rng.standard_normal((n, dim), np.float32) for n in (queries, base))
    return Work(asked, searched, k)


def bare(w: Work) -> np.ndarray:
    """The products alone; gives the buffer."""
    out = np.empty((QUERY_BLOCK, BASE_BLOCK), np.float32)
    for i in range(0, len(w.queries), QUERY_BLOCK):
        x = w.queries[i : i + QUERY_BLOCK]
        for j in range(0, len(w.base), BASE_BLOCK):
            y = w.base[j : j + BASE_BLOCK]
            np.matmul(x, y.T, out=out[: len(x), : len(y)])
    return out


def by_faiss(w: Work) -> np.ndarray:
    import faiss

    index = faiss.IndexFlatL2(w.base.shape[1])
    index.add(w.base)
    found: np.ndarray = index.search(w.queries, w.k)[1]
    return found


def ways(w: Work) -> dict[str, Way]:
    found: dict[str, Way] = {
        "bare": lambda: bare(w),
        "search": lambda: nearest(Base(w.base), w.queries, w.k).index,
        "cosine": lambda: nearest(Base(w.base, "cosine"), w.queries, w.k).index,
    }
    if importlib.util.find_spec("faiss"):
        found["faiss"] = lambda: by_faiss(w)
    return found


def measure(w: Work, rounds: int) -> dict[str, float]:
    """Least wall seconds of each way, and `grown_mib` of the first search."""
    times: dict[str, list[float]] = {}
    answers: dict[str, np.ndarray] = {}
    out: dict[str, float] = {}
    for _ in range(rounds):
        for name, way in ways(w).items():
            before, begun = _peak_mib(), time.perf_counter()
            answers[name] = way()
            times.setdefault(name, []).append(time.perf_counter() - begun)
            if name == "search":
                out.setdefault("grown_mib", _peak_mib() - before)
    if "faiss" in answers:
        equal = float((answers["faiss"] == answers["search"]).mean())
        if equal < 0.999:  # faiss ranks in float32: near ties may differ
            raise AssertionError(f"faiss and the search agree on {equal:.4f} of the neighbours")
    return out | {name: min(each) for name, each in times.items()}


def _peak_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--search", action="store_true", required=True)
    parser.add_argument("--queries", type=int, default=8192)
    parser.add_argument("--base", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--k", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    w = work(asked.queries, asked.base, asked.dim, asked.k)
    found = measure(w, asked.rounds)
    seconds = {name: found[name] for name in ways(w)}
    ratios = {name: found["bare"] / each for name, each in seconds.items() if name != "bare"}
    if asked.json:
        print(json.dumps({**found, "ratios": ratios}))
        return
    pairs = asked.queries * asked.base
    for name, each in seconds.items():
        share = f"{ratios[name]:5.2f} x bare" if name in ratios else ""
        print(f"{name:<7} {each:7.2f} s  {1e9 * each / pairs:6.2f} ns a pair  {share}")
    held = w.base.nbytes / 2**20
    print(f"memory: {found['grown_mib']:.0f} MiB more; the base has {held:.0f} MiB")


if __name__ == "__main__":
    main()
