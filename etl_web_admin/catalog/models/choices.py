"""The choices of the configuration; their values are those of `etl_oracle_to_bq/model.py`.

A test compares the two: the site does not import the ETL.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import models


class Protocol(models.TextChoices):
    """How the driver reaches the listener."""

    TCP = "tcp", "TCP"
    TCPS = "tcps", "TCPS (TLS)"


class LoadMode(models.TextChoices):
    """The form of the staged parts."""

    DATAFRAME = "dataframe", "DataFrame (Parquet)"
    CSV = "csv", "CSV"


class WriteDisposition(models.TextChoices):
    """What commit does with the staged rows."""

    APPEND = "append", "Append: every version of a row is kept"
    MERGE = "merge", "Merge: the newest version by key columns"
    REPLACE = "replace", "Replace: the whole table, each time"
    REPLACE_WINDOW = "replace_window", "Replace window: the rows of the loaded window"


class LoadType(models.TextChoices):
    """Which rows a run takes."""

    FIRST = "first", "First"
    INCREMENTAL = "incremental", "Incremental"
    FULL = "full", "Full"
    BACKFILL = "backfill", "Backfill"


class RunStatus(models.TextChoices):
    """How a run stands."""

    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    NO_ROWS = "no_rows", "No rows"
    ABANDONED = "abandoned", "Abandoned"


class PartitionType(models.TextChoices):
    """The granularity of a target's partitions."""

    NONE = "none", "Not partitioned"
    HOUR = "hour", "Hour"
    DAY = "day", "Day"
    MONTH = "month", "Month"
    YEAR = "year", "Year"


class SchemaPolicy(models.TextChoices):
    """What happens when the view has columns that the target lacks."""

    STRICT = "strict", "Strict: stop and tell"
    ADD_COLUMNS = "add_columns", "Add columns: new nullable columns are added"


class BadDates(models.TextChoices):
    """What happens to dates that BigQuery cannot hold (before year 1)."""

    FAIL = "fail", "Stop and tell"
    NULL = "null", "Load NULL, counted"


class BareNumbers(models.TextChoices):
    """What happens to digits past the ninth decimal of a NUMBER without declared scale."""

    ROUND = "round", "Round to 9 decimals"
    EXACT = "exact", "Exact: stop at a value that does not fit"


class Clock(models.TextChoices):
    """The Oracle type of the incremental column; a window's bounds are in its clock."""

    DATE = "DATE", "DATE"
    TIMESTAMP = "TIMESTAMP", "TIMESTAMP"
    TIMESTAMP_TZ = "TIMESTAMP_TZ", "TIMESTAMP WITH TIME ZONE"


def one_of(
    model: str, field: str, choices: type[models.TextChoices], *, blank: bool = False
) -> models.CheckConstraint:
    """A constraint: `field` holds one of `choices` (or nothing, when `blank`)."""
    values = [*choices.values, ""] if blank else choices.values
    return models.CheckConstraint(
        condition=models.Q(**{f"{field}__in": values}),
        name=f"{model}_{field}_choice",
        violation_error_message=f"{field} must be one of: {', '.join(choices.values)}.",
    )


def between(model: str, field: str, low: int, high: int) -> models.CheckConstraint:
    """A constraint: `field` is in `[low, high]`, or NULL where the field allows it."""
    return models.CheckConstraint(
        condition=models.Q(**{f"{field}__gte": low, f"{field}__lte": high}),
        name=f"{model}_{field}_range",
        violation_error_message=f"{field} must be between {low:,} and {high:,}.",
    )


def filled(model: str, fields: Iterable[str]) -> list[models.CheckConstraint]:
    """Constraints: none of these text fields is empty."""
    return [
        models.CheckConstraint(
            condition=~models.Q(**{field: ""}),
            name=f"{model}_{field}_filled",
            violation_error_message=f"{field} is empty.",
        )
        for field in fields
    ]
