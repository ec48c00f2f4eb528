"""Data that nobody here chose: every type with extreme values, a wide file from outside, odd dates."""

# ruff: noqa: DTZ001  A DATE of Oracle and a DATETIME of BigQuery have no zone.

from __future__ import annotations

import decimal
import itertools
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.acceptance.conftest import NewHouse
from tests.acceptance.house import House
from tests.acceptance.oracle import Oracle, loaded, same
from tests.sandbox.demo import STORE
from tests.sandbox.serve import Sandbox

MODES = ("csv", "dataframe")
ROWS = 40
_numbers = itertools.count(1)


def numbers(integers: int, fraction: int) -> st.SearchStrategy[decimal.Decimal]:
    """Decimals of up to so many digits on each side of the point, the widest among them."""
    most = 10 ** (integers + fraction) - 1
    unscaled = st.integers(-most, most) | st.sampled_from([0, 1, -1, most, -most])
    context = decimal.Context(prec=80)
    return unscaled.map(lambda value: decimal.Decimal(value).scaleb(-fraction, context))


def bare(value: decimal.Decimal) -> str:
    """What a NUMBER without precision can hold: 38 digits, wherever they are."""
    return str(value.normalize(decimal.Context(prec=38)))


MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999)) | (
    st.sampled_from([datetime(1, 1, 1), datetime(4712, 12, 31), datetime(9999, 12, 31, 23, 59, 59)])
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    ["", " ", '"', "\r\n", "a,b", "\\N", "NULL", "ไทย", "🙂", "\x00", "'", "=1+1", "\ufeffx"]
)
# Column → its Oracle type, the Arrow type that carries it into the sandbox, and its values.
COLUMNS: dict[str, tuple[str, pa.DataType, st.SearchStrategy[Any]]] = {
    "N18": ("NUMBER(18,0)", pa.int64(), st.integers(-(10**18) + 1, 10**18 - 1)),
    "N38": ("NUMBER(38,0)", pa.decimal128(38, 0), numbers(38, 0)),
    "N29_9": ("NUMBER(38,9)", pa.decimal128(38, 9), numbers(29, 9)),
    "N18_20": ("NUMBER(38,20)", pa.decimal128(38, 20), numbers(18, 20)),
    "N2_6": ("NUMBER(6,2)", pa.decimal128(6, 2), numbers(4, 2)),
    "NHUNDREDS": ("NUMBER(5,-2)", pa.int64(), st.integers(-99999, 99999).map(lambda n: n * 100)),
    "NBARE": ("NUMBER", pa.string(), (numbers(28, 0) | numbers(20, 18) | numbers(0, 38)).map(bare)),
    "F126": ("FLOAT(126)", pa.string(), numbers(20, 8).map(bare)),
    "BF": ("BINARY_FLOAT", pa.float32(), st.floats(width=32)),
    "BD": ("BINARY_DOUBLE", pa.float64(), st.floats()),
    "D": ("DATE", pa.timestamp("us"), MOMENTS.map(lambda value: value.replace(microsecond=0))),
    "DAY": ("DATE", pa.date32(), st.dates(date(1, 1, 1), date(9999, 12, 31))),
    "TS": ("TIMESTAMP(6)", pa.timestamp("us"), MOMENTS),
    "TZ": (
        "TIMESTAMP(6) WITH TIME ZONE",
        pa.timestamp("us", "UTC"),
        MOMENTS.map(lambda value: value.replace(tzinfo=UTC)),
    ),
    "V": ("VARCHAR2(4000)", pa.string(), TEXT),
    "NV": ("NVARCHAR2(200)", pa.string(), TEXT),
    "CH": ("CHAR(60 CHAR)", pa.string(), TEXT),
    "CL": ("CLOB", pa.large_string(), TEXT),
    "R": ("RAW(60)", pa.binary(), st.binary(max_size=60)),
    "BL": ("BLOB", pa.large_binary(), st.binary(max_size=300)),
    "SPAN": (
        "INTERVAL DAY(9) TO SECOND(6)",
        pa.duration("us"),
        st.timedeltas(timedelta(days=-99_999), timedelta(days=99_999)),
    ),
    "MONTHS": ("INTERVAL YEAR(4) TO MONTH", pa.int32(), st.integers(-119_987, 119_987)),
}


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """Forty rows in which each column goes round a few drawn values and NULL."""

    def column(kind: pa.DataType, values: st.SearchStrategy[Any]) -> pa.Array:
        drawn = draw(st.lists(st.none() | values, min_size=3, max_size=12))
        return pa.array(list(itertools.islice(itertools.cycle(drawn), ROWS)), kind)

    return pa.table(
        {name: column(kind, values) for name, (_, kind, values) in COLUMNS.items()}
        | {"ROW_NUMBER": pa.array(range(ROWS))}
    )


