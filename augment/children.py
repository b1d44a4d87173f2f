"""How a process of ours starts another: in the same Python, with the search path that it has
itself, and never with the folder in which somebody happens to stand.

`python -m` puts that folder before the standard library, so that a file named `random.py` beside
somebody's job would be imported instead of Python's own. Knows nothing of what is started.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

_BEGIN = (
    "import json, runpy, sys; sys.path[:] = json.loads(sys.argv[1]); module = sys.argv[2]; "
    "sys.argv[1:3] = []; runpy.run_module(module, run_name='__main__', alter_sys=True)"
)


def command(module: str, *words: str, path: Sequence[str] | None = None) -> list[str]:
    """The command line that runs a module as a program. path: where it searches, as `sys.path`;
    None: where this process does."""
    places = search_path() if path is None else path
    return [sys.executable, "-P", "-c", _BEGIN, json.dumps(list(places)), module, *words]


def search_path(path: Sequence[str] | None = None) -> list[str]:
    """A search path (None: this process's, `sys.path`) as absolute paths, without the empty
    entry, which means whatever folder is current. Last comes where this package was found."""
    found = [os.path.abspath(place) for place in (sys.path if path is None else path) if place]
    root = str(Path(__file__).resolve().parents[1])
    return found if root in found else [*found, root]
