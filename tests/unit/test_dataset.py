"""The seeded ERP before it meets any database: what its arrays hold."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sandbox.dataset.base import FIRST_ID, LATE_FIRST_ID, BaseTable, Recipe, Sizes
from tests.sandbox.dataset.postings import DOCUMENTS
from tests.sandbox.dataset.tables import base_tables
from tests.sandbox.dataset.values import decimals, plain_decimal, seconds_of
from tests.sandbox.dataset.views import VIEWS
from tests.sandbox.oracle.session import Column, Kind

TODAY = date(2026, 11, 23)
ROWS = 4_000
TEXT = (Kind.VARCHAR2, Kind.NVARCHAR2, Kind.CHAR)


def build(seed: int = 7, odd_dates: bool = False, rows: int = ROWS) -> dict[str, BaseTable]:
    recipe = Recipe(Sizes.of(rows), seed, TODAY, odd_dates)
    return {table.name: table for table in base_tables(recipe)}


@pytest.fixture(scope="module")
def tables() -> dict[str, BaseTable]:
    return build()


def test_same_seed_gives_same_rows(tables: dict[str, BaseTable]) -> None:
    again = build()
    assert all(table.rows.equals(again[name].rows) for name, table in tables.items())


def test_other_seed_gives_other_rows(tables: dict[str, BaseTable]) -> None:
    other = build(seed=8)
    assert not any(table.rows.equals(other[name].rows) for name, table in tables.items())


def test_views_hold_about_the_rows_asked_for(tables: dict[str, BaseTable]) -> None:
    in_views = [document[-1].table for document in DOCUMENTS]
    assert len(in_views) == len(VIEWS)
    held = sum(tables[name].rows.num_rows for name in in_views)
    assert abs(held - ROWS) < ROWS * 0.02


def test_arrays_are_well_formed(tables: dict[str, BaseTable]) -> None:
    for table in tables.values():
        table.rows.validate(full=True)


def test_every_value_fits_its_column(tables: dict[str, BaseTable]) -> None:
    for table in tables.values():
        for column in table.columns:
            check_fits(column, table.rows[column.name])


def check_fits(column: Column, values: pa.ChunkedArray) -> None:
    if not column.nullable:
        assert values.null_count == 0, column.name
    if column.kind in TEXT:
        measure = pc.utf8_length if column.char_semantics else pc.binary_length
        assert pc.max(measure(values)).as_py() <= (column.length or 0), column.name
        assert not pc.any(pc.equal(values, "")).as_py(), column.name
    if column.kind is Kind.CHAR:
        assert pc.min(pc.binary_length(values)).as_py() == column.length, column.name
    if column.kind is Kind.RAW:
        assert pc.max(pc.binary_length(values)).as_py() <= (column.length or 0), column.name
    if column.kind is Kind.NUMBER and column.precision is not None:
        # The cast fails when a value needs more digits.
        wide = values.cast(pa.decimal256(76, column.scale or 0))
        wide.cast(pa.decimal256(column.precision, column.scale or 0))


def test_every_nullable_column_has_nulls_and_values(tables: dict[str, BaseTable]) -> None:
    for table in tables.values():
        for column in table.columns:
            if column.nullable:
                values = table.rows[column.name]
                assert 0 < values.null_count < len(values), (table.name, column.name)


def test_every_oracle_type_occurs(tables: dict[str, BaseTable]) -> None:
    kinds = {column.kind for table in tables.values() for column in table.columns}
    # ROWID comes from the view V_PO_LISTING; NCHAR and LONG RAW are no finance department's.
    assert kinds == set(Kind) - {Kind.ROWID, Kind.NCHAR, Kind.LONG_RAW}
    digits = {
        column.scale
        for table in tables.values()
        for column in table.columns
        if column.kind is Kind.TIMESTAMP
    }
    assert digits == {0, 3, 6, 9}


def test_text_is_awkward_on_purpose(tables: dict[str, BaseTable]) -> None:
    texts = set(tables["AR_CASH_RECEIPTS_ALL"].rows["COMMENTS"].to_pylist()) - {None}
    for needle in ("\n", "\r\n", '"', ",", "\t", "\\N", "🚆", "ค่า", "\\"):
        assert any(needle in text for text in texts), repr(needle)


def test_nothing_is_dated_today_or_later(tables: dict[str, BaseTable]) -> None:
    for table in tables.values():
        stamps = table.rows["LAST_UPDATE_DATE"]
        if pa.types.is_struct(stamps.type):
            newest = pc.max(pc.struct_field(stamps, "seconds")).as_py() + 7 * 3600
        else:
            newest = seconds_of(pc.max(stamps).as_py())
        assert newest < seconds_of(TODAY), table.name


def test_documents_span_five_years(tables: dict[str, BaseTable]) -> None:
    days = tables["AR_CASH_RECEIPTS_ALL"].rows["RECEIPT_DATE"]
    years = {value.year for value in days.to_pylist()}
    assert years == {2022, 2023, 2024, 2025, 2026}


def test_money_has_signs_and_whole_yen(tables: dict[str, BaseTable]) -> None:
    rows = tables["AR_CASH_RECEIPTS_ALL"].rows
    amounts = rows["AMOUNT"].to_pylist()
    assert min(amounts) < 0 < max(amounts)
    yen = rows.filter(pc.equal(rows["CURRENCY_CODE"], "JPY"))["AMOUNT"].to_pylist()
    assert yen
    assert all(value == value.to_integral_value() for value in yen)


def test_bc_dates_only_when_asked(tables: dict[str, BaseTable]) -> None:
    usual = tables["GL_CODE_COMBINATIONS"].rows["END_DATE_ACTIVE"].cast(pa.int64())
    odd = build(odd_dates=True)["GL_CODE_COMBINATIONS"].rows["END_DATE_ACTIVE"].cast(pa.int64())
    year_one = int(np.datetime64("0001-01-01", "s").astype("i8"))
    assert pc.min(usual).as_py() > year_one
    assert pc.min(odd).as_py() < year_one
    assert pc.max(usual).as_py() == int(np.datetime64("9999-12-31", "s").astype("i8"))


def test_ids_run_without_gaps(tables: dict[str, BaseTable]) -> None:
    for document in DOCUMENTS:
        header = document[0]
        ids = tables[header.table].rows[header.id].to_pylist()
        assert ids == list(range(FIRST_ID, FIRST_ID + len(ids)))
        assert ids[-1] < LATE_FIRST_ID


@given(st.lists(st.integers(-(10**18) + 1, 10**18 - 1), max_size=20), st.integers(0, 18))
def test_decimals_are_exact(units: list[int], scale: int) -> None:
    array = decimals(np.array(units, dtype="i8"), 38, scale)
    assert array.to_pylist() == [Decimal(unit).scaleb(-scale) for unit in units]


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12, max_value=10**9))
def test_plain_decimal_keeps_the_value(value: Decimal) -> None:
    text = plain_decimal(value)
    assert Decimal(text) == value
    assert "E" not in text
    assert text == "0" or not text.endswith(".")
