"""The two SQL texts of a run: the export, and the probe that counts before it; pure.

Both read one snapshot (`AS OF SCN`, when the account may), with bounds as binds of the
column's own type: a TIMESTAMP compared with a DATE column costs its index and the pruning
of its partitions. Names come from the dictionary and are quoted; nothing else is
concatenated. The view's alias is `v`, after the AS OF clause, where Oracle wants it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from etl_oracle_to_bq.model import (
    Bind,
    Clock,
    Moment,
    OracleColumn,
    OracleView,
    PlannedColumn,
    Query,
)
from etl_oracle_to_bq.schema import (
    DATE_TYPES,
    ZONED_TYPES,
    base_type,
    before_year_one,
    in_utc,
    integer_limit,
    quoted,
)

WINDOW_ROWS = "window_rows"
WHOLE_DAY_ROWS = "whole_day_rows"
OFF_MIDNIGHT = "off_midnight"
NULL_INCREMENTAL = "null_incremental"
FUTURE_INCREMENTAL = "future_incremental"
PARTITIONS = "partitions"

LOWER, UPPER, FIRST, DAY, NOW = "lower", "upper", "first", "day", "now"

_TRUNCATIONS = {"hour": "HH24", "day": "DD", "month": "MM", "year": "YYYY"}


@dataclass(frozen=True, slots=True)
class Predicate:
    """A condition on `v` with its binds; empty text means every row."""

    sql: str = ""
    binds: dict[str, Bind] = field(default_factory=dict)

    def __and__(self, other: Predicate) -> Predicate:
        texts = [text for text in (self.sql, other.sql) if text]
        return Predicate(" AND ".join(texts), {**self.binds, **other.binds})


def clock_of(column: OracleColumn) -> Clock | None:
    """The clock of a date column; None for a column of another type."""
    name = base_type(column)
    if name not in DATE_TYPES:
        return None
    return Clock.TIMESTAMP_TZ if name in ZONED_TYPES else Clock(name)


def bound(column: OracleColumn, operator: str, name: str, value: datetime) -> Predicate:
    """`column operator :name`, with the bind in the column's own type."""
    clock = clock_of(column)
    cast = {
        Clock.DATE: f"CAST(:{name} AS DATE)",
        Clock.TIMESTAMP: f"CAST(:{name} AS TIMESTAMP)",
        Clock.TIMESTAMP_TZ: f"FROM_TZ(CAST(:{name} AS TIMESTAMP), 'UTC')",
    }
    if clock is None:
        raise ValueError(f"{column.name} is not a date column")
    kind = "DATE" if clock is Clock.DATE else "TIMESTAMP"
    return Predicate(f"{quoted(column)} {operator} {cast[clock]}", {name: Bind(value, kind)})


def not_after(column: OracleColumn, value: datetime) -> Predicate:
    """Rows before the upper bound, and those without a value, which no later run would see."""
    before = bound(column, "<", UPPER, value)
    return Predicate(f"({before.sql} OR {quoted(column)} IS NULL)", before.binds)


def export(
    view: OracleView, moment: Moment, columns: Sequence[PlannedColumn], rows: Predicate
) -> Query:
    """The SELECT of every planned column of the rows, each under its Oracle name."""
    items = ",\n  ".join(f'{column.expression} AS "{column.source.name}"' for column in columns)
    return over(f"SELECT\n  {items}", view, moment, rows)


def over(select: str, view: OracleView, moment: Moment, rows: Predicate) -> Query:
    """`select` (up to its FROM) of the rows of the view, which it calls `v`, at the moment."""
    where = f"\nWHERE {rows.sql}" if rows.sql else ""
    return _query(select, view, moment, where, rows.binds)


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """What the probe counts: the export's `rows`, and facts about some columns of them.

    Values from `now` on are the future; `day`, when set, asks how many rows lie before that midnight.
    `partition` is a column with one of hour, day, month, year.
    """

    rows: Predicate
    columns: Sequence[PlannedColumn]
    incremental: OracleColumn | None = None
    now: datetime | None = None
    day: datetime | None = None
    partition: tuple[OracleColumn, str] | None = None


