"""A job over a store that throttles, fails, breaks connections and answers late or in part:
it ends well, or with exit code 3 and a text that says where, and the same command then ends
in the data set of an undisturbed run."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augment.api import load_spec, run
from augment.errors import StorageError
from augment.storage import Folder
from tests.end_to_end.stores import document, images, pool_rows, upload
from tests.storage.s3_server import SECRET, Nth, Plan, Request, S3Server, Seeded

FAULTS = ("slow_down", "internal_error", "reset_before", "reset_after", "truncated", "late")


@pytest.fixture(scope="module")
def undisturbed(inputs: Path, s3_session: S3Server) -> dict[str, str]:
    base = f"{s3_session.bucket()}/job"
    upload(inputs, base, s3_session)
    carry_out(base, s3_session)
    return images(base, s3_session.options())


def carry_out(base: str, s3: S3Server, **options: Any) -> None:
    """One run; `options` are those of the store."""
    execution = {"storage_options": s3.options(**options)}
    assert run(load_spec(document(base, execution=execution)), engine="local").ok


def trouble(base: str, s3: S3Server) -> str:
    """How a run of few retries ends: the text of its StorageError (exit code 3), "" if well."""
    try:
        carry_out(base, s3, config_kwargs={"retries": {"total_max_attempts": 1}})
    except StorageError as error:
        return f"{error} ({error.exit_code})"
    return ""


def finished(base: str, s3: S3Server) -> dict[str, str]:
    """The images of a finished data set, after looking at the pool as well."""
    rows = pool_rows(base, s3.options())
    assert len({sample_id for sample_id, _ in rows}) == len(rows)
    return images(base, s3.options())


@pytest.mark.parametrize("fault", FAULTS)
def test_retries_carry_a_job_through(
    s3: S3Server, base: str, undisturbed: dict[str, str], fault: str
) -> None:
    with s3.breaking(Seeded(5, 0.06, [fault], at_once=1)):
        carry_out(base, s3)
        broken = Counter(found for found, _ in s3.broken)
    assert broken[fault] >= 5
    assert finished(base, s3) == undisturbed


@pytest.mark.parametrize("seed", range(int(os.environ.get("AUGMENT_STORE_SEEDS", "2"))))
def test_without_retries_a_job_ends_and_resumes(
    s3: S3Server, base: str, undisturbed: dict[str, str], seed: int
) -> None:
    """Each request is tried once by botocore and delta-rs, and s3fs asks again itself where a
    connection broke: what they give up on ends the run. Nothing is in the version before the
    commit, and after it everything."""
    broken = 0
    for again in range(60):
        plan = Seeded(100 * seed + again, 0.03, FAULTS, at_once=1)
        with s3.breaking(plan):
            end = trouble(base, s3)
            broken += len(s3.broken)
        if not end:
            break
        assert "s3://" in end
        assert SECRET not in end
    assert not end
    assert broken
    assert finished(base, s3) == undisturbed


def _put(part: str, ending: str = "") -> Callable[[Request], bool]:
    return lambda r: r.method == "PUT" and part in r.path and r.path.endswith(ending)


EXCLUSIVE = {
    "plan": _put("/out/_work/", "plan.json"),
    "claim": _put("/pool/_work/", "claims/00000000.json"),
    "try mark": _put("/units/", ".try-1"),
    "record": _put("/out/_work/", ".json"),
    "pool commit": _put("/pool/_delta_log/", "1.json"),
    "commit": _put("/out/_delta_log/", "1.json"),
    "shard": _put("/out/data/", ".parquet"),
}


@pytest.mark.parametrize("what", EXCLUSIVE)
def test_a_winner_that_is_told_it_lost(
    s3: S3Server, base: str, undisturbed: dict[str, str], what: str
) -> None:
    """The request is carried out, its answer never comes, and the retry finds the name taken."""
    with s3.breaking(Nth("reset_after", EXCLUSIVE[what])):
        carry_out(base, s3)
        assert len(s3.broken) == 1
    assert finished(base, s3) == undisturbed
    marks = [i.path for i in Folder(base, s3.options()).files() if ".try-" in i.path]
    assert marks
    assert not [path for path in marks if not path.endswith(".try-1")]


@pytest.mark.parametrize("what", ["plan", "claim", "commit"])
def test_a_put_that_meets_another_is_put_again(
    s3: S3Server, base: str, undisturbed: dict[str, str], what: str
) -> None:
    """S3 answers 409 to conditional puts that are under way together."""
    with s3.breaking(Nth("conflict", EXCLUSIVE[what], times=2)):
        carry_out(base, s3)
        assert len(s3.broken) == 2
    assert finished(base, s3) == undisturbed


def test_a_put_that_is_carried_out_after_its_client_gave_up(
    s3: S3Server, base: str, undisturbed: dict[str, str]
) -> None:
    """The server is slower than the client waits: the retry wins, the late one finds its name."""
    late, s3.late_s = s3.late_s, 1.5
    try:
        with s3.breaking(Nth("late", EXCLUSIVE["record"])):
            carry_out(base, s3, config_kwargs={"read_timeout": 0.5})
            assert len(s3.broken) == 1
    finally:
        s3.late_s = late
    assert finished(base, s3) == undisturbed


@pytest.mark.parametrize("what", ["claim", "record", "commit", "shard"])
def test_a_write_whose_end_nobody_knows(
    s3: S3Server, base: str, undisturbed: dict[str, str], what: str
) -> None:
    """The request is carried out and its answer is lost for good: the run ends, or goes on
    where it can look; the next one finds what stands there."""
    with s3.breaking(Nth("reset_after", EXCLUSIVE[what], times=40)):
        end = trouble(base, s3)
    assert not end or base in end
    carry_out(base, s3)
    assert finished(base, s3) == undisturbed


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("slow_down", "Service Unavailable"),
        ("internal_error", "Internal Server Error"),
        ("refused", "Forbidden"),
    ],
)
def test_a_store_that_stays_away(s3: S3Server, base: str, fault: str, words: str) -> None:
    def always(request: Request) -> str | None:
        return fault

    with s3.breaking(always), pytest.raises(StorageError) as away:
        carry_out(base, s3, config_kwargs={"retries": {"total_max_attempts": 2}})
    assert f"{base}/" in str(away.value)
    assert words in str(away.value)
    assert str(away.value).endswith("then run the same command again")
    assert len(s3.broken) <= 12  # bounded


@pytest.mark.parametrize("source", ["data/train/0/003.png", "two.parquet"])
def test_a_source_that_breaks_is_not_a_bad_image(
    s3: S3Server, base: str, undisturbed: dict[str, str], source: str
) -> None:
    """Trouble of the store must not leave a row out: the run ends and the next one has it."""

    def one(request: Request) -> bool:
        return request.method == "GET" and request.path.endswith(source)

    with s3.breaking(Nth("internal_error", one, times=99)), pytest.raises(StorageError):
        carry_out(base, s3, config_kwargs={"retries": {"total_max_attempts": 1}})
    carry_out(base, s3)
    assert finished(base, s3) == undisturbed


def test_plans_repeat_themselves() -> None:
    def broken(plan: Plan) -> list[str | None]:
        order = random.Random(3)
        return [plan(Request("GET", f"/{order.randrange(20)}", "")) for _ in range(200)]

    first, second = (broken(Seeded(1, 0.2, FAULTS)) for _ in range(2))
    assert first == second
    assert 10 < len([fault for fault in first if fault]) < 100
