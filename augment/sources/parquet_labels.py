"""Label and split columns of Parquet files as texts; files that disagree on what labels mean.

Knows nothing of images or storage. No error shows what a cell of text holds beyond a name's
length.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from augment.errors import PlanError, Problem
from augment.sources.parquet_images import is_binary, is_text, plain_type
from augment.spec.problems import shown

_MAX_NAME = 256
_MOST_DECODED = 1 << 30  # bytes
_NUMBER = re.compile(r"-?[0-9]+")
_WHOLE = 1 << 53  # a double holds every whole number up to it
EXPECTED = "strings or whole numbers"


def holds_labels(kind: pa.DataType) -> bool:
    """Whether values of this type are texts or can be whole numbers."""
    kind = plain_type(kind)
    numbers = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean)
    return is_text(kind) or is_binary(kind) or pa.types.is_null(kind) or any(
        test(kind) for test in numbers
    )  # fmt: skip


def class_names(schema: pa.Schema, column: str) -> tuple[str, ...] | None:
    """Names of the `datasets` ClassLabel of a column, from the schema's metadata."""
    raw = (schema.metadata or {}).get(b"huggingface")
    try:
        feature = json.loads(raw)["info"]["features"][column] if raw else {}
        names = feature.get("names")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return tuple(str(n) for n in names) if isinstance(names, list) and names else None


@dataclass(frozen=True)
class Labels:
    """Of a file: names of its whole numbers, where it has them; bare: it has whole numbers that
    nothing names."""

    names: tuple[str, ...] | None
    bare: bool


def labels_of(schema: pa.Schema, column: str) -> Labels:
    """What the labels of a file mean."""
    kind = plain_type(schema.field(column).type)
    texts = is_text(kind) or is_binary(kind) or pa.types.is_null(kind)
    names = None if texts else class_names(schema, column)
    return Labels(names, bare=not texts and names is None)


def texts_of(place: str, path: str, values: pa.Array, names: Sequence[str] | None) -> pa.Array:
    """A column as texts, null where a row has none. place: of the column in the job; names: of
    whole numbers.

    Raises:
        PlanError: values that are neither texts nor whole numbers, or have no name.
    """
    if isinstance(values.type, pa.BaseExtensionType):
        values = values.storage
    if pa.types.is_dictionary(values.type):
        values = _decoded(place, path, values)
    kind = values.type
    if is_text(kind) or pa.types.is_null(kind):
        return _short(place, path, values.cast(pa.string()))
    if is_binary(kind):
        return _short(place, path, _utf8(place, path, values))
    if pa.types.is_boolean(kind) and names is None:
        return values.cast(pa.string())
    whole = _whole_numbers(place, path, values)
    return whole.cast(pa.string()) if names is None else _named(place, path, whole, names)


def _decoded(place: str, path: str, values: pa.DictionaryArray) -> pa.Array:
    """Each value written out. Raises: PlanError where that would be gigabytes."""
    dictionary = values.dictionary
    if pa.types.is_string_view(dictionary.type):
        dictionary = dictionary.cast(pa.large_string())
    if pa.types.is_binary_view(dictionary.type):
        dictionary = dictionary.cast(pa.large_binary())
    if is_text(dictionary.type) or is_binary(dictionary.type):
        longest = pc.max(pc.binary_length(dictionary)).as_py() or 0
        if longest > _MAX_NAME and longest * len(values) > _MOST_DECODED:
            raise _too_long(place, path, longest)
    return dictionary.take(values.indices)


