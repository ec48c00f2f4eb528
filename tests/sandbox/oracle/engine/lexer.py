"""Oracle SQL text to tokens, each with its place in the text.

Comments vanish (hints too: they change no result), q-quotes become plain strings, unquoted
names are folded to upper case. Errors carry Oracle's number and the offset.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from tests.sandbox.oracle.errors import OracleError


class T(Enum):
    """Kinds of token. `value` is folded for words, unquoted for strings and quoted names."""

    WORD = "word"
    QUOTED = "quoted name"
    NUMBER = "number"
    STRING = "string"
    BIND = "bind"
    OP = "operator"
    END = "end of text"


@dataclass(frozen=True, slots=True)
class Token:
    """`text[start:end]` of the statement; `value` is what it means."""

    kind: T
    value: str
    start: int
    end: int


_SPACE = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)+", re.DOTALL)
_WORD = re.compile(r"[^\W\d_][\w$#]*")
_NUMBER = re.compile(r"(?:\d+(?:\.(?!\.)\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?:[fFdD](?![\w$#]))?")
_STRING = re.compile(r"[nN]?'((?:[^']|'')*)'")
_Q_STRING = re.compile(r"[nN]?[qQ]'(.)", re.DOTALL)
_BIND = re.compile(r':\s*("[^"]+"|[^\W_][\w$#]*)')
_OP = re.compile(r"\|\||\*\*|:=|=>|\.\.|<=|>=|<>|!=|\^=|~=|[-+*/(),.=<>@%;:?\[\]{}!&^~|]")
_CLOSING = {"[": "]", "(": ")", "{": "}", "<": ">"}


def tokenize(sql: str) -> list[Token]:
    """All tokens of `sql`, the last one END. Raises ORA-00911, 01756, 01740, 01741."""
    tokens: list[Token] = []
    at = 0
    while at < len(sql):
        space = _SPACE.match(sql, at)
        if space:
            at = space.end()
            continue
        token = _next(sql, at)
        tokens.append(token)
        at = token.end
    tokens.append(Token(T.END, "", len(sql), len(sql)))
    return tokens


def _next(sql: str, at: int) -> Token:
    quoted = _quoted(sql, at)
    if quoted:
        return quoted
    for kind, pattern in ((T.NUMBER, _NUMBER), (T.WORD, _WORD)):
        match = pattern.match(sql, at)
        if match:
            return Token(kind, match.group().upper(), at, match.end())
    if sql[at] == ":" and sql[at + 1 : at + 2] != "=":
        match = _BIND.match(sql, at)
        if match:
            name = match.group(1)
            folded = name[1:-1] if name.startswith('"') else name.upper()
            return Token(T.BIND, folded, at, match.end())
    match = _OP.match(sql, at)
    if match:
        return Token(T.OP, match.group(), at, match.end())
    raise OracleError(911, "invalid character", at)


def _quoted(sql: str, at: int) -> Token | None:
    """A string of any quoting, or a quoted name, if one begins at `at`."""
    match = _Q_STRING.match(sql, at)
    if match:
        closing = _CLOSING.get(match.group(1), match.group(1)) + "'"
        end = sql.find(closing, match.end())
        if end < 0:
            raise OracleError(1756, "quoted string not properly terminated", at)
        return Token(T.STRING, sql[match.end() : end], at, end + 2)
    match = _STRING.match(sql, at)
    if match:
        return Token(T.STRING, match.group(1).replace("''", "'"), at, match.end())
    if sql[at] == "'":
        raise OracleError(1756, "quoted string not properly terminated", at)
    if sql[at] != '"':
        return None
    end = sql.find('"', at + 1)
    if end < 0:
        raise OracleError(1740, "missing double quote in identifier", at)
    if end == at + 1:
        raise OracleError(1741, "illegal zero-length identifier", at)
    return Token(T.QUOTED, sql[at + 1 : end], at, end + 1)
