"""However much a file holds, it is read in bounded work and answered on one page."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augment.errors import Problem, SpecError
from augment.spec import Job, load_spec, read_class_index, read_classes, read_label_map
from augment.spec.files import read_bytes
from augment.spec.generator_base import ClassIndexFile
from augment.spec.models import Classes, LabelMap
from augment.spec.problems import nearest
from augment.spec.text import MAX_BYTES, MAX_VALUES, parse

Problems = Callable[..., list[str]]
TOO_MANY = (
    f"more than {MAX_VALUES} keys and values; expected a smaller file. Long lists stand in files "
    "of their own: `classes.file`, `label_map.file`, `manifest`"
)


def refused(load: Callable[[], Any]) -> SpecError:
    with pytest.raises(SpecError) as caught:
        load()
    return caught.value


def noted(text: str, name: str = "job.yaml") -> list[str]:
    return [str(p) for p in parse(text.encode(), name).problems]


@pytest.mark.parametrize(
    "text",
    [
        "about: {" + ", ".join(f"k{i}: 1" for i in range(300_000)) + "}",
        "about: {" + "k: 1, " * 300_000 + "}",
        "a: [" + "b, " * 300_000 + "]",
        "a:\n" + "- !x y\n" * 300_000,
        "a: [" + "[], " * 300_000 + "]",
    ],
    ids=["keys", "one key", "values", "tags", "lists"],
)
def test_a_file_of_very_many_keys_and_values_is_one_problem(text: str) -> None:
    (problem,) = refused(lambda: parse(text.encode(), "job.yaml")).problems
    assert TOO_MANY in str(problem)
    assert problem.place.startswith("job.yaml:")


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({f"k{i}": 1 for i in range(MAX_VALUES // 2)}),
        json.dumps([0] * MAX_VALUES),
        '{"a": [' + '{"k":1},' * (MAX_VALUES // 2) + "0]}",
    ],
)
def test_and_so_is_json(text: str) -> None:
    assert TOO_MANY in str(refused(lambda: parse(text.encode(), "job.json")))


def test_as_many_as_a_large_job_has_are_read() -> None:
    names = {f"class {i}": i for i in range(21_841)}
    assert len(parse(json.dumps({"to": names}).encode(), "job.json").data["to"]) == 21_841
    assert len(parse(json.dumps({"to": names}).encode(), "job.yaml").data["to"]) == 21_841


def test_what_is_wrong_with_the_text_is_told_twenty_times_and_counted() -> None:
    tags = noted("a:\n" + "- !x y\n" * 1000)
    assert len(tags) == 21
    assert tags[-1] == "job.yaml: got 980 more tags; expected none"
    assert noted("a: 1\n" * 1000)[-1] == (
        "job.yaml: got 979 more keys a second time; expected none"
    )
    twice = "{" + ",".join('"a": 1' for _ in range(1000)) + "}"
    assert noted(twice, "job.json")[-1] == (
        "job.json: got 979 more keys a second time; expected none"
    )


def test_a_merge_key_is_refused() -> None:
    assert noted("a: &a {x: 1}\nb: {<<: *a}\n'<<': 1\n") == [
        "job.yaml:2: got the merge key <<; expected keys written out. "
        "YAML 1.2 has no merge keys: write the keys out"
    ]


def test_a_long_key_is_cut() -> None:
    assert len(noted(f"? {'k' * 100_000}\n: 1\n? {'k' * 100_000}\n: 2\n")[0]) < 200


@pytest.mark.parametrize(
    ("edits", "kinds"),
    [
        ({"about": {f"k{i}": 1 for i in range(5000)}}, 1),
        ({f"k{i}": 1 for i in range(5000)}, 1),
        ({"sources.real.splits": {f"k{i}": [1] for i in range(5000)}}, 1),
        ({"generators": {f"g{i}": {"family": "palete"} for i in range(5000)}}, 2),
        ({"synthesize": [{} for _ in range(5000)]}, 2),
        ({"execution": {"generators": {f"g{i}": {} for i in range(5000)}}}, 1),
        ({"execution": {"storage_options": {f"g{i}": {} for i in range(5000)}}}, 1),
        ({"protected_splits": [f"k{i}" for i in range(5000)]}, 1),
        ({"limits": {"min_rows_per_class": {f"k{i}": 1 for i in range(5000)}}}, 1),
    ],
)
def test_of_one_kind_the_first_twenty_are_told(
    problems: Problems, edits: dict[str, Any], kinds: int
) -> None:
    found = problems(edits)
    assert any("got 4980 more problems of this kind; expected none" in text for text in found)
    assert len(found) <= 21 * kinds + 5


def test_the_text_of_an_error_fits_a_page() -> None:
    many = [Problem(f"job.yaml:{n}", "x" * 10_000, "y" * 10_000) for n in range(500)]
    error = SpecError(many)
    lines = str(error).splitlines()
    assert len(lines) == 41
    assert lines[-1] == "... and 460 more problems"
    assert max(map(len, lines)) < 2000
    assert len(error.problems) == 500
    many = SpecError([Problem(f"job.yaml:{n}", "x", "y") for n in range(5000)])
    assert len(many.problems) == 1000
    assert many.problems[-1].found == "4001 more problems"
    assert pickle.loads(pickle.dumps(many)).problems == many.problems


def test_numbers_of_a_million_digits(problems: Problems) -> None:
    for edits in ({"seed": "9" * 1_000_000}, {"errors": {"max_share": "0." + "9" * 1_000_000}}):
        assert all(len(text) < 200 for text in problems(edits))
    assert problems({"seed": "9" * 1_000_000})


def test_a_job_is_not_read_further_than_its_bound(tmp_path: Path) -> None:
    with open(tmp_path / "job.yaml", "wb") as file:
        file.truncate(1 << 40)  # a hole: no bytes on the disk
    found = str(refused(lambda: load_spec(tmp_path / "job.yaml")))
    assert found.endswith(f"got more than {MAX_BYTES} bytes; expected a smaller file")


def test_files_of_a_job_are_read_to_their_bound(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"x" * 100)
    assert read_bytes(str(tmp_path / "list.txt"), most=100) == b"x" * 100
    found = str(refused(lambda: read_bytes(str(tmp_path / "list.txt"), most=99)))
    assert found.endswith("got more than 99 bytes; expected a smaller file")


def test_a_pipe_in_the_place_of_a_file_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "classes.txt")
    found = refused(lambda: read_classes(Classes(file="classes.txt"), str(tmp_path)))
    assert "it is a pipe, a socket or a device, not a file" in str(found)


def test_lists_with_very_many_bad_lines(tmp_path: Path) -> None:
    (tmp_path / "twice.txt").write_text("a\n" * 50_000)
    (tmp_path / "map.csv").write_text("from,to\n" + "a\n" * 50_000)
    (tmp_path / "index.json").write_text(json.dumps({f"k{i}": -1 for i in range(50_000)}))
    (tmp_path / "map.json").write_text(json.dumps({f"k{i}": "" for i in range(50_000)}))
    base = str(tmp_path)
    for load, total in (
        (lambda: read_classes(Classes(file="twice.txt"), base), 49_999),
        (lambda: read_label_map(LabelMap(file="map.csv"), base), 50_000),
        (lambda: read_label_map(LabelMap(file="map.json"), base), 50_000),
        (lambda: read_class_index(ClassIndexFile(file="index.json"), base), 50_000),
    ):
        found = refused(load).problems
        assert len(found) == 21
        assert found[-1].found == f"{total} problems"


def test_the_nearest_of_very_many_names() -> None:
    names = [f"class {i:06}" for i in range(100_000)]
    assert nearest("class 051023x", names) == "Did you mean 'class 051023'?"


def test_a_job_of_a_large_data_set_is_accepted(job: Callable[..., Job]) -> None:
    names = [f"n{i:08}" for i in range(21_841)]
    spec = job(
        {
            "classes": {"names": names},
            "generators.fake.classes": names,
            "synthesize.0.fill.to": dict.fromkeys(names, 700),
        }
    ).spec
    assert spec.classes is not None
    assert spec.classes.names == names


def test_two_hundred_problems_are_told_and_more_are_counted(job: Callable[..., Job]) -> None:
    places = (
        "output", "filters.0.degenerate", "synthesize.0", "augmentations.0", "sources.real",
        "generators.fake", "output.image", "synthesize.0.fill", "limits",
    )  # fmt: skip
    unknown = {f"{place}.k{n}": 1 for place in places for n in range(20)}
    splits = {"protected_splits": [f"k{n}" for n in range(20)]}
    all_told = refused(lambda: job({**unknown, **splits})).problems
    assert len(all_told) == 200
    assert not any("more problems" in problem.found for problem in all_told)
    found = refused(lambda: job({**unknown, **splits, "name": "two words"})).problems
    assert len(found) == 201
    assert str(found[-1]) == "job: got 1 more problems; expected none"
