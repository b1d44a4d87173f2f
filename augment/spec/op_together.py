"""What albumentations checks of several values together, and what an operation makes of them.

Checks take the values of all parameters by name, with defaults, as `op_rules` has made them. A
test holds the verdicts against the installed library.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from augment.spec.op_rules import by_axis, pair_of

Values = Mapping[str, Any]
_INFINITE = float("inf")


class Together(ValueError):  # noqa: N818 - it names the state of values
    """Values that do not go together. parameter: where it shows; "" for all of them. found: ""
    for its value as it was given."""

    def __init__(self, parameter: str, found: str, expected: str) -> None:
        super().__init__(f"{parameter}: {found}; {expected}")
        self.parameter, self.found, self.expected = parameter, found, expected


def _one_of_two(values: Values, first: str, second: str) -> None:
    given = [name for name in (first, second) if values[name] is not None]
    if len(given) != 1:
        found = f"both {first} and {second}" if given else f"neither {first} nor {second}"
        raise Together("", found, "exactly one of them")


def _noise(values: Values) -> None:
    kind, given = values["noise_type"], values["noise_params"]
    known = _NOISE[kind]
    if given is None:
        return
    for name in known:
        if name not in given:
            raise Together(f"noise_params.{name}", "nothing", f"a value: {kind} noise needs it")
    for name, value in given.items():
        if name == "noise_type" and value == kind:
            continue
        if name not in known:
            raise Together(f"noise_params.{name}", "an unknown key", " or ".join(known))
        known[name](f"noise_params.{name}", value)


def _uniform_ranges(place: str, value: Any) -> None:
    pairs = value if isinstance(value, list | tuple) else ()
    if not pairs or not all(
        _is_numbers(p) and len(p) == 2 and -1 <= p[0] <= p[1] <= 1 for p in pairs
    ):
        raise Together(
            place, str(value), "a list of [low, high] from -1 to 1, one or one a channel"
        )


def _numbers(low: float, high: float) -> Callable[[str, Any], None]:
    def check(place: str, value: Any) -> None:
        if not _is_numbers(value) or not all(low <= x <= high for x in value):
            ends = f"from {low:g} to {high:g}" if high < _INFINITE else f"from {low:g}"
            raise Together(place, str(value), f"a list of two numbers {ends}")

    return check


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(x, int | float) for x in value)


_NOISE: Mapping[str, Mapping[str, Callable[[str, Any], None]]] = {
    "uniform": {"ranges": _uniform_ranges},
    "gaussian": {"mean_range": _numbers(-1, 1), "std_range": _numbers(0, 1)},
    "laplace": {"mean_range": _numbers(-1, 1), "scale_range": _numbers(0, 1)},
    "beta": {
        "alpha_range": _numbers(0, _INFINITE),
        "beta_range": _numbers(0, _INFINITE),
        "scale_range": _numbers(0, 1),
    },
}


def _sigmas(values: Values) -> None:
    if values["sigma_x_limit"][0] == 0 and values["sigma_y_limit"][0] == 0:
        found = "sigma_x_limit and sigma_y_limit that both begin at 0"
        raise Together("", found, "one of them above 0")


def _translation(values: Values) -> None:
    if values["translate_percent"] is not None and values["translate_px"] is not None:
        raise Together("", "both translate_percent and translate_px", "one of them")
    for name in ("translate_percent", "translate_px"):
        if values[name] is not None:
            try:
                by_axis(values[name], 0)
            except (TypeError, ValueError):
                raise Together(name, "", "x or y, each a number or two") from None


def _corners(values: Values) -> None:
    for low, high in (("x_min", "x_max"), ("y_min", "y_max")):
        if not values[low] < values[high]:
            found = f"{values[high]}, not above {low} ({values[low]})"
            raise Together(high, found, f"a number above {low}")


def _stain(values: Values) -> None:
    if values["method"] == "random_preset" and values["preset"] is not None:
        found = f"{values['preset']} beside method: random_preset"
        raise Together("preset", found, "no such key, or method: preset")


def _padding(values: Values) -> None:
    _one_of_two(values, "min_height", "pad_height_divisor")
    _one_of_two(values, "min_width", "pad_width_divisor")


def _temperature(values: Values) -> None:
    limits, mode = values["temperature_limit"], values["mode"]
    low = {"blackbody": 3000, "cied": 4000}[mode]
    if limits is None:
        return
    if not low <= min(limits) or not max(limits) <= 15000 or not limits[0] <= 6000 <= limits[1]:
        expected = f"two temperatures from {low} to 15000 with 6000 between them (mode: {mode})"
        raise Together("temperature_limit", "", expected)


def _borders(values: Values) -> None:
    for first, second in (("crop_left", "crop_right"), ("crop_top", "crop_bottom")):
        total = values[first] + values[second]
        if total > 1.0:
            raise Together("", f"{first} and {second} of {total:g} in all", "at most 1 in all")


def _region(name: str, strict: bool) -> Callable[[Values], None]:
    def check(values: Values) -> None:
        left, top, right, bottom = values[name]
        ordered = left < right and top < bottom if strict else left <= right and top <= bottom
        if not (ordered and min(left, top) >= 0 and max(right, bottom) <= 1):
            expected = "[left, top, right, bottom] from 0 to 1, left and top the smaller"
            raise Together(name, "", expected)

    return check


def _shift(values: Values) -> None:
    for name in ("shift_limit_x", "shift_limit_y"):
        source = name if values[name] is not None else "shift_limit"
        pair = pair_of(values[source])
        if not all(-1 <= x <= 1 for x in pair) or not pair[0] <= pair[1]:
            raise Together(source, "", "a number from 0 to 1, or two from -1 to 1")


def _color(values: Values) -> None:
    if values["color"] is not None and len(values["color"]) != 3:
        raise Together("color", "", "a list of three: red, green, blue")


def _lengths(values: Values) -> None:
    """The lengths are pairs by now, so that the library's own check asks nothing."""


