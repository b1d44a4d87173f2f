"""albumentations 2.0.8 behind our seam: pipelines built strictly and seeded per sample.

Seeding. `Compose.set_random_seed(k)` gives EVERY operation a generator of its own with the
same seed: all operations with `p: 0.5` then run together or not at all. Here all of them
draw in turn from one pair of generators, made anew for each sample id from its own
streams (`set_random_state`); that is also the cheaper way.
No version check leaves the machine. Knows nothing of units or Ray.
"""

from __future__ import annotations

import difflib
import importlib.metadata
import inspect
import random
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from augment import seeds
from augment.errors import PlanError, Problem, SampleError
from augment.sample import AppliedOp
from augment.spec.models import Augmentation
from augment.transforms.albumentations_idle import idle_chance
from augment.transforms.albumentations_ops import (
    COMPOSITIONS,
    REFUSED,
    load_library,
    single_image_ops,
)
from augment.transforms.pipeline import Step, read_pipeline
from augment.transforms.recording import params_json, plain

# Advice that these two always give; every other warning is an error.
_ADVICE = (r"ShiftScaleRotate is a special case of Affine", r"This augmenter is very slow")
# Settings of the pipeline, not samples; and the way of boxes, which images do not take.
_NOT_SAMPLED = (
    "bbox_matrix",
    "fill",
    "fill_mask",
    "interpolation",
    "mask_interpolation",
    "shape",
)
_VERSIONS = ("albumentations", "albucore", "numpy", "scipy")