def _utf8(place: str, path: str, values: pa.Array) -> pa.Array:
    try:
        return values.cast(pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        raise _refused(place, f"bytes that are no UTF-8 text in {path}") from None


def _short(place: str, path: str, texts: pa.Array) -> pa.Array:
    longest = pc.max(pc.utf8_length(texts)).as_py() or 0
    if longest > _MAX_NAME:
        raise _too_long(place, path, longest)
    return texts


def _too_long(place: str, path: str, longest: int) -> PlanError:
    found = f"a label of {longest} characters in {path}"
    hint = "Is it another column? A label names a class"
    return PlanError([Problem(place, found, f"at most {_MAX_NAME} characters", hint)])


def _whole_numbers(place: str, path: str, values: pa.Array) -> pa.Array:
    """Whole numbers, null where there are none: pandas turns those with gaps into floats."""
    if pa.types.is_floating(values.type):
        values = values.cast(pa.float64())
        values = pc.if_else(pc.is_nan(values), None, values)
        odd = values.filter(
            pc.or_(pc.not_equal(pc.floor(values), values), pc.greater(pc.abs(values), _WHOLE))
        )
        if len(odd):
            raise _refused(place, f"the number {odd[0].as_py():g} in {path}")
        return values.cast(pa.int64())
    if pa.types.is_decimal(values.type):
        try:
            return values.cast(pa.int64())
        except pa.ArrowInvalid:
            raise _refused(place, f"numbers with decimals in {path}") from None
    return values.cast(pa.int8()) if pa.types.is_boolean(values.type) else values


def _named(place: str, path: str, numbers: pa.Array, names: Sequence[str]) -> pa.Array:
    if not pa.types.is_uint64(numbers.type):  # whose largest fit nowhere else
        numbers = numbers.cast(pa.int64())
    outside = numbers.filter(pc.greater_equal(numbers, pa.scalar(len(names), numbers.type)))
    if len(outside):
        hint = f"Its metadata names {len(names)} classes."
        found = f"label {outside[0]} in {path}"
        raise PlanError([Problem(place, found, f"0 .. {len(names) - 1}", hint)])
    numbers = numbers.cast(pa.int64())
    known = pc.if_else(pc.less(numbers, 0), None, numbers)  # -1: `datasets` has no label there
    return pa.array(names, pa.string()).take(known)


def _refused(place: str, found: str) -> PlanError:
    hint = "Labels are names of classes, or their numbers"
    return PlanError([Problem(place, found, EXPECTED, hint)])


# ---- files beside each other -----------------------------------------------------------


@dataclass
class Agreement:
    """What the files of a source say that labels mean. place: of the label column in the job.
    mapped: whether the job says what each label means."""

    place: str
    mapped: bool = False
    problems: list[Problem] = field(default_factory=list)
    _named: tuple[str, tuple[str, ...]] | None = None
    _bare: str = ""
    _numbers: str = ""
    """The first file with a label that is a number without a name."""
    _texts: dict[str, str] = field(default_factory=dict)
    """Text of a label -> a file where it is one."""

    @property
    def names(self) -> tuple[str, ...] | None:
        """Of all labels, where files have names."""
        return self._named[1] if self._named else None

    def add(self, path: str, labels: Labels, texts: pa.Array) -> None:
        """Notes what a file says. texts: of its labels."""
        if labels.names is not None:
            if self._named is None:
                self._named = (path, labels.names)
            elif self._named[1] != labels.names:
                self._differ(path, _difference(labels.names, self._named[1]), self._named[0])
        elif labels.bare:
            self._bare = self._bare or path
            if texts.null_count < len(texts):
                self._numbers = self._numbers or path
        else:
            for text in pc.unique(texts.drop_null()).to_pylist():
                self._texts.setdefault(text, path)

    def finish(self) -> list[Problem]:
        """What is wrong with all files together."""
        if self.problems:
            return self.problems
        if self._named is None:
            return self._beside_numbers()
        path, names = self._named
        if self._bare:
            self._differ(self._bare, "whole numbers without names", path)
        unknown = [(t, file) for t, file in self._texts.items() if t and t not in set(names)]
        for text, file in unknown[:3]:
            self._differ(file, f"the label {shown(text)}, which is none of the names", path)
        return self.problems

    def _beside_numbers(self) -> list[Problem]:
        """Files without names: numbers in one of them and names in another are classes side by
        side, unless a label map says which are one."""
        named = next((t for t in self._texts if t and not _NUMBER.fullmatch(t)), None)
        if named is None or not self._numbers or self.mapped:
            return []
        found = f"whole numbers without names in {self._numbers}, and the label {shown(named)}"
        expected = "numbers alone, or names alone"
        hint = "Write the files anew with one schema, or say in a label_map what each means"
        return [Problem(self.place, f"{found} in {self._texts[named]}", expected, hint)]

    def _differ(self, path: str, found: str, first: str) -> None:
        names = self.names or ()
        listed = ", ".join(n[:40] for n in names[:6]) + (", ..." if len(names) > 6 else "")
        problem = Problem(
            self.place,
            f"{found} in {path}",
            f"the {len(names)} class names that {first} has: {listed}",
            "Write the files anew with one schema, or make two sources of them",
        )
        if problem not in self.problems:  # told once a file, not once a row group
            self.problems.append(problem)


def _difference(these: Sequence[str], others: Sequence[str]) -> str:
    if sorted(these) == sorted(others):
        return "the same class names in another order"
    if len(these) != len(others):
        return f"{len(these)} class names"
    n = next(i for i, pair in enumerate(zip(these, others, strict=True)) if pair[0] != pair[1])
    return f"other class names (number {n} is {shown(these[n])}, not {shown(others[n])})"
