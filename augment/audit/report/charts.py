"""Charts as Vega-Lite 6 specifications, which the page draws as SVG.

Text and lines take the page's own colour (`currentColor`), so that light, dark and print need no
chart of their own. Colours of data have a contrast of at least 3 : 1 to both backgrounds (WCAG 2.1,
1.4.11) and are told apart by people with any common colour vision (Okabe and Ito, "Color Universal
Design", 2008). Fields of data have fixed names; names from outside are values alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from augment import escaping

Spec = dict[str, Any]
Values = list[dict[str, Any]]

BLUE, GREEN, ORANGE, PURPLE = "#0072B2", "#009E73", "#D55E00", "#A8618C"
RETRIEVED = "retrieved real images"
"""A series of a utility curve: in the place of synthetic images."""
REAL = "real images of "
"""How a series of real images begins, before its split."""
KINDS = {"real": BLUE, "augmented": GREEN, "generated": ORANGE}
GENERATORS = (ORANGE, PURPLE, "#8A7B00", "#5F7382")
_ROW = 20  # pixels of a bar or point with the space around it
_AGREES = "share whose class is named"
_LONGEST = 22  # characters of a label
_AXIS = {
    "labelColor": "currentColor", "titleColor": "currentColor", "domainColor": "currentColor",
    "tickColor": "currentColor", "gridColor": "currentColor", "gridOpacity": 0.15,
    "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelLimit": 260,
}  # fmt: skip
CONFIG: Spec = {
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": _AXIS,
    "axisX": {"tickCount": 8},
    "legend": {
        "labelColor": "currentColor", "titleColor": "currentColor", "orient": "top",
        "labelFontSize": 12, "labelLimit": 320, "symbolOpacity": 1,
        "columns": 3,
    },
}  # fmt: skip


def labels(names: Iterable[str]) -> dict[str, str]:
    """Name -> what an axis says; two names never say the same."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        if name not in found:
            short = label = escaping.name(name, _LONGEST)
            n = 1
            while label in taken:
                n += 1
                label = f"{short} ({n})"
            found[name] = label
            taken.add(label)
    return found


def _spec(values: Values, height: int | str, **more: Any) -> Spec:
    """height: in pixels, or the field of the y axis, of whose values each needs some."""
    if isinstance(height, str):
        height = _ROW * max(1, len({one[height] for one in values}))
    return {
        "data": {"values": values},
        "width": "container",
        "height": height,
        "config": CONFIG,
        **more,
    }


def _nominal(field: str, **more: Any) -> Spec:
    return {"field": field, "type": "nominal", "sort": None, "title": None, **more}


def _number(field: str, title: str | None = None, **more: Any) -> Spec:
    return {"field": field, "type": "quantitative", "title": title, **more}


def _colours(field: str, names: Sequence[str], colours: Sequence[str]) -> Spec:
    return _nominal(field, scale={"domain": list(names), "range": list(colours)})


def _series(field: str, names: Sequence[str]) -> Spec:
    """Colours of makers: real and augmented images have one each everywhere."""
    fixed = {
        name: BLUE if name.startswith(REAL) else GREEN
        for name in names if name.startswith(REAL) or name == "augmented"
    }  # fmt: skip
    others = [name for name in names if name not in fixed]
    fixed |= {name: GENERATORS[n % len(GENERATORS)] for n, name in enumerate(others)}
    return _colours(field, names, [fixed[name] for name in names])


def _kinds() -> Spec:
    return _colours("k", tuple(KINDS), tuple(KINDS.values()))


def _tooltip(*fields: tuple[str, str, str]) -> list[Spec]:
    """fields: (field, title, n for a text, q for a number)."""
    types = {"n": "nominal", "q": "quantitative"}
    return [{"field": f, "title": title, "type": types[kind]} for f, title, kind in fields]


def composition(rows: Sequence[tuple[str, Mapping[str, int]]]) -> Spec:
    """Bars stacked by origin. rows: (class, kind of `KINDS` -> rows)."""
    values = [
        {"c": name, "k": kind, "n": counts[kind], "i": n}
        for name, counts in rows
        for n, kind in enumerate(KINDS)
        if counts[kind]
    ]
    return _spec(
        values, "c",
        mark={"type": "bar", "height": {"band": 0.8}},
        encoding={
            "y": _nominal("c"), "x": _number("n", "rows", stack="zero", axis={"tickMinStep": 1}),
            "color": _kinds(), "order": {"field": "i"},
            "tooltip": _tooltip(("c", "class", "n"), ("k", "origin", "n"), ("n", "rows", "q")),
        },
    )  # fmt: skip


def all_classes(rows: Sequence[tuple[int, Mapping[str, int]]]) -> Spec:
    """Rows of very many classes, the largest first, stacked by origin. rows: (place of the class
    from 0, kind -> rows)."""
    values = [
        {"r": n + 1, "k": kind, "n": counts[kind], "i": i}
        for n, counts in rows
        for i, kind in enumerate(KINDS)
    ]
    return _spec(
        values, 220,
        mark={"type": "area", "interpolate": "step"},
        encoding={
            "x": _number("r", "classes, the largest first", scale={"nice": False, "zero": False}),
            "y": _number("n", "rows", stack="zero"), "color": _kinds(), "order": {"field": "i"},
        },
    )  # fmt: skip


