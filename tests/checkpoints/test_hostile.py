"""Files made to run code, to exhaust the reader or to lead it astray: each is refused, and
the canary that their code would make never appears. That it could is shown in test_canary."""

from __future__ import annotations

import io
import itertools
import pickle
import struct
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import joblib
import numpy as np
import pytest

from augment.checkpoints.container import MAGIC
from augment.checkpoints.nvidia import read_nvidia
from augment.checkpoints.sniff import sniff
from augment.checkpoints.torch_file import read_torch
from augment.errors import UnsafeCheckpoint
from tests.checkpoints.assembly import (
    Again,
    Call,
    G,
    Kept,
    Persistent,
    Raw,
    dumps,
    floats,
    system,
    tensor,
    zipped,
)
from tests.checkpoints.evil import GOOD, NUMBERS, Case, Evil, code, deep, shared
from tests.checkpoints.nvidia_like import file, network, persistent

MINUS = (b"J\xff\xff\xff\xff", b"J\xfe\xff\xff\xff")
"""-1 and -2 in a pickle: Python hashes them alike."""
DEFLATED = zipfile.ZIP_DEFLATED


def as_storage(value: Any, keys: Any = ()) -> bytes:
    """A legacy container whose pickle is `value`. keys: names of its storages."""
    system_info = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    header = dumps(MAGIC) + dumps(1001) + dumps(system_info)
    return header + dumps(value) + dumps(list(keys))


def buffer(data: bytes) -> Call:
    load = Call(G("torch.storage", "_load_from_bytes"), (data,))
    module = persistent("G", _init_args=(), _init_kwargs={})
    state = module.args[0]["state"]
    state["_buffers"] = {"b": tensor(load, (1,), (1,))}
    return module


