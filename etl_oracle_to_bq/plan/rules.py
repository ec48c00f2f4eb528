"""What a data source and a request must keep to, checked before anything is planned; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from etl_oracle_to_bq.errors import ConfigError
from etl_oracle_to_bq.model import (
    LoadMode,
    LoadType,
    Moment,
    OracleView,
    PlannedColumn,
    Request,
    Source,
    Table,
    WriteDisposition,
)
from etl_oracle_to_bq.plan.query import clock_of
from etl_oracle_to_bq.plan.target import table_problems
from etl_oracle_to_bq.schema import Problem, column_problems, find_column, raise_problems

A_DAY = timedelta(days=1)


def problems(source: Source, view: OracleView, request: Request) -> list[Problem]:
    """Everything wrong with the columns, rules and request, all at once.

    Partitioning and clustering need planned types: see `target.table_problems`.
    """
    return [
        *column_problems(view, source),
        *_column_names(source, view),
        *(Problem("invalid-source", text) for text in _source_rules(source, request)),
        *(Problem("invalid-request", text) for text in _request_rules(source, request)),
    ]


def refuse_layout(source: Source, view: OracleView, columns: Sequence[PlannedColumn]) -> None:
    """Raise ConfigError with everything wrong with partitioning and clustering."""
    raise_problems(table_problems(source, view, columns), source.view)


def refuse_other_scope(source: Source, request: Request) -> None:
    """Raise ConfigError `watermark-scope` when the watermark is another configuration's.

    A full load asked for by name is let through: it reads everything and sets a new one.
    So does *replace* at each run.
    """
    mark = source.watermark
    everything = request.full or source.write_disposition is WriteDisposition.REPLACE
    if mark is None or mark.scope == source.scope or everything:
        return
    raise ConfigError(
        f"{source.view}: the watermark {mark.value.isoformat(sep=' ')} belongs to "
        f"{mark.scope}, and this data source is now {source.scope}. Keep it with "
        f"`python -m etl_oracle_to_bq watermark {source.view} --keep`, or begin anew with "
        f"`python -m etl_oracle_to_bq watermark {source.view} --reset`.",
        code="watermark-scope",
        view=source.view,
        step="plan",
    )


def refuse_second_first(source: Source, existing: Table | None, request: Request) -> None:
    """Raise ConfigError `target-not-empty` when a first load would append every row again."""
    keyless = source.write_disposition is WriteDisposition.APPEND and not source.key_columns
    first = source.watermark is None and not request.full and not request.backfill
    if keyless and first and existing is not None and existing.rows:
        raise ConfigError(
            f"{source.view}: {existing.path} already has {existing.rows:,} rows, and without a "
            f"watermark or key columns this load would add every row again.",
            code="target-not-empty",
            view=source.view,
            step="plan",
        )


def refuse_missing_target(source: Source, existing: Table | None, request: Request) -> None:
    """Raise ConfigError `target-missing` when a window would be loaded into a new, empty table.

    What lies before the watermark would be missing from it, and nothing would say so.
    """
    everything = request.full or source.write_disposition is WriteDisposition.REPLACE
    if existing is None and source.watermark is not None and not everything:
        raise ConfigError(
            f"{source.view}: the target {source.dataset}.{source.target} does not exist, although "
            f"rows up to {source.watermark.value.isoformat(sep=' ')} were loaded into it.",
            code="target-missing",
            view=source.view,
            step="plan",
        )


def refuse_watermark_ahead(source: Source, moment: Moment, kind: LoadType) -> None:
    """Raise ConfigError `watermark-ahead` when increments would skip rows until it is reached.

    A day ahead is more than any clock is set back for daylight saving or moved between zones.
    """
    mark = source.watermark
    if kind is LoadType.INCREMENTAL and mark and mark.value > moment.server + A_DAY:
        raise ConfigError(
            f"{source.view}: the watermark {mark.value.isoformat(sep=' ')} is ahead of Oracle's "
            f"clock, {moment.server.isoformat(sep=' ')}: what changes until then would never be "
            "loaded.",
            code="watermark-ahead",
            view=source.view,
            step="plan",
        )


def _column_names(source: Source, view: OracleView) -> Iterator[Problem]:
    used = [
        *(("key", name) for name in source.key_columns),
        *(("cluster", name) for name in source.cluster_columns),
        ("incremental", source.incremental_column),
        ("first load", source.first_load_column),
        ("partition", source.partition_column),
    ]
    for what, name in used:
        if name and find_column(view, name) is None:
            text = f"The {what} column {name!r} is not in the view."
            yield Problem("unknown-column", text)
    for what, name in used[-3:-1]:
        column = find_column(view, name)
        if column and clock_of(column) is None:
            text = f"The {what} column {name} is a {column.data_type}, not a date or timestamp."
            yield Problem("invalid-source", text)


def _source_rules(source: Source, request: Request) -> Iterator[str]:
    disposition, keys = source.write_disposition, source.key_columns
    if disposition is WriteDisposition.MERGE and not keys:
        yield "Merge needs key columns."
    if disposition is WriteDisposition.APPEND and source.overlap and not keys:
        yield "Append with an overlap needs key columns, or rows would be added twice."
    if source.overlap < timedelta(0) or source.safety_lag < timedelta(0):
        yield "Overlap and safety lag cannot be negative."
    if not source.incremental_column:
        yield from _without_incremental(source, request)
    if source.batch_size < 1:
        yield "The batch size must be at least 1."


def _without_incremental(source: Source, request: Request) -> Iterator[str]:
    """Without an incremental column a run reads everything, so it can only start or replace."""
    replaces = source.write_disposition is WriteDisposition.REPLACE
    appends = source.write_disposition is WriteDisposition.APPEND and not source.key_columns
    if request.backfill:
        yield "A backfill needs an incremental column."
    elif not (replaces or appends):
        yield f"{source.write_disposition} needs an incremental column."
    if source.first_load_date and not source.first_load_column:
        yield "A first load date needs a first load column or an incremental column."


def _request_rules(source: Source, request: Request) -> Iterator[str]:
    lower, upper = request.backfill_from, request.backfill_to
    if source.transform and (request.load_mode or source.load_mode) is not LoadMode.DATAFRAME:
        yield f"The transform {source.transform} runs in DataFrame mode only."
    if upper is not None and lower is None:
        yield "A window needs its beginning: --from."
    if lower is None:
        return
    if request.full:
        yield "A full load and a window exclude each other."
    if source.write_disposition is WriteDisposition.REPLACE:
        yield "A view that is replaced as a whole cannot load a window."
    if lower.tzinfo or (upper and upper.tzinfo):
        yield "A window is given in the incremental column's own clock, without a zone."
    elif upper is not None and lower >= upper:
        yield "A window must end after it begins."
