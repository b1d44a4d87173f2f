"""Whether a package can be imported in this environment, asked of a process of its own.

Ray reads its settings (`RAY_name`) while it is imported, and one that is no number ends the whole
process with a signal there. So wherever such a variable looks odd, somebody else tries first.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping

from augment.children import command
from augment.errors import InterruptedRun, RequestError

RAY_SETTINGS = "RAY_[a-z][a-z0-9_]*"
"""Those that Ray's core reads while it is imported; others have capitals."""
_PLAIN = re.compile("[0-9]+|true|false")
"""Values that every setting can be read from."""
_PROBE_S = 60.0
_MOST = 5  # variables that a text names


def refuse_unimportable(package: str, settings: str, env: Mapping[str, str] | None = None) -> None:
    """Import a package in a process of its own, where the environment has one of its settings with
    a value that is no plain number.

    settings: a pattern of their whole names. env: the environment; this process's if not given.

    Raises:
        RequestError: it cannot be imported as the environment stands. InterruptedRun: nothing
            was heard of it for a minute.
    """
    env = os.environ if env is None else env
    odd = {name for name, value in env.items() if not _PLAIN.fullmatch(value)}
    given = sorted(name for name in odd if re.fullmatch(settings, name))
    if not given or package in sys.modules:
        return
    try:
        ended = subprocess.run(
            command(__name__, package),
            env=dict(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        text = f"{package} could not be imported within {_PROBE_S:g} s; run the same command again"
        raise InterruptedRun(text) from None
    if ended.returncode == 0:
        return
    names = ", ".join(given[:_MOST]) + (", ..." if len(given) > _MOST else "")
    raise RequestError(
        f"{names} in the environment: {package} could not be imported ({_why(ended)}); expected "
        f"settings that {package} takes: numbers where it wants numbers. Mend or unset them"
    )


def _why(ended: subprocess.CompletedProcess[bytes]) -> str:
    if ended.returncode < 0:
        return f"its process ended with {signal.Signals(-ended.returncode).name}"
    lines = ended.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else f"exit code {ended.returncode}"


if __name__ == "__main__":
    __import__(sys.argv[1])
