"""Copies: which made images repeat a protected real one, also changed, by a detector that is
calibrated on the user's own images.

| module | has |
|---|---|
| `detector` | fit, search, and what the detector finds on this very data set |
| `kept` | a detector as arrays, and back |
| `search` | candidates of every image, aligned, with evidence |
| `candidates` `views` `projection` | the nearest protected images, by pixels and by features |
| `alignment` `warps` | the warp from an image into a candidate |
| `evidence` `verifier` | numbers about an aligned pair, and one score of them |
| `calibration` | from which score on a pair is a copy |
| `histogram` | how scores are spread about the threshold |
| `planted` | what a copy may have gone through: every kind with its parameters |
| `images` | images as they come, and reduced |
| `threads` | one of OpenCV's |

Functions over arrays of images: no files, tables or verdicts, and no network but those that are
handed in. docs/audit.md says what is found, what is not, and what it means.
"""

from augment.audit.copies.calibration import Calibration, NotCalibrated, Threshold, Twin
from augment.audit.copies.detector import Detector, Match, Recall
from augment.audit.copies.histogram import Histogram
from augment.audit.copies.images import Decoded, Image, ImageSet
from augment.audit.copies.planted import KINDS
from augment.audit.copies.search import Extract

__all__ = [
    "KINDS",
    "Calibration",
    "Decoded",
    "Detector",
    "Extract",
    "Histogram",
    "Image",
    "ImageSet",
    "Match",
    "NotCalibrated",
    "Recall",
    "Threshold",
    "Twin",
]
