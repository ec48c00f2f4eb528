"""Oracle's types as the compiler sees them, and what DuckDB stores for each.

Representation in DuckDB (and, through Arrow, at the seam, see `session.Kind`):

    character types   VARCHAR, never ''
    NUMBER            DECIMAL(p, s) when `digits` is set, else exact decimal text: canonical,
                      plain notation, so that equal numbers are equal strings
    FLOAT             exact decimal text
    DATE, TIMESTAMP   TIMESTAMP (microseconds, proleptic Gregorian; year -4712
                      is Oracle's -4712, there is no year 0)
    TIMESTAMP(7..9)   STRUCT(seconds, nanos)
    .. TIME ZONE      STRUCT(seconds (UTC), nanos, offset minutes)
    .. LOCAL          as TIMESTAMP, in UTC
    INTERVAL DS / YM  STRUCT(days, nanos) of one sign / INTEGER months
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.session import Column, Kind

MAX_STRING = 32767
CHAR_KINDS = frozenset({Kind.CHAR, Kind.NCHAR, Kind.VARCHAR2, Kind.NVARCHAR2})
LOB_KINDS = frozenset({Kind.CLOB, Kind.NCLOB, Kind.BLOB, Kind.LONG, Kind.LONG_RAW})
TEXT_KINDS = CHAR_KINDS | {Kind.CLOB, Kind.NCLOB, Kind.LONG, Kind.ROWID}
BINARY_KINDS = frozenset({Kind.RAW, Kind.BLOB, Kind.LONG_RAW})
FLOATING_KINDS = frozenset({Kind.BINARY_FLOAT, Kind.BINARY_DOUBLE})
NUMBER_KINDS = frozenset({Kind.NUMBER, Kind.FLOAT})
TIMESTAMP_KINDS = frozenset({Kind.TIMESTAMP, Kind.TIMESTAMP_TZ, Kind.TIMESTAMP_LTZ})
MOMENT_KINDS = TIMESTAMP_KINDS | {Kind.DATE}
INTERVAL_KINDS = frozenset({Kind.INTERVAL_DS, Kind.INTERVAL_YM})
PADDED_KINDS = frozenset({Kind.CHAR, Kind.NCHAR})

_NS = "STRUCT(seconds BIGINT, nanos INTEGER)"
_TZ = 'STRUCT(seconds BIGINT, nanos INTEGER, "offset" SMALLINT)'
_DS = "STRUCT(days BIGINT, nanos BIGINT)"


@dataclass(frozen=True, slots=True)
class Ty:
    """A described Oracle type plus, for NUMBER, the DECIMAL that really holds it.

    `null` marks the type of a bare NULL, which converts to anything. `literal` marks a
    number or string literal.
    """

    kind: Kind
    precision: int | None = None
    scale: int | None = None
    length: int | None = None
    char_semantics: bool = False
    digits: tuple[int, int] | None = None
    null: bool = False

    @property
    def fine(self) -> bool:
        """True for a TIMESTAMP held in nanoseconds."""
        return self.kind in TIMESTAMP_KINDS and (self.scale if self.scale is not None else 6) > 6

    @property
    def duck(self) -> str:
        """DuckDB's type."""
        if self.kind in TEXT_KINDS:
            return "VARCHAR"
        if self.kind in NUMBER_KINDS:
            return f"DECIMAL({self.digits[0]},{self.digits[1]})" if self.digits else "VARCHAR"
        if self.kind in BINARY_KINDS:
            return "BLOB"
        if self.kind is Kind.TIMESTAMP_TZ:
            return _TZ
        if self.kind in MOMENT_KINDS:
            return _NS if self.fine else "TIMESTAMP"
        return {
            Kind.BINARY_FLOAT: "FLOAT",
            Kind.BINARY_DOUBLE: "DOUBLE",
            Kind.INTERVAL_DS: _DS,
            Kind.INTERVAL_YM: "INTEGER",
        }[self.kind]

    def column(self, name: str, nullable: bool = True) -> Column:
        """As the client is told of it."""
        return Column(
            name,
            self.kind,
            self.precision,
            self.scale,
            self.length,
            self.char_semantics,
            nullable,
        )


DATE = Ty(Kind.DATE)
NUMBER = Ty(Kind.NUMBER)
DOUBLE = Ty(Kind.BINARY_DOUBLE)
NULL = Ty(Kind.VARCHAR2, length=1, null=True)
CLOB = Ty(Kind.CLOB)
BLOB = Ty(Kind.BLOB)


def varchar(length: int, char_semantics: bool = False) -> Ty:
    """VARCHAR2 of at most `length`."""
    return Ty(Kind.VARCHAR2, length=max(1, min(length, MAX_STRING)), char_semantics=char_semantics)


def number(precision: int, scale: int = 0) -> Ty:
    """A computed NUMBER: described without precision, held as DECIMAL when that is possible."""
    return Ty(Kind.NUMBER, digits=(precision, scale) if precision <= 38 else None)


