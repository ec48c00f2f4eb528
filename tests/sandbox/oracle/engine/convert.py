"""Typed DuckDB expressions, and Oracle's conversions and comparisons between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from tests.sandbox.oracle.engine import exact
from tests.sandbox.oracle.engine.types import (
    CHAR_KINDS,
    CLOB,
    DATE,
    DOUBLE,
    FLOATING_KINDS,
    INTERVAL_KINDS,
    LOB_KINDS,
    MOMENT_KINDS,
    NUMBER,
    NUMBER_KINDS,
    PADDED_KINDS,
    TEXT_KINDS,
    Ty,
    family,
    number,
    timestamp,
    timestamp_tz,
    unify,
    varchar,
)
from tests.sandbox.oracle.engine.zones import Zone
from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.session import Kind


@dataclass(frozen=True, slots=True)
class Expr:
    """DuckDB SQL and the Oracle type of what it gives.

    `constant` keeps the text of a string literal, for formats.
    """

    sql: str
    ty: Ty
    nullable: bool = True
    constant: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What of a session changes the meaning of its SQL: part of every translation's key."""

    user: str
    schema: str
    zone: Zone
    date_format: str = "DD-MON-RR"
    timestamp_format: str = "DD-MON-RR HH.MI.SSXFF AM"
    timestamp_tz_format: str = "DD-MON-RR HH.MI.SSXFF AM TZR"
    numeric_characters: str = ".,"
    context_set: bool = False
    flashback: bool = False
    own_changes: bool = False
    context: tuple[tuple[str, str], ...] = ()


def quote(text: str) -> str:
    """A DuckDB string literal."""
    return "'" + text.replace("'", "''") + "'"


def inconsistent(expected: str, got: Ty) -> OracleError:
    """ORA-00932."""
    return OracleError(932, f"inconsistent datatypes: expected {expected} got {family(got)}")


def null(ty: Ty) -> Expr:
    """A NULL of a type."""
    return Expr(f"CAST(NULL AS {ty.duck})", ty)


def string_literal(text: str) -> Expr:
    """A literal is a CHAR of its own length; the empty one is NULL."""
    if not text:
        return Expr("CAST(NULL AS VARCHAR)", Ty(Kind.CHAR, length=1, null=True))
    return Expr(quote(text), Ty(Kind.CHAR, length=len(text.encode())), False, text)


def number_literal(value: Decimal) -> Expr:
    """A literal, as the smallest DECIMAL that holds it, else as text."""
    text = exact.canonical(value)
    whole, _, fraction = text.lstrip("-").partition(".")
    digits = len(whole.lstrip("0")) + len(fraction)
    if digits > 38 or len(fraction) > 38:
        return Expr(quote(text), NUMBER, False)
    ty = number(max(digits, len(fraction), 1), len(fraction))
    return Expr(f"CAST({quote(text)} AS {ty.duck})", ty, False)


# -- numbers ----------------------------------------------------------------------------------


def numeric(value: Expr, point: str = ".") -> Expr:
    """A NUMBER or a binary float, from what converts to one implicitly.

    `point` is the decimal character of strings: callers that know the session pass its own.
    """
    if value.ty.null:
        return null(number(1))
    if value.ty.kind in NUMBER_KINDS | FLOATING_KINDS:
        return value
    if value.ty.kind in CHAR_KINDS:
        if value.constant is not None:
            return number_literal(exact.parse_number(value.constant.replace(point, ".")))
        plain = value.sql if point == "." else f"replace({value.sql}, {quote(point)}, '.')"
        return Expr(f"n_parse({plain})", NUMBER, value.nullable)
    raise inconsistent("NUMBER", value.ty)


def exact_number(value: Expr) -> Expr:
    """A NUMBER, binary floats included."""
    value = numeric(value)
    if value.ty.kind in FLOATING_KINDS:
        return Expr(f"n_double(CAST({value.sql} AS DOUBLE))", NUMBER, value.nullable)
    return value


def decimal_text(value: Expr) -> str:
    """Canonical text of a NUMBER."""
    value = exact_number(value)
    if value.ty.digits is None:
        return value.sql
    if value.ty.digits[1] == 0:
        return f"CAST({value.sql} AS VARCHAR)"
    return f"rtrim(rtrim(CAST({value.sql} AS VARCHAR), '0'), '.')"


def double(value: Expr) -> str:
    """DOUBLE of any numeric value."""
    return f"CAST({numeric(value).sql} AS DOUBLE)"


