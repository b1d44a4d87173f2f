"""An S3 server on loopback (moto) that breaks requests by a plan, and counts them.

moto looks whether a name exists and then writes; real S3 does both at once. So writes are
let through one by one here, else two exclusive creates could both win.
"""

from __future__ import annotations

import random
import re
import socket
import struct
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

REGION = "eu-central-1"
SECRET = "secret-that-nobody-may-print"
REQUEST_ID = "4442587FB7D0A2F9"


@dataclass(frozen=True)
class Request:
    """method: HTTP's. path: `/bucket/key`. query: as it was sent. credential: the id of the key
    that signed it."""

    method: str
    path: str
    query: str
    credential: str = ""


Fault = str
"""slow_down | internal_error | reset_before | reset_after | truncated | late | conflict |
refused | wrong_key"""

_ANSWERS = {
    "slow_down": ("503 Slow Down", "SlowDown"),
    "internal_error": ("500 Internal Server Error", "InternalError"),
    "conflict": ("409 Conflict", "ConditionalRequestConflict"),
    "refused": ("403 Forbidden", "AccessDenied"),
    "wrong_key": ("403 Forbidden", "InvalidAccessKeyId"),
}

Plan = Callable[[Request], Fault | None]
"""What goes wrong with a request; None: nothing."""


class Seeded:
    """Breaks a share of all requests, each place at most `at_once` times in a row, so that
    enough retries always get through. The same requests in the same order break alike."""

    def __init__(self, seed: int, share: float, faults: Iterable[Fault], at_once: int = 2) -> None:
        self._random = random.Random(seed)
        self._share, self._faults, self._at_once = share, tuple(faults), at_once
        self._row: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Fault | None:
        place = (request.method, request.path)
        with self._lock:
            row = self._row.get(place, 0)
            if row >= self._at_once or self._random.random() >= self._share:
                self._row[place] = 0
                return None
            self._row[place] = row + 1
            return self._random.choice(self._faults)


class Nth:
    """Breaks the nth request (from 1) that `matches`, and the `times - 1` after it."""

    def __init__(
        self, fault: Fault, matches: Callable[[Request], bool], nth: int = 1, times: int = 1
    ) -> None:
        self._fault, self._matches = fault, matches
        self._range = range(nth, nth + times)
        self._seen = 0
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Fault | None:
        if not self._matches(request):
            return None
        with self._lock:
            self._seen += 1
            return self._fault if self._seen in self._range else None


@dataclass
class S3Server:
    """endpoint: its URL. plan: what breaks; None: nothing. seen: every request that came.
    broken: what was done to them, in order."""

    endpoint: str
    plan: Plan | None = None
    seen: list[Request] = field(default_factory=list)
    broken: list[tuple[Fault, Request]] = field(default_factory=list)
    late_s: float = 0.3

    def bucket(self) -> str:
        """A new bucket's URI."""
        name = f"b{uuid.uuid4().hex[:16]}"
        client = boto3.client(
            "s3", endpoint_url=self.endpoint, region_name=REGION,
            aws_access_key_id="test", aws_secret_access_key=SECRET,
        )  # fmt: skip
        client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        client.close()
        return f"s3://{name}"

    def options(self, **more: Any) -> dict[str, dict[str, Any]]:
        """Storage options that lead here."""
        own = {
            "endpoint_url": self.endpoint,
            "key": "test",
            "secret": SECRET,
            "client_kwargs": {"region_name": REGION},
        }
        return {"s3": own | more}

    def environment(self) -> dict[str, str]:
        """The same by environment variables."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
        }

    @contextmanager
    def breaking(self, plan: Plan) -> Iterator[None]:
        """The plan holds inside the block."""
        self.plan = plan
        self.broken.clear()
        try:
            yield
        finally:
            self.plan = None

    def count(self, method: str, ending: str) -> int:
        """Requests of that method whose path ends so."""
        return sum(r.method == method and r.path.endswith(ending) for r in self.seen)


@contextmanager
def serving() -> Iterator[S3Server]:
    """A server in a thread; gone afterwards. It serves S3 alone: moto's own server asks the disk at
    every request which services there are, which takes as long as the answer."""
    app = _Breaking(create_backend_app("s3"))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    app.server = S3Server(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield app.server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(MotoRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        pass


class _Breaking:
    """WSGI: breaks a request before, after or instead of handing it on."""

    server: S3Server

    def __init__(self, app: Any) -> None:
        self._app = app
        self._one_writer = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        request = Request(
            environ["REQUEST_METHOD"],
            environ["PATH_INFO"],
            environ.get("QUERY_STRING", ""),
            _key_id(environ.get("HTTP_AUTHORIZATION", "")),
        )
        self.server.seen.append(request)
        fault = self.server.plan(request) if self.server.plan else None
        if fault is None:
            return self._whole(environ, start)
        self.server.broken.append((fault, request))
        return self._break(fault, environ, start)

    def _break(self, fault: Fault, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        if fault in _ANSWERS:
            return _refuse(environ, start, *_ANSWERS[fault])
        match fault:
            case "reset_before":
                return _reset(environ)
            case "reset_after":
                _drain(self._whole(environ, _ignore))
                return _reset(environ)
            case "late":
                time.sleep(self.server.late_s)
                return self._whole(environ, start)
            case "truncated":
                return self._truncated(environ, start)
        raise ValueError(fault)

    def _whole(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            return self._app(environ, start)
        with self._one_writer:
            return list(self._app(environ, start))

    def _truncated(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        """The headers of the whole answer with half of its body, then the end."""
        body = b"".join(self._whole(environ, start))
        yield body[: len(body) // 2]
        yield from _reset(environ)


def _key_id(header: str) -> str:
    found = re.search(r"Credential=([^/]+)/", header)
    return found[1] if found else ""


def _refuse(environ: dict[str, Any], start: Any, status: str, code: str) -> Iterable[bytes]:
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    ids = f"<RequestId>{REQUEST_ID}</RequestId><HostId>{REQUEST_ID}/=</HostId>"
    body = f"<Error><Code>{code}</Code><Message>by plan</Message>{ids}</Error>".encode()
    start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def _reset(environ: dict[str, Any]) -> Iterable[bytes]:
    """Ends the connection with RST, without an answer."""
    connection: socket.socket = environ["werkzeug.socket"]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError("by plan")


def _drain(parts: Iterable[bytes]) -> None:
    for _ in parts:
        pass


def _ignore(
    status: str, headers: list[tuple[str, str]], info: Any = None
) -> Callable[[bytes], None]:
    return lambda data: None