@pytest.fixture(scope="module")
def outside(new_house: NewHouse) -> House:
    """A house without sources."""
    house = new_house()
    house.sql("DELETE FROM data_source")
    return house


def served(erp: Sandbox, folder: Path, table: pa.Table, types: dict[str, str] | None) -> str:
    """Serve a Parquet file as a table of ERP; returns its name."""
    name = f"OUTSIDE_{next(_numbers)}"
    pq.write_table(table, folder / f"{name}.parquet")
    if types:
        (folder / f"{name}.json").write_text(json.dumps(types), encoding="utf-8")
    erp.load_table(folder / f"{name}.parquet")
    return name


def loads_alike(house: House, oracle: Oracle, name: str, **source: object) -> None:
    """Load a view in both modes and compare each target with Oracle."""
    values = {"view": f"ERP.{name}", "write_disposition": "replace", **source}
    house.add(values, store=STORE)
    dates: Sequence[str] = values.get("date_columns", ())  # type: ignore[assignment]
    for mode in MODES:
        house.run_one(name, "--mode", mode)
        same(loaded(house.target(name.lower())), oracle.rows(name, dates))


@settings(max_examples=4, suppress_health_check=list(HealthCheck))
@given(table=tables())
def test_every_value_of_every_type_arrives(
    erp: Sandbox,
    oracle: Oracle,
    outside: House,
    tmp_path_factory: pytest.TempPathFactory,
    table: pa.Table,
) -> None:
    types = {name: oracle_type for name, (oracle_type, _, _) in COLUMNS.items()}
    name = served(erp, tmp_path_factory.mktemp("parquet"), table, types)
    loads_alike(outside, oracle, name, date_columns=["DAY"])


def test_a_wide_file_from_outside(
    erp: Sandbox, oracle: Oracle, outside: House, tmp_path: Path
) -> None:
    """Nobody declared its types, and nobody thought of Oracle when it was named."""
    rows = 25
    kinds: dict[str, pa.Array] = {
        "flag": pa.array([True, None, False, True, False] * 5),
        "small": pa.array(range(rows), pa.int8()),
        "big": pa.array([2**63 - 1, -(2**63), 0, None, 7] * 5),
        "unsigned": pa.array([2**64 - 1, 0, 1, 2, None] * 5, pa.uint64()),
        "money": pa.array([decimal.Decimal("-0.01"), None] * 12 + [decimal.Decimal(3)]),
        "ratio": pa.array([0.1, float("nan"), float("inf"), -0.0, None] * 5),
        "day": pa.array(
            [date(1899, 12, 31), date(9999, 12, 31), None, date(2024, 2, 29)] * 6 + [None]
        ),
        "when": pa.array([datetime(2024, 2, 29, 23, 59, 59, 999_999)] * rows, pa.timestamp("us")),
        "zoned": pa.array(
            [datetime(2024, 3, 31, 1, 30)] * rows, pa.timestamp("ms", "Europe/Berlin")
        ),
        "clock": pa.array([time(23, 59, 59), None] * 12 + [time(0)], pa.time64("us")),
        "code": pa.array(["A", "ข", None, "", '"quoted"'] * 5).dictionary_encode(),
        "list": pa.array([[1, 2], [], None, [3], [None]] * 5),
        "blob": pa.array([b"\x00\xff", b"", None, b'"', b","] * 5),
        "nothing": pa.nulls(rows),
        "order": pa.array(range(rows)),
        "Größe in m²": pa.array([1.5] * rows),
        "งบประมาณ": pa.array(["๑๒๓"] * rows),
        "_partition_key": pa.array(["x"] * rows),
        "2nd": pa.array(["second"] * rows),
    }
    wide = {f"measure_{number:03d}": pa.array([number] * rows) for number in range(200)}
    name = served(erp, tmp_path, pa.table(kinds | wide), None)
    outside.add({"view": f"ERP.{name}", "write_disposition": "replace"}, store=STORE)
    expected = oracle.rows(name)
    for mode in MODES:
        outside.run_one(name, "--mode", mode)
        got = outside.target(name.lower())
        columns = [column for column in got[0] if column != "ImportedAt"]
        assert len(columns) == len(kinds) + len(wide)
        # Some names change on the way, so the rows are compared in the view's own order.
        back = dict(zip(columns, [*kinds, *wide], strict=True))
        renamed = [
            {back[column]: value for column, value in row.items() if column in back} for row in got
        ]
        same(loaded([{k.upper(): v for k, v in row.items()} for row in renamed]), expected)


