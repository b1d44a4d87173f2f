"""The contract's questions: a good host passes all, and each has a host that fails it."""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from augment.errors import RequestError
from augment.generators import (
    GeneratedBatch,
    GeneratorHost,
    GeneratorInfo,
    SampleRequest,
    describe,
    load_host,
)
from augment.generators.contract import questions, sample_requests
from augment.seeds import stream
from augment.spec.generators import PaletteGenerator

SPEC = PaletteGenerator(family="palette", classes=["cat", "dog"], size=8)
INFO = describe("mine", SPEC)


def palette() -> GeneratorHost:
    return load_host("mine", SPEC, INFO)


class Good:
    """A host of noise; the broken ones each change one thing."""

    def __init__(self) -> None:
        self.info: Any = INFO

    def validate(self, request: SampleRequest) -> None:
        if request.label_name not in INFO.classes:
            raise RequestError(f"no class {request.label_name}")

    def batch_key(self, request: SampleRequest) -> Hashable:
        return "one"

    def image(self, request: SampleRequest) -> np.ndarray:
        return np.tanh(stream(request.sample_id, "z").standard_normal((3, 8, 8)))

    def generate(self, batch: Sequence[SampleRequest]) -> Any:
        for request in batch:
            self.validate(request)
        images = np.zeros((len(batch), 3, 8, 8), np.float32)
        for row, request in enumerate(batch):
            images[row] = self.image(request)
        return GeneratedBatch(images, (None,) * len(batch))


class Translating(Good):
    """A host that takes an image and gives it back a little noisier."""

    def __init__(self) -> None:
        self.info = dataclasses.replace(INFO, takes_image=True, classes=())

    def validate(self, request: SampleRequest) -> None:
        if request.source is None:
            raise RequestError("no source")

    def generate(self, batch: Sequence[SampleRequest]) -> Any:
        for request in batch:
            self.validate(request)
        if not batch:
            return GeneratedBatch(np.zeros((0, 3, 8, 8), np.float32), ())
        rows = []
        for request in batch:
            assert request.source is not None
            x = request.source.transpose(2, 0, 1) / 255.0 - 0.5
            rows.append(x + 0.1 * stream(request.sample_id, "z").random())
        return GeneratedBatch(np.stack(rows).astype(np.float32), (None,) * len(batch))


def answers(kind: Any) -> dict[str, tuple[bool | None, str]]:
    return {a.name: (a.ok, a.detail) for a in questions(kind, sample_requests(kind().info))}


class Fixed(Translating):
    """A host whose images are functions of their sources alone."""

    def __init__(self) -> None:
        super().__init__()
        self.info = dataclasses.replace(self.info, varies=False)

    def generate(self, batch: Sequence[SampleRequest]) -> Any:
        return super().generate([dataclasses.replace(r, sample_id="0" * 32) for r in batch])


@pytest.mark.parametrize("kind", [palette, Good, Translating, Fixed])
def test_a_good_host_passes_every_question(kind: Any) -> None:
    found = answers(kind)
    assert len(found) >= 14
    assert {name: detail for name, (ok, detail) in found.items() if ok is False} == {}
    takes_image = kind().info.takes_image
    assert {name: detail for name, (ok, detail) in found.items() if ok is None} == (
        {} if takes_image else {"source images are left as they were": "not judged, it takes no "
                                "source image"}
    )  # fmt: skip


def test_what_cannot_be_asked_is_not_passed() -> None:
    class Same(Good):
        def __init__(self) -> None:
            self.info = dataclasses.replace(INFO, varies=False)

        def generate(self, batch: Sequence[SampleRequest]) -> Any:
            return super().generate([dataclasses.replace(r, sample_id="0" * 32) for r in batch])

    assert answers(Same)["every sample differs"] == (
        None, "not judged, its facts say that two samples of a class are the same",
    )  # fmt: skip


# ---- each question can fail ----------------------------------------------------------


class Facts(Good):
    """What a fact becomes."""

    changed: dict[str, Any]

    def __init__(self) -> None:
        self.info = dataclasses.replace(INFO, **self.changed)


def with_facts(**changed: Any) -> type[Facts]:
    return type("WithFacts", (Facts,), {"changed": changed})


class NoInfo(Good):
    def __init__(self) -> None:
        self.info = {"classes": ("cat",)}


COUNT = itertools.count()


class Restless(Good):
    def __init__(self) -> None:
        self.info = dataclasses.replace(INFO, identity=f"{next(COUNT):064x}")


