"""The target table: what it shall be, whose it is, and how it differs from what exists; pure.

Limits and names: https://docs.cloud.google.com/bigquery/quotas,
https://docs.cloud.google.com/bigquery/docs/partitioned-tables and clustered-tables.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from etl_oracle_to_bq.errors import ConfigError, DestinationError, SchemaMismatch
from etl_oracle_to_bq.model import (
    Field,
    OracleView,
    PartitionType,
    PlannedColumn,
    SchemaPolicy,
    Source,
    Table,
)
from etl_oracle_to_bq.schema import (
    IMPORTED_AT,
    Problem,
    bigquery_fields,
    find_column,
)

OWNER_LABEL = "managed_by"
OWNER = "oracle_to_bq"
SOURCE_LABEL = "etl_source"
MAX_LABEL_LENGTH = 63

PARTITION_TYPES = frozenset({"DATE", "DATETIME", "TIMESTAMP"})
CLUSTER_TYPES = frozenset(
    {"BIGNUMERIC", "BOOL", "DATE", "DATETIME", "INT64", "NUMERIC", "STRING", "TIMESTAMP"}
)
MAX_CLUSTER_COLUMNS = 4
PARTITIONS_PER_JOB = 4_000
PARTITIONS_PER_TABLE = 10_000
# Values outside these years share the one partition __UNPARTITIONED__.
FIRST_PARTITION = date(1960, 1, 1)
LAST_PARTITION = date(2159, 12, 31)


def owner_labels(source: Source) -> dict[str, str]:
    """The labels that say that a table was made by, and belongs to, this data source."""
    slug = re.sub(r"[^a-z0-9_-]", "_", source.view.lower())
    return {OWNER_LABEL: OWNER, SOURCE_LABEL: f"{source.id}-{slug}"[:MAX_LABEL_LENGTH]}


def refuse_foreign(source: Source, existing: Table) -> None:
    """Raise ConfigError `foreign-target` unless the table is the source's or may be adopted."""
    owned = owner_labels(source).items() <= dict(existing.labels).items()
    if not owned and not source.adopt:
        owner = existing.labels.get(SOURCE_LABEL)
        whose = f"it belongs to data source {owner}" if owner else "this program did not make it"
        raise ConfigError(
            f"{source.view}: the target {existing.path} exists, and {whose}.",
            code="foreign-target",
            view=source.view,
            step="plan",
        )


def named(columns: Sequence[PlannedColumn], view: OracleView, name: str) -> PlannedColumn | None:
    """The planned column of an Oracle column name, as the data source spells it."""
    column = find_column(view, name)
    return next((planned for planned in columns if planned.source == column), None)


def table_problems(
    source: Source, view: OracleView, columns: Sequence[PlannedColumn]
) -> list[Problem]:
    """What is wrong with partitioning and clustering, all at once."""
    return [
        Problem("invalid-source", text)
        for text in (
            *_partition_problems(source, named(columns, view, source.partition_column)),
            *_cluster_problems(source, view, columns),
            *_key_problems(source, view, columns),
        )
    ]


def wanted_table(
    source: Source,
    view: OracleView,
    columns: Sequence[PlannedColumn],
    existing: Table | None,
) -> Table:
    """The target as the data source wants it; columns are already fitted to `existing`.

    What does not concern rows (expiration, partition filter) is taken from an existing table.
    """
    partition = named(columns, view, source.partition_column)
    cluster = (named(columns, view, name) for name in source.cluster_columns)
    table = Table(
        dataset=source.dataset,
        name=source.target,
        fields=_wanted_fields(columns, existing),
        partition_column=partition.name if partition else "",
        partition_type=source.partition_type,
        partition_expiration_days=source.partition_expiration_days,
        require_partition_filter=source.require_partition_filter,
        cluster_columns=tuple(column.name for column in cluster if column),
        labels=owner_labels(source),
    )
    if existing is None:
        return table
    return replace(
        table,
        partition_expiration_days=existing.partition_expiration_days,
        require_partition_filter=existing.require_partition_filter,
        labels={**existing.labels, **table.labels},
        rows=existing.rows,
    )


