"""Jobs on a Ray cluster that runs, through its Jobs API: sent once, followed, listed, stopped.

A submission is named by the job's request and an attempt, so that the same job is never begun
twice: Ray refuses a name that is taken. Ray facts built in here: RAY_ADDRESS in the environment
would replace the address that is asked for; a taken name comes back as HTTP 500; a cluster that
has just started has no agent yet; a driver that was killed has no exit code of ours.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from augment.errors import InterruptedRun, RequestError
from augment.importable import RAY_SETTINGS, refuse_unimportable
from augment.places import Fault, read_dashboard
from augment.policy import read_policy
from augment.secrecy import struck

_API_VARIABLE = "RAY_API_SERVER_ADDRESS"
_ENDED = ("SUCCEEDED", "FAILED", "STOPPED")
_STARTING_S = 60.0
_AWAY_S = 60.0
_CONNECT_S = 10.0
ANSWER_S = 45.0
"""How long an answer is waited for; Ray itself would wait for ever."""
_POLL_S, _LONGEST_POLL_S = 1.0, 15.0
_STOP_WAIT_S = 30
_PORT = "expected a dashboard of Ray (port 8265, unless the head was told otherwise)"
_AUTH = ("Authentication required", "Authentication failed")


@dataclass(frozen=True)
class Submission:
    """One attempt at a job, as the cluster knows it. exit_code: of `augment`, None while it runs;
    3 where the driver was stopped or killed."""

    id: str
    status: str
    exit_code: int | None
    message: str
    began_ms: int | None
    ended_ms: int | None
    request: str = ""

    @property
    def ended(self) -> bool:
        return self.status in _ENDED


@dataclass(frozen=True)
class Order:
    """What is to be run. job_id: name and digest of the request; folder: the bundle, uploaded as
    working folder; env: variables and values that travel."""

    job_id: str
    entrypoint: str
    folder: str
    env: Mapping[str, str] = field(default_factory=dict)
    anew: bool = False
    """Also where an attempt has succeeded."""
    there: Callable[[], bool | None] = lambda: True
    """Asks the store whether what a successful attempt made is there; None: nobody can tell."""


@dataclass(frozen=True)
class Sent:
    how: Literal["started", "attached", "done"]
    """attached: an attempt runs already. done: one has succeeded, nothing was started."""
    submission: Submission
    there: bool | None = None
    """Where an attempt has succeeded: whether the store has what it made, as far as it is known."""


class Cluster:
    """The Jobs API at `address` (http:// or https://). token: None takes RAY_AUTH_TOKEN.
    answer_s: how long each answer may take.

    Raises, like every method: RequestError for an address or token that is wrong,
    InterruptedRun where nobody answers.
    """

    def __init__(
        self, address: str, token: str | None = None, *, answer_s: float = ANSWER_S
    ) -> None:
        found = read_policy().dashboard(address)
        if isinstance(found, Fault):
            if isinstance(read_dashboard(address), Fault):
                expected = "the cluster's dashboard, for example http://HEAD:8265"
                found = found._replace(expected=expected)
            raise found.error("--address")
        self.address = address = found
        secret = token if token is not None else os.environ.get("RAY_AUTH_TOKEN")
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        refuse_unimportable("ray", RAY_SETTINGS)
        with self._told(), _addressed(address):
            self._client = _client(address, headers, answer_s)

    def send(self, order: Order) -> Sent:
        """Start the order's next attempt, unless one runs, or has succeeded and what it made is
        there: what a cluster remembers is not what a store holds."""
        last = self._last(order.job_id)
        if last is not None and not last[1].ended:
            return Sent("attached", last[1])
        there = None
        if last is not None and last[1].status == "SUCCEEDED" and not order.anew:
            there = order.there()
            if there is not False:
                return Sent("done", last[1], there)
        name = f"{order.job_id}-{1 if last is None else last[0] + 1}"
        env = {"RAY_JOB_STOP_WAIT_TIME_S": str(_STOP_WAIT_S), **order.env}
        try:
            self._submit(order, name, {"working_dir": order.folder, "env_vars": env})
        except _TakenError:  # another sender was faster
            return Sent("attached", self.show(name))
        return Sent("started", self.show(name), there)

    def list(self) -> list[Submission]:
        """Every submission that this project made, the newest first."""
        with self._told():
            found = [_submission(d) for d in self._client.list_jobs() if d.submission_id]
        ours = [s for s in found if s.request]
        return sorted(ours, key=lambda s: (s.began_ms or 0, s.id), reverse=True)

    def show(self, submission_id: str) -> Submission:
        _check_id(submission_id)
        with self._told(submission_id):
            return _submission(self._client.get_job_info(submission_id))

    def logs(self, submission_id: str) -> str:
        _check_id(submission_id)
        with self._told(submission_id):
            return str(self._client.get_job_logs(submission_id))

    def stop(self, submission_id: str) -> Submission:
        """Ask it to end, and wait until it has; finished units are kept."""
        _check_id(submission_id)
        with self._told(submission_id):
            self._client.stop_job(submission_id)
        return self.wait(submission_id)

    def wait(self, submission_id: str, say: Callable[[str], object] | None = None) -> Submission:
        """The submission once it has ended. say: is given its log as it grows. A cluster that
        does not answer for a while is asked again; the job goes on without whoever waits."""
        began = heard = time.monotonic()
        told = 0
        while True:
            try:
                found = self.show(submission_id)
                text = "" if say is None else self.logs(submission_id)
                heard = time.monotonic()
            except InterruptedRun:
                if time.monotonic() - heard > _AWAY_S:
                    raise
            else:
                if say is not None:
                    say(text[told:])
                    told = len(text)
                if found.ended:
                    return found
            time.sleep(min(_LONGEST_POLL_S, _POLL_S + (time.monotonic() - began) / 60))

    def _last(self, job_id: str) -> tuple[int, Submission] | None:
        """The latest attempt at a request, with its number."""
        pattern = re.compile(rf"{re.escape(job_id)}-(\d+)")
        found = [(pattern.fullmatch(s.id), s) for s in self.list()]
        numbered = [(int(match[1]), s) for match, s in found if match]
        return max(numbered, key=lambda pair: pair[0], default=None)

    def _submit(self, order: Order, name: str, runtime_env: dict[str, Any]) -> None:
        until = time.monotonic() + _STARTING_S
        metadata = {"augment_request": order.job_id}
        while True:
            try:
                with self._told(name):
                    self._client.submit_job(
                        entrypoint=order.entrypoint,
                        submission_id=name,
                        runtime_env=runtime_env,
                        metadata=metadata,
                    )
                return
            except _NoAgentError:
                if time.monotonic() > until:
                    raise
                time.sleep(_POLL_S)

    @contextlib.contextmanager
    def _told(self, submission_id: str = "") -> Iterator[None]:
        """What Ray raises, as errors that say the way out."""
        try:
            yield
        except ImportError as e:
            raise RequestError(f"submit: {e}; install augment-vision[cluster]") from None
        except (RuntimeError, OSError) as e:  # connection errors are OSErrors
            raise _as_ours(e, self.address, submission_id) from None
        except Exception as e:
            if type(e).__name__ != "AuthenticationError":
                raise
            raise _as_ours(e, self.address, submission_id) from None


class _TakenError(InterruptedRun):
    """A submission of that name stands already."""


class _NoAgentError(InterruptedRun):
    """The cluster has only just started."""


def _client(address: str, headers: dict[str, str], answer_s: float) -> Any:
    """Ray's client, with an end to its patience."""
    from ray.job_submission import JobSubmissionClient

    class Client(JobSubmissionClient):  # type: ignore[misc]  # it has no types
        def _do_request(self, method: str, endpoint: str, **how: Any) -> Any:
            how.setdefault("timeout", (_CONNECT_S, answer_s))
            return super()._do_request(method, endpoint, **how)

    try:
        return Client(address, headers=headers)
    except (KeyError, TypeError, ValueError) as e:  # an answer that is not its version
        raise RequestError(f"{address}: got a server of another kind; {_PORT}") from e


def _check_id(submission_id: str) -> None:
    """It becomes a part of a URL."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", submission_id):
        raise RequestError(
            f"got {submission_id!r:.80}, which is no submission's id; `augment jobs list` names "
            "them"
        )


def _as_ours(error: Exception, address: str, submission_id: str) -> Exception:
    text = " ".join(str(error).split())
    if text.startswith(_AUTH[0]):
        return RequestError(
            f"{address}: got no token; the cluster asks for one: give --token, or set "
            "RAY_AUTH_TOKEN"
        )
    if text.startswith(_AUTH[1]):
        return RequestError(
            f"{address}: the token is not this cluster's; look at --token or RAY_AUTH_TOKEN"
        )
    if "already exists" in text:
        return _TakenError(f"{submission_id}: stands already at {address}")
    if "No available agent" in text:
        return _NoAgentError(f"{address}: {text[:300]}; the cluster has only just started: wait")
    if "status code 404" in text and submission_id:
        return RequestError(
            f"{submission_id}: no such submission at {address}; `augment jobs list` names them"
        )
    if "ray[default]" in text:
        return RequestError(f"submit: {text}; install augment-vision[cluster]")
    if getattr(error, "response", None) is not None:  # of requests, by status
        return InterruptedRun(f"{address}: {text[:200]}; {_PORT}")
    if isinstance(error, OSError):
        return InterruptedRun(f"{address}: nobody answers ({text[:200]}); is the cluster up?")
    return InterruptedRun(f"{address}: {text[:500]}")


def _submission(details: Any) -> Submission:
    status = str(getattr(details.status, "value", details.status))
    return Submission(
        id=details.submission_id,
        status=status,
        exit_code=_exit_code(status, details.driver_exit_code),
        message=struck(details.message.splitlines()[0]) if details.message else "",
        began_ms=details.start_time,
        ended_ms=details.end_time,
        request=(details.metadata or {}).get("augment_request", ""),
    )


def _exit_code(status: str, driver: int | None) -> int | None:
    if status not in _ENDED:
        return None
    if status == "SUCCEEDED":
        return 0
    return driver if status == "FAILED" and driver in (1, 2, 3) else 3


@contextlib.contextmanager
def _addressed(address: str) -> Iterator[None]:
    """Ray takes the address from these variables whatever it is given."""
    before = os.environ.get(_API_VARIABLE)
    os.environ[_API_VARIABLE] = address
    try:
        yield
    finally:
        if before is None:
            del os.environ[_API_VARIABLE]
        else:
            os.environ[_API_VARIABLE] = before
