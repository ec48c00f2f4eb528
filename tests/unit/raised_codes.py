"""Which class the product's source raises each code with, read from the source without running it.

A code may stand where the error is made, or come there through a variable, a condition or the
parameter of a helper; it is followed to the text that it began as. A code that a library sent
cannot be followed: doors make such errors with the class that `errors.kind_of` answers.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from etl_oracle_to_bq.errors import KINDS

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Made:
    """An error of class `kind` that is made with `code` at `place`.

    The code '' is not known, and `<Kind>` is that of a caught error of this class.
    """

    kind: str
    code: str
    place: str


class Product:
    """Everything that `folders` hold of Python source."""

    def __init__(self, *folders: Path) -> None:
        paths = sorted(path for folder in folders for path in folder.rglob("*.py"))
        self._trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
        self._parents = {
            child: node
            for tree in self._trees.values()
            for node in ast.walk(tree)
            for child in ast.iter_child_nodes(node)
        }
        self._calls = [
            (path, node)
            for path, tree in self._trees.items()
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
        ]

    def made(self) -> Iterator[Made]:
        """Every error of the tree that is made by the name of its class."""
        for path, call in self._calls:
            kind = _name(call.func)
            code = next((word.value for word in call.keywords if word.arg == "code"), None)
            if kind in KINDS and code is not None:
                place = f"{path.name}:{call.lineno}"
                yield from (Made(kind, text, place) for text in sorted(self._texts(code)))

    def _texts(self, value: ast.expr) -> set[str]:
        """What an expression can be, as far as the source tells; '' for what it does not."""
        if isinstance(value, ast.Constant):
            return {str(value.value)}
        if isinstance(value, ast.IfExp):
            return self._texts(value.body) | self._texts(value.orelse)
        if isinstance(value, ast.Attribute) and value.attr == "code":
            return self._of_an_object(value.value)
        if isinstance(value, ast.Name):
            return self._of_a_name(value)
        return {""}

    def _of_a_name(self, name: ast.Name) -> set[str]:
        function = self._function(name)
        if function and name.id in [each.arg for each in _parameters(function)]:
            return self._of_a_parameter(function, name.id)
        local = _assigned(name.id, ast.walk(function)) if function else []
        # A constant may be imported: every module's counts.
        constants = (_assigned(name.id, tree.body) for tree in self._trees.values())
        values = local or [value for each in constants for value in each]
        return set().union(*map(self._texts, values)) if values else {""}

    def _of_a_parameter(self, function: Function, parameter: str) -> set[str]:
        """What the callers give; every call by the function's name counts."""
        place = [each.arg for each in _parameters(function)].index(parameter)
        given: list[ast.expr] = []
        for _, call in self._calls:
            if _name(call.func) == function.name:
                given += [word.value for word in call.keywords if word.arg == parameter]
                given += call.args[place : place + 1]
        return set().union(*map(self._texts, given)) if given else {""}

    def _of_an_object(self, value: ast.expr) -> set[str]:
        """The code of a caught error, or of a Problem, whose own code is its first argument."""
        caught = self._caught_as(value)
        if caught in KINDS:
            return {f"<{caught}>"}
        if isinstance(value, ast.Subscript) and _name(value.value) == "problems":
            problems = (call for _, call in self._calls if _name(call.func) == "Problem")
            return set().union(*(self._texts(call.args[0]) for call in problems))
        return {""}

    def _caught_as(self, value: ast.expr) -> str:
        node: ast.AST | None = value
        while node is not None:
            if isinstance(node, ast.ExceptHandler) and node.name == _name(value) and node.type:
                return _name(node.type)
            node = self._parents.get(node)
        return ""

    def _function(self, node: ast.AST) -> Function | None:
        above = self._parents.get(node)
        while above is not None and not isinstance(above, Function):
            above = self._parents.get(above)
        return above


def _assigned(name: str, nodes: Iterable[ast.AST]) -> list[ast.expr]:
    return [
        node.value
        for node in nodes
        if isinstance(node, ast.Assign) and any(_name(target) == name for target in node.targets)
    ]


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _parameters(function: Function) -> list[ast.arg]:
    return [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
