"""custom: a class of somebody's package, only where the operator's policy lists it."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augment.errors import CheckpointError, RequestError
from augment.generators import GeneratorHost, Placement, SampleRequest, describe, load_host
from augment.generators.families.custom import _code, _is_listed
from augment.policy import VARIABLE
from augment.spec.generators import CustomGenerator
from tests.contracts.generator_contract import GeneratorContract, requests

MODULE = '''
"""Somebody's generator."""

from dataclasses import dataclass

import numpy as np

from augment.errors import RequestError
from augment.generators import GeneratedBatch, GeneratorInfo
from augment.seeds import digest, stream

IMPORTED.append(__name__)


class Noise:
    """Noise around a level a class."""

    def __init__(self, classes, level=0.0):
        self.level, self.placed = level, None
        self.info = GeneratorInfo(
            name="own", family="own", identity=digest(["noise", level]), sampling_digest=digest(1),
            checkpoint_sha256="", classes=tuple(classes), height=6, width=5, channels=3,
            license="MIT", digital_source_type=(
                "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia"),
        )

    def place(self, placement):
        self.placed = placement

    def validate(self, request):
        if request.index > 1000:
            raise RequestError("too far")

    def batch_key(self, request):
        return "noise"

    def noise(self, request):
        return stream(request.sample_id, "z").uniform(-0.5, 0.5, (3, 6, 5))

    def generate(self, batch):
        images = [self.level + self.noise(r) for r in batch]
        stacked = np.stack(images) if images else np.zeros((0, 3, 6, 5))
        return GeneratedBatch(stacked.astype(np.float32), (None,) * len(batch))


class Spoilt(Noise):
    """Says that its second row failed; its third is not finite; its fourth is too bright."""

    def generate(self, batch):
        made = super().generate(batch)
        made.images[2] = np.nan
        made.images[3] = 7.0
        return GeneratedBatch(made.images, (None, "own reason", *[None] * (len(batch) - 2)))


class Narrow(Noise):
    def generate(self, batch):
        made = super().generate(batch)
        return GeneratedBatch(made.images[..., 1:], made.failed)


class Nothing:
    pass


def function():
    pass
