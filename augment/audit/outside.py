"""What an audit writes stands outside of the data set that it is about: the files there are the
table's alone.
"""

from __future__ import annotations

import os

from augment.errors import RequestError
from augment.places import Place, place_of
from augment.storage import split_uri


def check_outside(what: str, folder: str, dataset: str) -> None:
    """what: is to be written to the folder; it stands in errors.

    Raises:
        RequestError: the folder is no place, or the data set's own.
    """
    place, own = place_of(folder, what, read_only=False), place_of(dataset)
    inside, outside = _plain(place), _plain(own)
    if inside == outside or inside.startswith(f"{outside}/"):
        raise RequestError(
            f"{what}: got the folder {place.uri}, which is the data set's own; expected one "
            f"outside of {own.uri}, whose files are the table's alone"
        )


def check_file(what: str, file: str, dataset: str) -> tuple[str, str]:
    """(URI of its folder, name) of a file that is to be written outside of the data set.

    Raises:
        RequestError: the text names no place, or one in the data set.
    """
    above, name = split_uri(place_of(file, what, read_only=False).uri)
    check_outside(what, above, dataset)
    return above, name


def _plain(place: Place) -> str:
    """A local folder as it is after all links; a remote one by the first name of its store."""
    return os.path.realpath(place.uri) if place.is_local else place.of_family()
