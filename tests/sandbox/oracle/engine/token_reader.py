"""Reading tokens one after another, with Oracle's errors at the one not yet read."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tests.sandbox.oracle.engine.lexer import T, Token, tokenize
from tests.sandbox.oracle.errors import OracleError

if TYPE_CHECKING:
    from collections.abc import Callable

V = TypeVar("V")
RESERVED = frozenset(
    [
        "ACCESS",
        "ADD",
        "ALL",
        "ALTER",
        "AND",
        "ANY",
        "AS",
        "ASC",
        "AUDIT",
        "BETWEEN",
        "BY",
        "CHAR",
        "CHECK",
        "CLUSTER",
        "COLUMN",
        "COMMENT",
        "COMPRESS",
        "CONNECT",
        "CREATE",
        "CURRENT",
        "DATE",
        "DECIMAL",
        "DEFAULT",
        "DELETE",
        "DESC",
        "DISTINCT",
        "DROP",
        "ELSE",
        "EXCLUSIVE",
        "EXISTS",
        "FILE",
        "FLOAT",
        "FOR",
        "FROM",
        "GRANT",
        "GROUP",
        "HAVING",
        "IDENTIFIED",
        "IMMEDIATE",
        "IN",
        "INCREMENT",
        "INDEX",
        "INITIAL",
        "INSERT",
        "INTEGER",
        "INTERSECT",
        "INTO",
        "IS",
        "LIKE",
        "LOCK",
        "LONG",
        "MAXEXTENTS",
        "MINUS",
        "MODE",
        "MODIFY",
        "NOAUDIT",
        "NOCOMPRESS",
        "NOT",
        "NOWAIT",
        "NULL",
        "NUMBER",
        "OF",
        "OFFLINE",
        "ON",
        "ONLINE",
        "OPTION",
        "OR",
        "ORDER",
        "PCTFREE",
        "PRIOR",
        "PUBLIC",
        "RAW",
        "RENAME",
        "RESOURCE",
        "REVOKE",
        "ROW",
        "ROWS",
        "SELECT",
        "SESSION",
        "SET",
        "SHARE",
        "SIZE",
        "SMALLINT",
        "START",
        "SUCCESSFUL",
        "SYNONYM",
        "TABLE",
        "THEN",
        "TO",
        "TRIGGER",
        "UNION",
        "UNIQUE",
        "UPDATE",
        "VALIDATE",
        "VALUES",
        "VARCHAR",
        "VARCHAR2",
        "VIEW",
        "WHENEVER",
        "WHERE",
        "WITH",
    ]
)


class TokenReader:
    """The tokens of one statement and the place reached in them."""

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self.tokens = tokenize(sql)
        self.at = 0

    @property
    def token(self) -> Token:
        """The token not yet read."""
        return self.tokens[self.at]

    def peek(self, distance: int = 1) -> Token:
        """A token further on; END when past it."""
        return self.tokens[min(self.at + distance, len(self.tokens) - 1)]

    def advance(self) -> Token:
        """Read one token."""
        token = self.token
        if token.kind is not T.END:
            self.at += 1
        return token

    def is_word(self, *words: str, ahead: int = 0) -> bool:
        """True when the coming tokens are these words."""
        return all(
            self.peek(ahead + i).kind is T.WORD and self.peek(ahead + i).value == word
            for i, word in enumerate(words)
        )

    def is_op(self, *ops: str, ahead: int = 0) -> bool:
        """True when the coming token is one of these operators."""
        token = self.peek(ahead)
        return token.kind is T.OP and token.value in ops

    def take_words(self, *words: str) -> bool:
        """Read these words if they come next."""
        if not self.is_word(*words):
            return False
        self.at += len(words)
        return True

    def take_op(self, op: str) -> bool:
        """Read this operator if it comes next."""
        if not self.is_op(op):
            return False
        self.at += 1
        return True

    def fail(self, code: int, text: str) -> OracleError:
        """An error at the token not yet read."""
        if self.is_op("?", ";", "!", "&", "{", "}", "[", "]", "~", "|"):
            return OracleError(911, "invalid character", self.token.start)
        return OracleError(code, text, self.token.start)

    def expect_op(self, op: str) -> None:
        """Read this operator or raise ORA-00906 / ORA-00907."""
        if self.take_op(op):
            return
        if op == ")":
            raise self.fail(907, "missing right parenthesis")
        if op == "(":
            raise self.fail(906, "missing left parenthesis")
        raise self.fail(905, "missing keyword")

    def expect_words(self, *words: str) -> None:
        """Read these words or raise ORA-00905."""
        if not self.take_words(*words):
            raise self.fail(905, "missing keyword")

    def identifier(self) -> str:
        """Read one identifier or raise ORA-00904-like trouble as Oracle's 01747."""
        token = self.token
        if token.kind is T.QUOTED or (token.kind is T.WORD and token.value not in RESERVED):
            if len(token.value.encode()) > 128:
                raise self.fail(972, "identifier is too long")
            self.at += 1
            return token.value
        raise self.fail(1747, "invalid user.table.column, table.column, or column specification")

    def separated(self, parse: Callable[[], V]) -> tuple[V, ...]:
        """One or more of something, separated by commas."""
        found = [parse()]
        while self.take_op(","):
            found.append(parse())
        return tuple(found)
