"""What nobody may see in a log, a record or an error: values that are named like credentials, and
what is a credential by its form or by where it stands in a text.

Knows nothing of where texts go.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from augment.escaping import line

STRUCK = "***"
_NAMED = re.compile(r"key|secret|token|passw|passphrase|credential|connection|sas", re.I)
_OF_THE_MACHINE = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "RAY_AUTH_TOKEN")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_SHORTEST = 8  # of a variable that no job names: shorter ones are words
_NAME = (
    r"(?<![\w.-])[\w.-]{0,200}(?:signature|secret|passw(?:or)?d|credential|sig|token|(?:secret|account|"
    r"access|api|private)[_-]?key(?:[_-]?id)?)"
)
"""Of a value that is one wherever it is named."""
_PATTERNS = tuple(
    (re.compile(pattern, re.I | re.S), instead)
    for pattern, instead in (
        # scheme://user:password@ (a port is none) and scheme://token@ (a container is none)
        (r"(\b[a-z][a-z0-9+.-]{0,20}://)[^\s/?#@:'\"]{0,256}:(?!\d{1,5}(?:[/?#\s'\"]|$))"
         r"[^\s'\"]{0,512}@", r"\1***@"),
        (r"(\b(?!abfs)[a-z][a-z0-9+.-]{0,20}://)[^\s/?#@:'\"]{1,512}@", r"\1***@"),
        # KEY:SECRET@ with nothing in front; an image's digest is none
        (r"(?<![\w/.*-])[\w+=.%-]{3,128}:(?!//)[^\s'\"]{3,512}@(?!sha256:)", "***@"),
        (r"(?<=[^/]/)[\w+=.%-]{3,128}:(?!\d{1,5}(?:[/?#\s'\"]|$))[^\s'\"]{6,512}@(?!sha256:)",
         "***@"),
        (r"([?&;][\w.-]{0,40}(?:signature|token|secret|credential|passw(?:or)?d|key|keyid|"
         r"accessid|sig)=)(?!\$\{)[^&\s;'\"]+", r"\1***"),
        (rf"({_NAME}['\"]?\s{{0,3}}[=:]\s{{0,3}}(?:got\s)?)(['\"])(?!\$\{{)(?:(?!\2).){{0,4096}}\2",
         r"\1\2***\2"),
        (rf"({_NAME}\s{{0,3}}=\s{{0,3}})(?!\$\{{)[^\s&;,'\")\]}}]+", r"\1***"),
        (r"(\b(?:passw(?:or)?d|secret|(?:secret_)?access_key|account_key):\s{0,3})"
         r"(?!got\s|\$\{)[^\s,;'\"]{4,}", r"\1***"),
        (r"(\b(?:authorization|cookie|x-[\w-]{1,40}-token)['\"]?\s{0,3}[:=]\s{0,3}['\"]?)"
         r"(?:(?:bearer|basic|token)\s+)?[^\s'\"]+", r"\1***"),
        (r"(\bbearer\s+)(?=[\w.~+/=-]{0,256}\d)[\w.~+/=-]{8,}", r"\1***"),
        # by their own form: keys of AWS, tokens of GitHub and Hugging Face, JSON web tokens
        (r"\b(?-i:AKIA|ASIA)[A-Z0-9]{16}\b|\b(?:gh[pousr]|hf)_\w{20,}|"
         r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*", STRUCK),
        (r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)",
         STRUCK),
    )
)  # fmt: skip


def secret_values(
    options: object, env: Mapping[str, str] | None = None, text: str = "", shortest: int = 4
) -> tuple[str, ...]:
    """What must not be shown: texts in `options` and variables of `env` that are named like
    credentials; the longest first. text: a job's, whose `${VARIABLES}` are looked up too.
    shortest: a shorter value is no secret, but may be a word of what it would be cut out of."""
    names = [*_OF_THE_MACHINE, *filter(_NAMED.search, _VARIABLE.findall(text))]
    found = {(env or {}).get(name, "") for name in names}
    found |= {value for _, value in secret_leaves(options)}
    return tuple(sorted((v for v in found if len(v) >= shortest), key=lambda v: (-len(v), v)))


def secret_leaves(
    value: object, name: str = "", *, hidden: bool = False
) -> Iterator[tuple[str, str]]:
    """(name, text) of every text below a name like a credential's. name, hidden: of `value`."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            named = hidden or _NAMED.search(str(key)) is not None
            yield from secret_leaves(inner, str(key), hidden=named)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from secret_leaves(inner, name, hidden=hidden)
    elif hidden and isinstance(value, str):
        yield name, value


def secrets_of_process(env: Mapping[str, str], arguments: Sequence[str] = ()) -> tuple[str, ...]:
    """What a process was given that no text of its may hold: values of variables that are named
    like credentials, however it came to see them, and of such options of its command line."""
    found = {value for name, value in env.items() if _NAMED.search(name) and _is_secret(value)}
    for n, option in enumerate(arguments):
        name, equals, inline = option.partition("=")
        if name == "--token":
            found |= {inline} if equals else set(arguments[n + 1 : n + 2])
    return tuple(found - {""})


def _is_secret(value: str) -> bool:
    """Not a file's place, nor a word that may stand anywhere."""
    return len(value) >= _SHORTEST and not value.startswith(("/", "~", "file:"))


def struck(text: str, secrets: Collection[str] = ()) -> str:
    """The text without these values, as they are and as `escaping.line` shows them, and without
    what is a credential by where it stands: in a URL or before its `@`, behind a name such as
    `secret=`, in a header, or by its own form."""
    for secret in sorted({form for one in secrets for form in (one, line(one))},
                         key=len, reverse=True):  # fmt: skip
        text = text.replace(secret, STRUCK)
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text