CASES: dict[str, Case] = {
    # ---- calls ---------------------------------------------------------------------
    "os.system as the file": (
        read_torch, lambda c: dumps(system(c)), "another magic number or none",
    ),
    "os.system in a zip": (
        read_torch, lambda c: zipped(system(c)), "module '' is an object of 'posix.system'",
    ),
    "os.system beside tensors": (
        read_torch, lambda c: zipped({"a": GOOD, "b": system(c)}, NUMBERS),
        "the state dict names 'posix.system'",
    ),
    "os.system as a tensor's hooks": (
        read_torch,
        lambda c: zipped(
            {"state_dict": {"a": Call(GOOD.func, (*GOOD.args[:5], system(c)))}}, NUMBERS
        ),
        "the state dict names 'posix.system'",
    ),
    "os.system as a state dict's key": (
        read_torch,
        lambda c: zipped(Call(G("collections", "OrderedDict"), (), ((system(c), GOOD),)), NUMBERS),
        "the state dict names 'posix.system'",
    ),
    "eval": (
        read_nvidia, lambda c: file(network(x=Call(G("builtins", "eval"), (code(c),)))),
        "names 'builtins.eval'",
    ),
    "a method of an allowed class": (
        read_nvidia,
        lambda c: file(network(x=Call(G("collections", "OrderedDict.fromkeys"), (code(c),)))),
        "names 'collections.OrderedDict.fromkeys'",
    ),
    "getattr": (
        read_nvidia,
        lambda c: file(network(x=Call(Call(G("builtins", "getattr"), (G("os", "x"), "system"))))),
        "names 'builtins.getattr' and 1 more",
    ),
    "INST": (
        read_nvidia,
        lambda c: file(network(x=Raw(b"(X\x04\0\0\0trueiposix\nsystem\n"))),
        "names 'posix.system'",
    ),
    "OBJ": (
        read_nvidia, lambda c: file(network(x=Raw(b"(cposix\nsystem\nX\x04\0\0\0trueo"))),
        "names 'posix.system'",
    ),
    "NEWOBJ_EX": (
        read_nvidia, lambda c: file(network(x=Raw(b"cposix\nsystem\n)}\x92"))),
        "names 'posix.system'",
    ),
    "a state for a function": (
        read_torch,
        lambda c: zipped(Raw(b"ctorch._utils\n_rebuild_parameter\nN}X\x01\0\0\0xNs\x86b")),
        "a state for the global 'torch._utils._rebuild_parameter'",
    ),
    "EXT1": (read_torch, lambda c: zipped(Raw(b"\x82\x01")), "the instruction EXT1"),
    "a buffer from outside": (
        read_torch, lambda c: zipped(Raw(b"\x97")), "the instruction NEXT_BUFFER",
    ),
    # ---- pickles inside pickles ----------------------------------------------------
    "os.system in a storage": (
        read_nvidia, lambda c: file(buffer(pickle.dumps(Evil(c)))),
        r"storage at byte \d+: another magic number",
    ),
    "os.system in a storage's container": (
        read_nvidia, lambda c: file(buffer(as_storage(system(c)))),
        "an object that is no storage of this file",
    ),
    "os.system as a storage's class": (
        read_nvidia,
        lambda c: file(buffer(as_storage(Persistent(("storage", system(c), "0", "cpu", 1))))),
        "a storage of an object of 'posix.system'",
    ),
    "an unknown storage class": (
        read_torch,
        lambda c: zipped(
            {"a": tensor(Persistent(("storage", G("torch", "hub"), "0", "cpu", 1)), (1,), (1,))}
        ),
        "the state dict names 'torch.hub'",
    ),
    # ---- containers ----------------------------------------------------------------
    "wrong magic": (
        read_torch, lambda c: dumps(MAGIC + 1) + dumps(1001), "expected a file of torch.save",
    ),
    "a storage of 2**62 elements": (
        read_torch, lambda c: zipped({"a": tensor(floats(2**62), (2,), (1,))}, NUMBERS),
        "storage '0' has 8 bytes",
    ),
    "a stride outside the storage": (
        read_torch, lambda c: zipped({"a": tensor(floats(2), (2,), (9,))}, NUMBERS),
        "reaches element 9 of a storage of 2",
    ),
    "a negative offset": (
        read_torch, lambda c: zipped({"a": tensor(floats(2), (1,), (1,), -1)}, NUMBERS),
        "has a shape that is none",
    ),
    "names that leave the archive": (
        read_torch,
        lambda c: zipped({"a": GOOD}, {"a/../../x": b""}),
        "the member name 'a/../../x'",
    ),
    "an absolute name": (
        read_torch, lambda c: zipped({"a": GOOD}, {"/etc/x": b""}), "the member name '/etc/x'",
    ),
    "a zip bomb": (
        read_torch,
        lambda c: zipped({"a": GOOD}, {"a/data/0": bytes(1 << 20)}, compression=DEFLATED),
        "the compressed member 'a/",
    ),
    "an encrypted zip": (
        read_torch, lambda c: _flagged(zipped({"a": GOOD}, NUMBERS), 1), "the encrypted member",
    ),
    "two members in one place": (
        read_torch,
        lambda c: _overlapping(zipped({"a": GOOD}, NUMBERS)),
        "no member where 'a/data/0'",
    ),
    "a wrong checksum": (
        read_torch, lambda c: zipped({"a": GOOD}, {"a/data/0": b"12345678"}).replace(
            b"12345678", b"12345679"), "member 'a/data/0' with a wrong checksum",
    ),
    # ---- programs ------------------------------------------------------------------
    "TorchScript": (read_torch, lambda c: _torchscript(), "a TorchScript archive, which is a prog"),
    "pt2 with evil sample inputs": (
        read_torch,
        lambda c: zipped(
            {}, {"a/archive_format": b"pt2", "a/data/sample_inputs/model.pt": zipped(system(c))}
        ),
        "a torch.export archive, whose inner pickles may run code",
    ),
    "cloudpickle by value": (
        read_torch, lambda c: cloudpickle.dumps(lambda: c.touch()), "another magic number or none",
    ),
    "cloudpickle in a zip": (
        read_torch, lambda c: zipped(cloudpickle.dumps({"a": lambda: c.touch()})),
        "no state dict; its keys are 'a'",
    ),
    "joblib": (
        read_nvidia, lambda c: _joblib({"G_ema": Evil(c), "b": np.ones(3)}), "no whole instruction",
    ),
    "joblib with nothing but a call": (
        read_nvidia, lambda c: _joblib({"G_ema": Evil(c)}), "names 'posix.system'",
    ),
    "a numpy array of objects": (
        read_nvidia,
        lambda c: pickle.dumps({"G_ema": np.array([Evil(c)], object)}, 4),
        "names 'posix.system'",
    ),
    # ---- exhaustion ----------------------------------------------------------------
    "a tuple 200,000 deep": (
        read_nvidia, lambda c: file(network(x=deep(200_000))), "nested more than 64 deep",
    ),
    "a tuple 200,000 deep as the file": (
        read_torch, lambda c: zipped(deep(200_000)), "module '' is tuple",
    ),
    "2**60 values in 60 tuples": (
        read_nvidia, lambda c: file(network(x=shared(60))), "more than 1000000 values",
    ),
    "2**60 values as a key": (
        read_torch,
        lambda c: zipped(Raw(b"}" + shared(60).code + b"Ns")),
        "a key of the type tuple",
    ),
    "keys that collide": (
        read_torch,
        lambda c: zipped({(2**61 - 1) * k: 0 for k in range(10)}),
        "a key of the type int",
    ),
    "tuples as keys, all of one hash": (
        read_torch, lambda c: zipped(Raw(b"}(" + _one_hash(30_000) + b"u")),
        "keys that need unbounded work to hash",
    ),
    "the same, one by one, in many dicts": (
        read_torch, lambda c: zipped(Raw(b"](" + b"".join(_dicts(600)) + b"e")),
        "keys that need unbounded work to hash",
    ),
    "one wide tuple as a key again and again": (
        read_torch,
        lambda c: zipped(Raw(b"}(" + b"N" * 500_000 + b"tq\0N" + b"s" + b"h\0Ns" * 100_000)),
        "keys that need unbounded work to hash",
    ),
    "2**60 values as the name of a storage": (
        read_torch, lambda c: as_storage({}, [shared(60)]), "a list of storages that is not the",
    ),
    "a storage's name 200,000 deep": (
        read_torch, lambda c: as_storage({}, [deep(200_000)]), "a list of storages that is not",
    ),
    "modules whose paths grow with every level": (
        read_nvidia, lambda c: file(_module_bomb(name="a" * 1000)), "has a long path",
    ),
    "two million instructions": (
        read_torch, lambda c: zipped(Raw(b"N0" * 1_100_000)), "more than 2000000 instructions",
    ),
    "a number of a megabyte": (
        read_torch, lambda c: zipped(2 ** (1 << 23)), "a number of 8388609 bits",
    ),
    "2**24 modules in 24": (
        read_nvidia, lambda c: file(_module_bomb()), "hold more than 1000000 values",
    ),
    # ---- the machine ---------------------------------------------------------------
    "memo of a mark": (read_torch, lambda c: zipped(Raw(b"(q\0")), "takes from an empty stack"),
    "an empty stack": (read_torch, lambda c: zipped(Raw(b"0")), "takes from an empty stack"),
    "an unwritten memo": (read_torch, lambda c: zipped(Raw(b"h\x07")), "memo 7 read before"),
    "no end": (read_torch, lambda c: zipped(dumps({})[:-1]), "no whole instruction"),
    "an unknown instruction": (read_torch, lambda c: zipped(Raw(b"\xff")), "no whole instruction"),
    "a call of a text": (read_torch, lambda c: zipped(Raw(b"X\x01\0\0\0x)R")), "a call of 'x'"),
    "two values": (read_torch, lambda c: zipped(Raw(b"NN")), "leaves no single value"),
    "a second state": (
        read_torch, lambda c: zipped(Raw(b"ca\nb\n)\x81}b}b")), "a second state for one object",
    ),
}  # fmt: skip


