"""The published schemas, generated from the code: what stands in schemas/ must equal this."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from augment.storage import Folder


def published() -> dict[str, str]:
    """name -> text of each published schema: job, policy, audit, comparison and study as JSON
    Schema, manifest and sample as the columns of their Arrow schema."""
    from augment.audit import audit_schema
    from augment.audit.compare import comparison_schema
    from augment.policy import policy_schema
    from augment.sample import MANIFEST_SCHEMA, SAMPLE_SCHEMA
    from augment.spec import job_schema
    from augment.study import study_schema

    return {
        "job": _text(job_schema()),
        "manifest": _text(_columns("augment manifest", MANIFEST_SCHEMA)),
        "sample": _text(_columns("augment sample row", SAMPLE_SCHEMA)),
        "audit": _text(audit_schema()),
        "comparison": _text(comparison_schema()),
        "study": _text(study_schema()),
        "policy": _text(policy_schema()),
    }


def write_published(folder: str) -> list[Path]:
    """Write every schema as `<name>.schema.json`; the paths.

    Raises:
        StorageError: the folder cannot be written.
    """
    target = Folder(folder)
    for name, text in published().items():
        target.replace(f"{name}.schema.json", f"{text}\n".encode())
    return [Path(folder) / f"{name}.schema.json" for name in published()]


def _columns(title: str, schema: Any) -> dict[str, Any]:
    from augment.sample import SCHEMA_VERSION

    columns = [{"name": f.name, "type": str(f.type), "nullable": f.nullable} for f in schema]
    return {"title": title, "version": SCHEMA_VERSION, "columns": columns}


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False)
