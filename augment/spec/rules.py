"""What rules may not say together: augmentations, synthesize and filters.

An option without effect, a name that is not there, a split that must stay as it is.
Counts are not known here: whether a quota can be reached is the plan's business.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence

from augment.errors import SpecError
from augment.places import is_local
from augment.spec.asked import MISSING, Asked
from augment.spec.draft import Draft
from augment.spec.files import MAX_PIPELINE_BYTES, read_bytes
from augment.spec.models import Augmentation, Fill, From, Synthesize
from augment.spec.ops import check_pipeline, check_saved
from augment.spec.problems import nearest, one_of, shown
from augment.spec.text import Path, parse, resolve

Names = Collection[str]
_MANIFESTS = (".parquet", ".csv", ".jsonl")
_PIPELINES = (".json", ".yaml", ".yml")


def check_rules(asked: Asked, draft: Draft, classes: Names | None) -> None:
    """Note what is wrong with the rules. classes: the data set's, where the job gives them."""
    for n, augmentation in enumerate(draft.augmentations):
        path: Path = ("augmentations", n)
        check_ops_or_pipeline(asked, path)
        if augmentation is not None:
            _check_augmentation(asked, draft, path, augmentation, classes)
    for n, rule in enumerate(draft.synthesize):
        if rule is not None:
            _check_synthesize(asked, draft, ("synthesize", n), rule, classes)
    _check_names(asked)
    _check_used(asked)
    _check_order(asked, draft)
    _check_filters(asked, draft)


def check_known(asked: Asked, path: Path, name: str, valid: Names, what: str) -> None:
    """Note a name that is none of `valid`, with the nearest."""
    if name not in valid and not asked.crowded(path, what):
        asked.add(path, f"the {what} {shown(name)}", one_of(valid), nearest(name, valid))


def check_all_known(
    asked: Asked, named: Iterable[tuple[Path, str]], valid: Names, what: str
) -> None:
    """Note names that are none of `valid`."""
    for path, name in named:
        check_known(asked, path, name, valid, what)


def check_repeats(asked: Asked, path: Path, names: Iterable[str]) -> None:
    """Note names that stand twice in the list at `path`."""
    seen: set[str] = set()
    for n, name in enumerate(names):
        if name in seen:
            asked.add((*path, n), f"{shown(name)} a second time", "each name once")
        seen.add(name)


def check_local_file(
    asked: Asked, path: Path, uri: str, what: str, *, folder: bool = False
) -> bool:
    """Note a local file or folder that is missing; whether it may be read now."""
    if not asked.names_place(path) or not is_local(uri):
        return False
    if not (os.path.isdir(uri) if folder else os.path.isfile(uri)):
        kind = "folder" if folder else "file"
        asked.add(path, f"{shown(asked.written(path))}, no such {kind}", what, f"Looked at {uri}")
        return False
    return True


# ---- augmentations -------------------------------------------------------------------


def _check_augmentation(
    asked: Asked,
    draft: Draft,
    path: Path,
    rule: Augmentation,
    classes: Names | None,
) -> None:
    _check_one_of(asked, path, ("copies", "fill"))
    if rule.fill is not None:
        _check_fill(asked, (*path, "fill"), rule.fill, classes)
    if rule.fill is not None and isinstance(rule.fill.to, dict) and rule.from_.classes is not None:
        _add_no_effect(asked, (*path, "from", "classes"), "fill.to names the classes")
    _check_parents(asked, draft, (*path, "from"), rule.from_, classes)
    _check_synthetic_parents(asked, draft, path, rule.from_)


def _check_parents(
    asked: Asked, draft: Draft, path: Path, parents: From, classes: Names | None
) -> None:
    _check_classes(asked, (*path, "classes"), parents.classes, classes)
    check_repeats(asked, (*path, "origin"), parents.origin)
    if parents.splits is not None:
        check_repeats(asked, (*path, "splits"), parents.splits)
        for n, split in enumerate(parents.splits):
            _check_split(asked, draft, (*path, "splits", n), split)
        if not parents.splits:
            asked.add((*path, "splits"), "an empty list", "at least one split")
    elif draft.splits and not draft.splits - draft.protected:
        asked.add(path[:-1], "no split to vary: all are protected", "a split that is not protected")


