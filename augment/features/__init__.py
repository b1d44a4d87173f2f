"""Images -> vectors: what measures of a data set, filters and searches for copies compare.

| module | has |
|---|---|
| `protocol` | what every extractor is |
| `asked` | how an extractor is named: one closed grammar |
| `choice` | the extractors that there are, each described and loaded |
| `efficientnet` | EfficientNet-Lite0 with ImageNet's weights, from a package on the index |
| `random_network` | a seeded network that nobody trained: of no domain |
| `kept` | features of a shard as one file, checked when it is read |
| `resizing` | images of any size -> one size |
| `libraries` | an error that names the extra where a library is missing |

torch is imported inside functions. Knows no table, no split and no measure.
"""

from augment.features.asked import Asked, read_all, read_asked
from augment.features.choice import EXTRACTORS, build, describe
from augment.features.protocol import Extractor, ExtractorInfo

__all__ = [
    "EXTRACTORS",
    "Asked",
    "Extractor",
    "ExtractorInfo",
    "build",
    "describe",
    "read_all",
    "read_asked",
]
