"""Small files that a job names: class lists and label maps. Read whole, checked, returned.

Local files are opened directly; remote ones through `augment.storage`, imported only then.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping

from augment.errors import Problem, SpecError
from augment.opening import opened, true_place
from augment.places import Options, is_local
from augment.policy import lies_in, read_policy
from augment.spec.few import Few
from augment.spec.generator_base import ClassIndexFile
from augment.spec.models import Classes, LabelMap
from augment.spec.problems import one_of, shown
from augment.spec.text import parse, resolve

_MAX_NAME = 256
MAX_LIST_BYTES = 64 << 20
"""Of a class list or a label map: a million classes with long names."""
MAX_MANIFEST_BYTES = 1 << 30
MAX_PIPELINE_BYTES = 1 << 20


def read_classes(classes: Classes, base: str = "", options: Options | None = None) -> list[str]:
    """Class names in label order. A class file holds one name a line; blank ends are cut.

    base: folder that a relative `file` hangs on.

    Raises:
        SpecError: the file is missing, or holds an empty or repeated name.
    """
    if classes.file is None:
        return list(classes.names or [])
    text = _text(_beside(base, classes.file), options)
    names = [line.strip() for line in text.splitlines()]
    while names and not names[-1]:
        names.pop()
    problems = _name_problems(names, classes.file)
    if not names:
        problems.add(classes.file, "no class", "one class name a line")
    if problems:
        raise SpecError(problems.problems())
    return names


def _name_problems(names: list[str], file: str) -> Few:
    problems, first = Few(file), dict[str, int]()
    for n, name in enumerate(names, 1):
        if not name or len(name) > _MAX_NAME:
            expected = f"a class name of 1 to {_MAX_NAME} characters"
            problems.add(f"{file}:{n}", shown(name), expected)
        elif name in first:
            expected = f"each class once (first on line {first[name]})"
            problems.add(f"{file}:{n}", f"{shown(name)} a second time", expected)
        first.setdefault(name, n)
    return problems


def read_label_map(
    label_map: LabelMap, base: str = "", options: Options | None = None
) -> dict[str, str]:
    """Source label -> class. A file is CSV with the header `from,to`, or a YAML or JSON mapping.

    Raises:
        SpecError: the file is missing or malformed.
    """
    if label_map.file is None:
        return dict(label_map.map or {})
    file = label_map.file
    where = _beside(base, file)
    if file.lower().endswith(".csv"):
        return _csv_map(_text(where, options), file)
    document = parse(read_bytes(where, options), file)
    if document.problems:
        raise SpecError(document.problems)
    if not isinstance(document.data, dict) or not document.data:
        raise SpecError([Problem(file, shown(document.data), "a mapping of label: class")])
    problems = Few(file)
    for key, value in document.data.items():
        if not isinstance(value, str) or not value:
            place = f"{file}:{document.lines.get((key,), 1)}: {key}"
            problems.add(place, shown(value), "a class name")
    if problems:
        raise SpecError(problems.problems())
    return {str(k): str(v) for k, v in document.data.items()}


def read_class_index(
    given: Mapping[str, int] | ClassIndexFile, base: str = "", options: Options | None = None
) -> dict[str, int]:
    """Class -> index of a network. A file is a YAML or JSON mapping of name to index, or text
    with one class name a line, the first of which is index 0.

    Raises:
        SpecError: the file is missing or malformed.
    """
    if not isinstance(given, ClassIndexFile):
        return dict(given)
    where = _beside(base, given.file)
    if not given.file.lower().endswith((".yaml", ".yml", ".json")):
        names = read_classes(Classes(file=given.file), base, options)
        return {name: index for index, name in enumerate(names)}
    document = parse(read_bytes(where, options), given.file)
    if document.problems:
        raise SpecError(document.problems)
    found = document.data
    data = {k: resolve(v) for k, v in found.items()} if isinstance(found, dict) else {}
    if not data:
        raise SpecError([Problem(given.file, shown(found), "a mapping of name: index")])
    problems = Few(given.file)
    for key, value in data.items():
        if type(value) is not int or value < 0:
            problems.add(f"{given.file}: {key}", shown(value), "a whole number from 0")
    if problems:
        raise SpecError(problems.problems())
    return {str(k): int(v) for k, v in data.items()}


def _csv_map(text: str, file: str) -> dict[str, str]:
    rows = csv.reader(io.StringIO(text), strict=True)
    found: dict[str, str] = {}
    problems = Few(file)
    try:
        header = next(rows, [])
        if header != ["from", "to"]:
            raise SpecError([Problem(f"{file}:1", shown(",".join(header)), "the header from,to")])
        for row in rows:
            place = f"{file}:{rows.line_num}"
            if len(row) != 2 or not all(row):
                problems.add(place, shown(",".join(row)), "a label and a class")
            elif found.setdefault(row[0], row[1]) != row[1]:
                problems.add(place, f"{shown(row[0])} a second time", "each label once")
    except csv.Error as error:
        problems.add(f"{file}:{rows.line_num}", f"an error ({error})", "CSV")
    if problems:
        raise SpecError(problems.problems())
    return found


def _beside(base: str, file: str) -> str:
    """A relative path hangs on `base`; a URI stands for itself."""
    return os.path.join(base, file) if is_local(file) else file


def _text(path: str, options: Options | None) -> str:
    try:
        return read_bytes(path, options).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = f"byte {error.start} that is not UTF-8"
        raise SpecError([Problem(path, found, "UTF-8 text")]) from None


def read_bytes(
    path: str,
    options: Options | None = None,
    most: int = MAX_LIST_BYTES,
    *,
    inside: str | None = None,
) -> bytes:
    """The bytes of a file that the job names, local or remote: at most `most`.

    inside: the true place of a folder that a local file must lie in, links followed.

    Raises:
        SpecError: it is missing, larger or, if local, unreadable, no regular file, or where
            the operator's policy lets no job read. StorageError: remote trouble.
    """
    try:
        if not is_local(path):
            from augment.storage import Folder, split_uri  # fsspec is slow to import

            folder, name = split_uri(path)
            store = Folder(folder, options)
            raw = b"" if (size := store.info(name).size) > most else store.read(name)
        else:
            with os.fdopen(opened(path), "rb") as file:
                _check_place(path, true_place(file.fileno(), path), inside)
                size = os.fstat(file.fileno()).st_size
                raw = file.read() if size <= most else b""
    except FileNotFoundError:
        raise SpecError([Problem(path, "no such file", "a file that exists")]) from None
    except OSError as error:
        raise SpecError(
            [Problem(path, f"an error ({error.strerror})", "a readable file")]
        ) from None
    if size > most:
        raise SpecError([Problem(path, f"more than {most} bytes", "a smaller file")])
    return raw


def _check_place(path: str, place: str, inside: str | None) -> None:
    """The file that is open is judged, so that no link can be put in after the look."""
    if inside is not None and not lies_in(place, (inside,)):
        expected, hint = f"a file in {inside}", "Copy it there, or name it by a URI"
        raise SpecError([Problem(path, f"a link to {place}", expected, hint)])
    policy = read_policy()
    if not policy.allows_place(place):
        expected = f"a place in {one_of(policy.rules.allowed_uris or ())}"
        hint = f"Ask the operator to list it under `allowed_uris` in {policy.path}"
        found = f"a link to {place}, where this machine lets no job go"
        raise SpecError([Problem(path, found, expected, hint)])
