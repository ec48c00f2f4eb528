"""Text to tree: what is recognised, and where errors are said to be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sandbox.oracle.engine import ast
from tests.sandbox.oracle.engine.lexer import T, tokenize
from tests.sandbox.oracle.engine.parser import parse
from tests.sandbox.oracle.errors import OracleError


@pytest.mark.parametrize(
    ("sql", "code", "offset"),
    [
        ("SELECT a FROM", 903, 13),
        ("SELECT FROM t", 936, 7),
        ("SELECT a, FROM t", 936, 10),
        ("SELECT a b c FROM t", 923, 11),
        ("SELECT 1", 923, 8),
        ("SELECT * FROM t WHERE", 936, 21),
        ("SELECT * FROM t WHERE a = = 1", 936, 26),
        ("SELECT * FROM t GROUP a", 924, 22),
        ("SELECT * FROM t ORDER a", 924, 22),
        ("SELECT (1 FROM dual", 907, 10),
        ("SELECT * FROM t x y", 933, 18),
        ("SELECT * FROM t AS x", 933, 16),
        ("SELECT * FROM t;", 911, 15),
        ("SELECT ? FROM t", 911, 7),
        ("SELECT 'a FROM t", 1756, 7),
        ('SELECT "a FROM t', 1740, 7),
        ('SELECT "" FROM t', 1741, 7),
        ("SELEC 1 FROM t", 900, 0),
        ("SELECT CASE WHEN 1 = 1 THEN 2 FROM dual", 905, 30),
        ("SELECT a FROM t WHERE a IS 5", 908, 27),
        ("INSERT INTO t (a) 5", 926, 18),
        ("UPDATE t a = 5", 971, 11),
    ],
)
def test_errors_carry_oracles_number_and_place(sql: str, code: int, offset: int) -> None:
    with pytest.raises(OracleError) as caught:
        parse(sql)
    assert (caught.value.code, caught.value.offset) == (code, offset)


@pytest.mark.parametrize(
    ("sql", "binds"),
    [
        ("SELECT :a, :b, :a FROM t", ["A", "B", "A"]),
        ("SELECT :1, ':no', \":no\", q'[:no]' FROM t -- :no\n WHERE x = /* :no */ :2", ["1", "2"]),
        ("BEGIN :x := :y + :x; END;", ["X", "Y"]),
        ("SELECT a FROM t AS OF SCN :scn WHERE b = :b", ["SCN", "B"]),
    ],
)
def test_binds_are_numbered_as_the_wire_sends_them(sql: str, binds: list[str]) -> None:
    assert parse(sql)[1] == binds


def test_as_of_belongs_to_its_table_and_the_alias_follows() -> None:
    query, _ = parse('SELECT v.a FROM "ERP"."V" AS OF SCN 5 v, t')
    assert isinstance(query, ast.Query)
    assert isinstance(query.body, ast.Select)
    first, second = query.body.sources
    assert isinstance(first, ast.TableRef)
    assert isinstance(second, ast.TableRef)
    assert first.parts == ("ERP", "V")
    assert first.alias == "V"
    assert first.as_of is not None
    assert second.as_of is None


@given(st.text())
def test_any_string_survives_quoting(text: str) -> None:
    quoted = "'" + text.replace("'", "''") + "'"
    token = tokenize(quoted)[0]
    assert (token.kind, token.value) == (T.STRING, text)


@given(st.text(max_size=200))
def test_garbage_is_an_oracle_error_or_a_statement(text: str) -> None:
    try:
        node, _ = parse(text)
    except OracleError:
        return
    assert isinstance(node, ast.Node)
