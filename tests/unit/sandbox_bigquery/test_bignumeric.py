"""BIGNUMERIC's stored pair, through DuckDB and Arrow and back."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sandbox.bigquery import bignumeric

LIMIT = 10**76
numbers = st.integers(-LIMIT + 1, LIMIT - 1).map(lambda n: Decimal(f"{n}E-38"))


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        bignumeric.register(connection)
        yield connection


@settings(max_examples=60)
@given(values=st.lists(st.none() | numbers, min_size=1, max_size=8))
def test_text_comes_back_as_it_went_in(
    duck: duckdb.DuckDBPyConnection, values: list[Decimal | None]
) -> None:
    texts = pa.table({"t": pa.array([None if v is None else f"{v:f}" for v in values])})
    duck.register("texts", texts)
    sql = f"SELECT {bignumeric.TO_TEXT}({bignumeric.FROM_TEXT}(t)) FROM texts"
    back = [row[0] for row in duck.execute(sql).fetchall()]
    assert [None if t is None else Decimal(t) for t in back] == values
    assert all(t is None or ("E" not in t and not t.endswith(".")) for t in back)


@settings(max_examples=60)
@given(values=st.lists(st.none() | numbers, min_size=2, max_size=8))
def test_arrow_decimals_keep_value_and_order(
    duck: duckdb.DuckDBPyConnection, values: list[Decimal | None]
) -> None:
    array = pa.array(values, pa.decimal256(76, 38)).slice(1)
    duck.register("pairs", pa.table({"b": bignumeric.arrow_from_decimals(array)}))
    sql = f"SELECT {bignumeric.TO_TEXT}(b) FROM pairs ORDER BY b NULLS LAST"
    found = [Decimal(row[0]) for row in duck.execute(sql).fetchall() if row[0] is not None]
    assert found == sorted(v for v in values[1:] if v is not None)


@settings(max_examples=40)
@given(values=st.lists(st.integers(-(10**60), 10**60), min_size=1, max_size=6))
def test_sums_are_exact(duck: duckdb.DuckDBPyConnection, values: list[int]) -> None:
    texts = pa.table({"t": [f"{Decimal(f'{v}E-38'):f}" for v in values]})
    duck.register("addends", texts)
    pairs = f"(SELECT {bignumeric.FROM_TEXT}(t) AS b FROM addends)"
    sql = f"SELECT {bignumeric.TO_TEXT}({bignumeric.SUM}(b)) FROM {pairs}"
    assert Decimal(duck.execute(sql).fetchone()[0]) == Decimal(f"{sum(values)}E-38")


@pytest.mark.parametrize("text", ["1" + "0" * 38, "1." + "0" * 38 + "1", "NaN", "abc", ""])
def test_what_does_not_fit_is_refused(duck: duckdb.DuckDBPyConnection, text: str) -> None:
    with pytest.raises(duckdb.Error, match="BIGNUMERIC"):
        duck.execute(f"SELECT {bignumeric.FROM_TEXT}('{text}')").fetchall()


def test_arithmetic_is_refused_rather_than_wrong(duck: duckdb.DuckDBPyConnection) -> None:
    for expression in ("{} + 1", "{} > 1", "sum({})"):
        value = f"{bignumeric.FROM_TEXT}('1.5')"
        with pytest.raises(duckdb.BinderException):
            duck.execute(f"SELECT {expression.format(value)}")
