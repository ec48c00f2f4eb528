"""Facts in, plan out: the one place where a run's decisions are made; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC

from etl_oracle_to_bq.model import (
    CommitMethod,
    Field,
    LoadType,
    Moment,
    OracleView,
    PartitionType,
    Plan,
    PlannedColumn,
    Query,
    Request,
    Source,
    Table,
    Window,
    WriteDisposition,
)
from etl_oracle_to_bq.plan import query as sql
from etl_oracle_to_bq.plan.rules import (
    problems,
    refuse_layout,
    refuse_missing_target,
    refuse_other_scope,
    refuse_second_first,
    refuse_watermark_ahead,
)
from etl_oracle_to_bq.plan.target import (
    named,
    refuse_foreign,
    settle_differences,
    wanted_table,
)
from etl_oracle_to_bq.plan.windows import (
    Rows,
    choose_rows,
    first_load_column,
    keyless_append,
    load_type,
    midnight,
)
from etl_oracle_to_bq.schema import fit_existing, plan_columns, raise_problems


def make(
    source: Source,
    view: OracleView,
    moment: Moment,
    existing: Table | None,
    request: Request,
) -> Plan:
    """Decide everything about one run before a row moves.

    `existing` is the target as BigQuery has it, or None. Column names in the plan are the
    target's, except inside SQL and in `columns[n].source`. `imported_at` is Oracle's own
    UTC clock at `moment`. Show `probe`'s counts to `probe_verdict` before the rows move.

    Raises ConfigError (every problem of the configuration at once; `watermark-scope`,
    `foreign-target`, `target-missing`, `target-not-empty`, `watermark-ahead`) and SchemaMismatch (every difference at once).
    """
    raise_problems(problems(source, view, request), source.view)
    refuse_other_scope(source, request)
    if existing is not None:
        refuse_foreign(source, existing)
    refuse_missing_target(source, existing, request)
    refuse_second_first(source, existing, request)
    refuse_watermark_ahead(source, moment, load_type(source, request))
    layout = _lay_out(source, view, existing)
    columns = _Columns.of(source, view, layout.columns)
    rows = choose_rows(source, view, moment, request, columns.incremental, columns.first)
    kind = load_type(source, request)
    commit = commit_method(source, kind, rows.window is not None)
    return Plan(
        view=source.view,
        load_type=kind,
        load_mode=request.load_mode or source.load_mode,
        disposition=source.write_disposition,
        commit=commit,
        window=_commit_window(rows, commit, columns.incremental),
        moment=moment,
        columns=layout.columns,
        query=sql.export(view, moment, layout.columns, rows.predicate),
        probe=_probe(source, view, moment, layout, rows),
        target=layout.target,
        creates_target=existing is None,
        additions=layout.additions,
        keys=tuple(column.name for column in columns.keys),
        incremental=columns.incremental.name if columns.incremental else "",
        watermark=rows.watermark,
        batch_size=source.batch_size,
        transform=source.transform,
        imported_at=moment.utc.replace(tzinfo=UTC),
        warnings=(
            *request.notes,
            *moment.warnings,
            *rows.warnings,
            *layout.warnings,
            *_warnings(source, kind, rows, layout.target),
        ),
        upper=rows.upper,
        piece=request.piece,
        origin=view,
        rows=rows.predicate.sql,
    )


def commit_method(source: Source, kind: LoadType, narrowed: bool) -> CommitMethod:
    """The one job that makes the rows visible.

    `narrowed` says that a first load predicate leaves rows of the target out of a full load.
    A full load makes the target what Oracle says, rows deleted in Oracle included: with keys
    by a statement that keeps the newest version of each, without keys by a free copy. A full
    *append* without keys is such a copy too, so earlier versions of rows are gone after it.
    """
    disposition, keyed = source.write_disposition, bool(source.key_columns)
    if disposition is WriteDisposition.REPLACE:
        return CommitMethod.COPY_REPLACE
    if disposition is WriteDisposition.APPEND:
        if keyed:
            return CommitMethod.INSERT_NEW
        full = kind is LoadType.FULL
        return CommitMethod.COPY_REPLACE if full else CommitMethod.COPY_APPEND
    if disposition is WriteDisposition.MERGE and kind is not LoadType.FULL:
        return CommitMethod.MERGE
    everything = kind in {LoadType.FIRST, LoadType.FULL} and not narrowed
    return CommitMethod.COPY_REPLACE if everything and not keyed else CommitMethod.REPLACE_WINDOW


@dataclass(frozen=True, slots=True)
class _Layout:
    """The target as it will stand, and the columns on their way there."""

    columns: tuple[PlannedColumn, ...]
    target: Table
    additions: tuple[Field, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns that have a part to play."""

    keys: tuple[PlannedColumn, ...]
    incremental: PlannedColumn | None
    first: PlannedColumn | None

    @classmethod
    def of(cls, source: Source, view: OracleView, columns: tuple[PlannedColumn, ...]) -> _Columns:
        keys = (named(columns, view, name) for name in source.key_columns)
        first = first_load_column(source, view)
        return cls(
            tuple(key for key in keys if key),
            named(columns, view, source.incremental_column),
            named(columns, view, first.name) if first else None,
        )


