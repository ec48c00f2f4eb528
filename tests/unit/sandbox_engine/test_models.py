"""Format models of dates and numbers."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sandbox.oracle.engine.date_models import days_from_civil, parse_moment
from tests.sandbox.oracle.engine.number_models import format_number, parse_formatted
from tests.sandbox.oracle.errors import OracleError
from tests.unit.sandbox_engine.asking import Ask, naive

TODAY = naive("2026-03-29 00:00")
EPOCH = naive("1970-01-01 00:00")


@given(st.dates())
def test_days_of_a_date_are_pythons(day: dt.date) -> None:
    assert days_from_civil(day.year, day.month, day.day) == (day - dt.date(1970, 1, 1)).days


@pytest.mark.parametrize(
    ("text", "model", "expected"),
    [
        ("2024-02-29", "YYYY-MM-DD", naive("2024-02-29 00:00")),
        ("29-FEB-24", "DD-MON-RR", naive("2024-02-29 00:00")),
        ("01-jan-99", "DD-MON-RR", naive("1999-01-01 00:00")),
        ("01-January-2024", "DD-MON-YYYY", naive("2024-01-01 00:00")),
        ("2024/1/2 3:4", "YYYY-MM-DD HH24:MI:SS", naive("2024-01-02 03:04")),
        ("20240102", "YYYYMMDD", naive("2024-01-02 00:00")),
        ("12:30 AM", "HH:MI AM", naive("2026-03-01 00:30")),
        ("2024-060", "YYYY-DDD", naive("2024-02-29 00:00")),
        ("2440588", "J", naive("1970-01-01 00:00")),
        ("2024-01-01T05", 'YYYY-MM-DD"T"HH24', naive("2024-01-01 05:00")),
    ],
)
def test_dates_are_read(text: str, model: str, expected: dt.datetime) -> None:
    parsed = parse_moment(text, model, TODAY)
    assert EPOCH + dt.timedelta(seconds=parsed.seconds) == expected


@pytest.mark.parametrize(
    ("text", "model", "code"),
    [
        ("2024-13-01", "YYYY-MM-DD", 1843),
        ("2024-02-30", "YYYY-MM-DD", 1839),
        ("2024-02-32", "YYYY-MM-DD", 1847),
        ("2024-02-01x", "YYYY-MM-DD", 1830),
        ("2024-02", "YYYY-MM-DD", 1840),
        ("abcd", "YYYY", 1858),
        ("0000-01-01", "YYYY-MM-DD", 1841),
        ("2024-01-01 25", "YYYY-MM-DD HH24", 1850),
        ("13 AM", "HH AM", 1849),
        ("2024", "QQQQ!", 1820),
        ("x", "foo", 1821),
        ("2024X01", 'YYYY"T"MM', 1861),
    ],
)
def test_what_cannot_be_read_has_oracles_number(text: str, model: str, code: int) -> None:
    with pytest.raises(OracleError) as caught:
        parse_moment(text, model, TODAY)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("model", "text"),
    [
        ("YYYY-MM-DD HH24:MI:SS", "2024-01-05 15:04:09"),
        ("DD-MON-RR", "05-JAN-24"),
        ("FMDD Month YYYY", "5 January 2024"),
        ("Day, DDth", "Friday   , 05TH"),
        ("Q WW IW D DDD J", "1 01 01 6 005 2460315"),
        ("HH:MI AM", "03:04 PM"),
        ("SYYYY B.C.", " 2024 A.D."),
        ('YYYY"T"MM', "2024T01"),
        ("SSSSS", "54249"),
    ],
)
def test_to_char_of_a_date(ask: Ask, model: str, text: str) -> None:
    sql = "SELECT TO_CHAR(CAST(TIMESTAMP '2024-01-05 15:04:09' AS DATE), '{}') FROM dual"
    assert ask(sql.format(model)) == [(text,)]


@given(st.datetimes(naive("0001-01-01 00:00"), naive("9999-12-31 00:00")))
def test_a_date_written_in_full_is_read_back(moment: dt.datetime) -> None:
    text = moment.isoformat(sep=" ", timespec="microseconds")
    parsed = parse_moment(text, "YYYY-MM-DD HH24:MI:SS.FF6", TODAY)
    assert EPOCH + dt.timedelta(seconds=parsed.seconds) == moment.replace(microsecond=0)
    assert parsed.nanos == moment.microsecond * 1000


@pytest.mark.parametrize(
    ("number", "model", "text"),
    [
        ("1234567.891", "FM999,999,990.00", "1,234,567.89"),
        ("1234.5", "9G999D99", " 1,234.50"),
        ("0", "0.00", " 0.00"),
        ("0.5", "9.9", "  .5"),
        ("0.5", "FM990.09", "0.5"),
        ("-5", "999", "  -5"),
        ("5", "S99", " +5"),
        ("-5", "99MI", " 5-"),
        ("-1.5", "9.9PR", "<1.5>"),
        ("123", "99", "###"),
        ("12", "00009", " 00012"),
        ("255", "XX", " FF"),
        ("1234.5", "$9,999.99", " $1,234.50"),
        ("0.1", "TM9", ".1"),
    ],
)
def test_to_char_of_a_number(number: str, model: str, text: str) -> None:
    assert format_number(number, model) == text


def test_decimal_characters_follow_the_session() -> None:
    assert format_number("1234.5", "9G999D99", ",.") == " 1.234,50"
    assert parse_formatted("1.234,5", "9G999D99", ",.") == "1234.5"
    with pytest.raises(OracleError, match="ORA-01722"):
        parse_formatted("1;5", "99")
