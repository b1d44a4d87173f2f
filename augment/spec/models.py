"""What a job file may say, as frozen pydantic models that refuse unknown keys.

`request` keys decide rows, ids and the digest; `execution` says how to run and never
enters ids, digest or resume. `limits` and `errors` judge, and enter neither. A key that
would have no effect is an error, so only what works is here. Reads no file.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from augment.spec.base import ClassName, Free, Name, Share, Spec
from augment.spec.execution import Execution
from augment.spec.generators import GeneratorSpec
from augment.spec.text import resolve

# ---- sources -------------------------------------------------------------------------


class LabelMap(Spec):
    """Source label -> class of the data set. Either `file` (CSV with a header `from,to`,
    or a JSON/YAML mapping) or `map`."""

    file: str | None = None
    map: dict[str, ClassName] | None = None
    unmapped: Literal["error", "drop"] = "error"


class SourceBase(Spec):
    uri: str
    splits: dict[Name, Annotated[str | Share, BeforeValidator(resolve)]]
    """Result split -> folder or value of the source's own split (text), or a share
    (numbers that sum to 1: drawn by `split_seed`, each class divided by itself and rounded by
    largest remainder). Never both in one source."""
    label_map: LabelMap | None = None
    max_per_class: Annotated[int, Field(ge=1)] | None = None
    """Most images of one class that this source gives. Where its splits are shares: over all
    of them, divided as the shares say; no image changes its split by it. Where they are
    texts: in each split, for they are sets of their own."""
    use: Literal["rows", "inputs", "label_maps"] = "rows"
    """rows: its images are rows of the data set. inputs: only generators read them.
    label_maps: the same, and what is made from one keeps it as `mask`."""
    attributes: dict[Name, str] = {}
    """What holds for all its images, for example {time_of_day: day}."""
    license: str | None = None
    digital_source_type: (
        Literal["digitalCapture", "negativeFilm", "positiveFilm", "print"] | None
    ) = None
    """IPTC term for the untouched images, only where the owner knows it."""


class ImageFolderSource(SourceBase):
    """`<uri>/<split>/<class>/**/image`; `<uri>/<class>/**/image` where splits are shares."""

    format: Literal["imagefolder"]


class ParquetColumns(Spec):
    image: str = "image"
    """binary, the `datasets` Image struct, or a string column of paths relative to uri."""
    label: str = "label"
    """string, or integers named by the `datasets` ClassLabel in the file's metadata."""
    split: str | None = None


class ParquetSource(SourceBase):
    """A Parquet file, or a folder of them. `<uri>/<split>/*.parquet` where splits are texts
    and no split column is named."""

    format: Literal["parquet"]
    columns: ParquetColumns = ParquetColumns()


SourceSpec = Annotated[ImageFolderSource | ParquetSource, Field(discriminator="format")]


def draws(source: SourceSpec) -> bool:
    """Whether the splits of a source are shares, so that its images are drawn into them."""
    return any(not isinstance(split, str) for split in source.splits.values())


# ---- rules ---------------------------------------------------------------------------


ClassTargets = Annotated[dict[ClassName, Annotated[int, Field(ge=0)]], Field(min_length=1)]


class Fill(Spec):
    """How many rows a rule adds. `to`: until each class has that many rows in the split
    ("max": as the largest class has; a mapping: only the classes named). `share`: this
    share of all rows of the split in the result; every class with rows must be one that the
    rule can make. Caps clamp what this one rule adds to a class of a split, whatever other
    rules add; all rules together are judged by `limits`."""

    to: Annotated[int, Field(ge=0)] | Literal["max"] | ClassTargets | None = None
    share: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    max_times_real: Annotated[float, Field(ge=0.0)] | None = None
    """At most this many times the untouched real rows of the class in the split, rounded down."""
    max_added: Annotated[int, Field(ge=0)] | None = None


class From(Spec):
    """Which rows an augmentation takes as parents; None: all that may be taken."""

    origin: Annotated[list[Literal["real", "synthetic", "translated"]], Field(min_length=1)] = [
        "real"
    ]
    classes: list[ClassName] | None = None
    splits: list[Name] | None = None


class Augmentation(Spec):
    """Classical copies. `ops`: albumentations transforms in order, each `{Name: {params}}`
    or a bare name; a composition takes `transforms: [...]`. `pipeline`: a file written
    from `A.to_dict` (JSON or YAML). Exactly one of copies and fill, of ops and pipeline."""

    name: Name
    from_: From = Field(default=From(), alias="from")
    copies: Annotated[int, Field(ge=1, le=1000)] | None = None
    fill: Fill | None = None
    backend: Literal["albumentations"] = "albumentations"
    ops: list[Free] | None = None
    pipeline: str | None = None


class InputFrom(Spec):
    """Which images generators are fed; None: all that may be taken.

    Images of protected splits never are. attributes: only sources that have all of these.
    splits: None: the split that the rule's rows go to.
    """

    origin: Annotated[list[Literal["real"]], Field(min_length=1, max_length=1)] = ["real"]
    sources: Annotated[list[Name], Field(min_length=1)] | None = None
    classes: Annotated[list[ClassName], Field(min_length=1)] | None = None
    splits: Annotated[list[Name], Field(min_length=1)] | None = None
    attributes: dict[Name, str] = {}


