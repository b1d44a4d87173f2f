"""The report of an audit: one page to look at, and the same as JSON.

| module | has |
|---|---|
| `blocks` | what a page is made of: sections of texts, tables, charts and pictures |
| `sections` | a report as JSON -> sections, verdict first; below it `composition`, `limits`, `judged`, `quality`, `labels`, `embedding`, `copies`, `origins`, `method` |
| `utility` | a study as JSON -> sections of its own page |
| `thumbnails` | very small pictures of the images of the map, which `embedding` draws |
| `charts` | Vega-Lite specifications |
| `pictures` | a few rows of every class as small pictures; with `galleries`, what findings are about |
| `page` | sections -> one HTML text that asks nothing of any network |
| `markdown` | sections -> Markdown for a pull request |
| `gates` | the verdict as JUnit XML and as annotations of GitHub Actions |
| `writing` | both files into a folder |

Everything but `pictures`, `galleries`, `thumbnails` and `writing` is a function of values; the same report and pictures give
the same bytes. Texts from outside (names of classes, files and generators) are escaped in `page` and
`markdown`, once and everywhere.
"""  # noqa: E501

from augment.audit.report.gates import render_annotations, render_junit
from augment.audit.report.markdown import render_markdown
from augment.audit.report.writing import Written, check_folder, write_report

__all__ = [
    "Written",
    "check_folder",
    "render_annotations",
    "render_junit",
    "render_markdown",
    "write_report",
]
