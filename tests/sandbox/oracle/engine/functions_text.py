"""Functions on strings and bytes, and conversions to and from strings."""

from __future__ import annotations

from dataclasses import replace

from tests.sandbox.oracle.engine import convert, formats
from tests.sandbox.oracle.engine.convert import Expr, quote
from tests.sandbox.oracle.engine.functions import Args, function, unsupported
from tests.sandbox.oracle.engine.types import (
    BINARY_KINDS,
    CHAR_KINDS,
    CLOB,
    DATE,
    INTERVAL_KINDS,
    LOB_KINDS,
    MOMENT_KINDS,
    NUMBER,
    Ty,
    interval_ds,
    number,
    timestamp,
    timestamp_tz,
    varchar,
)
from tests.sandbox.oracle.engine.zones import zone
from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.session import Kind


def _string(sql: str, like: Ty, length: int | None = None, nullable: bool = True) -> Expr:
    """A VARCHAR2 (or CLOB) result; '' becomes NULL."""
    if like.kind in LOB_KINDS:
        return Expr(f"nullif({sql}, '')", CLOB, nullable)
    national = like.kind in (Kind.NVARCHAR2, Kind.NCHAR)
    ty = varchar(length or like.length or 1, like.char_semantics)
    if national:
        ty = replace(ty, kind=Kind.NVARCHAR2, char_semantics=True)
    return Expr(f"nullif({sql}, '')", ty, nullable)


@function("UPPER", "LOWER", "INITCAP", "NLS_UPPER", "NLS_LOWER", least=1)
def _case(args: Args) -> Expr:
    value = args.text(0)
    name = args.node.parts[-1].removeprefix("NLS_")
    if name == "INITCAP":
        return _string(f"py_initcap({value.sql})", value.ty)
    return Expr(f"{name.lower()}({value.sql})", value.ty, value.nullable)


@function("SUBSTR", "SUBSTRC", "SUBSTR2", "SUBSTR4", least=2, most=3)
def _substr(args: Args) -> Expr:
    value, start = args.text(0), args.whole(1)
    begin = f"CASE WHEN {start} = 0 THEN 1 ELSE {start} END"
    outside = f"{start} < 0 AND -{start} > length({value.sql})"
    if len(args) == 2:
        sql = f"substr({value.sql}, {begin})"
    else:
        size = args.whole(2)
        sql = f"CASE WHEN {size} >= 1 THEN substr({value.sql}, {begin}, {size}) END"
    literal = args.node.args[2] if len(args) == 3 else None
    length = int(literal.text) if getattr(literal, "text", "").isdigit() else None
    return _string(f"CASE WHEN {outside} THEN NULL ELSE {sql} END", value.ty, length)


@function("SUBSTRB", least=3)
def _substrb(args: Args) -> Expr:
    """Only from the beginning: what is needed to cut a string to a number of bytes."""
    if getattr(args.node.args[1], "text", "") != "1":
        raise unsupported("SUBSTRB with another start than 1")
    value = args.text(0)
    return _string(f"left_bytes({value.sql}, {args.whole(2)})", value.ty)


@function("INSTR", least=2, most=4)
def _instr(args: Args) -> Expr:
    value, part = args.text(0).sql, args.text(1).sql
    start = args.whole(2) if len(args) > 2 else "1"
    nth = args.whole(3) if len(args) > 3 else "1"
    if start == nth == "1":
        sql = f"instr({value}, {part})"
    else:
        sql = f"py_instr({value}, {part}, {start}, {nth})"
    return Expr(f"CAST({sql} AS DECIMAL(10,0))", number(10), args.nullable)


@function("LENGTH", "LENGTHC", least=1)
def _length(args: Args) -> Expr:
    value = args[0]
    if value.ty.kind in BINARY_KINDS:
        return _count(f"octet_length({value.sql})", value)
    return _count(f"length({args.text(0).sql})", value)


@function("LENGTHB", least=1)
def _lengthb(args: Args) -> Expr:
    value = args[0]
    if value.ty.kind in BINARY_KINDS:
        return _count(f"octet_length({value.sql})", value)
    return _count(f"strlen({args.text(0).sql})", value)


