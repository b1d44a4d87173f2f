"""The surface as the code has it now."""

from __future__ import annotations

from augment.cli.grammar import parser
from tests.surface import published
from tests.surface.grammar import grammar
from tests.surface.items import SCHEMAS, Surface
from tests.surface.names import names


def present() -> Surface:
    """Every section of the surface.

    Raises:
        Unjudged: something is published of which it is not known how others use it.
    """
    return {
        **names(),
        "commands": grammar(parser()),
        "errors": published.error_tree(),
        "tables": published.tables(),
        "metrics": published.metrics(),
        "machine": published.machine(),
        "distribution": published.distribution(),
        SCHEMAS: published.schemas(),
    }