'''
IMPORTED: list[str] = []
NAME = "somebodys_generators"


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An importable module that notes in IMPORTED when it is run, and a policy that lists it."""
    path = tmp_path / f"{NAME}.py"
    note = f"import {__name__} as _test\nIMPORTED = _test.IMPORTED\n"
    path.write_text(note + MODULE)
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    monkeypatch.syspath_prepend(str(tmp_path))
    allow(tmp_path, monkeypatch, "Noise", "Spoilt", "Narrow", "Nothing", "function", "Missing")
    IMPORTED.clear()
    yield path
    sys.modules.pop(NAME, None)


def allow(folder: Path, monkeypatch: pytest.MonkeyPatch, *classes: str) -> Path:
    policy = folder / "policy.yaml"
    policy.write_text(f"allow_code: [{', '.join(f'{NAME}:{c}' for c in classes)}]\n")
    monkeypatch.setenv(VARIABLE, str(policy))
    return policy


def custom(name: str = "Noise", **more: Any) -> CustomGenerator:
    raw = {"family": "custom", "class_path": f"{NAME}:{name}", "init_args": {"classes": ["a", "b"]}}
    return CustomGenerator.model_validate({**raw, **more})


def refused(spec: CustomGenerator) -> str:
    with pytest.raises(CheckpointError) as caught:
        describe("mine", spec)
    return str(caught.value)


class TestCustomContract(GeneratorContract):
    @pytest.fixture
    def spec(self) -> CustomGenerator:
        return custom()


# ---- what is allowed -----------------------------------------------------------------


def test_code_that_is_not_listed_is_not_even_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = allow(tmp_path, monkeypatch, "Spoilt")
    assert refused(custom()) == (
        f"generators.mine.class_path: got '{NAME}:Noise', code that this machine does not allow; "
        f"it allows: {NAME}:Spoilt. A job cannot allow it: ask the operator to list it under "
        f"`allow_code` in {policy}"
    )
    assert IMPORTED == []


def test_where_the_policy_allows_none_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty.yaml").write_text("{}")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "empty.yaml"))
    assert "it allows: none." in refused(custom())
    assert IMPORTED == []


def test_the_machine_that_loads_it_must_allow_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = describe("mine", custom())
    (tmp_path / "empty.yaml").write_text("{}")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "empty.yaml"))
    with pytest.raises(CheckpointError, match="code that this machine does not allow"):
        load_host("mine", custom(), info)


@pytest.mark.parametrize("path", ["os.system", "os:system()", "a b:C", ":C", "m:", "m:C.d", ""])
def test_what_is_no_class_path_is_refused_with_the_job(path: str) -> None:
    with pytest.raises(ValueError, match="class_path"):
        CustomGenerator.model_validate({"family": "custom", "class_path": path})


# ---- what it is ----------------------------------------------------------------------


def test_facts_are_its_own_under_the_jobs_name() -> None:
    info = describe("mine", custom())
    assert (info.name, info.family, info.classes) == ("mine", "custom", ("a", "b"))
    assert (info.height, info.width, info.channels, info.license) == (6, 5, 3, "MIT")
    assert describe("mine", custom(license="CC0-1.0")).license == "CC0-1.0"


def test_no_package_that_was_installed_is_overlooked() -> None:
    """Only where none is do the long lists of files stay unread."""
    found = metadata.packages_distributions()
    assert {"numpy", "PIL", "yaml"} <= found.keys()
    assert [name for name in sorted(found)[::8] if not _is_listed(name)] == []
    assert not _is_listed(NAME)


def test_identity_is_the_class_its_source_and_its_arguments(module: Path) -> None:
    base = describe("mine", custom()).identity
    others = [
        describe("mine", custom(init_args={"classes": ["a", "b"], "level": 0.25})).identity,
        describe("mine", custom("Spoilt")).identity,
        describe("mine", custom(classes=["a"])).identity,
    ]
    module.write_text(module.read_text() + "\n# changed\n")
    others.append(describe("mine", custom()).identity)
    assert len({base, *others}) == 5


def test_the_installed_distribution_is_part_of_what_it_is() -> None:
    from importlib.metadata import version

    import safetensors.numpy

    code = _code("mine", custom(class_path="safetensors.numpy:Any"))
    assert code["distributions"] == [f"safetensors=={version('safetensors')}"]
    source = Path(safetensors.numpy.__file__).read_bytes()
    assert code["source_sha256"] == hashlib.sha256(source).hexdigest()


def test_it_is_told_where_to_run() -> None:
    spec = custom()
    placement = Placement("cpu", batch_size=3)
    host: Any = load_host("mine", spec, describe("mine", spec), placement=placement)
    assert host._host.placed == placement


def test_classes_narrow_what_may_be_asked_for() -> None:
    spec = custom(classes=["b"])
    host = load_host("mine", spec, describe("mine", spec))
    with pytest.raises(RequestError, match="cannot make class 'a'; it knows 1: 'b'"):
        host.validate(SampleRequest("0" * 32, "a", 0))
    with pytest.raises(RequestError, match="too far"):
        host.validate(SampleRequest("0" * 32, "b", 1001))


# ---- what goes wrong -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (custom("Missing"), f"got no such name; expected a class in {NAME}"),
        (custom("function"), f"got a function; expected a class in {NAME}"),
        (
            custom("Nothing", init_args={}),
            "it has no validate, batch_key, generate, info (a GeneratorInfo); expected a class "
            "that satisfies augment.generators.GeneratorHost",
        ),
        (custom(init_args={}), "making it raised TypeError: Noise.__init__() missing 1 required"),
        (custom(classes=["c"]), "generators.mine.classes: generators.own: cannot make class 'c'"),
    ],
)
def test_what_cannot_be_a_generator(spec: CustomGenerator, text: str) -> None:
    assert text in refused(spec)


def test_a_module_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "policy.yaml").write_text("allow_code: ['nowhere_at_all:C', 'sys:C']\n")
    spec = CustomGenerator(family="custom", class_path="nowhere_at_all:C")
    assert "no file of module nowhere_at_all was found" in refused(spec)
    spec = CustomGenerator(family="custom", class_path="sys:C")
    assert "no file of module sys was found" in refused(spec)


def test_a_module_that_fails_to_import(module: Path) -> None:
    module.write_text("raise OSError('no GPU here')\n")
    assert refused(custom()) == (
        f"generators.mine.class_path: {NAME}:Noise: importing it raised OSError: no GPU here"
    )


def host_of(name: str) -> GeneratorHost:
    spec = custom(name)
    return load_host("mine", spec, describe("mine", spec))


def test_rows_that_it_spoils_fail_alone() -> None:
    host = host_of("Spoilt")
    batch = requests(host.info, host.info.classes, 3)
    made = host.generate(batch)
    assert made.failed == (None, "own reason", "nan", None, None, None)
    assert (made.images[1:3] == 0.0).all()
    assert (made.images[3] == 1.0).all()
    good = host_of("Noise").generate(batch).images
    assert np.array_equal(made.images[[0, 4, 5]], good[[0, 4, 5]])


def test_a_batch_of_another_shape_is_an_error_that_names_the_check() -> None:
    host = host_of("Narrow")
    with pytest.raises(CheckpointError) as caught:
        host.generate(requests(host.info, host.info.classes, 1))
    assert str(caught.value) == (
        "generators.mine: a batch of 2 came back as images (2, 3, 6, 4) with 2 reasons and 0 "
        "notes; expected (2, 3, 6, 5); `augment generators check` asks the class what it must do"
    )
