"""Metrics over HTTP: what a scrape reads, and where nothing can listen."""

from __future__ import annotations

import re
import socket
import urllib.request
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from augment.errors import RequestError
from augment.policy import VARIABLE
from augment.run.watch.exporter import serving
from augment.run.watch.metrics import METRICS, Metrics
from augment.run.watch.telling import Stage, UnitDone
from augment.spec.execution import MetricsExport
from tests.waiting import STILL_S

ODD = 'a "class"\nwith \\ everything'


def scraped(url: str) -> str:
    with urllib.request.urlopen(url, timeout=STILL_S) as answer:
        return str(answer.read().decode())


def test_a_scrape_has_every_metric_with_help_and_kind() -> None:
    with serving(Metrics(), MetricsExport(port=0)) as url:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/metrics", url)
        text = scraped(url)
    kinds = {line.split()[2]: line.split()[3] for line in text.splitlines() if "# TYPE" in line}
    assert kinds == {metric.name: metric.kind for metric in METRICS}
    assert "# HELP augment_samples Rows in finished shards of the data set\n" in text


def test_values_arrive_as_they_are() -> None:
    metrics = Metrics()
    metrics.named("small-1", "local")
    metrics.written(
        {"cells": [["train", ODD, "real", "s", None, None, 7, 0]], "quarantine": [], "entry": None}
    )
    said = {"unit": "u", "actor": "n:1", "begun": 1.0, "ended": 3.0}
    metrics.unit(UnitDone(Stage("mix"), 7, 0, said, 3.0))
    with serving(metrics, MetricsExport(port=0)) as url:
        families = {f.name: f for f in text_string_to_metric_families(scraped(url))}
    (sample,) = families["augment_samples"].samples
    assert sample.value == 7
    assert sample.labels == {
        "job_id": "small-1", "split": "train", "class": ODD, "origin": "real", "generator": "",
    }  # fmt: skip
    buckets = {
        s.labels["le"]: s.value
        for s in families["augment_unit_seconds"].samples
        if s.name.endswith("_bucket")
    }
    assert (buckets["1.0"], buckets["2.5"], buckets["+Inf"]) == (0, 1, 1)


def test_a_programs_own_metrics_stay_its_own() -> None:
    with serving(Metrics(), MetricsExport(port=0)) as url:
        assert "python_info" not in scraped(url)
        assert not any(f.name.startswith("augment_") for f in REGISTRY.collect())


def test_nobody_answers_afterwards() -> None:
    with serving(Metrics(), MetricsExport(port=0)) as url:
        pass
    with pytest.raises(OSError, match="refused"):
        scraped(url)


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = (
            rf"^execution\.metrics: nothing can listen at 127\.0\.0\.1 port {port}: "
            r"Address already in use; choose another port \(0: any free one\) or an address of "
            r"this machine$"
        )
        with (
            pytest.raises(RequestError, match=text),
            serving(Metrics(), MetricsExport(port=port)),
        ):
            pytest.fail("two listen at one port")


def test_an_address_of_another_machine() -> None:
    with (
        pytest.raises(RequestError, match=r"nothing can listen at 192\.0\.2\.1 port 0: "),
        serving(Metrics(), MetricsExport(port=0, address="192.0.2.1")),
    ):
        pytest.fail("that address is for documents")


def test_a_program_is_held_to_the_policy_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("allowed_metrics_addresses: []\n")
    monkeypatch.setenv(VARIABLE, str(policy))
    with (
        pytest.raises(RequestError) as refused,
        serving(Metrics(), MetricsExport(port=0, address="0.0.0.0")),
    ):
        pass
    assert str(refused.value) == (
        "execution.metrics.address: got '0.0.0.0', where this machine lets nobody go; expected one "
        "of 127.0.0.1, localhost. Ask the operator to list it under `allowed_metrics_addresses` in "
        f"{policy}"
    )
    with serving(Metrics(), MetricsExport(port=0, address="localhost")) as url:
        assert url.startswith("http://localhost:")