def _check_synthetic_parents(asked: Asked, draft: Draft, path: Path, parents: From) -> None:
    if not {"synthetic", "translated"} & set(parents.origin):
        return
    place = (*path, "from", "origin")
    if not draft.synthesize:
        asked.add(place, "synthetic, but nothing is synthesized", "real", "Or add `synthesize`")
    if any(r is not None and r.fill is not None and r.fill.share for r in _all(draft)):
        asked.add(
            place,
            "synthetic beside a rule with fill.share",
            "real, or rules without fill.share",
            "Copies of synthetic rows would change the share they are counted in: "
            "give counts with fill.to",
        )


def check_ops_or_pipeline(asked: Asked, path: Path) -> None:
    """Exactly one of ops and pipeline, and what each holds."""
    if not isinstance(asked.get(*path), dict):
        return
    _check_one_of(asked, path, ("ops", "pipeline"))
    if asked.get(*path, "ops") not in (None, MISSING):
        check_pipeline(asked, (*path, "ops"), resolve(asked.get(*path, "ops")))
    file = asked.get(*path, "pipeline")
    place = (*path, "pipeline")
    if not isinstance(file, str):
        return
    if not file.lower().endswith(_PIPELINES):
        asked.add(place, shown(asked.written(place)), f"a file that ends in {one_of(_PIPELINES)}")
    elif check_local_file(asked, place, file, "a pipeline written with albumentations.save"):
        try:
            check_saved(asked, place, parse(read_bytes(file, most=MAX_PIPELINE_BYTES), file))
        except SpecError as error:
            asked.problems += error.problems


# ---- synthesize ----------------------------------------------------------------------


def _check_synthesize(
    asked: Asked,
    draft: Draft,
    path: Path,
    rule: Synthesize,
    classes: Names | None,
) -> None:
    if rule.input is None or asked.has(*path, "fill") or asked.has(*path, "manifest"):
        _check_one_of(asked, path, ("fill", "manifest"))
    names = asked.keys("generators")
    for n, name in enumerate(rule.generators):
        step = name if isinstance(rule.generators, dict) else n
        check_known(asked, (*path, "generators", step), name, names, "generator")
    if not isinstance(rule.generators, dict):
        check_repeats(asked, (*path, "generators"), rule.generators)
    elif len(rule.generators) == 1 or rule.manifest is not None:
        why = "weights need several generators and `fill`"
        _add_no_effect(asked, (*path, "generators"), why, "a list of names")
    _check_split(asked, draft, (*path, "split"), rule.split)
    _check_classes(asked, (*path, "classes"), rule.classes, classes)
    if rule.input is not None:
        _check_classes(asked, (*path, "input", "from", "classes"), rule.input.from_.classes, None)
        if rule.label != "keep" and classes is not None:
            check_known(asked, (*path, "label"), rule.label, classes, "class")
    if rule.fill is not None:
        _check_fill(asked, (*path, "fill"), rule.fill, classes)
        if isinstance(rule.fill.to, dict) and rule.classes is not None:
            _add_no_effect(asked, (*path, "classes"), "fill.to names the classes")
    elif rule.manifest is not None:
        _check_manifest(asked, path, rule.manifest)


def _check_manifest(asked: Asked, path: Path, file: str) -> None:
    place = (*path, "manifest")
    if not file.lower().endswith(_MANIFESTS):
        asked.add(place, shown(asked.written(place)), f"a file that ends in {one_of(_MANIFESTS)}")
    else:
        check_local_file(asked, place, file, "a manifest")


# ---- parts of rules ------------------------------------------------------------------


def _add_no_effect(asked: Asked, path: Path, why: str, expected: str = "no such key") -> None:
    asked.add(path, f"{shown(asked.written(path))}, which has no effect: {why}", expected)


def _check_one_of(asked: Asked, path: Path, keys: tuple[str, str]) -> None:
    given = [k for k in keys if asked.get(*path, k) not in (None,) and asked.has(*path, k)]
    if len(given) != 1:
        found = f"both {keys[0]} and {keys[1]}" if given else f"neither {keys[0]} nor {keys[1]}"
        asked.add(path, found, "exactly one of them")


def _check_fill(asked: Asked, path: Path, fill: Fill, classes: Names | None) -> None:
    _check_one_of(asked, path, ("to", "share"))
    for cap in ("max_times_real", "max_added"):
        if fill.share is not None and getattr(fill, cap) is not None:
            _add_no_effect(asked, (*path, cap), "caps clamp `to`, not `share`")
    if isinstance(fill.to, dict) and classes is not None:
        check_all_known(asked, (((*path, "to", n), n) for n in fill.to), classes, "class")
    if fill.to == 0 or fill.max_added == 0 or fill.max_times_real == 0:
        key = "to" if fill.to == 0 else "max_added" if fill.max_added == 0 else "max_times_real"
        asked.add((*path, key), "0, so that nothing is added", "a number above 0")


