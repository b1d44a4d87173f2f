"""Whatever a file holds, the answer is a job or a `SpecError`."""

from __future__ import annotations

import contextlib
import copy
import json
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from augment.errors import SpecError
from augment.spec.load import load_spec
from augment.spec.text import parse

SETTINGS = settings(max_examples=150, deadline=None, derandomize=True)

JOB: dict[str, Any] = {
    "version": 1,
    "name": "n",
    "seed": 1,
    "classes": {"names": ["0", "1"]},
    "sources": {
        "s": {
            "format": "parquet",
            "uri": "d",
            "splits": {"train": 0.5, "t": 0.5},
            "columns": {"label": "l"},
            "label_map": {"map": {"a": "0"}},
        }
    },
    "protected_splits": ["t"],
    "generators": {"g": {"family": "palette", "classes": ["0"], "sampling": {"contrast": 1}}},
    "augmentations": [
        {"name": "a", "from": {"classes": ["0"]}, "copies": 1, "ops": [{"Blur": {"p": 1}}]}
    ],
    "synthesize": [{"generators": ["g"], "fill": {"to": {"0": 3}}, "split": "train"}],
    "filters": [{"degenerate": {"min_std": 1}}],
    "pool": "s3://b/p",
    "output": {"uri": "o", "image": {"format": "jpeg", "quality": 3}},
    "limits": {"synthetic_share": {"max": 0.5}, "min_rows_per_class": {"train": 1}},
    "execution": {
        "workers": 1,
        "address": "auto",
        "generators": {"g": {}},
        "metrics": {"port": 0, "address": "::1"},
        "storage_options": {"s3": {"config_kwargs": {"retries": {"max_attempts": 1}}}},
    },
}

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["${X}", "${", "s3://b", "\0", "max", ".inf", "~/x", "train", "g", "0"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=5) | st.sampled_from(["to", "p", "file"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, inner in steps:
        found.append((*here, key))
        if isinstance(inner, dict | list):
            found += paths(inner, (*here, key))
    return found


def changed(edits: list[tuple[tuple[Any, ...], Any]]) -> dict[str, Any]:
    job = copy.deepcopy(JOB)
    for path, value in edits:
        owner: Any = job
        for step in path[:-1]:
            reachable = (isinstance(owner, dict) and step in owner) or (
                isinstance(owner, list) and isinstance(step, int) and step < len(owner)
            )
            if not reachable:
                break
            owner = owner[step]
        else:
            if isinstance(owner, dict):
                owner[path[-1]] = value
    return job


def answered(source: Any) -> None:
    with contextlib.suppress(SpecError):
        load_spec(source, env={"X": "1"})


EDITS = st.lists(st.tuples(st.sampled_from(paths(JOB)), VALUES), min_size=1, max_size=3)


def test_the_job_that_is_spoiled_is_right() -> None:
    load_spec(JOB)


@SETTINGS
@given(EDITS)
def test_spoiled_mappings(edits: list[tuple[tuple[Any, ...], Any]]) -> None:
    answered(changed(edits))


@SETTINGS
@given(edits=EDITS, as_json=st.booleans(), overrides=st.lists(st.text(max_size=20), max_size=1))
def test_spoiled_files(
    tmp_path_factory: Any,
    edits: list[tuple[tuple[Any, ...], Any]],
    as_json: bool,
    overrides: list[str],
) -> None:
    path = tmp_path_factory.getbasetemp() / f"spoiled.{'json' if as_json else 'yaml'}"
    job = changed(edits)
    path.write_text(json.dumps(job) if as_json else yaml.safe_dump(job, allow_unicode=False))
    with contextlib.suppress(SpecError):
        load_spec(path, env={}, overrides=overrides)


@SETTINGS
@given(st.binary(max_size=80) | st.text(max_size=80).map(lambda t: t.encode(errors="ignore")))
def test_random_bytes(raw: bytes) -> None:
    for name in ("job.yaml", "job.json"):
        with contextlib.suppress(SpecError):
            parse(raw, name)


PIECES = ["a", ": ", "- ", "\n", "  ", "[", "]", "{", "}", "&a ", "*a", "!x ", "'", '"', "|", "~"]


@SETTINGS
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_random_yaml(text: str) -> None:
    with contextlib.suppress(SpecError):
        parse(text.encode(), "job.yaml")
