"""Which class a network's index stands for: a guessed label is worse than none.

A checkpoint that names its classes needs nothing; one that knows them only as indexes
needs the job's `class_index`, an unconditional one its `label`. Knows no family.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from augment.errors import CheckpointError, SpecError
from augment.generators.protocol import Options
from augment.spec import read_class_index
from augment.spec.generator_base import ClassConditional


def class_indexes(
    name: str,
    spec: ClassConditional,
    named: Sequence[str] | None,
    num_classes: int,
    options: Options = None,
) -> dict[str, int]:
    """Class -> the network's index for it, of the job's generator `name`.

    named: the checkpoint's own names in the order of its indexes, None where it has none.
    num_classes: indexes that the network has; 0: it is unconditional, and its one class is
    given the index 0.

    Raises:
        CheckpointError: a class is missing, not there, or has no effect.
    """
    place = f"generators.{name}"
    if num_classes == 0:
        return {_only_label(place, spec): 0}
    if spec.label is not None:
        raise CheckpointError(
            f"{place}.label: got {spec.label!r}, but the checkpoint is conditional on "
            f"{num_classes} classes; expected `class_index` instead"
        )
    if spec.class_index is not None:
        return _checked(place, _given(spec, options), num_classes)
    if named is None:
        raise CheckpointError(
            f"{place}: the checkpoint knows its {num_classes} classes only as indexes; say which "
            f"is which with {place}.class_index ({{name: index}} or {{file: FILE}}), or import it "
            "again with --classes FILE"
        )
    return {label: index for index, label in enumerate(named)}


def _only_label(place: str, spec: ClassConditional) -> str:
    if spec.class_index is not None:
        raise CheckpointError(
            f"{place}.class_index: has no effect, the checkpoint is unconditional; expected "
            "`label: <class>`, the class of everything that it makes"
        )
    if spec.label is None:
        raise CheckpointError(
            f"{place}: the checkpoint is unconditional; say which class its images are of with "
            f"{place}.label"
        )
    return spec.label


def _given(spec: ClassConditional, options: Options) -> dict[str, int]:
    assert spec.class_index is not None
    try:
        return read_class_index(spec.class_index, options=options)
    except SpecError as error:
        raise CheckpointError(str(error)) from None


def _checked(place: str, indexes: Mapping[str, int], num_classes: int) -> dict[str, int]:
    first: dict[int, str] = {}
    for label, index in indexes.items():
        at = f"{place}.class_index.{label}"
        if index >= num_classes:
            raise CheckpointError(
                f"{at}: got {index}; expected 0 to {num_classes - 1}, the checkpoint's indexes"
            )
        if (other := first.setdefault(index, label)) != label:
            raise CheckpointError(
                f"{at}: got {index}, which {other!r} has; expected one class each"
            )
    return dict(indexes)
