"""Bind values: the type a translation assumes, and the value DuckDB is given."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from tests.sandbox.oracle.engine import exact
from tests.sandbox.oracle.engine.types import (
    BINARY_KINDS,
    DOUBLE,
    NULL,
    NUMBER,
    TEXT_KINDS,
    Ty,
    interval_ds,
    number,
    timestamp_tz,
)
from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.session import Bind, Kind


def type_and_value(bind: Bind) -> tuple[Ty, object]:
    """The Oracle type of a bind, and its value as DuckDB takes it.

    Numbers come as one of three widths, so that a statement has few translations.
    """
    value = bind.value
    if bind.kind in TEXT_KINDS:
        return _text(bind, value)
    if value is None:
        return _null_type(bind.kind), None
    if bind.kind in (Kind.NUMBER, Kind.FLOAT) or isinstance(value, bool):
        return _number(value)
    if bind.kind in (Kind.BINARY_FLOAT, Kind.BINARY_DOUBLE):
        return Ty(bind.kind), value
    if bind.kind in BINARY_KINDS:
        return (Ty(Kind.RAW, length=max(len(value), 1)), value) if value else (NULL, None)  # type: ignore[arg-type]
    if bind.kind is Kind.INTERVAL_DS and isinstance(value, dt.timedelta):
        return interval_ds(), _span(value)
    if bind.kind is Kind.INTERVAL_YM:
        return Ty(Kind.INTERVAL_YM, precision=9, scale=0), value
    return _moment(bind.kind, value)


def _null_type(kind: Kind) -> Ty:
    if kind in (Kind.NUMBER, Kind.FLOAT):
        return number(1)
    if kind in BINARY_KINDS:
        return Ty(Kind.RAW, length=1)
    scale = None if kind is Kind.DATE else 6
    return Ty(kind, scale=scale)


def _text(bind: Bind, value: object) -> tuple[Ty, object]:
    """A string; '' is NULL. A bare None arrives as a VARCHAR2 and converts to anything."""
    if value is None or value == "":
        return NULL, None
    text = str(value)
    if bind.kind in (Kind.CLOB, Kind.NCLOB, Kind.LONG):
        return Ty(bind.kind), text
    size = len(text.encode())
    length = next(n for n in (32, 128, 4000, 32767, 2**31) if size <= n)
    if bind.kind in (Kind.NCHAR, Kind.NVARCHAR2):
        return Ty(bind.kind, length=length, char_semantics=True), text
    return Ty(bind.kind, length=length), text


def _number(value: object) -> tuple[Ty, object]:
    try:
        exactly = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)  # type: ignore[arg-type]
    except ArithmeticError:
        raise OracleError(1722, "invalid number") from None
    text = exact.canonical(exactly)
    whole, _, fraction = text.lstrip("-").partition(".")
    if not fraction and len(whole) <= 18:
        return number(18), text
    if not fraction and len(whole) <= 38:
        return number(38), text
    if len(whole) <= 18 and len(fraction) <= 10:
        return number(28, 10), text
    return NUMBER, text


def _span(value: dt.timedelta) -> dict[str, int]:
    micros = value // dt.timedelta(microseconds=1)
    sign = -1 if micros < 0 else 1
    days, rest = divmod(abs(micros), 86_400_000_000)
    return {"days": sign * days, "nanos": sign * rest * 1000}


def _moment(kind: Kind, value: object) -> tuple[Ty, object]:
    if not isinstance(value, dt.datetime):
        if not isinstance(value, dt.date):
            raise OracleError(932, "inconsistent datatypes: expected DATE got " + kind.value)
        value = dt.datetime(value.year, value.month, value.day)  # noqa: DTZ001
    if kind is Kind.DATE:
        return Ty(Kind.DATE), value.replace(microsecond=0, tzinfo=None)
    if kind is Kind.TIMESTAMP_TZ or value.tzinfo is not None:
        return timestamp_tz(6), _zoned(value)
    return Ty(kind, scale=6), value


def _zoned(value: dt.datetime) -> dict[str, int]:
    aware = value if value.tzinfo is not None else value.replace(tzinfo=dt.UTC)
    offset = aware.utcoffset() or dt.timedelta()
    elapsed = aware - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    seconds = elapsed // dt.timedelta(seconds=1)
    return {
        "seconds": seconds,
        "nanos": aware.microsecond * 1000,
        "offset": int(offset.total_seconds() // 60),
    }


def python_value(value: object, ty: Ty) -> object:
    """An OUT value as the seam carries it, from what DuckDB's fetch gives."""
    if value is None:
        return None
    if ty.kind in (Kind.NUMBER, Kind.FLOAT):
        number_value = Decimal(str(value))
        return (
            int(number_value) if number_value == number_value.to_integral_value() else number_value
        )
    if ty.kind is Kind.INTERVAL_DS and isinstance(value, dict):
        return dt.timedelta(days=value["days"], microseconds=value["nanos"] // 1000)
    if ty.kind is Kind.TIMESTAMP_TZ and isinstance(value, dict):
        zone = dt.timezone(dt.timedelta(minutes=value["offset"]))
        moment = dt.datetime.fromtimestamp(value["seconds"], dt.UTC)
        return moment.astimezone(zone) + dt.timedelta(microseconds=value["nanos"] // 1000)
    if isinstance(value, dict):
        moment = dt.datetime(1970, 1, 1) + dt.timedelta(seconds=value["seconds"])  # noqa: DTZ001
        return moment + dt.timedelta(microseconds=value["nanos"] // 1000)
    return value


def out_type(bind: Bind) -> Ty:
    """The type that an OUT bind wants its value in."""
    if bind.kind in (Kind.NUMBER, Kind.FLOAT):
        return NUMBER
    if bind.kind in (Kind.BINARY_FLOAT, Kind.BINARY_DOUBLE):
        return DOUBLE
    if bind.kind in BINARY_KINDS:
        return Ty(Kind.RAW, length=32767)
    if bind.kind in TEXT_KINDS:
        return Ty(Kind.VARCHAR2, length=bind.max_size or 32767)
    return Ty(bind.kind, scale=None if bind.kind is Kind.DATE else 6)
