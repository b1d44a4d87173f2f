"""What a pipeline draws by itself: from a generator of the row, and in single precision.

torch is imported inside functions. Knows nothing of pipelines and requests.
"""

from __future__ import annotations

import contextlib
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from augment.seeds import stream

if TYPE_CHECKING:
    import torch

# offset and size in bytes of the Mersenne Twister's words in a CPU generator's state
_STATE_AT, _STATE_WORDS = 24, 624


def row_generator(sample_id: str) -> torch.Generator:
    """A torch generator in a state that the row's stream `pipeline` fills. `manual_seed`
    would keep 32 bits of a seed only, so that among 10^5 rows two would draw the same.

    Raises:
        RuntimeError: this torch lays the state out in another way.
    """
    import torch

    generator = torch.Generator().manual_seed(0x5EED)
    state = generator.get_state().numpy().copy()
    words = state[_STATE_AT : _STATE_AT + 8 * _STATE_WORDS].view(np.uint64)
    if len(words) != _STATE_WORDS or words[0] != 0x5EED:
        raise RuntimeError(f"torch {torch.__version__} keeps generators' states in another way")
    words[:] = stream(sample_id, "pipeline").integers(0, 1 << 32, _STATE_WORDS, dtype=np.uint64)
    return generator.set_state(torch.from_numpy(state))


def drawn_in_single_precision() -> contextlib.AbstractContextManager[object]:
    """Within it, what is drawn from a generator for half precision is drawn in float32 and
    rounded. torch below 2.14 makes normals of float16 and bfloat16 from uniform numbers of 11 and
    8 bits: 256 different ones, and a sample that has nothing to do with the one of float32."""
    mode: contextlib.AbstractContextManager[object] = _mode()()
    return mode


@cache
def _mode() -> Any:
    import torch
    from torch.overrides import TorchFunctionMode

    halves = (torch.float16, torch.bfloat16)
    in_place = (torch.Tensor.normal_, torch.Tensor.uniform_)

    class InSinglePrecision(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None):  # type: ignore[no-untyped-def]
            kwargs = kwargs or {}
            if kwargs.get("generator") is None:
                return func(*args, **kwargs)
            if func is torch.randn and kwargs.get("dtype") in halves:
                return func(*args, **{**kwargs, "dtype": torch.float32}).to(kwargs["dtype"])
            if func in in_place and args[0].dtype in halves:
                drawn = torch.empty_like(args[0], dtype=torch.float32)
                return args[0].copy_(func(drawn, *args[1:], **kwargs))
            return func(*args, **kwargs)

    return InSinglePrecision
