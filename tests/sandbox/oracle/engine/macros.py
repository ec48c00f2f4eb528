"""What DuckDB must know before it can run translated SQL: macros and vectorised functions."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import duckdb
import pyarrow as pa

from tests.sandbox.oracle.engine import exact
from tests.sandbox.oracle.engine.date_models import parse_moment
from tests.sandbox.oracle.engine.number_models import format_number, parse_formatted
from tests.sandbox.oracle.errors import OracleError

_MACROS = r"""
fdiv(a, b) AS (a - ((a % b) + b) % b) // b
us_seconds(t) AS fdiv(epoch_us(t), 1000000)
ns_with(s, n) AS CASE WHEN s IS NULL OR n IS NULL THEN NULL ELSE struct_pack(seconds := CAST(s AS BIGINT), nanos := CAST(n AS INTEGER)) END
ns_us(x) AS make_timestamp(x.seconds * 1000000 + x.nanos // 1000)
us_ns(t) AS ns_with(us_seconds(t), (epoch_us(t) - us_seconds(t) * 1000000) * 1000)
us_shift(a, unit) AS make_timestamp(fdiv(a + unit // 2, unit) * unit)
us_round(t, unit) AS us_shift(epoch_us(t), unit)
ns_carry(s, n) AS ns_with(s + fdiv(n, 1000000000), n - fdiv(n, 1000000000) * 1000000000)
ns_round(x, unit) AS ns_carry(x.seconds, (CAST(x.nanos AS BIGINT) + unit // 2) // unit * unit)
tz_pack(s, n, o) AS CASE WHEN s IS NULL OR o IS NULL THEN NULL ELSE struct_pack(seconds := CAST(s AS BIGINT), nanos := CAST(n AS INTEGER), "offset" := CAST(o AS SMALLINT)) END
tz_carry(s, n, o) AS tz_pack(s + fdiv(n, 1000000000), n - fdiv(n, 1000000000) * 1000000000, o)
tz_round(x, unit) AS tz_carry(x.seconds, (CAST(x.nanos AS BIGINT) + unit // 2) // unit * unit, x."offset")
tz_utc(x) AS make_timestamp(x.seconds * 1000000 + x.nanos // 1000)
tz_local(x) AS make_timestamp((x.seconds + x."offset" * 60) * 1000000 + x.nanos // 1000)
tz_utc_ns(x) AS ns_with(x.seconds, x.nanos)
tz_local_ns(x) AS ns_with(x.seconds + x."offset" * 60, x.nanos)
tz_from_ns(x, o) AS tz_pack(x.seconds, x.nanos, o)
tz_from(t, o) AS tz_pack(us_seconds(t), (epoch_us(t) - us_seconds(t) * 1000000) * 1000, o)
m_micros(p) AS make_timestamp(p.seconds * 1000000)
m_nanos(p) AS ns_with(p.seconds, p.nanos)
m_zoned(p, o) AS tz_pack(p.seconds - coalesce(p."offset", o) * 60, p.nanos, coalesce(p."offset", o))
oracle_year(t) AS abs(year(t))
ordinal(s) AS s || CASE WHEN CAST(right(s, 2) AS INTEGER) BETWEEN 11 AND 13 THEN 'TH' WHEN right(s, 1) = '1' THEN 'ST' WHEN right(s, 1) = '2' THEN 'ND' WHEN right(s, 1) = '3' THEN 'RD' ELSE 'TH' END
n_compare(a, b) AS CASE WHEN a IS NULL OR b IS NULL THEN NULL WHEN a = b THEN 0 WHEN CAST(a AS DOUBLE) < CAST(b AS DOUBLE) THEN -1 WHEN CAST(a AS DOUBLE) > CAST(b AS DOUBLE) THEN 1 WHEN n_key(a) < n_key(b) THEN -1 ELSE 1 END
n_to_char(x) AS CASE WHEN strlen(x) > 40 THEN n_char(x) WHEN x LIKE '0.%' THEN substr(x, 2) WHEN x LIKE '-0.%' THEN '-' || substr(x, 3) ELSE x END
n_small(x) AS strlen(x) <= 28 AND (NOT contains(x, '.') OR strlen(x) - instr(x, '.') <= 10)
left_bytes(s, n) AS CASE WHEN strlen(s) <= n THEN s ELSE py_left_bytes(s, n) END
pad_char(s, n, chars) AS CASE WHEN chars THEN rpad(s, CAST(n AS INTEGER), ' ') ELSE s || repeat(' ', greatest(n - strlen(s), 0)) END
x_raw(s) AS CASE WHEN s IS NULL THEN NULL WHEN regexp_full_match(s, '[0-9A-Fa-f]*') THEN unhex(CASE WHEN strlen(s) % 2 = 1 THEN '0' || s ELSE s END) ELSE error('ORA-01465: invalid hex number') END
rowid_digit(n) AS substr('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', CAST(n & 63 AS INTEGER) + 1, 1)
rowid_six(n) AS rowid_digit(n >> 30) || rowid_digit(n >> 24) || rowid_digit(n >> 18) || rowid_digit(n >> 12) || rowid_digit(n >> 6) || rowid_digit(n)
rowid_text(o, n) AS CASE WHEN n IS NULL THEN NULL ELSE rowid_six(o) || 'AAH' || rowid_six(n >> 8) || rowid_digit((n & 255) >> 12) || rowid_digit((n & 255) >> 6) || rowid_digit(n & 255) END
month_end(t) AS last_day(CAST(t AS DATE))
is_month_end(t) AS CAST(t AS DATE) = last_day(CAST(t AS DATE))
clock_us(t) AS epoch_us(t) - epoch_us(date_trunc('day', t))
add_months_to(t, n) AS CASE WHEN is_month_end(t) THEN make_timestamp(epoch_us(CAST(last_day(CAST(t + to_months(CAST(n AS INTEGER)) AS DATE)) AS TIMESTAMP)) + clock_us(t)) ELSE t + to_months(CAST(n AS INTEGER)) END
month_number(t) AS year(t) * 12 + month(t)
ratio18(n, d) AS CAST(n // d AS DECIMAL(20,0)) + CAST(CAST(round_half((CAST(n % d AS HUGEINT) * 1000000000000000000), d) AS DECIMAL(19,0)) * CAST('0.000000000000000001' AS DECIMAL(18,18)) AS DECIMAL(19,18))
days_between(a, b) AS CAST(ratio18((epoch_us(a) - epoch_us(b)) // 1000000, 86400) AS DECIMAL(28,18))
month_span(a, b) AS CASE WHEN day(a) = day(b) OR (is_month_end(a) AND is_month_end(b)) THEN CAST(month_number(a) - month_number(b) AS DECIMAL(28,18)) ELSE CAST(CAST(month_number(a) - month_number(b) AS DECIMAL(9,0)) + ratio18((day(a) - day(b)) * 86400 + (clock_us(a) - clock_us(b)) // 1000000, 2678400) AS DECIMAL(28,18)) END
day_us(n) AS CAST(round(CAST(n AS DECIMAL(28,18)) * 86400) AS BIGINT) * 1000000
us_plus_days(t, n) AS moment_checked(epoch_us(t) + day_us(n))
moment_checked(us) AS CASE WHEN us BETWEEN -210863520000000000 AND 253402300799999999 THEN make_timestamp(us) WHEN us IS NULL THEN NULL ELSE error('ORA-01841: (full) year must be between -4713 and +9999, and not be 0') END
ds_pack(total) AS CASE WHEN total IS NULL THEN NULL ELSE struct_pack(days := CAST(total // 86400000000000 AS BIGINT), nanos := CAST(total % 86400000000000 AS BIGINT)) END
ds_total(x) AS CAST(x.days AS HUGEINT) * 86400000000000 + x.nanos
us_plus_ds(t, x, sign) AS moment_checked(epoch_us(t) + sign * (x.days * 86400000000 + x.nanos // 1000))
ns_plus_ds(t, x, sign) AS ns_carry(t.seconds + sign * x.days * 86400, CAST(t.nanos AS BIGINT) + sign * x.nanos)
tz_plus_ds(t, x, sign) AS tz_carry(t.seconds + sign * x.days * 86400, CAST(t.nanos AS BIGINT) + sign * x.nanos, t."offset")
ns_difference(a, b) AS ds_pack(CAST(a.seconds - b.seconds AS HUGEINT) * 1000000000 + (a.nanos - b.nanos))
us_difference(a, b) AS ds_pack(CAST(epoch_us(a) - epoch_us(b) AS HUGEINT) * 1000)
"""
_ROUND_HALF = "CREATE OR REPLACE MACRO round_half(n, d) AS (n + CASE WHEN n < 0 THEN -d // 2 ELSE d // 2 END) // d"


def install(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the functions and macros known to the database."""
    for name, function, arguments, result in (*exact.FUNCTIONS, *_FUNCTIONS):
        connection.create_function(
            f"raw_{name}", function, arguments, result, type="arrow", null_handling="special"
        )
        names = ", ".join(f"a{i}" for i in range(len(arguments)))
        # DuckDB 1.5.5 lets go of a function's strings while COALESCE still points at them:
        # concatenating nothing copies them into memory of its own.
        copied = {"VARCHAR": " || ''", "BLOB": " || CAST('' AS BLOB)"}.get(result, "")
        connection.execute(f"CREATE MACRO {name}({names}) AS raw_{name}({names}){copied}")
    connection.execute(_ROUND_HALF)
    for line in _in_order(_MACROS.strip().splitlines()):
        connection.execute(f"CREATE OR REPLACE MACRO {line}")


def _in_order(lines: list[str]) -> list[str]:
    """Macros after those they use: `moment_checked` and the like may come later in the text."""
    early = [line for line in lines if line.startswith(("moment_checked", "day_us"))]
    return early + [line for line in lines if line not in early]


def _rows(*columns: Any) -> Any:
    return zip(*(column.to_pylist() for column in columns), strict=True)


def _left_bytes(texts: Any, lengths: Any) -> pa.Array:
    return pa.array(
        [
            None if text is None else text.encode()[:length].decode(errors="ignore")
            for text, length in _rows(texts, lengths)
        ],
        pa.string(),
    )


def _fit(texts: Any, precisions: Any, scales: Any) -> pa.Array:
    return pa.array(
        [None if t is None else _fitted(t, p, s) for t, p, s in _rows(texts, precisions, scales)],
        pa.string(),
    )


def _fitted(text: str, precision: int, scale: int) -> str:
    value = exact.rounded(exact.parse_number(text), exact.Decimal(scale))
    if abs(value) >= exact.Decimal(10) ** (precision - scale):
        raise OracleError(1438, "value larger than specified precision allowed for this column")
    return exact.canonical(value)


_PARSED = pa.struct([("seconds", pa.int64()), ("nanos", pa.int32()), ("offset", pa.int16())])


def _parse_moments(texts: Any, models: Any, todays: Any) -> pa.Array:
    return pa.array(
        [_parsed(text, model, today) for text, model, today in _rows(texts, models, todays)],
        _PARSED,
    )


def _parsed(
    text: str | None, model: str, today: dt.datetime | None
) -> dict[str, int | None] | None:
    if text is None:
        return None
    moment = parse_moment(text, model, today or dt.datetime(1970, 1, 1))  # noqa: DTZ001
    return {"seconds": moment.seconds, "nanos": moment.nanos, "offset": moment.offset}


def _text_function(function: Any) -> Any:
    def run(texts: Any, models: Any, characters: Any) -> pa.Array:
        rows = _rows(texts, models, characters)
        return pa.array([None if None in row else function(*row) for row in rows], pa.string())

    return run


_SPAN = pa.struct([("days", pa.int64()), ("nanos", pa.int64())])
_DS = re.compile(r"^\s*([+-]?)\s*(\d{1,9})\s+(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,9}))?\s*$")
_YM = re.compile(r"^\s*([+-]?)\s*(\d{1,9})-(\d{1,2})\s*$")


def parse_day_second(text: str) -> dict[str, int]:
    """'[+-]D HH:MI:SS[.FF]' as days and nanoseconds of one sign. Raises ORA-01867."""
    match = _DS.match(text)
    if match is None:
        raise OracleError(1867, "the interval is invalid")
    days, hours, minutes, seconds = (int(match.group(i)) for i in range(2, 6))
    if hours > 23 or minutes > 59 or seconds > 59:
        raise OracleError(1850, "hour must be between 0 and 23")
    sign = -1 if match.group(1) == "-" else 1
    nanos = (hours * 3600 + minutes * 60 + seconds) * 10**9
    nanos += int((match.group(6) or "").ljust(9, "0"))
    return {"days": sign * days, "nanos": sign * nanos}


def parse_year_month(text: str) -> int:
    """'[+-]Y-M' in months. Raises ORA-01867."""
    match = _YM.match(text)
    if match is None or int(match.group(3)) > 11:
        raise OracleError(1867, "the interval is invalid")
    months = int(match.group(2)) * 12 + int(match.group(3))
    return -months if match.group(1) == "-" else months


def _day_second_char(spans: Any, precisions: Any, scales: Any) -> pa.Array:
    return pa.array(
        [
            None if span is None else _span_text(span["days"], span["nanos"], precision, scale)
            for span, precision, scale in _rows(spans, precisions, scales)
        ],
        pa.string(),
    )


def _span_text(days: int, nanos: int, precision: int, scale: int) -> str:
    sign = "-" if days < 0 or nanos < 0 else "+"
    seconds, rest = divmod(abs(nanos), 10**9)
    fraction = f".{rest:09d}"[: scale + 1] if scale else ""
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{sign}{abs(days):0{precision}d} {clock}{fraction}"


def _year_month_char(months: Any, precisions: Any) -> pa.Array:
    return pa.array(
        [
            None
            if value is None
            else f"{'-' if value < 0 else '+'}{abs(value) // 12:0{precision}d}-{abs(value) % 12:02d}"
            for value, precision in _rows(months, precisions)
        ],
        pa.string(),
    )


def _instr(texts: Any, parts: Any, starts: Any, nths: Any) -> pa.Array:
    return pa.array(
        [None if None in row else _position(*row) for row in _rows(texts, parts, starts, nths)],
        pa.int64(),
    )


def _position(text: str, part: str, start: int, nth: int) -> int:
    """INSTR with a start, which counts from the end when negative, and an occurrence."""
    if start < 0:
        at = len(text) + start + 1
        for _ in range(nth):
            at = text.rfind(part, 0, max(at, 0) + len(part) - 1) if at > 0 else -1
            if at < 0:
                return 0
        return at + 1
    at = start - 2
    for _ in range(nth):
        at = text.find(part, at + 1)
        if at < 0 or start == 0:
            return 0
    return at + 1


def _initcap(text: str) -> str:
    return re.sub(r"[^\W_]+", lambda m: m.group()[0].upper() + m.group()[1:].lower(), text)


def _unistr(text: str) -> str:
    """UNISTR: \\XXXX is a UTF-16 code unit."""
    units = re.sub(
        r"\\\\|\\([0-9A-Fa-f]{4})",
        lambda m: chr(int(m.group(1), 16)) if m.group(1) else "\\",
        text,
    )
    return units.encode("utf-16", "surrogatepass").decode("utf-16")


def _blob_part(blobs: Any, starts: Any, amounts: Any) -> pa.Array:
    return pa.array(
        [
            None if None in row else (row[0][row[1] - 1 : row[1] - 1 + row[2]] or None)
            for row in _rows(blobs, starts, amounts)
        ],
        pa.binary(),
    )


_FUNCTIONS: tuple[tuple[str, Any, list[str], str], ...] = (
    ("py_left_bytes", _left_bytes, ["VARCHAR", "BIGINT"], "VARCHAR"),
    ("py_instr", _instr, ["VARCHAR", "VARCHAR", "BIGINT", "BIGINT"], "BIGINT"),
    ("py_initcap", exact.mapped(_initcap, pa.string()), ["VARCHAR"], "VARCHAR"),
    ("py_unistr", exact.mapped(_unistr, pa.string()), ["VARCHAR"], "VARCHAR"),
    ("blob_part", _blob_part, ["BLOB", "BIGINT", "BIGINT"], "BLOB"),
    ("n_fit", _fit, ["VARCHAR", "INTEGER", "INTEGER"], "VARCHAR"),
    ("n_format", _text_function(format_number), ["VARCHAR"] * 3, "VARCHAR"),
    ("n_unformat", _text_function(parse_formatted), ["VARCHAR"] * 3, "VARCHAR"),
    (
        "m_parse",
        _parse_moments,
        ["VARCHAR", "VARCHAR", "TIMESTAMP"],
        'STRUCT(seconds BIGINT, nanos INTEGER, "offset" SMALLINT)',
    ),
    (
        "ds_parse",
        exact.mapped(parse_day_second, _SPAN),
        ["VARCHAR"],
        "STRUCT(days BIGINT, nanos BIGINT)",
    ),
    ("ym_parse", exact.mapped(parse_year_month, pa.int32()), ["VARCHAR"], "INTEGER"),
    (
        "ds_char",
        _day_second_char,
        ["STRUCT(days BIGINT, nanos BIGINT)", "INTEGER", "INTEGER"],
        "VARCHAR",
    ),
    ("ym_char", _year_month_char, ["INTEGER", "INTEGER"], "VARCHAR"),
)
