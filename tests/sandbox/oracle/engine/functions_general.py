"""Functions on numbers, dates and NULLs, and those about the session."""

from __future__ import annotations

from dataclasses import replace

from tests.sandbox.oracle.engine import ast, convert, moments, pseudo
from tests.sandbox.oracle.engine.convert import Expr, quote
from tests.sandbox.oracle.engine.functions import Args, function
from tests.sandbox.oracle.engine.types import (
    DATE,
    DOUBLE,
    FLOATING_KINDS,
    LOB_KINDS,
    MOMENT_KINDS,
    NUMBER,
    Ty,
    number,
    timestamp,
    unify,
    varchar,
)
from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.session import Kind

# -- NULLs and choices ------------------------------------------------------------------------


@function("NVL", least=2)
def _nvl(args: Args) -> Expr:
    """The type is that of the first argument, wide enough for both."""
    first, second = args[0], args[1]
    if first.ty.null:
        return second
    ty = _family_of(first, [first, second])
    return _coalesced([first, second], ty, args)


@function("COALESCE", least=2, most=255)
def _coalesce(args: Args) -> Expr:
    return _coalesced(args.values, unify([value.ty for value in args.values]), args)


def _family_of(first: Expr, values: list[Expr]) -> Ty:
    """One type for `values` in the family of `first`, to which the others are converted."""
    try:
        return unify([value.ty for value in values])
    except OracleError:
        return first.ty if first.ty.digits is None else replace(first.ty, digits=None)


def _coalesced(values: list[Expr], ty: Ty, args: Args) -> Expr:
    described = ty if ty.kind is not Kind.CHAR else replace(ty, kind=Kind.VARCHAR2)
    sqls = [convert.convert(value, ty, args.settings).sql for value in values]
    nullable = all(value.nullable for value in values)
    return Expr(f"coalesce({', '.join(sqls)})", described, nullable)


@function("NVL2", least=3)
def _nvl2(args: Args) -> Expr:
    ty = _family_of(args[1], [args[1], args[2]])
    yes, no = (convert.convert(args[i], ty, args.settings).sql for i in (1, 2))
    return Expr(f"CASE WHEN {args[0].sql} IS NOT NULL THEN {yes} ELSE {no} END", ty)


@function("NULLIF", least=2)
def _nullif(args: Args) -> Expr:
    test = convert.compare("=", args[0], args[1], args.settings)
    return Expr(f"CASE WHEN {test} THEN NULL ELSE {args[0].sql} END", args[0].ty)


@function("DECODE", least=3, most=255)
def _decode(args: Args) -> Expr:
    """NULL equals NULL; results take the type of the first, VARCHAR2 when that is NULL."""
    value, rest = args[0], args.values[1:]
    pairs = [(rest[i], rest[i + 1]) for i in range(0, len(rest) - 1, 2)]
    default = rest[-1] if len(rest) % 2 else None
    results = [result for _, result in pairs] + ([default] if default is not None else [])
    ty = _decode_type(results, args)
    arms = []
    for search, result in pairs:
        test = f"{value.sql} IS NULL" if search.ty.null else convert.compare(
            "=", value, search, args.settings)  # fmt: skip
        if not search.ty.null and search.nullable:
            test = f"({test} OR ({value.sql} IS NULL AND {search.sql} IS NULL))"
        arms.append(f"WHEN {test} THEN {convert.convert(result, ty, args.settings).sql}")
    final = "NULL" if default is None else convert.convert(default, ty, args.settings).sql
    return Expr(f"CASE {' '.join(arms)} ELSE {final} END", ty)


def _decode_type(results: list[Expr], args: Args) -> Ty:
    first = results[0]
    if first.ty.null:
        return unify([convert.text(value, args.settings).ty for value in results])
    return _family_of(first, results)


@function("GREATEST", "LEAST", least=1, most=255)
def _greatest(args: Args) -> Expr:
    """NULL when any argument is; compared as the first argument's type."""
    op = ">=" if args.node.parts[-1] == "GREATEST" else "<="
    best = args[0]
    for value in args.values[1:]:
        ty = _family_of(args[0], [best, value])
        a = convert.convert(best, ty, args.settings)
        b = convert.convert(value, ty, args.settings)
        test = convert.compare(op, a, b, args.settings)
        sql = (
            f"CASE WHEN {a.sql} IS NULL OR {b.sql} IS NULL THEN NULL "
            f"WHEN {test} THEN {a.sql} ELSE {b.sql} END"
        )
        best = Expr(sql, ty, a.nullable or b.nullable)
    return best


