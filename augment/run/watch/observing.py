"""Who observes a run: what the job's `execution` and the command line ask for, for as long as
the run takes. Opens and closes; what is observed is for `telling.py` to say.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator

from augment.errors import RequestError
from augment.run.progress import Reporter, Silent
from augment.run.watch.exporter import serving
from augment.run.watch.metrics import Metrics
from augment.run.watch.telling import Observer
from augment.run.watch.timeline import Timeline
from augment.spec import Job
from augment.spec.execution import MetricsExport

_LOG = logging.getLogger("augment.run")


@contextlib.contextmanager
def observing(
    job: Job,
    *,
    profile: str | None = None,
    reporter: Reporter | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> Iterator[tuple[Observer, ...]]:
    """The observers of one run of a job. profile: a file for its timeline. reporter: is told
    where the metrics are. wait: passes the seconds that they stay after the end.

    Raises:
        RequestError: nothing can listen, or be written, where the job or `profile` says.
    """
    with contextlib.ExitStack() as stack:
        found: list[Observer] = []
        if profile is not None:
            found.append(stack.enter_context(_timeline(profile)))
        if (export := job.spec.execution.metrics) is not None:
            found.append(stack.enter_context(_exported(export, reporter or Silent(), wait)))
        yield tuple(found)


@contextlib.contextmanager
def _timeline(path: str) -> Iterator[Timeline]:
    timeline = Timeline(path)
    try:
        yield timeline
    finally:
        try:
            timeline.write()
        except RequestError as error:  # the run's own end is what matters
            _LOG.error("%s", error)


@contextlib.contextmanager
def _exported(
    export: MetricsExport, reporter: Reporter, wait: Callable[[float], None]
) -> Iterator[Metrics]:
    metrics = Metrics()
    with serving(metrics, export) as url:
        reporter.note(f"metrics: {url}")
        _LOG.info("metrics: %s", url)
        try:
            yield metrics
        except KeyboardInterrupt:
            raise
        except BaseException:
            _linger(export.linger_s, reporter, wait)
            raise
        _linger(export.linger_s, reporter, wait)


def _linger(seconds: float, reporter: Reporter, wait: Callable[[float], None]) -> None:
    if seconds:
        reporter.note(f"metrics: there for {seconds:g} s more")
        wait(seconds)