def timestamp(scale: int = 6) -> Ty:
    """TIMESTAMP(scale)."""
    return Ty(Kind.TIMESTAMP, scale=scale)


def timestamp_tz(scale: int = 6) -> Ty:
    """TIMESTAMP(scale) WITH TIME ZONE."""
    return Ty(Kind.TIMESTAMP_TZ, scale=scale)


def interval_ds() -> Ty:
    """INTERVAL DAY(9) TO SECOND(9)."""
    return Ty(Kind.INTERVAL_DS, precision=9, scale=9)


def of_column(column: Column) -> Ty:
    """The type of a declared column."""
    return Ty(
        column.kind,
        column.precision,
        column.scale,
        column.length,
        column.char_semantics,
        _storage(column),
    )


def _storage(column: Column) -> tuple[int, int] | None:
    """The DECIMAL of a NUMBER(p,s) column; negative and excessive scales widen it."""
    if column.kind is not Kind.NUMBER or column.precision is None:
        return None
    scale = column.scale or 0
    digits = (column.precision - min(scale, 0), max(scale, 0))
    width = max(digits[0], digits[1])
    return (width, digits[1]) if width <= 38 else None


# -- type names -------------------------------------------------------------------------------

_TYPE = re.compile(
    r"^(?P<base>[A-Z][A-Z0-9_]*)(?:\((?P<a>\*|-?\d+)(?: ?(?P<unit>CHAR|BYTE))?"
    r"(?:,(?P<b>-?\d+))?\))?$"
)
_ZONED = re.compile(r"^TIMESTAMP(?:\((\d)\))? WITH (LOCAL )?TIME ZONE$")
_DAY_SECOND = re.compile(r"^INTERVAL DAY(?:\((\d)\))? TO SECOND(?:\((\d)\))?$")
_YEAR_MONTH = re.compile(r"^INTERVAL YEAR(?:\((\d)\))? TO MONTH$")
_ALIASES = {
    "INTEGER": "NUMBER(38,0)",
    "INT": "NUMBER(38,0)",
    "SMALLINT": "NUMBER(38,0)",
    "DOUBLE PRECISION": "FLOAT(126)",
    "REAL": "FLOAT(63)",
    "FLOAT": "FLOAT(126)",
    "LONG RAW": "LONGRAW",
}
_WITH_LENGTH = {
    "VARCHAR2": Kind.VARCHAR2,
    "VARCHAR": Kind.VARCHAR2,
    "NVARCHAR2": Kind.NVARCHAR2,
    "CHAR": Kind.CHAR,
    "NCHAR": Kind.NCHAR,
    "CHARACTER": Kind.CHAR,
    "RAW": Kind.RAW,
}
_PLAIN = {
    "DATE": Kind.DATE,
    "BINARY_FLOAT": Kind.BINARY_FLOAT,
    "BINARY_DOUBLE": Kind.BINARY_DOUBLE,
    "CLOB": Kind.CLOB,
    "NCLOB": Kind.NCLOB,
    "BLOB": Kind.BLOB,
    "LONG": Kind.LONG,
    "LONGRAW": Kind.LONG_RAW,
}


def parse_type(text: str, name: str = "", nullable: bool = True) -> Column:
    """A column of the type that Oracle spells `text`, such as `TIMESTAMP(6) WITH TIME ZONE`.

    Raises ORA-00902 for a type that does not exist here.
    """
    plain = " ".join(text.upper().replace("(", " (").split())
    plain = re.sub(r"\s*([(),])\s*", r"\1", plain).replace(")", ") ").strip()
    plain = re.sub(r"\) (?=[,)])", ")", plain)
    plain = _ALIASES.get(plain, plain)
    column = _special_type(plain, name, nullable) or _simple_type(plain, name, nullable)
    if column is None:
        raise OracleError(902, "invalid datatype")
    return column


def _special_type(plain: str, name: str, nullable: bool) -> Column | None:
    zoned = _ZONED.match(plain)
    if zoned:
        kind = Kind.TIMESTAMP_LTZ if zoned.group(2) else Kind.TIMESTAMP_TZ
        return Column(name, kind, scale=int(zoned.group(1) or 6), nullable=nullable)
    span = _DAY_SECOND.match(plain)
    if span:
        days, seconds = int(span.group(1) or 2), int(span.group(2) or 6)
        return Column(name, Kind.INTERVAL_DS, days, seconds, nullable=nullable)
    span = _YEAR_MONTH.match(plain)
    if span:
        return Column(name, Kind.INTERVAL_YM, int(span.group(1) or 2), 0, nullable=nullable)
    return None


