"""Libraries that only extractors need."""

from __future__ import annotations

import importlib
from typing import Any

from augment.errors import RequestError
from augment.surroundings import SILENT, silently


def library(name: str, extractor: str, extra: str = "features") -> Any:
    """The module of that name, dotted where it lies in a package; imported so that it tells nobody.

    Raises:
        RequestError: it is not installed; says with which extra it would be.
    """
    try:
        return silently(name) if name in SILENT else importlib.import_module(name)
    except ModuleNotFoundError as error:
        package = name.partition(".")[0]
        if error.name not in (package, name):
            raise
        raise RequestError(
            f"extractor {extractor}: needs {package}, which is not installed; install "
            f"augment-vision[{extra}], or choose another extractor"
        ) from error