def _flagged(data: bytes, flag: int) -> bytes:
    """Sets a flag of every member in the list of the archive."""
    return b"PK\1\2".join(
        part if i == 0 else part[:4] + struct.pack("<H", flag) + part[6:]
        for i, part in enumerate(data.split(b"PK\1\2"))
    )


def _overlapping(data: bytes) -> bytes:
    """All members of the list start at the first."""
    return b"PK\1\2".join(
        part if i == 0 else part[:38] + bytes(4) + part[42:]
        for i, part in enumerate(data.split(b"PK\1\2"))
    )


def _torchscript() -> bytes:
    """What torch.jit.save writes: an archive with code and constants."""
    members = {"a/code/__torch__.py": b"class M(Module): pass", "a/constants.pkl": dumps(())}
    return zipped(Call(G("__torch__", "M"), op=b"\x81"), members)


def _joblib(value: Any) -> bytes:
    out = io.BytesIO()
    joblib.dump(value, out)
    return out.getvalue()


def _one_hash(count: int) -> bytes:
    """Keys and values: tuples of -1 and -2, whose hash is the same."""
    parts = itertools.islice(itertools.product(MINUS, repeat=15), count)
    return b"".join(b"(" + b"".join(key) + b"tN" for key in parts)


def _dicts(count: int) -> Iterator[bytes]:
    for key in itertools.islice(itertools.product(MINUS, repeat=15), count):
        yield b"}(" + b"".join(key) + b"tNs"


def _module_bomb(name: str = "a") -> Any:
    """Every level holds the level below it twice: 2**24 modules, 24 texts."""
    inner: Any = Kept(persistent("M"), 0)
    for level in range(1, 24):
        again = Again(level - 1)
        inner = Kept(persistent("M", modules={name: inner, "b": again}), level)
    return persistent("G", modules={"a": inner}, _init_args=(), _init_kwargs={})


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_and_nothing_runs(name: str, canary: Path) -> None:
    read, make, text = CASES[name]
    data = make(canary)
    started = time.process_time()
    with pytest.raises(UnsafeCheckpoint, match=text):
        read(data)
    assert time.process_time() - started < 30
    sniff(data)
    assert not canary.exists()
