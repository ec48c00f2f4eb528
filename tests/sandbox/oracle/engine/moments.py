"""Dates, timestamps and intervals: literals, arithmetic, EXTRACT, TRUNC, ROUND."""

from __future__ import annotations

import re
from decimal import Decimal

from tests.sandbox.oracle.engine import ast, convert
from tests.sandbox.oracle.engine.convert import Expr, Settings
from tests.sandbox.oracle.engine.date_models import days_from_civil
from tests.sandbox.oracle.engine.types import (
    DATE,
    INTERVAL_KINDS,
    MOMENT_KINDS,
    NUMBER_KINDS,
    Ty,
    interval_ds,
    number,
    timestamp,
    timestamp_tz,
    unify,
)
from tests.sandbox.oracle.engine.zones import zone
from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.session import Kind

_LITERAL = re.compile(
    r"^\s*([+-]?\d{1,4})-(\d{1,2})-(\d{1,2})"
    r"(?:\s+(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,9}))?)?\s*(.*?))?\s*$"
)


def literal(node: ast.Moment) -> Expr:
    """DATE '...' or TIMESTAMP '...[ zone]'. Raises ORA-01847, 01843, 01861 and so on."""
    match = _LITERAL.match(node.text)
    if match is None or (node.type == "DATE" and match.group(4)):
        raise OracleError(1861, "literal does not match format string", node.pos)
    seconds = _literal_seconds(match, node.pos)
    fraction = match.group(7) or ""
    nanos = int(fraction.ljust(9, "0"))
    if node.type == "DATE":
        return Expr(f"make_timestamp(CAST({seconds} AS BIGINT) * 1000000)", DATE, False)
    scale = len(fraction)
    if match.group(8):
        return _zoned_literal(seconds, nanos, scale, match.group(8))
    if scale > 6:
        return Expr(f"ns_with({seconds}, {nanos})", timestamp(scale), False)
    micros = seconds * 1_000_000 + nanos // 1000
    return Expr(f"make_timestamp(CAST({micros} AS BIGINT))", timestamp(scale), False)


