"""A job that is worth disturbing: several rounds, several shards, on both tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.end_to_end.jobs import CLASSES, job_document, write_job


def document(data: Path, root: Path, **changes: Any) -> dict[str, Any]:
    """Two generators that need several rounds each, and a data set of five shards."""
    generators = {
        name: {
            "family": "palette",
            "classes": list(CLASSES),
            "size": size,
            "sampling": {"contrast": 0.05},
        }
        for name, size in (("fine", 48), ("coarse", 32))
    }
    defaults: dict[str, Any] = {
        "augmentations": [],
        "generators": generators,
        "synthesize": [{"generators": ["fine", "coarse"], "fill": {"to": 40}}],
        "filters": [{"degenerate": {"min_std": 2.1}}],
        "max_attempts_per_sample": 6,
        "pool": str(root / "pool"),
        "output": {
            "uri": str(root / "out"),
            "image": {"format": "png"},  # at the generators' size: several shards
            "shard": {"target_bytes": 65536},
        },
    }
    return job_document(data, **(defaults | changes))


def job(data: Path, root: Path, **changes: Any) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    return write_job(root / "job.yaml", document(data, root, **changes))
