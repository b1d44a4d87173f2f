"""What albumentations 1.x wrote into saved pipelines, in the words of 2.0.8.

Renames follow the library's own deprecations (1.4.24). A key that had no effect on an image is
dropped; one that had, and has no equal now, is refused by name with the way out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

Params = dict[str, Any]


class Outdated(ValueError):  # noqa: N818 - it names the state of a file
    """A key or an operation that has no equal now. key: "" for the operation as a whole."""

    def __init__(self, key: str, found: str, expected: str, hint: str = "") -> None:
        super().__init__(f"{key}: {found}; {expected}")
        self.key, self.found, self.expected, self.hint = key, found, expected, hint


def modern(op: str, params: Mapping[str, Any]) -> tuple[str, Params]:
    """The operation and its parameters in today's words; what is today's already stays.

    Raises:
        Outdated: there is no equal.
    """
    if op in _GONE:
        raise Outdated("", f"the operation {op!r}, which 2.0.8 has not", _GONE[op])
    found = dict(params)
    if found.pop("always_apply", False) and found.get("p") != 1:
        expected = "nothing: 2.0.8 has no such key"
        raise Outdated("always_apply", "true", expected, "Write p: 1 and remove always_apply")
    if op in _RENAMED_OPS:
        op, more, names = _RENAMED_OPS[op]
        _rename(found, names)
        found |= more
    _rename(found, {**_FILLS, **_RENAMED.get(op, {})})
    for key in _NO_EFFECT.get(op, ()):
        found.pop(key, None)
    for pair, key in _PAIRED.get(op, {}).items():
        _pair(found, pair, key)
    if op in _CHANGED:
        _CHANGED[op](found)
    return op, found


# ---- names ---------------------------------------------------------------------------

_FILLS = {"value": "fill", "fill_value": "fill", "cval": "fill", "pad_val": "fill",
          "pad_cval": "fill", "mask_value": "", "mask_fill_value": "", "cval_mask": "",
          "mask_pad_val": "", "pad_cval_mask": ""}  # fmt: skip
"""Of every operation: what fills the outside of an image, and of a mask, which rows have not."""

_RENAMED: Mapping[str, Mapping[str, str]] = {
    "AdvancedBlur": {"sigmaX_limit": "sigma_x_limit", "sigmaY_limit": "sigma_y_limit"},
    "Affine": {"mode": "border_mode"},
    "CenterCrop": {"pad_mode": "border_mode"},
    "Crop": {"pad_mode": "border_mode"},
    "CropAndPad": {"pad_mode": "border_mode"},
    "Downscale": {"interpolation": "interpolation_pair"},
    "Perspective": {"pad_mode": "border_mode"},
    "RandomCrop": {"pad_mode": "border_mode"},
    "Solarize": {"threshold": "threshold_range"},
}
_NO_EFFECT: Mapping[str, tuple[str, ...]] = {
    "PiecewiseAffine": ("keypoints_threshold",),
    "RandomGamma": ("eps",),
}
_RENAMED_OPS: Mapping[str, tuple[str, Params, Mapping[str, str]]] = {
    "JpegCompression": ("ImageCompression", {"compression_type": "jpeg"}, {}),
    "RandomBrightness": (
        "RandomBrightnessContrast", {"contrast_limit": 0}, {"limit": "brightness_limit"},
    ),
    "RandomContrast": (
        "RandomBrightnessContrast", {"brightness_limit": 0}, {"limit": "contrast_limit"},
    ),
}  # fmt: skip
"""Operation -> its name now, what it leaves out, and its parameters that have other names."""
_GONE: Mapping[str, str] = {
    "Cutout": "CoarseDropout with num_holes_range, hole_height_range and hole_width_range",
    "Flip": "OneOf of HorizontalFlip, VerticalFlip and a Sequential of both",
    "MixUp": "an operation on one RGB image",
    "TemplateTransform": "an operation on one RGB image",
}
_PAIRED: Mapping[str, Mapping[tuple[str, str], str]] = {
    "CoarseDropout": {
        ("min_holes", "max_holes"): "num_holes_range",
        ("min_height", "max_height"): "hole_height_range",
        ("min_width", "max_width"): "hole_width_range",
    },
    "Downscale": {("scale_min", "scale_max"): "scale_range"},
    "GridDropout": {
        ("unit_size_min", "unit_size_max"): "unit_size_range",
        ("holes_number_x", "holes_number_y"): "holes_number_xy",
        ("shift_x", "shift_y"): "shift_xy",
    },
    "ImageCompression": {("quality_lower", "quality_upper"): "quality_range"},
    "RandomFog": {("fog_coef_lower", "fog_coef_upper"): "fog_coef_range"},
    "RandomRain": {("slant_lower", "slant_upper"): "slant_range"},
    "RandomResizedCrop": {("height", "width"): "size"},
    "RandomShadow": {("num_shadows_lower", "num_shadows_upper"): "num_shadows_limit"},
    "RandomSizedCrop": {("height", "width"): "size"},
    "RandomSnow": {("snow_point_lower", "snow_point_upper"): "snow_point_range"},
    "RandomSunFlare": {
        ("angle_lower", "angle_upper"): "angle_range",
        ("num_flare_circles_lower", "num_flare_circles_upper"): "num_flare_circles_range",
    },
}


def _rename(params: Params, names: Mapping[str, str]) -> None:
    for old, new in names.items():
        if old not in params:
            continue
        value = params.pop(old)
        if new and value is not None:  # nothing: the default, which is the same
            _put(params, old, new, value)


def _pair(params: Params, pair: tuple[str, str], new: str) -> None:
    """Two keys that are one list now."""
    given = [params.pop(name) for name in pair if name in params]
    values = [value for value in given if value is not None]
    if values and len(values) != 2:
        raise Outdated(new, f"one of {pair[0]} and {pair[1]}", f"both, or {new}: [least, most]")
    if values:
        _put(params, pair[0], new, values)


def _put(params: Params, old: str, new: str, value: Any) -> None:
    if params.get(new) is not None and params[new] != value:
        raise Outdated(old, f"{old} beside {new}", "one of them")
    params[new] = value


# ---- values --------------------------------------------------------------------------


def _codec(params: Params) -> None:
    kind = params.get("compression_type")
    if kind in (0, 1) and not isinstance(kind, bool):
        params["compression_type"] = ("jpeg", "webp")[kind]


def _interpolation(params: Params) -> None:
    one = params.get("interpolation_pair")
    if isinstance(one, int):
        params["interpolation_pair"] = {"downscale": one, "upscale": one}


def _threshold(params: Params) -> None:
    """From levels of 0 to 255 to shares of the largest."""
    given = params.get("threshold_range")
    pair: list[Any] = given if isinstance(given, list) else [given, given]
    if pair and all(isinstance(x, int | float) for x in pair) and max(pair) > 1:
        params["threshold_range"] = [x / 255 for x in pair]


def _noise(params: Params) -> None:
    if params.get("var_limit") is not None:
        limit = params["var_limit"]
        pair = limit if isinstance(limit, list) else [0, limit]
        hint = ""
        if all(isinstance(x, int | float) and x >= 0 for x in pair):
            near = [round(math.sqrt(x) / 255, 4) for x in pair]
            hint = f"Near to it is std_range: {near}"
        expected = "std_range: [least, most], standard deviations as shares of 255"
        raise Outdated("var_limit", f"{limit}, variances in levels", expected, hint)
    params.pop("var_limit", None)
    mean = params.pop("mean", None)
    if isinstance(mean, int | float):
        _put(params, "mean", "mean_range", [mean / 255, mean / 255])


def _elastic(params: Params) -> None:
    if affine := params.pop("alpha_affine", 0):
        hint = "Write alpha_affine: 0, and an Affine before it for what it did"
        raise Outdated("alpha_affine", str(affine), "nothing: it is gone in 2.0.8", hint)


def _optical(params: Params) -> None:
    limit = params.pop("shift_limit", 0)
    if limit not in (None, 0, [0, 0]):
        hint = "Write shift_limit: 0, and an Affine beside it for what it did"
        raise Outdated("shift_limit", str(limit), "nothing: it is gone in 2.0.8", hint)


_PIECEWISE = {"constant": 0, "edge": 1, "symmetric": 2, "wrap": 3, "reflect": 4}


def _piecewise(params: Params) -> None:
    mode = params.pop("mode", None)
    if mode is not None:
        params["border_mode"] = _PIECEWISE.get(mode, mode) if isinstance(mode, str) else mode


def _rain(params: Params) -> None:
    if "rain_type" in params and params["rain_type"] is None:
        params["rain_type"] = "default"


def _spatter(params: Params) -> None:
    modes = params.get("mode")
    if isinstance(modes, list):
        if len(modes) != 1:
            expected = "one of mud, rain: OneOf can hold a Spatter for each"
            raise Outdated("mode", str(modes), expected)
        params["mode"] = modes[0]
    mode, colors = params.get("mode"), params.get("color")
    if isinstance(colors, dict):
        params["color"] = colors.get(mode) if isinstance(mode, str) else None


def _size(params: Params) -> None:
    """1.4 also wrote what it had not been given."""
    if params.get("size", 0) is None:
        del params["size"]


_CHANGED: Mapping[str, Callable[[Params], None]] = {
    "Downscale": _interpolation,
    "ElasticTransform": _elastic,
    "GaussNoise": _noise,
    "ImageCompression": _codec,
    "OpticalDistortion": _optical,
    "PiecewiseAffine": _piecewise,
    "RandomRain": _rain,
    "RandomResizedCrop": _size,
    "RandomSizedCrop": _size,
    "Solarize": _threshold,
    "Spatter": _spatter,
}
