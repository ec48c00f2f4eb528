"""Oracle's types on the wire: their numbers, how columns describe them, single values.

Whole columns are encoded in `rows`; here is one value at a time, for binds, OUT values and
the rare values that the column encoders hand over.

NUMBER          sign and exponent byte, then base-100 digits, most significant first:
                positive 0xC1+e and digits d+1, negative 0x3E-e, digits 101-d and a closing
                102 when there are fewer than 20; zero is 80
DATE            century+100, year in century+100, month, day, hour+1, minute+1, second+1;
                the parts of a negative year are both below 100
TIMESTAMP       a DATE and u32be nanoseconds, which are left out when they are zero
... TIME ZONE   a TIMESTAMP in UTC, offset hours+20, offset minutes+60
INTERVAL DS     u32be days+2^31, hours+60, minutes+60, seconds+60, u32be nanoseconds+2^31
INTERVAL YM     u32be years+2^31, months+60
BINARY_*        IEEE big-endian; sign bit set when positive, all bits inverted when negative
ROWID           u8 14, ub object, ub file, u8 0, ub block, ub slot

Source: python-oracledb 26.1, `impl/base/decoders.pyx`, `encoders.pyx`, `metadata.pyx`.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import struct
from dataclasses import dataclass
from decimal import Decimal

from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.primitives import encode_ub
from tests.sandbox.oracle.session import Column, Kind

VARCHAR = 1
NUMBER = 2
BINARY_INTEGER = 3
LONG = 8
ROWID = 11
DATE = 12
RAW = 23
LONG_RAW = 24
CHAR = 96
BINARY_FLOAT = 100
BINARY_DOUBLE = 101
CLOB = 112
BLOB = 113
TIMESTAMP = 180
TIMESTAMP_TZ = 181
INTERVAL_YM = 182
INTERVAL_DS = 183
UROWID = 208
TIMESTAMP_LTZ = 231
BOOLEAN = 252

FORM_NONE = 0
FORM_CHAR = 1
FORM_NCHAR = 2
CHARSET_UTF8 = 873
CHARSET_UTF16 = 2000
NO_SCALE = -127
STRING_BYTES_MAX = 32767
LOB_BUFFER = 4000
INTERVAL_BIAS = 1 << 31
EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001  Oracle's DATE has no zone

LONG_TYPES = frozenset({LONG, LONG_RAW})
LOB_TYPES = frozenset({CLOB, BLOB})
TEXT_TYPES = frozenset({VARCHAR, CHAR, LONG})
BYTES_TYPES = frozenset({RAW, LONG_RAW})
NUMBER_TYPES = frozenset({NUMBER, BINARY_INTEGER})
ZONELESS_TYPES = frozenset({DATE, TIMESTAMP, TIMESTAMP_LTZ})

_TYPE_AND_FORM: dict[Kind, tuple[int, int]] = {
    Kind.VARCHAR2: (VARCHAR, FORM_CHAR),
    Kind.NVARCHAR2: (VARCHAR, FORM_NCHAR),
    Kind.CHAR: (CHAR, FORM_CHAR),
    Kind.NCHAR: (CHAR, FORM_NCHAR),
    Kind.NUMBER: (NUMBER, FORM_NONE),
    Kind.FLOAT: (NUMBER, FORM_NONE),
    Kind.BINARY_FLOAT: (BINARY_FLOAT, FORM_NONE),
    Kind.BINARY_DOUBLE: (BINARY_DOUBLE, FORM_NONE),
    Kind.DATE: (DATE, FORM_NONE),
    Kind.TIMESTAMP: (TIMESTAMP, FORM_NONE),
    Kind.TIMESTAMP_TZ: (TIMESTAMP_TZ, FORM_NONE),
    Kind.TIMESTAMP_LTZ: (TIMESTAMP_LTZ, FORM_NONE),
    Kind.INTERVAL_DS: (INTERVAL_DS, FORM_NONE),
    Kind.INTERVAL_YM: (INTERVAL_YM, FORM_NONE),
    Kind.RAW: (RAW, FORM_NONE),
    Kind.CLOB: (CLOB, FORM_CHAR),
    Kind.NCLOB: (CLOB, FORM_NCHAR),
    Kind.BLOB: (BLOB, FORM_NONE),
    Kind.LONG: (LONG, FORM_CHAR),
    Kind.LONG_RAW: (LONG_RAW, FORM_NONE),
    Kind.ROWID: (ROWID, FORM_NONE),
}
_KIND: dict[tuple[int, int], Kind] = {
    **{wire: kind for kind, wire in _TYPE_AND_FORM.items() if kind is not Kind.FLOAT},
    (BINARY_INTEGER, FORM_NONE): Kind.NUMBER,
    (BOOLEAN, FORM_NONE): Kind.NUMBER,
    (UROWID, FORM_NONE): Kind.ROWID,
    (LONG, FORM_NCHAR): Kind.NVARCHAR2,
}
_BUFFER_SIZES: dict[int, int] = {
    NUMBER: 22,
    ROWID: 18,
    DATE: 7,
    BINARY_FLOAT: 4,
    BINARY_DOUBLE: 8,
    CLOB: LOB_BUFFER,
    BLOB: LOB_BUFFER,
    LONG: STRING_BYTES_MAX,
    LONG_RAW: STRING_BYTES_MAX,
    TIMESTAMP: 11,
    TIMESTAMP_TZ: 13,
    TIMESTAMP_LTZ: 11,
    INTERVAL_DS: 11,
    INTERVAL_YM: 5,
}


@dataclass(frozen=True, slots=True)
class WireColumn:
    """What a describe message says of a column; sizes in bytes, `max_size` in characters."""

    name: str
    type: int
    form: int
    precision: int
    scale: int
    buffer_size: int
    max_size: int
    nullable: bool


def describe(column: Column) -> WireColumn:
    """`column` as the client is told of it."""
    wire_type, form = _TYPE_AND_FORM[column.kind]
    precision, scale = _precision_and_scale(column)
    buffer_size, max_size = _sizes(column, wire_type, form)
    return WireColumn(
        column.name, wire_type, form, precision, scale, buffer_size, max_size, column.nullable
    )


def _precision_and_scale(column: Column) -> tuple[int, int]:
    if column.kind is Kind.NUMBER:
        if column.precision is None and column.scale is None:
            return 0, NO_SCALE
        return column.precision or 38, column.scale or 0
    if column.kind is Kind.FLOAT:
        return column.precision or 126, NO_SCALE
    if column.kind in (Kind.TIMESTAMP, Kind.TIMESTAMP_TZ, Kind.TIMESTAMP_LTZ):
        return 0, 6 if column.scale is None else column.scale
    if column.kind is Kind.INTERVAL_DS:
        return column.precision or 2, 6 if column.scale is None else column.scale
    if column.kind is Kind.INTERVAL_YM:
        return column.precision or 2, 0
    return 0, 0


def _sizes(column: Column, wire_type: int, form: int) -> tuple[int, int]:
    """(buffer in bytes, maximum in characters). A buffer of 0 would mean "always NULL"."""
    if wire_type in _BUFFER_SIZES:
        return _BUFFER_SIZES[wire_type], 0
    length = max(1, column.length or 4000)
    if wire_type == RAW:
        return length, 0
    if form == FORM_NCHAR:
        return min(2 * length, STRING_BYTES_MAX - 1), length
    if column.char_semantics:
        return min(4 * length, STRING_BYTES_MAX), length
    return length, length


def kind_of(wire_type: int, form: int) -> Kind:
    """The kind of a bind. Raises OracleError (ORA-03115) for a type that is not served."""
    for candidate in ((wire_type, form), (wire_type, FORM_NONE), (wire_type, FORM_CHAR)):
        if candidate in _KIND:
            return _KIND[candidate]
    raise OracleError(3115, f"unsupported network datatype or representation ({wire_type})")


# -- NUMBER ----------------------------------------------------------------------------------

_NUMBER_TEXT = re.compile(r"([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?\Z", re.ASCII)
DIGIT_PAIRS_MAX = 20


def encode_number(value: int | float | Decimal | str) -> bytes:
    """A NUMBER. Text is decimal, with or without exponent. Raises OracleError.

    More than 40 significant digits, or a magnitude outside 1E-130 .. <1E126, are ORA-01426
    and never rounded.
    """
    text = repr(value) if isinstance(value, float) else str(value)
    match = _NUMBER_TEXT.match(text.strip())
    if match is None or not (match[2] or match[3]):
        raise OracleError(1722, f"invalid number: {text!r}")
    exponent = int(match[4] or 0) - len(match[3])
    return _encode_digits(match[1] == "-", match[2] + match[3], exponent)


def _encode_digits(negative: bool, digits: str, exponent: int) -> bytes:
    """`digits` times ten to the power of `exponent`."""
    digits = digits.lstrip("0")
    stripped = digits.rstrip("0")
    exponent += len(digits) - len(stripped)
    if not stripped:
        return b"\x80"
    if exponent % 2:
        stripped += "0"
        exponent -= 1
    if len(stripped) % 2:
        stripped = "0" + stripped
    pairs = [int(stripped[i : i + 2]) for i in range(0, len(stripped), 2)]
    first = exponent // 2 + len(pairs) - 1
    if len(pairs) > DIGIT_PAIRS_MAX or not -65 <= first <= 62:
        raise OracleError(1426, "numeric overflow")
    if not negative:
        return bytes((0xC1 + first, *(pair + 1 for pair in pairs)))
    closing = (102,) if len(pairs) < DIGIT_PAIRS_MAX else ()
    return bytes((0x3E - first, *(101 - pair for pair in pairs), *closing))


def decode_number(data: bytes) -> int | Decimal:
    """A NUMBER: int when it is whole and has at most 40 digits, Decimal otherwise."""
    if data == b"\x80":
        return 0
    negative = not data[0] & 0x80
    if negative:
        first = 0x3E - data[0]
        pairs = [101 - byte for byte in data[1:] if byte != 102]
    else:
        first = data[0] - 0xC1
        pairs = [byte - 1 for byte in data[1:]]
    if not pairs or not all(0 <= pair <= 99 for pair in pairs):
        raise OracleError(1722, "invalid number")
    digits = "".join(f"{pair:02d}" for pair in pairs)
    exponent = 2 * (first - len(pairs) + 1)
    sign = "-" if negative else ""
    if exponent >= 0 and len(digits) + exponent <= 40:
        return int(sign + digits + "0" * exponent)
    stripped = digits.rstrip("0")
    return Decimal(f"{sign}{stripped}E{exponent + len(digits) - len(stripped)}")


# -- dates, timestamps, intervals ------------------------------------------------------------


def encode_date(year: int, month: int, day: int, hour: int, minute: int, second: int) -> bytes:
    """The seven bytes of a DATE; the year is Oracle's (-4712 .. 9999)."""
    century = math.trunc(year / 100)
    return bytes(
        (century + 100, year - century * 100 + 100, month, day, hour + 1, minute + 1, second + 1)
    )


