"""Kubernetes objects as YAML, and handed to `kubectl apply`."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from augment.errors import InterruptedRun, RequestError

_APPLY_S = 120


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, so that a job file can be read in its ConfigMap."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def as_yaml(objects: Sequence[Mapping[str, Any]]) -> str:
    """The objects as one stream of documents, keys in the order given, no aliases."""
    return "---\n".join(
        yaml.dump(_copied(o), Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True)
        for o in objects
    )


def apply(text: str) -> str:
    """Hand the stream to the cluster that kubectl is set to; what it said.

    Raises:
        RequestError: there is no kubectl. InterruptedRun: it failed.
    """
    tool = shutil.which("kubectl")
    if tool is None:
        raise RequestError(
            "submit: found no kubectl on the search path; install it, or write the objects with "
            "--dry-run and apply them elsewhere"
        )
    command = [tool, "apply", "-f", "-"]
    try:
        said = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=_APPLY_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as e:
        raise InterruptedRun(f"kubectl apply: {e}; nothing is known of what it did") from None
    if said.returncode:
        lines = said.stderr.strip().splitlines() or ["no text"]
        raise InterruptedRun(f"kubectl apply: {lines[-1]:.500}; mend it and submit again")
    return said.stdout.strip()


def _copied(value: Any) -> Any:
    """Without objects that stand twice: YAML would write an alias for the second."""
    if isinstance(value, Mapping):
        return {k: _copied(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(v) for v in value]
    return value
