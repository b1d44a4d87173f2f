"""Words for what is wrong with a request: places, values, lists of names, the nearest name.

Knows nothing of what a job may say.
"""

from __future__ import annotations

import difflib
import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any

from augment.secrecy import struck
from augment.spec.text import Path, Plain, resolve

_WORD = re.compile(r"[A-Za-z0-9_-]+")
_MOST_NAMES = 20
PATH = 400
"""Characters of a path in an error: what is wrong about one is mostly its end."""
_MOST_COMPARED = 1000


def dotted(path: Path) -> str:
    """A path as people write it: `synthesize[0].fill.to`, `fill.to['12:30']`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _WORD.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{step[:80]!r}]"
    return text


def shown(value: Any, most: int = 80) -> str:
    """A value as it stands in an error, in at most that many characters. What is a credential by
    where it stands is struck before it is cut: half of one cannot be told."""
    if value is None:
        return "nothing"
    bare = isinstance(value, Plain) and not isinstance(resolve(value), str)
    text = str(value) if bare else repr(str(value)) if isinstance(value, str) else _plainly(value)
    text = struck(text)
    return text if len(text) <= most else text[: most - 3] + "..."


def _plainly(value: Any) -> str:
    if isinstance(value, dict):
        return f"a mapping of {_some(list(value))}" if value else "an empty mapping"
    if isinstance(value, list):
        return f"a list of {len(value)}" if value else "an empty list"
    return repr(value)


def _some(names: Sequence[Any]) -> str:
    return ", ".join(str(n)[:40] for n in names[:6]) + (", ..." if len(names) > 6 else "")


def one_of(names: Iterable[str]) -> str:
    """`one of a, b, c`; of many the first twenty, by name."""
    listed = sorted(set(names))
    if not listed:
        return "none (there are none)"
    if len(listed) == 1:
        return _name(listed[0])
    rest = len(listed) - _MOST_NAMES
    tail = f" and {rest} more" if rest > 0 else ""
    return f"one of {', '.join(map(_name, listed[:_MOST_NAMES]))}{tail}"


def _name(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:117]}..."


def nearest(name: str, valid: Iterable[str]) -> str:
    """`Did you mean 'x'?`, or nothing where no valid name is near."""
    by_fold = {v.casefold(): v for v in valid}
    folded = name.casefold()[:100]
    if len(by_fold) > _MOST_COMPARED:  # of very many those that begin alike
        names = sorted(by_fold)
        middle = bisect_left(names, folded)
        near = names[max(0, middle - _MOST_COMPARED // 2) : middle + _MOST_COMPARED // 2]
        by_fold = {n: by_fold[n] for n in near}
    found = difflib.get_close_matches(folded, by_fold, n=1, cutoff=0.6)
    return f"Did you mean {by_fold[found[0]]!r}?" if found else ""