def _lay_out(source: Source, view: OracleView, existing: Table | None) -> _Layout:
    columns = plan_columns(view, source)
    if existing is not None:
        columns = fit_existing(columns, source, existing)
    refuse_layout(source, view, columns)
    wanted = wanted_table(source, view, columns, existing)
    warnings = tuple(
        f"Column {column.name} has the name of its table, which BigQuery and Power BI misread."
        for column in columns
        if column.name.casefold() == source.target.casefold()
    )
    if existing is None:
        return _Layout(columns, wanted, (), warnings)
    target, additions, more = settle_differences(wanted, existing, source)
    return _Layout(columns, target, additions, (*warnings, *more))


def _commit_window(
    rows: Rows, commit: CommitMethod, incremental: PlannedColumn | None
) -> Window | None:
    """A statement that replaces a window needs one, be it unbounded on both sides."""
    if commit is not CommitMethod.REPLACE_WINDOW or rows.window or incremental is None:
        return rows.window
    clock = sql.clock_of(incremental.source)
    return Window(incremental.name, clock, None, None) if clock else None


def _probe(source: Source, view: OracleView, moment: Moment, layout: _Layout, rows: Rows) -> Query:
    incremental = named(layout.columns, view, source.incremental_column)
    partition = named(layout.columns, view, source.partition_column)
    wanted = sql.ProbePlan(
        rows=rows.predicate,
        columns=layout.columns,
        incremental=incremental.source if incremental else None,
        now=rows.upper,
    )
    if keyless_append(source) and rows.window and rows.window.upper and rows.watermark:
        wanted = replace(wanted, day=midnight(rows.window.upper))
    if partition and source.partition_type is not PartitionType.NONE:
        wanted = replace(wanted, partition=(partition.source, str(source.partition_type)))
    return sql.probe(view, moment, wanted)


def _warnings(source: Source, kind: LoadType, rows: Rows, target: Table) -> list[str]:
    warnings = []
    disposition, keyless = source.write_disposition, not source.key_columns
    if disposition is WriteDisposition.REPLACE_WINDOW and keyless:
        warnings.append(
            "Without key columns a row whose incremental value changes stays in the target "
            "under its old value too."
        )
    if kind is LoadType.BACKFILL and keyless_append(source):
        warnings.append("Rows of this window that the target already has will be there twice.")
    if kind is LoadType.FULL and keyless_append(source) and target.rows:
        warnings.append(f"The {target.rows:,} rows of the target are replaced.")
    if kind is LoadType.INCREMENTAL and target.rows == 0:
        warnings.append("The target is empty; what lies before the watermark is not in it.")
    if target.partition_expiration_days != source.partition_expiration_days:
        warnings.append("The target's partition expiration differs and stays as it is.")
    if target.require_partition_filter != source.require_partition_filter:
        warnings.append("The target's partition filter setting differs and stays as it is.")
    return warnings