def encode_datetime(value: dt.date, wire_type: int) -> bytes:
    """A Python date or datetime as DATE, TIMESTAMP, or either with time zone."""
    if not isinstance(value, dt.datetime):
        value = dt.datetime(value.year, value.month, value.day)  # noqa: DTZ001
    offset = value.utcoffset() or dt.timedelta()
    zone = b""
    if wire_type == TIMESTAMP_TZ:
        value = value.replace(tzinfo=None) - offset
        zone = encode_zone(int(offset.total_seconds()) // 60)
    data = encode_date(value.year, value.month, value.day, value.hour, value.minute, value.second)
    if wire_type == DATE or not (zone or value.microsecond):
        return data
    return data + struct.pack(">I", value.microsecond * 1000) + zone


def encode_zone(minutes: int) -> bytes:
    """An offset from UTC; hours and minutes have the same sign."""
    hours = abs(minutes) // 60 * (1 if minutes >= 0 else -1)
    return bytes((hours + 20, minutes - hours * 60 + 60))


def decode_datetime(data: bytes) -> dt.datetime:
    """DATE, TIMESTAMP or, as an aware datetime, TIMESTAMP WITH TIME ZONE.

    Nanoseconds are cut to microseconds, which is what a Python client can send. Raises
    OracleError (ORA-01841) for a year that Python has not.
    """
    year = (data[0] - 100) * 100 + data[1] - 100
    micros = int.from_bytes(data[7:11], "big") // 1000
    try:
        value = dt.datetime(  # noqa: DTZ001
            year, data[2], data[3], data[4] - 1, data[5] - 1, data[6] - 1, micros
        )
    except ValueError as error:
        raise OracleError(1841, f"a date that the sandbox cannot hold: {error}") from error
    if len(data) < 13:
        return value
    zone = dt.timezone(dt.timedelta(hours=data[11] - 20, minutes=data[12] - 60))
    return value.replace(tzinfo=dt.UTC).astimezone(zone)


def encode_interval_ds(days: int, nanos: int) -> bytes:
    """`nanos` is within the day; both are of one sign."""
    sign = -1 if nanos < 0 else 1
    seconds, fraction = divmod(abs(nanos), 1_000_000_000)
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    clock = (sign * part + 60 for part in (hours, minutes, seconds))
    return (
        struct.pack(">I", days + INTERVAL_BIAS)
        + bytes(clock)
        + struct.pack(">I", sign * fraction + INTERVAL_BIAS)
    )


def encode_timedelta(value: dt.timedelta) -> bytes:
    """INTERVAL DAY TO SECOND."""
    micros = value // dt.timedelta(microseconds=1)
    sign = -1 if micros < 0 else 1
    days, rest = divmod(abs(micros), 86_400_000_000)
    return encode_interval_ds(sign * days, sign * rest * 1000)


def decode_timedelta(data: bytes) -> dt.timedelta:
    """INTERVAL DAY TO SECOND; nanoseconds are cut to microseconds."""
    days = int.from_bytes(data[:4], "big") - INTERVAL_BIAS
    nanos = int.from_bytes(data[7:11], "big") - INTERVAL_BIAS
    return dt.timedelta(
        days=days,
        hours=data[4] - 60,
        minutes=data[5] - 60,
        seconds=data[6] - 60,
        microseconds=math.trunc(nanos / 1000),
    )


def encode_interval_ym(months: int) -> bytes:
    """INTERVAL YEAR TO MONTH, from a number of months."""
    sign = -1 if months < 0 else 1
    years, rest = divmod(abs(months), 12)
    return struct.pack(">I", sign * years + INTERVAL_BIAS) + bytes((sign * rest + 60,))


def decode_interval_ym(data: bytes) -> int:
    """INTERVAL YEAR TO MONTH, as a number of months."""
    return (int.from_bytes(data[:4], "big") - INTERVAL_BIAS) * 12 + data[4] - 60


# -- binary floating point, ROWID ------------------------------------------------------------


def encode_binary_float(value: float, wire_type: int) -> bytes:
    """BINARY_DOUBLE (8 bytes) or BINARY_FLOAT (4)."""
    data = struct.pack(">d" if wire_type == BINARY_DOUBLE else ">f", value)
    if data[0] & 0x80:
        return bytes(byte ^ 0xFF for byte in data)
    return bytes((data[0] | 0x80,)) + data[1:]


def decode_binary_float(data: bytes) -> float:
    """BINARY_DOUBLE or BINARY_FLOAT, by its size."""
    if data[0] & 0x80:
        data = bytes((data[0] & 0x7F,)) + data[1:]
    else:
        data = bytes(byte ^ 0xFF for byte in data)
    value: float = struct.unpack(">d" if len(data) == 8 else ">f", data)[0]
    return value


_ROWID_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def encode_rowid(text: str) -> bytes:
    """A physical ROWID from its 18 characters: object 6, file 3, block 6, slot 3."""
    if len(text) != 18 or not set(text) <= set(_ROWID_DIGITS):
        raise OracleError(1410, f"invalid ROWID: {text!r}")
    numbers = []
    for start, end in ((0, 6), (6, 9), (9, 15), (15, 18)):
        number = 0
        for digit in text[start:end]:
            number = number * 64 + _ROWID_DIGITS.index(digit)
        numbers.append(number)
    if numbers[0] >> 32 or numbers[1] >> 16 or numbers[2] >> 32 or numbers[3] >> 16:
        raise OracleError(1410, f"invalid ROWID: {text!r}")
    part, file, block, slot = (encode_ub(number) for number in numbers)
    return b"\x0e" + part + file + b"\x00" + block + slot


# -- any value, by type ----------------------------------------------------------------------


def encode_value(value: object, wire_type: int, form: int) -> bytes:
    """The data of one non-NULL value, without its length. Raises OracleError (ORA-06502)."""
    if wire_type in TEXT_TYPES and isinstance(value, str):
        return value.encode("utf-16-be" if form == FORM_NCHAR else "utf-8")
    if wire_type == BOOLEAN and isinstance(value, bool | int):
        return b"\x01\x01" if value else b"\x00"
    if wire_type in NUMBER_TYPES:
        if isinstance(value, bool):
            value = int(value)
        if isinstance(value, int | float | Decimal | str):
            return encode_number(value)
    if wire_type in ZONELESS_TYPES | {TIMESTAMP_TZ} and isinstance(value, dt.date):
        return encode_datetime(value, wire_type)
    if wire_type in BYTES_TYPES and isinstance(value, bytes):
        return value
    if wire_type == INTERVAL_DS and isinstance(value, dt.timedelta):
        return encode_timedelta(value)
    if wire_type == INTERVAL_YM and isinstance(value, int):
        return encode_interval_ym(value)
    if wire_type in (BINARY_FLOAT, BINARY_DOUBLE) and isinstance(value, int | float | Decimal):
        return encode_binary_float(float(value), wire_type)
    if wire_type in TEXT_TYPES and isinstance(value, int | Decimal):
        return str(value).encode("utf-16-be" if form == FORM_NCHAR else "utf-8")
    raise OracleError(
        6502,
        f"PL/SQL: numeric or value error: {type(value).__name__} does not fit type {wire_type}",
    )


def decode_value(data: bytes, wire_type: int, form: int) -> object:
    """One non-NULL bind value as the Python value that `session.Bind` documents."""
    if wire_type in TEXT_TYPES:
        return data.decode("utf-16-be" if form == FORM_NCHAR else "utf-8")
    if wire_type in NUMBER_TYPES:
        return decode_number(data)
    if wire_type == BOOLEAN:
        return bool(data[-1])
    if wire_type in ZONELESS_TYPES or wire_type == TIMESTAMP_TZ:
        return decode_datetime(data)
    if wire_type in BYTES_TYPES:
        return data
    if wire_type == INTERVAL_DS:
        return decode_timedelta(data)
    if wire_type == INTERVAL_YM:
        return decode_interval_ym(data)
    if wire_type in (BINARY_FLOAT, BINARY_DOUBLE):
        return decode_binary_float(data)
    raise OracleError(3115, f"unsupported network datatype or representation ({wire_type})")
