"""A data set by attributes of its rows, such as time of day: how many rows of each value are real
and generated, and whether the generated part has the values that the real part has.

| module | has |
|---|---|
| `counting` | rows of a version -> counts by split, class, kind and value |
| `skew` | counts -> how far generated rows are from real ones, beside how far real ones are |
| `sliced` | all of it of one attribute, as one value, and as findings |
"""

from augment.audit.attributes.counting import Counts, check_names
from augment.audit.attributes.sliced import Slice, Sliced, judge_attributes

__all__ = ["Counts", "Slice", "Sliced", "check_names", "judge_attributes"]
