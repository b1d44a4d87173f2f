"""How torch is set while features are extracted, and that it is as before afterwards."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from augment.features.arithmetic import plain_sums


def settings() -> tuple[int, str, bool]:
    return (
        torch.get_num_threads(),
        torch.get_float32_matmul_precision(),
        torch.backends.cudnn.allow_tf32,
    )


@pytest.mark.parametrize(("device", "threads"), [("cpu", 1), ("cuda", 3)])
def test_one_thread_on_a_cpu_and_full_precision(device: str, threads: int) -> None:
    before = settings()
    torch.set_num_threads(3)
    try:
        with plain_sums(device):
            assert settings() == (threads, "highest", False)
        assert torch.get_num_threads() == 3
        with pytest.raises(ZeroDivisionError), plain_sums(device):
            raise ZeroDivisionError
    finally:
        torch.set_num_threads(before[0])
    assert settings() == before


def test_nothing_where_torch_is_not_installed() -> None:
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "from augment.features.arithmetic import plain_sums\n"
        "with plain_sums('cpu'): print('done')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "done\n"
