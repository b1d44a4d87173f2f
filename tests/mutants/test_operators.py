from __future__ import annotations

import ast

import pytest

from tests.mutants.__main__ import REPOSITORY
from tests.mutants.operators import mutants_of
from tests.mutants.sampling import CORE, all_of


def changes(source: str) -> set[tuple[str, str]]:
    """(before, after) of every mutant."""
    return {(mutant.before, mutant.after) for mutant in mutants_of(source)}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a < b", {("a < b", "a <= b")}),
        ("x = a >= b", {("a >= b", "a > b")}),
        ("x = a == b", {("a == b", "a != b")}),
        ("x = a is None", {("a is None", "a is not None")}),
        ("x = a not in b", {("a not in b", "a in b")}),
        ("x = a < b <= c", {("a < b <= c", "a <= b <= c"), ("a < b <= c", "a < b < c")}),
        ("x = a and b and c", {("a and b and c", "a or b or c")}),
        ("x = not a", {("not a", "a")}),
        ("x = 3", {("3", "4")}),
        ("x = 0.5", {("0.5", "1.5")}),
        ("x = True", {("True", "False")}),
        ("x = a + b", {("a + b", "a - b")}),
        ("x = a | b", {("a | b", "a & b")}),
        ("x += a", {("x += a", "x -= a")}),
        ("x = min(a, b)", {("min", "max")}),
        ("x = a[b:c]", {("b:c", ":c"), ("b:c", "b:")}),
        ("x = [i for i in a if i]", {("i", "True")}),
        ("x = a if b else c", {("b", "True"), ("b", "False")}),
        ("if a:\n    b = c", {("a", "True"), ("a", "False")}),
        ("while a:\n    b = c", {("a", "False")}),
        ("match a:\n    case 1 if b:\n        c = d", {("b", "True"), ("b", "False")}),
        ("raise ValueError(f'{a < b}')", {("raise ValueError(f'{a < b}')", "pass")}),
        ("for i in a:\n    continue", {("continue", "pass")}),
        ("asked.add(path)", {("asked.add(path)", "pass")}),
        ("def f():\n    yield a", {("yield a", "yield from ()")}),
        ("def f() -> A | None:\n    return a", {("return a", "return None")}),
        ("x = Field(ge=a, alias='b')", {("Field(ge=a, alias='b')", "Field(alias='b')")}),
        ("x: Annotated[int, Field(lt=a)]", {("Field(lt=a)", "Field()")}),
        (
            "class A:\n    @field_validator('b')\n    def c(cls): ...",
            {("@field_validator('b')", "")},
        ),
    ],
)
def test_each_operator_gives_its_mutants(source: str, expected: set[tuple[str, str]]) -> None:
    assert changes(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        '"""A text with 3 and not."""',
        "def f(a: Literal[1, 2] | None) -> tuple[int, Literal[3]]:\n    '''1 < 2'''",
        "x: dict[str, Annotated[int, 3]]",
        "x = f'{a + 1} and {b if c else d}'",
        "x = 'one of them' if a < b else ''",
        "x = 'a' + b",
        "assert a < 3",
        "if TYPE_CHECKING:\n    from a import b",
        "if __name__ == '__main__':\n    main()",
        "__all__ = [1]",
        "match a:\n    case 1:\n        b = c\n    case _:\n        assert_never(a)",
        "x = int | str",
        "x = TypeVar('x', bound=1 < 2)",
        "@dataclass(frozen=True)\nclass A: ...",
        "@lru_cache(maxsize=8)\ndef f(): ...",
        "logger.info(3)",
        "def f() -> int:\n    return a",
        "def f() -> A | None:\n    return None",
        "raise NotImplementedError",
        "raise AssertionError('no way here')",
        "x = zip(a, b, strict=True)",
        "x = 3  # mutants: equal: how much is read at once",
    ],
)
def test_what_callers_do_not_see_is_left_alone(source: str) -> None:
    assert changes(source) == set()


def test_code_for_type_checkers_is_left_alone_and_its_other_branch_is_not() -> None:
    assert changes("if TYPE_CHECKING:\n    a = 1\nelse:\n    a = 5") == {("5", "6")}


def test_a_mutant_says_its_line_and_holds_the_module_but_for_its_change() -> None:
    source = 'é = "ü"\n\n\ndef f(a):\n    return é + a and 2  # ä\n'
    found = {(m.operator, m.line): m.text for m in mutants_of(source)}
    assert found == {
        ("and/or", 5): source.replace("é + a and 2", "(é + a or 2)"),
        ("arithmetic", 5): source.replace("é + a and", "(é - a) and"),
        ("constant", 5): source.replace("2", "3"),
    }


def test_a_change_of_several_lines_is_told_on_one() -> None:
    (mutant,) = mutants_of("x = (\n    a\n    and b\n)")
    assert (mutant.line, mutant.before, mutant.after) == (2, "a and b", "a or b")
    ast.parse(mutant.text)


@pytest.mark.parametrize("package", CORE)
def test_every_mutant_of_the_core_parses_and_differs(package: str) -> None:
    for drawn in all_of(REPOSITORY, package)[::40]:
        original = (REPOSITORY / drawn.file).read_text()
        assert ast.dump(ast.parse(drawn.mutant.text)) != ast.dump(ast.parse(original))
