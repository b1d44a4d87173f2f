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
from augment.spec.filters import FilterSpec
from augment.spec.generators import GeneratorSpec
from augment.spec.measure_limits import MeasureLimit
from augment.spec.text import resolve

# ---- sources -------------------------------------------------------------------------


class LabelMap(Spec):
    """Which label of the source is which class of the data set: exactly one of `file` and `map`."""

    file: str | None = None
    """A CSV file with the header `from,to`, or a YAML or JSON file that holds a mapping of source
    label to class."""
    map: dict[str, ClassName] | None = None
    """Source label -> class."""
    unmapped: Literal["error", "drop"] = "error"
    """What happens to a label that is not in the map: the plan is refused, or its images are left
    out and counted."""


class SourceBase(Spec):
    """What every source may say."""

    uri: str
    """Where it is: a path, which is relative to the job file, or a URI such as
    `s3://bucket/photos`."""
    splits: dict[Name, Annotated[str | Share, BeforeValidator(resolve)]]
    """Split of the result -> what of the source goes into it: a folder or value of the source's own
    split (text), or a share (numbers that sum to 1: drawn by `split_seed`, each class divided by
    itself and rounded by largest remainder; an image that equals others byte for byte, in this
    source or another one, goes where they go). All texts or all shares."""
    label_map: LabelMap | None = None
    """How the source's labels become classes; not given: each label is a class."""
    max_per_class: Annotated[int, Field(ge=1)] | None = None
    """Most images of one class that this source gives. Where its splits are shares: over all
    of them, divided as the shares say; no image changes its split by it. Where they are
    texts: in each split, for they are sets of their own."""
    follow_links: bool = False
    """Whether links that leave the source are followed, as those of git-annex, DataLad and DVC
    do, as far as the operator's policy allows the places they lead to. Without it they are left
    out and counted. Links that stay inside are followed in any case."""
    use: Literal["rows", "inputs", "label_maps"] = "rows"
    """`rows`: its images are rows of the data set. `inputs`: only generators read them, and
    `augment study`, which holds synthetic images against them.
    `label_maps`: as `inputs`, and what is made from one keeps it as its `mask`."""
    attributes: dict[Name, str] = {}
    """What holds for all its images, as name -> value: rules can ask for it, and rows made from
    them keep it."""
    license: str | None = None
    """SPDX expression or words; stands in every row and on the card."""
    digital_source_type: (
        Literal["digitalCapture", "negativeFilm", "positiveFilm", "print"] | None
    ) = None
    """IPTC's term for how the untouched images came to be, only where the owner knows it; it stands
    in the rows."""


class ImageFolderSource(SourceBase):
    """Files in a folder for each class: `<uri>/<split>/<class>/**/image`, or
    `<uri>/<class>/**/image` where the splits are shares."""

    format: Literal["imagefolder"]
    empty_classes: Literal["keep", "drop"] | None = None
    """What becomes of a class folder of which no image can be used, where no other source has
    images of the class either and `classes` is not given: it keeps its place in the class list, or
    has none. Not given: the plan is refused, because the ids of the classes behind it would
    shift."""


class ParquetColumns(Spec):
    """Names of the columns that are read."""

    image: str = "image"
    """Encoded images: binary, lists of bytes, the `datasets` Image struct, or a text column of
    paths below uri, with or without the uri in front. What only looks like it (base64, URLs,
    paths elsewhere) is refused."""
    label: str = "label"
    """Labels: text, or whole numbers (floats with gaps are taken as such), which the `datasets`
    ClassLabel in the file's metadata names; all files of a source have the same names. A column
    that stands in the names of folders alone (`label=cat/`) is read from them."""
    split: str | None = None
    """Values that `splits` names. Not given: the files are told apart by folder and name."""


class ParquetSource(SourceBase):
    """A Parquet file, or a folder of them, one row per image. Where the splits are texts and no
    split column is named: `<uri>/<split>/*.parquet`, `<uri>/<split>-*.parquet` and
    `<uri>/<split>.parquet`."""

    format: Literal["parquet"]
    columns: ParquetColumns = ParquetColumns()
    """What its columns are called."""