def limit(rows: Sequence[tuple[str, float, bool]], bound: float, title: str) -> Spec:
    """A bar for every place and a line at the bound. rows: (place, value, kept)."""
    values = [
        {"p": place, "v": value, "s": "kept" if kept else "broken"} for place, value, kept in rows
    ]
    bar = {
        "mark": {"type": "bar", "height": {"band": 0.7}},
        "encoding": {
            "y": _nominal("p"), "x": _number("v", title),
            "color": _colours("s", ("kept", "broken"), (BLUE, ORANGE)),
            "tooltip": _tooltip(("p", "place", "n"), ("v", "value", "q"), ("s", "limit", "n")),
        },
    }  # fmt: skip
    return _spec(values, "p", layer=[bar, _rule(bound)])


def _rule(at: float) -> Spec:
    return {
        "mark": {"type": "rule", "color": "currentColor", "strokeDash": [5, 3], "strokeWidth": 2},
        "encoding": {"x": {"datum": at, "type": "quantitative"}},
    }


def beside_real(values: Values, makers: Sequence[str]) -> Spec:
    """Figures of made images beside the range of the same figure between real ones; a reader picks
    measure and extractor.

    values: c (group), m (maker), e (extractor), f (measure), v (value), lo, hi (range of real), n.
    """
    measures = list(dict.fromkeys(one["f"] for one in values))
    extractors = list(dict.fromkeys(one["e"] for one in values))
    band = {
        "mark": {"type": "bar", "height": {"band": 0.55}, "color": "currentColor", "opacity": 0.22},
        "encoding": {"y": _nominal("c"), "x": _number("lo", ""), "x2": {"field": "hi"}},
    }
    point = {
        "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
        "encoding": {
            "y": _nominal("c"), "x": _number("v", ""),
            "color": _series("m", makers),
            "shape": _nominal("m", scale={"domain": list(makers)}),
            "tooltip": _tooltip(("c", "class", "n"), ("m", "made by", "n"), ("v", "value", "q"),
                                ("lo", "real, lowest", "q"), ("hi", "real, highest", "q"),
                                ("n", "images", "q")),
        },
    }  # fmt: skip
    return _spec(
        values, "c",
        params=[_picked("measure", measures), _picked("extractor", extractors)],
        transform=[{"filter": "datum.f === measure && datum.e === extractor"}],
        layer=[band, point],
    )  # fmt: skip


def _picked(name: str, options: Sequence[str], said: str = "") -> Spec:
    bind = {"input": "select", "options": list(options), "name": said or f"{name} "}
    return {"name": name, "value": options[0], "bind": bind}


def ratios(rows: Sequence[tuple[str, str, float]], makers: Sequence[str]) -> Spec:
    """Distances in parts of the same distance between real images, with a line at 1. rows: (group,
    maker, ratio above 0)."""
    values = [{"c": group, "m": maker, "v": ratio} for group, maker, ratio in rows]
    point = {
        "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
        "encoding": {
            "y": _nominal("c"),
            "x": _number("v", "times as far as real from real", scale={"type": "log"}),
            "color": _series("m", makers),
            "shape": _nominal("m", scale={"domain": list(makers)}),
            "tooltip": _tooltip(("c", "class", "n"), ("m", "made by", "n"), ("v", "ratio", "q")),
        },
    }  # fmt: skip
    return _spec(values, "c", layer=[point, _rule(1.0)])


def agreement(values: Values, series: Sequence[str]) -> Spec:
    """Shares of images whose class a classifier names, with intervals. values: c (class), m (made
    by, or real), v, lo, hi, n."""
    y = {"y": _nominal("c"), "yOffset": _nominal("m")}
    colour = _series("m", series)
    interval = {
        "mark": {"type": "rule", "strokeWidth": 2, "opacity": 0.55},
        "encoding": {**y, "x": _number("lo", _AGREES), "x2": {"field": "hi"}, "color": colour},
    }
    point = {
        "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
        "encoding": {
            **y, "color": colour, "shape": _nominal("m", scale={"domain": list(series)}),
            "x": _number("v", _AGREES, scale={"domain": [0, 1]}),
            "tooltip": _tooltip(("c", "class", "n"), ("m", "images", "n"), ("v", "share", "q"),
                                ("n", "how many", "q")),
        },
    }  # fmt: skip
    classes = len({one["c"] for one in values})
    return _spec(values, classes * max(_ROW, 10 * len(series)), layer=[interval, point])


def found(values: Values, series: Sequence[str]) -> Spec:
    """Shares of planted copies that were found, with intervals. values: c (what was done to them),
    m (a side), v, lo, hi, n."""
    spec = agreement(values, series)
    for layer in spec["layer"]:
        layer["encoding"]["x"]["title"] = "share that is found"
        layer["encoding"]["color"] = _colours("m", series, (BLUE, ORANGE)[: len(series)])
    return spec


