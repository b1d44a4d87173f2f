"""Names of places: a path or a URI, read once, so that it means the same to everybody.

A path is a path, whatever characters it holds. `file:` URIs mean the path that RFC 8089 says;
other schemes come from a closed list. Credentials and queries in a URI are refused, and so is
what the clients of a store would read differently. Reads no file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, unquote_to_bytes

from augment.places.fault import Fault, quoted

FAMILIES: Mapping[str, tuple[str, ...]] = {
    "s3": ("s3", "s3a"),
    "gs": ("gs", "gcs"),
    "az": ("az", "abfs", "abfss"),
    "memory": ("memory",),
    "hf": ("hf",),
}
"""A store -> the schemes that mean it."""
SCHEMES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "file", "memory")
READ_ONLY = ("hf",)
"""For who reads by hand (`generators import`): no table can stand there, and no job may say it."""

_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(/{0,2})(.*)", re.DOTALL)
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_ACCOUNT_HOST = re.compile(r"[a-z0-9]{3,24}\.(dfs|blob)\.core\.windows\.net")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
"""What Python makes of bytes in a file's name that are not UTF-8."""
_OTHER_TO_DELTA = re.compile(r"%[0-9A-Fa-f]{2}|\\")
_PATTERN = re.compile(r"[*?\[\]]|::|\$\{?\w")
_LONGEST_ASCII = 200
_LONGEST_NAME = 100
"""Bytes. The lock that `datasets` takes has some 140 more, and is shortened by its characters."""
_SIGNED = re.compile(
    r"(?:x-(?:amz|goog)-(?:signature|credential|security-token)|awsaccesskeyid|googleaccessid)="
    r"|[?&;#](?:sig|signature|token|secret|password|credential|key)=",
    re.IGNORECASE,
)
"""What signs a request, also where its `?` is another character or was escaped."""


@dataclass(frozen=True)
class Place:
    """scheme: `file` for a path. uri: an absolute path in its shortest form, or a URI without a
    slash at its end."""

    scheme: str
    uri: str

    @property
    def is_local(self) -> bool:
        return self.scheme == "file"

    @property
    def bucket(self) -> str:
        """Of a remote place; with its account, where an Azure URI names one."""
        return self.uri.partition("://")[2].partition("/")[0]

    def of_family(self) -> str:
        """The URI with the first name of its store: two that are equal so are one place."""
        family = next((f for f, names in FAMILIES.items() if self.scheme in names), self.scheme)
        return self.uri if self.is_local else f"{family}://{self.uri.partition('://')[2]}"


def read_place(
    text: str, base: str | None = None, *, shown: str | None = None, read_only: bool = False
) -> Place | Fault:
    """The place that a text names. base: the folder that a relative path hangs on; None: the
    working folder. shown: as the text was written, for the fault. read_only: places are taken
    too that can only be read."""
    seen = text if shown is None else shown
    if not text:
        return Fault("''", "a path or URI")
    if (odd := _unreadable(text)) is not None:
        return _fault(seen, odd, "a path or URI of characters that can be read")
    if text != text.strip() and _URI.fullmatch(text.strip()):
        return _fault(seen, "a space around a URI", _expected(read_only))
    if text.startswith("/"):
        return _path(text, base, seen)
    if (found := _URI.fullmatch(text)) is not None:
        scheme, slashes, rest = found.groups()
        if scheme == "file":
            return _file_uri(slashes + rest, seen)
        if scheme.lower() in (*SCHEMES, *READ_ONLY) or slashes:
            return _uri(scheme, slashes, rest, seen, read_only)
    if "://" in text:
        return _fault(seen, ":// inside a path", _expected(read_only))
    return _path(text, base, seen)


def place_of(text: str, what: str = "storage", *, read_only: bool = True) -> Place:
    """The place that a text names, where no job file does. what: stands in the error.

    Raises:
        RequestError: it names none.
    """
    found = read_place(text, read_only=read_only)
    if isinstance(found, Fault):
        raise found.error(what)
    return found


