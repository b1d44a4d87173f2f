"""Images -> vectors: what measures of a data set, filters and searches for copies compare.

| module | has |
|---|---|
| `protocol` | what every extractor is |
| `asked` | how an extractor is named: one closed grammar |
| `choice` | the extractors that there are, each described and loaded |
| `efficientnet`, `random_network` | two that need no file of the user's |
| `task`, `task_fit` | a small classifier of the user's own classes; how it is fit |
| `inception` | torch-fidelity's network, for FID |
| `transformers_folder`, `transformers_settings` | DINOv2 and CLIP; what their folders may say |
| `named_networks` | any classifier of torchvision or timm |
| `onnx_session` | a graph run by onnxruntime |
| `files` | files of the user's: found, fetched, hashed, read as data |
| `kept` | features of a shard as one file, checked when it is read |
| `needs` | what must be installed for those without files |
| `resizing`, `batches`, `arithmetic`, `libraries` | what several call |

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
