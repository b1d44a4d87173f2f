from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from augment.generators import describe, universe
from augment.seeds import class_conditioning
from augment.spec.generators import PaletteGenerator

_CHECKPOINT = Path(__file__).parents[2] / "examples" / "digits" / "checkpoint"

_PROGRAM = """
import sys
from augment.generators import describe
from augment.spec.generators import PaletteGenerator, VaeGenerator
describe("p", PaletteGenerator(family="palette", classes=["a"]))
print(describe("d", VaeGenerator(family="vae", checkpoint=sys.argv[1])).classes[3])
print(sorted({"torch", "ray", "pandas", "albumentations"} & set(sys.modules)))
"""


def test_facts_need_no_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(_CHECKPOINT)],
        capture_output=True,
        text=True,
        check=True,
        cwd=_CHECKPOINT.parents[2],
    )
    assert done.stdout.splitlines() == ["3", "[]"]


def test_conditioning_is_canonical_json() -> None:
    assert class_conditioning('say "é"') == '{"class":"say \\"é\\""}'


def test_a_universe_is_a_seed_a_generator_and_its_sampling() -> None:
    def info(size: int, contrast: float):  # type: ignore[no-untyped-def]
        sampling = {"contrast": contrast}
        raw = {"family": "palette", "classes": ["a"], "size": size, "sampling": sampling}
        return describe("p", PaletteGenerator.model_validate(raw))

    found = {universe(s, info(n, c)) for s in (1, 2) for n in (8, 9) for c in (0.5, 0.6)}
    assert len(found) == 8
