"""Every SQL statement that is sent to BigQuery, as pure text.

Identifiers go through `quoted`, values are query parameters, and the only literals are
dates: BigQuery prunes partitions by constants, not by joined columns or subqueries
(docs/querying-partitioned-tables), so bounds are written out by `literal`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from etl_oracle_to_bq.errors import ConfigError
from etl_oracle_to_bq.model import Clock, Field, PartitionType, Plan, Table, Window
from etl_oracle_to_bq.schema import IMPORTED_AT

# More ranges than this are widened to one span, which keeps the statement far below 1 MB.
MOST_RANGES = 500

# Inside backquotes only these could end or escape the identifier.
_UNSAFE = re.compile(r"[`\\\x00-\x1f\x7f]")

_TRUNC = {"DATE": "DATE_TRUNC", "DATETIME": "DATETIME_TRUNC", "TIMESTAMP": "TIMESTAMP_TRUNC"}

# Values outside fall into one partition, __UNPARTITIONED__ (docs/partitioned-tables).
_FIRST_PARTITIONED = date(1960, 1, 1)
_AFTER_PARTITIONED = date(2160, 1, 1)

Moment = date | datetime


def quoted(*names: str) -> str:
    """The back-quoted path of one identifier or several.

    Raises ConfigError `invalid-source` for a name that could leave its quotes.
    """
    for name in names:
        if not name or _UNSAFE.search(name) or len(name.encode()) > 1024:
            raise ConfigError(f"{name!r} cannot be a name in BigQuery.", code="invalid-source")
    return ".".join(f"`{name}`" for name in names)


def literal(type_name: str, value: Moment) -> str:
    """A DATE, DATETIME or TIMESTAMP constant. Datetimes are naive UTC or aware for TIMESTAMP.

    Raises ConfigError `invalid-source` when the value has a time of day and the type has none,
    because cutting it off would move the bound.
    """
    moment = value if isinstance(value, datetime) else datetime.combine(value, time())
    if type_name == "TIMESTAMP":
        utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        return f"TIMESTAMP '{utc.replace(tzinfo=None).isoformat(sep=' ')}+00:00'"
    if type_name == "DATETIME":
        return f"DATETIME '{moment.isoformat(sep=' ')}'"
    if type_name == "DATE" and moment.time() == time():
        return f"DATE '{moment.date().isoformat()}'"
    raise ConfigError(
        f"{moment.isoformat()} cannot bound a column of type {type_name}.", code="invalid-source"
    )


@dataclass(frozen=True, slots=True)
class Merge:
    """The names that every commit statement is made of. `pruning` restricts T, or is empty."""

    target: str
    staging: str
    columns: tuple[str, ...]
    keys: tuple[str, ...]
    incremental: str
    pruning: str = ""


def field_of(table: Table, column: str) -> Field:
    """The field of a column, whatever its case. Raises ConfigError `unknown-column`."""
    for field in table.fields:
        if field.name.lower() == column.lower():
            return field
    raise ConfigError(f"{table.path} has no column {column}.", code="unknown-column")


def written_columns(plan: Plan) -> tuple[str, ...]:
    """Columns of the target that the staged parts fill: the planned ones and ImportedAt.

    A column that only the target has is never written, so a merge cannot empty it.
    """
    planned = {column.name.lower() for column in plan.columns} | {IMPORTED_AT.lower()}
    return tuple(field.name for field in plan.target.fields if field.name.lower() in planned)


def any_partition(table: Table, alias: str = "T") -> str:
    """A predicate that is always true and satisfies `require_partition_filter`, or nothing.

    The form is the one dbt uses; it counts as a filter although it prunes nothing.
    """
    if not (table.require_partition_filter and table.partition_column):
        return ""
    column = f"{alias}.{quoted(table.partition_column)}"
    return f"({column} IS NULL OR {column} IS NOT NULL)"


def trunc(table: Table, alias: str) -> str:
    """The start of the partition that a row belongs to, in the partition column's type."""
    field = field_of(table, table.partition_column)
    unit = table.partition_type.name
    return f"{_TRUNC[field.type]}({alias}.{quoted(field.name)}, {unit})"


def partition_filter(table: Table, starts: Collection[Moment | None], alias: str = "T") -> str:
    """Constant ranges over the partition column that hold all partitions beginning at `starts`.

    None stands for the partition of NULLs. Neighbours are joined; more than MOST_RANGES
    ranges become one span. An empty collection restricts to the NULL partition, the
    cheapest filter that names the column.
    """
    field = field_of(table, table.partition_column)
    column = f"{alias}.{quoted(field.name)}"
    ranges = _ranges(sorted(start for start in starts if start is not None), table.partition_type)
    terms = [_range_text(column, field.type, low, high) for low, high in ranges]
    if None in starts or not terms:
        terms.append(f"{column} IS NULL")
    return "(" + " OR ".join(terms) + ")"


