"""Which tensors of a file are the network, by their names: prefixes that training frameworks put
before them are taken off, a sub-module is found or named.

Nothing is copied: a network is the same tensors under other names. Knows no family.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from augment.errors import CheckpointError
from augment.generators.foreign import Foreign

_WRAPPERS = {"module.": "DataParallel", "_orig_mod.": "torch.compile"}
_COMPILED = "._orig_mod."
_DEPTH = 3
_MOST = 64
"""Sub-modules that are looked at."""
_FEW = 2
"""A network has more tensors."""
_SHOWN = 8


class Renamed(Mapping[str, np.ndarray]):
    """Tensors under other names. names: new -> old."""

    def __init__(self, tensors: Mapping[str, np.ndarray], names: Mapping[str, str]) -> None:
        self._tensors, self._names = tensors, names

    def __getitem__(self, name: str) -> np.ndarray:
        return self._tensors[self._names[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def unwrapped(foreign: Foreign) -> tuple[Foreign, tuple[str, ...]]:
    """Without what wrappers put before every name, and what that was."""
    names = {key: key for key in foreign.tensors}
    quirks = []
    while names:
        found = next((w for w in _WRAPPERS if all(key.startswith(w) for key in names)), None)
        if found is None:
            break
        names = {key.removeprefix(found): old for key, old in names.items()}
        quirks.append(f"prefix {found} (of {_WRAPPERS[found]}) taken off")
    plain = {key.replace(_COMPILED, "."): old for key, old in names.items()}
    if len(plain) == len(names) and plain.keys() != names.keys():
        names = plain
        quirks.append("_orig_mod (of torch.compile) taken out of names")
    return replace(foreign, tensors=Renamed(foreign.tensors, names)), tuple(quirks)


def inside(foreign: Foreign, prefix: str) -> Foreign:
    """The sub-module whose names begin with `prefix`, which is taken off.

    Raises:
        CheckpointError: there is none; names those that there are.
    """
    start = prefix.rstrip(".") + "."
    names = {key.removeprefix(start): key for key in foreign.tensors if key.startswith(start)}
    if not names:
        known = ", ".join(p for p, _ in _counted(foreign, 1)[:_SHOWN]) or "none"
        raise CheckpointError(
            f"{foreign.place}: got --prefix {prefix[:80]!r}, with which no tensor begins; expected "
            f"one of {known}"
        )
    return replace(foreign, tensors=Renamed(foreign.tensors, names))


def sub_modules(foreign: Foreign) -> Iterator[dict[str, Foreign]]:
    """Prefix -> sub-module, of the outermost ones first; those inside them after. What all names
    begin with is no choice: it may be longer, and the network's own names may begin in it."""
    shared = _shared(foreign)
    for depth in range(max(1, shared - _DEPTH), shared + _DEPTH + 1):
        yield {p: inside(foreign, p) for p, n in _counted(foreign, depth)[:_MOST] if n > _FEW}


def _shared(foreign: Foreign) -> int:
    """Parts that the names of all tensors begin with."""
    ends = (min(foreign.tensors, default=""), max(foreign.tensors, default=""))
    above = [key.split(".")[:-1] for key in ends]
    pairs = zip(*above, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _counted(foreign: Foreign, depth: int) -> list[tuple[str, int]]:
    """Prefixes of so many parts and how many tensors have each, the largest first."""
    found: Counter[str] = Counter()
    for key in foreign.tensors:
        parts = key.split(".")
        if len(parts) > depth:
            found[".".join(parts[:depth]) + "."] += 1
    return found.most_common()