class Choosy(Good):
    def validate(self, request: SampleRequest) -> None:
        if request.label_name != "cat":
            raise RequestError("cats only")

    def generate(self, batch: Sequence[SampleRequest]) -> Any:
        return Good.generate(Good(), batch) if batch else super().generate(batch)


class Careless(Good):
    def validate(self, request: SampleRequest) -> None:
        pass


class CarelessWhenMaking(Good):
    def generate(self, batch: Sequence[SampleRequest]) -> Any:
        images = np.stack([self.image(r) for r in batch]) if batch else np.zeros((0, 3, 8, 8))
        return GeneratedBatch(images.astype(np.float32), (None,) * len(batch))


class CarelessOfSources(Translating):
    def validate(self, request: SampleRequest) -> None:
        pass


class NewKey(Good):
    def batch_key(self, request: SampleRequest) -> Hashable:
        return next(COUNT)


class NoKey(Good):
    def batch_key(self, request: SampleRequest) -> Any:
        return [request.label_name]


class Shaped(Good):
    """What becomes of a whole batch."""

    def generate(self, batch: Sequence[SampleRequest]) -> Any:
        return self.reshaped(super().generate(batch))

    def reshaped(self, made: GeneratedBatch) -> Any:
        return made


class Wide(Shaped):
    def reshaped(self, made: GeneratedBatch) -> Any:
        return GeneratedBatch(made.images.repeat(2, axis=3), made.failed)


class Double(Shaped):
    def reshaped(self, made: GeneratedBatch) -> Any:
        return GeneratedBatch(made.images.astype(np.float64), made.failed)


class Loud(Shaped):
    def reshaped(self, made: GeneratedBatch) -> Any:
        return GeneratedBatch(made.images * 2, made.failed)


class Failing(Shaped):
    def reshaped(self, made: GeneratedBatch) -> Any:
        return GeneratedBatch(made.images, ("nan",) * len(made.images))


class Tuple(Shaped):
    def reshaped(self, made: GeneratedBatch) -> Any:
        return made.images, made.failed


class Short(Shaped):
    def reshaped(self, made: GeneratedBatch) -> Any:
        return GeneratedBatch(made.images[:1], made.failed[:1])


class Crashing(Good):
    def generate(self, batch: Sequence[SampleRequest]) -> Any:
        return super().generate(batch) if batch else np.stack([])


class Random(Good):
    def image(self, request: SampleRequest) -> np.ndarray:
        return np.random.default_rng().uniform(-1, 1, (3, 8, 8))


class DrawsFromPython(Good):
    def image(self, request: SampleRequest) -> np.ndarray:
        return super().image(request) * random.random()


class DrawsFromNumpy(Good):
    def image(self, request: SampleRequest) -> np.ndarray:
        return super().image(request) * np.random.rand()


class DrawsFromTorch(Good):
    def image(self, request: SampleRequest) -> np.ndarray:
        return super().image(request) * float(torch.rand(1))


class OnePerClass(Good):
    def image(self, request: SampleRequest) -> np.ndarray:
        return np.full((3, 8, 8), INFO.classes.index(request.label_name) / 2)


class Seed32(Good):
    """Keeps the low 32 bits of an id, as torch's CPU generator does of a seed."""

    def image(self, request: SampleRequest) -> np.ndarray:
        return np.random.default_rng(int(request.sample_id, 16) % 2**32).random((3, 8, 8))


class Normalising(Shaped):
    def reshaped(self, made: GeneratedBatch) -> Any:
        mean = made.images.mean() if len(made.images) else 0.0
        return GeneratedBatch(np.clip(made.images - mean, -1, 1), made.failed)


class Positional(Shaped):
    def reshaped(self, made: GeneratedBatch) -> Any:
        scale = np.linspace(1.0, 0.5, max(1, len(made.images)))[:, None, None, None]
        scaled = made.images * scale[: len(made.images)]
        return GeneratedBatch(scaled.astype(np.float32), made.failed)


class Scribbling(Translating):
    def generate(self, batch: Sequence[SampleRequest]) -> Any:
        made = super().generate(batch)
        for request in batch:
            assert request.source is not None
            request.source[0] = 0
        return made