def whole(value: Expr) -> str:
    """BIGINT, truncated as Oracle truncates where it wants an integer."""
    value = exact_number(value)
    if value.ty.digits is not None and value.ty.digits[1] == 0:
        return f"CAST({value.sql} AS BIGINT)"
    if value.ty.digits is not None:
        return f"CAST(trunc({value.sql}) AS BIGINT)"
    return f"CAST(n_trunc({value.sql}, '0') AS BIGINT)"


def arithmetic(op: str, left: Expr, right: Expr) -> Expr:
    """`+ - * /` on numbers: DECIMAL where it is wide enough, exact text beyond."""
    left, right = numeric(left), numeric(right)
    nullable = left.nullable or right.nullable
    if FLOATING_KINDS & {left.ty.kind, right.ty.kind}:
        return Expr(f"({double(left)} {op} {double(right)})", DOUBLE, nullable)
    result = _decimal_result(op, left.ty, right.ty)
    if result is not None:
        return Expr(_decimal_operation(op, left, right, result), result, nullable)
    name = {"+": "n_add", "-": "n_sub", "*": "n_mul", "/": "n_div"}[op]
    return Expr(f"{name}({decimal_text(left)}, {decimal_text(right)})", NUMBER, nullable)


def _decimal_operation(op: str, left: Expr, right: Expr, result: Ty) -> str:
    """DuckDB computes in 64 bits when both sides fit 18 digits, and then overflows: widen first."""
    if op == "*":
        (p1, s1), (p2, _) = left.ty.digits or (38, 0), right.ty.digits or (38, 0)
        wide = f"CAST({left.sql} AS DECIMAL({max(p1, 19)},{s1}))"
        product = f"{wide if p1 + p2 > 18 and max(p1, p2) <= 18 else left.sql} * {right.sql}"
        return f"CAST({product} AS {result.duck})"
    sides = [f"CAST({side.sql} AS {result.duck})" for side in (left, right)]
    return f"CAST({sides[0]} {op} {sides[1]} AS {result.duck})"


def _decimal_result(op: str, left: Ty, right: Ty) -> Ty | None:
    """The DECIMAL of a result when DuckDB can compute it exactly."""
    if op == "/" or left.digits is None or right.digits is None:
        return None
    (p1, s1), (p2, s2) = left.digits, right.digits
    if op == "*":
        return number(p1 + p2, s1 + s2) if p1 + p2 <= 38 else None
    scale = max(s1, s2)
    precision = max(p1 - s1, p2 - s2) + scale + 1
    return number(precision, scale) if precision <= 38 else None


# -- strings ----------------------------------------------------------------------------------


def text(value: Expr, settings: Settings) -> Expr:
    """Anything as a string, by Oracle's implicit conversion."""
    from tests.sandbox.oracle.engine import formats

    ty = value.ty
    if ty.null:
        return null(varchar(1))
    if ty.kind in TEXT_KINDS:
        return value
    if ty.kind in NUMBER_KINDS:
        return Expr(number_char(value, settings), varchar(40), value.nullable)
    if ty.kind in FLOATING_KINDS:
        return Expr(f"upper(CAST({value.sql} AS VARCHAR))", varchar(40), value.nullable)
    if ty.kind in MOMENT_KINDS:
        model = {
            Kind.DATE: settings.date_format,
            Kind.TIMESTAMP: settings.timestamp_format,
        }.get(ty.kind, settings.timestamp_tz_format)
        return formats.moment_to_char(value, model, settings)
    if ty.kind in INTERVAL_KINDS:
        return formats.interval_to_char(value)
    if ty.kind is Kind.RAW:
        return Expr(f"hex({value.sql})", varchar(2 * (ty.length or 1)), value.nullable)
    raise inconsistent("CHAR", ty)


def number_char(value: Expr, settings: Settings) -> str:
    """TO_CHAR(n): no zero before the point, scientific beyond 40 characters."""
    plain = _plain_number_char(value)
    point = settings.numeric_characters[0]
    return plain if point == "." else f"replace({plain}, '.', {quote(point)})"


def _plain_number_char(value: Expr) -> str:
    body = decimal_text(value)
    digits = exact_number(value).ty.digits
    if digits is not None and digits[1] == 0:
        return body
    if digits is None:
        return f"n_to_char({body})"
    return f"regexp_replace({body}, '^(-?)0\\.', '\\1.')"


