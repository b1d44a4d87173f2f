"""Utility studies as JSON (schemas/study.schema.json) -> what pages show of them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from augment.audit.report.blocks import (
    Block,
    Chart,
    Command,
    Mark,
    Row,
    Section,
    State,
    Table,
    Text,
    Tiles,
)
from augment.audit.report.charts import RETRIEVED, utility_curve
from augment.escaping import name as shown

Json = Mapping[str, Any]
_STATES: Mapping[str, State] = {
    "helps": "ok", "hurts": "fail", "no evidence": "none", "not judged": "none",
    "predicted": "ok",
}  # fmt: skip
_WORDS = {"real": "real", "classical": "real + classical", "synthetic": "real + synthetic",
          "retrieved": "real + retrieved", "both": "real + both"}  # fmt: skip
_VERSUS = {"helps": "does better", "hurts": "does worse"}
"""What a verdict says of synthetic images against retrieved real ones."""
_ASIDE = (
    "Small classifiers are trained on each set, equally long, every class equally frequent in "
    "every batch. Arms share what is left out of train, first weights and random numbers, so "
    "differences are of pairs. Intervals of all comparisons hold together at 95 %. No evidence is "
    "not the same as no effect."
)


def utility(studies: Sequence[Json], command: str) -> Section:
    """The section of an audit's page. studies: all that stand beside the version. command: studies
    it."""
    title = "Utility"
    if not studies:
        text = (
            "Whether training with this data set helps was not measured: no study ran. Figures of "
            "fidelity and diversity do not predict it. A study trains classifiers with and without "
            "the made images:"
        )
        return Section("utility", title, (Text(text), Command(command)))
    blocks: list[Block] = []
    if len(studies) > 1:
        blocks.append(Text(f"{len(studies)} studies of this version stand beside it: read them "
                           "all, for one of several finds something by chance."))  # fmt: skip
    for n, study in enumerate(studies):
        blocks += _in_short(study, n)
    blocks.append(Text(_ASIDE, aside=True))
    return Section("utility", title, tuple(blocks))


def _in_short(study: Json, n: int) -> list[Block]:
    asked = study["asked"]
    about = (
        f"{sentence_of(study)} {len(study['arms'])} arms, {asked['draws']} draws, "
        f"{asked['seeds']} seeds, {asked['steps']} steps of {asked['network']}; study "
        f"{study['id'][:16]}."
    )
    return [Text(about), *_retrieved(study), *_curve(study, n), _difference_table(study, n)]


def _retrieved(study: Json) -> list[Block]:
    """What the rival of synthetic images was, where the job has one."""
    found = study.get("retrieved")
    if found is None:
        return []
    text = str(found["text"])
    return [Text(f"{text[0].upper()}{text[1:]}.")]


def sentence_of(study: Json) -> str:
    """What the study says of synthetic images, of the shares that validation chose, and of these
    against retrieved real ones."""
    found = _helping(study)
    against = [text for test in ("clean", "corrupted") if (text := _versus(study, test))]
    return f"{found} Against retrieved real images: {'; '.join(against)}." if against else found


def _helping(study: Json) -> str:
    said = [text for test in ("clean", "corrupted") if (text := _said(study, test))]
    if not said:
        return "Whether synthetic images help is not judged."
    whole = "; ".join(said)
    return f"{whole[0].upper()}{whole[1:]}."


def _versus(study: Json, test: str) -> str:
    """Of the shares that validation chose of synthetic images."""
    chosen = [_key(one) for one in study["arms"] if one["chosen"] and one["share"]]
    found = [
        one for one in study["comparisons"]
        if _key(one) in chosen and one["test"] == test and one["against"]["arm"] == "retrieved"
        and one["verdict"] != "not judged"
    ]  # fmt: skip
    parts = [f"{_called(one, study)} {_VERSUS[one['verdict']]}" for one in found
             if one["verdict"] in _VERSUS]  # fmt: skip
    if parts:
        return f"{' and '.join(parts)} on {test} test images"
    return f"no evidence of a difference on {test} test images" if found else ""


def _said(study: Json, test: str) -> str:
    chosen = [_key(one) for one in study["arms"] if one["chosen"] and one["share"]]
    found = [
        one for one in study["comparisons"]
        if _key(one) in chosen and one["test"] == test and one["against"]["arm"] == "real"
        and one["verdict"] != "not judged" and one["arm"] != "retrieved"
    ]  # fmt: skip
    parts = [f"{_called(one, study)} {one['verdict']}" for one in found
             if one["verdict"] in ("helps", "hurts")]  # fmt: skip
    if parts:
        return f"on {test} test images {' and '.join(parts)}"
    return f"no evidence that synthetic images help or hurt on {test} test images" if found else ""


def state_of(study: Json) -> str:
    """As `render_page` takes it."""
    said = sentence_of(study)
    return "ok" if " helps" in said else "failed" if " hurts" in said else "not judged"


def tiles_of(study: Json) -> Tiles:
    """What was done, in six figures."""
    asked, arms = study["asked"], study["arms"]
    figures = (
        (str(len(arms)), "arms"),
        (str(asked["draws"]), "draws"),
        (str(asked["seeds"]), "seeds in each"),
        (
            str(sum(one["trainings"] * max(1, len(one.get("rates", ()))) for one in arms)),
            "trainings",
        ),
        (str(asked["steps"]), "steps each"),
        (str(sum(one["test"] for one in study["classes"])), "test images"),
    )
    return Tiles(figures)


def sections_of(study: Json) -> list[Section]:
    """In the order of reading."""
    return [_differences(study), _accuracies(study), _classes(study), _predicted(study),
            _method(study)]  # fmt: skip


def _differences(study: Json) -> Section:
    blocks = (Text(_ASIDE, aside=True), *_retrieved(study), _difference_table(study))
    return Section("differences", "Does it help?", blocks)


def _difference_table(study: Json, n: int = 0) -> Table:
    rows = tuple(
        Row(
            (Mark(_verdict(one), _STATES[one["verdict"]]), _called(one, study),
             _called(one["against"], study), one["test"], _points(one["difference"]),
             _range(one["interval"]), str(one["pairs"])),
            one["test"],
        )
        for one in study["comparisons"]
    )  # fmt: skip
    head = ("", "trained on", "against", "test images", "points", "interval", "pairs")
    return Table(f"differences-{n}", "Differences of accuracy", head, rows, 4, "test images")


def _verdict(one: Json) -> str:
    verdict = str(one["verdict"])
    return _VERSUS.get(verdict, verdict) if one["against"]["arm"] == "retrieved" else verdict


def _accuracies(study: Json) -> Section:
    tests = [one["test"] for one in study["arms"][0]["tests"]]
    several = len(study["asked"].get("rates", ())) > 1
    rows = tuple(
        Row((
            _called(one, study),
            *(f"{100 * test['accuracy']:.1f} ({_plain(test['interval'])})"
              for test in one["tests"]),
            "-" if one["validation"] is None else f"{100 * one['validation']:.1f}",
            *((f"{one['rate']:g}x",) if several else ()),
            "chosen" if one["chosen"] and one["share"] else "", str(one["trainings"]),
        ))
        for one in study["arms"]
    )  # fmt: skip
    rate = ("rate",) if several else ()
    head = ("trained on", *tests, "validation", *rate, "share", "trainings")
    table = Table("accuracies", "Accuracy, the mean over classes", head, rows, 1)
    return Section("accuracies", "Accuracy by share", (*_curve(study), table))


def _curve(study: Json, n: int = 0) -> list[Block]:
    if not any(one["share"] for one in study["arms"]):
        return []
    about = (
        "Accuracy by the share of synthetic images in a batch, or of retrieved real ones in their "
        "place; at 0 the same arm without them. "
        "Bars are 95 % intervals, each alone."
    )
    spec = utility_curve(_dots(study))
    return [Chart(f"utility-curve-{n}", "Utility curve", about, spec)]


def _dots(study: Json) -> list[dict[str, Any]]:
    """A point for every arm, test and maker; arms without synthetic images begin each line."""
    found = []
    arms = [(one, RETRIEVED if one["arm"] == "retrieved" else None) for one in study["arms"]]
    rivals = {one["start"] for one in study["arms"] if one["arm"] == "retrieved"}
    arms += [(one, RETRIEVED) for one in study["arms"]
             if one["arm"] == "real" and one["start"] in rivals]  # fmt: skip
    for one, named in arms:
        for test in one["tests"]:
            interval = test["interval"] or {"low": test["accuracy"], "high": test["accuracy"]}
            copies = one["arm"] in ("classical", "both")
            series = named or ("with classical copies" if copies else "without copies")
            maker = _maker(one, study)
            makers = [maker] if one["share"] else sorted({_maker(other, study)
                      for other in study["arms"] if other["share"]}) or [maker]  # fmt: skip
            found += [
                {"s": one["share"], "v": 100 * test["accuracy"], "lo": 100 * interval["low"],
                 "hi": 100 * interval["high"], "m": series, "t": test["test"],
                 "g": f"{each}, {one['start']}", "n": one["trainings"]}
                for each in makers
            ]  # fmt: skip
    return found


def _maker(one: Json, study: Json) -> str:
    maker = one["maker"]
    return "all generators" if maker is None else shown(study["makers"].get(maker, maker[:12]))


def _classes(study: Json) -> Section:
    arms = study["arms"]
    rows = tuple(
        Row((
            one["class"], *(str(one[key]) for key in ("real", "copies", "synthetic", "test")),
            *(f"{100 * arm['by_class'][one['class']]:.0f}" for arm in arms),
        ))
        for one in study["classes"]
    )  # fmt: skip
    head = ("class", "real", "copies", "synthetic", "test", *(_called(arm, study) for arm in arms))
    text = "Rows of train, test images, and the mean recall of each arm on clean test images."
    table = Table("classes", "Recall of each class", head, rows, 1)
    return Section("classes", "Classes", (Text(text, aside=True), table))


def _predicted(study: Json) -> Section:
    title = "Did measures of the audit predict the gains?"
    if study["predicted"] is None:
        return Section("predicted", title, (Text(f"Not judged: {study['not_predicted']}."),))
    rows = tuple(
        Row((
            Mark(one["verdict"], _STATES[one["verdict"]]), one["measure"], one["not_judged"] or "",
            str(one["groups"]),
            "-" if one["correlation"] is None else f"{one['correlation']:+.2f}",
            "-" if one["interval"] is None
            else f"{one['interval']['low']:+.2f} to {one['interval']['high']:+.2f}",
        ))
        for one in study["predicted"]
    )  # fmt: skip
    text = (
        "Rank correlation of a measure of what a generator made of a class with the gain in that "
        "class's recall, once share and amount of synthetic images are controlled for."
    )
    head = ("", "measure", "why not", "groups", "correlation", "interval")
    return Section("predicted", title, (Text(text, aside=True), Table("predictions", "Measures",
                                                                     head, rows, 3)))  # fmt: skip


def _method(study: Json) -> Section:
    asked, splits = study["asked"], study["splits"]
    validation = splits["validation"]
    held = (
        f"split {shown(validation)}"
        if validation
        else "a fifth of real train, left out by each draw"
    )
    rates = study["asked"].get("rates", ())
    tried = " and ".join(f"{rate:g}" for rate in rates)
    choice = (
        f"the share, and of {tried} times that rate one for each arm"
        if len(rates) > 1
        else "the share"
    )
    texts = [
        f"Network {asked['network']} at {study['side']} px, {asked['steps']} batches of "
        f"{asked['batch']}, AdamW with one cycle up to {asked['rate']:g}; seed {asked['seed']}. "
        f"Validation: {held}; it chooses {choice}, nothing else. Test: split "
        f"{shown(splits['test'])}, which chooses nothing.",
        "It says how these classifiers learn from this version. Larger networks, longer training "
        "or augmentation during training may gain more, less, or nothing.",
    ]
    if study["corruptions"]:
        names = ", ".join(one["name"] for one in study["corruptions"])
        texts.append(f"Corruptions, each at severities 1, 3 and 5: {names}.")
    for n, what in ((study["left_out"], "were left out of a large set: a seeded sample was used"),
                    (study["lost"], "have an image that could not be decoded")):  # fmt: skip
        if n:
            texts.append(f"{n} rows {what}.")
    if study["unused"]:
        texts.append(
            f"{study['unused']} more trainings of this study stand beside these and are not in it: "
            "who asks for more, or less, until something helps finds something by chance."
        )
    versions = ", ".join(f"{name} {version}" for name, version in study["libraries"].items())
    texts.append(f"Trained by {versions}. Records of all trainings: _studies/{study['id'][:32]}/ "
                 f"in {shlex.quote(study['uri'])}.")  # fmt: skip
    return Section("method", "Method and limits", tuple(Text(text) for text in texts))


def _key(one: Json) -> tuple[Any, ...]:
    return one["start"], one["arm"], one["share"], one["maker"]


def _called(one: Json, study: Json) -> str:
    text = _WORDS[one["arm"]] + (f" {one['share']:g}" if one["share"] else "")
    if one["maker"] is not None:
        text += f" of {_maker(one, study)}"
    return f"{text}, pretrained" if one["start"] == "pretrained" else text


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"


def _range(interval: Json | None) -> str:
    if interval is None:
        return "-"
    return f"{_points(interval['low'])} to {_points(interval['high'])}"


def _plain(interval: Json | None) -> str:
    if interval is None:
        return "-"
    ends: Sequence[float] = interval["low"], interval["high"]
    return " to ".join(f"{100 * end:.1f}" for end in ends)
