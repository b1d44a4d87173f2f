"""Job files and saved pipelines as YAML and as JSON: read as text, then judged."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping

from augment.errors import SpecError
from augment.spec import load_text
from augment.spec.ops import saved_pipeline
from augment.spec.text import parse, resolve

JOB = """\
version: 1
name: n
seed: 1
about: {owner: &who ada, purpose: *who}
classes: {names: [0, "no", 12:30]}
sources:
  s: {format: parquet, uri: d, splits: {train: 0.5, t: 0.5}, columns: {label: l},
      label_map: {map: {a: 0}}}
generators: {g: {family: palette, classes: [0], sampling: {contrast: 1}}}
augmentations:
  - name: a
    from: {classes: [0]}
    copies: 1
    ops: [Blur, {Affine: {rotate: [-10, 10]}}, {SomeOf: {n: 1, transforms: [{Resize: {height: 8,
      width: 8}}]}}]
synthesize: [{generators: [g], fill: {to: {0: 3}}, split: train}]
filters: [{degenerate: {min_std: 1}}]
output: {uri: o, image: {format: jpeg, quality: 3}}
limits: {synthetic_share: {max: 0.5}, min_rows_per_class: {train: 1}}
execution: {workers: 1, storage_options: {file: {a: 1}}}
"""
_OLD = {
    "HorizontalFlip": {},
    "CoarseDropout": {"min_holes": 1, "max_holes": 8, "fill_value": 0, "mask_fill_value": None},
    "Solarize": {"threshold": [51, 102]},
    "Spatter": {"mode": ["mud"], "color": {"mud": [4, 5, 6]}},
    "Affine": {"scale": {"x": [0.9, 1.1]}, "cval": 0, "mode": 0, "rotate": [-15, 15]},
    "RandomResizedCrop": {"height": 40, "width": 48},
    "AdditiveNoise": {"noise_type": "beta", "noise_params": {"alpha_range": [1, 2]}},
}
SAVED = {
    "__version__": "1.3.1",
    "transform": {
        "__class_fullname__": "SomeOf",
        "n": 2,
        "transforms": [
            {"__class_fullname__": name, "always_apply": False, "p": 0.5, **params}
            for name, params in _OLD.items()
        ],
    },
}
TOKENS = (b"&a ", b"*a", b"*who", b"!!python/name:os.system ", b"<<: *who\n", b"? ", b"- ", b"[",
          b"{", b"---\n", b"|\n ", b"9" * 500, b".inf", b".nan", b"${HOME}", b"${", b"\\ud800",
          b"\xef\xbb\xbf", b"[[[[[[[[", b'"a":', b"1e999", b"\t", b"\x00", b"\xff", b"null", b"~",
          b": ", b"\n")  # fmt: skip


def seeds() -> Mapping[str, bytes]:
    values = resolve(parse(JOB.encode(), "job.yaml").data)
    return {
        "yaml": JOB.encode(),
        "json": json.dumps(values).encode(),
        "text": b"a: [x, {b: 'c'}]\n",
    }


def one(data: bytes) -> None:
    for name in ("job.yaml", "job.json"):
        with contextlib.suppress(SpecError):
            document = parse(data, name)
            saved_pipeline(document)
            if isinstance(document.data, dict):
                load_text(document.text, name, "/nowhere", env={})
