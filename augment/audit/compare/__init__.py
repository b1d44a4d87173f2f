"""Two audits side by side: what changed between versions, or between data sets.

| module | does |
|---|---|
| `comparing` | two reports as JSON -> a `Comparison`, as text's and programs' one source |
| `kept` | a report that was kept as audit.json, read again |
| `render` | a comparison as text |
| `schema` | its published JSON Schema |
"""

from augment.audit.compare.comparing import Comparison, compared
from augment.audit.compare.kept import read_report
from augment.audit.compare.render import render_comparison
from augment.audit.compare.schema import comparison_schema

__all__ = ["Comparison", "compared", "comparison_schema", "read_report", "render_comparison"]
