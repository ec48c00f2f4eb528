"""Single values on the wire: vectors of the protocol, and round trips of anything."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Context, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sandbox.oracle import types
from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.session import Column, Kind

NUMBERS = [
    ("0", "80"),
    ("1", "C102"),
    ("100", "C202"),
    ("123", "C20218"),
    ("-1", "3E6466"),
    ("-123", "3D644E66"),
    ("0.1", "C00B"),
    ("0.001", "BF0B"),
    ("123.45", "C202182E"),
    ("-123.45", "3D644E3866"),
    ("1E125", "FF0B"),
    ("1E-20", "B702"),
    ("1E-130", "8002"),
    ("-1E125", "005B66"),
]


@pytest.mark.parametrize(("text", "encoded"), NUMBERS)
def test_number_vectors(text: str, encoded: str) -> None:
    assert types.encode_number(text).hex().upper() == encoded
    assert types.encode_number(Decimal(text)).hex().upper() == encoded
    assert types.decode_number(bytes.fromhex(encoded)) == Decimal(text)


@given(st.integers(-(10**40) + 1, 10**40 - 1), st.integers(-130, 85))
def test_any_number_survives(digits: int, exponent: int) -> None:
    value = Decimal(digits).scaleb(exponent, Context(prec=80))
    # Forty digits that start in the middle of a pair need twenty-one pairs.
    try:
        encoded = types.encode_number(value)
    except OracleError as error:
        assert error.code == 1426
        assert abs(digits) >= 10**38 or abs(value) < Decimal("1E-130")
        return
    assert types.decode_number(encoded) == value


@pytest.mark.parametrize("value", ["1E126", "1E-131", "9" * 41, "1" + "0" * 39 + "1.5"])
def test_a_number_out_of_range_is_an_error_and_never_rounded(value: str) -> None:
    with pytest.raises(OracleError, match="ORA-01426"):
        types.encode_number(value)


@pytest.mark.parametrize("value", ["", "x", "1e", "--1", ".", "1_0", float("nan"), float("inf")])
def test_what_is_no_number_is_ora_01722(value: str | float) -> None:
    with pytest.raises(OracleError, match="ORA-01722"):
        types.encode_number(value)


MOMENT = dt.datetime(2024, 2, 29, 13, 14, 15, 123456)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("value", "wire_type", "encoded"),
    [
        (MOMENT, types.DATE, "787C021D0E0F10"),
        (MOMENT, types.TIMESTAMP, "787C021D0E0F10075BCA00"),
        (MOMENT.replace(microsecond=0), types.TIMESTAMP, "787C021D0E0F10"),
        (
            MOMENT.replace(tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30))),
            types.TIMESTAMP_TZ,
            "787C021D082D10075BCA00195A",
        ),
        (
            MOMENT.replace(tzinfo=dt.timezone(-dt.timedelta(hours=3, minutes=30))),
            types.TIMESTAMP_TZ,
            "787C021D112D10075BCA00111E",
        ),
    ],
)
def test_datetime_vectors(value: dt.datetime, wire_type: int, encoded: str) -> None:
    data = types.encode_datetime(value, wire_type)
    assert data.hex().upper() == encoded
    expected = value.replace(microsecond=0) if wire_type == types.DATE else value
    assert types.decode_datetime(data) == expected


@given(st.datetimes(timezones=st.none()))
def test_any_timestamp_survives(value: dt.datetime) -> None:
    assert types.decode_datetime(types.encode_datetime(value, types.TIMESTAMP)) == value


@given(
    st.datetimes(min_value=dt.datetime(2, 1, 1), max_value=dt.datetime(9998, 1, 1)),  # noqa: DTZ001
    st.integers(-15 * 60 + 1, 15 * 60 - 1),
)
def test_any_zoned_timestamp_survives(value: dt.datetime, minutes: int) -> None:
    aware = value.replace(tzinfo=dt.timezone(dt.timedelta(minutes=minutes)))
    decoded = types.decode_datetime(types.encode_datetime(aware, types.TIMESTAMP_TZ))
    assert decoded == aware
    assert decoded.utcoffset() == aware.utcoffset()


@pytest.mark.parametrize(("year", "encoded"), [(-4712, "3558"), (9999, "C7C7"), (1, "6465")])
def test_years_at_the_limits(year: int, encoded: str) -> None:
    assert types.encode_date(year, 1, 1, 0, 0, 0)[:2].hex().upper() == encoded


def test_a_year_that_python_has_not_is_an_oracle_error() -> None:
    with pytest.raises(OracleError, match="ORA-01841"):
        types.decode_datetime(types.encode_date(-4712, 1, 1, 0, 0, 0))


def test_interval_vector() -> None:
    value = -dt.timedelta(days=3) + dt.timedelta(seconds=4, microseconds=5)
    assert types.decode_timedelta(types.encode_timedelta(value)) == value
    mixed = bytes.fromhex("7FFFFFFD3C3C4080001388")
    assert types.decode_timedelta(mixed) == value


@given(st.timedeltas())
def test_any_interval_survives(value: dt.timedelta) -> None:
    assert types.decode_timedelta(types.encode_timedelta(value)) == value


@given(st.integers(-(10**9), 10**9))
def test_any_interval_of_months_survives(months: int) -> None:
    assert types.decode_interval_ym(types.encode_interval_ym(months)) == months


@pytest.mark.parametrize(
    ("value", "wire_type", "encoded"),
    [
        (1.5, types.BINARY_DOUBLE, "BFF8000000000000"),
        (-2.25, types.BINARY_DOUBLE, "3FFDFFFFFFFFFFFF"),
        (1.5, types.BINARY_FLOAT, "BFC00000"),
    ],
)
def test_binary_float_vectors(value: float, wire_type: int, encoded: str) -> None:
    assert types.encode_binary_float(value, wire_type).hex().upper() == encoded


@given(st.floats())
def test_any_double_survives(value: float) -> None:
    decoded = types.decode_binary_float(types.encode_binary_float(value, types.BINARY_DOUBLE))
    assert math.isnan(decoded) if math.isnan(value) else decoded == value
    assert math.copysign(1, decoded) == math.copysign(1, value)


def test_rowid_vector() -> None:
    assert types.encode_rowid("AAASdqAAEAAAAInAAA").hex().upper() == "0E0301276A01040002022700"


@pytest.mark.parametrize("text", ["", "AAASdqAAEAAAAInAA", "AAASdqAAEAAAAInAA!", "/" * 18])
def test_a_malformed_rowid_is_ora_01410(text: str) -> None:
    with pytest.raises(OracleError, match="ORA-01410"):
        types.encode_rowid(text)


@pytest.mark.parametrize(
    ("column", "precision", "scale", "buffer_size", "max_size"),
    [
        (Column("A", Kind.NUMBER, 7, 2), 7, 2, 22, 0),
        (Column("A", Kind.NUMBER), 0, -127, 22, 0),
        (Column("A", Kind.NUMBER, None, 0), 38, 0, 22, 0),
        (Column("A", Kind.FLOAT), 126, -127, 22, 0),
        (Column("A", Kind.VARCHAR2, length=10), 0, 0, 10, 10),
        (Column("A", Kind.VARCHAR2, length=10, char_semantics=True), 0, 0, 40, 10),
        (Column("A", Kind.NVARCHAR2, length=20), 0, 0, 40, 20),
        (Column("A", Kind.VARCHAR2, length=0), 0, 0, 4000, 4000),
        (Column("A", Kind.RAW, length=16), 0, 0, 16, 0),
        (Column("A", Kind.TIMESTAMP, scale=3), 0, 3, 11, 0),
        (Column("A", Kind.INTERVAL_DS), 2, 6, 11, 0),
    ],
)
def test_describe(
    column: Column, precision: int, scale: int, buffer_size: int, max_size: int
) -> None:
    wire = types.describe(column)
    assert (wire.precision, wire.scale) == (precision, scale)
    assert (wire.buffer_size, wire.max_size) == (buffer_size, max_size)


@pytest.mark.parametrize("kind", list(Kind))
def test_no_column_is_described_with_a_buffer_of_nothing(kind: Kind) -> None:
    assert types.describe(Column("A", kind, length=0)).buffer_size > 0
