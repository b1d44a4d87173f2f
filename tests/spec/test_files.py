"""Class lists and label maps."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from augment.errors import SpecError
from augment.spec import read_class_index, read_classes, read_label_map
from augment.spec.files import read_bytes
from augment.spec.generator_base import ClassIndexFile
from augment.spec.models import Classes, LabelMap


def write(folder: Path, name: str, data: str | bytes) -> str:
    (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return name


def test_classes_keep_their_order_and_text(tmp_path: Path) -> None:
    file = write(tmp_path, "c.txt", "\ufeffno\r\n007\n 12:30 \nŠkoda\n\n")
    assert read_classes(Classes(file=file), str(tmp_path)) == ["no", "007", "12:30", "Škoda"]
    assert read_classes(Classes(names=["b", "a"])) == ["b", "a"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a\nb\na\n", "c.txt:3: got 'a' a second time; expected each class once (first on line 1)"),
        ("a\n\nb\n", "c.txt:2: got ''; expected a class name of 1 to 256 characters"),
        ("", "c.txt: got no class; expected one class name a line"),
    ],
)
def test_wrong_classes(tmp_path: Path, text: str, error: str) -> None:
    file = write(tmp_path, "c.txt", text)
    with pytest.raises(SpecError) as caught:
        read_classes(Classes(file=file), str(tmp_path))
    assert str(caught.value) == error


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.csv", 'from,to\n0,zero\n"a,b",no\n'),
        ("m.yaml", "0: zero\n'a,b': no\n"),
        ("m.json", '{"0": "zero", "a,b": "no"}'),
    ],
)
def test_label_maps(tmp_path: Path, name: str, text: str) -> None:
    file = write(tmp_path, name, text)
    assert read_label_map(LabelMap(file=file), str(tmp_path)) == {"0": "zero", "a,b": "no"}
    assert read_label_map(LabelMap(map={"x": "y"})) == {"x": "y"}


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("m.csv", "a,b\n", "m.csv:1: got 'a,b'; expected the header from,to"),
        ("m.csv", "", "m.csv:1: got ''; expected the header from,to"),
        ("m.csv", 'from,to\n"a,b', "m.csv:2: got an error (unexpected end of data); expected CSV"),
        ("m.csv", "from,to\na\n", "m.csv:2: got 'a'; expected a label and a class"),
        (
            "m.csv",
            "from,to\na,b\na,c\n",
            "m.csv:3: got 'a' a second time; expected each label once",
        ),
        ("m.yaml", "- a", "m.yaml: got a list of 1; expected a mapping of label: class"),
        ("m.yaml", "a: b\nc: [d]\n", "m.yaml:2: c: got a list of 1; expected a class name"),
        (
            "m.yaml",
            "a: b\na: c\n",
            "m.yaml:2: got the key 'a' a second time; expected each key once (first on line 1)",
        ),
    ],
)
def test_wrong_label_maps(tmp_path: Path, name: str, text: str, error: str) -> None:
    file = write(tmp_path, name, text)
    with pytest.raises(SpecError) as caught:
        read_label_map(LabelMap(file=file), str(tmp_path))
    assert str(caught.value) == error


def test_missing_and_unreadable(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone.txt")
    with pytest.raises(SpecError) as caught:
        read_classes(Classes(file=gone))
    assert str(caught.value) == f"{gone}: got no such file; expected a file that exists"
    with pytest.raises(SpecError, match="Is a directory"):
        read_classes(Classes(file=str(tmp_path)))
    latin = str(tmp_path / write(tmp_path, "latin.txt", b"\xe9"))
    with pytest.raises(SpecError) as caught:
        read_classes(Classes(file=latin))
    assert str(caught.value) == f"{latin}: got byte 0 that is not UTF-8; expected UTF-8 text"


def test_the_policy_judges_the_file_that_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link that was put in the place of a file since the job was validated."""
    (tmp_path / "allowed").mkdir()
    (tmp_path / "secret.txt").write_text("root:x\n")
    (tmp_path / "allowed/names.txt").symlink_to("../secret.txt")
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"allowed_uris: [{tmp_path}/allowed]\n")
    assert read_bytes(str(tmp_path / "allowed/names.txt")) == b"root:x\n"
    monkeypatch.setenv("AUGMENT_POLICY", str(policy))
    with pytest.raises(SpecError) as caught:
        read_bytes(str(tmp_path / "allowed/names.txt"))
    assert str(caught.value) == (
        f"{tmp_path}/allowed/names.txt: got a link to {tmp_path}/secret.txt, where this machine "
        f"lets no job go; expected a place in {tmp_path}/allowed. Ask the operator to list it "
        f"under `allowed_uris` in {policy}"
    )
    (tmp_path / "allowed/names.txt").unlink()
    (tmp_path / "allowed/names.txt").write_text("a\n")
    assert read_bytes(str(tmp_path / "allowed/names.txt")) == b"a\n"


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "loop"])
def test_what_is_no_file_is_told_and_not_opened(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "names.txt"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case "loop":
            path.symlink_to("names.txt")
    with pytest.raises(SpecError, match=r"names.txt: got an error \("):
        read_bytes(str(path))


def test_a_class_name_has_256_characters_at_most(tmp_path: Path) -> None:
    file = write(tmp_path, "c.txt", "a" * 256)
    assert read_classes(Classes(file=file), str(tmp_path)) == ["a" * 256]
    file = write(tmp_path, "c.txt", "b\n" + "a" * 257)
    with pytest.raises(SpecError, match=r"c\.txt:2: got .*; expected a class name of 1 to 256"):
        read_classes(Classes(file=file), str(tmp_path))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("i.txt", "cat\ndog\n"),
        ("i.csv", "cat\ndog\n"),
        ("i.json", '{"cat": 0, "dog": 1}'),
        ("i.yaml", "cat: 0\ndog: 1\n"),
        ("I.YML", "cat: 0\ndog: 1\n"),
    ],
)
def test_the_classes_of_a_network(tmp_path: Path, name: str, text: str) -> None:
    file = write(tmp_path, name, text)
    found = read_class_index(ClassIndexFile(file=file), str(tmp_path))
    assert found == {"cat": 0, "dog": 1}
    assert read_class_index({"cat": 3}) == {"cat": 3}


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("i.json", "{}", "i.json: got an empty mapping; expected a mapping of name: index"),
        ("i.json", "[1]", "i.json: got a list of 1; expected a mapping of name: index"),
        ("i.json", '{"a": -1}', "i.json: a: got -1; expected a whole number from 0"),
        ("i.json", '{"a": true}', "i.json: a: got True; expected a whole number from 0"),
        ("i.json", '{"a": 1.0}', "i.json: a: got 1.0; expected a whole number from 0"),
        ("i.yaml", "a: one\n", "i.yaml: a: got 'one'; expected a whole number from 0"),
        ("i.yaml", "a: 1\na: 2\n", "i.yaml:2: got the key 'a' a second time; expected each key"),
        ("i.txt", "", "i.txt: got no class; expected one class name a line"),
    ],
)
def test_wrong_classes_of_a_network(tmp_path: Path, name: str, text: str, error: str) -> None:
    file = write(tmp_path, name, text)
    with pytest.raises(SpecError) as caught:
        read_class_index(ClassIndexFile(file=file), str(tmp_path))
    assert str(caught.value).startswith(error)


def test_a_file_that_must_lie_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/one.txt").write_text("1")
    (tmp_path / "out.txt").write_text("2")
    (tmp_path / "in/link.txt").symlink_to("../out.txt")
    inside = str(tmp_path / "in")
    assert read_bytes(f"{inside}/one.txt", inside=inside) == b"1"
    assert read_bytes(f"{inside}/link.txt") == b"2"
    with pytest.raises(SpecError) as caught:
        read_bytes(f"{inside}/link.txt", inside=inside)
    assert str(caught.value) == (
        f"{inside}/link.txt: got a link to {tmp_path}/out.txt; expected a file in {inside}. "
        "Copy it there, or name it by a URI"
    )