def is_local(uri: str) -> bool:
    """Whether the `uri` of a place is a path."""
    return uri.startswith("/") or "://" not in uri


def table_fault(place: Place, *, for_readers: bool, shown: str) -> Fault | None:
    """Why no table can stand at a place, None where it can. for_readers: it must open under this
    name in everything that reads data sets, not only in `augment`. shown: as it was written."""
    seen = shown
    if "_delta_log" in place.uri.split("/"):
        found = "a folder _delta_log, in which Delta looks for a log"
        return _fault(seen, found, "a place that lies in none")
    if not place.is_local:
        inside = place.uri.partition("://")[2].split("/")[1:]
        if any(_ESCAPE.search(part) or set(part) & set("\\:#") for part in inside):
            found = "a %XX, backslash, colon or #, which Delta reads as another name"
            return _fault(seen, found, "a name without them")
        if any(part != part.strip() for part in inside):
            return _fault(seen, "a name that begins or ends with a space", "a name without")
    if for_readers and place.is_local and (odd := _OTHER_TO_DELTA.search(place.uri)):
        found = f"{odd[0]!r} in {quoted(place.uri)}, which delta-rs takes for another folder"
        expected = "a place without %XX and backslashes, in the folders above it too"
        return _fault(seen, found, expected, "Rename that folder, or write the table elsewhere")
    if for_readers and (odd := _PATTERN.search(place.uri)):
        found = f"{odd[0]!r} in {quoted(place.uri)}, which readers take for a pattern"
        expected = "a place without * ? [ ] :: and $NAME, in the folders above it too"
        return _fault(seen, found, expected, "datasets, polars and duckdb would read other files")
    return _long_name(place, seen) if for_readers and place.is_local else None


def _long_name(place: Place, seen: str) -> Fault | None:
    """`datasets` names folders and locks of its cache after the folder that it reads."""
    name = place.uri.rpartition("/")[2]
    size, most = len(name.encode()), _LONGEST_ASCII if name.isascii() else _LONGEST_NAME
    if size <= most:
        return None
    found = f"{quoted(seen)}: a folder whose name has {size} bytes"
    expected = f"at most {_LONGEST_ASCII} bytes, {_LONGEST_NAME} of letters beyond ASCII"
    return Fault(found, expected, "datasets makes longer names of it, which no file can have")


def _fault(seen: str, why: str, expected: str, hint: str = "") -> Fault:
    """seen: the text as it was written."""
    return Fault(f"{quoted(seen)}: {why}", expected, hint)


def _expected(read_only: bool) -> str:
    schemes = (*SCHEMES, *READ_ONLY) if read_only else SCHEMES
    names = ", ".join(f"{scheme}://" for scheme in sorted(schemes))
    return f"a path, or a URI that starts with one of {names}"


def _unreadable(text: str) -> str | None:
    if _CONTROL.search(text):
        return "a control character"
    return "a name that is not UTF-8" if _SURROGATE.search(text) else None


def _path(text: str, base: str | None, seen: str) -> Place | Fault:
    if _WINDOWS.match(text):
        return _fault(seen, "a path of Windows", "a path of this machine")
    whole = os.path.expanduser(text)
    if not os.path.isabs(whole):
        try:
            whole = os.path.join(os.getcwd() if base is None else base, whole)
        except FileNotFoundError:
            found = "a relative path, and the working folder is gone"
            return _fault(seen, found, "an absolute path")
    if (odd := _unreadable(whole)) is not None:
        return _fault(seen, f"{odd} in a folder above it", "folders whose names can be read")
    return Place("file", f"/{os.path.normpath(whole).lstrip('/')}")


