"""One mapping of options and environment to both clients of a store."""

from __future__ import annotations

import pytest

from augment.errors import RequestError, StorageError
from augment.storage import Folder, credentials
from tests.storage.s3_server import SECRET, S3Server


@pytest.mark.parametrize(
    ("given", "tries"),
    [
        ({}, {"mode": "standard", "total_max_attempts": 6}),
        ({"max_attempts": 2}, {"mode": "standard", "max_attempts": 2}),
        ({"mode": "adaptive"}, {"mode": "adaptive"}),
    ],
)
def test_tries_are_bounded_and_the_jobs_own_stand(
    given: dict[str, object], tries: dict[str, object]
) -> None:
    options = {"key": "k", "config_kwargs": {"connect_timeout": 1, "retries": given}}
    found = credentials.client_options("s3", options)
    assert found == {"key": "k", "config_kwargs": {"connect_timeout": 1, "retries": tries}}
    assert options["config_kwargs"] == {"connect_timeout": 1, "retries": given}


@pytest.mark.parametrize(
    ("retries", "more"),
    [({}, "5"), ({"max_attempts": 2}, "2"), ({"total_max_attempts": 1}, "0")],
)
def test_delta_tries_as_often(retries: dict[str, int], more: str) -> None:
    options = {"s3": {"config_kwargs": {"retries": retries}}}
    assert Folder("s3://b", options).delta_options()["max_retries"] == more


def test_an_endpoint_of_the_environment_may_be_plain_http(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    found = Folder("s3://b").delta_options()
    assert (found["AWS_ENDPOINT_URL"], found["AWS_ALLOW_HTTP"]) == ("http://127.0.0.1:9000", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://s3.example")
    found = Folder("s3://b").delta_options()
    assert found["AWS_ENDPOINT_URL"] == "https://s3.example"
    assert "AWS_ALLOW_HTTP" not in found


@pytest.mark.parametrize("protocol", ["az", "abfs", "abfss"])
def test_azure(protocol: str) -> None:
    options = {"az": {"account_name": "mine", "account_key": "k"}}
    folder = Folder(f"{protocol}://container/out", options)
    assert folder.delta_options() == {
        "AZURE_STORAGE_ACCOUNT_NAME": "mine",
        "AZURE_STORAGE_ACCOUNT_KEY": "k",
    }
    assert folder.delta_uri() == f"{protocol}://container/out"
    lost = Folder("az://c", {"az": {"connection_string": "c"}})
    with pytest.raises(RequestError) as refused:
        lost.delta_options()
    assert str(refused.value) == (
        "storage options: az.connection_string: got an option that is not taken; expected one of "
        "account_key, account_name, client_id, client_secret, sas_token, tenant_id"
    )


def test_secrets_are_cut_out_and_words_are_not() -> None:
    given = {
        "s3": {"key": "AKIAEXAMPLE1", "secret": "abcdefgh", "token": "short"},
        "az": {"nested": {"account_key": "zyxwvuts"}},
    }
    text = "AKIAEXAMPLE1 said abcdefgh, zyxwvuts and short"
    assert credentials.without_secrets(text, given) == "*** said ***, *** and short"


def test_what_a_client_says_is_shown_without_secrets(s3: S3Server) -> None:
    """The server's words come back in the error."""
    folder = Folder(s3.bucket(), s3.options())
    with s3.breaking(lambda request: "refused"), pytest.raises(StorageError) as refused:
        folder.create("x", b"")
    assert "by plan" in str(refused.value)
    assert Folder("s3://b", s3.options()).without_secrets(f"a {SECRET} b") == "a *** b"
    assert SECRET not in repr(folder)


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
@pytest.mark.parametrize(
    "text", ["nonsense", "ftp://host", "http://key:hunter22@host", "http://host?x", "http://"]
)
def test_an_endpoint_of_the_environment_that_is_none_is_a_wrong_request(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    """Whichever client asks; an endpoint of the options goes before it."""
    monkeypatch.setenv(name, text)
    asks = (
        lambda: credentials.client_options("s3", {}),
        lambda: credentials.delta_options("s3://b/x", "s3", {}),
    )
    for asked in asks:
        with pytest.raises(RequestError, match=rf"{name} in the environment: got ") as raised:
            asked()
        assert "hunter22" not in str(raised.value)
    given = {"endpoint_url": "http://localhost:9000"}
    assert credentials.client_options("s3", given)["endpoint_url"] == given["endpoint_url"]
    assert (
        credentials.delta_options("s3://b/x", "s3", given)["AWS_ENDPOINT_URL"]
        == given["endpoint_url"]
    )


@pytest.mark.parametrize(
    ("name", "text"), [("AWS_PROFILE", "nobody's"), ("AWS_CONFIG_FILE", __file__)]
)
def test_settings_of_the_environment_that_cannot_be_used_are_a_wrong_request(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    monkeypatch.setenv(name, text)
    folder = Folder("s3://settings-of-nobody/x", {"s3": {"endpoint_url": "http://127.0.0.1:9"}})
    with pytest.raises(RequestError, match="mend what the environment"):
        folder.read("anything")
