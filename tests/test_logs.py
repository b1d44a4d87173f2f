"""Lines with ids: which code they are about, both formats, other processes, credentials."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from augment import logs
from augment.secrecy import secret_values


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def kept() -> Iterator[Kept]:
    handler = Kept()
    logger = logging.getLogger("augment.test")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


LOG = logging.getLogger("augment.test")


def line(kept: Kept, *secrets: str) -> dict[str, Any]:
    return dict(json.loads(logs.JsonLines(secrets).format(kept.records[-1])))


def test_a_json_line_says_what_it_is_about(kept: Kept) -> None:
    with logs.about(job_id="small-1", generator="fake"), logs.about(unit="unit-1", actor="n:1"):
        LOG.warning("sample %d\nis odd", 7)
        found = line(kept)
    assert found.pop("time").endswith("+00:00")
    assert found == {
        "level": "WARNING", "logger": "augment.test", "message": "sample 7\nis odd",
        "job_id": "small-1", "unit": "unit-1", "generator": "fake", "actor": "n:1",
    }  # fmt: skip


def test_ids_end_with_what_they_are_about(kept: Kept) -> None:
    with logs.about(job_id="small-1"):
        with logs.about():
            logs.tell(unit="unit-1")
            assert logs.ids() == {"job_id": "small-1", "unit": "unit-1"}
        assert logs.ids() == {"job_id": "small-1"}
    LOG.info("alone")
    found = line(kept)
    assert [found[name] for name in logs.IDS] == [None, None, None, logs.actor()]


def test_a_thread_is_about_what_its_maker_is() -> None:
    with logs.about(unit="unit-1"):
        with ThreadPoolExecutor(1) as plain:
            assert plain.submit(logs.ids).result() == {}
        with ThreadPoolExecutor(1, initializer=logs.inherited()) as threads:
            assert threads.submit(logs.ids).result() == {"unit": "unit-1"}


def test_a_traceback_stands_in_its_line(kept: Kept) -> None:
    with logs.about(unit="unit-1"):
        try:
            raise ZeroDivisionError("hunter22")
        except ZeroDivisionError:
            LOG.exception("broke")
        found = line(kept, "hunter22")
        text = logs.TextLines(("hunter22",)).format(kept.records[-1])
    assert found["unit"] == "unit-1"
    assert found["traceback"].startswith("Traceback (most recent call last):\n")
    assert found["traceback"].endswith("\nZeroDivisionError: ***")
    first, *_, last = text.splitlines()
    assert first.endswith(f"ERROR augment.test broke unit=unit-1 actor={logs.actor()}")
    assert last == "    ZeroDivisionError: ***"


def test_a_text_line_about_no_unit_is_as_it_was(kept: Kept) -> None:
    with logs.about(job_id="small-1"):
        LOG.info("a fact")
        text = logs.formatter("text").format(kept.records[-1])
    assert text.endswith(" INFO augment.test a fact")


def test_a_line_of_another_process_keeps_its_time_and_ids(kept: Kept) -> None:
    told = {
        "time": "2026-01-02T03:04:05.500000+00:00", "level": "ERROR", "logger": "augment.test",
        "message": "100 % odd", "job_id": "small-1", "unit": "unit-1", "generator": None,
        "actor": "other:7", "traceback": "Traceback\nKeyError: 'w'",
    }  # fmt: skip
    with logs.about(job_id="mine", unit="not this one", generator="nor this"):
        logs.relogged(told)
        found = line(kept)
    assert found == {**told, "generator": "nor this"}


def test_a_line_below_the_loggers_level_is_not_logged_again(kept: Kept) -> None:
    LOG.setLevel(logging.ERROR)
    LOG.error("x")
    told = {**logs.facts(kept.records.pop()), "level": "INFO"}
    logs.relogged(told)
    assert kept.records == []


def test_what_is_named_like_a_credential_is_struck_out(kept: Kept) -> None:
    options = {
        "s3": {"key": "AKIA0123", "secret": "s3cr3t", "endpoint_url": "http://127.0.0.1:9",
               "client_kwargs": {"aws_session_token": ["t0ken1", "t0ken12"]}, "anon": "no"},
        "gs": {"token": {"private_id": "p4ssw0rd"}, "project": "public"},
        "az": {"account_key": "abc", "sas_token": 7},
    }  # fmt: skip
    secrets = secret_values(options, {"RAY_AUTH_TOKEN": "r4y-token", "HOME": "/home/me"})
    LOG.info("with %s at http://127.0.0.1:9", options["s3"])
    for text in (logs.JsonLines(secrets).format(kept.records[-1]),
                 logs.TextLines(secrets).format(kept.records[-1])):  # fmt: skip
        assert not any(secret in text for secret in secrets)
        assert "http://127.0.0.1:9" in text
        assert "***" in text


def test_a_note_is_found_in_a_traceback() -> None:
    trace = f"Traceback (most recent call last):\nKeyError: 'w'\n{logs.note({'unit': 'u'})}\n"
    assert logs.ids_in(trace) == {"unit": "u"}
    assert logs.ids_in("Traceback (most recent call last):\nKeyError: 'w'\n") == {}
