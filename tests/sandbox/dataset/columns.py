"""Short names for Oracle column declarations, so that a table reads like its CREATE TABLE.

Every column is nullable unless `required` says otherwise.
"""

from __future__ import annotations

from dataclasses import replace

from tests.sandbox.oracle.session import Column, Kind


def required(column: Column) -> Column:
    """The same column, NOT NULL."""
    return replace(column, nullable=False)


def number(name: str, precision: int | None = None, scale: int | None = None) -> Column:
    """NUMBER, NUMBER(p) or NUMBER(p,s)."""
    if precision is not None and scale is None:
        scale = 0
    return Column(name, Kind.NUMBER, precision=precision, scale=scale)


def floating(name: str, binary_digits: int = 126) -> Column:
    """FLOAT(n): a NUMBER of n binary digits."""
    return Column(name, Kind.FLOAT, precision=binary_digits)


def varchar(name: str, length: int) -> Column:
    """VARCHAR2(length BYTE)."""
    return Column(name, Kind.VARCHAR2, length=length)


def varchar_chars(name: str, length: int) -> Column:
    """VARCHAR2(length CHAR)."""
    return Column(name, Kind.VARCHAR2, length=length, char_semantics=True)


def nvarchar(name: str, length: int) -> Column:
    """NVARCHAR2(length), in characters."""
    return Column(name, Kind.NVARCHAR2, length=length, char_semantics=True)


def char(name: str, length: int) -> Column:
    """CHAR(length BYTE); values come blank-padded."""
    return Column(name, Kind.CHAR, length=length)


def raw(name: str, length: int) -> Column:
    """RAW(length)."""
    return Column(name, Kind.RAW, length=length)


def date(name: str) -> Column:
    """DATE, which in Oracle has a time of day."""
    return Column(name, Kind.DATE)


def timestamp(name: str, digits: int = 6) -> Column:
    """TIMESTAMP(digits)."""
    return Column(name, Kind.TIMESTAMP, scale=digits)


def timestamp_tz(name: str, digits: int = 6) -> Column:
    """TIMESTAMP(digits) WITH TIME ZONE."""
    return Column(name, Kind.TIMESTAMP_TZ, scale=digits)


def timestamp_ltz(name: str, digits: int = 6) -> Column:
    """TIMESTAMP(digits) WITH LOCAL TIME ZONE."""
    return Column(name, Kind.TIMESTAMP_LTZ, scale=digits)


def interval_ds(name: str, days: int = 9, digits: int = 6) -> Column:
    """INTERVAL DAY(days) TO SECOND(digits)."""
    return Column(name, Kind.INTERVAL_DS, precision=days, scale=digits)


def interval_ym(name: str, years: int = 4) -> Column:
    """INTERVAL YEAR(years) TO MONTH."""
    return Column(name, Kind.INTERVAL_YM, precision=years, scale=0)


def large(name: str, kind: Kind) -> Column:
    """A column without a length: CLOB, NCLOB, BLOB, LONG, BINARY_FLOAT, BINARY_DOUBLE."""
    return Column(name, kind)