def _ranges(starts: Sequence[Moment], unit: PartitionType) -> list[tuple[Moment, Moment | None]]:
    ranges: list[tuple[Moment, Moment | None]] = []
    for start in starts:
        if ranges and ranges[-1][1] == start:
            ranges[-1] = (ranges[-1][0], _next_start(start, unit))
        else:
            ranges.append((start, _next_start(start, unit)))
    if len(ranges) > MOST_RANGES:
        return [(ranges[0][0], ranges[-1][1])]
    return ranges


def _next_start(start: Moment, unit: PartitionType) -> Moment | None:
    """The beginning of the next partition; None after the last one of the calendar."""
    try:
        if unit is PartitionType.HOUR:
            return start + timedelta(hours=1)
        if unit is PartitionType.DAY:
            return start + timedelta(days=1)
        if unit is PartitionType.MONTH:
            years, month = divmod(start.month, 12)
            return start.replace(year=start.year + years, month=month + 1)
        return start.replace(year=start.year + 1)
    except (OverflowError, ValueError):
        return None


def _range_text(column: str, type_name: str, low: Moment, high: Moment | None) -> str:
    text = f"{column} >= {literal(type_name, low)}"
    return f"({text} AND {column} < {literal(type_name, high)})" if high is not None else text


def window_filter(plan: Plan, alias: str = "T") -> str:
    """The plan's window as constants of the target column's type, half-open.

    A window without a lower bound has the rows without a value in it.
    On another column than the target's partition column it satisfies a required filter.
    Raises ConfigError `invalid-source` when the column's type cannot carry the bounds exactly.
    """
    window = plan.window
    if window is None:
        raise ConfigError(f"{plan.view} has no window to replace.", code="invalid-source")
    field = field_of(plan.target, window.column)
    _refuse_other_clock(field, window)
    column = f"{alias}.{quoted(field.name)}"
    terms = []
    if window.lower is not None:
        terms.append(f"{column} >= {literal(field.type, window.lower)}")
    if window.upper is not None:
        before = f"{column} < {literal(field.type, window.upper)}"
        # The first piece of a first load brings the rows without a value, too.
        terms.append(before if window.lower else f"({before} OR {column} IS NULL)")
    if not terms or field.name != plan.target.partition_column:
        terms.append(any_partition(plan.target, alias) or "TRUE")
    return " AND ".join(terms)


def rows_of_window(target: str, plan: Plan) -> str:
    """How many rows of the target lie in the plan's window, as n."""
    return f"SELECT COUNT(*) AS n FROM {target} AS T WHERE {window_filter(plan)}"


def _refuse_other_clock(field: Field, window: Window) -> None:
    if (field.type == "TIMESTAMP") != (window.clock is Clock.TIMESTAMP_TZ):
        raise ConfigError(
            f"Column {field.name} is {field.type} in BigQuery, so a window in the clock of "
            f"Oracle's {window.clock} cannot be compared with it.",
            code="invalid-source",
        )


def lookup_partitions(merge: Merge, target: Table) -> str:
    """The partitions of the target in which staged keys live, one row each.

    It reads only the keys and the partition column, and makes pruning a MERGE safe when a
    row's partition column may have changed: its old version is found where it is.
    """
    keys = _names(merge.keys)
    where = any_partition(target) or "TRUE"
    return (
        f"SELECT DISTINCT {trunc(target, 'T')} AS start\n"
        f"FROM {merge.target} AS T\n"
        f"INNER JOIN (SELECT DISTINCT {keys} FROM {merge.staging}) AS S\n"
        f"ON {_same_keys(merge.keys)}\n"
        f"WHERE {where}"
    )


def staged_partitions(staging: str, target: Table) -> str:
    """The partitions that the staged rows fall into, one row each."""
    return f"SELECT DISTINCT {trunc(target, 'S')} AS start FROM {staging} AS S"


def merge(parts: Merge) -> str:
    """MERGE by keys: the newest staged version updates the row or is inserted."""
    return (
        f"MERGE INTO {parts.target} AS T\n"
        f"USING {_newest(parts)} AS S\n"
        f"ON {_and(_same_keys(parts.keys), parts.pruning)}"
        f"{_when_matched(parts)}{_when_not_matched(parts)}"
    )