def concat(left: Expr, right: Expr, settings: Settings) -> Expr:
    """`||`: NULL is the empty string, and the empty string is NULL."""
    left, right = text(left, settings), text(right, settings)
    sql = f"nullif(concat({left.sql}, {right.sql}), '')"
    nullable = left.nullable and right.nullable
    if LOB_KINDS & {left.ty.kind, right.ty.kind}:
        return Expr(sql, CLOB, nullable)
    length = sum((v.ty.length or 1) * (0 if v.ty.null else 1) for v in (left, right))
    national = {Kind.NVARCHAR2, Kind.NCHAR} & {left.ty.kind, right.ty.kind}
    chars = left.ty.char_semantics or right.ty.char_semantics
    if national:
        return Expr(
            sql, Ty(Kind.NVARCHAR2, length=min(length, 16383), char_semantics=True), nullable
        )
    return Expr(sql, varchar(length, chars), nullable)


# -- moments ----------------------------------------------------------------------------------


def moment(value: Expr, settings: Settings) -> Expr:
    """A DATE or TIMESTAMP of some kind; strings by the session's NLS_DATE_FORMAT."""
    from tests.sandbox.oracle.engine import formats

    if value.ty.null:
        return null(DATE)
    if value.ty.kind in MOMENT_KINDS:
        return value
    if value.ty.kind in CHAR_KINDS:
        return formats.to_moment(value, settings.date_format, DATE, settings)
    raise inconsistent("DATE", value.ty)


def naive(value: Expr, settings: Settings) -> Expr:
    """Clock fields without a zone: TIMESTAMP, or its STRUCT when `fine`."""
    ty = value.ty
    if ty.kind in (Kind.DATE, Kind.TIMESTAMP):
        return value
    if ty.kind is Kind.TIMESTAMP_TZ:
        name = "tz_local_ns" if ty.fine else "tz_local"
        return Expr(f"{name}({value.sql})", timestamp(ty.scale or 0), value.nullable)
    local = timestamp(ty.scale or 0)
    if not ty.fine:
        return Expr(settings.zone.to_local(value.sql), local, value.nullable)
    shifted = settings.zone.to_local(f"ns_us({value.sql})")
    return Expr(f"ns_with(us_seconds({shifted}), ({value.sql}).nanos)", local, value.nullable)


def micros(value: Expr, settings: Settings) -> str:
    """A naive DuckDB TIMESTAMP; nanoseconds are cut."""
    value = naive(value, settings)
    return f"ns_us({value.sql})" if value.ty.fine else value.sql


def instant(value: Expr, settings: Settings) -> Expr:
    """The moment in UTC as TIMESTAMP, or its STRUCT when `fine`."""
    ty = value.ty
    if ty.kind is Kind.TIMESTAMP_TZ:
        name = "tz_utc_ns" if ty.fine else "tz_utc"
        return Expr(f"{name}({value.sql})", timestamp(ty.scale or 0), value.nullable)
    if ty.kind is Kind.TIMESTAMP_LTZ:
        return Expr(value.sql, timestamp(ty.scale or 0), value.nullable)
    utc = settings.zone.to_utc(micros(value, settings))
    if not ty.fine:
        return Expr(utc, timestamp(ty.scale or 0), value.nullable)
    return Expr(f"ns_with(us_seconds({utc}), ({value.sql}).nanos)", timestamp(9), value.nullable)


def zoned(value: Expr, settings: Settings) -> Expr:
    """TIMESTAMP WITH TIME ZONE of any moment; a naive one is in the session's zone."""
    if value.ty.kind is Kind.TIMESTAMP_TZ:
        return value
    scale = 0 if value.ty.kind is Kind.DATE else 6 if value.ty.scale is None else value.ty.scale
    return at_zone(instant(value, settings), settings.zone, scale)


def at_zone(utc: Expr, zone: Zone, scale: int) -> Expr:
    """A UTC moment with the offset that `zone` has then."""
    coarse = f"ns_us({utc.sql})" if utc.ty.fine else utc.sql
    offset = zone.offset(coarse)
    name = "tz_from_ns" if utc.ty.fine else "tz_from"
    return Expr(f"{name}({utc.sql}, {offset})", timestamp_tz(scale), utc.nullable)


def to_moment_type(value: Expr, ty: Ty, settings: Settings) -> Expr:
    """CAST of a moment to another kind of moment."""
    if ty.kind is Kind.TIMESTAMP_TZ:
        return Expr(_rescaled_tz(zoned(value, settings), ty), ty, value.nullable)
    if ty.kind is Kind.TIMESTAMP_LTZ:
        return Expr(_rescaled(instant(value, settings), ty), ty, value.nullable)
    local = naive(value, settings)
    if ty.kind is Kind.DATE:
        sql = f"ns_us({local.sql})" if local.ty.fine else local.sql
        if local.ty.kind is not Kind.DATE:
            sql = f"date_trunc('second', {sql})"
        return Expr(sql, ty, value.nullable)
    return Expr(_rescaled(local, ty), ty, value.nullable)