@dataclass(frozen=True, slots=True)
class Differences:
    """How a wanted table and the existing one differ.

    `missing` columns are absent from the existing table, `extra` ones from the wanted one;
    `other` differences are sentences: types, modes, partitioning, clustering.
    """

    missing: tuple[Field, ...] = ()
    extra: tuple[Field, ...] = ()
    other: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """Every difference in one line, with both sides."""
        return (
            *(
                f"{field.name}: {field.type} in the plan, missing in the target"
                for field in self.missing
            ),
            *(
                f"{field.name}: missing in the view, {_told(field)} in the target"
                for field in self.extra
            ),
            *self.other,
        )


def compare(planned: Table, existing: Table) -> Differences:
    """All differences at once; names are compared as BigQuery does, without case."""
    have = {field.name.casefold(): field for field in existing.fields}
    want = {field.name.casefold(): field for field in planned.fields}
    pairs = ((field, have[key]) for key, field in want.items() if key in have)
    return Differences(
        missing=tuple(field for key, field in want.items() if key not in have),
        extra=tuple(field for key, field in have.items() if key not in want),
        other=(
            *(
                f"{new.name}: {_told(new)} in the plan, {_told(old)} in the target"
                for new, old in pairs
                if (new.type, new.mode) != (old.type, old.mode)
            ),
            *_differing("partitioning", _partitioning(planned), _partitioning(existing)),
            *_differing("clustering", _clustering(planned), _clustering(existing)),
        ),
    )


def settle_differences(
    planned: Table, existing: Table, source: Source
) -> tuple[Table, tuple[Field, ...], tuple[str, ...]]:
    """The table as it will stand, the columns to add first, and warnings.

    Policy *strict* allows no difference; *add columns* adds the missing ones as nullable and
    leaves NULL in nullable columns that the view no longer has. Raises SchemaMismatch with
    every difference that the policy does not allow.
    """
    found = compare(planned, existing)
    adding = source.schema_policy is SchemaPolicy.ADD_COLUMNS
    kept = tuple(field for field in found.extra if field.mode == "NULLABLE") if adding else ()
    refused = Differences(
        missing=() if adding else found.missing,
        extra=tuple(field for field in found.extra if field not in kept),
        other=found.other,
    ).texts
    if refused:
        raise SchemaMismatch(
            f"{source.view} and {existing.path} differ: {'; '.join(refused)}.",
            code="schema-mismatch",
            differences=refused,
            view=source.view,
            step="plan",
        )
    additions = tuple(replace(field, mode="NULLABLE") for field in found.missing)
    warnings = tuple(
        f"Column {field.name} is not in the view; new rows have NULL." for field in kept
    )
    return replace(planned, fields=(*existing.fields, *additions)), additions, warnings


def partitions_touched(
    partition_type: PartitionType, low: date | datetime, high: date | datetime
) -> int:
    """How many partitions values from `low` to `high` (both included) may fall into.

    Values outside 1960 to 2159 share one partition, which counts once.
    """
    if partition_type is PartitionType.NONE:
        return 1
    first, last = _moment(FIRST_PARTITION), _moment(LAST_PARTITION).replace(hour=23)
    start, end = _moment(low), _moment(high)
    inside = (
        _ordinal(partition_type, min(end, last)) - _ordinal(partition_type, max(start, first)) + 1
    )
    outside = start < first or _moment(high).date() > LAST_PARTITION
    return max(inside, 0) + int(outside)


def refuse_too_many_partitions(target: Table, touched: int) -> None:
    """Raise DestinationError `partition-limit` when one job would change too many partitions."""
    if touched > PARTITIONS_PER_JOB:
        raise DestinationError(
            f"The rows fall into {touched:,} {target.partition_type}-partitions of {target.path}; "
            f"BigQuery takes {PARTITIONS_PER_JOB:,} in one job and "
            f"{PARTITIONS_PER_TABLE:,} in one table.",
            code="partition-limit",
            step="plan",
        )


