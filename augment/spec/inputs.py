"""What a job says of images as generators' input, and of what generators were trained on.

Names and protected splits only; how many images there are is the plan's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from augment.spec.asked import Asked
from augment.spec.base import Spec
from augment.spec.draft import Draft
from augment.spec.generator_base import Translator
from augment.spec.generator_checks import cuts
from augment.spec.models import Input, SourceSpec, Synthesize, draws
from augment.spec.problems import one_of, shown
from augment.spec.rules import check_known
from augment.spec.text import Path


def check_inputs(asked: Asked, draft: Draft) -> None:
    """Note what is wrong with `input`, `label` and `set` of rules, with what sources are used
    for, and with `trained_on` of generators."""
    for n, rule in enumerate(draft.synthesize):
        if rule is not None:
            _check_rule(asked, draft, ("synthesize", n), rule)
    _check_one_input(asked, draft)
    _check_uses(asked, draft)
    for name, generator in draft.generators.items():
        if generator is not None:
            _check_trained_on(asked, draft, ("generators", name), generator)


def _check_rule(asked: Asked, draft: Draft, path: Path, rule: Synthesize) -> None:
    if rule.input is None:
        if asked.has(*path, "label"):
            found = f"{shown(rule.label)}, which has no effect without `input`"
            asked.add((*path, "label"), found, "no such key, or an `input`")
        return
    if rule.manifest is not None:
        found = "`input` beside `manifest`"
        hint = "A manifest names samples of classes; with `input` use `fill`, or neither"
        asked.add((*path, "input"), found, "one of them", hint)
    wanted = rule.input.from_
    place: Path = (*path, "input", "from")
    for n, source in enumerate(wanted.sources or ()):
        _check_known(asked, (*place, "sources", n), source, asked.keys("sources"), "source")
    _check_splits(asked, draft, (*place, "splits"), wanted.splits or ())
    _check_attributes(asked, draft, (*place, "attributes"), rule)
    _check_masks(asked, draft, rule)
    if rule.input.mask is not None:
        _check_mask(asked, draft, (*path, "input"), rule.input)


def _check_known(
    asked: Asked, path: Path, name: str, valid: list[str] | frozenset[str], what: str
) -> bool:
    if name in valid:
        return True
    check_known(asked, path, name, valid, what)
    return False


def _check_splits(asked: Asked, draft: Draft, path: Path, splits: list[str] | tuple[()]) -> None:
    for n, split in enumerate(splits if draft.splits else ()):
        if not _check_known(asked, (*path, n), split, draft.splits, "split"):
            continue
        if split in draft.protected:
            found = f"the protected split {shown(split)}"
            hint = "Its images are never a parent of anything"
            asked.add((*path, n), found, one_of(draft.splits - draft.protected), hint)


def _check_attributes(asked: Asked, draft: Draft, path: Path, rule: Synthesize) -> None:
    """Some source must have all the attributes that the input is asked to have."""
    assert rule.input is not None
    wanted = rule.input.from_.attributes
    named = rule.input.from_.sources
    known = [s for n, s in draft.sources.items() if s is not None and (not named or n in named)]
    if wanted and not any(wanted.items() <= s.attributes.items() for s in known):
        found = f"{shown(dict(wanted))}, which no source has"
        asked.add(path, found, "attributes of a source", "Sources say theirs under `attributes`")


def _check_masks(asked: Asked, draft: Draft, rule: Synthesize) -> None:
    """A label map is kept whole, so what is made from it must show the whole of it."""
    assert rule.input is not None
    named = rule.input.from_.sources
    known = {n: s for n, s in draft.sources.items() if s is not None and (not named or n in named)}
    if not any(source.use == "label_maps" for source in known.values()):
        return
    for name in rule.generators:
        spec = draft.generators.get(name)
        if isinstance(spec, Translator) and cuts(spec.preprocess):
            found = f"{spec.preprocess.resize}, which cuts a part out of a label map"
            hint = "The mask of the row would not show what its image shows"
            place: Path = ("generators", name, "preprocess", "resize")
            asked.add(place, found, "one that keeps all of it", hint)


def _check_mask(asked: Asked, draft: Draft, path: Path, wanted: Input) -> None:
    """Masks are found by name, so they and the images lie in folders."""
    assert wanted.mask is not None
    place: Path = (*path, "mask")
    if not _check_known(asked, place, wanted.mask, asked.keys("sources"), "source"):
        return
    source = draft.sources.get(wanted.mask)
    if source is not None and (source.use != "inputs" or source.format != "imagefolder"):
        found = f"{shown(wanted.mask)}: format {source.format}, use {source.use}"
        asked.add(place, found, "an imagefolder with use: inputs")
    if wanted.from_.sources is None:
        found = "no sources, so that the masks themselves would be images to paint on"
        asked.add((*path, "from", "sources"), found, "the sources of the images")
    for n, name in enumerate(wanted.from_.sources or ()):
        fed = draft.sources.get(name)
        if fed is not None and fed.format != "imagefolder":
            found = f"{shown(name)} of format {fed.format} beside `mask`"
            asked.add((*path, "from", "sources", n), found, "an imagefolder")


def _check_one_input(asked: Asked, draft: Draft) -> None:
    """A generator's samples are numbered over one list of images, with one label rule."""
    first: dict[str, tuple[int, Spec | None, str, dict[str, str]]] = {}
    for n, rule in enumerate(draft.synthesize):
        if rule is None:
            continue
        for name in rule.generators:
            here = (n, rule.input, rule.label, rule.set)
            known = first.setdefault(name, here)
            if known[1:] != here[1:]:
                found = f"{shown(name)} with another `input`, `label` or `set` than synthesize"
                hint = "Give the same checkpoint a second name under `generators`"
                asked.add(
                    ("synthesize", n, "generators"),
                    f"{found}[{known[0]}]",
                    "one way of use per generator",
                    hint,
                )


