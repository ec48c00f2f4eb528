"""Anonymous PL/SQL blocks, as far as an extractor needs them."""

from __future__ import annotations

from tests.sandbox.oracle.engine import ast
from tests.sandbox.oracle.engine.lexer import T
from tests.sandbox.oracle.engine.parser import StatementParser
from tests.sandbox.oracle.errors import OracleError


class BlockParser(StatementParser):
    """BEGIN ... END; with calls, assignments, SELECT INTO and SQL statements."""

    def __init__(self, sql: str) -> None:
        super().__init__(sql, plsql=True)
        self._targets: tuple[ast.Node, ...] = ()

    def fail(self, code: int, text: str) -> OracleError:
        """PL/SQL reports whatever went wrong as one compilation error."""
        token = self.token
        line = self.sql.count("\n", 0, token.start) + 1
        column = token.start - (self.sql.rfind("\n", 0, token.start) + 1) + 1
        what = f'the symbol "{token.value}"' if token.value else "the end of the text"
        return OracleError(
            6550,
            f"line {line}, column {column}:\nPLS-00103: Encountered {what} where it was not"
            f" expected ({text})",
            token.start,
        )

    def statement(self) -> ast.Node:
        """The whole block."""
        pos = self.token.start
        variables: list[tuple[str, str, ast.Node | None]] = []
        if self.take_words("DECLARE"):
            while not self.is_word("BEGIN"):
                variables.append(self._variable())
        self.expect_words("BEGIN")
        statements = []
        while not self.is_word("END"):
            statements.append(self._statement())
            self.expect_op(";")
        self.advance()
        if self.token.kind is T.WORD:
            self.advance()
        self.expect_op(";")
        self.take_op("/")
        return ast.Block(pos, tuple(variables), tuple(statements))

    def _variable(self) -> tuple[str, str, ast.Node | None]:
        name = self.identifier()
        type_text = self.type_text()
        default = None
        if self.take_op(":=") or self.take_words("DEFAULT"):
            default = self.expression()
        self.expect_op(";")
        return name, type_text, default

    def _statement(self) -> ast.Node:
        pos = self.token.start
        if self.take_words("NULL"):
            return ast.Simple(pos, "NULL")
        if self.is_word("BEGIN") or self.is_word("DECLARE"):
            return self._nested()
        if self.take_words("EXECUTE", "IMMEDIATE"):
            return ast.ExecuteImmediate(pos, self.expression())
        if self.is_word("SELECT") or self.is_word("WITH"):
            self._targets = ()
            query = self.query()
            if not self._targets:
                raise OracleError(6550, "PLS-00428: an INTO clause is expected", pos)
            return ast.SelectInto(pos, query, self._targets)
        if self.token.kind is T.WORD and self.token.value in (
            ["INSERT", "UPDATE", "DELETE", "COMMIT", "ROLLBACK", "SAVEPOINT", "SET"]
        ):
            return super().statement()
        target = self.expression()
        if self.take_op(":="):
            return ast.Assign(pos, target, self.condition())
        if isinstance(target, ast.Name):
            return ast.Call(pos, target.parts, parens=False)
        return target

    def _nested(self) -> ast.Node:
        pos = self.token.start
        self.expect_words("BEGIN")
        statements = []
        while not self.is_word("END"):
            statements.append(self._statement())
            self.expect_op(";")
        self.advance()
        return ast.Block(pos, (), tuple(statements))

    def _into(self) -> None:
        if self.take_words("INTO"):
            self._targets = self.separated(self._target)

    def _target(self) -> ast.Node:
        if self.token.kind is T.BIND:
            return self.bind()
        return ast.Name(self.token.start, (self.identifier(),))
