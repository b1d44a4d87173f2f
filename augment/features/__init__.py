"""Images -> vectors: what measures of a data set, filters and searches for copies compare.

| module | has |
|---|---|
| `protocol` | what every extractor is |
| `choice` | the extractors that there are, by name |
| `efficientnet` | EfficientNet-Lite0 with ImageNet's weights, from a package on the index |
| `random_network` | a seeded network that nobody trained: of no domain |
| `resizing` | images of any size -> one size |
| `libraries` | an error that names the extra where a library is missing |

torch is imported inside functions. Knows no table, no split and no measure.
"""

from augment.features.choice import EXTRACTORS, build
from augment.features.protocol import Extractor, ExtractorInfo

__all__ = ["EXTRACTORS", "Extractor", "ExtractorInfo", "build"]