def _partition_problems(source: Source, column: PlannedColumn | None) -> list[str]:
    name, kind = source.partition_column, source.partition_type
    if kind is PartitionType.NONE:
        unused = name or source.require_partition_filter or source.partition_expiration_days
        return (
            ["A partition column, filter or expiration needs a partition type."] if unused else []
        )
    if not name:
        return [f"Partitions by {kind} need a partition column."]
    if column is None:
        return [f"The partition column {name!r} is not in the view."]
    if column.type not in PARTITION_TYPES:
        return [f"{name} is a {column.type}; partitions need a date column."]
    if kind is PartitionType.HOUR and column.type == "DATE":
        return [f"{name} is a DATE, which cannot be partitioned by hour."]
    return []


def _cluster_problems(
    source: Source, view: OracleView, columns: Sequence[PlannedColumn]
) -> list[str]:
    names, problems = source.cluster_columns, []
    if len(names) > MAX_CLUSTER_COLUMNS:
        problems.append(f"{len(names)} cluster columns; BigQuery takes {MAX_CLUSTER_COLUMNS}.")
    if len({name.casefold() for name in names}) < len(names):
        problems.append("A cluster column is named twice.")
    for name in names:
        column = named(columns, view, name)
        if column is None:
            problems.append(f"The cluster column {name!r} is not in the view.")
        elif column.type not in CLUSTER_TYPES:
            problems.append(f"{name} is a {column.type}, which BigQuery cannot cluster by.")
    return problems


def _key_problems(source: Source, view: OracleView, columns: Sequence[PlannedColumn]) -> list[str]:
    """BigQuery refuses to partition a window function by FLOAT64, and NaN equals nothing."""
    keys = (named(columns, view, name) for name in source.key_columns)
    return [
        f"{key.source.name} is a FLOAT64, which cannot be a key column."
        for key in keys
        if key and key.type == "FLOAT64"
    ]


def _wanted_fields(columns: Sequence[PlannedColumn], existing: Table | None) -> tuple[Field, ...]:
    have = {field.name.casefold(): field for field in existing.fields} if existing else {}
    stamp = have.get(IMPORTED_AT.casefold(), Field(IMPORTED_AT, "TIMESTAMP"))
    stamp_type = stamp.type if stamp.type == "DATETIME" else "TIMESTAMP"
    *fields, imported_at = bigquery_fields(columns, stamp_type)
    # A REQUIRED column is kept where Oracle promises a value; the product fills its own.
    filled = {column.name for column in columns if not column.source.nullable} | {IMPORTED_AT}

    def with_mode(field: Field) -> Field:
        old = have.get(field.name.casefold())
        required = old is not None and old.mode == "REQUIRED" and field.name in filled
        return replace(field, mode="REQUIRED") if required else field

    return tuple(with_mode(field) for field in (*fields, imported_at))


def _told(field: Field) -> str:
    return field.type if field.mode == "NULLABLE" else f"{field.type} {field.mode}"


def _partitioning(table: Table) -> str:
    if table.partition_type is PartitionType.NONE:
        return "none"
    return f"{table.partition_type} of {table.partition_column.lower()}"


def _clustering(table: Table) -> str:
    return ", ".join(name.lower() for name in table.cluster_columns) or "none"


def _differing(what: str, planned: str, existing: str) -> list[str]:
    same = planned == existing
    return [] if same else [f"{what}: {planned} in the plan, {existing} in the target"]


def _moment(value: date | datetime) -> datetime:
    return value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)  # noqa: DTZ001


def _ordinal(partition_type: PartitionType, value: datetime) -> int:
    return {
        PartitionType.HOUR: value.toordinal() * 24 + value.hour,
        PartitionType.DAY: value.toordinal(),
        PartitionType.MONTH: value.year * 12 + value.month,
        PartitionType.YEAR: value.year,
    }[partition_type]