def _check_uses(asked: Asked, draft: Draft) -> None:
    known = {n: s for n, s in draft.sources.items() if s is not None}
    inputs = {n for n, s in known.items() if s.use != "rows"}
    if inputs and len(inputs) == len(draft.sources):
        asked.add(("sources",), "no source with use: rows", "real images that are rows")
    rules = [rule for rule in draft.synthesize if rule is not None]
    for name in untaken(known, rules):
        if known[name].use == "label_maps":
            found = f"{known[name].use}, but no rule of `synthesize` takes its images"
            asked.add(("sources", name, "use"), found, "rows, or an `input` that takes them")


def untaken(sources: Mapping[str, SourceSpec], rules: Sequence[Synthesize]) -> list[str]:
    """Sources whose images are no rows and that no rule takes. Of those with `use: inputs` a
    study retrieves real images, beside synthetic ones."""
    feeding = [rule.input for rule in rules if rule.input is not None]
    masks = {wanted.mask for wanted in feeding}
    taken = {n for i in feeding for n in i.from_.sources or sources}
    return sorted(n for n, s in sources.items() if s.use != "rows" and n not in taken | masks)


def _check_trained_on(asked: Asked, draft: Draft, path: Path, generator: Spec) -> None:
    """A generator that has seen a protected split carries it into the training set."""
    for n, seen in enumerate(getattr(generator, "trained_on", None) or ()):
        place: Path = (*path, "trained_on", n)
        if not _check_known(
            asked, (*place, "source"), seen.source, asked.keys("sources"), "source"
        ):
            continue
        source = draft.sources.get(seen.source)
        if seen.split_digest is not None and source is not None and not draws(source):
            found = f"{shown(seen.split_digest)}, which has no effect"
            hint = (
                f"The splits of {shown(seen.source)} are not drawn: their texts say what is there"
            )
            asked.add((*place, "split_digest"), found, "no such key", hint)
        own = frozenset(asked.keys("sources", seen.source, "splits"))
        for m, split in enumerate(seen.splits):
            here: Path = (*place, "splits", m)
            if not _check_known(asked, here, split, own, "split"):
                continue
            if split in draft.protected:
                found = f"the protected split {shown(split)}"
                hint = "Its samples would carry that split into the training set: train it again"
                asked.add(here, found, "splits that are not protected", hint)
