"""The contract of a `GeneratorHost` as questions that any class can be asked.

`augment generators check` asks them of a class that someone wrote; tests ask them of ours.
A question makes hosts, calls them, and says what went wrong; an exception is an answer too.
Knows no family and reads no file.
"""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import fields, replace
from typing import NamedTuple

import numpy as np

from augment.errors import RequestError
from augment.generators.protocol import (
    BATCH_TOLERANCE,
    GeneratedBatch,
    GeneratorHost,
    GeneratorInfo,
    SampleRequest,
)
from augment.sample import DigitalSourceType
from augment.seeds import class_conditioning, stream, synthetic_id

HostFactory = Callable[[], GeneratorHost]
Requests = Sequence[SampleRequest]

UNKNOWN = "no such class"
_SIDE = 64
_MAX_CHANNELS = 4


class Answer(NamedTuple):
    """name: of the question, a sentence that should be true. ok None: the class gives nothing to
    ask it of. detail: what was found where it is not true, or why it was not asked; empty where
    it is true."""

    name: str
    ok: bool | None
    detail: str


class BrokenContract(Exception):  # noqa: N818 - it names what was found
    """What a question found."""


class NotJudged(Exception):  # noqa: N818 - it names what was found
    """A question that cannot be asked of this class."""


def questions(host_factory: HostFactory, requests: Requests) -> Iterator[Answer]:
    """Every question's answer, in order.

    host_factory: makes the host, anew each time. requests: at least two, all different, that
    it should be able to make (`sample_requests`).
    """
    for name, ask in _QUESTIONS:
        try:
            ask(host_factory, [_copied(request) for request in requests])
        except BrokenContract as found:
            yield Answer(name, False, str(found))
        except NotJudged as found:
            yield Answer(name, None, f"not judged, {found}")
        except Exception as error:  # whatever a stranger's class raises is its answer
            yield Answer(name, False, f"{type(error).__name__}: {error}"[:500])
        else:
            yield Answer(name, True, "")


def sample_requests(info: GeneratorInfo, each: int = 3) -> list[SampleRequest]:
    """`each` samples of every class (of the first eight), classes interleaved; for a
    generator that takes an image, of seeded noise as its source."""
    classes = info.classes[:8] or ("any",)
    made = []
    for index in range(each):
        for label in classes:
            key = (7, info.identity, info.sampling_digest, class_conditioning(label), index)
            sample_id = synthetic_id(*key)
            source = _noise(sample_id) if info.takes_image else None
            made.append(SampleRequest(sample_id, label, index, source, _half(info)))
    return made


def _copied(request: SampleRequest) -> SampleRequest:
    """With a source of its own, so that a host that writes into it spoils one answer only."""
    source = request.source
    return request if source is None else replace(request, source=source.copy())


