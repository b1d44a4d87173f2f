"""A folder full of modules that must not be imported: named like Python's own and everybody's."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

_OTHERS = (
    "PIL", "albumentations", "augment", "click", "cv2", "deltalake", "fsspec", "numpy", "pandas",
    "psutil", "pyarrow", "pydantic", "ray", "rich", "safetensors", "scipy", "simplejpeg", "torch",
    "yaml",
)  # fmt: skip


@dataclass(frozen=True)
class Hostile:
    """The folder, where somebody happens to stand."""

    folder: Path

    def imported(self) -> list[str]:
        """The modules that somebody imported from it."""
        return sorted(path.name for path in self.folder.glob("*.imported"))


def make(folder: Path) -> Hostile:
    """Fill a folder."""
    for name in {*sys.stdlib_module_names, *_OTHERS}:
        leave_word = f"open({str(folder / name)!r} + '.imported', 'w').close()\n"
        (folder / f"{name}.py").write_text(leave_word)
    return Hostile(folder)