def _check_classes(
    asked: Asked, path: Path, names: Sequence[str] | None, classes: Names | None
) -> None:
    if names is None:
        return
    if not names:
        asked.add(path, "an empty list", "at least one class")
    check_repeats(asked, path, names)
    if classes is not None:
        check_all_known(asked, (((*path, n), c) for n, c in enumerate(names)), classes, "class")


def _check_split(asked: Asked, draft: Draft, path: Path, split: str) -> None:
    if not draft.splits:
        return
    check_known(asked, path, split, draft.splits, "split")
    if split in draft.splits & draft.protected:
        asked.add(
            path,
            f"the protected split {shown(split)}",
            one_of(draft.splits - draft.protected),
            "Protected splits hold real rows only; `protected_splits` says which they are",
        )


# ---- rules beside each other ---------------------------------------------------------


def _all(draft: Draft) -> list[Augmentation | Synthesize | None]:
    return [*draft.augmentations, *draft.synthesize]


def _check_names(asked: Asked) -> None:
    first: dict[str, Path] = {}
    for path, _ in asked.items("augmentations"):
        name = asked.get(*path, "name")
        if isinstance(name, str) and first.setdefault(name, path) != path:
            expected = f"a name of its own (first in {first[name][0]}[{first[name][1]}])"
            asked.add((*path, "name"), f"{shown(name)} a second time", expected)


def _check_used(asked: Asked) -> None:
    used: set[str] = set()
    for path, _ in asked.items("synthesize"):
        named = asked.get(*path, "generators")
        if not named:
            return  # malformed, which is noted already: it may have meant any
        used |= {str(n) for n in named} if isinstance(named, list | dict) else {str(named)}
    for name in asked.keys("generators"):
        if name not in used:
            hint = "Name it under `generators` of a rule of `synthesize`, or remove it"
            asked.add(("generators", name), "a generator that no rule uses", "no such key", hint)


def _check_order(asked: Asked, draft: Draft) -> None:
    """Shares are solved together, last: what follows one in its split must not count rows."""
    total: dict[str, float] = {}
    for path, splits, fill in _fills(draft):
        for split in splits:
            if fill.to is not None and split in total:
                found = f"fill.to after a rule with fill.share in the split {shown(split)}"
                hint = "Shares are solved together after all counts: move this rule before them"
                asked.add((*path, "fill", "to"), found, "counts before shares", hint)
                break
            if fill.share is not None:
                total[split] = total.get(split, 0.0) + fill.share
                if total[split] >= 1 and total[split] - fill.share < 1:
                    found = f"shares of {total[split]:g} in all in the split {shown(split)}"
                    asked.add((*path, "fill", "share"), found, "shares of less than 1 in all")


def _fills(draft: Draft) -> list[tuple[Path, list[str], Fill]]:
    open_splits = sorted(draft.splits - draft.protected)
    found: list[tuple[Path, list[str], Fill]] = []
    for n, augmentation in enumerate(draft.augmentations):
        if augmentation is not None and augmentation.fill is not None:
            splits = augmentation.from_.splits
            named = open_splits if splits is None else list(dict.fromkeys(splits))
            found.append((("augmentations", n), named, augmentation.fill))
    for n, rule in enumerate(draft.synthesize):
        if rule is not None and rule.fill is not None:
            found.append((("synthesize", n), [rule.split], rule.fill))
    return found


def _check_filters(asked: Asked, draft: Draft) -> None:
    seen: set[str] = set()
    for n, spec in enumerate(draft.filters):
        path: Path = ("filters", n)
        if spec is None:
            continue
        kinds = [k for k in type(spec).model_fields if getattr(spec, k) is not None]
        if len(kinds) != 1:
            expected = "exactly one filter, for example {degenerate: {}}"
            asked.add(path, shown(asked.get(*path)), expected)
        for kind in kinds:
            if kind in seen:
                asked.add((*path, kind), f"{shown(kind)} a second time", "each filter once")
            seen.add(kind)
    needs_synthesize = ("filters", "max_attempts_per_sample", "on_shortfall", "pool")
    for key in needs_synthesize if not draft.synthesize else ():
        if asked.has(key) and asked.get(key) != []:
            _add_no_effect(asked, (key,), "nothing is synthesized")
