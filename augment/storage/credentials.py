"""One mapping from a job's storage options to the two clients that reach a store: fsspec's,
which reads and writes files, and delta-rs, which reads and writes a table's log.

Both get the same endpoint, the same credentials and the same number of tries. What the
options leave out, both look up in the environment (AWS_*, GOOGLE_*, AZURE_*) or ask of the
machine's role. Knows nothing of files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from augment.errors import RequestError
from augment.places import FAMILIES, Fault, read_endpoint
from augment.secrecy import STRUCK, secret_values

S3, GOOGLE, AZURE = FAMILIES["s3"], FAMILIES["gs"], FAMILIES["az"]
TRIES = 6
"""Of one request, the first included; s3fs asks anew up to five times where a connection
broke or the store said to slow down."""
_PATIENCE = {"retry_timeout": "120s", "backoff_config.init_backoff": "500ms"}
"""Of delta-rs, whose own first pause is too short for a store that says to slow down."""

_AZURE_NAMES = {
    "account_name": "AZURE_STORAGE_ACCOUNT_NAME",
    "account_key": "AZURE_STORAGE_ACCOUNT_KEY",
    "sas_token": "AZURE_STORAGE_SAS_TOKEN",
    "tenant_id": "AZURE_STORAGE_TENANT_ID",
    "client_id": "AZURE_STORAGE_CLIENT_ID",
    "client_secret": "AZURE_STORAGE_CLIENT_SECRET",
}
_SHORTEST = 8
"""A shorter value is no secret, but may be a word of the text that it would be cut out of."""


def client_options(protocol: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """For fsspec: as given, with a bounded number of tries.

    Raises:
        RequestError: the environment names an endpoint that is none.
    """
    if protocol not in S3:
        return dict(given)
    found = dict(given)
    config = dict(found.get("config_kwargs") or {})
    retries = config.get("retries") or {"total_max_attempts": TRIES}
    found["config_kwargs"] = {**config, "retries": {"mode": "standard", **retries}}
    if not _named_endpoint(given):
        _endpoint_of(os.environ)  # botocore takes it from there, and would not say from where
    if region := found.pop("region", None):
        found["client_kwargs"] = {"region_name": region, **(found.get("client_kwargs") or {})}
    return found


def delta_options(uri: str, protocol: str, given: Mapping[str, Any]) -> dict[str, str]:
    """For delta-rs, under its own names. given: of a place alone, as its store takes them.

    Raises:
        RequestError: options that cannot be handed on, or the environment names an endpoint
            that is none.
    """
    if protocol in S3:
        return _s3(given)
    if protocol in GOOGLE:  # the rest is the environment's for both clients
        return {"google_skip_signature": "true"} if given.get("token") == "anon" else {}
    names = _AZURE_NAMES if protocol in AZURE else {}
    if lost := sorted(given.keys() - names.keys()):
        known = f"only {', '.join(names)}, or " if names else ""
        raise RequestError(
            f"{uri}: options for {protocol!r} ({', '.join(lost)}) cannot be handed to Delta; "
            f"expected {known}credentials in the environment"
        )
    return {names[key]: str(value) for key, value in given.items()}


def without_secrets(text: str, given: Any) -> str:
    """The text with every value of the options that nobody may see cut out. Nothing else: a job
    is read again from such a text."""
    for value in secret_values(given, shortest=_SHORTEST):
        text = text.replace(value, STRUCK)
    return text


def _s3(given: Mapping[str, Any]) -> dict[str, str]:
    client = given.get("client_kwargs") or {}
    endpoint = _named_endpoint(given) or _endpoint_of(os.environ)
    wanted = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true" if str(endpoint or "").startswith("http://") else None,
        "AWS_ACCESS_KEY_ID": given.get("key"),
        "AWS_SECRET_ACCESS_KEY": given.get("secret"),
        "AWS_SESSION_TOKEN": given.get("token"),
        "AWS_REGION": given.get("region") or client.get("region_name"),
        "AWS_PROFILE": given.get("profile"),
        "AWS_SKIP_SIGNATURE": "true" if given.get("anon") else None,
        "AWS_REQUEST_PAYER": "true" if given.get("requester_pays") else None,
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": _virtual(given),
        "AWS_CONDITIONAL_PUT": "etag",  # commits must fail where the name exists
        "max_retries": _tries(given) - 1,
        **_PATIENCE,
    }
    return {name: str(value) for name, value in wanted.items() if value is not None}


def _named_endpoint(given: Mapping[str, Any]) -> str | None:
    client = given.get("client_kwargs") or {}
    return given.get("endpoint_url") or client.get("endpoint_url") or None


def _endpoint_of(env: Mapping[str, str]) -> str | None:
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        if endpoint := env.get(name):
            found = read_endpoint(endpoint)
            if isinstance(found, Fault):
                raise found.error(f"{name} in the environment")
            return endpoint
    return None


def _virtual(given: Mapping[str, Any]) -> str | None:
    """Whether a bucket is a part of the host's name; delta-rs says no unless told."""
    style = ((given.get("config_kwargs") or {}).get("s3") or {}).get("addressing_style")
    return None if style is None else str(style == "virtual").lower()


def _tries(given: Mapping[str, Any]) -> int:
    """Of one request, as botocore counts them."""
    retries = (given.get("config_kwargs") or {}).get("retries") or {}
    if "max_attempts" in retries:  # the first is not counted there
        return int(retries["max_attempts"]) + 1
    return int(retries.get("total_max_attempts", TRIES))
