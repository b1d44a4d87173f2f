"""Addresses that a job or a person may say: of a Ray cluster, of its Jobs API, of a store's
endpoint, of the interface that metrics are served on. One closed grammar.

Ray takes far more than is allowed here: for `name://x` it imports a Python module of that name
(ray.client_builder, ray.dashboard.modules.dashboard_sdk), and a `ray://` server answers with
pickles that the driver opens. Resolves nothing and connects to nothing.
"""

from __future__ import annotations

import ipaddress
import re

from augment.places.fault import Fault, quoted

CLUSTER = "auto or HOST:PORT"
CLIENT = "ray://"
_DASHBOARD = "http://HOST:PORT or https://HOST"
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def read_cluster(text: str) -> str | Fault:
    """`auto`, `host:port` or `ray://host:port`, with the host in lower case: whether the last is
    allowed is the policy's."""
    if text == "auto":
        return text
    scheme = CLIENT if text.startswith(CLIENT) else ""
    address = _host_and_port(text.removeprefix(scheme))
    if address is None:
        hint = "Leave it out for an embedded Ray" if text in ("local", "") else ""
        return Fault(quoted(text), f"{CLUSTER}; ray://HOST:PORT where the policy lists it", hint)
    return scheme + address


def read_dashboard(text: str) -> str | Fault:
    """`http(s)://host[:port][/path]`: no user, query or fragment. The default port is left out,
    as is a slash at the end."""
    found = re.fullmatch(r"(https?)://([^/]*)(.*)", text, re.DOTALL)
    if found is None:
        return Fault(quoted(text), _DASHBOARD)
    scheme, authority, path = found.groups()
    if "@" in text:
        hint = "A token stands in the environment or in its own option"
        return Fault(f"{quoted(text)}: credentials in the URL", _DASHBOARD, hint)
    if "?" in text or "#" in text:
        return Fault(f"{quoted(text)}: a query or fragment", _DASHBOARD)
    address = _host_and_port(authority, default=_DEFAULT_PORTS[scheme])
    if address is None or not _PATH.fullmatch(path) or ".." in path.split("/"):
        return Fault(quoted(text), _DASHBOARD)
    return f"{scheme}://{address.removesuffix(f':{_DEFAULT_PORTS[scheme]}')}{path.rstrip('/')}"


def read_endpoint(text: str) -> str | Fault:
    """The endpoint of a store: as `read_dashboard`."""
    return read_dashboard(text)


def read_interface(text: str) -> str | Fault:
    """A name or an IP address without brackets and port, as something listens there."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text.lower() if _is_name(text) else Fault(quoted(text), "an IP address or a host")


def is_loopback(interface: str) -> bool:
    """Whether only this machine reaches what listens there. interface: as `read_interface` says."""
    try:
        return ipaddress.ip_address(interface).is_loopback
    except ValueError:
        return interface == "localhost"


def _host_and_port(text: str, default: str | None = None) -> str | None:
    """`host:port` in its normal form; None where it is none. default: the port, where none is
    given; None: one must be."""
    inner = re.fullmatch(r"\[([^\]]*)\](?::(.*))?", text, re.DOTALL)
    if inner is not None:
        host, port = inner.groups()
        try:
            host = f"[{ipaddress.IPv6Address(host)}]"
        except ValueError:
            return None
        if "%" in host:
            return None
    else:
        host, colon, port = text.partition(":")
        port = port if colon else None
        if not _is_name(host):
            return None
        host = host.lower()
    port = default if port is None else port
    if port is None or not _PORT.fullmatch(port) or int(port) > 65535:
        return None
    return f"{host}:{port}"


def _is_name(text: str) -> bool:
    """Whether it is a host's name or an IPv4 address. What is numbers alone is an address."""
    labels = text.split(".")
    if len(text) > 253 or not all(map(_LABEL.fullmatch, labels)):
        return False
    if re.fullmatch(r"0[xX][0-9a-fA-F]*|[0-9]+", labels[-1]):
        try:
            ipaddress.IPv4Address(text)
        except ValueError:
            return False
    return True
