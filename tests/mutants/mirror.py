"""Which tests are a module's: the tree of tests mirrors the tree of the package.

The nearest file comes first, because most mutants die there in seconds; what survives it meets the
whole folder. Knows the names of files alone.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

ALSO = {
    "spec": ("tests/test_schemas.py",),
    "policy": ("tests/spec/test_reach.py", "tests/test_schemas.py"),
}
"""Tests elsewhere that are about a part of the core: the published schemas say its bounds and
what is not given; a job is held to the policy where the job is checked."""


def stages_of(root: Path, file: str) -> list[tuple[str, ...]]:
    """Tests to run one after the other until one fails: the module's own file where there is one,
    and then its mirrored folder with what else is about it.

    Raises:
        LookupError: nothing mirrors the module.
    """
    path = PurePosixPath(file)
    inside = path.parts[1:-1]
    package = inside[0] if inside else path.stem
    folder = PurePosixPath("tests", *inside)
    while len(folder.parts) > 2 and not (root / folder).exists():
        folder = folder.parent  # a folder of data beside code has the tests of that code
    nearest = _nearest(root, folder, path.stem)
    also = tuple(one for one in ALSO.get(package, ()) if (root / one).exists())
    whole = (folder.as_posix(), *also) if inside else (*nearest, *also)
    if not inside and not nearest:
        whole = also
    existing = tuple(one for one in whole if (root / one).exists())
    if not existing:
        raise LookupError(f"{file}: no tests mirror it; expected {folder}/test_{path.stem}.py")
    return [nearest, existing] if nearest and nearest != existing else [existing]


def _nearest(root: Path, folder: PurePosixPath, stem: str) -> tuple[str, ...]:
    """`test_parquet_files.py` of `parquet_files`, else `test_parquet.py`; of `checks` all files
    that begin so: `test_checks.py`, `test_checks_edges.py`."""
    words = stem.strip("_").split("_")
    for n in range(len(words), 0, -1):
        name = folder / f"test_{'_'.join(words[:n])}.py"
        if (root / name).is_file():
            more = sorted((root / folder).glob(f"{name.stem}_*.py")) if n == len(words) else []
            return (name.as_posix(), *((folder / one.name).as_posix() for one in more))
    return ()