def probe(view: OracleView, moment: Moment, wanted: ProbePlan) -> Query:
    """One row of integers in the export's snapshot, by the names at the head of this module.

    Per column of the plan, numbered from 1, there may be `bad_dates_n` (before year 1),
    `too_big_n` (beyond the planned decimal) and `time_of_day_n` (dropped by DATE).
    """
    counts = {WINDOW_ROWS: "", **_column_counts(wanted.columns)}
    binds = dict(wanted.rows.binds)
    outside: list[str] = []
    if wanted.incremental is not None and wanted.now is not None:
        future = bound(wanted.incremental, ">=", NOW, wanted.now)
        missing = f"{quoted(wanted.incremental)} IS NULL"
        binds |= future.binds
        outside = [future.sql, *([missing] if wanted.incremental.nullable else [])]
        if clock_of(wanted.incremental) is not Clock.TIMESTAMP_TZ:
            counts[OFF_MIDNIGHT] = _has_time(wanted.incremental)
    if wanted.incremental is not None and wanted.day is not None:
        whole_days = bound(wanted.incremental, "<", DAY, wanted.day)
        missing_too = f"({whole_days.sql} OR {quoted(wanted.incremental)} IS NULL)"
        counts[WHOLE_DAY_ROWS] = missing_too
        binds |= whole_days.binds
    items = [_count(alias, wanted.rows.sql, condition) for alias, condition in counts.items()]
    items += [
        _count(alias, condition)
        for alias, condition in zip((FUTURE_INCREMENTAL, NULL_INCREMENTAL), outside, strict=False)
    ]
    if wanted.partition:
        items.append(_partitions(wanted.rows.sql, *wanted.partition))
    select = "SELECT\n  " + ",\n  ".join(items)
    return _query(select, view, moment, _either(wanted.rows, outside), binds)


def _query(
    select: str, view: OracleView, moment: Moment, where: str, binds: dict[str, Bind]
) -> Query:
    if moment.scn is not None:
        binds = {**binds, "scn": Bind(moment.scn, "NUMBER")}
    as_of = "" if moment.scn is None else " AS OF SCN :scn"
    return Query(f'{select}\nFROM "{view.owner}"."{view.name}"{as_of} v{where}', binds)


def _count(alias: str, *conditions: str) -> str:
    met = " AND ".join(condition for condition in conditions if condition)
    return f'COUNT(CASE WHEN {met} THEN 1 END) AS "{alias}"' if met else f'COUNT(*) AS "{alias}"'


def _column_counts(columns: Sequence[PlannedColumn]) -> dict[str, str]:
    counts = {}
    for number, column in enumerate(columns, 1):
        if clock_of(column.source):
            counts[f"bad_dates_{number}"] = before_year_one(column.source)
        if column.type == "DATE":
            counts[f"time_of_day_{number}"] = _has_time(column.source)
        limit = integer_limit(column)
        if limit:
            counts[f"too_big_{number}"] = f"ABS({column.expression}) >= {limit}"
    return counts


def _has_time(column: OracleColumn) -> str:
    return f"{quoted(column)} <> TRUNC({quoted(column)})"


def _partitions(rows: str, column: OracleColumn, unit: str) -> str:
    value = f"TRUNC({in_utc(column)}, '{_TRUNCATIONS[unit]}')"
    counted = f"CASE WHEN {rows} THEN {value} END" if rows else value
    return f'COUNT(DISTINCT {counted}) AS "{PARTITIONS}"'


def _either(rows: Predicate, outside: Sequence[str]) -> str:
    """Only rows that some count looks at, so that an index can serve a small window."""
    if not rows.sql:
        return ""
    return "\nWHERE " + " OR ".join([f"({rows.sql})", *outside])
