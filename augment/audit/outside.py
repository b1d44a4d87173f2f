"""What an audit writes stands outside of the data set that it is about: the files there are the
table's alone.
"""

from __future__ import annotations

import os

from augment.errors import RequestError
from augment.places import place_of
from augment.storage import Folder


def check_outside(what: str, folder: str, dataset: str) -> None:
    """what: is to be written to the folder.

    Raises:
        RequestError: the folder is no place, or the data set's own.
    """
    place, own = Folder(folder), Folder(dataset)
    inside, outside = _plain(place), _plain(own)
    if inside == outside or inside.startswith(f"{outside}/"):
        raise RequestError(
            f"{what}: got the folder {place.uri}, which is the data set's own; expected one "
            f"outside of {own.uri}, whose files are the table's alone"
        )


def _plain(folder: Folder) -> str:
    """A local folder as it is after all links; a remote one by the first name of its store."""
    return os.path.realpath(folder.uri) if folder.is_local else place_of(folder.uri).of_family()
