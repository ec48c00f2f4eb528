"""Which rows a run takes: bounds, the watermark they lead to, and the chunks of a backfill.

Every time here is naive, in the clock of the column it bounds: the database server's for
DATE and TIMESTAMP, UTC for zoned timestamps. Never the clock of the host of this program.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import islice

from etl_oracle_to_bq.model import (
    Clock,
    LoadType,
    Moment,
    OracleColumn,
    OracleView,
    PartitionType,
    Piece,
    PlannedColumn,
    Request,
    Source,
    Window,
    WriteDisposition,
)
from etl_oracle_to_bq.plan.query import (
    FIRST,
    LOWER,
    UPPER,
    Predicate,
    bound,
    clock_of,
    not_after,
)
from etl_oracle_to_bq.schema import find_column

ONE_DAY = timedelta(days=1)
BEGINNING = datetime(1, 1, 1)  # noqa: DTZ001
END = datetime(9999, 12, 31, 23, 59, 59, 999_999)  # noqa: DTZ001
MOST_CHUNKS = 100


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one run. `window` names the target's column; None means every row.

    `upper` is the bound the next run begins at, whether or not this one stops there, and
    `watermark` what is kept after commit (None: it stays).
    """

    predicate: Predicate
    window: Window | None
    upper: datetime | None
    watermark: datetime | None
    warnings: tuple[str, ...] = ()


def load_type(source: Source, request: Request) -> LoadType:
    """Which rows are asked for; *replace* always reads everything."""
    if request.piece is not None:
        return request.piece.load_type
    if request.backfill:
        return LoadType.BACKFILL
    if request.full or source.write_disposition is WriteDisposition.REPLACE:
        return LoadType.FULL
    return LoadType.FIRST if source.watermark is None else LoadType.INCREMENTAL


def upper_bound(clock: Clock, moment: Moment, lag: timedelta) -> datetime:
    """Oracle's clock of that column minus the safety lag; whole seconds for DATE."""
    now = moment.utc if clock is Clock.TIMESTAMP_TZ else moment.server
    upper = now - lag
    return upper.replace(microsecond=0) if clock is Clock.DATE else upper


def midnight(value: datetime) -> datetime:
    """The beginning of the day."""
    return datetime.combine(value.date(), time())


def keyless_append(source: Source) -> bool:
    """True when a row that is loaded twice would be in the target twice."""
    return source.write_disposition is WriteDisposition.APPEND and not source.key_columns


def choose_rows(
    source: Source,
    view: OracleView,
    moment: Moment,
    request: Request,
    incremental: PlannedColumn | None,
    first: PlannedColumn | None,
) -> Rows:
    """The rows of this run; the columns are the source's incremental and first load column."""
    kind = load_type(source, request)
    if incremental is None:
        return _everything(source, first, None)
    upper = upper_bound(_clock(incremental.source), moment, source.safety_lag)
    if request.piece is not None:
        return _piece(source, request.piece, (incremental, first), upper)
    if kind in {LoadType.FIRST, LoadType.FULL}:
        return _everything(source, first, (incremental, upper))
    if kind is LoadType.BACKFILL:
        return _backfill(source, request, incremental, upper)
    return _increment(source, incremental, upper)


def first_load_column(source: Source, view: OracleView) -> OracleColumn | None:
    """The column of the first load date: its own, else the incremental one."""
    return find_column(view, source.first_load_column or source.incremental_column)


def backfill_chunks(
    lower: datetime, upper: datetime, partition_type: PartitionType
) -> list[tuple[datetime, datetime]]:
    """Half-open windows that cover `[lower, upper)` once, split where partitions begin.

    The same bounds give the same chunks, so an interrupted backfill goes on at the first one
    that is not done. More than 100 partitions are taken by the next coarser unit; a table
    without partitions goes by month. Raises ValueError unless lower < upper.
    """
    if lower >= upper:
        raise ValueError("a window must end after it begins")
    units = [PartitionType.HOUR, PartitionType.DAY, PartitionType.MONTH, PartitionType.YEAR]
    start = PartitionType.MONTH if partition_type is PartitionType.NONE else partition_type
    for unit in units[units.index(start) : -1]:
        chunks = list(islice(_chunks(lower, upper, unit), MOST_CHUNKS + 1))
        if len(chunks) <= MOST_CHUNKS:
            return chunks
    return list(_chunks(lower, upper, PartitionType.YEAR))


def _everything(
    source: Source, first: PlannedColumn | None, mark: tuple[PlannedColumn, datetime] | None
) -> Rows:
    """First, full and replace loads take every row of the first load predicate.

    Rows without an incremental value, or with one in the future, are taken too: the target
    shall say what Oracle says at that moment, and no increment would bring the former. The
    next increment begins at `upper` all the same, so rows after it come again, which every
    disposition but a keyless append absorbs; that one stops at `upper`.
    """
    predicate, window = Predicate(), None
    since = source.first_load_date
    if first is not None and since is not None:
        lower = datetime.combine(since, time())
        predicate = bound(first.source, ">=", FIRST, lower)
        window = Window(first.name, _clock(first.source), lower, None)
    if mark is None:
        return Rows(predicate, window, None, None)
    incremental, upper = mark
    if keyless_append(source):
        predicate = predicate & not_after(incremental.source, upper)
        same = window is not None and window.column == incremental.name
        lower_bound = window.lower if window and same else None
        window = Window(incremental.name, _clock(incremental.source), lower_bound, upper)
    return Rows(predicate, window, upper, upper)