def replace_window(parts: Merge, window: str) -> str:
    """One MERGE that makes the target's window equal to the staged rows.

    With keys: rows of staged keys are updated wherever they are, rows of the window that are
    not staged are deleted. Without keys: the window is deleted and the staged rows inserted.
    Each clause about T carries its own constants, because those of ON alone do not prune
    when rows without a match matter too (docs/using-dml-with-partitioned-tables).
    """
    source, on, matched = _newest(parts), "FALSE", ""
    if parts.keys:
        on = _and(_same_keys(parts.keys), parts.pruning)
        matched = _when_matched(parts, parts.pruning)
    return (
        f"MERGE INTO {parts.target} AS T\n"
        f"USING {source} AS S\n"
        f"ON {on}"
        f"{matched}"
        f"\nWHEN NOT MATCHED BY SOURCE AND {window} THEN\n  DELETE"
        f"{_when_not_matched(parts)}"
    )


def replace_all(parts: Merge, window: str) -> str:
    """Like `replace_window` with keys, for a target that may have a key more than once.

    An update would leave each of those rows. Here the rows of staged keys, wherever they are,
    and all rows of the window are deleted, and the staged rows inserted: each staged row comes
    twice, once to be found by its key and once to be inserted.
    """
    columns = ", ".join(f"N.{quoted(column)}" for column in parts.columns)
    return (
        f"MERGE INTO {parts.target} AS T\n"
        f"USING (\n"
        f"  SELECT {columns}, etl_old\n"
        f"  FROM {_newest(parts)} AS N CROSS JOIN UNNEST([TRUE, FALSE]) AS etl_old\n"
        f") AS S\n"
        f"ON {_and(_same_keys(parts.keys) + ' AND S.etl_old', parts.pruning)}\n"
        f"{_and('WHEN MATCHED', parts.pruning)} THEN\n  DELETE\n"
        f"WHEN NOT MATCHED BY SOURCE AND {window} THEN\n  DELETE"
        f"{_when_not_matched(parts, 'NOT S.etl_old')}"
    )


def insert_new(parts: Merge) -> str:
    """INSERT of staged rows whose key and incremental value the target does not hold yet.

    Rows staged twice with one key and incremental value are inserted once. Keys are not NULL
    (`check_keys`); the incremental value may be.
    """
    columns = _names(parts.columns)
    same = _same_keys(parts.keys)
    partition = [f"S.{quoted(key)}" for key in parts.keys]
    if parts.incremental:
        name = quoted(parts.incremental)
        same += f" AND (T.{name} = S.{name} OR (T.{name} IS NULL AND S.{name} IS NULL))"
        partition.append(f"S.{name}")
    return (
        f"INSERT INTO {parts.target} ({columns})\n"
        f"SELECT {', '.join('S.' + quoted(column) for column in parts.columns)}\n"
        f"FROM {parts.staging} AS S\n"
        f"WHERE NOT EXISTS (\n"
        f"  SELECT 1 FROM {parts.target} AS T\n"
        f"  WHERE {_and(same, parts.pruning)}\n"
        f")\n"
        f"QUALIFY ROW_NUMBER() OVER (PARTITION BY {', '.join(partition)}) = 1"
    )


def faulty_keys(
    staging: str, keys: Sequence[str], incremental: str, most: int, *, every_version: bool = False
) -> str:
    """Up to `most` keys that are NULL or occur twice among the newest versions.

    `every_version` asks for keys that occur twice in any version. Columns of the answer: the
    keys, then `etl_rows`, the number of rows; NULL keys first.
    """
    names = _names(keys)
    null = " OR ".join(f"{quoted(key)} IS NULL" for key in keys)
    versions = f"{names}, {quoted(incremental)}" if every_version and incremental else names
    newest = f"SELECT {versions} FROM {staging}"
    if incremental and not every_version:
        newest += (
            f" WHERE TRUE QUALIFY RANK() OVER (PARTITION BY {names}"
            f" ORDER BY {quoted(incremental)} DESC NULLS LAST) = 1"
        )
    return (
        f"SELECT {names}, COUNT(*) AS etl_rows\n"
        f"FROM ({newest}) AS N\n"
        f"GROUP BY {versions}\n"
        f"HAVING COUNT(*) > 1 OR {null}\n"
        f"ORDER BY IF({null}, 0, 1)\n"
        f"LIMIT {most}"
    )


def bounds(staging: str, table: Table, column: str) -> str:
    """Smallest and largest value and the number of partitions, as low, high, partitions."""
    field = field_of(table, column)
    name = f"S.{quoted(field.name)}"
    if field.name != table.partition_column:
        return (
            f"SELECT MIN({name}) AS low, MAX({name}) AS high, 0 AS partitions FROM {staging} AS S"
        )
    inside = (
        f"{name} >= {literal(field.type, _FIRST_PARTITIONED)}"
        f" AND {name} < {literal(field.type, _AFTER_PARTITIONED)}"
    )
    return (
        f"SELECT MIN({name}) AS low, MAX({name}) AS high,\n"
        f"  COUNT(DISTINCT IF({inside}, {trunc(table, 'S')}, NULL))\n"
        f"  + IF(COUNTIF({name} IS NULL) > 0, 1, 0)\n"
        f"  + IF(COUNTIF(NOT ({inside})) > 0, 1, 0) AS partitions\n"
        f"FROM {staging} AS S"
    )


