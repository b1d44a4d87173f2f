"""What nobody may see, by its name or by its place in a URL."""

from __future__ import annotations

from augment.secrecy import secret_leaves, secret_values, struck

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
