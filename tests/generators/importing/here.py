"""What the limited process of an import does, done in this one: it starts in no time. That process
itself, its limits and how a folder appears are tested in test_import.py and by the command."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from augment.generators.importing import Choice, ImportRequest
from augment.generators.importing.answers import imported, inspected


def inspect(source: str, *, choice: Choice | None = None) -> dict[str, Any]:
    """As `augment.generators.importing.inspect` answers."""
    return _crossed(inspected({"path": source, **(choice or Choice()).asked()}))


def import_checkpoint(request: ImportRequest) -> dict[str, Any]:
    """As `augment.generators.importing.import_checkpoint` answers, and the same files."""
    folder = Path(request.out)
    folder.mkdir(parents=True)
    asked = {
        "path": request.source,
        "folder": str(folder),
        **request.choice.asked(),
        "classes": None if request.classes is None else list(request.classes),
        "license": request.license,
    }
    try:
        return _crossed(imported(asked, widen=lambda: None))
    except BaseException:
        shutil.rmtree(folder)
        raise


def _crossed(said: Mapping[str, Any]) -> dict[str, Any]:
    """What of an answer comes out of a process."""
    return dict(json.loads(json.dumps(said)))
