"""What storage raises, in words that name the place, the trouble and the way out.

Knows nothing of how storage is reached.
"""

from __future__ import annotations

import contextlib
import errno
import random
import re
import time
from collections.abc import Callable, Iterator

from augment.errors import RequestError, StorageError
from augment.opening import NotRegular
from augment.secrecy import struck
from augment.storage.below import LinkInTheWay, OtherInTheWay

_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6)  # seconds
_AGAIN = "then run the same command again"
_WAYS_OUT = {
    errno.ENOSPC: "the disk is full; free space or name another place",
    errno.EDQUOT: "the disk quota is used up; free space or name another place",
    errno.EFBIG: "the file is larger than allowed here (ulimit -f, or the file system); "
    "raise the limit or name another place",
    errno.EACCES: "permission denied; allow access or name another place",
    errno.EPERM: "not permitted there; allow access or name another place",
    errno.EROFS: "it lies on a read-only file system; name another place",
    errno.ENOTDIR: "a part of the path is a file, not a folder; name another place",
    errno.EEXIST: "a part of the path is a file, not a folder; name another place",
    errno.EISDIR: "it is a folder, not a file; name another place",
    errno.ENOENT: "no file or folder can be made there; name another place",
    errno.ENAMETOOLONG: "the name is too long for this file system; shorten it",
    errno.ESTALE: "another folder took its place meanwhile; look at what stands there now",
    errno.EOPNOTSUPP: "the file system has no hard links, which a safe create needs; "
    "name another place",
}

_OF_SETTINGS = (
    "ConfigNotFound", "ConfigParseError", "InvalidConfigError", "InvalidRegionError",
    "InvalidRetryConfigurationError", "InvalidRetryModeError", "InvalidMaxRetryAttemptsError",
    "InvalidS3AddressingStyleError", "ProfileNotFound",
)  # fmt: skip
"""Kinds that botocore raises of variables and files, before any store is asked."""


@contextlib.contextmanager
def told(
    url: str, action: str, is_local: bool, said: Callable[[BaseException], str] = str
) -> Iterator[None]:
    """Turns what storage raises into FileNotFoundError (reading, removing) or StorageError.

    said: how the words of a remote store's client are shown."""
    try:
        yield
    except (RequestError, StorageError, GeneratorExit):
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        if action != "written":
            raise FileNotFoundError(errno.ENOENT, "no such file", url) from error
        raise StorageError(_trouble(url, action, error, said)) from error
    except OSError as error:
        raise StorageError(_trouble(url, action, error, said)) from error
    except Exception as error:
        if is_local:
            raise
        if type(error).__name__ in _OF_SETTINGS:
            raise RequestError(
                f"{url} could not be {action}: {said(error)}; mend what the environment (AWS_*) or "
                "its files say of this store"
            ) from error
        # clients of remote stores raise their own kinds (botocore, aiohttp, google ...)
        raise StorageError(_trouble(url, action, error, said)) from error


def unless_conflicting(put: Callable[[], object]) -> None:
    """Puts again, a bounded number of times, where S3 says that another put of the same name
    was under way (409): neither has won yet."""
    for pause in _PAUSES:
        try:
            put()
            return
        except OSError as error:
            if code_of(error) != "ConditionalRequestConflict":
                raise
        time.sleep(pause * random.uniform(0.5, 1.5))  # so that two part ways
    put()


def code_of(error: BaseException) -> str:
    """S3's own word for what went wrong, where the client kept it; "" elsewhere."""
    answer = getattr(error.__cause__, "response", None) or {}
    return str(answer.get("Error", {}).get("Code", ""))


_FRAME = r"\n *{}: [^\n]*(?:\n +at [^\n]*)?"
_FRAMES = re.compile(f"{_FRAME.format('0')}(?:{_FRAME.format('[0-9]+')})*")


def plainly(text: str) -> str:
    """What a store's client says as one line of at most 400 characters: of the store's XML its
    code and message, no colours, no ids of requests and hosts, no credentials, and none of the
    frames that delta-rs, which is written in Rust, adds where RUST_BACKTRACE is set."""
    text = _FRAMES.sub("", text)
    code, message = (re.search(rf"<{tag}>(.*?)</{tag}>", text, re.S) for tag in ("Code", "Message"))
    if code is not None:
        text = f"{code[1]}: {message[1]}" if message is not None else code[1]
    text = re.sub(r"\x1b\[[0-9;]*m|↳|<[^<>]*>", " ", text)
    text = re.sub(r"[(,;]?\s*\b(?:x-amz-)?(?:request|host)[ _-]?id(?:-2)?\b\W{1,4}[\w+/=-]+\)?", "",
                  text, flags=re.I)  # fmt: skip
    return " ".join(struck(text).split())[:400]


def _trouble(url: str, action: str, error: Exception, said: Callable[[BaseException], str]) -> str:
    if isinstance(error, LinkInTheWay):
        return (
            f"{url} could not be {action}: {error.link} is a link to {error.target}, and nothing "
            "is written or removed through a link; name the place that it leads to, put the "
            f"folder itself there, or mount it there, {_AGAIN}"
        )
    if isinstance(error, OtherInTheWay):
        return f"{url} could not be {action}: {error.strerror}; name another place, {_AGAIN}"
    if isinstance(error, NotRegular):
        return f"{url} could not be {action}: {error.strerror}; put a file there, {_AGAIN}"
    way_out = _WAYS_OUT.get(getattr(error, "errno", None) or 0)
    if way_out is None and isinstance(error, PermissionError):
        way_out = f"access was denied ({said(error)}); check the credentials and their rights"
    if way_out is None:
        text = said(error) or type(error).__name__
        way_out = f"{text}; check the disk, the connection and the credentials"
    return f"{url} could not be {action}: {way_out}, {_AGAIN}"