def _rescaled(value: Expr, ty: Ty) -> str:
    scale = 6 if ty.scale is None else ty.scale
    had = 0 if value.ty.kind is Kind.DATE else 6 if value.ty.scale is None else value.ty.scale
    if ty.fine:
        sql = value.sql if value.ty.fine else f"us_ns({value.sql})"
        return f"ns_round({sql}, {10 ** (9 - scale)})" if scale < had else sql
    if value.ty.fine:
        return f"ns_us(ns_round({value.sql}, {10 ** (9 - scale)}))"
    return f"us_round({value.sql}, {10 ** (6 - scale)})" if scale < had else value.sql


def _rescaled_tz(value: Expr, ty: Ty) -> str:
    scale = 6 if ty.scale is None else ty.scale
    had = 6 if value.ty.scale is None else value.ty.scale
    return f"tz_round({value.sql}, {10 ** (9 - scale)})" if scale < had else value.sql


# -- comparison -------------------------------------------------------------------------------


def comparable(values: Sequence[Expr], settings: Settings) -> list[Expr]:
    """Values brought to one type by Oracle's rules for comparisons.

    Strings give way to numbers, numbers to binary floats, strings to dates. Two CHARs
    compare blank-padded, that is without their trailing blanks.
    """
    kinds = {value.ty.kind for value in values if not value.ty.null}
    for value in values:
        if value.ty.kind in LOB_KINDS and not value.ty.null:
            raise OracleError(932, f"inconsistent datatypes: expected - got {family(value.ty)}")
    if kinds & (NUMBER_KINDS | FLOATING_KINDS):
        point = settings.numeric_characters[0]
        return _comparable_numbers([numeric(value, point) for value in values])
    if kinds & MOMENT_KINDS:
        moments = [moment(value, settings) for value in values]
        common = unify([value.ty for value in moments])
        return [_comparable_moment(value, common, settings) for value in moments]
    if kinds and kinds <= PADDED_KINDS:
        return [Expr(f"rtrim({v.sql}, ' ')", v.ty, v.nullable) for v in values]
    if kinds == {Kind.RAW} or not kinds:
        return list(values)
    if Kind.RAW in kinds:
        return [text(value, settings) for value in values]
    if kinds <= INTERVAL_KINDS and len(kinds) == 1:
        return list(values)
    if kinds <= CHAR_KINDS | {Kind.ROWID}:
        return list(values)
    other = [v for v in values if v.ty.kind is not values[0].ty.kind]
    raise inconsistent(family(values[0].ty), (other or list(values))[0].ty)


def _comparable_numbers(numbers: Sequence[Expr]) -> list[Expr]:
    common = unify([value.ty for value in numbers])
    if common.kind in FLOATING_KINDS:
        return [Expr(double(value), DOUBLE, value.nullable) for value in numbers]
    if common.digits is None:
        return [Expr(decimal_text(value), NUMBER, value.nullable) for value in numbers]
    return list(numbers)


def _comparable_moment(value: Expr, common: Ty, settings: Settings) -> Expr:
    if common.kind in (Kind.TIMESTAMP_TZ, Kind.TIMESTAMP_LTZ):
        value = instant(value, settings)
    else:
        value = naive(value, settings)
    if common.fine and not value.ty.fine:
        return Expr(f"us_ns({value.sql})", common, value.nullable)
    return value


def is_text_number(value: Expr) -> bool:
    """True for a NUMBER held as text, which does not sort as text."""
    return value.ty.kind in NUMBER_KINDS and value.ty.digits is None


def compare(op: str, left: Expr, right: Expr, settings: Settings) -> str:
    """A DuckDB condition."""
    if left.ty.null or right.ty.null:
        return "CAST(NULL AS BOOLEAN)"
    left, right = comparable([left, right], settings)
    if is_text_number(left) and op not in ("=", "<>"):
        return f"(n_compare({left.sql}, {right.sql}) {op} 0)"
    return f"({left.sql} {op} {right.sql})"


