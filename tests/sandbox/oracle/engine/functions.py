"""Scalar functions: a table from name to arity and compiler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.sandbox.oracle.engine import ast, convert
from tests.sandbox.oracle.engine.convert import Expr
from tests.sandbox.oracle.engine.scope import Scope
from tests.sandbox.oracle.errors import OracleError

if TYPE_CHECKING:
    from tests.sandbox.oracle.engine.expressions import ExpressionCompiler


@dataclass(slots=True)
class Args:
    """A call's compiled arguments, with the compiler for those who need more."""

    compiler: ExpressionCompiler
    node: ast.Call
    values: list[Expr]

    @property
    def settings(self) -> convert.Settings:
        """The session's settings."""
        return self.compiler.settings

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> Expr:
        return self.values[index]

    @property
    def nullable(self) -> bool:
        """True when any argument may be NULL."""
        return any(value.nullable for value in self.values)

    def text(self, index: int) -> Expr:
        """An argument as a string."""
        return convert.text(self.values[index], self.settings)

    def number(self, index: int) -> Expr:
        """An argument as a number, strings by the session's decimal character."""
        return convert.numeric(self.values[index], self.settings.numeric_characters[0])

    def whole(self, index: int) -> str:
        """An argument as BIGINT."""
        return convert.whole(self.number(index))

    def constant(self, index: int) -> str:
        """An argument that must be a string literal, such as a format model."""
        value = self.values[index]
        if value.constant is None:
            raise OracleError(
                604, f"{self.node.parts[-1]} needs a literal as argument {index + 1} here"
            )
        return value.constant


def unsupported(what: str) -> OracleError:
    """An answer that would be wrong is refused."""
    return OracleError(604, f"{what} is not supported here")


Compile = Callable[[Args], Expr]
_TABLE: dict[str, tuple[int, int, Compile]] = {}


def function(*names: str, least: int, most: int | None = None) -> Callable[[Compile], Compile]:
    """Registers a compiler under `names` for `least` to `most` arguments."""

    def register(compile_one: Compile) -> Compile:
        for name in names:
            _TABLE[name] = (least, least if most is None else most, compile_one)
        return compile_one

    return register


def compile_call(compiler: ExpressionCompiler, node: ast.Call, scope: Scope) -> Expr | None:
    """A scalar or package function, or None when there is no such function."""
    entry = _entry(compiler, node)
    if entry is None:
        return None
    least, most, compile_one = entry
    if any(node.names):
        raise unsupported("a named argument in SQL")
    if len(node.args) < least:
        raise OracleError(938, "not enough arguments for function", node.pos)
    if len(node.args) > most:
        raise OracleError(939, "too many arguments for function", node.pos)
    values = [compiler.value(arg, scope) for arg in node.args]
    return compile_one(Args(compiler, node, values))


def _entry(compiler: ExpressionCompiler, node: ast.Call) -> tuple[int, int, Compile] | None:
    from tests.sandbox.oracle.engine import (  # noqa: F401  (fill the table)
        functions_general,
        functions_text,
    )

    parts = node.parts[1:] if len(node.parts) == 3 and node.parts[0] == "SYS" else node.parts
    return _TABLE.get(".".join(parts))


def compile_condition(compiler: ExpressionCompiler, node: ast.Call, scope: Scope) -> str | None:
    """A function that is a condition: REGEXP_LIKE."""
    if node.parts != ("REGEXP_LIKE",) or not 2 <= len(node.args) <= 3:
        return None
    values = [compiler.value(arg, scope) for arg in node.args]
    args = Args(compiler, node, values)
    options = args[2].constant or "" if len(args) > 2 else ""
    return f"regexp_matches({args.text(0).sql}, {args.text(1).sql}, {convert.quote(options)})"
