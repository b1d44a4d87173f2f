"""From an image to finished rows: real ones, generated ones, and classical copies of both.

Real bytes pass through untouched. Copies and re-encoded pool images are encoded as real
images of their class are, marked after the last encode where they are generated, and the
mark is read back. One bad image costs its own rows: they come back as quarantined rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from augment import codec
from augment.codec import Header, Picture, Style
from augment.errors import SampleError
from augment.run.mixing.copied import copied, decoding, maker, rule
from augment.run.mixing.copying import Drawn, Place, Wanted, copies_wanted, copyings
from augment.run.mixing.losses import lost_copy, lost_copy_of_real, lost_pool_row, lost_real
from augment.run.mixing.refused import Refused
from augment.run.prepare import Frozen
from augment.run.synthesis.pool_unit import system_name
from augment.sample import (
    AppliedOp,
    DigitalSourceType,
    Origin,
    Parent,
    PoolRow,
    QuarantinedRow,
    RealRow,
    SampleRow,
)
from augment.seeds import augmented_id, real_id, stream
from augment.spec.models import JobSpec
from augment.transforms import build_transformer
from augment.write import XmpMark, add_xmp, verify_mark

_IPTC = {member.value.rsplit("/", 1)[1]: member.value for member in DigitalSourceType}


@dataclass
class Made:
    """What became of one input: rows, each with the augmentation that made it, losses, and what
    is kept although its readers do not open it."""

    rows: list[tuple[SampleRow, str | None]] = field(default_factory=list)
    bad: list[tuple[QuarantinedRow, str | None]] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    def take(self, other: Made) -> None:
        self.rows += other.rows
        self.bad += other.bad
        self.refused += other.refused


@dataclass(frozen=True)
class _Parent:
    """An image whose copies are made, with everything that copies inherit."""

    row: SampleRow
    image: np.ndarray  # (H, W, 3) uint8 RGB
    style: Style
    decoded: tuple[AppliedOp, ...] = ()
    """What was lost when it was decoded."""


class _File(NamedTuple):
    """An encoded, marked image and what its row says of it."""

    data: bytes
    extension: str
    width: int
    height: int
    sha256: str
    marks: tuple[str, ...]


class RowMaker:
    """Makes the rows of one job. Used by one thread: transformers keep state."""

    def __init__(self, frozen: Frozen) -> None:
        prepared = frozen.prepared
        self._frozen, self._spec = frozen, prepared.job.spec
        self._infos = prepared.infos
        self._labels = {name: i for i, name in enumerate(frozen.plan.classes)}
        self._max_pixels = self._spec.errors.max_pixels
        self._set = {name: rule_attributes(self._spec, name) for name in self._infos}
        specs = self._spec.augmentations
        base, options = prepared.job.base, prepared.options
        transformers = [build_transformer(one, base, options) for one in specs]
        self._copying = copyings(specs, transformers, frozen.plan.copies)

    # ---- real ------------------------------------------------------------------------

    def real(self, row: RealRow, data: bytes | SampleError) -> Made:
        """The untouched row and its copies; `data` is what the source gave."""
        identity = real_id(row.source, row.locator)
        copies = copies_wanted(self._copying, (row.split, row.label_name, None), row.rank)
        try:
            if isinstance(data, SampleError):
                raise data
            header, picture, trouble = self._look(data)
        except SampleError as e:
            return self._lost(row, identity, copies, e)
        real = self._real_row(row, identity, data, header, _shown(picture))
        made = Made([(real, None)])
        if why := codec.refusal(data, header):
            made.refused.append((row.source, row.locator, why))
        for wanted in copies:
            if picture is None:
                assert trouble is not None
                made.take(self._lost_copies(wanted, row, identity, trouble))
            else:
                style, decoded = self._as_asked(picture.style), decoding(picture.lost)
                made.take(self._copies(wanted, _Parent(real, picture.image, style, decoded)))
        return made

    def _look(self, data: bytes) -> tuple[Header, Picture | None, SampleError | None]:
        """Header and pixels, or why there can be none although the file is whole."""
        try:
            picture = codec.read(data, self._max_pixels)
        except SampleError as e:
            if e.reason != "unsupported_depth":
                raise
            return codec.verify(data, self._max_pixels), None, e
        return picture.header, picture, None

    def _lost(
        self, row: RealRow, identity: str, copies: Sequence[Wanted], cause: SampleError
    ) -> Made:
        """A bad image: it and all its copies."""
        made = Made([], [(lost_real(row, identity, cause), None)])
        parent = SampleError("parent", f"{row.locator}: {cause}")
        for wanted in copies:
            made.take(self._lost_copies(wanted, row, identity, parent))
        return made

    def _real_row(
        self, row: RealRow, identity: str, data: bytes, header: Header, shown: str | None
    ) -> SampleRow:
        source = self._spec.sources[row.source]
        kind = source.digital_source_type
        return SampleRow(
            sample_id=identity,
            image=data,
            extension=header.extension,
            label=self._labels[row.label_name],
            label_name=row.label_name,
            split=row.split,
            origin=Origin.REAL,
            generated=False,
            rank=row.rank,
            digital_source_type=None if kind is None else _IPTC[kind],
            width=header.width,
            height=header.height,
            sha256=hashlib.sha256(data).hexdigest(),
            pixels_sha256=shown,
            license=source.license,
            source=(row.source, row.locator),
            attributes=tuple(sorted(source.attributes.items())),
            marks=header.marks,
        )

    # ---- generated -------------------------------------------------------------------

    def generated(self, generator: str, split: str, row: PoolRow, rank: int) -> Made:
        """A selected pool row, encoded for this data set, and its classical copies."""
        image = codec.decode(row.image, self._max_pixels)
        shown = codec.pixels_sha256(image)  # pool rows of earlier versions do not say it
        style = self._made_style(row)
        if self._spec.output.image.format == "match_real":
            image = codec.fit(image, style.width, style.height)
        by = system_name(row.generator.family, row.generator.id)
        file = self._file(image, style, row.sample_id, row.digital_source_type, by)
        whole = SampleRow(
            sample_id=row.sample_id,
            image=file.data,
            extension=file.extension,
            label=self._labels[row.label_name],
            label_name=row.label_name,
            split=split,
            origin=row.origin,
            generated=True,
            rank=rank,
            digital_source_type=row.digital_source_type,
            width=file.width,
            height=file.height,
            sha256=file.sha256,
            pixels_sha256=shown,
            license=self._infos[generator].license,
            generator=row.generator,
            parents=row.parents,
            scores=row.scores,
            attributes=self._attributes(generator, row),
            mask=self._mask(row, image),
            marks=file.marks,
        )
        made = Made([(whole, None)])
        for wanted in copies_wanted(self._copying, (split, row.label_name, generator), rank):
            made.take(self._copies(wanted, _Parent(whole, image, style)))
        return made

    def lost_generated(
        self, generator: str, split: str, row: PoolRow, rank: int, cause: SampleError
    ) -> Made:
        """A selected pool row that cannot be used, and its copies."""
        made = Made([], [(lost_pool_row(row.sample_id, split, row, cause), None)])
        parent = SampleError("parent", f"{row.sample_id}: {cause}")
        for wanted in copies_wanted(self._copying, (split, row.label_name, generator), rank):
            for identity in self._copy_ids(wanted, row.sample_id):
                lost = lost_pool_row(identity, split, row, parent)
                made.bad.append((lost, wanted.copying.spec.name))
        return made

    def _attributes(self, generator: str, row: PoolRow) -> tuple[tuple[str, str], ...]:
        """What the rule sets, over what holds for the source of the row's parent."""
        source = json.loads(row.generator.conditioning).get("source") if row.parents else None
        known = self._spec.sources[source].attributes if source in self._spec.sources else {}
        return tuple(sorted({**known, **self._set[generator]}.items()))

    def _mask(self, row: PoolRow, image: np.ndarray) -> bytes | None:
        """The row's label map in the size of its image."""
        if row.mask is None:
            return None
        return codec.label_map(row.mask, image.shape[1], image.shape[0], self._max_pixels)

    def _made_style(self, row: PoolRow) -> Style:
        """How a generated image is encoded: as a real one of its class, drawn by its id."""
        own = codec.style_of(row.image, self._max_pixels)
        if self._spec.output.image.format != "match_real":
            return self._as_asked(own)
        some = self._frozen.styles.get(row.label_name) or self._every_style()
        if not some:
            return own
        return some[int(stream(row.sample_id, "format").integers(len(some)))]

    def _every_style(self) -> Sequence[Style]:
        return [style for styles in self._frozen.styles.values() for style in styles]

    def ids_of_made(self, generator: str, split: str, row: PoolRow, rank: int) -> Iterator[str]:
        """Ids of the rows that `generated` would make; no pixel is touched."""
        yield row.sample_id
        for wanted in copies_wanted(self._copying, (split, row.label_name, generator), rank):
            yield from self._copy_ids(wanted, row.sample_id)

    def rows_of(self, place: Place, rank: int) -> int:
        """How many rows the image of this rank and its copies are."""
        return 1 + sum(wanted.n for wanted in copies_wanted(self._copying, place, rank))

    # ---- copies ----------------------------------------------------------------------

    def _copies(self, wanted: Wanted, parent: _Parent) -> Made:
        made = Made()
        name = wanted.copying.spec.name
        for at, identity in enumerate(self._copy_ids(wanted, parent.row.sample_id)):
            try:
                drawn = wanted.copying.draw(parent.image, identity)
            except SampleError as e:
                made.bad.append((lost_copy(identity, parent.row, e), name))
                continue
            made.rows.append((self._copy_row(wanted, at, identity, parent, drawn), name))
        return made

    def _copy_ids(self, wanted: Wanted, parent_id: str) -> Iterator[str]:
        """Ids of the copies of one parent, in the order of their numbers."""
        digest = wanted.copying.transformer.digest
        for copy in range(wanted.first, wanted.first + wanted.n):
            yield augmented_id(self._spec.seed, parent_id, digest, copy)

    def _copy_row(
        self, wanted: Wanted, at: int, identity: str, parent: _Parent, drawn: Drawn
    ) -> SampleRow:
        """A finished copy. One construction: in a profile, `replace` twice took 20 us of each."""
        row = parent.row
        origin, kind = copied(row)
        file = self._file(drawn.pixels, parent.style, identity, kind, maker(row))
        copying = wanted.copying
        made_by = rule(
            copying.spec.name,
            copying.transformer.digest,
            wanted.first + at,
            drawn.redraw,
            drawn.unchanged,
        )
        return SampleRow(
            sample_id=identity,
            image=file.data,
            extension=file.extension,
            label=row.label,
            label_name=row.label_name,
            split=row.split,
            origin=origin,
            generated=row.generated,
            rank=wanted.rank + at * wanted.step,
            digital_source_type=kind,
            width=file.width,
            height=file.height,
            sha256=file.sha256,
            pixels_sha256=codec.pixels_sha256(drawn.pixels),
            license=row.license,
            generator=row.generator,
            parents=(Parent(row.sample_id, row.sha256, row.source[1] if row.source else ""),),
            # no mask: operations do not move masks yet, and none is better than a wrong one
            transforms=(made_by, *parent.decoded, *drawn.applied),
            marks=file.marks,
            weight=row.weight,
            attributes=row.attributes,
        )

    def _lost_copies(
        self, wanted: Wanted, row: RealRow, parent_id: str, cause: SampleError
    ) -> Made:
        ids = self._copy_ids(wanted, parent_id)
        lost = [lost_copy_of_real(identity, row, cause) for identity in ids]
        return Made([], [(one, wanted.copying.spec.name) for one in lost])

    # ---- encoding --------------------------------------------------------------------

    def _as_asked(self, parent: Style) -> Style:
        """The parent's style, or the format that the job asks for instead."""
        wanted = self._spec.output.image
        match wanted.format:
            case "match_real":
                return parent
            case "png":
                return replace(parent, format="png", quality=None, subsampling=None)
            case "jpeg":
                quality = wanted.quality or 95
                return replace(parent, format="jpeg", quality=quality, subsampling="420")

    def _file(
        self,
        image: np.ndarray,
        style: Style,
        sample_id: str,
        kind: str | None,
        system: str | None,
    ) -> _File:
        """A row's final bytes: encode, mark, read the mark back, hash: in this order."""
        height, width = image.shape[:2]
        data = codec.encode(image, style)
        marks: tuple[str, ...] = ()
        if system is not None and kind is not None:
            mark = XmpMark(sample_id, kind, system)
            data = add_xmp(data, mark.sample_id, mark.digital_source_type, mark.system)
            verify_mark(data, mark)
            marks = ("xmp",)
        extension = "jpg" if style.format == "jpeg" else "png"
        return _File(data, extension, width, height, hashlib.sha256(data).hexdigest(), marks)


def _shown(picture: Picture | None) -> str | None:
    """The name of what a file shows; None where 8 bits a value do not show all of it."""
    if picture is None or "depth" in picture.lost:
        return None
    return codec.pixels_sha256(picture.image)


def rule_attributes(spec: JobSpec, generator: str) -> dict[str, str]:
    """What the rules that use a generator set on its rows; all set the same."""
    rule = next((r for r in spec.synthesize if generator in r.generators), None)
    return {} if rule is None else dict(rule.set)
