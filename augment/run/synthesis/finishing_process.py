"""What runs in a process that finishes images for another (finishers.py), until its pipe is closed.

python -m augment.run.synthesis.finishing_process FD      what is started; not for people
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from multiprocessing.connection import Connection

import numpy as np

from augment.run.synthesis.finishing import finished


def main(descriptor: str) -> int:
    """Answer what comes through the pipe, a shape and then that many float32."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other process's, with which this one ends
    with (
        Connection(int(descriptor)) as pipe,
        contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError),
    ):
        while True:
            shape = json.loads(pipe.recv_bytes())
            images = np.frombuffer(pipe.recv_bytes(), dtype=np.float32)
            pipe.send(finished(images.reshape(shape)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
