"""How much work an operation may ask for: sizes of kernels, counts and rounds that grow with no
image. Albumentations takes any number, and a billion holes or rounds fill the memory or never end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MOST: Mapping[str, int] = {
    "blur_limit": 1001,
    "radius": 1000,
    "sigma": 1000,
    "sigma_limit": 1000,
    "sigma_x_limit": 1000,
    "sigma_y_limit": 1000,
    "alias_blur": 1000,
    "iterations": 100,
    "max_delta": 1000,
    "num_steps": 1000,
    "num_grid_xy": 1000,
    "grid": 1000,
    "num_holes_range": 10_000,
    "num_flare_circles_range": 1000,
    "num_shadows_limit": 1000,
    "n_segments": 10_000,
    "max_factor": 100,
    "scale_limit": 100,
}
"""Parameter, of whichever operation -> the largest number in it, its sign aside."""
_MOST_ROUNDS = 10_000


def too_much(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(parameter, what is expected) of every value that asks for too much. values: of all
    parameters, as the library would have them."""
    for name, most in MOST.items():
        if any(abs(number) > most for number in _numbers(values.get(name))):
            yield name, f"numbers of at most {most:,}"
            return
    steps = [step for step in _numbers(values.get("step_factor")) if step > 0]
    widest = max(_numbers(values.get("max_factor")), default=0)
    if steps and widest / min(steps) > _MOST_ROUNDS:
        yield "step_factor", f"at most {_MOST_ROUNDS:,} steps up to max_factor"


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _numbers(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _numbers(inner)
