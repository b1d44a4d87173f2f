"""What the environment says to augment and to its libraries, beside the operator's policy.

Nonsense there is a wrong request, whoever reads it: augment, a library while it is imported, or
native code, which ends the process without a word. Imports none of these libraries.
"""

from __future__ import annotations

import datetime as dt
import importlib
import os
import re
from collections.abc import Mapping
from typing import Any

from augment.errors import RequestError
from augment.importable import refuse_unimportable

EPOCH = "SOURCE_DATE_EPOCH"
_ALLOCATOR = re.compile(r"PYTORCH_(?:CUDA_|HIP_)?ALLOC_CONF")
_THREADS = "TOKIO_WORKER_THREADS"
"""Threads of delta-rs: it panics where this is no number, and makes as many as it says."""
_NUMBERS = {
    "OPENCV_FOR_THREADS_NUM": ("[0-9]{1,9}", "a number of threads"),
    "GOMP_CPU_AFFINITY": (
        r"[\s,]*([0-9]+(-[0-9]+(:[0-9]+)?)?([\s,]+|$))*",
        "CPUs as libgomp lists them, for example 0-3 6",
    ),
}
"""Read by native code long after it is imported: OpenCV throws in a worker, and libgomp looks for
the end of a list that is none for ever."""
SILENT = {
    "albumentations": ("NO_ALBUMENTATIONS_UPDATE", "1"),  # asks an index for a newer version
    "onnxruntime": ("ORT_DISABLE_TELEMETRY", "1"),  # tells its maker of every model, and keeps an
}  # id of the machine in the temporary folder
"""Libraries that speak to somebody once they are imported, and what they are told beforehand."""
_PAIR = r"\s*\w+\s*:\s*(?:\[[^\[\]]+\]|[^\s,:\[\]]+)\s*"
_LIBRARIES = ("site-packages", "dist-packages")


def check(env: Mapping[str, str]) -> None:
    """What can be known before a verb begins.

    Raises:
        RequestError: a variable holds what nobody can use. InterruptedRun: see
            `refuse_unimportable`.
    """
    fixed_time(env)
    for name, text in env.items():
        if _ALLOCATOR.fullmatch(name) and not re.fullmatch(rf"({_PAIR}(,{_PAIR})*|\s*)", text):
            raise _refused(name, text, "key:value, further ones behind commas")
    threads = env.get(_THREADS, "1")
    if not re.fullmatch("0*[1-9][0-9]{0,3}", threads):
        raise _refused(_THREADS, threads, "a number of threads, 1 to 9999")
    for name, (numbers, expected) in _NUMBERS.items():
        if not re.fullmatch(numbers, text := env.get(name, "0")):
            raise _refused(name, text, expected)
    refuse_unimportable("cv2", "OPENCV_[A-Z0-9_]+", env)


def silently(library: str) -> Any:
    """A library of `SILENT`, imported so that it tells nobody. Where the environment says of its
    variable something itself, that holds: who runs this program decides that.

    Raises:
        ImportError: it cannot be imported.
    """
    name, value = SILENT[library]
    os.environ.setdefault(name, value)
    return importlib.import_module(library)


def fixed_time(env: Mapping[str, str]) -> dt.datetime | None:
    """The time that stands in for the clock's, in UTC, as reproducible-builds.org specifies; None
    where none does.

    Raises:
        RequestError: SOURCE_DATE_EPOCH holds something else than whole seconds.
    """
    if (text := env.get(EPOCH)) is None:
        return None
    if not re.fullmatch("[0-9]{1,11}", text):
        raise _refused(EPOCH, text, "whole seconds since 1970")
    return dt.datetime.fromtimestamp(int(text), dt.UTC)


def failed_import(error: BaseException, env: Mapping[str, str]) -> str | None:
    """What to say of an error that a library raised while it was imported, which is nearly
    always of what the environment says to it; None of any other error."""
    at, module, library = error.__traceback__, "", False
    while at is not None:
        code = at.tb_frame.f_code
        library = any(part in code.co_filename for part in _LIBRARIES)
        if library and code.co_name == "<module>":
            module = code.co_filename
        at = at.tb_next
    if not (module and library):
        return None
    name = re.split(rf"(?:{'|'.join(_LIBRARIES)})/", module)[-1].removesuffix(".py")
    blamed = [n for n, text in sorted(env.items()) if text and repr(text) in str(error)]
    way_out = f"look at {' and '.join(blamed)}" if blamed else "look at the variables that it reads"
    return (
        f"{name.replace('/', '.')} could not be imported: {type(error).__name__}: {error}; "
        f"expected an environment that it can use: {way_out}, or install it anew"
    )


def _refused(name: str, text: str, expected: str) -> RequestError:
    return RequestError(
        f"{name} in the environment: got {text!r:.40}; expected {expected}. Set it so, or unset it"
    )
