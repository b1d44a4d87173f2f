"""Addresses where no Ray is: each is told in bounded time, with the way out."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from augment.errors import AugmentError, InterruptedRun, RequestError
from augment.run.engines.ray_reach import refuse_unreachable

SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
"""What a gRPC server says first."""


@contextlib.contextmanager
def listening(says: bytes | None) -> Iterator[str]:
    """Somebody who takes every connection and says this; None: hangs up at once."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept: list[socket.socket] = []

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    kept.append(connection)
                    if says is None:
                        connection.close()
                    else:
                        connection.sendall(says)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        for connection in kept:
            connection.close()


def refused(address: str, hello_s: float = 1.0, way_s: float = 2.0) -> tuple[AugmentError, int]:
    """What comes of it, and how often it was said that it goes on."""
    beats: list[float] = []
    with pytest.raises(AugmentError) as caught:
        refuse_unreachable(address, beats.append, hello_s=hello_s, way_s=way_s)
    assert str(caught.value).startswith(f"Ray at {address}: ")
    return caught.value, len(beats)


WAY_OUT = (
    "; expected the port of a head's GCS (`ray start --head` prints it, 6379 unless it was told "
    "otherwise; 8265 is the dashboard's, 10001 that of ray:// clients)"
)
MEND = (
    ". Mend it, or choose another `execution.address` (none: an embedded one) or `--engine local`"
)


@pytest.mark.parametrize("scheme", ["", "ray://"])
@pytest.mark.parametrize(
    ("says", "kind", "why"),
    [
        (b"", InterruptedRun, "it says nothing for 1 s"),
        (b"\x00\x00", RequestError, "got a server of another kind"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", RequestError, "got a web server"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", RequestError, "got a server of another kind"),
        (b"\x15\x03\x01\x00\x02\x02\x46 TLS", RequestError, "got a server of another kind"),
    ],
)
def test_somebody_who_is_no_ray(
    says: bytes, kind: type[AugmentError], why: str, scheme: str
) -> None:
    with listening(says) as address:
        error, _ = refused(scheme + address)
    assert type(error) is kind
    end = MEND if kind is InterruptedRun else ""
    assert str(error) == f"Ray at {scheme}{address}: {why}{WAY_OUT}{end}"


def test_somebody_who_hangs_up() -> None:
    with listening(None) as address:
        error, _ = refused(address)
    assert type(error) is InterruptedRun
    assert str(error).endswith(WAY_OUT + MEND)


def test_somebody_who_begins_well_and_says_no_more() -> None:
    """The process that goes there is ended, and it is said meanwhile that it goes on."""
    with listening(SETTINGS) as address:
        error, beats = refused(address)
    assert type(error) is InterruptedRun
    assert f"{address}: not let in within 2 s{WAY_OUT}{MEND}" in str(error)
    assert beats >= 3


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("nowhere.invalid:6379", "gaierror: "),
        ("127.0.0.1:99999", ""),
        ("[::1]:9", ""),
        ("ray://127.0.0.1:9", "ConnectionRefusedError: "),
    ],
)
def test_nobody(address: str, why: str) -> None:
    error, _ = refused(address)
    assert type(error) is InterruptedRun
    assert why in str(error)
    assert str(error).endswith(WAY_OUT + MEND)