def bc_table(oracle: Oracle) -> str:
    name = f"OLD_DATES_{next(_numbers)}"
    oracle.table(
        name,
        {"ID": "NUMBER(5)", "ENDS": "DATE", "AT": "TIMESTAMP(9)"},
        "1, DATE '-4712-01-01', NULL",
        "2, DATE '0001-01-01', TIMESTAMP '2026-01-01 10:00:00.123456789'",
        "3, DATE '9999-12-31', NULL",
    )
    return name


def test_dates_before_christ_fail_with_a_query_that_finds_them(
    oracle: Oracle, outside: House
) -> None:
    name = bc_table(oracle)
    outside.add({"view": f"ERP.{name}", "write_disposition": "replace"}, store=STORE)
    message = outside.fails(name, 5, "bad-dates")
    assert "1 values of ENDS are before year 1" in message
    assert f"SELECT * FROM ERP.{name} v WHERE" in message
    assert name.lower() not in outside.tables()


@pytest.mark.parametrize("mode", MODES)
def test_dates_before_christ_become_null_and_are_counted(
    oracle: Oracle, outside: House, mode: str
) -> None:
    name = bc_table(oracle)
    source = {"view": f"ERP.{name}", "write_disposition": "replace", "bad_dates": "null"}
    outside.add(source, store=STORE)
    told = outside.run_one(name, "--mode", mode)
    assert "1 values of ENDS are before year 1; NULL was loaded instead." in told["warnings"]
    rows = {row["id"]: (row["ends"], row["at"]) for row in outside.target(name.lower())}
    assert rows == {
        1: (None, None),
        2: (datetime(1, 1, 1), datetime(2026, 1, 1, 10, 0, 0, 123_456)),
        3: (datetime(9999, 12, 31), None),
    }


def test_a_value_that_does_not_fit_stops_the_run(oracle: Oracle, outside: House) -> None:
    name = f"HUGE_{next(_numbers)}"
    oracle.table(
        name,
        {"ID": "NUMBER(5)", "AMOUNT": "NUMBER", "QTY": "NUMBER(20,0)"},
        "1, 1E29, 1",
        "2, 5, 2",
    )
    outside.add({"view": f"ERP.{name}", "write_disposition": "replace"}, store=STORE)
    message = outside.fails(name, 5, "value-does-not-fit")
    assert "AMOUNT" in message and f"SELECT * FROM ERP.{name}" in message
    outside.change(name, column_types={"AMOUNT": "STRING", "QTY": "INT64"})
    outside.run_one(name)
    assert {row["amount"] for row in outside.target(name.lower())} == {"1" + "0" * 29, "5"}


def test_exact_numbers_refuse_what_would_be_rounded(oracle: Oracle, outside: House) -> None:
    name = f"FINE_{next(_numbers)}"
    oracle.table(name, {"ID": "NUMBER(5)", "RATE": "NUMBER"}, "1, 0.1234567895", "2, 0.5")
    outside.add({"view": f"ERP.{name}", "write_disposition": "replace"}, store=STORE)
    outside.change(name, bare_numbers="exact")
    message = outside.fails(name, 5, "value-does-not-fit")
    assert "RATE" in message
    outside.change(name, bare_numbers="round")
    outside.run_one(name)
    rates = {row["rate"] for row in outside.target(name.lower())}
    assert rates == {decimal.Decimal("0.123456790"), decimal.Decimal("0.5")}
