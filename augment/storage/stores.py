"""Remote stores behind fsspec: the client of a place with the options that are its own, and
whether its bucket is there.

The client comes from a closed list of schemes and is given a closed list of options; nothing in
a URI chains, configures or chooses another one. Knows nothing of files.
"""

from __future__ import annotations

from typing import Any

from fsspec import get_filesystem_class
from fsspec.spec import AbstractFileSystem

from augment.errors import RequestError
from augment.places import FAMILIES, Options, Place, faults_in, own_options

WITH_BUCKETS = (*FAMILIES["s3"], *FAMILIES["gs"], *FAMILIES["az"])
_there: set[tuple[str, str]] = set()
"""(client, bucket) that this process has seen: they are looked for once."""


def checked_options(place: Place, options: Options) -> dict[str, Any]:
    """The options that hold for a place.

    Raises:
        RequestError: any of the options is not one that its store takes.
    """
    for path, fault in faults_in(options):
        raise fault.error(f"storage options: {'.'.join(path)}")
    return own_options(place, options)


def opened(place: Place, options: dict[str, Any]) -> tuple[AbstractFileSystem, str]:
    """The client of a remote place, and the place in its words.

    Raises:
        RequestError: its package is not installed. Others: whatever the client raises.
    """
    try:
        kind = get_filesystem_class(place.scheme)
    except (ImportError, ValueError) as error:
        raise RequestError(
            f"{place.uri}: {place.scheme}:// cannot be opened: {error}; expected a local path, or "
            "install the package"
        ) from error
    bucket = f"{place.scheme}://{place.bucket}"
    account = kind._get_kwargs_from_urls(bucket) if "@" in place.bucket else {}
    # of the bucket alone: in what follows some clients would look for more than a name
    root = str(kind._strip_protocol(bucket)).rstrip("/")
    return kind(**account, **options), root + place.uri[len(bucket) :]


def may_lack_bucket(error: BaseException) -> bool:
    """Whether an error could mean that the whole bucket is not there."""
    return isinstance(error, FileNotFoundError) or isinstance(error.__cause__, FileNotFoundError)


def require_bucket(fs: AbstractFileSystem, place: Place) -> None:
    """Raises: RequestError where the store says that there is no such bucket. One that may not
    be looked at is taken to be there."""
    bucket = place.bucket.partition("@")[0]
    key = (str(fs._fs_token), bucket)
    if key in _there:
        return
    try:
        if place.scheme in FAMILIES["s3"]:
            fs.call_s3("head_bucket", Bucket=bucket)
        else:
            fs.info(bucket)
    except FileNotFoundError:
        raise RequestError(
            f"{place.uri}: no such bucket {bucket}; make it, or mend the name"
        ) from None
    except Exception:  # every client raises its own kinds
        return
    _there.add(key)
