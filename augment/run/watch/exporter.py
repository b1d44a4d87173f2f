"""Metrics over HTTP in Prometheus's text format. The only user of prometheus_client; nothing is
put into its global registry, so that a program's own metrics stay its own.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from augment.errors import RequestError
from augment.places import Fault
from augment.policy import read_policy
from augment.run.watch.metrics import METRICS, Histogram, Labels, Metric, Metrics, Value
from augment.run.watch.observed import BUCKETS

if TYPE_CHECKING:
    from prometheus_client.core import Metric as Family

    from augment.spec.execution import MetricsExport


@contextlib.contextmanager
def serving(metrics: Metrics, export: MetricsExport) -> Iterator[str]:
    """Answers at the address that is given until the end; 0 is any free port.

    Raises:
        RequestError: nothing can listen there, or the operator's policy does not allow it.
    """
    from prometheus_client import CollectorRegistry, start_http_server

    if isinstance(fault := read_policy().interface(export.address), Fault):
        raise fault.error("execution.metrics.address")  # of a job's it is known already
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(metrics))
    try:
        server, thread = start_http_server(export.port, export.address, registry)
    except OSError as e:  # of names that mean nothing too
        raise RequestError(
            f"execution.metrics: nothing can listen at {export.address} port {export.port}: "
            f"{e.strerror or e}; choose another port (0: any free one) or an address of this "
            "machine"
        ) from e
    host = f"[{export.address}]" if ":" in export.address else export.address
    try:
        yield f"http://{host}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Collector:
    """What prometheus_client asks at every scrape."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Family]:
        values = self._metrics.values()
        return (_family(metric, values.get(metric, {})) for metric in METRICS)


def _family(metric: Metric, values: dict[Labels, Value]) -> Family:
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )

    labels = ("job_id", *metric.labels)
    if metric.kind == "histogram":
        family = HistogramMetricFamily(metric.name, metric.help, labels=labels)
        for key, value in values.items():
            assert isinstance(value, Histogram)
            family.add_metric(_labels(key), _cumulative(value), value.sum)
        return family
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    simple = kind(metric.name, metric.help, labels=labels)
    for key, value in values.items():
        assert not isinstance(value, Histogram)
        simple.add_metric(_labels(key), value)
    return simple


def _labels(labels: Labels) -> list[str]:
    """As they are, for programs: the format has escapes of its own. Halves of characters, which
    names of files may hold, are no UTF-8."""
    return [label.encode(errors="backslashreplace").decode() for label in labels]


def _cumulative(value: Histogram) -> list[tuple[str, float]]:
    limits = [*(str(limit) for limit in BUCKETS), "+Inf"]
    return list(zip(limits, map(float, itertools.accumulate(value.counts)), strict=True))