# -- numbers ----------------------------------------------------------------------------------


def _constant_places(args: Args) -> int | None:
    """The literal number of decimal places, or None when it is not a small literal."""
    if len(args) == 1:
        return 0
    node = args.node.args[1]
    sign = 1
    if isinstance(node, ast.Unary) and node.op == "-":
        sign, node = -1, node.value
    if isinstance(node, ast.Number) and node.text.isdigit():
        return sign * int(node.text)
    return None


@function("ROUND", least=1, most=2)
def _round(args: Args) -> Expr:
    if args[0].ty.kind in MOMENT_KINDS:
        model = args.constant(1) if len(args) > 1 else "DD"
        return moments.truncated(args[0], model, args.settings, rounded=True)
    value, places = args.number(0), _constant_places(args)
    if value.ty.kind in FLOATING_KINDS:
        return _round_double("round", value, args)
    digits = value.ty.digits
    if digits is not None and places is not None and places >= 0:
        if places >= digits[1]:
            return Expr(value.sql, number(*digits), value.nullable)
        ty = number(min(digits[0] - digits[1] + places + 1, 38), places)
        return Expr(f"CAST({value.sql} AS {ty.duck})", ty, value.nullable)
    if digits is None and places is not None and places >= 0:
        return _round_text(value, places)
    count = convert.decimal_text(args.number(1)) if len(args) > 1 else "'0'"
    return Expr(f"n_round({convert.decimal_text(value)}, {count})", NUMBER, value.nullable)


def _round_text(value: Expr, places: int) -> Expr:
    """Most numbers have no more decimals than they are rounded to: those stay as they are."""
    x = value.sql
    short = f"instr({x}, '.') = 0 OR strlen({x}) - instr({x}, '.') <= {places}"
    sql = f"CASE WHEN {short} THEN {x} ELSE n_round({x}, '{places}') END"
    return Expr(sql, NUMBER, value.nullable)


def _round_double(name: str, value: Expr, args: Args) -> Expr:
    places = args.whole(1) if len(args) > 1 else "0"
    if name == "trunc":
        factor = f"power(10::DOUBLE, {places})"
        return Expr(f"(trunc({value.sql} * {factor}) / {factor})", DOUBLE, value.nullable)
    return Expr(f"round({value.sql}, CAST({places} AS INTEGER))", DOUBLE, value.nullable)


@function("TRUNC", least=1, most=2)
def _trunc(args: Args) -> Expr:
    if args[0].ty.kind in MOMENT_KINDS and not args[0].ty.null:
        model = args.constant(1) if len(args) > 1 else "DD"
        return moments.truncated(args[0], model, args.settings)
    value, places = args.number(0), _constant_places(args)
    if value.ty.kind in FLOATING_KINDS:
        return _round_double("trunc", value, args)
    digits = value.ty.digits
    if digits is not None and places is not None and places >= 0:
        if places >= digits[1]:
            return Expr(value.sql, number(*digits), value.nullable)
        if places == 0:
            ty = number(max(digits[0] - digits[1], 1), 0)
            return Expr(f"CAST(trunc({value.sql}) AS {ty.duck})", ty, value.nullable)
    if digits is None and places == 0:
        whole = f"split_part({value.sql}, '.', 1)"
        sql = f"CASE {whole} WHEN '-0' THEN '0' ELSE {whole} END"
        return Expr(sql, NUMBER, value.nullable)
    count = convert.decimal_text(args.number(1)) if len(args) > 1 else "'0'"
    return Expr(f"n_trunc({convert.decimal_text(value)}, {count})", NUMBER, value.nullable)


@function("FLOOR", "CEIL", least=1)
def _floor(args: Args) -> Expr:
    name = args.node.parts[-1].lower()
    value = args.number(0)
    if value.ty.kind in FLOATING_KINDS:
        return Expr(f"{name}({value.sql})", DOUBLE, value.nullable)
    digits = value.ty.digits
    if digits is not None:
        ty = number(min(digits[0] - digits[1] + 1, 38), 0)
        return Expr(f"CAST({name}({value.sql}) AS {ty.duck})", ty, value.nullable)
    return Expr(f"n_{name}({value.sql})", NUMBER, value.nullable)


@function("ABS", least=1)
def _abs(args: Args) -> Expr:
    value = args.number(0)
    if convert.is_text_number(value):
        return Expr(f"ltrim({value.sql}, '-')", NUMBER, value.nullable)
    ty = value.ty if value.ty.kind in FLOATING_KINDS else number(*(value.ty.digits or (38, 0)))
    return Expr(f"abs({value.sql})", ty, value.nullable)


