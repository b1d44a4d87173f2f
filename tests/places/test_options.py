"""A closed list of options for each store; the block with the longest prefix is a place's own."""

from __future__ import annotations

from typing import Any

import pytest

from augment.errors import RequestError
from augment.places import block_of, endpoints, faults_in, own_options, place_of
from augment.storage import Folder

EVERY: dict[str, dict[str, Any]] = {
    "s3": {
        "key": "k", "secret": "s", "token": "t", "anon": False, "profile": "my profile",
        "endpoint_url": "http://127.0.0.1:9000", "region": "eu-1", "requester_pays": True,
        "client_kwargs": {"region_name": "eu-1", "endpoint_url": "https://s3.example/a"},
        "config_kwargs": {
            "connect_timeout": 1, "read_timeout": 2.5, "max_pool_connections": 10,
            "retries": {"max_attempts": 1, "total_max_attempts": 2, "mode": "standard"},
            "s3": {"addressing_style": "path"},
        },
    },
    "gs": {"project": "my-project-1", "token": "anon"},
    "az": {
        "account_name": "account1", "account_key": "k", "sas_token": "s", "tenant_id": "t-1",
        "client_id": "c-1", "client_secret": "s",
    },
}  # fmt: skip


def faults(**options: Any) -> list[str]:
    return [str(fault.at(".".join(path))) for path, fault in faults_in(options)]


def test_what_a_store_takes() -> None:
    assert faults(**EVERY) == []


@pytest.mark.parametrize(
    ("store", "given"),
    [
        # what would import, run, read or trust something
        ("s3", {"session": "os:system"}),
        ("s3", {"asynchronous": True}),
        ("s3", {"loop": None}),
        ("s3", {"client_kwargs": {"verify": False}}),
        ("s3", {"client_kwargs": {"verify": "/etc/passwd"}}),
        ("s3", {"client_kwargs": {"api_version": "x", "use_ssl": False}}),
        ("s3", {"config_kwargs": {"proxies": {"http": "http://evil"}}}),
        ("s3", {"config_kwargs": {"client_cert": "/etc/passwd"}}),
        ("s3", {"config_kwargs": {"s3": {"use_arn_region": True}}}),
        ("s3", {"use_ssl": False}),
        ("s3", {"credential_process": "touch /tmp/x"}),
        ("s3", {"event_hooks": {}}),
        ("s3", {"loader": "x"}),
        ("s3", {"s3_additional_kwargs": {"ACL": "public-read"}}),
        ("s3", {"target_protocol": "file", "fs": "x"}),
        ("s3", {"skip_instance_cache": True}),
        ("gs", {"token": "/etc/passwd"}),
        ("gs", {"token": "browser"}),
        ("gs", {"token": "cloud"}),
        ("gs", {"token": {"type": "external_account"}}),
        ("gs", {"endpoint_url": "http://evil"}),
        ("gs", {"session_kwargs": {"trust_env": True}}),
        ("az", {"connection_string": "BlobEndpoint=http://evil;AccountKey=x"}),
        ("az", {"credential": "x"}),
        ("az", {"account_host": "evil.example"}),
        ("memory", {"anything": 1}),
        ("hf", {"endpoint": "http://evil"}),
        # values that would become a part of a host's name
        ("s3", {"region": "x.evil.example/#"}),
        ("s3", {"client_kwargs": {"region_name": "x@evil"}}),
        ("s3", {"endpoint_url": "http://u:p@h"}),
        ("s3", {"endpoint_url": "file:///etc"}),
        ("s3", {"endpoint_url": "http://h?x"}),
        ("az", {"account_name": "evil.example/x?"}),
        ("az", {"tenant_id": "../../x"}),
        # values of another kind
        ("s3", {"anon": "no"}),
        ("s3", {"key": 123}),
        ("s3", {"secret": ""}),
        ("s3", {"secret": "a\nb"}),
        ("s3", {"secret": ["a"]}),
        ("s3", {"client_kwargs": "region_name"}),
        ("s3", {"config_kwargs": {"retries": {"max_attempts": -1}}}),
        ("s3", {"config_kwargs": {"retries": {"max_attempts": True}}}),
        ("s3", {"config_kwargs": {"read_timeout": 0}}),
        ("s3", {"config_kwargs": {"read_timeout": "60"}}),
        ("s3", {"profile": "a\nb"}),
    ],
)
def test_what_it_does_not_take(store: str, given: dict[str, Any]) -> None:
    found = faults(**{store: given})
    assert found
    assert all("; expected " in text for text in found)
    with pytest.raises(RequestError, match=rf"^storage options: {store}\."):
        Folder(f"{store}://bucket/x", {store: given}).exists("y")