def _simple_type(plain: str, name: str, nullable: bool) -> Column | None:
    match = _TYPE.match(plain)
    if not match:
        return None
    base, first, second = match.group("base"), match.group("a"), match.group("b")
    if base in _WITH_LENGTH:
        kind = _WITH_LENGTH[base]
        national = kind in (Kind.NCHAR, Kind.NVARCHAR2)
        chars = national or match.group("unit") == "CHAR"
        return Column(name, kind, length=int(first or 1), char_semantics=chars, nullable=nullable)
    if base in ("NUMBER", "NUMERIC", "DECIMAL", "DEC"):
        precision = None if first is None else 38 if first == "*" else int(first)
        scale = None if first is None else int(second or 0)
        return Column(name, Kind.NUMBER, precision, scale, nullable=nullable)
    if base == "FLOAT":
        return Column(name, Kind.FLOAT, int(first or 126), nullable=nullable)
    if base == "TIMESTAMP":
        return Column(name, Kind.TIMESTAMP, scale=int(first or 6), nullable=nullable)
    if base in ("ROWID", "UROWID"):
        return Column(name, Kind.ROWID, length=18, nullable=nullable)
    if base in _PLAIN and first is None:
        return Column(name, _PLAIN[base], nullable=nullable)
    return None


def type_text(ty: Ty) -> str:
    """DATA_TYPE as ALL_TAB_COLUMNS spells it."""
    if ty.kind is Kind.TIMESTAMP:
        return f"TIMESTAMP({6 if ty.scale is None else ty.scale})"
    if ty.kind is Kind.TIMESTAMP_TZ:
        return f"TIMESTAMP({6 if ty.scale is None else ty.scale}) WITH TIME ZONE"
    if ty.kind is Kind.TIMESTAMP_LTZ:
        return f"TIMESTAMP({6 if ty.scale is None else ty.scale}) WITH LOCAL TIME ZONE"
    if ty.kind is Kind.INTERVAL_DS:
        return f"INTERVAL DAY({ty.precision or 2}) TO SECOND({6 if ty.scale is None else ty.scale})"
    if ty.kind is Kind.INTERVAL_YM:
        return f"INTERVAL YEAR({ty.precision or 2}) TO MONTH"
    return ty.kind.value


# -- one type for several values --------------------------------------------------------------


def unify(types: Sequence[Ty]) -> Ty:
    """The type that holds every one of `types`, as UNION, CASE and DECODE need it.

    Raises ORA-00932 when there is none.
    """
    known = [ty for ty in types if not ty.null]
    if not known:
        return NULL
    first = known[0]
    if all(ty == first for ty in known):
        return first
    kinds = {ty.kind for ty in known}
    if kinds <= NUMBER_KINDS:
        return _unify_numbers(known)
    if kinds <= NUMBER_KINDS | FLOATING_KINDS:
        return DOUBLE if kinds != {Kind.BINARY_FLOAT} else first
    if kinds <= CHAR_KINDS | {Kind.ROWID}:
        return _unify_strings(known)
    if kinds <= TEXT_KINDS:
        return Ty(Kind.NCLOB) if kinds & {Kind.NCLOB} else CLOB
    if kinds <= MOMENT_KINDS:
        return _unify_moments(known)
    if kinds <= BINARY_KINDS:
        return max(known, key=lambda ty: ty.length or 0) if kinds == {Kind.RAW} else BLOB
    if len(kinds) == 1:
        return replace(first, precision=9, scale=max(ty.scale or 0 for ty in known))
    other = next(ty for ty in known if ty.kind is not first.kind)
    raise OracleError(932, f"inconsistent datatypes: expected {family(first)} got {family(other)}")


def family(ty: Ty) -> str:
    """The word that Oracle's messages use for a type."""
    if ty.kind in CHAR_KINDS:
        return "CHAR"
    if ty.kind in NUMBER_KINDS:
        return "NUMBER"
    return ty.kind.value.split(" ")[0] if ty.kind not in INTERVAL_KINDS else ty.kind.value


def _unify_numbers(types: Sequence[Ty]) -> Ty:
    if any(ty.digits is None for ty in types):
        return NUMBER
    digits = [ty.digits for ty in types if ty.digits]
    scale = max(s for _, s in digits)
    return number(max(p - s for p, s in digits) + scale, scale)


def _unify_strings(types: Sequence[Ty]) -> Ty:
    national = any(ty.kind in (Kind.NCHAR, Kind.NVARCHAR2) for ty in types)
    lengths = {ty.length or 1 for ty in types}
    chars = any(ty.char_semantics for ty in types)
    padded = all(ty.kind in PADDED_KINDS for ty in types) and len(lengths) == 1
    kind = Kind.NVARCHAR2 if national else Kind.VARCHAR2
    if padded:
        kind = Kind.NCHAR if national else Kind.CHAR
    return Ty(kind, length=max(lengths), char_semantics=chars or national)


def _unify_moments(types: Sequence[Ty]) -> Ty:
    kinds = {ty.kind for ty in types}
    scale = max(
        (0 if ty.kind is Kind.DATE else 6 if ty.scale is None else ty.scale) for ty in types
    )
    if Kind.TIMESTAMP_TZ in kinds or (Kind.TIMESTAMP_LTZ in kinds and len(kinds) > 1):
        return timestamp_tz(scale)
    return Ty(Kind.TIMESTAMP_LTZ if kinds == {Kind.TIMESTAMP_LTZ} else Kind.TIMESTAMP, scale=scale)
