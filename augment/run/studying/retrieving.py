"""Real images that are no rows, as a rival of synthetic ones: looked up once, in a unit of its own,
and kept as a record beside the trainings. Who asks again looks up nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from augment.audit.table import DataSet
from augment.errors import StorageError
from augment.features import read_asked
from augment.features.choice import describe
from augment.features.needs import lacking
from augment.run.engines.engine import Engine, Resources
from augment.run.progress import Reporter
from augment.run.studying.offering import Offer, offer_of
from augment.run.studying.retrieval_unit import Reading, RetrievalTask
from augment.run.studying.retrieved_record import Looked, read_looked
from augment.run.studying.study_unit import StudyTask
from augment.seeds import digest
from augment.spec import Job
from augment.study.retrieval import Retrieved
from augment.study.rows import SYNTHETIC, Rows, classes_of

VERSION = 1
"""Raise it with every change of what is retrieved: records of others are not used then."""
EXTRACTORS = ("efficientnet_lite0", "random")
"""The first that is installed says what is near: neither needs a file of the user's."""


@dataclass(frozen=True)
class Rival:
    """report: what a study says of it. id: of what was retrieved, None: nothing was. path: of the
    record, below the folder of the study. reading: how its images are read."""

    report: Retrieved
    id: str | None
    path: str
    reading: Reading


def retrieve(
    job: Job, data: DataSet, rows: Rows, task: StudyTask, engine: Engine, reporter: Reporter
) -> Rival | None:
    """None where the job offers no images, or there are no synthetic ones to match. rows: that the
    study uses. task: of its trainings.

    Raises:
        StorageError: a source cannot be reached, or the record not be written.
    """
    splits, classes = task.splits, classes_of(rows, task.splits)
    counts = {name: rows.count(splits.train, name, SYNTHETIC) for name in classes}
    asked = {name: n for name, n in counts.items() if n}
    held = {splits.test, *([splits.validation] if splits.validation else [])}
    offer = offer_of(job, classes, asked, held, task.seed, task.options) if asked else None
    if offer is None:
        return None
    extractor = next(name for name in EXTRACTORS if name == "random" or not lacking([name]))
    errors, execution = job.spec.errors, job.spec.execution
    reading = Reading(offer.sources, task.options, errors.max_pixels, execution.image_timeout_s)
    path = f"retrieved/{_key(offer, counts, task, extractor)[:32]}.json"
    if not offer.rows:
        return Rival(_report(offer, asked, None), None, path, reading)
    looking = RetrievalTask(
        task.uri, task.version, task.folder, path, splits, task.seed, classes,
        list(counts.values()), offer.rows, offer.labels, extractor, reading,
    )  # fmt: skip
    looked = read_looked(task.folder, path) or _look(looking, engine, reporter)
    found = looked.id if looked.chosen else None
    return Rival(_report(offer, asked, looked), found, path, reading)


def _key(offer: Offer, counts: dict[str, int], task: StudyTask, extractor: str) -> str:
    """Of everything that decides what is retrieved, of one version in the folder of one study."""
    return digest({
        "version": VERSION, "asked": counts, "splits": list(task.splits), "seed": str(task.seed),
        "extractor": asdict(describe(read_asked(extractor, "study"))),
        "offered": [[row.source, row.locator, row.size, row.token, label]
                    for row, label in zip(offer.rows, offer.labels, strict=True)],
    })  # fmt: skip


def _look(task: RetrievalTask, engine: Engine, reporter: Reporter) -> Looked:
    engine.open()
    reporter.stage("retrieve", 1)
    for done, _ in enumerate(engine.run(task, ["retrieve"], Resources()), start=1):
        reporter.advance(done, len(task.rows))
    if (looked := read_looked(task.folder, task.path)) is None:
        raise StorageError(
            f"{task.folder.url(task.path)}: what was retrieved was written and cannot be read "
            "back; something else writes there, or the disk is bad"
        )
    return looked


def _report(offer: Offer, asked: dict[str, int], looked: Looked | None) -> Retrieved:
    had = dict.fromkeys(asked, 0)
    for one in looked.chosen if looked is not None else ():
        had[one.label] += 1
    lost = {**offer.left_out, **(looked.lost if looked is not None else {})}
    why = offer.why
    if looked is not None and looked.unnamed:
        why = (
            f"{looked.unnamed} real rows do not say what they show (pixels_sha256), so nothing "
            "keeps images that equal a test image out: an earlier version of augment wrote them"
        )
    elif why is None and not sum(had.values()):
        why = f"0 of the {sum(asked.values())} images that would match the synthetic ones are there"
    return Retrieved(
        tuple(sorted(offer.sources)), looked.extractor if looked is not None else "", offer.n, lost,
        asked, had, None not in offer.labels, why,
    )  # fmt: skip
