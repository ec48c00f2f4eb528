"""A load that goes in several runs: chunks of a backfill, halves after Oracle's undo is gone; pure.

Each piece is a window with a transaction and a commit of its own, taken in ascending order, so
that the watermark only ever passes rows that are in the target. No piece begins before the
one in front of it has ended, and the last ends where the one load would have ended: a row that
Oracle commits late is covered by the overlap of the next increment all the same.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from etl_oracle_to_bq.model import (
    LoadType,
    PartitionType,
    Piece,
    Plan,
    Query,
    Request,
    WriteDisposition,
)
from etl_oracle_to_bq.plan.windows import ONE_DAY, backfill_chunks, midnight
from etl_oracle_to_bq.schema import before_year_one, in_utc

MOST_HALVINGS = 12
SHORTEST = timedelta(seconds=2)


def chunks(request: Request, partition_type: PartitionType, done: datetime | None) -> list[Piece]:
    """The pieces of a backfill from `done` on, or from its beginning."""
    begin, end = request.backfill_from, request.backfill_to
    if begin is None or end is None:
        raise ValueError("a backfill without its bounds has no chunks")
    windows = backfill_chunks(begin, end, partition_type)
    left = [(max(lower, done or lower), upper) for lower, upper in windows]
    return [
        Piece(LoadType.BACKFILL, lower, upper, begin, end) for lower, upper in left if lower < upper
    ]


def rest_of_first(lower: datetime, end: datetime) -> Piece:
    """What is left of a first load that got as far as `lower` and should have got to `end`."""
    return Piece(LoadType.FIRST, lower, None, None, end)


def whole(plan: Plan) -> Piece | None:
    """What a run takes, as one piece that can be halved; None when it cannot.

    A *replace* or full load shows one moment of the whole view or nothing. A first load that
    replaces by one column and is cut by another would delete rows that it should keep.
    """
    timed = plan.date_only is False
    if plan.piece is not None:
        return replace(plan.piece, timed=plan.piece.timed or timed)
    window, end = plan.window, plan.upper
    if plan.disposition is WriteDisposition.REPLACE or not plan.incremental or end is None:
        return None
    if plan.load_type is LoadType.INCREMENTAL and window is not None:
        return Piece(LoadType.INCREMENTAL, window.lower, end, window.lower, end, timed=timed)
    if plan.load_type is LoadType.BACKFILL and window is not None and window.upper is not None:
        return Piece(LoadType.BACKFILL, window.lower, window.upper, window.lower, window.upper)
    if plan.load_type is not LoadType.FIRST:
        return None
    other = window is not None and window.column != plan.incremental
    if other and plan.disposition is WriteDisposition.REPLACE_WINDOW:
        return None
    lower = window.lower if window is not None and not other else None
    return Piece(LoadType.FIRST, lower, None, lower, end, timed=timed)


def halved(piece: Piece, earliest: datetime | None) -> tuple[Piece, Piece] | None:
    """The piece as two, parted at a midnight where there is one; None when it is too short.

    `earliest` is the smallest incremental value of the view, for a piece without a beginning.
    Inside of a day only values with a time of day are told apart: of a day's rows without one,
    some may be still to come, under a stamp that a watermark at noon would have passed.
    """
    lower, upper = piece.lower or earliest, piece.upper or piece.end
    if lower is None or upper - lower < SHORTEST or piece.halvings >= MOST_HALVINGS:
        return None
    middle = (lower + (upper - lower) / 2).replace(microsecond=0)
    days = [midnight(middle), midnight(middle) + ONE_DAY]
    inside = [day for day in days if lower < day < upper]
    if not (inside or piece.timed or piece.load_type is LoadType.BACKFILL):
        return None
    edge = inside[0] if inside else middle
    deeper = replace(piece, halvings=piece.halvings + 1)
    return replace(deeper, upper=edge), replace(deeper, lower=edge)


def earliest(plan: Plan) -> Query:
    """One row with the smallest incremental value of the plan's rows, now; None without any.

    Not as of the plan's SCN: the undo that is gone would be missed again. Values before year
    1 are left out, because the driver cannot read them.
    """
    column = next(each.source for each in plan.columns if each.name == plan.incremental)
    names = [name for name in plan.query.binds if name != "scn"]
    view = plan.origin
    value = f"CASE WHEN NOT {before_year_one(column)} THEN {in_utc(column)} END"
    where = f"\nWHERE {plan.rows}" if plan.rows else ""
    return Query(
        f'SELECT MIN({value}) AS "EARLIEST"\nFROM "{view.owner}"."{view.name}" v{where}',
        {name: plan.query.binds[name] for name in names},
    )
