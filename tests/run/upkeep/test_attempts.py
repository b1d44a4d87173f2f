"""Retries follow one another: the next begins when the last is closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from augment.errors import InterruptedRun, RequestError
from augment.run.upkeep.attempts import Attempts
from augment.run.upkeep.kept import one_job
from augment.storage import Folder
from augment.write import Work


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(Folder(str(tmp_path)))


def test_an_attempt_goes_on_until_it_is_closed(work: Work) -> None:
    attempts = Attempts(work)
    assert list(attempts.all()) == []
    first = attempts.current()
    assert (first.number, first.units_planned()) == (1, None)
    first.freeze("units.json", {"generation": 2, "units": [1, 2]})
    assert (attempts.current().number, first.units_planned()) == (1, 2)
    first.close(committed=False)
    second = attempts.current()
    assert second.number == 2
    second.freeze("units.json", {"generation": 2, "units": [1]})
    assert [a.committed(1) for a in attempts.all()] == [False, False]
    assert [a.committed(2) for a in attempts.all()] == [False, True]  # died before it was closed
    second.close(committed=True)
    assert [a.committed(2) for a in attempts.all()] == [False, True]
    assert attempts.current().number == 3


def test_ten_come_after_nine(work: Work) -> None:
    for number in (1, 2, 9, 10):
        work.folder.replace(f"retry-{number}/plan/closed.json", b'{"committed": true}')
    work.folder.replace("retry-x/plan/closed.json", b"{}")
    assert [a.number for a in Attempts(work).all()] == [1, 2, 9, 10]
    assert Attempts(work).current().number == 11


def test_a_damaged_attempt_names_its_file(work: Work) -> None:
    work.folder.replace("retry-1/plan/units.json", b"[")
    with pytest.raises(InterruptedRun) as told:
        Attempts(work).current().units_planned()
    url = work.folder.url("retry-1/plan/units.json")
    assert str(told.value) == (
        f"{url}: 1 bytes that are no frozen retry; it was changed by hand: remove this one file "
        "and retry again"
    )


def test_the_job_that_is_meant(tmp_path: Path) -> None:
    output = Folder(str(tmp_path))
    with pytest.raises(RequestError, match=r"no job was begun here \(there is neither _work/"):
        one_job(output, None)
    for name in ("big-0123456789ab", "small-0123456789ab", "smaller-0123456789ab", "logs"):
        output.replace(f"_work/{name}/x", b"")
    assert one_job(output, "big") == "big-0123456789ab"
    assert one_job(output, "small-0123456789ab") == "small-0123456789ab"
    assert one_job(output, "small-") == "small-0123456789ab"
    with pytest.raises(RequestError, match=r"got --job 'small', which fits 2 jobs; expected one"):
        one_job(output, "small")
    with pytest.raises(RequestError, match=r"got no --job, which fits 3 jobs; expected one of big"):
        one_job(output, None)