@function("SIGN", least=1)
def _sign(args: Args) -> Expr:
    value = args.number(0)
    if convert.is_text_number(value):
        sql = (
            f"CASE WHEN {value.sql} = '0' THEN 0 WHEN {value.sql} LIKE '-%' THEN -1 "
            f"WHEN {value.sql} IS NOT NULL THEN 1 END"
        )
    else:
        sql = f"sign({value.sql})"
    return Expr(f"CAST({sql} AS DECIMAL(1,0))", number(1), value.nullable)


@function("MOD", least=2)
def _mod(args: Args) -> Expr:
    a, b = args.number(0), args.number(1)
    nullable = args.nullable
    if FLOATING_KINDS & {a.ty.kind, b.ty.kind}:
        return Expr(f"fmod({convert.double(a)}, {convert.double(b)})", DOUBLE, nullable)
    small = all(
        v.ty.digits is not None and v.ty.digits[0] <= 18 and v.ty.digits[1] == 0 for v in (a, b)
    )
    if small:
        x, y = (f"CAST({v.sql} AS BIGINT)" for v in (a, b))
        ty = number(18)
        return Expr(
            f"CAST(CASE WHEN {y} = 0 THEN {x} ELSE {x} % {y} END AS {ty.duck})", ty, nullable
        )
    sql = f"n_mod({convert.decimal_text(a)}, {convert.decimal_text(b)})"
    return Expr(sql, NUMBER, nullable)


@function("POWER", "LOG", least=2)
def _power(args: Args) -> Expr:
    a, b = args.number(0), args.number(1)
    name = args.node.parts[-1].lower()
    if FLOATING_KINDS & {a.ty.kind, b.ty.kind}:
        return Expr(f"{name}({convert.double(a)}, {convert.double(b)})", DOUBLE, args.nullable)
    sql = f"n_{name}({convert.decimal_text(a)}, {convert.decimal_text(b)})"
    return Expr(sql, NUMBER, args.nullable)


@function("SQRT", "LN", "EXP", least=1)
def _root(args: Args) -> Expr:
    value = args.number(0)
    name = args.node.parts[-1].lower()
    if value.ty.kind in FLOATING_KINDS:
        return Expr(f"{name}({value.sql})", DOUBLE, value.nullable)
    return Expr(f"n_{name}({convert.decimal_text(value)})", NUMBER, value.nullable)


@function("BITAND", least=2)
def _bitand(args: Args) -> Expr:
    sql = f"CAST({args.whole(0)} & {args.whole(1)} AS DECIMAL(18,0))"
    return Expr(sql, number(18), args.nullable)


@function("ORA_HASH", least=1, most=3)
def _ora_hash(args: Args) -> Expr:
    """Stable and well spread; not Oracle's own values, which are not documented."""
    value = args[0]
    if value.ty.kind in LOB_KINDS:
        raise convert.inconsistent("-", value.ty)
    buckets = args.whole(1) if len(args) > 1 else "4294967295"
    seed = args.whole(2) if len(args) > 2 else "0"
    body = convert.text(value, args.settings).sql
    salted = body if seed == "0" else f"({body} || '#' || {seed})"
    sql = f"CAST(hash({salted}) % (CAST({buckets} AS UBIGINT) + 1) AS DECIMAL(10,0))"
    return Expr(sql, number(10), value.nullable)


# -- dates ------------------------------------------------------------------------------------


@function("ADD_MONTHS", least=2)
def _add_months(args: Args) -> Expr:
    base = convert.to_moment_type(convert.moment(args[0], args.settings), DATE, args.settings)
    return Expr(f"add_months_to({base.sql}, {args.whole(1)})", DATE, args.nullable)


@function("LAST_DAY", least=1)
def _last_day(args: Args) -> Expr:
    base = convert.to_moment_type(convert.moment(args[0], args.settings), DATE, args.settings).sql
    sql = f"make_timestamp(epoch_us(CAST(month_end({base}) AS TIMESTAMP)) + clock_us({base}))"
    return Expr(sql, DATE, args.nullable)


