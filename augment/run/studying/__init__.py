"""A utility study of a committed data set, on an engine: one training a unit, one record each.

| module | does |
|---|---|
| `studying` | what is trained and what lacks; has it trained; the report |
| `study_unit` | one training, in a worker that holds the images |
| `gathering` | rows of a table as a study takes them, and their images |
| `recording` | the record of a training |
| `retrieving` | real images that are no rows, as a rival of synthetic ones: has them looked up |
| `offering` `retrieval_unit` `retrieved_record` | those on offer; a worker that looks; its record |
| `reporting` | study.html and study.json in a folder of the user's |

What is pure (arms, draws, networks, statistics, verdicts) is `augment/study`.
"""

from augment.run.studying.reporting import check_report, write_report
from augment.run.studying.studying import How, study

__all__ = ["How", "check_report", "study", "write_report"]
