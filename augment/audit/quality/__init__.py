"""How good, how diverse and how well labelled the made part of a data set is, class by class.

| module | has |
|---|---|
| `gathering` | features of a data set's rows -> a seeded sample of each group |
| `comparing` | made images of a group against real ones, each figure beside real against real |
| `embedding` | some images of every class and origin at two coordinates |
| `verdicts` | figures -> findings: what warns and what fails |
| `report` | all of it as one value, and as JSON |

Everything here is a function of features, labels, extractors and a seed: nothing is drawn anew
until it looks better. Knows no files, networks or tables; `run` joins it with extraction.
"""

from augment.audit.quality.comparing import Compared, Draws
from augment.audit.quality.gathering import AUGMENTED, Gathered, Group, Rows
from augment.audit.quality.report import Quality, judged
from augment.audit.quality.verdicts import Thresholds

__all__ = [
    "AUGMENTED",
    "Compared",
    "Draws",
    "Gathered",
    "Group",
    "Quality",
    "Rows",
    "Thresholds",
    "judged",
]
