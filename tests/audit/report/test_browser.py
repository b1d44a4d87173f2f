"""The page in a browser: drawn, filtered, asked nothing, read on a phone, by keyboard and in the
dark. Needs Chromium: `make browser` installs Debian's and runs this."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from augment.audit import audit
from augment.audit.findings import Finding
from augment.audit.report import write_report
from augment.audit.report.blocks import Picture
from augment.audit.report.judged import sentence, tiles
from augment.audit.report.origins import Origins
from augment.audit.report.page import render_page
from augment.audit.report.sections import Pictures, sections
from tests.audit.report.values import VAE, names, value
from tests.browser import CHROMIUM, Page, chromium

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium is installed: `make browser` installs one"
)
_OUT = io.BytesIO()
Image.new("RGB", (4, 3)).save(_OUT, "WEBP", lossless=True)
TINY = _OUT.getvalue()
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>"
CLASSES = [HOSTILE, "b" * 200, *names(58)]
FINDINGS = [
    Finding(
        "labels" if n % 2 else "collapse",
        f"class {n:04} is odd",
        n,
        warns=n > 3,
        group=("train", HOSTILE, VAE),
    )
    for n in range(12)
]
CONTRAST = """
(() => {
  const parts = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = (c) => { const [r, g, b] = parts(c).slice(0, 3).map((v) => v / 255)
      .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (e) => { for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if (parts(c).length < 4 || parts(c)[3] === 1) return c; }
    return "rgb(255, 255, 255)"; };
  const bad = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || e.closest("script, style, svg, noscript")) continue;
    const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) bad.push(e.tagName + "." + e.className);
  }
  return bad;
})()
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("chromium")) as page:
        yield page


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a report that has everything."""
    found = value(CLASSES, findings=FINDINGS, maker=HOSTILE, broken=3, copies=True)
    shown = {HOSTILE: {"real": [Picture(HOSTILE, "real", None, f"{n}-id") for n in range(3)]}}
    found["findings"][0]["text"] = "0123456789abcdef" * 20
    named = {0: (Picture("3", "real", None, "named-id"),)}
    pair = (Picture("3", "generated", None, "made-id"), Picture("3", "real", None, "own-id"))
    about = {1: (("made", (pair[0],)), ("real", (pair[1],)))}
    mapped = {f"{n:032x}": TINY for n in range(600)}
    pictures = Pictures("train", 60, shown, named=named, about=about,
                        pairs={"train": [pair] * 9}, mapped=mapped)  # fmt: skip
    parts = sections(found, Origins(), pictures, "0")
    text = render_page(found["uri"], sentence(found), found["verdict"], tiles(found), parts)
    file = tmp_path_factory.mktemp("page") / "audit.html"
    file.write_text(text)
    return file


@pytest.fixture
def page(browser: Page, path: Path) -> Page:
    browser.requests.clear()
    browser.errors.clear()
    browser.open(path)
    return browser


def test_every_chart_is_drawn_and_nothing_is_asked_for(page: Page, path: Path) -> None:
    states = page.run("[...document.querySelectorAll('[data-chart]')].map((x) => x.dataset.state)")
    assert len(states) == 12 - 1  # a matrix of sixty classes is a table
    assert set(states) == {"drawn"}
    assert page.run("document.querySelectorAll('[data-chart] svg').length") == len(states)
    assert page.errors == []
    assert {url for url in page.requests if not url.startswith("data:")} == {path.as_uri()}
    assert page.run("document.title") == "Audit of /data/set"


def test_a_table_is_searched_and_filtered_by_kind(page: Page) -> None:
    seen = (
        "[...document.querySelectorAll('#table-finding-table tbody tr')].filter((r) => !r.hidden)"
    )
    said = "document.querySelector('output[data-table=finding-table]').textContent"
    assert page.run(f"{seen}.length") == len(FINDINGS)
    give = """(() => { const x = document.querySelector('%s[data-table=finding-table]');
                       x.value = '%s'; x.dispatchEvent(new Event('input')); })()"""
    page.run(give % ("select", "labels"))
    assert page.run(f"{seen}.length") == 6
    page.run(give % ("input", "0007 ODD"))
    assert page.run(f"{seen}.map((r) => r.cells[2].textContent)") == ["class 0007 is odd"]
    assert page.run(said) == "1 of 12 rows"
    page.run(give % ("input", "nothing like it"))
    assert page.run(said) == "0 of 12 rows"


def test_a_chart_shows_the_measure_that_is_picked(page: Page) -> None:
    axis = "document.querySelector('[data-chart=beside-real] .mark-symbol').innerHTML"
    before = page.run(axis)
    page.run(
        """(() => { const x = document.querySelector('[data-chart=beside-real] select');
                    x.value = 'precision'; x.dispatchEvent(new Event('change')); })()"""
    )
    page.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.run(axis) != before
    assert page.errors == []


def test_a_point_of_the_map_shows_its_image_and_a_class_is_picked(page: Page) -> None:
    points = "[...document.querySelectorAll('[data-chart=map] .mark-symbol.role-mark path')]"
    page.run(f"{points}.at(-1).scrollIntoView({{ behavior: 'instant', block: 'center' }})")
    box = page.run(f"(({{ x, y, width, height }}) => [x + width / 2, y + height / 2])"
                   f"({points}.at(-1).getBoundingClientRect())")  # fmt: skip
    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=box[0], y=box[1])
    seen = page.run(
        """new Promise((done) => { let frames = 0; const look = () => {
             const n = document.querySelector('#vg-tooltip-element.visible img')?.naturalWidth;
             if (n || ++frames > 200) done(n); else requestAnimationFrame(look); }; look(); })"""
    )
    assert seen == 4, "the picture's own width"
    said = page.run("document.getElementById('vg-tooltip-element').innerText")
    assert "origin" in said
    assert "class 00" in said
    size = page.run("document.querySelector('#vg-tooltip-element img').clientWidth")
    assert size == 72
    page.run(
        """(() => { const x = document.querySelector('[data-chart=map] select');
                    x.value = 'class 0003'; x.dispatchEvent(new Event('change')); })()"""
    )
    page.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    bright = page.run(f"{points}.filter((p) => getComputedStyle(p).opacity > 0.5).length")
    assert bright == 8
    assert page.errors == []


@pytest.mark.parametrize("width", [320, 390, 768])
def test_a_narrow_screen_never_scrolls_sideways(browser: Page, path: Path, width: int) -> None:
    browser.open(path, width, 800)
    assert browser.run("document.documentElement.scrollWidth") <= width
    widths = browser.run("[...document.querySelectorAll('svg.marks')].map((x) => x.clientWidth)")
    assert all(0 < one <= width for one in widths)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_contrast(browser: Page, path: Path, scheme: str) -> None:
    browser.open(path, prefers_color_scheme=scheme)
    assert browser.run(CONTRAST) == []
    assert browser.run("getComputedStyle(document.body).backgroundColor") == (
        "rgb(255, 255, 255)" if scheme == "light" else "rgb(21, 24, 28)"
    )


def test_a_keyboard_reaches_what_a_mouse_does(page: Page) -> None:
    page.press("Tab")
    assert page.run("document.activeElement.className") == "skip"
    page.press("Enter")
    assert page.run("location.hash") == "#findings"
    reached = []
    for _ in range(60):
        page.press("Tab")
        reached.append(page.run("document.activeElement.tagName"))
    assert {"INPUT", "SELECT", "DIV", "SUMMARY", "A"} <= set(reached)
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") != "none"


def test_a_picture_opens_its_trace(page: Page) -> None:
    assert not page.run("document.getElementById('fold-traces').open")
    page.run("document.querySelector('#sheet .pictures a').click()")
    page.run("new Promise((done) => setTimeout(done))")
    assert page.run("document.getElementById('fold-traces').open")
    assert "augment trace /data/set 0-id" in page.run(
        "document.querySelector('tr:target').textContent"
    )


def test_on_paper_folds_are_open_and_controls_are_gone(page: Page) -> None:
    page.call("Emulation.setEmulatedMedia", media="print")
    gone = ["nav", ".filter", ".copy", "tr.more", ".vega-bindings"]
    shown = page.run(
        f"{gone}.filter((s) => getComputedStyle(document.querySelector(s)).display !== 'none')"
    )
    assert shown == []
    page.run("window.folds = 0; addEventListener('beforeprint', () => { window.folds = "
             "document.querySelectorAll('details:not([open])').length; })")  # fmt: skip
    pdf = page.call("Page.printToPDF")["data"]
    assert page.run("window.folds") == 1  # traces are commands: nobody types them from paper
    assert len(pdf) > 10_000
    assert page.errors == []


def test_a_report_of_a_data_set_shows_its_pictures(
    browser: Page, digits_set: Any, tmp_path: Path
) -> None:
    written = write_report(audit(digits_set.uri), str(tmp_path))
    browser.errors.clear()
    browser.open(Path(written.page))
    sizes = browser.run("[...document.querySelectorAll('img')].map((x) => x.naturalWidth)")
    assert sizes == [8] * 16
    assert browser.errors == []
