"""What all specs share: the frozen base that refuses unknown keys, and common types."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from augment.spec.text import resolve

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
ClassName = Annotated[str, Field(min_length=1, max_length=256)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


def _finite(value: Any) -> Any:
    """Numbers that are none have no place in a digest."""
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, float) and not math.isfinite(item):
            raise PydanticCustomError("finite", "finite numbers")
        todo += item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
    return value


Free = Annotated[Any, BeforeValidator(resolve), AfterValidator(_finite)]
"""A value whose shape another library knows; scalars without quotes are what YAML says. Its
numbers are finite."""


class Spec(BaseModel):
    """Base of all specs: frozen, no unknown keys, finite numbers. The text below a field is its
    description in the published schema and in docs/job.md."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        defer_build=True,
    )