def _file_uri(rest: str, seen: str) -> Place | Fault:
    """RFC 8089: `file:/path`, `file:///path`, `file://localhost/path`, with %XX decoded."""
    host = ""
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        rest = slash + path
    if host.lower() not in ("", "localhost"):
        return _fault(seen, "a file on another host", "file:///path, or a path")
    hint = "Write the path itself"
    if not rest.startswith("/"):
        return _fault(seen, "a file: URI of a relative path", "file:///path, or a path", hint)
    if "?" in rest or "#" in rest:
        return _fault(seen, "a ? or # in a file: URI", "%3F or %23, or a path", hint)
    if "%" in _ESCAPE.sub("", rest):
        return _fault(seen, "a % in a file: URI that begins no %XX", "%25, or a path", hint)
    if re.search("%2f", rest, re.IGNORECASE):
        return _fault(seen, "%2F in a file: URI, which no name can hold", "a path", hint)
    try:
        path = unquote_to_bytes(rest).decode()
    except UnicodeDecodeError:
        return _fault(seen, "%XX that are not UTF-8", "a path", hint)
    if (odd := _unreadable(path)) is not None:
        return _fault(seen, f"{odd}", "a path")
    return _path(path, "/", seen)


def _uri(scheme: str, slashes: str, rest: str, seen: str, read_only: bool) -> Place | Fault:
    known = (*SCHEMES, *READ_ONLY) if read_only else SCHEMES
    lower = scheme.lower()
    if lower not in known:
        hint = f"For a path of that name write ./{scheme[:20]}:" if slashes == "/" else ""
        return _fault(seen, f"the scheme {scheme[:20]}:{slashes}", _expected(read_only), hint)
    hint = "" if slashes == "//" else f"For a path of that name write ./{scheme}:"
    if scheme != lower:
        return _fault(seen, f"the scheme {scheme}:{slashes}", f"{lower}://", hint)
    if slashes != "//":
        found = f"{scheme}: without two slashes behind it"
        return _fault(seen, found, f"{lower}://BUCKET/path", hint)
    return _remote(scheme, rest.rstrip("/"), seen)


def _remote(scheme: str, rest: str, seen: str) -> Place | Fault:
    authority, _, path = rest.partition("/")
    if ("@" in authority and scheme not in ("abfs", "abfss")) or ":" in authority:
        hint = "Credentials stand under execution.storage_options, or in the environment"
        found = "credentials or a port in the URI"
        return _fault(seen, found, f"{scheme}://BUCKET/path", hint)
    if "?" in rest or "#" in authority or ("#" in rest and scheme in FAMILIES["gs"]):
        hint = "Signatures and tokens stand under execution.storage_options, or in the environment"
        found = "a query, or a generation (what follows ? or #)"
        return _fault(seen, found, f"{scheme}://BUCKET/path", hint)
    if _SIGNED.search(unquote(rest)):
        hint = "Signatures and tokens stand under execution.storage_options, or in the environment"
        found = "a signature or token in the URI"
        return _fault(f"{scheme}://{authority}/...", found, f"{scheme}://BUCKET/path", hint)
    if "::" in rest:
        return _fault(seen, "::, which would chain file systems", f"{scheme}://BUCKET/path")
    if scheme != "memory" and (why := _bucket_fault(scheme, authority)):
        return _fault(seen, f"{why}", f"{scheme}://BUCKET/path")
    if any(part in ("", ".", "..") for part in path.split("/")) and path:
        found = "an empty part (//), or one that is . or .."
        return _fault(seen, found, "the name itself: clients read these differently")
    return Place(scheme, f"{scheme}://{rest}")


def _bucket_fault(scheme: str, authority: str) -> str | None:
    bucket, at, host = authority.partition("@")
    if not bucket:
        return "no bucket"
    if not _BUCKET.fullmatch(bucket):
        return "a bucket whose name is not letters, digits, dots, - and _"
    if at and (scheme not in ("abfs", "abfss") or not _ACCOUNT_HOST.fullmatch(host)):
        return "a host that is not ACCOUNT.dfs.core.windows.net"
    return None
