"""Whether the made images of a data set help a classifier: paired trainings, and what they say.

    real | + classical | + synthetic | + both -> trainings -> records -> differences -> words

| module | has |
|---|---|
| `plan` | what is asked; arms; trainings |
| `rows` | which rows a draw trains on, is validated on and tested on |
| `networks` `training` | a classifier, and one training of it; torch inside functions |
| `corruptions` | test images as bad cameras and stores leave them |
| `arithmetic` `statistics` | Student's t; paired differences with intervals |
| `prediction` | whether measures of the audit predicted the gains |
| `report` `schema` `render` | all of it as one value, as JSON, as lines |

Nothing here knows files, tables or engines. Letters: N images, B of a batch, C classes, S side in
px, A arms, D draws, R seeds.
"""

from augment.study.plan import Arm, Asked, Training, arms_of, trainings_of
from augment.study.report import Study
from augment.study.schema import study_schema

__all__ = ["Arm", "Asked", "Study", "Training", "arms_of", "study_schema", "trainings_of"]