class Input(Spec):
    """Rows are made from images. per_image: samples of one image at most.

    mask: an image folder with `use: inputs` that holds, for each of the images, one of the
    same place and name but for the ending: where an inpainting generator paints (white).
    """

    from_: InputFrom = Field(default=InputFrom(), alias="from")
    per_image: Annotated[int, Field(ge=1, le=100_000)] = 1
    mask: Name | None = None


class Synthesize(Spec):
    """Rows made by generators. Exactly one of fill and manifest; with `input` neither is
    needed: then each image gives `per_image` samples.

    label: of rows made from an image: its own (`keep`), or this class. set: attributes of
    the rows; those that a source image has and that are not named here are kept.
    """

    generators: (
        Annotated[list[Name], Field(min_length=1)]
        | Annotated[dict[Name, Annotated[float, Field(gt=0.0)]], Field(min_length=1)]
    )
    fill: Fill | None = None
    manifest: str | None = None
    input: Input | None = None
    label: Literal["keep"] | ClassName = "keep"
    set: dict[Name, str] = {}
    classes: list[ClassName] | None = None
    split: Name = "train"


class Degenerate(Spec):
    """Rejects blank, constant or saturated images."""

    min_std: Annotated[float, Field(ge=0.0)] = 2.0
    """Least standard deviation of the levels (0 .. 255)."""
    max_saturated: Share = 0.98
    """Largest share of values at 0 or 255."""


class FilterSpec(Spec):
    """One filter: exactly one key."""

    degenerate: Degenerate | None = None


# ---- result --------------------------------------------------------------------------


class ImageFormat(Spec):
    format: Literal["match_real", "png", "jpeg"] = "match_real"
    quality: Annotated[int, Field(ge=1, le=100)] | None = None
    """JPEG quality, with `format: jpeg` only; 95 if not given."""


class Shard(Spec):
    target_bytes: Annotated[int, Field(ge=1 << 16)] = 256 << 20
    row_group_bytes: Annotated[int, Field(ge=1 << 14)] = 32 << 20


class Output(Spec):
    uri: str
    mode: Literal["create"] = "create"
    image: ImageFormat = ImageFormat()
    shard: Shard = Shard()


class ShareLimit(Spec):
    """Judged in every split. max: over all classes; per_class: for each."""

    max: Annotated[float, Field(ge=0.0)] | None = None
    per_class: Annotated[float, Field(ge=0.0)] | None = None


class Limits(Spec):
    synthetic_share: ShareLimit | None = None
    """Generated rows / all rows."""
    synthetic_to_real: ShareLimit | None = None
    """Generated rows / untouched real rows: copies cannot dilute it."""
    min_rows_per_class: dict[Name, Annotated[int, Field(ge=0)]] | None = None
    """split -> least rows of every class."""
    min_unique_real_per_class: dict[Name, Annotated[int, Field(ge=0)]] | None = None


class JobLimits(Limits):
    """The limits of a job: of its result, and of what it may cost."""

    gpu_hours: Annotated[float, Field(ge=0.0)] | None = None
    """GPU hours that a job may plan to spend; a measured plan above it is refused."""


class Errors(Spec):
    """A run stops when bad inputs > max(min_count, max_share x inputs)."""

    max_share: Share = 0.01
    min_count: Annotated[int, Field(ge=0)] = 10
    max_pixels: Annotated[int, Field(ge=1)] = 89_478_485
    """Images with more are bad inputs, known from their header (Pillow's warning limit).
    Decides rows, so it enters the request digest, unlike the budget above."""


class About(Spec):
    owner: str | None = None
    purpose: str | None = None
    ticket: str | None = None
    license: str | None = None


class Classes(Spec):
    """Row order = label id, for ever. A text file, one class a line; or a list."""

    file: str | None = None
    names: list[ClassName] | None = None


# ---- the job ----------------------------------------------------------------------------


class JobSpec(Spec):
    """One augmentation job. Relative paths are relative to the job file."""

    version: Annotated[Literal[1], BeforeValidator(resolve)]
    name: Name
    seed: Annotated[int, Field(ge=0, lt=1 << 63)]
    """Draws everything that is made: another seed is another draw of every augmented and every
    generated row, of the same real rows in the same splits."""
    split_seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 0
    """Draws everything about real rows: which split each is in where splits are shares, which
    ones a cap keeps, and their ranks."""
    about: About = About()
    classes: Classes | None = None
    sources: Annotated[dict[Name, SourceSpec], Field(min_length=1)]
    protected_splits: list[Name] | None = None
    """Real rows only, bytes unchanged, never a parent; None: every split but train."""
    generators: dict[Name, GeneratorSpec] = {}
    augmentations: list[Augmentation] = []
    synthesize: list[Synthesize] = []
    on_shortfall: Literal["fail", "warn"] = "fail"
    max_attempts_per_sample: Annotated[int, Field(ge=1, le=1000)] = 3
    filters: list[FilterSpec] = []
    pool: str = "pool"
    output: Output
    limits: JobLimits = JobLimits()
    errors: Errors = Errors()
    execution: Execution = Execution()
