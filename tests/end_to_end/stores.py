"""A job whose every file is in an object store, and the tables that it leaves there."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from augment.api import open_dataset
from augment.storage import Folder
from augment.write import live_files
from tests.end_to_end.jobs import fingerprint, rows_of, write_digits
from tests.storage.s3_server import S3Server

CHECKPOINT = Path(__file__).parents[2] / "examples" / "digits" / "checkpoint"


def write_inputs(root: Path) -> None:
    """Both sources, a label map, a class file, a manifest and a trained checkpoint."""
    write_digits(root / "data", {"0": 8, "1": 4})
    write_digits(root / "more", {"2": 5}, test=0)
    images = [path.read_bytes() for path in sorted((root / "more/train/2").iterdir())]
    rows = {"image": images, "label": ["two"] * len(images)}
    pq.write_table(pa.table(rows), root / "two.parquet")
    (root / "labels.csv").write_text("from,to\ntwo,2\n")
    (root / "classes.txt").write_text("0\n1\n2\n")
    wanted = {"generator": ["digits-vae"] * 2, "label_name": ["0", "1"], "count": [2, 3]}
    pq.write_table(pa.table(wanted), root / "wanted.parquet")
    (root / "checkpoint").mkdir()
    for path in CHECKPOINT.iterdir():
        (root / "checkpoint" / path.name).write_bytes(path.read_bytes())


def document(base: str, **changes: Any) -> dict[str, Any]:
    """The job over what `write_inputs` made, all of it below `base`: a folder or a URI."""
    found: dict[str, Any] = {
        "version": 1,
        "name": "stored",
        "seed": 7,
        "classes": {"file": f"{base}/classes.txt"},
        "sources": {
            "digits": {
                "format": "imagefolder",
                "uri": f"{base}/data",
                "splits": {"train": "train", "test": "test"},
            },
            "twos": {
                "format": "parquet",
                "uri": f"{base}/two.parquet",
                "splits": {"train": 1.0},
                "label_map": {"file": f"{base}/labels.csv"},
            },
        },
        "generators": {"digits-vae": {"family": "vae", "checkpoint": f"{base}/checkpoint"}},
        "augmentations": [
            {"name": "light", "copies": 1, "ops": [{"Affine": {"rotate": [-10, 10], "p": 1.0}}]}
        ],
        "synthesize": [
            {"generators": ["digits-vae"], "manifest": f"{base}/wanted.parquet"},
            {"generators": ["digits-vae"], "fill": {"to": 24}},
        ],
        "filters": [{"degenerate": {}}],
        "pool": f"{base}/pool",
        "output": {"uri": f"{base}/out", "shard": {"target_bytes": 65536}},
    }
    return found | copy.deepcopy(changes)


def upload(root: Path, base: str, server: S3Server) -> None:
    """The inputs below `root`, as they are."""
    folder = Folder(base, server.options())
    for path in sorted(root.rglob("*")):
        if path.is_file():
            folder.replace(str(path.relative_to(root)), path.read_bytes())


def images(base: str, options: dict[str, dict[str, Any]] | None = None) -> dict[str, str]:
    """sample id -> sha256 of a finished job's rows: every id once, every file of the log there
    and none beside them."""
    rows = rows_of(open_dataset(f"{base}/out", options=options).to_table())
    found = fingerprint(rows)
    assert len(found) == len(rows)
    for table in ("out", "pool"):
        folder = Folder(f"{base}/{table}", options)
        live = {file.path: file.size for file in live_files(folder)}
        assert live == {info.path: info.size for info in folder.files("data")}
    return found


def pool_rows(base: str, options: dict[str, dict[str, Any]]) -> list[tuple[str, int]]:
    """(sample id, index) of every row that the pool shows."""
    folder = Folder(f"{base}/pool", options)
    return [
        (row["sample_id"], row["generator"]["index"])
        for file in live_files(folder)
        for row in _rows(folder, file.path)
    ]


def _rows(folder: Folder, path: str) -> Iterator[dict[str, Any]]:
    data = io.BytesIO(folder.read(path))
    yield from pq.read_table(data, columns=["sample_id", "generator"]).to_pylist()
