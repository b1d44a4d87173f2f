"""What was asked: a job file read, checked and named by a digest.

Knows nothing of data, weights, storage engines or Ray, and imports none of them.
"""

from augment.spec.digests import request_digest, request_document
from augment.spec.draft import protected_splits
from augment.spec.files import read_class_index, read_classes, read_label_map
from augment.spec.load import (
    Job,
    check_storage_options,
    kept_limits,
    load_limits,
    load_spec,
    load_storage_options,
    load_text,
)
from augment.spec.models import JobSpec, Limits
from augment.spec.schema import job_schema

__all__ = [
    "Job",
    "JobSpec",
    "Limits",
    "check_storage_options",
    "job_schema",
    "kept_limits",
    "load_limits",
    "load_spec",
    "load_storage_options",
    "load_text",
    "protected_splits",
    "read_class_index",
    "read_classes",
    "read_label_map",
    "request_digest",
    "request_document",
]