def _backfill(source: Source, request: Request, column: PlannedColumn, now: datetime) -> Rows:
    if request.backfill_from is None:
        raise ValueError("a backfill without its beginning was not refused")
    lower, upper = request.backfill_from, request.backfill_to or now
    if _by_date(source, column):
        lower, upper = whole_days(lower, upper)
    return _between(column, lower, upper, now, None)


def _increment(source: Source, column: PlannedColumn, upper: datetime) -> Rows:
    if source.watermark is None:
        raise ValueError("an increment without a watermark")
    mark = source.watermark.value
    warnings: tuple[str, ...] = ()
    if upper < mark:
        warnings = (
            f"Oracle's clock less the safety lag ({upper}) is behind the watermark ({mark}): "
            "it was set back, or daylight saving ended. An overlap of an hour or more covers "
            "the rows of the repeated hour.",
        )
    begin = min(mark, upper)
    lower = begin - source.overlap if begin - BEGINNING > source.overlap else BEGINNING
    until = upper
    if _by_date(source, column):
        lower, until = whole_days(lower, upper)
    watermark = max(mark, upper)
    if _open_above(source, LoadType.INCREMENTAL):
        predicate = bound(column.source, ">=", LOWER, lower)
        window = Window(column.name, _clock(column.source), lower, None)
        return Rows(predicate, window, upper, watermark, warnings)
    rows = _between(column, lower, until, upper, watermark)
    return Rows(rows.predicate, rows.window, rows.upper, rows.watermark, warnings)


def _open_above(source: Source, kind: LoadType) -> bool:
    """True when an increment takes what lies after its upper bound, too.

    A row of a window that is replaced may have been changed within the safety lag. It is
    deleted under its old stamp, so it has to come along, or it is missing until the next run.
    """
    return (
        kind is LoadType.INCREMENTAL and source.write_disposition is WriteDisposition.REPLACE_WINDOW
    )


def _piece(
    source: Source,
    piece: Piece,
    columns: tuple[PlannedColumn, PlannedColumn | None],
    now: datetime,
) -> Rows:
    """The rows of one run of a series; together its pieces take what one load would take."""
    (column, first), lower, upper = columns, piece.lower, piece.upper
    oracle = column.source
    if upper is None and keyless_append(source):
        upper = piece.end
    if upper == piece.end and _open_above(source, piece.load_type):
        upper = None
    if _by_date(source, column):
        lower, upper = lower and midnight(lower), upper and _midnight_after(upper)
    predicate = Predicate()
    if piece.load_type is LoadType.FIRST and first is not None and source.first_load_date:
        since = datetime.combine(source.first_load_date, time())
        predicate = bound(first.source, ">=", FIRST, since)
    if lower is not None:
        predicate = predicate & bound(oracle, ">=", LOWER, lower)
    if upper is not None and lower is not None:
        predicate = predicate & bound(oracle, "<", UPPER, upper)
    elif upper is not None:
        predicate = predicate & not_after(oracle, upper)
    window = Window(column.name, _clock(oracle), lower, upper)
    return Rows(predicate, window, now, _mark_after(source, piece))


def _mark_after(source: Source, piece: Piece) -> datetime | None:
    if piece.load_type is LoadType.BACKFILL:
        return None
    mark = piece.end if piece.upper is None else min(piece.upper, piece.end)
    increment = piece.load_type is LoadType.INCREMENTAL
    return max(mark, source.watermark.value) if increment and source.watermark else mark


def _between(
    column: PlannedColumn,
    lower: datetime,
    upper: datetime,
    now: datetime,
    watermark: datetime | None,
) -> Rows:
    oracle = column.source
    predicate = bound(oracle, ">=", LOWER, lower) & bound(oracle, "<", UPPER, upper)
    return Rows(predicate, Window(column.name, _clock(oracle), lower, upper), now, watermark)


def whole_days(lower: datetime, upper: datetime) -> tuple[datetime, datetime]:
    """The bounds moved out to midnight: the window grows, it never shrinks."""
    return midnight(lower), _midnight_after(upper)


def _midnight_after(value: datetime) -> datetime:
    begin = midnight(value)
    return begin if begin == value else begin + ONE_DAY


def _by_date(source: Source, column: PlannedColumn) -> bool:
    """True when rows of the target are replaced by a column that it keeps without time of day.

    Only bounds at midnight mean the same on both sides then.
    """
    return column.type == "DATE" and source.write_disposition is WriteDisposition.REPLACE_WINDOW


def _clock(column: OracleColumn) -> Clock:
    clock = clock_of(column)
    if clock is None:
        raise ValueError(f"{column.name} is not a date column")
    return clock


def _chunks(
    lower: datetime, upper: datetime, unit: PartitionType
) -> Iterator[tuple[datetime, datetime]]:
    while lower < upper:
        end = min(_next_start(lower, unit), upper)
        yield lower, end
        lower = end


def _next_start(value: datetime, unit: PartitionType) -> datetime:
    """The beginning of the next partition; the end of the calendar when there is none."""
    try:
        if unit is PartitionType.HOUR:
            return value.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        if unit is PartitionType.DAY:
            return midnight(value) + ONE_DAY
        if unit is PartitionType.MONTH:
            return (midnight(value).replace(day=1) + timedelta(days=32)).replace(day=1)
        return midnight(value).replace(year=value.year + 1, month=1, day=1)
    except (OverflowError, ValueError):
        return END
