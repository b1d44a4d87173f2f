"""What the limited process is asked: what a checkpoint is, and a folder made of it.

Requests and answers are plain words, for they cross the border of a process. While the checkpoint
is read, no library that runs code of a model is even imported; torch comes only for the smoke
test, after the checkpoint has become plain numbers. Knows nothing of processes and limits.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from augment.errors import CheckpointError


def inspected(request: Mapping[str, Any]) -> dict[str, Any]:
    """What it is; what cannot be hosted is part of the answer and no error."""
    from augment.checkpoints.sniff import sniff
    from augment.generators.importing.reading import read

    path = Path(request["path"])
    found = sniff(path)
    report: dict[str, Any] = {
        "place": found.place, "kind": found.kind, "bytes": found.size, "notes": list(found.notes),
    }  # fmt: skip
    try:
        reading = read(path, request["variant"], request["key"])
        report |= {
            "sha256": reading.sha256,
            "embedded_sha256": list(reading.embedded_sha256),
            "skipped": dict(reading.skipped or {}),
            "notes": list(reading.notes),
        }
        report |= _recognised(reading, request)
    except CheckpointError as error:
        report["refused"] = str(error)
    return report


def _recognised(reading: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    from augment.generators.importing.families import convert

    if reading.pipeline:
        _refuse_told(request)
        return {"family": "diffusers", "pipeline": reading.pipeline, "takes": reading.takes}
    conversion = convert(reading.foreigns, request["prefix"], request["told"])
    counted = sum(int(array.size) for array in conversion.tensors.values())
    return {
        "family": conversion.family,
        "init": dict(conversion.init),
        **({} if conversion.to_be_run else _sizes(conversion, reading, Path(request["path"]).name)),
        "classes": conversion.num_classes,
        "parameters": counted if conversion.parameters is None else conversion.parameters,
        "quirks": list(conversion.quirks),
        "license_note": conversion.license_note,
    }


def _sizes(conversion: Any, reading: Any, place: str) -> dict[str, Any]:
    """What its images are like, as a job would be told. place: the file, for errors."""
    from augment.generators import describe
    from augment.generators.families.onnx.trial import told_of
    from augment.generators.importing.writing import trial_spec, write_folder

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_folder(folder, conversion, reading, None, None)
        try:
            info = describe("imported", trial_spec(folder, conversion, named=False))
        except CheckpointError as error:
            raise told_of(place, error) from None
    return {
        "height": info.height,
        "width": info.width,
        "channels": info.channels,
        "takes_image": info.takes_image,
    }


def imported(request: Mapping[str, Any], widen: Callable[[], None]) -> dict[str, Any]:
    """Fill the folder that is named. widen: called before a network is run, for whatever limits
    there are were meant for reading it."""
    from augment.generators.families.onnx.trial import told_of
    from augment.generators.importing.families import convert
    from augment.generators.importing.reading import read
    from augment.generators.importing.writing import (
        add_smoke,
        copy_pipeline,
        smoke,
        trial_spec,
        write_folder,
    )

    folder, classes = Path(request["folder"]), request["classes"]
    reading = read(Path(request["path"]), request["variant"], request["key"])
    if reading.pipeline:
        _refuse_told(request)
        copy_pipeline(folder, reading)
        return {"family": "diffusers", "pipeline": reading.pipeline, "takes": reading.takes,
                "skipped": dict(reading.skipped or {})}  # fmt: skip
    conversion = convert(reading.foreigns, request["prefix"], request["told"])
    if conversion.graph is not None:
        conversion = _run(conversion, reading.foreigns[0].place, widen)
    write_folder(folder, conversion, reading, classes, request["license"])
    widen()
    try:
        info, said = smoke(trial_spec(folder, conversion, named=classes is not None))
    except CheckpointError as error:
        raise told_of(Path(request["path"]).name, error) from None
    add_smoke(folder, said)
    return {
        "family": info.family,
        "height": info.height,
        "width": info.width,
        "classes": conversion.num_classes,
        "named": classes is not None,
        "takes_image": info.takes_image,
        "words": dict(conversion.words),
        "quirks": list(conversion.quirks),
        "license_note": conversion.license_note,
        "skipped": dict(reading.skipped or {}),
        "smoke": said,
    }


def _run(conversion: Any, place: str, widen: Callable[[], None]) -> Any:
    """A graph is run once, for only that shows all that it makes."""
    from augment.generators.families.onnx.trial import observed

    widen()
    return observed(conversion, place)


def _refuse_told(request: Mapping[str, Any]) -> None:
    """Of a pipeline there is nothing to choose."""
    options = [*request["told"], *(["prefix"] if request["prefix"] is not None else [])]
    for option in options:
        raise CheckpointError(
            f"--{option.replace('_', '-')}: has no effect, a pipeline is taken as it is"
        )