TOGETHER: Mapping[str, Callable[[Values], None]] = {
    "AdditiveNoise._validate_noise_params": _noise,
    "AdvancedBlur._validate_limits": _sigmas,
    "Affine._handle_translate": _translation,
    "Crop._validate_coordinates": _corners,
    "CropAndPad._check_px_percent": lambda values: _one_of_two(values, "px", "percent"),
    "HEStain._validate_matrix_selection": _stain,
    "MaxSizeTransform.validate_size_parameters": lambda values: _one_of_two(
        values, "max_size", "max_size_hw"
    ),
    "PadIfNeeded._validate_divisibility": _padding,
    "PlanckianJitter._validate_temperature": _temperature,
    "RandomCropFromBorders._validate_crop_values": _borders,
    "RandomGravel._validate_gravel_roi": _region("gravel_roi", strict=True),
    "RandomShadow._validate_shadows": _region("shadow_roi", strict=False),
    "RandomSunFlare._validate_parameters": _region("flare_roi", strict=True),
    "ShiftScaleRotate._check_shift_limit": _shift,
    "Spatter._check_color": _color,
    "XYMasking._check_mask_length": _lengths,
}
"""Checks of several values, by their names in the table."""


# ---- of an operation as a whole --------------------------------------------------------


def _rgb_shift(values: Values) -> None:
    for name in ("r_shift_limit", "g_shift_limit", "b_shift_limit"):
        pair = values[name]
        if not -255 <= pair[0] <= pair[1] <= 255:
            raise Together(name, "", "a number from 0 to 255, or two from -255 to 255")


def _to_gray(values: Values) -> None:
    if values["num_output_channels"] != 3:
        raise Together("num_output_channels", "", "3: the result is an 8 bit RGB image")


def _safe_rotate(values: Values) -> None:
    if values["fill_mask"] is None:
        raise Together("fill_mask", "", "a number or a list of numbers")


def _affine(values: Values) -> None:
    if values["keep_ratio"] and values["scale"]["x"] != values["scale"]["y"]:
        raise Together("keep_ratio", "true beside another scale for x than for y", "one scale")


def _channels(name: str, lengths: tuple[int, ...] = (3,)) -> Callable[[Values], None]:
    """A value for each channel, where there is one for each: an image has three."""

    def check(values: Values) -> None:
        value = values[name]
        if isinstance(value, list | tuple) and len(value) not in lengths:
            raise Together(name, "", "one value, or three: red, green, blue")

    return check


def _shot_noise(values: Values) -> None:
    if values["scale_range"][1] <= 0:
        raise Together("scale_range", "", "two numbers from 0, the second above 0")


RESULTS: Mapping[str, Callable[[Values], None]] = {
    "Affine": _affine,
    "CoarseDropout": _channels("fill"),
    "Erasing": _channels("fill"),
    "GridDropout": _channels("fill"),
    "PixelDropout": _channels("drop_value", (1, 3)),
    "RGBShift": _rgb_shift,
    "SafeRotate": _safe_rotate,
    "ShotNoise": _shot_noise,
    "ToGray": _to_gray,
    "XYMasking": _channels("fill"),
}
"""Operation -> what it refuses, or makes no image of, beyond its validators."""


_MOST_SIDE = 32_767  # OpenCV's own bound, where one side alone is asked for
_MOST_PIXELS = 89_478_485
"""Of a result: as many as a job's `errors.max_pixels` has by default, for it is read again."""