@function("DBMS_LOB.GETLENGTH", least=1)
def _lob_length(args: Args) -> Expr:
    return _length(args)


@function("DBMS_LOB.SUBSTR", least=1, most=3)
def _lob_substr(args: Args) -> Expr:
    amount = args.whole(1) if len(args) > 1 else "32767"
    start = args.whole(2) if len(args) > 2 else "1"
    value = args[0] if args[0].ty.kind in BINARY_KINDS else args.text(0)
    if value.ty.kind in BINARY_KINDS:
        return Expr(f"blob_part({value.sql}, {start}, {amount})", Ty(Kind.RAW, length=2000))
    return Expr(f"nullif(substr({value.sql}, {start}, {amount}), '')", varchar(4000))


def _count(sql: str, value: Expr) -> Expr:
    return Expr(f"CAST({sql} AS DECIMAL(10,0))", number(10), value.nullable)


@function("LPAD", "RPAD", least=2, most=3)
def _pad(args: Args) -> Expr:
    value, size = args.text(0), args.whole(1)
    fill = args.text(2).sql if len(args) > 2 else "' '"
    name = args.node.parts[-1].lower()
    sql = f"CASE WHEN {size} >= 1 THEN {name}({value.sql}, CAST({size} AS INTEGER), {fill}) END"
    literal = getattr(args.node.args[1], "text", "")
    return _string(sql, varchar(4000), int(literal) if literal.isdigit() else 4000)


@function("LTRIM", "RTRIM", least=1, most=2)
def _trim(args: Args) -> Expr:
    value = args.text(0)
    chars = args.text(1).sql if len(args) > 1 else "' '"
    return _string(f"{args.node.parts[-1].lower()}({value.sql}, {chars})", value.ty)


@function("REPLACE", least=2, most=3)
def _replace(args: Args) -> Expr:
    value = args.text(0)
    new = f"coalesce({args.text(2).sql}, '')" if len(args) > 2 else "''"
    old = args.text(1).sql
    sql = f"CASE WHEN {old} IS NULL THEN {value.sql} ELSE replace({value.sql}, {old}, {new}) END"
    growth = 4000 if len(args) > 2 else value.ty.length
    return _string(sql, value.ty, growth)


@function("TRANSLATE", least=3)
def _translate(args: Args) -> Expr:
    value = args.text(0)
    sql = f"translate({value.sql}, {args.text(1).sql}, {args.text(2).sql})"
    return _string(sql, value.ty)


@function("CONCAT", least=2)
def _concat(args: Args) -> Expr:
    return convert.concat(args[0], args[1], args.settings)


@function("CHR", "NCHR", least=1, most=2)
def _chr(args: Args) -> Expr:
    return Expr(f"chr(CAST({args.whole(0)} AS INTEGER))", varchar(4), args.nullable)


@function("UNISTR", least=1)
def _unistr(args: Args) -> Expr:
    value = args.text(0)
    return Expr(f"py_unistr({value.sql})", replace(value.ty, kind=Kind.NVARCHAR2), value.nullable)


@function("ASCII", least=1)
def _ascii(args: Args) -> Expr:
    return _count(f"ascii({args.text(0).sql})", args[0])


def _from_the_start(args: Args, *places: int) -> None:
    """Regular expressions begin at 1 here: other literals would be answered wrongly."""
    for place in places:
        wanted = "0" if place == 4 else "1"
        if len(args) > place and getattr(args.node.args[place], "text", "") != wanted:
            raise unsupported("a regular expression with a start or occurrence")


@function("REGEXP_REPLACE", least=2, most=6)
def _regexp_replace(args: Args) -> Expr:
    _from_the_start(args, 3, 4)
    value = args.text(0)
    new = f"coalesce({args.text(2).sql}, '')" if len(args) > 2 else "''"
    options = "g" + (args.constant(5) if len(args) > 5 else "")
    sql = f"regexp_replace({value.sql}, {args.text(1).sql}, {new}, {quote(options)})"
    return _string(sql, value.ty, 4000)


@function("REGEXP_SUBSTR", least=2, most=4)
def _regexp_substr(args: Args) -> Expr:
    _from_the_start(args, 2)
    value = args.text(0)
    nth = args.whole(3) if len(args) > 3 else "1"
    sql = f"regexp_extract_all({value.sql}, {args.text(1).sql})[{nth}]"
    return _string(sql, value.ty)


