"""Rows that were planned and are left out, as the quarantine keeps them: who, where, and why."""

from __future__ import annotations

from augment.errors import SampleError
from augment.sample import Origin, PoolRow, QuarantinedRow, RealRow, SampleRow


def lost_real(row: RealRow, identity: str, cause: SampleError) -> QuarantinedRow:
    """A real image that cannot be used. identity: its sample id."""
    return _of_source(row, identity, Origin.REAL, cause)


def lost_copy_of_real(identity: str, row: RealRow, cause: SampleError) -> QuarantinedRow:
    """A copy of a real image that could not even be read."""
    return _of_source(row, identity, Origin.AUGMENTED, cause)


def _of_source(row: RealRow, identity: str, origin: Origin, cause: SampleError) -> QuarantinedRow:
    return QuarantinedRow(
        sample_id=identity,
        split=row.split,
        label_name=row.label_name,
        origin=origin,
        reason=cause.reason,
        detail=cause.detail,
        source=row.source,
        locator=row.locator,
    )


def lost_copy(identity: str, parent: SampleRow, cause: SampleError) -> QuarantinedRow:
    """A copy that failed although its parent is a row."""
    return QuarantinedRow(
        sample_id=identity,
        split=parent.split,
        label_name=parent.label_name,
        origin=parent.origin if parent.generated else Origin.AUGMENTED,
        reason=cause.reason,
        detail=cause.detail,
        generator=parent.generator.id if parent.generator else None,
        source=parent.source[0] if parent.source else None,
        locator=parent.source[1] if parent.source else None,
    )


def lost_pool_row(identity: str, split: str, row: PoolRow, cause: SampleError) -> QuarantinedRow:
    """A generated row, or a copy of one, that cannot be used."""
    return QuarantinedRow(
        sample_id=identity,
        split=split,
        label_name=row.label_name,
        origin=row.origin,
        reason=cause.reason,
        detail=cause.detail,
        generator=row.generator.id,
    )