def too_large(values: Values) -> None:
    """Refuses a result of so many pixels that it would be a bad input itself."""
    for name, sides in _sides(values):
        area = math.prod(sides)
        if area > _MOST_PIXELS:
            found = f"{' x '.join(map(str, sides))} pixels, {area} in all"
            raise Together(name, found, f"at most {_MOST_PIXELS}")
    given = values.get("max_size")
    longest = max(given, default=0) if isinstance(given, list) else given
    if isinstance(longest, int) and longest > _MOST_SIDE:
        raise Together("max_size", f"{longest} pixels", f"at most {_MOST_SIDE} a side")


def _sides(values: Values) -> Iterator[tuple[str, list[int]]]:
    """Sizes that parameters ask for, by the parameter that shows it."""
    for names in (("height", "width"), ("min_height", "min_width")):
        sides = [side for name in names if isinstance(side := values.get(name), int)]
        if len(sides) == 2:
            yield names[0], sides
    for name in ("size", "max_size_hw"):
        sides = [side for side in values.get(name) or () if isinstance(side, int)]
        if sides:
            yield name, sides


_NOUGHT = ((0, 0), 0, None)
_NEUTRAL: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "Affine": {
        "scale": ({"x": (1, 1), "y": (1, 1)},),
        "shear": ({"x": (0, 0), "y": (0, 0)},),
        "rotate": _NOUGHT,
        "translate_percent": (*_NOUGHT, {"x": 0, "y": 0}),
        "translate_px": (*_NOUGHT, {"x": 0, "y": 0}),
    },
    "ChromaticAberration": dict.fromkeys(
        ("primary_distortion_limit", "secondary_distortion_limit"), _NOUGHT
    ),
    "ColorJitter": {
        **dict.fromkeys(("brightness", "contrast", "saturation"), ((1, 1), 0)),
        "hue": _NOUGHT,
    },
    "CropAndPad": dict.fromkeys(("px", "percent"), (*_NOUGHT, (0, 0, 0, 0))),
    "Downscale": {"scale_range": ((1, 1),)},
    "ElasticTransform": {"alpha": _NOUGHT},
    "Emboss": {"alpha": _NOUGHT},
    "FancyPCA": {"alpha": _NOUGHT},
    "GaussNoise": dict.fromkeys(("std_range", "mean_range"), _NOUGHT),
    "HueSaturationValue": dict.fromkeys(
        ("hue_shift_limit", "sat_shift_limit", "val_shift_limit"), _NOUGHT
    ),
    "ISONoise": {"intensity": _NOUGHT},
    "Morphological": {"scale": ((1, 1),)},
    "MultiplicativeNoise": {"multiplier": ((1, 1),)},
    "NoOp": {},
    "Pad": {"padding": (*_NOUGHT, (0, 0, 0, 0))},
    "Perspective": {"scale": _NOUGHT},
    "PixelDropout": {"dropout_prob": _NOUGHT},
    "PlasmaShadow": {"shadow_intensity_range": _NOUGHT},
    "RGBShift": dict.fromkeys(("r_shift_limit", "g_shift_limit", "b_shift_limit"), _NOUGHT),
    "RandomBrightnessContrast": dict.fromkeys(("brightness_limit", "contrast_limit"), _NOUGHT),
    "RandomCropFromBorders": dict.fromkeys(
        ("crop_left", "crop_right", "crop_top", "crop_bottom"), _NOUGHT
    ),
    "RandomGridShuffle": {"grid": ((1, 1),)},
    "RandomScale": {"scale_limit": _NOUGHT},
    "RandomShadow": {"shadow_intensity_range": _NOUGHT},
    "Rotate": {"limit": _NOUGHT},
    "SaltAndPepper": {"amount": _NOUGHT},
    "Sharpen": {"alpha": _NOUGHT},
    "ShiftScaleRotate": {
        **dict.fromkeys(("shift_limit", "shift_limit_x", "shift_limit_y", "rotate_limit"), _NOUGHT),
        "scale_limit": ((1, 1),),
    },
    "Superpixels": {"p_replace": _NOUGHT},
    "UnsharpMask": {"alpha": _NOUGHT},
}
"""Operation -> parameter -> values with which it leaves every image as it is."""


def idle(op: str, values: Values) -> bool:
    """Whether an operation leaves every image as it is. values: as checks have made them."""
    if op == "XYMasking":
        return not any(
            all(
                values[name] not in _NOUGHT for name in (f"num_masks_{axis}", f"mask_{axis}_length")
            )
            for axis in "xy"
        )
    neutral = _NEUTRAL.get(op)
    return neutral is not None and all(values[name] in these for name, these in neutral.items())