@function("NEXT_DAY", least=2)
def _next_day(args: Args) -> Expr:
    from tests.sandbox.oracle.engine.date_models import DAYS

    base = convert.to_moment_type(convert.moment(args[0], args.settings), DATE, args.settings).sql
    wanted = args.constant(1).upper()
    found = [i for i, day in enumerate(DAYS) if len(wanted) >= 3 and day.startswith(wanted)]
    if not found:
        raise OracleError(1846, "not a valid day of the week")
    ahead = f"(({found[0]} - dayofweek({base}) + 6) % 7 + 1)"
    return Expr(f"({base} + to_days(CAST({ahead} AS INTEGER)))", DATE, args.nullable)


@function("MONTHS_BETWEEN", least=2)
def _months_between(args: Args) -> Expr:
    a, b = (
        convert.to_moment_type(convert.moment(args[i], args.settings), DATE, args.settings).sql
        for i in (0, 1)
    )
    return Expr(f"month_span({a}, {b})", number(28, 18), args.nullable)


@function("SYS_EXTRACT_UTC", least=1)
def _sys_extract_utc(args: Args) -> Expr:
    value = args[0]
    if value.ty.kind not in MOMENT_KINDS or value.ty.kind is Kind.DATE:
        raise convert.inconsistent("TIMESTAMP WITH TIME ZONE", value.ty)
    result = convert.instant(value, args.settings)
    return Expr(
        result.sql, timestamp(6 if value.ty.scale is None else value.ty.scale), value.nullable
    )


@function("SYSTIMESTAMP", "CURRENT_TIMESTAMP", "LOCALTIMESTAMP", least=1)
def _clock_with_scale(args: Args) -> Expr:
    node = args.node.args[0]
    scale = int(node.text) if isinstance(node, ast.Number) and node.text.isdigit() else 6
    found = pseudo.clock(args.node.parts[-1], args.settings, min(scale, 9))
    if found is None:
        raise OracleError(904, f'"{args.node.parts[-1]}": invalid identifier')
    return found


@function("TZ_OFFSET", least=1)
def _tz_offset(args: Args) -> Expr:
    where = pseudo.named_zone(args[0], args.settings)
    if where is None:
        raise OracleError(1882, "timezone region not found")
    minutes = where.offset("CAST($rt_utc AS TIMESTAMP)")
    sql = (
        f"CASE WHEN {minutes} < 0 THEN '-' ELSE '+' END || "
        f"lpad(CAST(abs({minutes}) // 60 AS VARCHAR), 2, '0') || ':' || "
        f"lpad(CAST(abs({minutes}) % 60 AS VARCHAR), 2, '0')"
    )
    return Expr(f"({sql})", varchar(7), False)


# -- the session ------------------------------------------------------------------------------


@function("SYS_CONTEXT", least=2, most=3)
def _sys_context(args: Args) -> Expr:
    space, name = args.constant(0).upper(), args.constant(1).upper()
    value = args.compiler.context(space, name)
    if value is None and space == "USERENV":
        raise OracleError(2003, "invalid USERENV parameter")
    if not value:
        return Expr("CAST(NULL AS VARCHAR)", varchar(4000))
    return Expr(quote(value), varchar(4000), constant=value)


@function("USERENV", least=1)
def _userenv(args: Args) -> Expr:
    value = args.compiler.context("USERENV", args.constant(0).upper())
    if value is None:
        raise OracleError(2003, "invalid USERENV parameter")
    return Expr(quote(value), varchar(64), constant=value)


@function("SYS_GUID", least=0)
def _sys_guid(args: Args) -> Expr:
    return Expr("unhex(replace(CAST(uuid() AS VARCHAR), '-', ''))", Ty(Kind.RAW, length=16), False)


@function("DBMS_FLASHBACK.GET_SYSTEM_CHANGE_NUMBER", least=0)
def _current_scn(args: Args) -> Expr:
    args.compiler.require_execute("DBMS_FLASHBACK", args.node)
    return Expr("CAST($rt_scn AS DECIMAL(18,0))", number(18), False)


@function("TIMESTAMP_TO_SCN", least=1)
def _timestamp_to_scn(args: Args) -> Expr:
    utc = convert.instant(args[0], args.settings)
    micros = f"ns_us({utc.sql})" if utc.ty.fine else utc.sql
    return Expr(f"CAST(py_scn_at({micros}) AS DECIMAL(18,0))", number(18), args.nullable)


@function("SCN_TO_TIMESTAMP", least=1)
def _scn_to_timestamp(args: Args) -> Expr:
    sql = f"py_scn_time({args.whole(0)}) + to_minutes(CAST($rt_server_offset AS INTEGER))"
    return Expr(f"({sql})", timestamp(6), args.nullable)
