"""Text from outside as people may be shown it: names, and what libraries and servers say.

A terminal obeys control characters, a reader believes a line that a name has forged, and marks of
direction or of no width let one name look like another. So whatever could move, colour, hide or
reorder what is shown stands there as its escape (`\\x1b`, `\\n`, `\\u202e`), as Python writes it.
Letters of every script stay. A text that is escaped already stays as it is, so that whoever is
unsure may escape again; what is exact is JSON. Knows nothing of where texts come from or go.
"""

from __future__ import annotations

import html as _html
import json
import re
import unicodedata
from typing import Any

LONGEST_NAME = 60
"""Characters of a name that are shown, where whoever shows it says nothing else."""
_DIGEST = re.compile("[0-9a-f]{32,}")
LONGEST_LINE = 2000
"""Characters of any line for people: more than a screen is read by nobody."""

_MOST_MARKS = 6  # on one letter; Tibetan and Hebrew need as many, floods have dozens
_AZURE = re.compile(r"##(?=[A-Za-z]*\[)")
"""Anywhere in a line: a command to Azure Pipelines, TeamCity and, of old, to GitHub's runner."""
_COMMAND = re.compile(r"^(\s*):(?=:)")
_CALLS = re.compile(r"(@(?=\w)|(?<!&)#(?=\d)|\bGH-(?=\d))", re.IGNORECASE)
_CODE = re.compile(r"[\w./+=:@,-]+( [\w./+=:@,-]+)*")
_LINE_BREAK = re.compile(r"\r\n|\n")

# Printable to Python, and yet nothing to see: Default_Ignorable_Code_Point of Unicode's
# DerivedCoreProperties.txt as far as `str.isprintable` lets it pass, and two blanks that are
# no space.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U0001d159\U000e0100-\U000e01ef]"
)
_ZWNJ, _ZWJ, _KEYCAP = "\u200c", "\u200d", "\u20e3"
_STYLES = "\ufe0e\ufe0f"  # text or picture
_PICTURES = "\u203c\u2049\u3030\u303d"  # as emoji, and no symbols by their category


def line(value: object) -> str:
    """The text as one line without anything but what is seen."""
    text = _AZURE.sub(r"\\x23#", str(value))
    if text.isprintable() and text.isascii():
        return text
    shown: list[str] = []
    marks = 0
    for n, char in enumerate(text):
        marks = marks + 1 if _is_mark(char) else 0
        too_many = marks > (0 if marks > n else _MOST_MARKS)  # none before the first letter
        seen = char.isprintable() and not _UNSEEN.match(char) and not too_many
        shown.append(char if seen or _joins(text, n) else _escape(char))
    return "".join(shown)


def lines(text: str) -> list[str]:
    """A text of several lines, each as `line` has it; without an empty one at its end."""
    found = [line(each) for each in _LINE_BREAK.split(text)]
    return found[:-1] if found[-1] == "" else found


def unobeyed(text: str) -> str:
    """A line, as `line` has it, that begins no command to GitHub's runner (`::error::`), which
    obeys what a step prints."""
    return _COMMAND.sub(r"\1\\x3a", text)


def name(value: object, most: int = LONGEST_NAME) -> str:
    """A name as `line` has it, of at most `most` characters; in quotes where it begins or ends
    with a blank, or is empty."""
    text = line(value)
    if text != text.strip() or not text:
        text = f"'{text}'"
    return cut(text, most)


def short_id(identity: str, most: int = LONGEST_NAME) -> str:
    """An id as people are told it: the first 12 digits of a digest in hex. An id of another kind,
    as foreign data sets have, is a name: its first 12 characters would be those of many rows. most:
    characters of a name."""
    return identity[:12] if _DIGEST.fullmatch(identity) else name(identity, most)


def cut(text: str, most: int) -> str:
    """The text, or its beginning and its end with `...` between, `most` characters together."""
    if len(text) <= most:
        return text
    tail = max(0, (most - 3) // 3)
    head, end = text[: most - 3 - tail], text[len(text) - tail :]
    return f"{head.rstrip(_ZWNJ + _ZWJ + _STYLES)}...{end.lstrip(_ZWNJ + _ZWJ + _STYLES)}"


def html(value: object) -> str:
    """As text or as a quoted attribute of HTML."""
    return _html.escape(line(value), quote=True)


def markdown(value: object) -> str:
    """As text within a line of Markdown, or as a cell of a table there: no HTML, link, emphasis,
    code, formula or heading comes of it, and on GitHub nobody is called and no issue is named."""
    text = re.sub(r"([\\`*\[\]|~$])", r"\\\1", line(value))
    text = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", text)  # not inside a word
    text = re.sub(r"^(\s*)([-+=#]|\d+(?=\.))", _at_the_beginning, text)
    text = re.sub(r":(?=//)", "&#58;", _html.escape(text, quote=False))
    text = re.sub(r"(?i)\b(www)\.", r"\1&#46;", text)
    return _CALLS.sub(r"\1<!-- -->", text)  # they are looked for in what is shown: no entity helps


def code(value: object) -> str:
    """As code within a line of Markdown; a text that code cannot hold as `markdown` has it."""
    text = line(value)
    return f"`{text}`" if _CODE.fullmatch(text) else markdown(text)


def to_json(document: Any) -> str:
    """One line of JSON in ASCII: nothing in it does anything to a terminal, and every stream can
    write it. Halves of characters that file names may hold, which no strict reader of JSON takes,
    stand in it as texts such as `\\udc80`."""
    text = json.dumps(document, ensure_ascii=False).replace("##", r"#\u0023")  # see _AZURE
    return text if text.isascii() and text.isprintable() else _NOT_ASCII.sub(_in_json, text)


_NOT_ASCII = re.compile(r"[^\x20-\x7e]")


def _in_json(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xD800 <= code < 0xE000:
        return f"\\\\u{code:04x}"
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 | code >> 10:04x}\\u{0xDC00 | code & 0x3FF:04x}"


def _at_the_beginning(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]}\\" if found[2][0].isdigit() else f"{found[1]}\\{found[2]}"


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode()


def _is_mark(char: str) -> bool:
    return unicodedata.category(char) in ("Mn", "Me")


def _joins(text: str, n: int) -> bool:
    """Whether a character without width does what it is for: joiners within Indic and Arabic
    words (RFC 5892, appendix A) and between pictures, styles of pictures (UTS #51)."""
    char, before = text[n], text[n - 1] if n else ""
    after = text[n + 1] if n + 1 < len(text) else ""
    if not before or char not in (_ZWNJ, _ZWJ, *_STYLES):
        return False
    if char in _STYLES:
        return _is_picture(before) or (before in "#*0123456789" and after == _KEYCAP)
    if unicodedata.combining(before) == 9:  # a virama
        return True
    if char == _ZWNJ:
        return all(c and unicodedata.bidirectional(c) == "AL" for c in (before, after))
    return (_is_picture(before) or before in _STYLES) and after != "" and _is_picture(after)


def _is_picture(char: str) -> bool:
    """Also a skin tone, which stands behind one."""
    return unicodedata.category(char) in ("So", "Sm", "Sk") or char in _PICTURES
