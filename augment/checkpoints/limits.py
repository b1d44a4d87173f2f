"""How large a checkpoint may be: every number that a hostile file is measured against.

A reader stops at the first limit that a file passes, so that no file costs more memory
than a small multiple of its own size, or more than some seconds. Knows no format.
"""

from __future__ import annotations

MAX_FILE_BYTES = 8 << 30
"""Default of every `max_bytes`."""

MAX_JSON_BYTES = 64 << 20
"""A tokenizer's vocabulary is the largest JSON that a model folder holds."""

MAX_SETTINGS_BYTES = 1 << 20
"""Of JSON that says how a component is built."""

MAX_HEADER_BYTES = 16 << 20
"""Of a safetensors file."""

MAX_TENSORS = 100_000
MAX_ELEMENTS = 2_000_000_000
"""Of one tensor."""

MAX_DIMENSIONS = 8

MAX_DEPTH = 64
"""Of values inside values, and of modules inside modules."""

MAX_OPCODES = 2_000_000
"""Of one pickle: some seconds. A checkpoint of 1,000 tensors has about 50,000."""

MAX_HEADER_OPCODES = 1_000
"""Of a pickle that holds a number, a small dict or one storage's name."""

MAX_TUPLE_KEYS = 256
"""Of one pickle. Anybody can write thousands of tuples with one hash, and a dict compares
each of its keys with all before it that have its hash."""

MAX_KEY_PARTS = 16
"""Of a tuple that is a key."""

MAX_MEMO = 1_000_000
MAX_INT_BITS = 2048
MAX_VALUES = 1_000_000
"""Plain values (numbers, texts, lists ...) taken from one file, each time it is met."""

MAX_KEY_CHARS = 1024
"""Of a name with the names of all that holds it."""

MAX_MEMBERS = 2 * MAX_TENSORS
"""Of a zip archive."""

MAX_DIRECTORY_BYTES = 64 << 20
"""Of a zip archive's list of members."""

SHARING = 8
SHARING_FREE_BYTES = 64 << 20
"""Tensors may share storage or repeat it by a stride of 0: together they may have at most
`SHARING` times the bytes of the file, and `SHARING_FREE_BYTES` more."""

MAX_FOLDER_FILES = 10_000
MAX_FOLDER_BYTES = 256 << 30
"""Of the files that are taken of one folder."""

MAX_FOLDER_DEPTH = 8
