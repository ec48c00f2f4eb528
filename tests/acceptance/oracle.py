"""Oracle as a person at SQL*Plus sees it: the driver's rows, nothing of the product."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import TYPE_CHECKING, Any

import oracledb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sandbox.serve import Sandbox

# Wide enough for every NUMBER of Oracle at nine decimals.
EXACT = Context(prec=200)
NINE = Decimal("1E-9")
BARE_SCALE = -127
# What BigQuery calls the columns is lower case; the product's own column is looked at apart.
IMPORTED_AT = "ImportedAt"
Row = tuple[object, ...]


class Oracle:
    """ERP's own account: makes tables, changes rows, and reads what everybody else sees."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def table(self, name: str, columns: Mapping[str, str], *rows: str) -> None:
        """Make ERP.`name` of Oracle types, with rows written as SQL expressions."""
        from tests.sandbox.dataset.build import grant_reading
        from tests.sandbox.oracle.engine.types import parse_type

        declared = [parse_type(kind, column) for column, kind in columns.items()]
        self.sandbox.database.create_table("ERP", name, declared)
        grant_reading(self.sandbox.database, name)
        self.insert(name, *rows)

    def view(self, name: str, sql: str) -> None:
        """Make the view ERP.`name` and let the loader read it."""
        from tests.sandbox.dataset.build import grant_reading

        self.sandbox.database.create_view("ERP", name, sql)
        grant_reading(self.sandbox.database, name)

    def insert(self, name: str, *rows: str) -> None:
        self.execute(*(f"INSERT INTO ERP.{name} VALUES ({row})" for row in rows))

    def execute(self, *statements: str) -> None:
        """Run statements of the owner and commit them together."""
        session = self.sandbox.database.session_as("ERP")
        try:
            for statement in statements:
                session.execute(statement, [])
            session.commit()
        finally:
            session.close()

    def rows(self, view: str, dates: Iterable[str] = (), where: str = "") -> Counter[Row]:
        """The rows of ERP.`view` as the target shall hold them, however often each occurs.

        `dates` are the columns that are loaded without their time of day.
        """
        with self._connected() as connection, connection.cursor() as cursor:
            cursor.execute(f'SELECT * FROM ERP."{view}" WHERE 1 = 0')
            described = list(cursor.description)
            chosen = ", ".join(_expression(column) for column in described)
            cursor.outputtypehandler = _output_type
            cursor.execute(f'SELECT {chosen} FROM ERP."{view}" {where}')
            convert = [_converter(column, column.name in set(dates)) for column in described]
            order = sorted(range(len(described)), key=lambda at: described[at].name.lower())
            return Counter(
                tuple(None if row[at] is None else convert[at](row[at]) for at in order)
                for row in cursor
            )

    @contextmanager
    def _connected(self) -> Iterator[oracledb.Connection]:
        sandbox = self.sandbox
        with oracledb.connect(
            user=sandbox.owner, password=sandbox.owner_password, dsn=sandbox.oracle_dsn
        ) as connection:
            yield connection


def _expression(column: oracledb.FetchInfo) -> str:
    name = f'"{column.name}"'
    if column.type_code in (oracledb.DB_TYPE_TIMESTAMP_TZ, oracledb.DB_TYPE_TIMESTAMP_LTZ):
        # The driver hands these out without their zone, so Oracle writes them down.
        return f"TO_CHAR({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.FF9') AS {name}"
    return name


def _output_type(cursor: oracledb.Cursor, column: oracledb.FetchInfo) -> oracledb.Var | None:
    kinds = {
        oracledb.DB_TYPE_NUMBER: oracledb.DB_TYPE_VARCHAR,
        oracledb.DB_TYPE_CLOB: oracledb.DB_TYPE_LONG,
        oracledb.DB_TYPE_NCLOB: oracledb.DB_TYPE_LONG,
        oracledb.DB_TYPE_BLOB: oracledb.DB_TYPE_LONG_RAW,
    }
    kind = kinds.get(column.type_code)
    return None if kind is None else cursor.var(kind, arraysize=cursor.arraysize)


def _converter(column: oracledb.FetchInfo, as_date: bool) -> Callable[[Any], object]:
    if as_date:
        return lambda value: value.date()
    kind = column.type_code
    if kind is oracledb.DB_TYPE_NUMBER:
        bare = column.scale in (None, BARE_SCALE) or not column.precision
        return _nine_decimals if bare else Decimal
    if kind in (oracledb.DB_TYPE_TIMESTAMP_TZ, oracledb.DB_TYPE_TIMESTAMP_LTZ):
        return _utc
    if kind is oracledb.DB_TYPE_INTERVAL_DS:
        return lambda value: _day_to_second(value, column.precision, column.scale)
    if kind is oracledb.DB_TYPE_INTERVAL_YM:
        return lambda value: _year_to_month(value, column.precision)
    if kind in (oracledb.DB_TYPE_BINARY_DOUBLE, oracledb.DB_TYPE_BINARY_FLOAT):
        return comparable
    return lambda value: value


def _nine_decimals(text: str) -> Decimal:
    """What README says of a NUMBER without declared scale: rounded half away from zero."""
    value = Decimal(text)
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or exponent >= NINE.as_tuple().exponent:
        return value
    return value.quantize(NINE, ROUND_HALF_UP, EXACT)


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text[:26]).replace(tzinfo=UTC)


def _day_to_second(value: timedelta, days: int, digits: int) -> str:
    sign, span = ("-", -value) if value < timedelta() else ("+", value)
    hours, rest = divmod(span.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    fraction = f".{span.microseconds:06d}000"[: digits + 1] if digits else ""
    return f"{sign}{span.days:0{days}d} {hours:02d}:{minutes:02d}:{seconds:02d}{fraction}"


def _year_to_month(value: oracledb.IntervalYM, years: int) -> str:
    sign = "-" if value.years < 0 or value.months < 0 else "+"
    return f"{sign}{abs(value.years):0{years}d}-{abs(value.months):02d}"


def comparable(value: object) -> object:
    """NaN equals nothing, itself neither; told in words it does. Minus zero likewise."""
    return repr(value) if isinstance(value, float) else value


def loaded(rows: Iterable[Mapping[str, object]]) -> Counter[Row]:
    """The rows of a target in the form of `Oracle.rows`, without `ImportedAt`."""
    return Counter(
        tuple(comparable(row[name]) for name in sorted(row, key=str.lower) if name != IMPORTED_AT)
        for row in rows
    )


def same(target: Counter[Row], oracle: Counter[Row]) -> None:
    """Assert that both hold the same rows; a failure shows the first that differ."""
    if target == oracle:
        return
    extra, missing = target - oracle, oracle - target
    raise AssertionError(
        f"{extra.total()} rows only in BigQuery, e.g. {list(extra)[:2]}\n"
        f"{missing.total()} rows only in Oracle, e.g. {list(missing)[:2]}"
    )