def test_the_error_names_what_is_taken_and_shows_no_secret() -> None:
    assert faults(gs={"tokn": "t"}) == [
        "gs.tokn: got an option that is not taken; expected one of project, token"
    ]
    assert faults(s3={"secret": 31415926}) == [
        "s3.secret: got a int; expected text. Numbers need quotes"
    ]
    assert "hunter2" not in faults(s3={"endpoint_url": "http://me:hunter2@h"})[0]


def test_blocks_that_are_for_nothing() -> None:
    assert faults(file={"auto_mkdir": True}) == [
        "file: got options for 'file', which have no effect; expected no such key"
    ]
    assert faults(zip={}) == [
        "zip: got options for 'zip'; expected one of az, gs, hf, memory, s3, or a URI of one of "
        "them"
    ]
    assert faults(**{"s3://a/../b": {}})[0].startswith("s3://a/../b: got 's3://a/../b': an empty")
    assert "hunter2" not in faults(**{"s3://k:hunter2@b": {}})[0].partition(": got")[2]
    assert faults(s3={}, s3a={}) == ["s3a: got options for 's3a' beside 's3'; expected one of them"]
    assert faults(**{"s3://b/": {}, "s3a://b": {}})[0].endswith(
        "beside 's3://b/'; expected one of them"
    )


BLOCKS: dict[str, dict[str, Any]] = {
    "s3": {"key": "any"},
    "s3://one": {"key": "one"},
    "s3://one/deep/er/": {"key": "deeper"},
    "gs://one": {"token": "anon"},
}


@pytest.mark.parametrize(
    ("uri", "key"),
    [
        ("s3://two/x", "any"),
        ("s3a://two", "any"),
        ("s3://one", "one"),
        ("s3a://one/x", "one"),
        ("s3://one/deep", "one"),
        ("s3://one/deep/er", "deeper"),
        ("s3://one/deep/er/x/y", "deeper"),
        ("s3://one/deep/erx", "one"),
        ("s3://onex/y", "any"),
        ("s3://on", "any"),
    ],
)
def test_the_longest_prefix_wins(uri: str, key: str) -> None:
    assert own_options(place_of(uri), BLOCKS) == {"key": key}
    assert Folder(uri, BLOCKS).delta_options()["AWS_ACCESS_KEY_ID"] == key


def test_places_that_no_block_is_for() -> None:
    assert block_of(place_of("/s3://one"), BLOCKS) is None
    assert block_of(place_of("gs://two/x"), BLOCKS) is None
    assert own_options(place_of("az://c"), BLOCKS) == {}


def test_blocks_are_not_merged() -> None:
    given = {"s3": {"endpoint_url": "http://h:1", "token": "t"}, "s3://b": {"key": "k"}}
    assert own_options(place_of("s3://b/x"), given) == {"key": "k"}


def test_every_endpoint_is_found() -> None:
    assert dict(endpoints({**EVERY, "s3://b": {"endpoint_url": "http://H:80/"}})) == {
        ("s3", "endpoint_url"): "http://127.0.0.1:9000",
        ("s3", "client_kwargs", "endpoint_url"): "https://s3.example/a",
        ("s3://b", "endpoint_url"): "http://h",
    }
