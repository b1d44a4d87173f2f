"""A pickle as a tree of data: nothing that it names is looked up, imported or called.

A pickle is a program for a small stack machine whose instructions may import any function
and call it. Here the instructions are walked (`pickletools.genops` of the standard library,
which only decodes them) and the same stack is kept, but what an unpickler would import
becomes a `Global`, what it would call or build a `Node`. The meaning of a node is for those
who read the tree; nodes of functions that nobody asked for just stand there.

Refused: opcodes for copyreg's extension registry and for buffers outside the file; a state
given to anything but a new object (unpicklers apply it with setattr, also to functions);
stacks that run empty; keys that need unbounded work to hash; more instructions than
`limits` allow. Knows nothing of torch, numpy or any checkpoint.

Source: Lib/pickle.py and Lib/pickletools.py of CPython 3.11, PEP 3154, PEP 574.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from augment.checkpoints.blob import DAMAGED, Blob, shown
from augment.checkpoints.limits import (
    MAX_INT_BITS,
    MAX_KEY_PARTS,
    MAX_MEMO,
    MAX_OPCODES,
    MAX_TUPLE_KEYS,
)

Kind = Literal["call", "new", "persistent", "set"]


@dataclass(slots=True, eq=False)
class Global:
    """Something that an unpickler would import. at: the byte where it is named."""

    module: str
    name: str
    at: int

    @property
    def path(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(slots=True, eq=False)
class Node:
    """Something that an unpickler would make.

    kind: `call` func(*args); `new` func.__new__(func, *args, **kwargs); `persistent` an
    object that the container of the pickle holds, args[0] is its id; `set` of args.
    items, appended, state: what it would be given afterwards by item assignment, `extend`
    and `__setstate__`. at: the byte where it is made.
    """

    kind: Kind
    func: Global | Node | None
    args: tuple[Any, ...] | list[Any]
    at: int
    kwargs: Mapping[Any, Any] | None = None
    items: list[tuple[Any, Any]] | tuple[()] = ()
    appended: list[Any] | tuple[()] = ()
    state: Any = None

    @property
    def path(self) -> str:
        """Dotted name of what makes it, "" where that is no global."""
        return self.func.path if isinstance(self.func, Global) else ""


@dataclass(frozen=True)
class Inert:
    """One pickle. persistent: its nodes of that kind, in order. end: the byte after it."""

    root: Any
    persistent: list[Node]
    end: int


def read_pickle(blob: Blob, at: int = 0, max_opcodes: int = MAX_OPCODES) -> Inert:
    """The pickle that starts at byte `at`, of at most `max_opcodes` instructions.

    Raises:
        UnsafeCheckpoint: it is none, is truncated, or does what no checkpoint needs.
    """
    machine = _Machine(blob, at)
    stream = blob.stream(at)
    try:
        for count, (op, arg, pos) in enumerate(pickletools.genops(stream)):
            machine.at = pos or 0
            if count >= max_opcodes:
                raise machine.refused(f"more than {max_opcodes} instructions")
            step = _STEPS.get(op.name)
            if step is None:
                raise machine.refused(f"the instruction {op.name}")
            step(machine, arg)
    except IndexError:
        raise machine.refused("an instruction that takes from an empty stack") from None
    except (ValueError, OverflowError, Warning) as error:  # Warning: where it is an error
        raise machine.refused(f"no whole instruction ({shown(str(error))}) after") from None
    return Inert(machine.result(), machine.persistent, stream.tell())


def opening(blob: Blob, at: int = 0, steps: int = 4000) -> tuple[list[object], bool]:
    """(arguments of the first instructions, whether they are a pickle's): for a look at
    what a file is, not at what it holds. `steps` bounds the look."""
    found: list[object] = []
    try:
        for _, (op, arg, _) in zip(range(steps), pickletools.genops(blob.stream(at)), strict=False):
            if arg is not None:
                found.append(arg.replace(" ", ".") if op.name in ("GLOBAL", "INST") else arg)
    except (ValueError, OverflowError, Warning):
        return found, False
    return found, True


def walk(root: object, seen: set[int] | None = None) -> Iterator[object]:
    """Every value of the tree, containers before what they hold and once. seen: the
    containers that were walked before, which are passed over: by `id`."""
    todo = [root]
    seen = set() if seen is None else seen
    while todo:
        value = todo.pop()
        if isinstance(value, tuple | list | dict | Node):
            if id(value) in seen:
                continue
            seen.add(id(value))
            todo.extend(_inside(value))
        yield value


def globals_in(root: object, seen: set[int] | None = None) -> set[str]:
    """Dotted names of all that an unpickler would import for this tree; seen: as in `walk`."""
    return {value.path for value in walk(root, seen) if isinstance(value, Global)}


def _inside(value: tuple[Any, ...] | list[Any] | dict[Any, Any] | Node) -> Iterator[object]:
    if isinstance(value, tuple | list):
        yield from value
    elif isinstance(value, dict):
        yield from value
        yield from value.values()
    else:
        yield from (value.func, value.args, value.kwargs, value.appended, value.state)
        for key, item in value.items:
            yield key
            yield item


class _Machine:
    """The stack and the memo. A mark puts the stack aside and starts an empty one, so that
    nothing can take or memoize a mark. Taking from an empty stack raises IndexError."""

    def __init__(self, blob: Blob, at: int) -> None:
        self.at = at
        self.persistent: list[Node] = []
        self._blob = blob
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._tuple_keys = 0

    def refused(self, came: str) -> Exception:
        expected = "a pickle that only describes data"
        return self._blob.refusal(f"pickle has {came}", expected, at=self.at)

    def result(self) -> Any:
        if len(self._stack) != 1 or self._below:
            raise self._blob.refusal("pickle leaves no single value", "one", DAMAGED, self.at)
        return self._stack[0]

    # ---- values --------------------------------------------------------------------

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def pop(self) -> Any:
        return self._stack.pop()

    def dup(self) -> None:
        self._stack.append(self._stack[-1])

    def integer(self, value: int) -> None:
        if value.bit_length() > MAX_INT_BITS:
            raise self.refused(f"a number of {value.bit_length()} bits")
        self._stack.append(value)

    def since_mark(self) -> list[Any]:
        items = self._stack
        self._stack = self._below.pop()
        return items

    def mark(self, _: None) -> None:
        self._below.append(self._stack)
        self._stack = []

    def tuple_of(self, count: int) -> None:
        if len(self._stack) < count:
            raise IndexError
        self._stack[-count:] = [tuple(self._stack[-count:])]

    def dictionary(self, _: None) -> None:
        pairs = self._pairs(self.since_mark())
        self._stack.append(dict(pairs))

    def put_set(self, values: list[Any]) -> None:
        self._stack.append(Node("set", None, values, self.at))

    # ---- what an unpickler would import, call or build --------------------------------

    def put_global(self, name: str) -> None:
        module, _, attribute = name.partition(" ")
        self._stack.append(Global(module, attribute, self.at))

    def stack_global(self, _: None) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if type(name) is not str or type(module) is not str:
            raise self.refused("a global whose name is no text")
        self._stack.append(Global(module, name, self.at))

    def make(self, kind: Kind, func: Any, args: Any, kwargs: dict[Any, Any] | None = None) -> None:
        if not isinstance(func, Global | Node) or not isinstance(args, tuple):
            raise self.refused(f"a call of {shown(func)} with {shown(args)}")
        self._stack.append(Node(kind, func, args, self.at, kwargs))

    def call(self, _: None) -> None:
        args, func = self._stack.pop(), self._stack.pop()
        self.make("call", func, args)

    def new(self, _: None) -> None:
        args, func = self._stack.pop(), self._stack.pop()
        self.make("new", func, args)

    def new_with_keywords(self, _: None) -> None:
        kwargs, args, func = self._stack.pop(), self._stack.pop(), self._stack.pop()
        if not isinstance(kwargs, dict):
            raise self.refused(f"a call with the keywords {shown(kwargs)}")
        self.make("new", func, args, kwargs)

    def instance(self, name: str) -> None:
        args = self.since_mark()
        self.put_global(name)
        self.make("new", self._stack.pop(), tuple(args))

    def object_of_class(self, _: None) -> None:
        func, *args = self.since_mark() or [None]
        self.make("new", func, tuple(args))

    def persistent_id(self, key: Any) -> None:
        node = Node("persistent", None, (key,), self.at)
        self.persistent.append(node)
        self._stack.append(node)

    def build(self, _: None) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        if not isinstance(target, Node) or target.kind not in ("call", "new"):
            raise self.refused(f"a state for {_named(target)}")
        if target.state is not None:
            raise self.refused("a second state for one object")
        target.state = state

    # ---- filling -------------------------------------------------------------------

    def append(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, list):
            target.extend(items)
        elif isinstance(target, Node) and target.kind != "set":
            target.appended = target.appended or []
            target.appended.extend(items)
        else:
            raise self.refused(f"items appended to {_named(target)}")

    def set_items(self, items: list[Any]) -> None:
        target, pairs = self._stack[-1], self._pairs(items)
        if isinstance(target, dict):
            target.update(pairs)
        elif isinstance(target, Node) and target.kind != "set":
            target.items = target.items or []
            target.items.extend(pairs)
        else:
            raise self.refused(f"items set in {_named(target)}")

    def set_item(self, _: None) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self.set_items([key, value])

    def add_items(self, _: None) -> None:
        items, target = self.since_mark(), self._stack[-1]
        if not isinstance(target, Node) or not isinstance(target.args, list):
            raise self.refused(f"members added to {_named(target)}")
        target.args.extend(items)

    def _pairs(self, items: list[Any]) -> list[tuple[Any, Any]]:
        if len(items) % 2:
            raise self.refused("a key without a value")
        for key in items[::2]:
            if type(key) is tuple:
                self._check_tuple_key(key)
            elif not _is_key(key):
                raise self.refused(f"a key of the type {type(key).__name__}")
        return list(zip(items[::2], items[1::2], strict=True))

    def _check_tuple_key(self, key: tuple[Any, ...]) -> None:
        self._tuple_keys += 1
        if self._tuple_keys > MAX_TUPLE_KEYS or len(key) > MAX_KEY_PARTS:
            raise self.refused(
                f"keys that need unbounded work to hash (more than {MAX_TUPLE_KEYS} tuples, or "
                f"one of more than {MAX_KEY_PARTS} parts)"
            )
        if not all(map(_is_key, key)):
            raise self.refused("a key of the type tuple")

    # ---- memo ----------------------------------------------------------------------

    def remember(self, index: int | None) -> None:
        if len(self._memo) >= MAX_MEMO:
            raise self.refused(f"a memo of more than {MAX_MEMO} values")
        self._memo[len(self._memo) if index is None else index] = self._stack[-1]

    def recall(self, index: int) -> None:
        if index not in self._memo:
            raise self.refused(f"memo {index} read before it is written")
        self._stack.append(self._memo[index])


def _is_key(key: object) -> bool:
    """Whether it hashes at once. Nested tuples that share parts take 2**depth steps; and
    integers hash to themselves below 2**61 - 1 only, so that larger ones can collide."""
    if type(key) is int:
        return key.bit_length() <= 60
    return key is None or isinstance(key, str | bytes | float | bool | Global | Node)


def _named(value: object) -> str:
    return f"the global {shown(value.path)}" if isinstance(value, Global) else shown(value)


def _nothing(machine: _Machine, arg: object) -> None:
    """Framing and the end change no stack."""


_STEPS: dict[str, Callable[[_Machine, Any], object]] = {
    "PROTO": _nothing,
    "FRAME": _nothing,
    "STOP": _nothing,
    "MARK": _Machine.mark,
    "NONE": lambda m, _: m.push(None),
    "NEWTRUE": lambda m, _: m.push(True),
    "NEWFALSE": lambda m, _: m.push(False),
    **dict.fromkeys(("BININT", "BININT1", "BININT2"), _Machine.push),
    **dict.fromkeys(("INT", "LONG", "LONG1", "LONG4"), _Machine.integer),
    **dict.fromkeys(("BINFLOAT", "FLOAT", "BINUNICODE", "UNICODE", "STRING"), _Machine.push),
    **dict.fromkeys(("SHORT_BINUNICODE", "BINUNICODE8"), _Machine.push),
    **dict.fromkeys(("BINSTRING", "SHORT_BINSTRING"), _Machine.push),
    **dict.fromkeys(("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"), _Machine.push),
    "BYTEARRAY8": lambda m, arg: m.push(bytes(arg)),
    "EMPTY_TUPLE": lambda m, _: m.push(()),
    "TUPLE1": lambda m, _: m.tuple_of(1),
    "TUPLE2": lambda m, _: m.tuple_of(2),
    "TUPLE3": lambda m, _: m.tuple_of(3),
    "TUPLE": lambda m, _: m.push(tuple(m.since_mark())),
    "EMPTY_LIST": lambda m, _: m.push([]),
    "LIST": lambda m, _: m.push(m.since_mark()),
    "EMPTY_DICT": lambda m, _: m.push({}),
    "DICT": _Machine.dictionary,
    "EMPTY_SET": lambda m, _: m.put_set([]),
    "FROZENSET": lambda m, _: m.put_set(m.since_mark()),
    "ADDITEMS": _Machine.add_items,
    "APPEND": lambda m, _: m.append([m.pop()]),
    "APPENDS": lambda m, _: m.append(m.since_mark()),
    "SETITEM": _Machine.set_item,
    "SETITEMS": lambda m, _: m.set_items(m.since_mark()),
    "GLOBAL": _Machine.put_global,
    "STACK_GLOBAL": _Machine.stack_global,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.new,
    "NEWOBJ_EX": _Machine.new_with_keywords,
    "INST": _Machine.instance,
    "OBJ": _Machine.object_of_class,
    "BUILD": _Machine.build,
    "PERSID": _Machine.persistent_id,
    "BINPERSID": lambda m, _: m.persistent_id(m.pop()),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.recall),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _Machine.remember),
    "POP": lambda m, _: m.pop(),
    "POP_MARK": lambda m, _: m.since_mark(),
    "DUP": lambda m, _: m.dup(),
}
"""What each instruction does. Not here, so refused: EXT1, EXT2, EXT4 (copyreg's registry of
the process), NEXT_BUFFER, READONLY_BUFFER (memory outside the file)."""