def add_columns(table: str, fields: Sequence[Field]) -> str:
    """ALTER TABLE that adds nullable columns; those that are there already are left alone."""
    added = ", ".join(
        f"ADD COLUMN IF NOT EXISTS {quoted(field.name)} {field.type}" for field in fields
    )
    return f"ALTER TABLE {table} {added}"


def latest_view(target: Table, path: str, keys: Sequence[str], incremental: str) -> str:
    """The query of `<target>_latest`: one row per key, the newest.

    Ties of the incremental column go to the row that was imported last.
    """
    order = [f"T.{quoted(incremental)} DESC NULLS LAST"] if incremental else []
    order += [f"T.{quoted(field_of(target, IMPORTED_AT).name)} DESC NULLS LAST"]
    partition = ", ".join(f"T.{quoted(key)}" for key in keys)
    return (
        f"SELECT T.*\n"
        f"FROM {path} AS T\n"
        f"WHERE {any_partition(target) or 'TRUE'}\n"
        f"QUALIFY ROW_NUMBER() OVER (PARTITION BY {partition} ORDER BY {', '.join(order)}) = 1"
    )


def write_status(path: str) -> str:
    """MERGE of one row of the load-status table, from query parameters of the same names.

    The times are BigQuery's own clock.
    """
    given = ("source", "view", "target", "state", "watermark", "rows", "message")
    values = ", ".join(f"@{name} AS {quoted(name)}" for name in given)
    stands = ", ".join(
        f"{quoted(name)} = COALESCE(S.{quoted(name)}, T.{quoted(name)})"
        for name in ("watermark", "last_success", "rows")
    )
    fresh = ", ".join(
        f"{quoted(name)} = S.{quoted(name)}"
        for name in ("view", "target", "state", "last_run", "message")
    )
    names = (*given, "last_run", "last_success")
    return (
        f"MERGE INTO {path} AS T\n"
        f"USING (SELECT {values},\n"
        f"  CURRENT_TIMESTAMP() AS `last_run`,\n"
        f"  IF(@loaded, CURRENT_TIMESTAMP(), NULL) AS `last_success`) AS S\n"
        f"ON T.`source` = S.`source`\n"
        f"WHEN MATCHED THEN\n"
        f"  UPDATE SET {fresh}, {stands}\n"
        f"WHEN NOT MATCHED THEN\n"
        f"  INSERT ({_names(names)}) VALUES ({', '.join('S.' + quoted(name) for name in names)})"
    )


def _names(columns: Sequence[str]) -> str:
    return ", ".join(quoted(column) for column in columns)


def _same_keys(keys: Sequence[str]) -> str:
    return " AND ".join(f"T.{quoted(key)} = S.{quoted(key)}" for key in keys)


def _and(first: str, second: str) -> str:
    return f"{first} AND {second}" if second else first


def _newest(parts: Merge) -> str:
    """The staged rows, one per key, or all of them without keys. Without an incremental column
    nothing tells two rows of one key apart: `check_keys` has refused them, none is picked."""
    if not (parts.keys and parts.incremental):
        return parts.staging
    keys = ", ".join(f"N.{quoted(key)}" for key in parts.keys)
    return (
        f"(\n  SELECT {', '.join('N.' + quoted(column) for column in parts.columns)}\n"
        f"  FROM {parts.staging} AS N\n"
        f"  WHERE TRUE\n"
        f"  QUALIFY ROW_NUMBER() OVER (PARTITION BY {keys}"
        f" ORDER BY N.{quoted(parts.incremental)} DESC NULLS LAST) = 1\n)"
    )


def _when_matched(parts: Merge, pruning: str = "") -> str:
    keys = {key.lower() for key in parts.keys}
    updates = ", ".join(
        f"{quoted(column)} = S.{quoted(column)}"
        for column in parts.columns
        if column.lower() not in keys
    )
    when = _and("WHEN MATCHED", pruning)
    return f"\n{when} THEN\n  UPDATE SET {updates}" if updates else ""


def _when_not_matched(parts: Merge, condition: str = "") -> str:
    values = ", ".join(f"S.{quoted(column)}" for column in parts.columns)
    when = _and("WHEN NOT MATCHED", condition)
    return f"\n{when} THEN\n  INSERT ({_names(parts.columns)}) VALUES ({values})"
