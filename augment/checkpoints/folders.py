"""What of a model folder may be used: a diffusers pipeline, one model, a pythae VAE.

Only `.safetensors`, `.json`, `.txt`, `.model` and `.md` files are ever needed, and of pythae
one `model.pt` that torch_file reads. What public folders hold besides (other frameworks'
weights, pickles beside safetensors, pictures) is listed as skipped. Refused, with the
reason: Python files, JSON that asks for code of the folder, pickles where there is no
safetensors, pickled networks of pythae, shards that lie elsewhere, and what `tree` refuses.
Which classes are allowed is the caller's business: they are returned as the folder names
them. Nothing is imported.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augment.checkpoints.blob import Blob, open_blob, shown
from augment.checkpoints.limits import MAX_FILE_BYTES, MAX_JSON_BYTES
from augment.checkpoints.safetensors_file import read_safetensors
from augment.checkpoints.sniff import FolderKind, sniff
from augment.checkpoints.strict_json import read_object
from augment.checkpoints.tree import File, list_files, refused

_SETTINGS = {".json", ".txt", ".model", ".md"}
_PICKLES = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib"}
_CODE = {".py", ".pyc", ".pyo", ".pyd", ".pyx", ".so", ".dll", ".dylib", ".ipynb"}
_REMOTE = ("auto_map", "trust_remote_code", "custom_pipeline")
_VOCABULARIES = {"tokenizer.json", "vocab.json", "added_tokens.json"}
"""Their keys are words, not settings."""

_WEIGHTS = re.compile(
    r"(?P<stem>.+?)(\.(?P<variant>[a-z][a-z0-9_]*))?(?P<shard>-\d{5}-of-\d{5})?\.safetensors"
)
_INDEX = re.compile(r".+\.safetensors\.index(\.(?P<variant>[a-z][a-z0-9_]*))?\.json")
_PICKLED_WEIGHTS = re.compile(r"((diffusion_)?pytorch_model|model)\.(bin|pt)")
_CONVERT = "convert it to .safetensors where you trust it"
_NO_CODE = "take a model that needs no code of its own"


@dataclass(frozen=True)
class FolderScan:
    """kind: of the folder. needed: files to take, by their path inside. skipped: path ->
    why it is not taken. classes: component -> (library, class) of a pipeline, "" its own
    class; of one model, "" -> ("", its class). notes: what is odd."""

    kind: FolderKind
    needed: Mapping[str, File]
    skipped: Mapping[str, str]
    classes: Mapping[str, tuple[str, str]]
    notes: tuple[str, ...]


def scan_folder(
    folder: str | os.PathLike[str],
    *,
    variant: str | None = None,
    pickled: bool = False,
    max_bytes: int = MAX_FILE_BYTES,
) -> FolderScan:
    """The folder, judged file by file.

    variant: takes the weights of this name, for example `fp16`, where a component has them.
    pickled: takes `pytorch_model.bin` and the like where there are no safetensors, for a
    caller that reads them inertly (`read_torch`).
    max_bytes: of one file.

    Raises:
        UnsafeCheckpoint: the folder holds what is refused; says the file and why.
        CheckpointError, StorageError: it cannot be opened.
    """
    path = Path(folder)
    files, hidden = list_files(path)
    scan = _Scan(path, sniff(path).kind, files, variant, max_bytes)
    scan.pickled = pickled
    scan.skipped.update(dict.fromkeys(hidden, "hidden"))
    return scan.result()


class _Scan:
    def __init__(
        self, path: Path, kind: Any, files: list[File], variant: str | None, max_bytes: int
    ) -> None:
        self._path = path
        self._kind: FolderKind = kind
        self._files = {file.inside: file for file in files}
        self._variant = variant
        self._max_bytes = max_bytes
        self.pickled = False
        self.skipped: dict[str, str] = {}
        self._needed: dict[str, File] = {}
        self._notes: list[str] = []

    def result(self) -> FolderScan:
        for file in self._files.values():
            self._check(file)
        classes = self._classes()
        folders = {"", *classes} if self._kind == "diffusers" else {""}
        groups: dict[str, list[File]] = defaultdict(list)
        for file in self._files.values():
            if file.folder in folders:
                groups[file.folder].append(file)
            else:
                self.skipped[file.inside] = "not of a component"
        for inside, group in sorted(groups.items()):
            self._sort(inside, group)
        return FolderScan(self._kind, self._needed, self.skipped, classes, tuple(self._notes))

    # ---- one file ------------------------------------------------------------------

    def _refused(self, file: File, came: str, expected: str, way_out: str) -> Exception:
        return refused(self._path, file.inside, came, expected, way_out)

    def _check(self, file: File) -> None:
        """What is refused wherever it lies."""
        suffix = Path(file.name).suffix.lower()
        if suffix in _CODE:
            raise self._refused(file, "a program", "weights and settings", _NO_CODE)
        limit = self._limit(file)
        if file.size > limit:
            raise self._refused(file, f"{file.size} bytes", f"at most {limit}", "raise the limit")
        if self._kind == "pythae" and suffix in _PICKLES and file.name != "model.pt":
            came = "a pickled class of pythae, which is a program"
            raise self._refused(file, came, "the default networks", _NO_CODE)
        if suffix == ".json" and file.name not in _VOCABULARIES:
            for key, value in _entries(self._json(file)):
                if key in _REMOTE and value not in (None, False):
                    came = f"{key} asks for code of the model"
                    raise self._refused(file, came, "none", _NO_CODE)

    def _json(self, file: File) -> dict[str, Any]:
        """A list is JSON that no loader takes settings from; it is passed over."""
        blob = self._open(file)
        if bytes(blob.view[:64]).lstrip()[:1] == b"[":
            return {}
        return read_object(blob)

    def _open(self, file: File) -> Blob:
        return open_blob(file.path, f"{self._path.name}/{file.inside}", self._limit(file))

    def _limit(self, file: File) -> int:
        return MAX_JSON_BYTES if file.name.endswith(".json") else self._max_bytes

    # ---- one component -------------------------------------------------------------

    def _sort(self, inside: str, group: list[File]) -> None:
        beside = self._kind == "diffusers" and inside == ""
        weights = [] if beside else [file for file in group if _WEIGHTS.fullmatch(file.name)]
        taken = self._take_weights(inside, weights)
        for file in group:
            suffix = Path(file.name).suffix.lower()
            index = _INDEX.fullmatch(file.name)
            if file in weights:
                continue
            if index is not None and not beside:
                self._take_index(file, index["variant"], taken)
            elif suffix in _SETTINGS or (self._kind == "pythae" and file.name == "model.pt"):
                self._needed[file.inside] = file
            elif beside:
                self.skipped[file.inside] = "not of a component"
            elif suffix not in _PICKLES:
                self.skipped[file.inside] = "not used"
            elif taken:
                self.skipped[file.inside] = "a pickle beside safetensors"
            elif self.pickled:
                self._take_pickle(file)
            else:
                came = "a pickle, and no safetensors beside it"
                raise self._refused(file, came, ".safetensors weights", _CONVERT)

    def _take_pickle(self, file: File) -> None:
        if _PICKLED_WEIGHTS.fullmatch(file.name):
            self._needed[file.inside] = file
        else:
            self.skipped[file.inside] = "a pickle, and not the weights"

    def _take_weights(self, inside: str, weights: list[File]) -> set[str]:
        """Names of the weights that are needed: of the variant, else the plain ones."""
        variants = {_variant(file) for file in weights}
        if self._variant is not None and self._variant in variants:
            chosen: str | None = self._variant
        else:
            chosen = None
            if self._variant is not None and weights:
                self._notes.append(f"{inside or self._path.name}: no {self._variant} weights")
        if weights and chosen not in variants:
            came = f"weights of {', '.join(sorted(map(str, variants)))} only"
            raise self._refused(weights[0], came, "plain ones", "name the variant")
        for file in weights:
            if _variant(file) == chosen:
                read_safetensors(self._open(file))
                self._needed[file.inside] = file
            else:
                self.skipped[file.inside] = "another variant"
        return {file.name for file in weights if _variant(file) == chosen}

    def _take_index(self, file: File, variant: str | None, taken: set[str]) -> None:
        """The list of a model's shards: each must be one of the files taken beside it."""
        shards = self._json(file).get("weight_map")
        if not isinstance(shards, dict):
            raise self._refused(file, "no weight_map", "tensor -> file", "download it again")
        for shard in shards.values():
            if not isinstance(shard, str) or not _WEIGHTS.fullmatch(shard) or "/" in shard:
                came = f"the shard {shown(shard)}"
                raise self._refused(file, came, "a .safetensors file beside it", _CONVERT)
        if variant not in {_variant_of(name) for name in taken}:
            self.skipped[file.inside] = "another variant"
            return
        missing = sorted(set(shards.values()) - taken)
        if missing:
            came = f"the shard {shown(missing[0])} is missing"
            raise self._refused(file, came, "all shards beside it", "download it again")
        self._needed[file.inside] = file

    # ---- classes -------------------------------------------------------------------

    def _classes(self) -> dict[str, tuple[str, str]]:
        if self._kind == "diffusers":
            return self._components(self._files["model_index.json"])
        if self._kind != "model":
            return {}
        config = self._json(self._files["config.json"])
        named = config.get("_class_name") or config.get("architectures") or []
        first = named[0] if isinstance(named, list) and named else named
        return {"": ("", first)} if isinstance(first, str) else {}

    def _components(self, file: File) -> dict[str, tuple[str, str]]:
        """`[library, class]` of each component; both null where the pipeline goes without."""
        index = self._json(file)
        own = index.get("_class_name")
        if not isinstance(own, str):
            came = f"_class_name is {own!r:.80}"
            raise self._refused(file, came, "a pipeline of diffusers", _NO_CODE)
        found = {"": ("diffusers", own)}
        for name, value in index.items():
            if name.startswith("_") or not isinstance(value, list) or value == [None, None]:
                continue
            if len(value) != 2 or not all(_is_dotted(part) for part in value):
                came = f"component {shown(name)} is {value!r:.80}"
                raise self._refused(file, came, "[library, class]", _NO_CODE)
            found[name] = (value[0], value[1])
        return found


def _variant(file: File) -> str | None:
    return _variant_of(file.name)


def _variant_of(name: str) -> str | None:
    found = _WEIGHTS.fullmatch(name)
    return found["variant"] if found else None


def _entries(config: object) -> Iterator[tuple[str, object]]:
    """Every key of the object and of those inside it."""
    todo = [config]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            yield from value.items()
            todo.extend(value.values())
        elif isinstance(value, list):
            todo.extend(value)


def _is_dotted(text: object) -> bool:
    return isinstance(text, str) and all(part.isidentifier() for part in text.split("."))
