"""What the counts say: may the rows be loaded, and what does the watermark become; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NoReturn

from etl_oracle_to_bq.errors import StageError
from etl_oracle_to_bq.model import (
    BadDates,
    Bind,
    CommitMethod,
    LoadType,
    Plan,
    PlannedColumn,
    Query,
    Source,
    Window,
    WriteDisposition,
)
from etl_oracle_to_bq.plan import query as sql
from etl_oracle_to_bq.plan.target import refuse_too_many_partitions
from etl_oracle_to_bq.plan.windows import keyless_append, midnight
from etl_oracle_to_bq.schema import before_year_one, integer_limit, quoted


@dataclass(frozen=True, slots=True)
class Verdict:
    """What of the plan stands after the probe; `expected_rows` is what the query will return."""

    query: Query
    window: Window | None
    watermark: datetime | None
    expected_rows: int
    date_only: bool
    warnings: tuple[str, ...] = ()


def probe_verdict(plan: Plan, counts: Mapping[str, int], source: Source) -> Verdict:
    """Judge the probe's counts, which were taken in the export's own snapshot.

    Raises StageError `bad-dates` or `value-does-not-fit` with counts and a query that finds
    the rows, and DestinationError `partition-limit`.

    A window in which no value has a time of day may be of a DATE-only column, where rows of
    the last day are still to come with a stamp that has already passed. Then the watermark
    goes to that midnight, so that the next run reads the day again. A keyless append cannot
    read it again, so it stops at midnight now.
    """
    _refuse_too_big(plan, counts)
    _refuse_dates_with_time(plan, counts)
    bad_dates = tuple(_bad_dates(plan, counts, source))
    refuse_too_many_partitions(plan.target, counts.get(sql.PARTITIONS, 0))
    warnings = (*bad_dates, *_dropped_times(plan, counts), *_outside(plan, counts, source))
    expected = counts[sql.WINDOW_ROWS]
    date_only = counts.get(sql.OFF_MIDNIGHT) == 0 and not (plan.piece and plan.piece.timed)
    verdict = Verdict(plan.query, plan.window, plan.watermark, expected, date_only, warnings)
    moves = date_only and plan.watermark is not None
    return _to_midnight(verdict, plan, counts, source) if moves else verdict


def volume_verdict(
    source: Source,
    previous_rows: int | None,
    new_rows: int,
    disposition: WriteDisposition,
) -> tuple[str, ...]:
    """Compare a result with what was there before, or with the usual: warnings, if any.

    For *replace* an empty result (unless allowed), or one smaller than the source's shrink
    limit permits, raises StageError `empty-replace` or `shrunk-result` instead. Pass
    `WriteDisposition.REPLACE` whenever `replaces_everything(plan)`.
    """
    if not previous_rows:
        return ()
    if new_rows == 0:
        if source.allow_empty:
            return ()
        text = f"{source.view} returned no rows; before it had {previous_rows:,}."
        return _held(text, "empty-replace", source, disposition)
    limit = source.shrink_limit_percent
    lost = 100 * (previous_rows - new_rows) / previous_rows
    if limit is None or lost <= limit:
        return ()
    text = (
        f"{source.view} returned {new_rows:,} rows; before it had {previous_rows:,}, "
        f"{lost:.0f} % are missing, and {limit} % may be."
    )
    return _held(text, "shrunk-result", source, disposition)


def replaces_everything(plan: Plan) -> bool:
    """True when commit leaves nothing of the target, or of its first load part, but the rows."""
    whole = plan.load_type in {LoadType.FIRST, LoadType.FULL}
    return plan.commit is CommitMethod.COPY_REPLACE or (
        plan.commit is CommitMethod.REPLACE_WINDOW and whole
    )


def appends_a_window(plan: Plan) -> bool:
    """True when an increment adds rows without looking at those that are there.

    A stamp that is kept without its time of day cannot be compared with the bounds.
    """
    kinds = [column.type for column in plan.columns if column.name == plan.incremental]
    increment = plan.load_type is LoadType.INCREMENTAL and plan.window is not None
    return increment and plan.commit is CommitMethod.COPY_APPEND and kinds != ["DATE"]


def _held(text: str, code: str, source: Source, disposition: WriteDisposition) -> tuple[str, ...]:
    if disposition is WriteDisposition.REPLACE:
        raise StageError(f"{text} The target was left as it is.", code=code, view=source.view)
    return (text,)


def _to_midnight(
    verdict: Verdict, plan: Plan, counts: Mapping[str, int], source: Source
) -> Verdict:
    if plan.watermark is None:
        raise ValueError("there is no watermark to move")
    mark = _not_back(midnight(plan.watermark), plan, source)
    if not keyless_append(source) or plan.window is None:
        return replace(verdict, watermark=mark)
    day = midnight(plan.window.upper) if plan.window.upper else mark
    lower = min(plan.window.lower, day) if plan.window.lower else None
    bounds = {sql.UPPER: day} | ({sql.LOWER: lower} if lower else {})
    return replace(
        verdict,
        query=_rebound(plan.query, bounds),
        window=replace(plan.window, lower=lower, upper=day),
        watermark=mark,
        expected_rows=counts[sql.WHOLE_DAY_ROWS],
    )


def _not_back(mark: datetime, plan: Plan, source: Source) -> datetime:
    """An increment never moves the watermark back; a full load sets it anew."""
    if plan.load_type is not LoadType.INCREMENTAL or source.watermark is None:
        return mark
    return max(mark, source.watermark.value)


def _rebound(query: Query, bounds: Mapping[str, datetime]) -> Query:
    moved = {
        name: Bind(bounds[name], bind.type) if name in bounds else bind
        for name, bind in query.binds.items()
    }
    return Query(query.sql, moved)


def _finder(plan: Plan, condition: str) -> str:
    return f"SELECT * FROM {plan.view} v WHERE {condition}"


def _counted(
    plan: Plan, counts: Mapping[str, int], prefix: str
) -> Iterator[tuple[PlannedColumn, int]]:
    for number, column in enumerate(plan.columns, 1):
        rows = counts.get(f"{prefix}_{number}", 0)
        if rows:
            yield column, rows


def _refuse(plan: Plan, code: str, found: list[str]) -> NoReturn:
    raise StageError(f"{plan.view}: {' '.join(found)}", code=code, view=plan.view, step="plan")


def _refuse_too_big(plan: Plan, counts: Mapping[str, int]) -> None:
    found = [
        f"{rows:,} values of {column.source.name} are too large for {column.type}; see them with "
        f"{_finder(plan, f'ABS({quoted(column.source)}) >= {integer_limit(column)}')}"
        for column, rows in _counted(plan, counts, "too_big")
    ]
    if found:
        _refuse(plan, "value-does-not-fit", found)


def _refuse_dates_with_time(plan: Plan, counts: Mapping[str, int]) -> None:
    """The incremental column may be a DATE only while no time of day is lost by it."""
    stamps = [column for column in plan.columns if column.name == plan.incremental]
    if stamps and stamps[0].type == "DATE" and counts.get(sql.OFF_MIDNIGHT):
        name = stamps[0].source.name
        found = (
            f"The incremental column {name} is among the date columns, but "
            f"{counts[sql.OFF_MIDNIGHT]:,} of its values have a time of day; see them with "
            + _finder(plan, f"{quoted(stamps[0].source)} <> TRUNC({quoted(stamps[0].source)})")
        )
        _refuse(plan, "value-does-not-fit", [found])


def _bad_dates(plan: Plan, counts: Mapping[str, int], source: Source) -> Iterator[str]:
    found = [
        (column, f"{rows:,} values of {column.source.name} are before year 1")
        for column, rows in _counted(plan, counts, "bad_dates")
    ]
    if found and source.bad_dates is BadDates.FAIL:
        told = [
            f"{text}; see them with {_finder(plan, before_year_one(column.source))}"
            for column, text in found
        ]
        _refuse(plan, "bad-dates", told)
    yield from (f"{text}; NULL was loaded instead." for _, text in found)


def _dropped_times(plan: Plan, counts: Mapping[str, int]) -> Iterator[str]:
    for column, rows in _counted(plan, counts, "time_of_day"):
        yield f"{rows:,} values of {column.source.name} have a time of day, which DATE drops."


def _outside(plan: Plan, counts: Mapping[str, int], source: Source) -> Iterator[str]:
    missing = counts.get(sql.NULL_INCREMENTAL, 0)
    future = counts.get(sql.FUTURE_INCREMENTAL, 0)
    if missing:
        by_stamp = source.first_load_column in ("", source.incremental_column)
        bounded = source.first_load_date is not None and by_stamp
        takers = "no load takes" if bounded else "only first and full loads take"
        yield f"{missing:,} rows have no {plan.incremental}; {takers} them."
    if future:
        yield f"{future:,} rows have a {plan.incremental} at or after the upper bound."
