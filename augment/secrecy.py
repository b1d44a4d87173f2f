"""What nobody may see in a log, a record or an error: values that are named like credentials, and
passwords and signatures inside URLs.

Knows nothing of where texts go.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

STRUCK = "***"
_NAMED = re.compile(r"key|secret|token|passw|passphrase|credential|connection|sas", re.I)
_OF_THE_MACHINE = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "RAY_AUTH_TOKEN")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_IN_URLS = (
    (re.compile(r"(\b[a-z0-9+.-]+://)[^/\s@:]*:[^/\s@]*@", re.I), rf"\1{STRUCK}@"),
    (re.compile(r"([?&](?:[\w-]*(?:signature|token|secret|credential|key|sig))=)[^&\s]+", re.I),
     rf"\1{STRUCK}"),
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


def struck(text: str, secrets: Collection[str] = ()) -> str:
    """The text without these values, and without passwords and signatures in URLs."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, STRUCK)
    for pattern, instead in _IN_URLS:
        text = pattern.sub(instead, text)
    return text
