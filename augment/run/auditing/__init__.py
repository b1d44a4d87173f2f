"""Audits that look at images: extraction, then measures and a search for copies, then one report.

| module | has |
|---|---|
| `measuring` | how good, diverse and well labelled the made images are |
| `copying` | which of them repeat real images |

Both are functions of the version, the extractors and the seed.
"""

from augment.run.auditing.measuring import DEFAULT, Asked, measure_quality

__all__ = ["DEFAULT", "Asked", "measure_quality"]
