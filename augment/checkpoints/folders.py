"""What of a model folder may be used: a diffusers pipeline, one model, a pythae VAE.

Of a component of diffusers or transformers only files of a closed list of names are taken:
its weights as safetensors, its settings, its tokenizer's words. Of one model and of pythae
all JSON and the weights are. Whatever else stands there, hidden entries among it, is listed
as skipped: no library gets to see it. Refused, with the reason: Python files, settings that
ask for code of the folder, adapters inside a component (a library would follow them to
another model), pickles where there is no safetensors, pickled networks of pythae, shards
that lie elsewhere, and what `tree` refuses. Which classes and settings are allowed is the
caller's business: classes are returned as the folder names them. Nothing is imported.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augment.checkpoints.blob import Blob, open_blob, shown
from augment.checkpoints.folder_weights import CONVERT, choose, is_weights
from augment.checkpoints.limits import (
    MAX_FILE_BYTES,
    MAX_FOLDER_BYTES,
    MAX_JSON_BYTES,
    MAX_SETTINGS_BYTES,
)
from augment.checkpoints.sniff import PARTS, FolderKind, sniff
from augment.checkpoints.strict_json import read_object
from augment.checkpoints.tree import File, list_files, refused
from augment.errors import UnsafeCheckpoint

SETTINGS = frozenset({"config.json", "scheduler_config.json", "preprocessor_config.json"})
"""How a component is built."""
WORDS = frozenset({
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.json",
    "vocab.json", "merges.txt", "spiece.model",
})  # fmt: skip
"""What a tokenizer knows."""
STEMS = ("diffusion_pytorch_model", "model")
"""How weights of diffusers and of transformers are called."""

_VOCABULARIES = frozenset({"tokenizer.json", "vocab.json", "added_tokens.json"})
"""Their keys are words, not settings."""
_PICKLES = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib"}
CODE = {".py", ".pyc", ".pyo", ".pyd", ".pyx", ".so", ".dll", ".dylib", ".ipynb"}
_REMOTE = ("auto_map", "trust_remote_code", "custom_pipeline", "custom_pipelines")
_PICKLED_WEIGHTS = ("pytorch_model.bin", "diffusion_pytorch_model.bin", "model.bin", "model.pt",
                    "pytorch_model.pt", "diffusion_pytorch_model.pt")  # fmt: skip
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
        homes = self._homes(classes)
        groups: dict[str, list[File]] = defaultdict(list)
        for file in self._files.values():
            if file.folder in homes:
                groups[file.folder].append(file)
            elif file.inside != "model_index.json":
                self.skipped[file.inside] = "not of a component"
        for inside, group in sorted(groups.items()):
            self._sort(inside, group)
        if sum(file.size for file in self._needed.values()) > MAX_FOLDER_BYTES:
            raise UnsafeCheckpoint(
                f"{self._path.name}: more than {MAX_FOLDER_BYTES} bytes are needed of it; expected "
                "a smaller model"
            )
        return FolderScan(self._kind, self._needed, self.skipped, classes, tuple(self._notes))

    # ---- one file ------------------------------------------------------------------

    def _refused(self, file: File, came: str, expected: str, way_out: str) -> UnsafeCheckpoint:
        return refused(self._path, file.inside, came, expected, way_out)

    def _check(self, file: File) -> None:
        """What is refused wherever it lies."""
        suffix = Path(file.name).suffix.lower()
        if suffix in CODE:
            raise self._refused(file, "a program", "weights and settings", _NO_CODE)
        if self._kind == "pythae" and suffix in _PICKLES and file.name != "model.pt":
            came = "a pickled class of pythae, which is a program"
            raise self._refused(file, came, "the default networks", _NO_CODE)

    def _take(self, file: File) -> None:
        self._check_size(file, self._limit(file))
        if file.name.endswith(".json") and file.name not in _VOCABULARIES:
            for key, value in _entries(self._json(file)):
                if key in _REMOTE and value not in (None, False):
                    came = f"{key} asks for code of the model"
                    raise self._refused(file, came, "none", _NO_CODE)
        self._needed[file.inside] = file

    def _json(self, file: File) -> dict[str, Any]:
        """A list is JSON that no loader takes settings from; it is passed over."""
        blob = self._open(file)
        if bytes(blob.view[:64]).lstrip()[:1] == b"[":
            return {}
        return read_object(blob)

    def _open(self, file: File, limit: int = 0) -> Blob:
        limit = limit or self._limit(file)
        self._check_size(file, limit)
        return open_blob(file.path, f"{self._path.name}/{file.inside}", limit)

    def _check_size(self, file: File, limit: int) -> None:
        if file.size > limit:
            raise self._refused(
                file, f"{file.size} bytes", f"at most {limit}", "take a smaller model"
            )

    def _limit(self, file: File) -> int:
        if file.name in SETTINGS | {"model_index.json"}:
            return MAX_SETTINGS_BYTES
        return MAX_JSON_BYTES if file.name.endswith(".json") else self._max_bytes

    # ---- one component -------------------------------------------------------------

    def _homes(self, classes: Mapping[str, tuple[str, str]]) -> set[str]:
        """The folders that hold components. A pipeline of one network may have it, and its
        settings, at the root, as diffusers looks for what has no folder of its own."""
        if self._kind not in ("diffusers", "parts"):
            return {""}
        names = {name for name in classes if name}
        folders = {file.folder for file in self._files.values()}
        at_root = not names <= folders and "config.json" in self._files
        if self._kind == "diffusers":
            self._take(self._files["model_index.json"])
        return (names & folders) | ({""} if at_root else set())

    def _sort(self, inside: str, group: list[File]) -> None:
        for file in group:
            if file.name.startswith(("adapter_config.", "adapter_model.")):
                raise self._refused(
                    file, "an adapter in the place of a component",
                    "the component's own weights and config.json",
                    "merge it, or name a LoRA under `adapters`",
                )  # fmt: skip
        closed = self._kind in ("diffusers", "parts")
        stems = STEMS if closed else None
        weights = [file for file in group if is_weights(file, stems)]
        place = inside or self._path.name
        chosen = choose(weights, self._variant, place, self._open, self._refused)
        self.skipped.update(chosen.skipped)
        self._notes += chosen.notes
        for file in chosen.taken:
            self._take(file)
        for file in group:
            if file not in weights and file.inside != "model_index.json":
                self._sort_other(file, closed, bool(chosen.taken))

    def _sort_other(self, file: File, closed: bool, safe: bool) -> None:
        """A file that is no safetensors. safe: whether there are some beside it."""
        suffix = Path(file.name).suffix.lower()
        taken = file.name in SETTINGS | WORDS if closed else suffix == ".json"
        if taken or (self._kind == "pythae" and file.name == "model.pt"):
            self._take(file)
        elif suffix not in _PICKLES:
            self.skipped[file.inside] = "not used"
        elif safe:
            self.skipped[file.inside] = "a pickle beside safetensors"
        elif not self.pickled:
            came = "a pickle, and no safetensors beside it"
            raise self._refused(file, came, ".safetensors weights", CONVERT)
        elif file.name in _PICKLED_WEIGHTS:
            self._take(file)
        else:
            self.skipped[file.inside] = "a pickle, and not the weights"

    # ---- classes -------------------------------------------------------------------

    def _classes(self) -> dict[str, tuple[str, str]]:
        if self._kind == "diffusers":
            return self._components(self._files["model_index.json"])
        if self._kind == "parts":
            return self._parts()
        if self._kind != "model":
            return {}
        return {"": ("", named)} if (named := self._class_of("config.json")) else {}

    def _parts(self) -> dict[str, tuple[str, str]]:
        """Components of a pipeline that nothing lists: what their own settings say."""
        found = {}
        for inside in sorted(self._files):
            folder, _, name = inside.rpartition("/")
            if folder in PARTS and name in ("config.json", "scheduler_config.json"):
                found[folder] = ("", self._class_of(inside))
        return found

    def _class_of(self, inside: str) -> str:
        config = self._json(self._files[inside])
        named = config.get("_class_name") or config.get("architectures") or []
        first = named[0] if isinstance(named, list) and named else named
        return first if isinstance(first, str) else ""

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
            whole = len(value) == 2 and all(_is_dotted(part) for part in value)
            if not whole or not name.isidentifier():
                came = f"component {shown(name)} is {value!r:.80}"
                raise self._refused(file, came, "[library, class]", _NO_CODE)
            found[name] = (value[0], value[1])
        return found


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
