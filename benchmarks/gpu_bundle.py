"""Wheels for a machine with a GPU that reaches no package index: what such an image lacks.

    python benchmarks/gpu_bundle.py --python 3.12 --out .whl
    there: python3 -m pip install --no-index --no-deps --target /tmp/site .whl/*.whl
           PYTHONPATH=/tmp/site:. python3 benchmarks/gpu.py

The repository itself travels beside them. torch, transformers, numpy, pyarrow, pandas, onnx,
onnxruntime, safetensors, pillow, fsspec, pyyaml and packaging are taken to be there; Ray does not
fit, and its section says so; deltalake is not needed, for nothing is committed. Sizes are told,
and a bundle over --mib is an error. Versions are those of constraints.txt where it names them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
LACKING = ("annotated-types", "diffusers", "httpcore2", "httpx2", "importlib-metadata",
           "prometheus-client", "pydantic", "pydantic-core", "rich", "simplejpeg", "truststore",
           "typing-inspection", "xxhash", "zipp")  # fmt: skip
"""What `benchmarks/gpu.py` imports, of that which an image for networks does not have."""
MIB = 60.0
_LIBCS = (39, 36, 35, 34, 31, 28, 27, 24, 17)


def command(python: str, out: Path) -> list[str]:
    """pip's, for machines with x86-64 and glibc."""
    systems = [f"manylinux_2_{minor}_x86_64" for minor in _LIBCS]
    systems += ["manylinux2014_x86_64", "manylinux1_x86_64"]
    return [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
        "--no-deps", "--only-binary=:all:", "--implementation", "cp", "--python-version", python,
        *[word for system in systems for word in ("--platform", system)],
        "-c", str(ROOT / "constraints.txt"), "-d", str(out), *LACKING,
    ]  # fmt: skip


def told(sizes: Sequence[tuple[str, int]], most: float) -> tuple[str, bool]:
    """Every wheel with its MiB, the sum, and whether it fits."""
    mib = sum(size for _, size in sizes) / 2**20
    lines = [f"{size / 2**20:7.2f} MiB  {name}" for name, size in sorted(sizes)]
    fits = mib <= most
    end = f"{mib:7.2f} MiB  of at most {most:g}" + ("" if fits else ": TOO LARGE")
    return "\n".join([*lines, end]), fits


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default="3.12", help="version there")
    parser.add_argument("--out", type=Path, default=Path(".whl"))
    parser.add_argument("--mib", type=float, default=MIB)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for old in arguments.out.glob("*.whl"):  # two versions of one package would stop the install
        old.unlink()
    subprocess.run(command(arguments.python, arguments.out), check=True)
    wheels = [(path.name, path.stat().st_size) for path in arguments.out.glob("*.whl")]
    text, fits = told(wheels, arguments.mib)
    print(text)
    return 0 if fits else 1


if __name__ == "__main__":
    sys.exit(main())