def _half(info: GeneratorInfo) -> np.ndarray | None:
    """A mask that is white above."""
    if not info.takes_mask:
        return None
    mask = np.zeros((_SIDE, _SIDE), np.uint8)
    mask[: _SIDE // 2] = 255
    return mask


def _noise(sample_id: str) -> np.ndarray:
    return stream(sample_id, "source").integers(0, 256, (_SIDE, _SIDE, 3)).astype(np.uint8)


def _require(holds: object, detail: str) -> None:
    if not holds:
        raise BrokenContract(detail)


# ---- making images -------------------------------------------------------------------


def _made(host: GeneratorHost, requests: Requests) -> list[np.ndarray]:
    """The image of each request, in their order: batches of equal keys, as a run makes them."""
    groups: dict[Hashable, list[int]] = {}
    for row, request in enumerate(requests):
        groups.setdefault(host.batch_key(request), []).append(row)
    images: dict[int, np.ndarray] = {}
    for rows in groups.values():
        made = host.generate([requests[row] for row in rows])
        _require(len(made.images) == len(rows), f"{len(made.images)} images of {len(rows)}")
        images.update(zip(rows, made.images, strict=True))
    return [images[row] for row in range(len(requests))]


def _apart(some: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> list[float]:
    """Per row the largest difference; infinite where shapes differ."""
    return [
        float(np.abs(a - b).max()) if a.shape == b.shape else float("inf")
        for a, b in zip(some, others, strict=True)
    ]


def _same(some: Sequence[np.ndarray], others: Sequence[np.ndarray], what: str) -> None:
    worst = max(_apart(some, others))
    _require(worst <= BATCH_TOLERANCE, f"{what}: values move by {worst:.2g}; expected at most "
             f"{BATCH_TOLERANCE:g}")  # fmt: skip


# ---- the questions -------------------------------------------------------------------


def _facts(factory: HostFactory, requests: Requests) -> None:
    info = factory().info
    _require(isinstance(info, GeneratorInfo), f"info is a {type(info).__name__}")
    for what in ("identity", "sampling_digest"):
        text = getattr(info, what)
        hexadecimal = isinstance(text, str) and len(text) == 64 and set(text) <= _HEX
        _require(hexadecimal, f"{what} is {text!r:.80}; expected 64 hex digits")
    classes = info.classes
    named = isinstance(classes, tuple) and all(isinstance(c, str) and c for c in classes)
    _require(named, f"classes are {classes!r:.80}; expected a tuple of names")
    _require(len(set(classes)) == len(classes), "a class stands twice in classes")
    _require(classes or info.takes_image, "no class, although it takes no image")
    for what in ("height", "width", "channels"):
        size = getattr(info, what)
        _require(type(size) is int and size >= 1, f"{what} is {size!r}; expected a whole number")
    _require(isinstance(info.varies, bool), f"varies is {info.varies!r:.80}")
    _require(info.channels <= _MAX_CHANNELS, f"{info.channels} channels; expected 1 to 4")
    uri, known = info.digital_source_type, {kind.value for kind in DigitalSourceType}
    _require(uri in known, f"digital_source_type is {uri!r:.80}; expected one of DigitalSourceType")


_HEX = set("0123456789abcdef")


def _facts_are_stable(factory: HostFactory, requests: Requests) -> None:
    one, two = factory().info, factory().info
    for field in fields(GeneratorInfo):
        first, second = getattr(one, field.name), getattr(two, field.name)
        _require(first == second, f"{field.name} was {first!r:.80}, then {second!r:.80}")


def _images(factory: HostFactory, requests: Requests) -> None:
    host = factory()
    info = host.info
    batch = _first_batch(host, requests)
    made = host.generate(batch)
    _require(isinstance(made, GeneratedBatch), f"generate gave a {type(made).__name__}")
    found, expected = made.images.shape, (len(batch), info.channels, info.height, info.width)
    if info.takes_image:  # sizes follow the source
        expected = (*expected[:2], *found[2:])
    _require(found == expected, f"images of shape {found}; expected {expected}")
    _require(made.images.dtype == np.float32, f"images are {made.images.dtype}, not float32")
    low, high = float(made.images.min()), float(made.images.max())
    _require(low >= -1.0 and high <= 1.0, f"values from {low:g} to {high:g}; expected -1 to 1")
    _require(len(made.failed) == len(batch), f"failed has {len(made.failed)} entries")
    _require(not any(made.failed), f"a sample failed: {made.failed!r:.80}")
    _require(len(made.notes) in (0, len(batch)), f"notes has {len(made.notes)} entries")


def _first_batch(host: GeneratorHost, requests: Requests) -> list[SampleRequest]:
    key = host.batch_key(requests[0])
    return [r for r in requests if host.batch_key(r) == key]


def _nothing_of_nothing(factory: HostFactory, requests: Requests) -> None:
    made = factory().generate([])
    _require(len(made.images) == 0 and made.images.ndim == 4 and len(made.failed) == 0,
             f"images of shape {made.images.shape}, failed {made.failed!r}")  # fmt: skip


def _repeats(factory: HostFactory, requests: Requests) -> None:
    """The global generators stand elsewhere the second time."""
    first = _made(factory(), requests)
    with _global_state_kept():
        random.seed(1)
        np.random.seed(1)
        if (torch := sys.modules.get("torch")) is not None:
            torch.manual_seed(1)
        second = _made(factory(), requests)
    _same(first, second, "two hosts, the same requests")


def _global_state_is_left(factory: HostFactory, requests: Requests) -> None:
    host = factory()
    with _global_state_kept():
        before = _global_state()
        _made(host, requests)
        after = _global_state()
    moved = [whose for whose, state in before.items() if after.get(whose) != state]
    _require(not moved, f"it moved the global generator of {' and '.join(moved)}")


@contextlib.contextmanager
def _global_state_kept() -> Iterator[None]:
    """What a question does to the global generators is undone."""
    ours, numpys = random.getstate(), np.random.get_state()
    torch = sys.modules.get("torch")
    torchs = torch.get_rng_state() if torch is not None else None
    try:
        yield
    finally:
        random.setstate(ours)
        np.random.set_state(numpys)
        if torch is not None:
            torch.set_rng_state(torchs)


def _global_state() -> dict[str, Hashable]:
    name, keys, *rest = np.random.get_state()
    state: dict[str, Hashable] = {
        "random": random.getstate(),
        "numpy": (name, np.asarray(keys).tobytes(), *map(float, rest)),
    }
    if (torch := sys.modules.get("torch")) is not None:
        state["torch"] = torch.get_rng_state().numpy().tobytes()
    return state


def _all_differ(factory: HostFactory, requests: Requests) -> None:
    host = factory()
    if not (host.info.varies or host.info.takes_image):  # sources differ
        raise NotJudged("its facts say that two samples of a class are the same")
    images = {image.tobytes() for image in _made(host, requests)}
    _require(len(images) == len(requests), f"{len(images)} images of {len(requests)} samples")


def _every_digit_counts(factory: HostFactory, requests: Requests) -> None:
    """A library's 32- or 64-bit seed must not stand for the 128 bits of an id. Where its facts
    say that nothing varies, no digit counts."""
    host, first = factory(), requests[0]
    digits, varies = first.sample_id, host.info.varies
    for at in range(len(digits)):
        changed = f"{digits[:at]}{'0' if digits[at] != '0' else '1'}{digits[at + 1 :]}"
        other = replace(first, sample_id=changed)
        (apart,) = _apart(_made(host, [first]), _made(host, [other]))
        wrong = "changes nothing" if varies else "counts, although varies is False"
        _require(varies == (apart > BATCH_TOLERANCE), f"digit {at + 1} of the sample id {wrong}")


def _any_batch(factory: HostFactory, requests: Requests) -> None:
    host = factory()
    alone = [image for request in requests for image in _made(host, [request])]
    _same(_made(host, requests), alone, "in a batch and alone")


def _any_order(factory: HostFactory, requests: Requests) -> None:
    host = factory()
    backward = _made(host, requests[::-1])[::-1]
    _same(_made(host, requests), backward, "forward and backward")


def _keys(factory: HostFactory, requests: Requests) -> None:
    host = factory()
    for request in requests:
        key = host.batch_key(request)
        hash(key)
        _require(key == host.batch_key(request), f"{key!r:.80} is not what it says next")


def _requests_are_accepted(factory: HostFactory, requests: Requests) -> None:
    host = factory()
    for request in requests:
        host.validate(request)


def _unknown_is_refused(factory: HostFactory, requests: Requests) -> None:
    """A class that it does not know; of a generator that takes an image, a missing image."""
    host = factory()
    bad, what = replace(requests[0], label_name=UNKNOWN), f"class {UNKNOWN!r}"
    if host.info.takes_image:
        bad, what = replace(requests[0], source=None), "a request without a source"
    for verb, call in (("validate", host.validate), ("generate", lambda r: host.generate([r]))):
        try:
            call(bad)
        except RequestError:
            continue
        raise BrokenContract(f"{verb} accepts {what}; expected a RequestError")


def _sources_are_left(factory: HostFactory, requests: Requests) -> None:
    before = [_copied(request) for request in requests]
    host = factory()
    if not host.info.takes_image:
        raise NotJudged("it takes no source image")
    _made(host, requests)
    for request, kept in zip(requests, before, strict=True):
        if request.source is not None and kept.source is not None:
            same = np.array_equal(request.source, kept.source)
            _require(same, "it writes into the source image")


_QUESTIONS: tuple[tuple[str, Callable[[HostFactory, Requests], None]], ...] = (
    ("its facts are well formed", _facts),
    ("its facts are the same each time", _facts_are_stable),
    ("it accepts what it says it makes", _requests_are_accepted),
    ("it refuses what it cannot make", _unknown_is_refused),
    ("batch keys are stable and hashable", _keys),
    ("images are what its facts say", _images),
    ("no requests give no images", _nothing_of_nothing),
    ("same ids, same pixels, whatever the global state", _repeats),
    ("global random numbers are left alone", _global_state_is_left),
    ("every sample differs", _all_differ),
    ("every digit of a sample id counts", _every_digit_counts),
    ("a batch of n equals n of one", _any_batch),
    ("order does not matter", _any_order),
    ("source images are left as they were", _sources_are_left),
)
