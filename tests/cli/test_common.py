"""What verbs of several modules share."""

from __future__ import annotations

import argparse

from augment.cli.common import KEPT, RESUMES, Keeping
from augment.run import Silent


def test_units_are_kept_once_there_are_some() -> None:
    arguments = argparse.Namespace(kept=RESUMES)
    told = Keeping(Silent(), arguments)
    told.stage("census", None)
    told.doing("looking")
    told.note("a note")
    told.stage("synthesize", 0)
    assert arguments.kept == RESUMES
    told.stage("mix", 3)
    assert arguments.kept == KEPT