SourceSpec = Annotated[ImageFolderSource | ParquetSource, Field(discriminator="format")]


def draws(source: SourceSpec) -> bool:
    """Whether the splits of a source are shares, so that its images are drawn into them."""
    return any(not isinstance(split, str) for split in source.splits.values())


# ---- rules ---------------------------------------------------------------------------


ClassTargets = Annotated[dict[ClassName, Annotated[int, Field(ge=0)]], Field(min_length=1)]


class Fill(Spec):
    """How many rows a rule adds: exactly one of `to` and `share`. Caps clamp what this one rule
    adds to a class of a split, whatever other rules add; all together are judged by `limits`."""

    to: Annotated[int, Field(ge=0)] | Literal["max"] | ClassTargets | None = None
    """Rows are added until each class has so many in the split, all rows made so far counted:
    a number; `max`: as many as the largest class has; a mapping: the classes named and no others.
    A class that has them already gets none."""
    share: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    """The rule's rows are this share of all rows of the split in the result; every class with rows
    must be one that the rule can make. Several shares are solved together, after all counts."""
    max_times_real: Annotated[float, Field(ge=0.0)] | None = None
    """Beside `to`: at most this many times the untouched real rows of the class in the split,
    rounded down."""
    max_added: Annotated[int, Field(ge=0)] | None = None
    """Beside `to`: rows that the rule adds to a class at most."""


class From(Spec):
    """Which rows an augmentation takes as parents."""

    origin: Annotated[list[Literal["real", "synthetic", "translated"]], Field(min_length=1)] = [
        "real"
    ]
    """Kinds of parents: real images, and what generators made from noise (`synthetic`) or from
    images (`translated`)."""
    classes: list[ClassName] | None = None
    """Classes of the parents; not given: all."""
    splits: list[Name] | None = None
    """Splits of the parents, none of them protected; not given: all that are not."""


class Augmentation(Spec):
    """Varied copies of rows: exactly one of `copies` and `fill`, and one of `ops` and
    `pipeline`."""

    name: Name
    """Stands in the rows that it makes."""
    from_: From = Field(default=From(), alias="from")
    """Which rows are the parents."""
    copies: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Copies of each parent."""
    fill: Fill | None = None
    """How many rows are added instead, the parents of a class taking turns."""
    backend: Literal["albumentations"] = "albumentations"
    """The library that `ops` and `pipeline` are of."""
    ops: list[Free] | None = None
    """Operations of albumentations in their order, each a bare name or `{Name: {parameters}}`;
    a composition such as `OneOf` takes `transforms`, a list of the same."""
    pipeline: str | None = None
    """A file that `albumentations.save` wrote, of 2.0.8 or of 1.x: `.json`, `.yaml` or `.yml`."""
    unchanged: Literal["redraw", "keep"] = "redraw"
    """What becomes of a copy that shows its parent's very pixels, because no operation ran or
    none changed anything: it is drawn again, up to 100 times and at most 8 times where
    operations ran in vain, or kept. What stays equal is counted either way."""


class InputFrom(Spec):
    """Which images generators are fed. Images of protected splits never are."""

    origin: Annotated[list[Literal["real"]], Field(min_length=1, max_length=1)] = ["real"]
    """Kinds of images: real ones."""
    sources: Annotated[list[Name], Field(min_length=1)] | None = None
    """Names of sources; not given: all."""
    classes: Annotated[list[ClassName], Field(min_length=1)] | None = None
    """Classes of the images; not given: all."""
    splits: Annotated[list[Name], Field(min_length=1)] | None = None
    """Splits of the images; not given: the split that the rule's rows go to."""
    attributes: dict[Name, str] = {}
    """Only images of sources that have all of these attributes."""


class Input(Spec):
    """Rows are made from images, not from noise alone."""

    from_: InputFrom = Field(default=InputFrom(), alias="from")
    """Which images."""
    per_image: Annotated[int, Field(ge=1, le=100_000)] = 1
    """Samples of one image at most."""
    mask: Name | None = None
    """An image folder with `use: inputs` that holds, for each of the images, one of the same place
    and name but for the ending: where an inpainting generator paints (white)."""


