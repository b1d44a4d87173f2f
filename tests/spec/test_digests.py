"""The digest changes with what decides rows, and with nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augment.seeds import canonical_json
from augment.spec import Job, load_spec, request_digest, request_document

Load = Callable[..., Job]
IDENTITY = {"fake": "a" * 64}

SAME: list[dict[str, Any]] = [
    {"execution": {"workers": 3, "engine": "local", "generators": {"fake": {"batch_size": 2}}}},
    {"limits": {"synthetic_share": {"max": 0.5}}},
    {"errors": {"max_share": 0.5, "min_count": 3}},
    {"about": {"owner": "ada"}},
    {"on_shortfall": "warn"},
    {"output.uri": "elsewhere"},
    {"sources.real.uri": "elsewhere"},
    {"pool": "elsewhere"},
    {"protected_splits": ["test"]},
    {"augmentations.0.from": {"origin": ["real"]}},
    {"split_seed": 0},
    {"sources.real.follow_links": False},
    {"augmentations.0.unchanged": "redraw"},
]

OTHER: list[dict[str, Any]] = [
    {"seed": 8},
    {"split_seed": 8},
    {"name": "other"},
    {"synthesize.0.fill.to": 101},
    {"synthesize.0.classes": ["0"]},
    {"augmentations.0.copies": 2},
    {"augmentations.0.name": "other"},
    {"augmentations.0.unchanged": "keep"},
    {"augmentations.0.ops": [{"Affine": {"rotate": [-10, 11]}}]},
    {"augmentations.0.from": {"origin": ["real", "synthetic"]}},
    {"filters": []},
    {"filters": [{"degenerate": {"min_std": 3}}]},
    {"max_attempts_per_sample": 4},
    {"generators.fake.sampling": {"contrast": 0.5}},
    {"output.image": {"format": "png"}},
    {"output.shard": {"target_bytes": 1 << 20}},
    {"sources.real.splits": {"train": "train", "test": "tset"}},
    {"sources.real.max_per_class": 5},
    {"sources.real.license": "MIT"},
    {"sources.real.follow_links": True},
    {"sources.real.empty_classes": "keep"},
    {"sources.real.empty_classes": "drop"},
    {"sources.real.label_map": {"map": {"a": "b"}}},
    {"classes": {"names": ["0", "1"]}},
    {"protected_splits": []},
    {"errors": {"max_pixels": 1000}},
]


def digest_of(job: Job) -> str:
    return request_digest(job, IDENTITY)


@pytest.mark.parametrize("edits", SAME, ids=str)
def test_what_does_not_decide_rows(job: Load, edits: dict[str, Any]) -> None:
    assert digest_of(job(edits)) == digest_of(job())


def test_what_decides_rows(job: Load) -> None:
    digests = [digest_of(job()), *(digest_of(job(edits)) for edits in OTHER)]
    assert len(set(digests)) == len(digests)
    assert request_digest(job(), {"fake": "b" * 64}) not in digests


def test_the_checkpoint_is_known_by_its_identity_alone(job: Load, tmp_path: Path) -> None:
    digests = set()
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        edits = {"generators.fake": {"family": "vae", "checkpoint": folder, "sha256": "0" * 64}}
        digests.add(digest_of(job(edits)))
    assert len(digests) == 1


def test_the_document_is_json_and_names_no_place(job: Load, tmp_path: Path) -> None:
    made = job({"pool": "s3://b/p", "execution": {"storage_options": {"s3": {"key": "secret"}}}})
    text = canonical_json(request_document(made, IDENTITY))
    assert str(tmp_path) not in text
    assert "secret" not in text
    assert json.loads(text) == request_document(made, IDENTITY)


FILES = [
    ({"classes": {"file": "names.txt"}}, "names.txt", "0\n1\n", "1\n0\n"),
    (
        {"sources.real.label_map": {"file": "map.csv"}},
        "map.csv",
        "from,to\na,b\n",
        "from,to\na,c\n",
    ),
    ({"sources.real.label_map": {"file": "map.yaml"}}, "map.yaml", "a: b", "a: c"),
    (
        {"synthesize.0": {"generators": ["fake"], "manifest": "m.csv"}},
        "m.csv",
        "label_name\n0\n",
        "label_name\n1\n",
    ),
    (
        {"augmentations.0": {"name": "saved", "copies": 1, "pipeline": "p.json"}},
        "p.json",
        '{"transform": {"__class_fullname__": "Blur", "p": 0.5}}',
        '{"transform": {"__class_fullname__": "Blur", "p": 0.6}}',
    ),
]


@pytest.mark.parametrize(("edits", "file", "one", "other"), FILES, ids=[f for _, f, _, _ in FILES])
def test_contents_of_files_decide_rows_not_their_names(
    job: Load, tmp_path: Path, edits: dict[str, Any], file: str, one: str, other: str
) -> None:
    (tmp_path / file).write_text(one)
    before = digest_of(job(edits))
    (tmp_path / file).write_text(other)
    assert digest_of(job(edits)) != before
    (tmp_path / f"copy-{file}").write_text(one)
    moved = json.loads(json.dumps(edits).replace(f'"{file}"', f'"copy-{file}"'))
    assert digest_of(job(moved)) == before


def test_the_folder_of_the_job_does_not_matter(job: Load, tmp_path: Path) -> None:
    made = job()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "job.json").write_text(made.text)
    assert digest_of(load_spec(tmp_path / "sub" / "job.json")) == digest_of(made)


def test_golden(job: Load) -> None:
    """A change here starts every user's job anew: it must be meant."""
    assert digest_of(job()) == "4ade5e97e3ef3824a22814323775a517141827540c8a1ef078beb2faea66c179"
