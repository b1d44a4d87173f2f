"""Files that no import makes a folder of, and what to do with each instead: told by the names of
their tensors. Knows no family.
"""

from __future__ import annotations

from augment.generators.foreign import Foreign

_LORA = (".lora_down.weight", ".lora_up.weight", ".lora_a.weight", ".lora_b.weight",
         ".lora.down.weight", ".lora.up.weight", "_lora.down.weight", "_lora.up.weight",
         ".lora_a.default.weight", ".lora_b.default.weight")  # fmt: skip
_BESIDE_LORA = (".alpha", ".dora_scale", ".lora_mid.weight", ".lora_a.default.weight", "diff_b")
_DIFFUSION = "model.diffusion_model."
_TRANSFORMERS = ("double_blocks.", "joint_blocks.")


def way_out(foreign: Foreign) -> str:
    """What the file is and how it is used, where that is known; "" else."""
    names = set(foreign.tensors)
    if _is_lora(names):
        file, before = _safe(foreign)
        return (
            f"a LoRA, which changes another model; {before}name it in a job, under `adapters` of "
            f"family diffusers: adapters: [{{type: lora, path: {file}}}]"
        )
    if _is_transformer(names):
        return (
            "a single-file diffusion transformer (Stable Diffusion 3, Flux or alike), which is "
            "not hosted; expected a single-file Stable Diffusion 1, 2 or XL, or a folder"
        )
    if _has(names, f"{_DIFFUSION}input_blocks."):
        file, before = _safe(foreign)
        return (
            f"a single-file Stable Diffusion, which needs no import; {before}name it in a job: "
            f"{{family: diffusers, checkpoint: {file}, config: FOLDER}}, where FOLDER holds its "
            "settings: a pipeline of diffusers without its weights"
        )
    if _has(names, "control_model.input_blocks."):
        return (
            "a ControlNet in one file; expected the folder of a ControlNetModel as diffusers saves "
            "it, named under `controlnet` in a job of family diffusers"
        )
    return ""


def _is_lora(names: set[str]) -> bool:
    lower = {name.lower() for name in names}
    return bool(lower) and all(n.endswith(_LORA) or n.endswith(_BESIDE_LORA) for n in lower) and (
        any(n.endswith(_LORA) for n in lower)
    )  # fmt: skip


def _is_transformer(names: set[str]) -> bool:
    return any(
        _has(names, above + blocks) for blocks in _TRANSFORMERS for above in ("", _DIFFUSION)
    )


def _has(names: set[str], prefix: str) -> bool:
    return any(name.startswith(prefix) for name in names)


def _safe(foreign: Foreign) -> tuple[str, str]:
    """The file as a job can name it, and what must be done before: a job reads safetensors."""
    if foreign.kind == "safetensors":
        return foreign.place, ""
    return "FILE.safetensors", "save its tensors as .safetensors, which a job reads, then "