class Synthesize(Spec):
    """Rows made by generators: exactly one of `fill` and `manifest`; with `input` neither is
    needed, and then each image gives `per_image` samples."""

    generators: (
        Annotated[list[Name], Field(min_length=1)]
        | Annotated[dict[Name, Annotated[float, Field(gt=0.0)]], Field(min_length=1)]
    )
    """Names of the job's generators, which share each class evenly; or name -> weight."""
    fill: Fill | None = None
    """How many rows are added."""
    manifest: str | None = None
    """A file with a row per sample or count of samples: `.parquet`, `.csv` or `.jsonl`, with the
    columns `label_name` and, where needed, `generator`, `split`, `count` or `index`,
    `sample_id`."""
    input: Input | None = None
    """The images that the rows are made from, for generators that take images."""
    label: Literal["keep"] | ClassName = "keep"
    """Beside `input`: the class of the rows: that of the image (`keep`), or this one."""
    set: dict[Name, str] = {}
    """Attributes of the rows, as name -> value; those that a source image has and that are not
    named here are kept."""
    classes: list[ClassName] | None = None
    """Classes that the rule adds to; not given: all that the generators know."""
    split: Name = "train"
    """The split that the rows go to; not a protected one."""


# ---- result --------------------------------------------------------------------------


class ImageFormat(Spec):
    """How images that were made are encoded. Untouched ones keep their bytes."""

    format: Literal["match_real", "png", "jpeg"] = "match_real"
    """`match_real`: format, quality and size as real images of the class have them, a copy as its
    parent, so that the format does not tell made images from real ones."""
    quality: Annotated[int, Field(ge=1, le=100)] | None = None
    """Of JPEG, with `format: jpeg` only; not given: 95."""


class Shard(Spec):
    """How large the files of the result are."""

    target_bytes: Annotated[int, Field(ge=1 << 16)] = 256 << 20
    """Bytes of one Parquet file, about."""
    row_group_bytes: Annotated[int, Field(ge=1 << 14)] = 32 << 20
    """Bytes of one row group of it, about."""


class Output(Spec):
    """Where the result goes, and in what form."""

    uri: str
    """A folder of its own: a path, which is relative to the job file, or a URI."""
    mode: Literal["create"] = "create"
    """The folder holds this job's result and no other's."""
    image: ImageFormat = ImageFormat()
    """How images that were made are encoded."""
    shard: Shard = Shard()
    """How large the files are."""


class ShareLimit(Spec):
    """The most of a share or ratio; judged in every split."""

    max: Annotated[float, Field(ge=0.0)] | None = None
    """Over all classes together."""
    per_class: Annotated[float, Field(ge=0.0)] | None = None
    """For each class."""


class Limits(Spec):
    """What the result must keep to."""

    synthetic_share: ShareLimit | None = None
    """Generated rows divided by all rows. A row is generated if it or any ancestor of it is."""
    synthetic_to_real: ShareLimit | None = None
    """Generated rows divided by untouched real rows, so that copies cannot dilute it."""
    min_rows_per_class: dict[Name, Annotated[int, Field(ge=0)]] | None = None
    """Split -> least rows of every class."""
    min_unique_real_per_class: dict[Name, Annotated[int, Field(ge=0)]] | None = None
    """Split -> least real images of every class, each counted once."""
    measures: Annotated[list[MeasureLimit], Field(min_length=1)] | None = None
    """How good the generated part must be. Judged by `augment audit --quality`, and by a run where
    `gate: before_commit` says so."""


class JobLimits(Limits):
    """The limits of a job: of its result, and of what it may cost."""

    gpu_hours: Annotated[float, Field(ge=0.0)] | None = None
    """GPU hours that the job may plan to spend; a measured plan above it is refused."""
    gate: Literal["before_commit", "report_only"] | None = None
    """When limits of the result are judged. `before_commit`: a run measures exactly the rows that
    it would commit, and where a limit is broken, or one of `measures` could not be judged, it
    commits nothing and ends with 1; all that was made is kept, and the same command goes on.
    `report_only`, or not given: after the commit, and `measures` when somebody audits with
    `--quality`."""


