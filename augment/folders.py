"""Folders that belong to the user who runs this: for logs, for what compilers keep.

In the temporary folder of a machine everybody meets, so nothing of ours has a fixed name there.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from typing import Literal

_XDG = {"state": ("XDG_STATE_HOME", ".local/state"), "cache": ("XDG_CACHE_HOME", ".cache")}


def own_folder(kind: Literal["state", "cache"], name: str, env: Mapping[str, str]) -> str:
    """`augment/<name>` below the user's folder of that kind, as the XDG base directory
    specification says; where it cannot be written to, a new folder that nobody else can open."""
    variable, usual = _XDG[kind]
    above = env.get(variable, "")
    if not os.path.isabs(above):  # as the specification asks
        above = os.path.join(env.get("HOME", ""), usual)
    folder = os.path.join(above, "augment", name)
    with contextlib.suppress(OSError):
        if os.path.isabs(folder):
            os.makedirs(folder, exist_ok=True)
            if os.access(folder, os.W_OK | os.X_OK):
                return folder
    return tempfile.mkdtemp(prefix=f"augment-{name}-")
