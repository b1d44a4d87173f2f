"""How far reading a source may go on this machine: below its root, and by `follow_links` as far as
the operator's policy says.

Asked anew in every process that reads, so that each machine's own policy holds. Knows nothing
of formats.
"""

from __future__ import annotations

import os

from augment.policy import read_policy
from augment.spec.models import SourceSpec
from augment.storage import Folder, Reach


def fenced(folder: Folder, spec: SourceSpec, only: str = "") -> Folder:
    """The folder of a source, in which links lead no further than they may. only: the name of
    the one file that was named, which may itself be a link.

    Raises:
        SpecError: this machine's policy cannot be read.
    """
    if not folder.is_local:
        return folder
    roots = [os.path.realpath(folder.uri)]
    if only:
        roots.append(os.path.realpath(folder.url(only)))
    return folder.within(Reach(tuple(roots), spec.follow_links, read_policy().places()))
