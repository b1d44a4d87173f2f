"""Whether a Ray can be reached at an address, found out before this process depends on it.

Where nobody answers as Ray's head does, Ray itself tries on for minutes, or ends its process. So
whoever listens is asked for what every gRPC server says first, and a process of its own goes the
whole way in, which may take as long as it may and may die of it.

    python -m augment.run.engines.ray_reach ADDRESS      what is started; not for people
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable

from augment import children
from augment.errors import AugmentError, InterruptedRun, RequestError

HELLO_S = 10.0
WAY_S = 40.0
"""Of the way in; Ray itself waits for 30 s until a node of this machine is known."""
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
"""How a client begins (RFC 9113, section 3.4): a magic line and an empty SETTINGS frame."""
_SETTINGS = 4
_PORTS = (
    "expected the port of a head's GCS (`ray start --head` prints it, 6379 unless it was told "
    "otherwise; 8265 is the dashboard's, 10001 that of ray:// clients)"
)

Tell = Callable[[float], None]


def refuse_unreachable(
    address: str, tell: Tell, *, hello_s: float = HELLO_S, way_s: float = WAY_S
) -> None:
    """Ask whoever is at `address`: "auto", `host:port`, or a ray:// one. tell: is told every
    second for how many seconds it has been going on. hello_s, way_s: how long the first answer
    and the way in may take.

    Raises:
        InterruptedRun: nobody is there, or Ray does not let this process in.
        RequestError: it is not what the address should name.
    """
    begun = time.monotonic()
    place = _place(address)
    if place is not None:
        tell(0.0)
        _hear(address, place, hello_s)
    _go(address, lambda: tell(time.monotonic() - begun), way_s)


def refuse_another(address: str, connected: str) -> None:
    """A process is connected to one Ray at a time. address: what is asked for. connected: the
    `host:port` of the GCS of the Ray that this process is connected to.

    Raises:
        RequestError: `address` is a `host:port` that is not that Ray's.
    """
    place, there = _place(address), _place(connected)
    if place is None or "://" in address or place == there:
        return
    if there is not None and place[1] == there[1] and _hosts(place) & _hosts(there):
        return
    raise RequestError(
        f"Ray at {address}: this process is connected to the Ray at {connected} already; "
        "disconnect from it first (`ray.shutdown()`), or give its address or none"
    )


def _hosts(place: tuple[str, int]) -> set[str]:
    """The addresses of a host's name; all of this machine are one."""
    try:
        found = {str(one[4][0]) for one in socket.getaddrinfo(*place, type=socket.SOCK_STREAM)}
    except OSError:
        return {place[0]}
    here = {"127.0.0.1", "::1"}
    return found | here if any(map(_is_here, found)) else found


def _is_here(host: str) -> bool:
    """Whether an address is one of this machine's: only then a socket may have it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as mine:
            mine.bind((host, 0))
    except OSError:
        return False
    return True


def _place(address: str) -> tuple[str, int] | None:
    """Host and port; None where only Ray knows."""
    host, _, port = address.rpartition("://")[2].partition("/")[0].rpartition(":")
    return (host.strip("[]"), int(port)) if host and port.isdigit() else None


def _hear(address: str, place: tuple[str, int], hello_s: float) -> None:
    """Whoever listens begins as a gRPC server does."""
    until = time.monotonic() + hello_s
    try:
        with _connected(place, until) as connection:
            if os.environ.get("RAY_USE_TLS", "0") == "1":  # says nothing that could be read here
                return
            heard = _heard(connection, until)
    except (OSError, ValueError, OverflowError) as error:
        raise InterruptedRun(_nobody(address, f"{type(error).__name__}: {error}")) from error
    if heard[:5] == b"HTTP/":
        raise RequestError(f"Ray at {address}: got a web server; {_PORTS}")
    if not heard:
        raise InterruptedRun(_nobody(address, f"it says nothing for {hello_s:.0f} s"))
    if len(heard) < 4 or heard[3] != _SETTINGS:
        raise RequestError(f"Ray at {address}: got a server of another kind; {_PORTS}")


def _connected(place: tuple[str, int], until: float) -> socket.socket:
    """To the first of the host's addresses that takes a connection."""
    found = socket.getaddrinfo(*place, type=socket.SOCK_STREAM)
    trouble = OSError("the host has no address")
    for family, kind, protocol, _, there in found:
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(max(0.001, until - time.monotonic()))
            connection.connect(there)
        except OSError as error:
            connection.close()
            trouble = error
        else:
            return connection
    raise trouble


def _heard(connection: socket.socket, until: float) -> bytes:
    """The head of the first frame, or what came instead of it."""
    heard = b""
    connection.sendall(_PREFACE)
    while len(heard) < 9 and (left := until - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            part = connection.recv(9 - len(heard))
        except TimeoutError:
            break
        if not part:
            break
        heard += part
    return heard


def _go(address: str, tell: Callable[[], None], way_s: float) -> None:
    """Send a process the whole way in."""
    try:
        process = subprocess.Popen(
            children.command(__spec__.name, address),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
    except OSError as error:
        raise InterruptedRun(
            f"Ray at {address}: no process could be begun here: {error}"
        ) from error
    until = time.monotonic() + way_s
    try:
        while True:
            tell()
            try:
                said, _ = process.communicate(timeout=1.0)
                break
            except subprocess.TimeoutExpired:
                if time.monotonic() > until:
                    why = f"not let in within {way_s:.0f} s"
                    raise InterruptedRun(_nobody(address, why)) from None
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    if process.returncode:
        why = f"a process that went there ended with {process.returncode}"
        raise InterruptedRun(_nobody(address, why))
    why = json.loads(said.splitlines()[-1])
    if why is not None:
        raise _judged(address, why)


def _judged(address: str, why: str) -> AugmentError:
    if "ersion mismatch" in why:
        return RequestError(
            f"Ray at {address}: {why}; expected the same versions of Ray and Python on both sides"
        )
    return InterruptedRun(_nobody(address, why))


def _nobody(address: str, why: str) -> str:
    return (
        f"Ray at {address}: {why}; {_PORTS}. Mend it, or choose another `execution.address` (none: "
        "an embedded one) or `--engine local`"
    )


def main(address: str) -> int:
    """Connect and leave; says JSON, null where it went well."""
    out = os.dup(1)
    os.dup2(2, 1)
    try:
        import ray

        ray.init(address=address, logging_level="ERROR", log_to_driver=False)
        ray.shutdown()
        why = None
    except Exception as error:  # Ray raises plain ones too
        why = _cause(error)
    os.write(out, (json.dumps(why) + "\n").encode())
    os._exit(0)  # nothing more is to be waited for


def _cause(error: BaseException) -> str:
    """What it all began with, in one line; Ray puts whole tracebacks into texts."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = f"{type(error).__name__}: {error}"
    named = [line for line in text.splitlines() if re.match(r"[\w.]*(Error|Exception): ", line)]
    return (named or [text])[-1].strip()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
