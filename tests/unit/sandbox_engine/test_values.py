"""Values of every type go in and come out digit for digit."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sandbox.oracle.engine import Database, exact, parse_type
from tests.sandbox.oracle.session import Bind, Kind
from tests.unit.sandbox_engine.asking import DS, NS, TZ, rows_of
from tests.unit.sandbox_engine.test_exact import numbers

FIRST, LAST = -62_135_596_800, 253_402_300_799
_seconds = st.integers(FIRST, LAST)
_nanos = st.integers(0, 999_999_999)
_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
_micros = st.integers(FIRST * 10**6, LAST * 10**6)


def _decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    limit = 10**precision - 1
    return st.integers(-limit, limit).map(lambda n: Decimal(n).scaleb(-scale, exact.CONTEXT))


def _span(total: int) -> dict[str, int]:
    sign = -1 if total < 0 else 1
    days, nanos = divmod(abs(total), 86400 * 10**9)
    return {"days": sign * days, "nanos": sign * nanos}


_zoned = st.fixed_dictionaries(
    {"seconds": _seconds, "nanos": _nanos, "offset": st.integers(-840, 840)}
)
CASES = {
    "NUMBER(38,0)": (pa.decimal128(38, 0), _decimals(38, 0)),
    "NUMBER(18,2)": (pa.decimal128(18, 2), _decimals(18, 2)),
    "NUMBER(38,20)": (pa.decimal128(38, 20), _decimals(38, 20)),
    "NUMBER": (pa.string(), numbers(38).map(exact.canonical)),
    "FLOAT(126)": (pa.string(), numbers(38).map(exact.canonical)),
    "BINARY_DOUBLE": (pa.float64(), st.floats()),
    "BINARY_FLOAT": (pa.float32(), st.floats(width=32)),
    "VARCHAR2(80)": (pa.string(), _text),
    "NVARCHAR2(80)": (pa.string(), _text),
    "CLOB": (pa.string(), _text.map(lambda text: text * 500)),
    "LONG": (pa.string(), _text),
    "RAW(80)": (pa.binary(), st.binary(max_size=80)),
    "BLOB": (pa.binary(), st.binary(max_size=2000)),
    "DATE": (pa.timestamp("s"), st.integers(-210_863_520_000, LAST)),
    "TIMESTAMP(6)": (pa.timestamp("us"), _micros),
    "TIMESTAMP(9)": (NS, st.fixed_dictionaries({"seconds": _seconds, "nanos": _nanos})),
    "TIMESTAMP(9) WITH TIME ZONE": (TZ, _zoned),
    "INTERVAL DAY(9) TO SECOND(9)": (
        DS,
        st.integers(-(10**9) * 86400 * 10**9, 10**9 * 86400 * 10**9).map(_span),
    ),
    "INTERVAL YEAR(9) TO MONTH": (pa.int32(), st.integers(-(10**9), 10**9)),
}


def _came_out(kind: str, value: object) -> object:
    """What Oracle gives back for what was put in."""
    return None if value in ("", b"") else value


def _same(left: object, right: object) -> bool:
    both_nan = isinstance(left, float) and isinstance(right, float) and math.isnan(left)
    return (both_nan and math.isnan(right)) or left == right


@pytest.mark.parametrize("kind", CASES)
@settings(max_examples=10)
@given(data=st.data())
def test_values_survive(kind: str, data: st.DataObject) -> None:
    arrow, strategy = CASES[kind]
    values = data.draw(st.lists(st.one_of(st.none(), strategy), min_size=1, max_size=20))
    array = pa.array(values, arrow)
    database = Database()
    try:
        database.add_user("U", "p")
        database.create_table("U", "T", [parse_type(kind, "X")], pa.table({"X": array}))
        batches = list(database.session_as("U").execute("SELECT x FROM t", []).batches)
    finally:
        database.close()
    column = pa.chunked_array([batch.column(0) for batch in batches])
    if pa.types.is_timestamp(arrow):
        got = column.cast(pa.timestamp("us")).cast(pa.int64()).to_pylist()
        factor = {"s": 10**6, "us": 1}[arrow.unit]
        assert got == [None if v is None else v * factor for v in values]
        return
    got = column.to_pylist()
    if kind in ("NUMBER", "FLOAT(126)") or kind.startswith("NUMBER"):
        got = [None if v is None else Decimal(v) for v in got]
        values = [None if v is None else Decimal(v) for v in values]
    expected = [_came_out(kind, v) for v in values]
    assert len(got) == len(expected)
    assert all(_same(a, b) for a, b in zip(got, expected, strict=True))


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(number=numbers(38), text=_text, moment=st.datetimes())
def test_binds_come_back(
    database: Database, number: Decimal, text: str, moment: dt.datetime
) -> None:
    session = database.session_as("ERP")
    row = rows_of(
        session,
        "SELECT :a, :b, :c FROM dual WHERE :a = :a",
        Bind(Kind.NUMBER, number),
        Bind(Kind.VARCHAR2, text),
        Bind(Kind.TIMESTAMP, moment),
        Bind(Kind.NUMBER, number),
        Bind(Kind.NUMBER, number),
    )[0]
    assert Decimal(str(row[0])) == Decimal(exact.canonical(number))
    assert row[1] == (text or None)
    assert row[2] == moment


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(a=_decimals(12, 2), b=_decimals(12, 5), n=st.integers(-3, 6))
def test_money_is_computed_exactly(database: Database, a: Decimal, b: Decimal, n: int) -> None:
    session = database.session_as("ERP")
    sql = f"SELECT {a} + {b}, {a} - {b}, {a} * {b}, ROUND({b}, {n}), TRUNC({b}, {n}) FROM dual"
    got = [Decimal(str(value)) for value in rows_of(session, sql)[0]]
    places = Decimal(n)
    assert got == [
        a + b,
        a - b,
        exact.CONTEXT.multiply(a, b),
        exact.rounded(b, places),
        exact.truncated(b, places),
    ]
