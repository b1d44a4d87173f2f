"""Addresses have one closed grammar: nothing that Ray would import a module for passes."""

from __future__ import annotations

import pytest

from augment.places import Fault, is_loopback, read_cluster, read_dashboard, read_interface


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("auto", "auto"),
        ("head:6379", "head:6379"),
        ("HEAD.Example.org:1", "head.example.org:1"),
        ("ray_head:65535", "ray_head:65535"),
        ("10.0.0.1:6379", "10.0.0.1:6379"),
        ("[::1]:6379", "[::1]:6379"),
        ("[2001:DB8:0:0::1]:6379", "[2001:db8::1]:6379"),
        ("ray://head:10001", "ray://head:10001"),
        ("ray://[::1]:10001", "ray://[::1]:10001"),
    ],
)
def test_what_is_a_cluster(text: str, normal: str) -> None:
    assert read_cluster(text) == normal


@pytest.mark.parametrize(
    "text",
    [
        "", "local", "AUTO", " auto", "auto ", "head", "head:", ":1", "head:0", "head:65536",
        "head:+1", "head:1a", "head:\u0661", "head:06379", "h\u00e9ad:1", "a..b:1", "-a:1", "a-:1",
        "1.2.3:1", "256.1.1.1:1", "127.1:1", "0x7f000001:1", "2130706433:1", "::1:1", "[::1]",
        "[::1%eth0]:1", "[1.2.3.4]:1", "[x]:1", "head:1/x", "head:1?x", "u@head:1", "head:1\n",
        "evilmod://x", "evilmod://head:1", "this://x", "os.path://h:1", "ray://head", "ray://",
        "ray://u:p@head:1", "ray://head:1/x", "ray://ray://h:1", "RAY://head:1", "ray:head:1",
        "http://head:8265", "https://head", "anyscale://x", "file:///x", "head:1,other:2",
        "x" * 64 + ":1", "a." * 130 + "a:1",
    ],
)  # fmt: skip
def test_what_is_none(text: str) -> None:
    assert isinstance(read_cluster(text), Fault)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("http://head:8265", "http://head:8265"),
        ("http://HEAD:80/", "http://head"),
        ("https://head:443/ray/", "https://head/ray"),
        ("https://head:80", "https://head:80"),
        ("http://[::1]:8265/a/b", "http://[::1]:8265/a/b"),
    ],
)
def test_what_is_a_jobs_api_or_an_endpoint(text: str, normal: str) -> None:
    assert read_dashboard(text) == normal


@pytest.mark.parametrize(
    "text",
    [
        "", "head:8265", "auto", "ray://head:1", "evilmod://x", "http://", "http:///x", "http:head",
        "HTTP://head", "ftp://head", "http://u:p@head", "http://u@head", "http://head@evil",
        "http://head/x@y", "http://head?x=1", "http://head#x", "http://head/../x", "http://head/%2e",
        "http://head\n", "http://he ad", "http://head:99999", "http://head\\@evil", "http://[::1",
    ],
)  # fmt: skip
def test_what_is_no_jobs_api(text: str) -> None:
    assert isinstance(read_dashboard(text), Fault)


def test_a_password_in_an_address_is_not_repeated() -> None:
    for text in ("http://me:hunter2@host", "ray://me:hunter2@host:1", "http://host?token=hunter2"):
        for read in (read_dashboard, read_cluster):
            found = read(text)
            assert isinstance(found, Fault)
            assert "hunter2" not in str(found.at("x"))


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("0:0::1", True),
        ("localhost", True), ("LOCALHOST", True), ("0.0.0.0", False), ("::", False),
        ("10.0.0.1", False), ("node-1.example", False), ("localhost.evil", False),
    ],
)  # fmt: skip
def test_where_metrics_may_be_seen(text: str, alone: bool) -> None:
    found = read_interface(text)
    assert isinstance(found, str)
    assert is_loopback(found) is alone


@pytest.mark.parametrize(
    "text", ["", "*", "0", "127.1", "a b", "[::1]", "host:1", "http://h", "h\n"]
)
def test_what_is_no_interface(text: str) -> None:
    assert isinstance(read_interface(text), Fault)