def _literal_seconds(match: re.Match[str], pos: int) -> int:
    year, month, day = (int(match.group(i)) for i in (1, 2, 3))
    clock = [int(match.group(i) or 0) for i in (4, 5, 6)]
    if year == 0 or not -4713 < year < 10000:
        raise OracleError(1841, "(full) year must be between -4713 and +9999, and not be 0", pos)
    if not 1 <= month <= 12:
        raise OracleError(1843, "not a valid month", pos)
    following = (year + month // 12, month % 12 + 1)
    length = days_from_civil(*following, 1) - days_from_civil(year, month, 1)
    if not 1 <= day <= 31:
        raise OracleError(1847, "day of month must be between 1 and last day of month", pos)
    if day > length:
        raise OracleError(1839, "date not valid for month specified", pos)
    if clock[0] > 23 or clock[1] > 59 or clock[2] > 59:
        raise OracleError(1850, "hour must be between 0 and 23", pos)
    return days_from_civil(year, month, day) * 86400 + clock[0] * 3600 + clock[1] * 60 + clock[2]


def _zoned_literal(seconds: int, nanos: int, scale: int, name: str) -> Expr:
    where = zone(name)
    utc = where.to_utc(f"make_timestamp(CAST({seconds * 1_000_000} AS BIGINT))")
    ty = timestamp_tz(scale)
    return Expr(f"tz_pack(us_seconds({utc}), {nanos}, {where.offset(utc)})", ty, False)


# -- arithmetic -------------------------------------------------------------------------------


def arithmetic(op: str, left: Expr, right: Expr, settings: Settings) -> Expr:
    """`+` and `-` with moments and intervals, `*` and `/` of an interval by a number."""
    a, b = left.ty.kind, right.ty.kind
    if a in MOMENT_KINDS and b in MOMENT_KINDS and op == "-" and not right.ty.null:
        return _difference(left, right, settings)
    if a in MOMENT_KINDS and b in INTERVAL_KINDS and op in "+-":
        return _plus_interval(left, right, 1 if op == "+" else -1, settings)
    if a in INTERVAL_KINDS and b in MOMENT_KINDS and op == "+":
        return _plus_interval(right, left, 1, settings)
    if a in INTERVAL_KINDS and b in INTERVAL_KINDS and a is b and op in "+-":
        return _sum_of_intervals(op, left, right)
    if a in MOMENT_KINDS and op in "+-" and b not in MOMENT_KINDS:
        return _plus_days(left, right, "" if op == "+" else "-", settings)
    if b in MOMENT_KINDS and op == "+" and a not in MOMENT_KINDS:
        return _plus_days(right, left, "", settings)
    if a in INTERVAL_KINDS and op in "*/":
        return _scaled_interval(left, op, right)
    if b in INTERVAL_KINDS and op == "*":
        return _scaled_interval(right, op, left)
    if a in MOMENT_KINDS and b in MOMENT_KINDS and op == "+":
        raise OracleError(975, "date + date not allowed")
    raise convert.inconsistent("NUMBER", left.ty if a in MOMENT_KINDS else right.ty)


def _difference(left: Expr, right: Expr, settings: Settings) -> Expr:
    nullable = left.nullable or right.nullable
    if left.ty.kind is Kind.DATE and right.ty.kind is Kind.DATE:
        return Expr(f"days_between({left.sql}, {right.sql})", number(28, 18), nullable)
    common = unify([left.ty, right.ty])
    if common.kind in (Kind.TIMESTAMP_TZ, Kind.TIMESTAMP_LTZ):
        a, b = convert.instant(left, settings), convert.instant(right, settings)
    else:
        a, b = convert.naive(left, settings), convert.naive(right, settings)
    if a.ty.fine or b.ty.fine:
        sides = [v.sql if v.ty.fine else f"us_ns({v.sql})" for v in (a, b)]
        return Expr(f"ns_difference({sides[0]}, {sides[1]})", interval_ds(), nullable)
    return Expr(f"us_difference({a.sql}, {b.sql})", interval_ds(), nullable)


def _plus_days(value: Expr, days: Expr, sign: str, settings: Settings) -> Expr:
    count = convert.numeric(days)
    if count.ty.kind not in NUMBER_KINDS:
        count = convert.exact_number(count)
    body = count.sql if count.ty.digits else f"n_round({count.sql}, '18')"
    base = convert.to_moment_type(value, DATE, settings).sql
    nullable = value.nullable or days.nullable
    return Expr(f"us_plus_days({base}, {sign}{_as_days(body)})", DATE, nullable)


def _as_days(body: str) -> str:
    return f"CAST({body} AS DECIMAL(28,18))"


def _plus_interval(value: Expr, span: Expr, sign: int, settings: Settings) -> Expr:
    nullable = value.nullable or span.nullable
    if span.ty.kind is Kind.INTERVAL_YM:
        return _plus_months(value, span, sign, settings)
    if value.ty.kind is Kind.DATE:
        return Expr(f"us_plus_ds({value.sql}, {span.sql}, {sign})", DATE, nullable)
    if value.ty.kind is Kind.TIMESTAMP_TZ:
        ty = timestamp_tz(9)
        return Expr(f"tz_plus_ds({value.sql}, {span.sql}, {sign})", ty, nullable)
    held = value.sql if value.ty.fine else f"us_ns({value.sql})"
    ty = Ty(value.ty.kind, scale=9)
    return Expr(f"ns_plus_ds({held}, {span.sql}, {sign})", ty, nullable)


def _plus_months(value: Expr, span: Expr, sign: int, settings: Settings) -> Expr:
    """Unlike ADD_MONTHS, an interval never changes the day: ORA-01839 when it does not exist."""
    months = span.sql if sign > 0 else f"(-{span.sql})"
    local = convert.micros(value, settings)
    moved = f"({local} + to_months({months}))"
    checked = (
        f"CASE WHEN day({moved}) <> day({local}) THEN "
        f"error('ORA-01839: date not valid for month specified') ELSE {moved} END"
    )
    ty = DATE if value.ty.kind is Kind.DATE else timestamp(6)
    result = Expr(checked, ty, value.nullable or span.nullable)
    return convert.to_moment_type(result, value.ty, settings)


def _sum_of_intervals(op: str, left: Expr, right: Expr) -> Expr:
    nullable = left.nullable or right.nullable
    if left.ty.kind is Kind.INTERVAL_YM:
        ty = Ty(Kind.INTERVAL_YM, precision=9, scale=0)
        return Expr(f"({left.sql} {op} {right.sql})", ty, nullable)
    total = f"ds_total({left.sql}) {op} ds_total({right.sql})"
    return Expr(f"ds_pack({total})", interval_ds(), nullable)


def _scaled_interval(span: Expr, op: str, factor: Expr) -> Expr:
    by = convert.decimal_text(factor)
    name = "n_mul" if op == "*" else "n_div"
    nullable = span.nullable or factor.nullable
    if span.ty.kind is Kind.INTERVAL_YM:
        total = f"n_trunc({name}(CAST({span.sql} AS VARCHAR), {by}), '0')"
        ty = Ty(Kind.INTERVAL_YM, precision=9, scale=0)
        return Expr(f"CAST({total} AS INTEGER)", ty, nullable)
    total = f"n_round({name}(CAST(ds_total({span.sql}) AS VARCHAR), {by}), '0')"
    return Expr(f"ds_pack(CAST({total} AS HUGEINT))", interval_ds(), nullable)


def scaled(span: Expr, factor: str) -> Expr:
    """An interval times a literal."""
    return _scaled_interval(span, "*", convert.number_literal(Decimal(factor)))


# -- parts ------------------------------------------------------------------------------------

_DATE_FIELDS = {"YEAR": "year", "MONTH": "month", "DAY": "day"}
_TIME_FIELDS = {"HOUR": "hour", "MINUTE": "minute"}


def extract(field: str, value: Expr, settings: Settings) -> Expr:
    """EXTRACT(field FROM value). Raises ORA-30076 for a field that the value has not."""
    kind = value.ty.kind
    if kind in INTERVAL_KINDS:
        return _extract_interval(field, value)
    if kind not in MOMENT_KINDS:
        raise OracleError(30076, "invalid extract field for extract source")
    if field in _DATE_FIELDS:
        local = convert.micros(value, settings)
        if field == "YEAR":
            return _integer(f"year({local})", value)
        return _integer(f"{_DATE_FIELDS[field]}({local})", value)
    if kind is Kind.DATE:
        raise OracleError(30076, "invalid extract field for extract source")
    if field.startswith("TIMEZONE_"):
        offset = f"({convert.zoned(value, settings).sql}).offset"
        return _integer(f"{offset} {'//' if field.endswith('HOUR') else '%'} 60", value)
    # EXTRACT of time fields of a zoned timestamp is in UTC (SQL Language Reference, EXTRACT).
    base = convert.instant(value, settings) if kind is Kind.TIMESTAMP_TZ else (
        convert.naive(value, settings))  # fmt: skip
    held = base.sql if base.ty.fine else f"us_ns({base.sql})"
    if field in _TIME_FIELDS:
        return _integer(f"{_TIME_FIELDS[field]}(ns_us({held}))", value)
    if field == "SECOND":
        sql = (
            f"CAST(CAST(fdiv(({held}).seconds, 1) - fdiv(({held}).seconds, 60) * 60 AS DECIMAL(2,0))"
            f" + CAST(({held}).nanos AS DECIMAL(9,0)) * CAST('0.000000001' AS DECIMAL(9,9))"
            " AS DECIMAL(11,9))"
        )
        return Expr(sql, number(11, 9), value.nullable)
    raise OracleError(907, "missing right parenthesis")


def _integer(sql: str, value: Expr) -> Expr:
    return Expr(f"CAST({sql} AS DECIMAL(10,0))", number(10), value.nullable)


def _extract_interval(field: str, value: Expr) -> Expr:
    if value.ty.kind is Kind.INTERVAL_YM:
        if field not in ("YEAR", "MONTH"):
            raise OracleError(30076, "invalid extract field for extract source")
        op = "//" if field == "YEAR" else "%"
        return _integer(f"{value.sql} {op} 12", value)
    nanos = f"({value.sql}).nanos"
    if field == "DAY":
        return _integer(f"({value.sql}).days", value)
    if field == "HOUR":
        return _integer(f"{nanos} // 3600000000000", value)
    if field == "MINUTE":
        return _integer(f"{nanos} // 60000000000 % 60", value)
    if field == "SECOND":
        sql = f"CAST({nanos} % 60000000000 AS DECIMAL(11,0)) * CAST('0.000000001' AS DECIMAL(9,9))"
        return Expr(f"CAST({sql} AS DECIMAL(11,9))", number(11, 9), value.nullable)
    raise OracleError(30076, "invalid extract field for extract source")


# -- TRUNC and ROUND --------------------------------------------------------------------------

_UNITS = {
    "year": ["SYYYY", "YYYY", "YEAR", "SYEAR", "YYY", "YY", "Y"],
    "quarter": ["Q"],
    "month": ["MONTH", "MON", "MM", "RM"],
    "day": ["DDD", "DD", "J"],
    "hour": ["HH", "HH12", "HH24"],
    "minute": ["MI"],
    "sunday": ["DAY", "DY", "D"],
    "week": ["IW"],
    "week of year": ["WW"],
    "week of month": ["W"],
    "century": ["CC", "SCC"],
    "iso year": ["IYYY", "IY", "IYY", "I"],
}
_UNIT_OF = {model: unit for unit, models in _UNITS.items() for model in models}
_FLOORS = {
    "sunday": "({d} - to_days(CAST(dayofweek({t}) AS INTEGER)))",
    "week of year": "({d} - to_days(CAST((dayofyear({t}) - 1) % 7 AS INTEGER)))",
    "week of month": "({d} - to_days(CAST((day({t}) - 1) % 7 AS INTEGER)))",
    "century": "make_timestamp((oracle_year({t}) - 1) // 100 * 100 + 1, 1, 1, 0, 0, 0.0)",
    "iso year": "date_trunc('week', make_timestamp(isoyear({t}), 1, 4, 0, 0, 0.0))",
}
# What is added before flooring so that flooring rounds as Oracle documents it.
_ROUND_SHIFT = {
    "year": "{t} + to_months(6)",
    "month": "{t} + to_days(CASE WHEN day({t}) >= 16 THEN 16 ELSE 0 END)",
    "quarter": "{t} + to_months(CASE WHEN (month({t}) - 1) % 3 = 2 OR "
    "((month({t}) - 1) % 3 = 1 AND day({t}) >= 16) THEN 2 ELSE 0 END)",
    "day": "{t} + to_hours(12)",
    "hour": "{t} + to_minutes(30)",
    "minute": "{t} + to_seconds(30)",
    "sunday": "{t} + to_hours(84)",
    "week": "{t} + to_hours(84)",
    "week of year": "{t} + to_hours(84)",
    "week of month": "{t} + to_hours(84)",
}


def truncated(value: Expr, model: str, settings: Settings, *, rounded: bool = False) -> Expr:
    """TRUNC(date, model), or ROUND(date, model). Raises ORA-01898 for an unknown model."""
    unit = _UNIT_OF.get(model.upper())
    if unit is None:
        raise OracleError(1898, "too many precision specifiers")
    base = convert.micros(value, settings)
    if rounded:
        if unit not in _ROUND_SHIFT:
            raise OracleError(1898, "too many precision specifiers")
        base = f"({_ROUND_SHIFT[unit].format(t=base)})"
    if unit in _FLOORS:
        day = f"date_trunc('day', {base})"
        return Expr(_FLOORS[unit].format(t=base, d=day), DATE, value.nullable)
    return Expr(f"CAST(date_trunc('{unit}', {base}) AS TIMESTAMP)", DATE, value.nullable)