def build(
    augmentation: Augmentation,
    base: str,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> AlbumentationsTransformer:
    """See `augment.transforms.build_transformer`."""
    transformer = AlbumentationsTransformer(read_pipeline(augmentation, base, options))
    transformer.check_results()
    return transformer


class AlbumentationsTransformer:
    """A built pipeline; see `augment.transforms.Transformer`. One thread at a time.

    Pickles as its tree: whoever loads it builds it with its own libraries, so a digest
    that then differs tells of other versions there.
    """

    def __init__(self, root: Step) -> None:
        self._root = root
        self._places: dict[int, Step] = {}
        self._applied: list[AppliedOp] = []
        problems: list[Problem] = []
        built = _build(root, single_image_ops(), problems)
        if problems:
            raise PlanError(problems)
        self._compose: Any = built
        self._numpy, self._python = seeds.Rewound(), random.Random()
        self._compose.set_random_state(self._numpy.generator, self._python)
        for leaf, step in _leaves(built, root):
            self._places[id(leaf)] = step
            _record(leaf, self._applied)
        self.digest: str = _digest(root)

    def __reduce__(self) -> tuple[type, tuple[Step]]:
        return type(self), (self._root,)

    @property
    def idle_chance(self) -> float:
        """See `augment.transforms.Transformer.idle_chance`."""
        return idle_chance(self._compose)

    def apply(
        self, image: np.ndarray, sample_id: str, draw: int = 0
    ) -> tuple[np.ndarray, tuple[AppliedOp, ...]]:
        """See `augment.transforms.Transformer.apply`."""
        stream = f"transform/redraw {draw}" if draw else "transform"
        self._numpy.to(sample_id, stream)
        self._python.seed(seeds.integer(sample_id, f"{stream}/python", 128))
        self._applied.clear()
        try:
            result = self._compose(image=image)["image"]
        except Exception as error:  # MemoryError too: what one image asks for is its own fault
            raise SampleError("transform_failed", self._explain(error)) from error
        if (wrong := _not_an_image(result)) is not None:
            raise SampleError("transform_failed", f"the pipeline gave {wrong}")
        return result, tuple(self._applied)

    def check_results(self) -> None:
        """Try each operation on small images: its result must be an 8 bit RGB image, and some
        operation must change something.

        Raises:
            PlanError: an operation gives something else, or none changes anything. (One that
            fails on the small images may do well on real ones: that is found per sample.)
        """
        problems = []
        leaves = list(_leaves(self._compose, self._root))
        for leaf, step in leaves:
            ramp = np.linspace(0, 255, 64 * 64 * 3).astype(np.uint8).reshape(64, 64, 3)
            wrong = None if (result := _tried(leaf, ramp)) is None else _not_an_image(result)
            if wrong is not None:
                expected = "(H, W, 3) uint8: an 8 bit RGB image"
                problems.append(
                    Problem(f"{step.place}.{step.op}", f"a result of {wrong}", expected)
                )
        if not problems and not any(_may_change(leaf) for leaf, _ in leaves):
            found = f"{', '.join(step.op for _, step in leaves)}: nothing that changes an image"
            expected = "operations of which one changes something"
            hint = "Its copies would be their parents once more"
            problems.append(Problem(self._root.place, found, expected, hint))
        if problems:
            raise PlanError(problems)

    def _explain(self, error: BaseException) -> str:
        """The operation that failed, from the frames of `error`, and the library's words."""
        op, trace = "the pipeline", error.__traceback__
        while trace is not None:
            step = self._places.get(id(trace.tb_frame.f_locals.get("self")))
            op = op if step is None else step.op
            trace = trace.tb_next
        return f"{op}: {_words(error)}"


def _tried(leaf: Any, image: np.ndarray, turn: int = 0) -> Any:
    """The result of `leaf` on a small image; None where it fails on so small a one."""
    before = leaf.random_generator, leaf.py_random
    leaf.set_random_state(seeds.stream(f"{turn or ''}", "probe"), random.Random(turn))
    try:
        return leaf(image=image, force_apply=True)["image"]
    except Exception:  # a crop of 1024 is right for larger images: judged per sample
        return None
    finally:
        leaf.set_random_state(*before)


_SIZES = ((64, 64), (61, 97), (5, 7))
_TURNS = 8


def _may_change(leaf: Any) -> bool:
    """Whether an operation changes coloured noise in one of a few tries, or fails on it. Several
    sizes, because a crop or a padding to the size that an image has changes nothing."""
    for turn in range(1, _TURNS + 1):
        for height, width in _SIZES:
            noise = seeds.stream(f"{turn}", "noise").integers(0, 256, (height, width, 3), np.uint8)
            result = _tried(leaf, noise, turn)
            if result is None or not np.array_equal(result, noise):
                return True
    return False


def _not_an_image(result: Any) -> str | None:
    if not isinstance(result, np.ndarray):
        return f"a {type(result).__name__}"
    if result.dtype != np.uint8 or result.ndim != 3 or result.shape[2] != 3 or not result.size:
        return f"{result.shape} {result.dtype}"
    return None


# ---- building ------------------------------------------------------------------------


def _build(step: Step, known: Mapping[str, type], problems: list[Problem]) -> Any:
    """The operation of `step`, or None where it has a problem."""
    place = f"{step.place}.{step.op}"
    if step.op in COMPOSITIONS:
        return _build_composition(step, known, problems)
    if step.op not in known:
        problems.append(_unknown_op(step, known))
        return None
    if step.steps is not None:
        problems.append(Problem(place, "transforms", "parameters: it is no composition"))
        return None
    kind = known[step.op]
    takes = _takes(kind)
    if not _params_fit(step, takes, problems):
        return None
    return _make(kind, step.params, place, problems)


def _build_composition(step: Step, known: Mapping[str, type], problems: list[Problem]) -> Any:
    place = f"{step.place}.{step.op}" if step.place else step.op
    if not step.steps:
        problems.append(Problem(place, "no transforms", "a list of at least one operation"))
        return None
    inner = [_build(s, known, problems) for s in step.steps]
    fit = _params_fit(step, dict.fromkeys(COMPOSITIONS[step.op]), problems)
    if not fit or any(t is None for t in inner):
        return None
    kind = getattr(load_library(), step.op)
    return _make(kind, {**step.params, "transforms": inner}, place, problems)


def _make(kind: type, params: Mapping[str, Any], place: str, problems: list[Problem]) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for text in _ADVICE:
                warnings.filterwarnings("ignore", message=text)
            return kind(**params)
    except Exception as error:
        expected = "parameters that albumentations takes without an error or warning"
        problems.append(Problem(place, _words(error), expected))
        return None


def _takes(kind: type) -> dict[str, Any]:
    """Parameter -> default of an operation (`inspect.Parameter.empty`: none)."""
    signature = inspect.signature(kind.__init__)  # type: ignore[misc]
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {
        name: p.default
        for name, p in signature.parameters.items()
        if p.kind in named and name not in ("self", "strict")
    }


def _params_fit(step: Step, takes: Mapping[str, Any], problems: list[Problem]) -> bool:
    place, before = f"{step.place}.{step.op}", len(problems)
    for name in step.params:
        if name not in takes:
            near = _nearest(name, takes)
            problems.append(Problem(f"{place}.{name}", "this parameter", _one_of(takes), near))
    if step.params.get("p") == 0:
        problems.append(Problem(f"{place}.p", "0", "more than 0", "It would never be applied"))
    return len(problems) == before


def _unknown_op(step: Step, known: Mapping[str, type]) -> Problem:
    expected = "an operation of albumentations for one image"
    if (why := REFUSED.get(step.op)) is not None:
        return Problem(step.place, step.op, expected, f"Refused: {why}")
    return Problem(step.place, step.op, expected, _nearest(step.op, {**known, **COMPOSITIONS}))


def _one_of(names: Mapping[str, Any]) -> str:
    return "one of " + ", ".join(sorted(names))


def _nearest(name: str, names: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean {near[0]}?" if near else ""


def _words(error: BaseException) -> str:
    """The library's message on one line; of a validation error only fields and reasons."""
    cause = error.__cause__
    if cause is not None and hasattr(cause, "errors"):
        parts = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in cause.errors()]
        return "; ".join(p.removeprefix(": ") for p in parts)[:500]
    return " ".join(str(error).split())[:500] or type(error).__name__


# ---- the built pipeline --------------------------------------------------------------


def _leaves(built: Any, step: Step) -> Iterator[tuple[Any, Step]]:
    """Every operation that is no composition, with the step that asked for it."""
    if step.steps is None:
        yield built, step
        return
    for inner, asked in zip(built.transforms, step.steps, strict=True):
        yield from _leaves(inner, asked)


def _record(leaf: Any, applied: list[AppliedOp]) -> None:
    """Make `leaf` add itself to `applied` whenever it runs.

    `save_applied_params` of the library misses what runs inside OneOrOther and
    SelectiveChannelTransform, and all but the last run of an operation drawn twice.
    """
    run, name = leaf.apply_with_params, type(leaf).__name__
    if name == "NoOp":  # to run it is to do nothing
        return

    def apply_with_params(params: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        sampled = {k: v for k, v in params.items() if k not in _NOT_SAMPLED}
        applied.append(AppliedOp(name, params_json(sampled)))
        return run(params, *args, **kwargs)

    leaf.apply_with_params = apply_with_params


def _digest(root: Step) -> str:
    import cv2

    from augment.codec import codec_id

    versions = {name: importlib.metadata.version(name) for name in _VERSIONS}
    return seeds.digest(
        {
            "backend": "albumentations/1",
            "pipeline": _with_defaults(root, single_image_ops()),
            "versions": {**versions, "opencv": cv2.__version__},
            "codec": codec_id(),
        }
    )


def _with_defaults(step: Step, known: Mapping[str, type]) -> dict[str, Any]:
    """`step` as JSON values, every default written out: two ways to write one pipeline are
    one pipeline. `plain` would hash long lists; that is as good here."""
    kind = known.get(step.op) or getattr(load_library(), step.op)
    takes = _takes(kind)
    defaults = {
        k: v for k, v in takes.items() if v is not inspect.Parameter.empty and k not in _UNSET
    }
    steps = None if step.steps is None else [_with_defaults(s, known) for s in step.steps]
    return {"op": step.op, "params": plain({**defaults, **step.params}), "transforms": steps}


# Of compositions: what a pipeline here never sets.
_UNSET = (
    "additional_targets",
    "bbox_params",
    "first",
    "is_check_shapes",
    "keypoint_params",
    "mask_interpolation",
    "save_applied_params",
    "second",
    "seed",
    "transforms",
)
