"""What a file is by its name: an image, surely none, or to be looked into.

A name only saves a look: an image under another ending, or under none, is an image. Endings that
are surely none are those of well-known other files, of copies that programs keep beside the
original, and of raw camera files and slide scans, whose first bytes are those of a TIFF but
whose picture is not what a TIFF reader shows. Opens nothing.
"""

from __future__ import annotations

from augment.codec import EXTENSIONS

IMAGES = frozenset(e for extensions in EXTENSIONS.values() for e in extensions)
"""Endings of images that are read here, in lower case."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_OTHERS = _words(
    """
    txt md rst tex log csv tsv json jsonl ndjson geojson xml yaml yml toml ini cfg conf html htm
    css js ts py pyc ipynb c h cpp hpp java r m sh bat ps1 exe dll so dylib jar lock url lnk
    npy npz mat pkl pickle h5 hdf5 hdf parquet arrow feather orc avro tfrecord tfrecords rec idx
    db sqlite sqlite3 mdb lmdb dvc gitignore gitattributes
    pt pth ckpt safetensors onnx pb tflite
    zip tar gz tgz bz2 xz zst 7z rar iso dmg
    mp4 m4v avi mov mkv webm mpg mpeg wmv flv mp3 m4a wav flac ogg aac
    pdf doc docx xls xlsx ppt pptx odt ods odp rtf
    svg svgz eps ai ps dxf dwg obj stl ply glb gltf fbx blend las laz pcd
    bak tmp temp part partial crdownload download swp swo orig old rej
    cr2 cr3 crw nef nrw arw srf sr2 dng orf rw2 pef raf srw 3fr fff iiq erf kdc dcr mrw x3f rwl
    svs ndpi scn bif vms mrxs
    """
)
_DROPPINGS = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"))
"""Files that operating systems leave in folders, in lower case; those that begin with a dot are
hidden anyway."""


def ending_of(name: str) -> str:
    """What stands behind the last dot of a file's name, in lower case; "" if nothing does, or
    nothing before it."""
    dot = name.rfind(".")
    return name[dot + 1 :].lower() if dot > 0 else ""


def surely_none(ending: str) -> bool:
    """Whether files of an ending are no images that are read here, without a look into them."""
    return ending in _OTHERS or ending.endswith(("~", "_original"))


def is_hidden(below: str, name: str) -> bool:
    """Whether a file is none of the data: a part of its path begins with a dot, or a system left
    it there. below: its path; name: the last part."""
    return (
        below.startswith((".", "__MACOSX/"))
        or "/." in below
        or "/__MACOSX/" in below
        or name.lower() in _DROPPINGS
    )