def order_keys(value: Expr, settings: Settings) -> list[str]:
    """Expressions that DuckDB sorts as Oracle sorts `value`."""
    if value.ty.kind in LOB_KINDS:
        raise OracleError(932, f"inconsistent datatypes: expected - got {family(value.ty)}")
    if is_text_number(value):
        return [f"CAST({value.sql} AS DOUBLE)", f"n_key({value.sql})"]
    if value.ty.kind is Kind.TIMESTAMP_TZ:
        return [instant(value, settings).sql]
    if value.ty.kind in PADDED_KINDS:
        return [f"rtrim({value.sql}, ' ')"]
    return [value.sql]


# -- explicit and assignment conversions ------------------------------------------------------


def convert(value: Expr, ty: Ty, settings: Settings) -> Expr:
    """`value` held as `ty` holds it, for CASE, UNION and the like; lengths are not checked."""
    if value.ty.null:
        return null(ty)
    if ty.kind in NUMBER_KINDS:
        return _to_number_type(exact_number(numeric(value, settings.numeric_characters[0])), ty)
    if ty.kind in FLOATING_KINDS:
        number_value = numeric(value, settings.numeric_characters[0])
        return Expr(f"CAST({number_value.sql} AS {ty.duck})", ty, value.nullable)
    if ty.kind in MOMENT_KINDS:
        return to_moment_type(moment(value, settings), ty, settings)
    if ty.kind in TEXT_KINDS:
        return Expr(text(value, settings).sql, ty, value.nullable)
    if value.ty.kind is ty.kind or value.ty.duck == ty.duck:
        return Expr(value.sql, ty, value.nullable)
    if ty.kind is Kind.RAW and value.ty.kind in CHAR_KINDS:
        return Expr(f"x_raw({value.sql})", ty, value.nullable)
    raise inconsistent(family(ty), value.ty)


def _to_number_type(value: Expr, ty: Ty) -> Expr:
    if ty.digits is None:
        return Expr(decimal_text(value), ty, value.nullable)
    if value.ty.digits == ty.digits:
        return Expr(value.sql, ty, value.nullable)
    return Expr(f"CAST({value.sql} AS {ty.duck})", ty, value.nullable)


def cast(value: Expr, ty: Ty, settings: Settings) -> Expr:
    """CAST(value AS type): rounds and cuts as Oracle does, ORA-01438 when it does not fit."""
    if value.ty.null:
        return null(ty)
    if ty.kind is Kind.NUMBER and ty.precision is not None:
        return _cast_number(exact_number(numeric(value, settings.numeric_characters[0])), ty)
    if ty.kind in CHAR_KINDS:
        sql = text(value, settings).sql
        length = ty.length or 1
        cut = f"left({sql}, {length})" if ty.char_semantics else f"left_bytes({sql}, {length})"
        if ty.kind in PADDED_KINDS:
            cut = f"pad_char({cut}, {length}, {str(ty.char_semantics).lower()})"
        return Expr(cut, ty, value.nullable)
    if ty.kind is Kind.INTERVAL_DS and value.ty.kind in CHAR_KINDS:
        return Expr(f"ds_parse({value.sql})", ty, value.nullable)
    if ty.kind is Kind.INTERVAL_YM and value.ty.kind in CHAR_KINDS:
        return Expr(f"ym_parse({value.sql})", ty, value.nullable)
    if ty.kind in MOMENT_KINDS and value.ty.kind in CHAR_KINDS:
        return _parsed(value, ty, settings)
    return convert(value, ty, settings)


def _parsed(value: Expr, ty: Ty, settings: Settings) -> Expr:
    from tests.sandbox.oracle.engine import formats

    model = {
        Kind.DATE: settings.date_format,
        Kind.TIMESTAMP: settings.timestamp_format,
    }.get(ty.kind, settings.timestamp_tz_format)
    return formats.to_moment(value, model, ty, settings)


def _cast_number(value: Expr, ty: Ty) -> Expr:
    scale = ty.scale or 0
    body = decimal_text(value)
    if ty.digits is None or scale < 0 or scale > (ty.precision or 0):
        sql = f"n_fit({body}, {ty.precision}, {scale})"
        return Expr(sql if ty.digits is None else f"CAST({sql} AS {ty.duck})", ty, value.nullable)
    source = value.ty.digits
    if source is not None and source[1] <= scale and source[0] - source[1] <= ty.digits[0] - scale:
        return Expr(f"CAST({value.sql} AS {ty.duck})", ty, value.nullable)
    held = value.sql if source is not None else body
    sql = (
        f"CASE WHEN {held} IS NULL THEN NULL ELSE coalesce(TRY_CAST({held} AS {ty.duck}), "
        "error('ORA-01438: value larger than specified precision allowed for this column')) END"
    )
    return Expr(sql, ty, value.nullable)
