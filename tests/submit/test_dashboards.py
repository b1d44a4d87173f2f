"""Addresses at which no dashboard of Ray is: each is told in bounded time, with the way out."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator

import pytest

from augment.errors import AugmentError, InterruptedRun, RequestError
from augment.submit.jobs_api import Cluster

PORT = "expected a dashboard of Ray (port 8265, unless the head was told otherwise)"


@contextlib.contextmanager
def listening(says: bytes) -> Iterator[str]:
    """Somebody who takes every connection, and says this to whoever has asked."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept: list[socket.socket] = []

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    kept.append(connection)
                    connection.recv(65536)
                    connection.sendall(says)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        for connection in kept:
            connection.close()


def page(text: str, status: str = "200 OK") -> bytes:
    """What a web server answers."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()


def refused(says: bytes) -> tuple[AugmentError, str]:
    """What comes of it, without the address that it begins with."""
    with listening(says) as address, pytest.raises(AugmentError) as caught:
        Cluster(address, answer_s=1.0)
    return caught.value, str(caught.value).removeprefix(f"{address}: ")


@pytest.mark.parametrize(
    "says", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf", b"SSH-2.0-OpenSSH_9.2\r\n"]
)
def test_nobody_who_speaks_http_is_not_waited_for(says: bytes) -> None:
    """Ray itself waits for an answer as long as the connection stands."""
    error, text = refused(says)
    assert type(error) is InterruptedRun
    assert text.startswith("nobody answers (")
    assert text.endswith("is the cluster up?")


@pytest.mark.parametrize("text", ["<html></html>", "{}", "[]", json.dumps({"ray_version": "?"})])
def test_a_web_server_of_another_kind(text: str) -> None:
    error, said = refused(page(text))
    assert type(error) is RequestError
    assert said == f"got a server of another kind; {PORT}"


def test_a_web_server_that_refuses() -> None:
    """A gateway in front of a cluster does so while that one starts."""
    error, said = refused(page("", "502 Bad Gateway"))
    assert type(error) is InterruptedRun
    assert said.startswith("502 Server Error")
    assert said.endswith(PORT)
