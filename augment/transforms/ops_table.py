"""Makes the table by which job files are checked without albumentations.

`python -m augment.transforms.ops_table` writes `augment/spec/albumentations_ops.json` from
the signatures of the installed albumentations. A test compares the two.
"""

from __future__ import annotations

import importlib.metadata
import inspect
import json
from pathlib import Path
from typing import Any

from augment.transforms.albumentations_ops import (
    COMPOSITIONS,
    REFUSED,
    load_library,
    single_image_ops,
)

TABLE = Path(__file__).parent.parent / "spec" / "albumentations_ops.json"
_OTHER_TARGETS = ("bboxes", "mask", "keypoints", "cropping_bbox", "volume")


def ops_table() -> dict[str, Any]:
    """Every operation and composition with its parameters, and why some are refused.

    ops: name -> {params, required}, both lists of names. compositions: name -> params
    beside `transforms`. refused: name -> the reason.
    """
    library = load_library()
    return {
        "albumentations": importlib.metadata.version("albumentations"),
        "ops": {name: _signature(kind) for name, kind in sorted(single_image_ops().items())},
        "compositions": {name: sorted(params) for name, params in sorted(COMPOSITIONS.items())},
        "refused": {
            name: _refusal(getattr(library, name, None), reason)
            for name, reason in sorted(REFUSED.items())
        },
    }


def _signature(kind: type) -> dict[str, list[str]]:
    parameters = list(inspect.signature(kind).parameters.values())
    return {
        "params": [p.name for p in parameters],
        "required": [p.name for p in parameters if p.default is p.empty],
    }


def _refusal(kind: type | None, reason: str) -> str:
    """The reason, with the inputs that are missing where the operation tells them."""
    needs = [] if kind is None or "other inputs" not in reason else _needs(kind)
    if not needs:
        return reason
    return f"it needs {' and '.join(needs)}, which image-only rows do not have"


def _needs(kind: type) -> list[str]:
    """Inputs beside the image: a metadata key, or targets that its parameters depend on."""
    defaults = {p.name: p.default for p in inspect.signature(kind).parameters.values()}
    if "metadata_key" in defaults:
        return [f"`{defaults['metadata_key']}`"]
    given = {"p": 1.0} | {name: 8 for name, d in defaults.items() if d is inspect.Parameter.empty}
    asked = [t for t in kind(**given).targets_as_params if t in _OTHER_TARGETS]
    if asked:
        return asked
    return ["bboxes"] if "BBox" in kind.__name__ else ["mask"]


def text_of(table: dict[str, Any]) -> str:
    """The table as the file holds it."""
    return json.dumps(table, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    TABLE.write_text(text_of(ops_table()), encoding="utf-8")