FACTS = "its facts are well formed"
IMAGES = "images are what its facts say"
BROKEN: list[tuple[str, Any, str]] = [
    (FACTS, with_facts(identity="abc"), "identity is 'abc'; expected 64 hex digits"),
    (FACTS, with_facts(sampling_digest="G" * 64), "sampling_digest is 'GGG"),
    (FACTS, with_facts(classes=["cat", "dog"]), "classes are ['cat', 'dog']; expected a tuple"),
    (FACTS, with_facts(classes=("cat", "cat")), "a class stands twice"),
    (FACTS, with_facts(classes=()), "no class, although it takes no image"),
    (FACTS, with_facts(height=8.0), "height is 8.0; expected a whole number"),
    (FACTS, with_facts(varies=None), "varies is None"),
    (FACTS, with_facts(channels=5), "5 channels; expected 1 to 4"),
    (FACTS, with_facts(digital_source_type="art"), "digital_source_type is 'art'"),
    ("its facts are the same each time", Restless, "identity was '0000"),
    ("it accepts what it says it makes", Choosy, "RequestError: cats only"),
    ("it refuses what it cannot make", Careless, "validate accepts class 'no such class'"),
    ("it refuses what it cannot make", CarelessWhenMaking, "generate accepts class 'no such"),
    ("it refuses what it cannot make", CarelessOfSources, "accepts a request without a source"),
    ("batch keys are stable and hashable", NewKey, "is not what it says next"),
    ("batch keys are stable and hashable", NoKey, "TypeError: unhashable type"),
    (IMAGES, Wide, "images of shape (6, 3, 8, 16); expected (6, 3, 8, 8)"),
    (IMAGES, Double, "images are float64, not float32"),
    (IMAGES, Loud, "expected -1 to 1"),
    (IMAGES, Failing, "a sample failed: ('nan'"),
    (IMAGES, Tuple, "generate gave a tuple"),
    (IMAGES, Short, "images of shape (1, 3, 8, 8)"),
    ("no requests give no images", Crashing, "ValueError: need at least one array"),
    ("same ids, same pixels, whatever the global state", Random, "the same requests: values move"),
    ("global random numbers are left alone", DrawsFromPython, "the global generator of random"),
    ("global random numbers are left alone", DrawsFromNumpy, "the global generator of numpy"),
    ("global random numbers are left alone", DrawsFromTorch, "the global generator of torch"),
    ("every sample differs", OnePerClass, "2 images of 6 samples"),
    ("every digit of a sample id counts", Seed32, "digit 1 of the sample id changes nothing"),
    (
        "every digit of a sample id counts",
        with_facts(varies=False),
        "digit 1 of the sample id counts, although varies is False",
    ),
    ("a batch of n equals n of one", Normalising, "in a batch and alone: values move by"),
    ("order does not matter", Positional, "forward and backward: values move by"),
    ("source images are left as they were", Scribbling, "it writes into the source image"),
]


@pytest.mark.parametrize(
    ("question", "kind", "detail"), BROKEN, ids=[f"{q}-{k.__name__}" for q, k, _ in BROKEN]
)
def test_a_question_can_fail(question: str, kind: Any, detail: str) -> None:
    requests = sample_requests(INFO if not issubclass(kind, Translating) else kind().info)
    ok, found = {a.name: (a.ok, a.detail) for a in questions(kind, requests)}[question]
    assert not ok
    assert detail in found


def test_every_question_has_a_host_that_fails_it() -> None:
    asked = {a.name for a in questions(palette, sample_requests(INFO))}
    assert {question for question, _, _ in BROKEN} == asked


def test_no_info_is_an_answer_and_not_a_crash() -> None:
    found = {a.name: a for a in questions(NoInfo, sample_requests(INFO))}
    assert found[FACTS].detail == "info is a dict"


def test_the_global_generators_stand_where_they_stood() -> None:
    before = random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state()  # type: ignore[union-attr]
    list(questions(DrawsFromTorch, sample_requests(INFO)))
    list(questions(palette, sample_requests(INFO)))
    after = random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state()  # type: ignore[union-attr]
    assert before[:2] == after[:2]


def test_requests_are_of_every_class_or_have_a_source() -> None:
    made = sample_requests(INFO, each=2)
    assert [(r.label_name, r.index) for r in made] == [
        ("cat", 0), ("dog", 0), ("cat", 1), ("dog", 1),
    ]  # fmt: skip
    info: GeneratorInfo = Translating().info
    sources = [r.source for r in sample_requests(info)]
    assert all(s is not None and s.shape == (64, 64, 3) and s.dtype == np.uint8 for s in sources)
