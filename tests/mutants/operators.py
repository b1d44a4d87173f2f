"""The mutation operators: from the text of a module to its mutants, each one small change.

What a change cannot alter for a caller is left out: docstrings, annotations (but for the bounds
that calls in them state, as `Annotated[int, Field(ge=1)]`), the texts of messages, assertions,
arms that `assert_never` closes, code for type checkers and for the command line alone. Knows no
tests and no files.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MARK = "# mutants: equal"
"""In a comment, with a reason behind it: no mutant of this line is of use."""

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip
_EXTREMES = {"min": "max", "max": "min"}
_VALIDATORS = {"field_validator", "model_validator"}
_BOUNDED = {"Field", "ConfigDict"}
_BOUNDS = {
    "ge", "gt", "le", "lt", "pattern", "min_length", "max_length", "allow_inf_nan", "strict",
    "extra",
}  # fmt: skip
_IDLE = {"frozen", "slots", "kw_only", "repr", "maxsize", "stacklevel", "use_attribute_docstrings"}
"""Keyword arguments that say nothing about what callers see: caches, what classes are made of."""
_TYPING = {"TypeVar", "NewType", "NamedTuple", "TypedDict", "assert_never", "cast"}
_LOGGERS = {"log", "logger", "_log", "_logger", "warnings"}


@dataclass(frozen=True)
class Mutant:
    """One change of a module. line: the first that it changes, whose text is `within`. before,
    after: what stands there, on one line. text: the whole module with the change."""

    operator: str
    line: int
    within: str
    before: str
    after: str
    text: str


def mutants_of(source: str) -> list[Mutant]:
    """All mutants of a module, in the order of its lines; each parses and differs from it.

    Raises:
        SyntaxError: the source is no Python.
    """
    finder = _Finder(source)
    finder.visit(ast.parse(source))
    marked = {n for n, line in enumerate(source.splitlines(), 1) if MARK in line}
    found = [m for m in finder.found if m.line not in marked]
    return sorted(found, key=lambda m: m.line)


class _Finder(ast.NodeVisitor):
    """Walks what can be mutated. Places of nodes are bytes, so the source is cut as bytes."""

    def __init__(self, source: str) -> None:
        self._raw = source.encode()
        lines = self._raw.splitlines(keepends=True)
        self._lines = [line.decode().strip() for line in lines]
        self._starts = [0]
        for line in lines:
            self._starts.append(self._starts[-1] + len(line))
        self.found: list[Mutant] = []

    # ---- changes -------------------------------------------------------------------------

    def _put(self, operator: str, old: ast.expr | ast.stmt, new: str, before: str = "") -> None:
        start = self._starts[old.lineno - 1] + old.col_offset
        assert old.end_lineno is not None
        assert old.end_col_offset is not None
        end = self._starts[old.end_lineno - 1] + old.end_col_offset
        self._cut(operator, old.lineno, start, end, new, before or ast.unparse(old))

    def _cut(self, operator: str, line: int, start: int, end: int, new: str, before: str) -> None:
        text = (self._raw[:start] + new.encode() + self._raw[end:]).decode()
        after = new[1:-1] if new.startswith("(") and new.endswith(")") else new
        within = self._lines[line - 1]
        self.found.append(Mutant(operator, line, within, _one_line(before), _one_line(after), text))

    def _condition(self, test: ast.expr, values: Sequence[bool]) -> None:
        if isinstance(test, ast.Constant) or any(
            isinstance(node, ast.NamedExpr) for node in ast.walk(test)
        ):
            return  # what follows needs the name
        for value in values:
            self._put("condition", test, str(value))

    # ---- what is left out ------------------------------------------------------------------

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """The text of a message."""

    def visit_Assert(self, node: ast.Assert) -> None:
        """For readers and type checkers. So are an AssertionError and `zip(strict=True)`."""

    def visit_MatchValue(self, node: ast.MatchValue) -> None:
        """A pattern takes no other expression."""

    def visit_Assign(self, node: ast.Assign) -> None:
        if not any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            self.visit(node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._bounds_in(node.annotation)
        if node.value is not None:
            self.visit(node.value)

    def visit_arg(self, node: ast.arg) -> None:
        self._bounds_in(node.annotation)

    def _bounds_in(self, annotation: ast.expr | None) -> None:
        """Of an annotation the outermost calls are code."""
        if isinstance(annotation, ast.Call):
            self.visit(annotation)
        elif annotation is not None:
            for child in ast.iter_child_nodes(annotation):
                if isinstance(child, ast.expr):
                    self._bounds_in(child)

    # ---- statements ------------------------------------------------------------------------

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for statement in node.body:
            self.visit(statement)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for decorator in node.decorator_list:
            if _called(decorator) in _VALIDATORS:
                start = self._starts[decorator.lineno - 1] + decorator.col_offset - 1  # the @
                end = self._starts[(decorator.end_lineno or 0) - 1] + (
                    decorator.end_col_offset or 0
                )
                before = f"@{ast.unparse(decorator)}"
                self._cut("validator", decorator.lineno, start, end, "", before)
        self.visit(node.args)
        if node.returns is not None and _may_be_none(node.returns):
            self._returns_nothing(node)
        for statement in node.body:
            self.visit(statement)

    def _returns_nothing(self, function: ast.FunctionDef) -> None:
        for node in _own(function):
            if isinstance(node, ast.Return) and node.value is not None and not _none(node.value):
                self._put("return", node, "return None")

    def visit_If(self, node: ast.If) -> None:
        said = ast.unparse(node.test)
        if said in ("TYPE_CHECKING", "__name__ == '__main__'"):
            self._all(node.orelse)
            return
        self._condition(node.test, (True, False))
        self.visit(node.test)
        self._all(node.body)
        self._all(node.orelse)

    def visit_While(self, node: ast.While) -> None:
        self._condition(node.test, (False,))
        self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        if node.exc is not None and _called(node.exc) in ("NotImplementedError", "AssertionError"):
            return
        self._put("raise", node, "pass")
        self.generic_visit(node)

    def visit_Continue(self, node: ast.Continue) -> None:
        self._put("continue", node, "pass")

    def visit_Expr(self, node: ast.Expr) -> None:
        value = node.value
        if isinstance(value, ast.Call):
            if _called(value) == "assert_never" or _owner(value) in _LOGGERS:
                return
            self._put("statement", node, "pass")
        elif isinstance(value, ast.Yield):
            self._put("yield", node, "(yield from ())")
        self.visit(value)

    def visit_match_case(self, node: ast.match_case) -> None:
        if any(_is_never(statement) for statement in node.body):
            return
        if node.guard is not None:
            self._condition(node.guard, (True, False))
            self.visit(node.guard)
        self._all(node.body)

    def _all(self, statements: Sequence[ast.stmt]) -> None:
        if not any(_is_never(statement) for statement in statements):
            for statement in statements:
                self.visit(statement)

    # ---- expressions -----------------------------------------------------------------------

    def visit_IfExp(self, node: ast.IfExp) -> None:
        if _is_message(node.body) or _is_message(node.orelse):
            return
        self._condition(node.test, (True, False))
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self._condition(test, (True,))
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        for n, op in enumerate(node.ops):
            other = _COMPARED[type(op)]()
            new = ast.Compare(
                node.left, [*node.ops[:n], other, *node.ops[n + 1 :]], node.comparators
            )
            self._put("comparison", node, f"({ast.unparse(new)})")
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        other = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
        self._put("and/or", node, f"({ast.unparse(ast.BoolOp(other, node.values))})")
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            self._put("not", node, f"({ast.unparse(node.operand)})")
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        other = _COMPUTED.get(type(node.op))
        texts = _is_text(node.left) or _is_text(node.right)
        if other is not None and not texts and not _is_type(node):
            new = ast.unparse(ast.BinOp(node.left, other(), node.right))
            self._put("arithmetic", node, f"({new})")
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        other = _COMPUTED.get(type(node.op))
        if other is not None and not _is_text(node.value):
            self._put(
                "arithmetic", node, ast.unparse(ast.AugAssign(node.target, other(), node.value))
            )
        self.visit(node.value)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self._put("constant", node, str(not node.value))
        elif isinstance(node.value, int | float):
            self._put("constant", node, repr(node.value + 1))

    def visit_Slice(self, node: ast.Slice) -> None:
        if node.lower is not None:
            self._put("slice", node, ast.unparse(ast.Slice(None, node.upper, node.step)))
        if node.upper is not None:
            self._put("slice", node, ast.unparse(ast.Slice(node.lower, None, node.step)))
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = _called(node)
        if name in _TYPING:
            return
        if isinstance(node.func, ast.Name) and node.func.id in _EXTREMES:
            self._put("min/max", node.func, _EXTREMES[node.func.id])
        if name in _BOUNDED:
            self._without_bounds(node)
        self.visit(node.func)
        for argument in node.args:
            self.visit(argument)
        for keyword in node.keywords:
            if keyword.arg not in _IDLE and (name, keyword.arg) != ("zip", "strict"):
                self.visit(keyword.value)

    def _without_bounds(self, node: ast.Call) -> None:
        for n, keyword in enumerate(node.keywords):
            if keyword.arg in _BOUNDS:
                rest = [*node.keywords[:n], *node.keywords[n + 1 :]]
                self._put("bound", node, ast.unparse(ast.Call(node.func, node.args, rest)))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _called(node: ast.expr) -> str:
    """The last name of what is called: `Field` of `pydantic.Field(ge=1)`; "" without one."""
    func = node.func if isinstance(node, ast.Call) else node
    return func.id if isinstance(func, ast.Name) else getattr(func, "attr", "")


def _owner(node: ast.Call) -> str:
    value = node.func.value if isinstance(node.func, ast.Attribute) else None
    return value.id if isinstance(value, ast.Name) else ""


def _is_never(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and _called(node.value) == "assert_never"
    )


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    )


def _is_message(node: ast.expr) -> bool:
    """Whether people are to read it: a text of words."""
    words = isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value
    return words or isinstance(node, ast.JoinedStr)


def _is_type(node: ast.BinOp) -> bool:
    """Whether `a | b` is a union of types: of names that begin as classes do, or of None."""
    if not isinstance(node.op, ast.BitOr):
        return False
    left, right = node.left, node.right
    return any(
        _none(side)
        or (isinstance(side, ast.Name) and (side.id[:1].isupper() or side.id in _BUILT_IN))
        or (isinstance(side, ast.Subscript) and isinstance(side.value, ast.Name))
        or (isinstance(side, ast.BinOp) and _is_type(side))
        for side in (left, right)
    )


_BUILT_IN = {"str", "int", "float", "bool", "bytes", "list", "dict", "tuple", "set"}


def _none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _may_be_none(annotation: ast.expr) -> bool:
    return isinstance(annotation, ast.BinOp) and (
        _none(annotation.right) or _none(annotation.left) or _may_be_none(annotation.left)
    )


def _own(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """What stands in a function and in none inside it."""
    todo: list[ast.AST] = list(function.body)
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            todo += ast.iter_child_nodes(node)
