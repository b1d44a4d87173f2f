"""Sections -> one HTML text: it asks nothing of any network, and obeys nothing from outside.

Every text passes `escaping.line` (controls, marks of direction) and Jinja2's autoescape. A Content
Security Policy forbids every request and every script but those whose hashes it names: what a
name smuggled in would not run. Charts are drawn by Vega's runtime as it comes with vl-convert;
its expressions are interpreted (`ast`), so that no text is ever made into code.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from augment import escaping
from augment.audit.report.blocks import Chart, Picture, Section, Tiles, source_of
from augment.errors import RequestError
from augment.escaping import short_id

if TYPE_CHECKING:
    import jinja2

EXTRA = "pip install 'augment-vision[report]'"
_TEMPLATES = "augment.audit.report.templates"


def render_page(
    title: str,
    verdict: str,
    state: str,
    tiles: Tiles,
    sections: Sequence[Section],
    what: str = "Audit",
) -> str:
    """title: the data set's place. verdict: one sentence. state: `ok`, `failed` or `not judged`.
    what: the page is, of the data set.

    Raises:
        RequestError: the libraries of the extra `report` are not installed.
    """
    charts = {
        block.name: dict(block.spec)
        for section in sections for block in section.blocks if isinstance(block, Chart)
    }  # fmt: skip
    scripts = [_file("page.js"), *([_runtime(), _file("charts.js")] if charts else [])]
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            what=what,
            title=title,
            verdict=verdict,
            state=state.replace(" ", "-"),
            tiles=tiles,
            sections=sections,
            policy=_policy(scripts),
            style=_markup(_file("page.css")),
            scripts=[_markup(script) for script in scripts],
            charts=_markup(in_script(charts)),
        )
    )


def in_script(document: Any) -> str:
    """JSON for a <script> of HTML: nothing in it ends the element or begins a comment."""
    text = escaping.to_json(document)
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


def check_installed() -> None:
    """Raises: RequestError where the libraries of the extra `report` are not installed."""
    _environment()
    _vl_convert()


def _policy(scripts: Sequence[str]) -> str:
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {hashes}; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return base64.b64encode(sha256(text.encode()).digest()).decode()


def _file(name: str) -> str:
    return (files(_TEMPLATES) / name).read_text(encoding="utf-8")


@cache
def _runtime() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script, of the version that vl-convert bundles."""
    bundle: str = _vl_convert().javascript_bundle()
    assert "</script" not in bundle.lower(), "the runtime would end its own element"
    return bundle


def _vl_convert() -> Any:
    try:
        import vl_convert
    except ImportError as error:
        raise _not_installed(error) from error
    return vl_convert


@cache
def _environment() -> jinja2.Environment:
    try:
        import jinja2
    except ImportError as error:
        raise _not_installed(error) from error
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_file),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"anchor": _anchor, "source": _source, "alternative": _alternative}
    return environment


def _not_installed(error: ImportError) -> RequestError:
    return RequestError(
        f"report: {error.name} is not installed, which draws the page; {EXTRA}, or leave out "
        "--report: --json and --markdown need nothing more"
    )


def _finalized(value: Any) -> Any:
    """What stands in the page of a value, before it is escaped."""
    return (
        value if hasattr(value, "__html__") or not isinstance(value, str) else escaping.line(value)
    )


def _markup(text: str) -> Any:
    from markupsafe import Markup

    return Markup(text)  # ours alone, or what `in_script` made


def _anchor(picture: Picture) -> str:
    from augment.audit.report.sections import anchor_of

    return anchor_of(picture)


def _source(picture: Picture) -> str:
    return source_of(picture.image or b"")


def _alternative(picture: Picture) -> str:
    name = "" if picture.sample_id is None else f", {short_id(picture.sample_id)}"
    return f"{picture.origin} image of class {picture.class_name}{name}"
