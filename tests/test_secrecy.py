"""What nobody may see, by its name or by its place in a URL."""

from __future__ import annotations

import pytest

from augment.secrecy import secret_leaves, secret_values, secrets_of_process, struck

OPTIONS = {
    "s3": {"key": "AKIA0123", "secret": "s3cr3t", "endpoint_url": "http://127.0.0.1:9",
           "client_kwargs": {"aws_session_token": ["t0ken1", "t0ken12"]}, "anon": "no"},
    "gs": {"token": {"private_id": "p4ssw0rd"}, "project": "public"},
    "az": {"account_key": "abc", "sas_token": 7},
}  # fmt: skip


def test_what_is_named_like_a_credential_is_one() -> None:
    env = {"RAY_AUTH_TOKEN": "r4y-token", "HOME": "/home/me"}
    assert secret_values(OPTIONS, env) == (
        "r4y-token", "AKIA0123", "p4ssw0rd", "t0ken12", "s3cr3t", "t0ken1"
    )  # fmt: skip
    assert secret_values(OPTIONS, shortest=8) == ("AKIA0123", "p4ssw0rd")


def test_variables_that_a_job_names_like_credentials_are_looked_up() -> None:
    env = {"MY_SECRET_KEY": "hunter22", "PLACE": "s3://bucket", "OTHER_TOKEN": "unused"}
    assert secret_values({}, env, "uri: ${PLACE}\nsecret: ${MY_SECRET_KEY}") == ("hunter22",)


def test_a_secret_stands_with_the_name_that_is_nearest() -> None:
    assert dict(secret_leaves(OPTIONS["gs"])) == {"private_id": "p4ssw0rd"}


def test_texts_are_shown_without_them() -> None:
    assert struck("s3://bucket/AKIA1/x", {"AKIA1"}) == "s3://bucket/***/x"
    assert struck("a long-secret and a long", ("long", "long-secret")) == "a *** and a ***"
    assert struck("az://c?sig=q1w2&se=3") == "az://c?sig=***&se=3"
    assert struck("https://me:hunter2@host/x") == "https://***@host/x"
    assert struck("at 12:30, s3://bucket/a:b") == "at 12:30, s3://bucket/a:b"


HIDDEN = "hunter2/Hunter+2=="


@pytest.mark.parametrize(
    "text",
    [
        "s3://KEY:{}@bucket/x",
        "s3://KEY:{}@bucket",
        'Invalid bucket name "KEY:{}@bucket": must match',
        "KEY:{}@bucket",
        "/home/of/somebody/KEY:{}@bucket/x",
        "got 'KEY:{}@bucket'",
        "https://host:8443/x?a=b&X-Amz-Signature={}&c=d",
        "https://h/x?X-Amz-Credential={}",
        "https://h/x?AWSAccessKeyId={}&Expires=1",
        "az://c?sv=1&sig={}&se=3",
        "https://h/?token={}",
        "AccountName=me;AccountKey={};EndpointSuffix=x",
        "SharedAccessSignature={}",
        "Authorization: Bearer {}",
        "Authorization: AWS4-HMAC-SHA256 Credential={}, SignedHeaders=host, Signature=x",
        "{{'Authorization': 'Basic {}'}}",
        "X-Amz-Security-Token: {}",
        "Cookie: session={}",
        "the bearer {} was refused",
        "aws_secret_access_key = {}",
        "--set storage_options.s3.secret={}",
        "client_secret='{}'",
        '{{"password": "{}"}}',
        "password: {}",
        "storage_options.s3.token: got '{}'; expected",
        "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\n{}",
    ],
)
def test_a_credential_is_known_by_where_it_stands(text: str) -> None:
    shown = struck(text.format(HIDDEN))
    assert "unter2" not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    "text",
    [
        "AKIAIOSFODNN7EXAMPLE was refused",
        "ghp_" + "a1" * 18,
        "hf_" + "b2" * 17,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
    ],
)
def test_a_credential_is_known_by_its_form(text: str) -> None:
    assert struck(text).startswith("***")


@pytest.mark.parametrize(
    "text",
    [
        "at 12:30, s3://bucket/a:b",
        "http://127.0.0.1:9000/bucket/a@b",
        "abfss://container@account1.dfs.core.windows.net/x",
        "python:3.11@sha256:0123",
        "repository/image:1.0@sha256:0123",
        "got 'x'; expected key=value, for example workers=2",
        "execution.storage_options.s3.secret: got a int; expected text",
        "execution.storage_options.s3.secret: got ${SECRET}, which is not set",
        "secret: ${SECRET}",
        "token: '${TOKEN}'",
        "the key 'secret' a second time",
        "Basic authentication failed",
        "unpickled with torch.load(...): signature of 64 bytes",
        "job.yaml:12: sources.r.uri: got 's3://b'; expected a path",
        "sha256 0123456789abcdef",
        "write me: me@example.org",
    ],
)
def test_words_stay(text: str) -> None:
    assert struck(text) == text


def test_what_a_process_was_given() -> None:
    env = {
        "DB_PASSWORD": "hunter2-hunter2", "MY_TOKEN": "short", "HOME": "/home/me-and-you",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/secrets/token", "MONKEY": "x",
    }  # fmt: skip
    assert set(secrets_of_process(env)) == {"hunter2-hunter2"}
    given = ["jobs", "list", "--token", "abc", "--token=def", "--token"]
    assert set(secrets_of_process({}, given)) == {"abc", "def"}


@pytest.mark.parametrize("odd", ["a.", "a:", "s3://", "secret", "?a=", "a@b:", "x-token", "'\""])
def test_a_secret_is_found_behind_a_long_text_that_nearly_matches(odd: str) -> None:
    """Patterns have bounded parts: with others this would not end."""
    assert "hunter2" not in struck(f"{odd * 20_000} secret=hunter2")
