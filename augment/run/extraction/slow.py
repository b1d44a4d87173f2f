"""What a network does with an image has no end that is known before: a graph may loop for ever, a
folder may ask for a million tokens. So loading an extractor, and each batch, gets a time.
"""

from __future__ import annotations

from collections.abc import Sequence

from augment.errors import CheckpointError
from augment.features import ExtractorInfo, describe
from augment.features.asked import Asked
from augment.run.engines.ending import Ending
from augment.run.engines.suspects import Stage, Watch
from augment.storage import Options

EXTRACTOR_S = 1800.0
"""As long as loading a generator may take."""
_GRACE_S = 10.0


def described(asked: Asked, options: Options | None, seconds: float) -> ExtractorInfo:
    """`features.describe`, which tries most extractors on an image, in this time. A library that
    cannot be interrupted ends the process, with the error on standard error and its exit code.

    Raises:
        RequestError, CheckpointError, StorageError: as `describe`; CheckpointError also where it
            takes longer.
    """
    ending = Ending(alone=False, grace_s=min(_GRACE_S, seconds))

    def late(_stage: Stage, _rows: Sequence[int]) -> None:
        ending.end(too_slow(asked.name, seconds))

    watch = Watch(seconds, late)
    with ending.told(), watch, watch.over("load", tuple):
        return describe(asked, options)


def too_slow(name: str, seconds: float) -> CheckpointError:
    """name: of the extractor, or of several."""
    return CheckpointError(
        f"extractor {name}: loading it, or one batch of images, took longer than {seconds:g} s; "
        "its file is made to harm, or much too large for this machine: take another extractor, "
        "or a smaller size"
    )