@function("REGEXP_COUNT", least=2, most=3)
def _regexp_count(args: Args) -> Expr:
    _from_the_start(args, 2)
    sql = f"len(regexp_extract_all({args.text(0).sql}, {args.text(1).sql}))"
    return _count(sql, args[0])


# -- conversions ------------------------------------------------------------------------------


@function("TO_CHAR", "TO_NCHAR", least=1, most=3)
def _to_char(args: Args) -> Expr:
    value = args[0]
    if len(args) == 1 or value.ty.null:
        return _plain_char(value, args)
    if value.ty.kind in MOMENT_KINDS:
        return formats.moment_to_char(value, args.constant(1), args.settings)
    if value.ty.kind in INTERVAL_KINDS:
        return formats.interval_to_char(value)
    if value.ty.kind in CHAR_KINDS:
        value = args.number(0)
    model = args[1]
    if model.constant is not None and model.constant.upper() in ("TM", "TM9"):
        return Expr(convert.number_char(value, args.settings), varchar(64), value.nullable)
    body = convert.decimal_text(value)
    characters = quote(args.settings.numeric_characters)
    sql = f"n_format({body}, {args.text(1).sql}, {characters})"
    return Expr(sql, varchar(64), value.nullable)


def _plain_char(value: Expr, args: Args) -> Expr:
    result = convert.text(value, args.settings)
    if result.ty.kind in LOB_KINDS:
        return Expr(result.sql, varchar(32767), result.nullable)
    if result.ty.kind is Kind.ROWID:
        return Expr(result.sql, varchar(18), result.nullable)
    return Expr(result.sql, replace(result.ty, kind=Kind.VARCHAR2), result.nullable)


@function("TO_NUMBER", least=1, most=3)
def _to_number(args: Args) -> Expr:
    if len(args) == 1:
        return convert.exact_number(args.number(0))
    characters = quote(args.settings.numeric_characters)
    return Expr(f"n_unformat({args.text(0).sql}, {args.text(1).sql}, {characters})", NUMBER)


@function("TO_BINARY_DOUBLE", "TO_BINARY_FLOAT", least=1)
def _to_binary(args: Args) -> Expr:
    ty = Ty(Kind.BINARY_FLOAT if args.node.parts[-1].endswith("FLOAT") else Kind.BINARY_DOUBLE)
    return Expr(f"CAST({args.number(0).sql} AS {ty.duck})", ty, args.nullable)


@function("TO_DATE", least=1, most=3)
def _to_date(args: Args) -> Expr:
    return _to_moment(args, DATE, args.settings.date_format)


@function("TO_TIMESTAMP", least=1, most=3)
def _to_timestamp(args: Args) -> Expr:
    return _to_moment(args, timestamp(9), args.settings.timestamp_format)


@function("TO_TIMESTAMP_TZ", least=1, most=3)
def _to_timestamp_tz(args: Args) -> Expr:
    return _to_moment(args, timestamp_tz(9), args.settings.timestamp_tz_format)


def _to_moment(args: Args, ty: Ty, model: str) -> Expr:
    if args[0].ty.null:
        return convert.null(ty)
    if len(args) > 1:
        model = args.constant(1)
    if args[0].ty.kind in MOMENT_KINDS:
        as_text = convert.text(args[0], args.settings)
        return formats.to_moment(as_text, model, ty, args.settings)
    return formats.to_moment(args[0], model, ty, args.settings)


@function("TO_CLOB", "TO_NCLOB", least=1)
def _to_clob(args: Args) -> Expr:
    kind = Kind.NCLOB if args.node.parts[-1] == "TO_NCLOB" else Kind.CLOB
    return Expr(args.text(0).sql, Ty(kind), args.nullable)


@function("TO_BLOB", least=1)
def _to_blob(args: Args) -> Expr:
    return Expr(args[0].sql, Ty(Kind.BLOB), args.nullable)


@function("RAWTOHEX", least=1)
def _raw_to_hex(args: Args) -> Expr:
    value = args[0]
    if value.ty.kind in CHAR_KINDS:
        return Expr(f"hex({value.sql})", varchar(2 * (value.ty.length or 1)), value.nullable)
    return Expr(f"hex({value.sql})", varchar(2 * (value.ty.length or 2000)), value.nullable)