class Errors(Spec):
    """How many bad inputs a run bears: it stops as soon as there are more than
    `max(min_count, max_share x inputs)`, and before its commit where a class lost too much."""

    max_share: Share = 0.01
    """Share of the inputs."""
    min_count: Annotated[int, Field(ge=0)] = 10
    """So many are borne however few inputs there are."""
    max_share_per_class: Share = 0.5
    """Share of the real images of one class in one split. `min_count` and `max_share` cover no more
    than this of any class, so that a rare one is not lost in silence. Judged when all units are
    built; 1 turns it off."""
    allow_empty_classes: list[ClassName] = []
    """Classes that may have nothing in the end, or nothing of one kind of rows (real, augmented,
    synthetic, translated) or of one source, although some was planned; their images are not held
    to `max_share_per_class`. Where another class has nothing, nothing is committed and the exit
    code is 1. A data set without any row is never committed."""
    max_pixels: Annotated[int, Field(ge=1)] = 89_478_485
    """Images with more pixels are bad inputs, which their header tells; the default is where Pillow
    warns of a decompression bomb. Decides rows, so it enters the request digest, unlike the budget
    above. An audit decodes images of at most 268,435,456."""


class About(Spec):
    """Words about the job for people; they stand on the card and change no row."""

    owner: str | None = None
    """Who answers for it."""
    purpose: str | None = None
    """What the data set is for."""
    ticket: str | None = None
    """Where it was asked for."""
    license: str | None = None
    """SPDX expression or words: of the data set as a whole."""


class Classes(Spec):
    """The classes in the order of their label ids, for ever; new ones go to the end. Exactly one of
    `file` and `names`."""

    file: str | None = None
    """A text file with one class name a line."""
    names: list[ClassName] | None = None
    """The names themselves."""


# ---- the job ----------------------------------------------------------------------------


class JobSpec(Spec):
    """One job. Relative paths are relative to the job file; `${NAME}` in URIs and below `execution`
    is replaced by that variable of the environment. Class names are text: `0`, `no` and `12:30`
    need no quotes."""

    version: Annotated[Literal[1], BeforeValidator(resolve)]
    """Of this grammar."""
    name: Name
    """Of the job: part of its identity, and of the name of its work folder."""
    seed: Annotated[int, Field(ge=0, lt=1 << 63)]
    """Draws everything that is made: another seed is another draw of every augmented and every
    generated row, of the same real rows in the same splits."""
    split_seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 0
    """Draws everything about real rows: which split each is in where splits are shares, which
    ones a cap keeps, and their ranks."""
    about: About = About()
    """Words about the job for people."""
    classes: Classes | None = None
    """The classes and their label ids; not given: the classes of all sources by name."""
    sources: Annotated[dict[Name, SourceSpec], Field(min_length=1)]
    """Name -> real images."""
    protected_splits: list[Name] | None = None
    """Splits that hold real rows only, bytes unchanged, never a parent of anything; not given:
    every split but `train`."""
    generators: dict[Name, GeneratorSpec] = {}
    """Name -> generator (docs/generators.md)."""
    augmentations: list[Augmentation] = []
    """Rules that add varied copies, carried out in their order, before `synthesize`."""
    synthesize: list[Synthesize] = []
    """Rules that add rows made by generators, carried out in their order."""
    on_shortfall: Literal["fail", "warn"] = "fail"
    """What it means that a run got fewer accepted samples than planned: what there is is committed
    and told; `fail`: and the exit code is 1."""
    max_attempts_per_sample: Annotated[int, Field(ge=1, le=1000)] = 3
    """Samples that are tried for each one wanted, at most, where filters reject."""
    filters: list[FilterSpec] = []
    """What generated samples must pass."""
    pool: str = "pool"
    """Folder or URI of the pool, where generated samples are kept and shared by jobs."""
    output: Output
    """The result."""
    limits: JobLimits = JobLimits()
    """What the result must keep to, and what it may cost."""
    errors: Errors = Errors()
    """How many bad inputs a run bears."""
    execution: Execution = Execution()
    """How the job is run. Nothing here changes a row: it can be laid over with `--execution FILE`
    and `--set KEY=VALUE`."""
