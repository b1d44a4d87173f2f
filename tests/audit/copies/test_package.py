"""What the package promises as a whole: no files, no tables, no networks of its own."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from augment.audit import copies

FILES = sorted(Path(copies.__file__).parent.glob("*.py"))
ALLOWED = {
    "__future__",
    "collections",
    "contextlib",
    "cv2",
    "dataclasses",
    "hashlib",
    "math",
    "numpy",
    "typing",
}
OURS = ("augment.audit.copies", "augment.audit.measures")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_knows_arrays_and_measures_alone(path: Path) -> None:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module))
    others = {name for name in found if not name.startswith(OURS)}
    assert {name.partition(".")[0] for name in others} <= ALLOWED


def test_every_public_name_is_there_and_explained() -> None:
    assert sorted(copies.__all__) == list(copies.__all__) or copies.__all__[0] == "KINDS"
    for name in copies.__all__:
        assert getattr(copies, name) is not None
    for made in (copies.Calibration, copies.Detector, copies.ImageSet, copies.Match,
                 copies.NotCalibrated, copies.Recall, copies.Threshold, copies.Twin):  # fmt: skip
        assert (made.__doc__ or "").endswith((".", ".\n    "))
        assert not (made.__doc__ or "").startswith(made.__name__ + "(")