@function("HEXTORAW", least=1)
def _hex_to_raw(args: Args) -> Expr:
    value = args.text(0)
    ty = Ty(Kind.RAW, length=max(1, (value.ty.length or 2) // 2))
    return Expr(f"x_raw({value.sql})", ty, value.nullable)


@function("UTL_RAW.CAST_TO_RAW", least=1)
def _cast_to_raw(args: Args) -> Expr:
    value = args.text(0)
    return Expr(f"encode({value.sql})", Ty(Kind.RAW, length=value.ty.length), value.nullable)


@function("UTL_RAW.CAST_TO_VARCHAR2", least=1)
def _cast_to_varchar(args: Args) -> Expr:
    return _string(f"decode({args[0].sql})", varchar(args[0].ty.length or 2000))


@function("ROWIDTOCHAR", "ROWIDTONCHAR", least=1)
def _rowid_to_char(args: Args) -> Expr:
    return Expr(args[0].sql, varchar(18), args.nullable)


@function("CHARTOROWID", least=1)
def _char_to_rowid(args: Args) -> Expr:
    return Expr(args.text(0).sql, Ty(Kind.ROWID, length=18), args.nullable)


_HASHES = {"MD5": ("md5", 16), "SHA1": ("sha1", 20), "SHA256": ("sha256", 32)}


@function("STANDARD_HASH", least=1, most=2)
def _standard_hash(args: Args) -> Expr:
    """Of strings; other types hash their inner bytes in Oracle, which are not those here."""
    name = args.constant(1).upper() if len(args) > 1 else "SHA1"
    if name not in _HASHES or args[0].ty.kind not in CHAR_KINDS:
        raise unsupported(f"STANDARD_HASH {name} of that type")
    call, size = _HASHES[name]
    return Expr(f"unhex({call}({args[0].sql}))", Ty(Kind.RAW, length=size), args.nullable)


@function("TO_DSINTERVAL", "TO_YMINTERVAL", least=1)
def _to_interval(args: Args) -> Expr:
    if args.node.parts[-1] == "TO_DSINTERVAL":
        return Expr(f"ds_parse({args.text(0).sql})", interval_ds(), args.nullable)
    ty = Ty(Kind.INTERVAL_YM, precision=9, scale=0)
    return Expr(f"ym_parse({args.text(0).sql})", ty, args.nullable)


def _unit(args: Args, units: dict[str, int]) -> int:
    name = args.constant(1).strip().upper()
    if name not in units:
        raise OracleError(1760, "illegal argument for function")
    return units[name]


@function("NUMTODSINTERVAL", least=2)
def _num_to_ds(args: Args) -> Expr:
    unit = _unit(args, {"DAY": 86400, "HOUR": 3600, "MINUTE": 60, "SECOND": 1})
    nanos = f"n_round(n_mul({convert.decimal_text(args.number(0))}, '{unit * 10**9}'), '0')"
    return Expr(f"ds_pack(CAST({nanos} AS HUGEINT))", interval_ds(), args.nullable)


@function("NUMTOYMINTERVAL", least=2)
def _num_to_ym(args: Args) -> Expr:
    unit = _unit(args, {"YEAR": 12, "MONTH": 1})
    months = f"n_round(n_mul({convert.decimal_text(args.number(0))}, '{unit}'), '0')"
    ty = Ty(Kind.INTERVAL_YM, precision=9, scale=0)
    return Expr(f"CAST({months} AS INTEGER)", ty, args.nullable)


@function("FROM_TZ", least=2)
def _from_tz(args: Args) -> Expr:
    where = zone(args.constant(1))
    value = args[0]
    scale = 6 if value.ty.scale is None else value.ty.scale
    utc = where.to_utc(convert.micros(value, args.settings))
    if value.ty.fine:
        fine = f"ns_with(us_seconds({utc}), ({value.sql}).nanos)"
        return convert.at_zone(Expr(fine, timestamp(9), value.nullable), where, scale)
    return convert.at_zone(Expr(utc, timestamp(scale), value.nullable), where, scale)