def scores(values: Values, series: Sequence[str]) -> Spec:
    """Shares of images by score, as steps, with a line at the threshold. values: x (middle of a
    bin, less the threshold), v (share), m (whose, of series)."""
    steps = {
        "mark": {"type": "area", "interpolate": "step", "fillOpacity": 0.2, "clip": True,
                 "line": {"strokeWidth": 1.5}},
        "encoding": {
            "x": _number("x", "score, less the threshold of the class", scale={"zero": False}),
            "y": _number("v", "share of images (root scale)", stack=None,
                         scale={"type": "sqrt"}, axis={"format": "~p", "tickCount": 6}),
            "color": _colours("m", series, (BLUE, ORANGE)),
        },
    }  # fmt: skip
    return _spec(values, 220, layer=[steps, _rule(0.0)])


def confusion(cells: Sequence[tuple[str, str, int]], names: Sequence[str]) -> Spec:
    """cells: (class by its label, class that is named, images)."""
    values = [{"c": own, "s": seen, "n": n} for own, seen, n in cells]
    axes = {
        "y": _nominal("c", title="label", scale={"domain": list(names)}),
        "x": _nominal("s", title="class that the classifier names", scale={"domain": list(names)},
                      axis={"labelAngle": 0 if max(map(len, names)) < 4 else -45}),
    }  # fmt: skip
    cell = {
        "mark": {"type": "rect", "fill": BLUE, "stroke": None},
        "encoding": {
            **axes,
            "fillOpacity": _number("n", legend=None, scale={"type": "sqrt", "range": [0.05, 0.6]}),
            "tooltip": _tooltip(("c", "label", "n"), ("s", "named", "n"), ("n", "images", "q")),
        },
    }
    text = {
        "mark": {"type": "text", "color": "currentColor", "fontSize": 12},
        "encoding": {**axes, "text": {"field": "n", "type": "quantitative"}},
    }
    return _spec(values, 26 * len(names), layer=[cell, text])


def embedding(values: Values, classes: Sequence[str], directions: Sequence[str]) -> Spec:
    """Images as points by origin; a reader picks a class, which leaves the others faint. values: x,
    y, c (class), k (origin), m (made by), s (sample), p (address of a picture, or empty)."""
    every = "every class"
    point = {
        "mark": {"type": "point", "filled": True, "size": 36},
        "encoding": {
            "x": _number("x", directions[0], scale={"zero": False}),
            "y": _number("y", directions[1], scale={"zero": False}),
            "color": _kinds(),
            "shape": _nominal("k", scale={"domain": list(KINDS),
                                          "range": ["circle", "square", "triangle-up"]}),
            "opacity": {"value": 0.06,
                        "condition": {"test": "picked === every || datum.c === picked",
                                      "value": 1}},
            "tooltip": _tooltip(("p", "image", "n"), ("c", "class", "n"), ("k", "origin", "n"),
                                ("m", "made by", "n"), ("s", "sample", "n")),
        },
    }  # fmt: skip
    choice = _picked("picked", [every, *classes], "class ")
    return _spec(values, 420, params=[{"name": "every", "value": every}, choice], layer=[point])


def utility_curve(values: Values) -> Spec:
    """Accuracy by share, with intervals; a reader picks test and generator. values: s (share), v,
    lo, hi (of 100), m (with copies, without, or `RETRIEVED`), t (test), g (generator and start),
    n."""
    series = list(dict.fromkeys(one["m"] for one in values))
    tests = list(dict.fromkeys(one["t"] for one in values))
    makers = list(dict.fromkeys(one["g"] for one in values))
    x = _number("s", "share of synthetic images in a batch", scale={"domainMin": 0})
    y = _number("v", "accuracy, mean over classes, %", scale={"zero": False})
    others = [name for name in series if name != RETRIEVED]
    shades = {RETRIEVED: GREEN, **dict(zip(others, (BLUE, ORANGE), strict=False))}
    colour = _colours("m", series, [shades[name] for name in series])
    line = {"mark": {"type": "line", "strokeWidth": 2},
            "encoding": {"x": x, "y": y, "color": colour}}  # fmt: skip
    interval = {
        "mark": {"type": "rule", "strokeWidth": 2, "opacity": 0.55},
        "encoding": {"x": x, "y": _number("lo", y["title"], scale={"zero": False}),
                     "y2": {"field": "hi"}, "color": colour},
    }  # fmt: skip
    point = {
        "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
        "encoding": {
            "x": x, "y": y, "color": colour, "shape": _nominal("m", scale={"domain": series}),
            "tooltip": _tooltip(("s", "share", "q"), ("v", "accuracy", "q"), ("lo", "from", "q"),
                                ("hi", "to", "q"), ("m", "trained", "n"), ("n", "trainings", "q")),
        },
    }  # fmt: skip
    return _spec(
        values, 280,
        params=[_picked("test", tests), _picked("generator", makers)],
        transform=[{"filter": "datum.t === test && datum.g === generator"}],
        layer=[line, interval, point],
    )  # fmt: skip
