"""How real images are encoded, for generated ones that are to look like them in that as well."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from augment.codec import Style, style_of
from augment.errors import SampleError
from augment.sample import RealRow
from augment.seeds import order_key
from augment.sources import Census, open_source
from augment.spec.models import JobSpec

_STYLES_PER_CLASS = 32


def styles_of(
    spec: JobSpec, census: Census, doing: Callable[[str], None]
) -> dict[str, tuple[Style, ...]]:
    """How up to 32 real images of each class are encoded, where made images follow them: class ->
    styles. doing: is told how far it is."""
    if spec.output.image.format != "match_real" or not spec.synthesize:
        return {}
    wanted: dict[str, list[RealRow]] = {}
    for label in census.classes:
        for row in _some_rows(census.table, label, spec.seed):
            wanted.setdefault(row.source, []).append(row)
    options = spec.execution.storage_options
    styles: dict[str, list[Style]] = {}
    read, total = 0, sum(map(len, wanted.values()))
    for source, rows in wanted.items():
        reader = open_source(source, spec.sources[source], options)
        for row, data in zip(rows, reader.read(rows), strict=True):
            read += 1
            doing(f"the encoding of {read:,} of {total:,} images")
            style = _style(data, spec.errors.max_pixels)
            if style is not None:
                styles.setdefault(row.label_name, []).append(style)
    return {label: tuple(found) for label, found in styles.items()}


def _style(data: bytes | SampleError, max_pixels: int) -> Style | None:
    """None for a bad image: it is counted when its row is built, not here."""
    if isinstance(data, SampleError):
        return None
    try:
        return style_of(data, max_pixels)
    except SampleError:
        return None


def _some_rows(table: pa.Table, label: str, seed: int) -> list[RealRow]:
    import pyarrow.compute as pc

    few = table.filter(
        pc.and_(pc.equal(table["label_name"], label), pc.less(table["rank"], _STYLES_PER_CLASS))
    ).to_pylist()
    rows = [RealRow(**row) for row in few]
    rows.sort(key=lambda r: order_key(seed, "style", f"{r.source}/{r.locator}"))
    return rows[:_STYLES_PER_CLASS]
