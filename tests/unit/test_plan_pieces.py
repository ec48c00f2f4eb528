"""A load in several runs: pieces that meet exactly, halves that get smaller, a watermark that waits."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_oracle_to_bq import plan as planning
from etl_oracle_to_bq.load import sql as bigquery_sql
from etl_oracle_to_bq.model import LoadType, PartitionType, Piece, Plan, Request, Source
from tests.unit.plan_facts import (
    APPEND,
    MERGE,
    REPLACE,
    WINDOW,
    at,
    counts,
    make,
    marked,
    owned,
    source,
)

NOON = at("2026-03-02 12:00")
MOMENTS = st.datetimes(at("1900-01-01"), at("2100-01-01"))


def loaded(configured: Source, request: Request | None = None) -> Plan:
    """The plan of a source that was loaded before."""
    return make(configured, request, owned(configured))


def piece(kind: LoadType, lower: str | None, upper: str | None, end: str) -> Piece:
    begin = at(lower) if lower else None
    return Piece(kind, begin, at(upper) if upper else None, begin, at(end))


# Which loads can be cut, and into what -------------------------------------------------------


def test_an_increment_is_one_piece_from_its_overlap_to_oracles_clock() -> None:
    plan = loaded(marked("2026-03-01", overlap=timedelta(days=1)))
    assert planning.whole(plan) == piece(
        LoadType.INCREMENTAL, "2026-02-28", "2026-03-02 10:00:05", "2026-03-02 10:00:05"
    )


def test_a_first_load_is_open_on_both_sides() -> None:
    whole = planning.whole(make(source()))
    assert whole == piece(LoadType.FIRST, None, None, "2026-03-02 10:00:05")


def test_a_first_load_date_on_the_incremental_column_is_where_it_begins() -> None:
    whole = planning.whole(make(source(first_load_date=at("2025-01-01").date())))
    assert whole is not None
    assert (whole.lower, whole.begin) == (at("2025-01-01"), at("2025-01-01"))


def test_a_first_load_by_another_column_is_cut_unless_it_replaces_by_that_column() -> None:
    by_other = {
        "first_load_column": "INVOICE_DATE",
        "first_load_date": at("2025-01-01").date(),
        "write_disposition": MERGE,
    }
    whole = planning.whole(make(source(**by_other)))
    assert whole is not None and whole.lower is None
    assert planning.whole(make(source(**by_other | {"write_disposition": WINDOW}))) is None


@pytest.mark.parametrize(
    ("settings", "request_"),
    [
        ({"write_disposition": REPLACE}, Request()),
        ({}, Request(full=True)),
        ({"write_disposition": WINDOW}, Request(full=True)),
    ],
)
def test_what_shows_one_moment_of_everything_cannot_be_cut(
    settings: dict[str, object], request_: Request
) -> None:
    assert planning.whole(make(source(**settings), request_)) is None


def test_a_backfill_is_its_window() -> None:
    request = Request(backfill_from=at("2026-01-01"), backfill_to=at("2026-02-01"))
    whole = planning.whole(loaded(marked("2026-03-01"), request))
    assert whole == piece(LoadType.BACKFILL, "2026-01-01", "2026-02-01", "2026-02-01")


def test_a_piece_is_itself() -> None:
    asked = piece(LoadType.INCREMENTAL, "2026-03-01", "2026-03-01 12:00", "2026-03-02")
    assert planning.whole(loaded(marked("2026-03-01"), Request(piece=asked))) == asked


# Halves --------------------------------------------------------------------------------------


@given(MOMENTS, MOMENTS, st.booleans())
def test_halves_meet_inside_at_a_midnight_where_there_is_one(
    one: datetime, other: datetime, timed: bool
) -> None:
    lower, upper = sorted((one, other))
    whole = Piece(LoadType.INCREMENTAL, lower, upper, lower, upper, timed=timed)
    halves = planning.halved(whole, None)
    first_midnight = lower.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    if upper - lower < timedelta(seconds=2) or not (timed or first_midnight < upper):
        assert halves is None
        return
    assert halves is not None
    first, second = halves
    assert (first.lower, second.upper, first.upper) == (lower, upper, second.lower)
    middle = first.upper
    assert middle is not None and lower < middle < upper
    assert middle.microsecond == 0
    assert not first_midnight < upper or middle.time() == time()


@pytest.mark.parametrize(
    ("lower", "upper", "edge"),
    [
        ("2026-03-01 06:00", "2026-03-01 18:00", None),
        ("2026-03-01 00:00", "2026-03-02 09:00", "2026-03-02"),
        ("2026-03-01 23:00", "2026-03-02 01:00", "2026-03-02"),
    ],
)
def test_days_are_never_parted_unless_values_have_a_time(
    lower: str, upper: str, edge: str | None
) -> None:
    """Of a day whose rows carry no time, some may be still to come."""
    whole = piece(LoadType.INCREMENTAL, lower, upper, upper)
    halves = planning.halved(whole, None)
    assert (halves[0].upper if halves else None) == (at(edge) if edge else None)
    assert planning.halved(replace(whole, timed=True), None) is not None
    assert planning.halved(replace(whole, load_type=LoadType.BACKFILL), None) is not None


@pytest.mark.parametrize(("off_midnight", "timed"), [(0, False), (1, True)])
def test_whether_values_have_a_time_is_known_from_the_whole_window(
    off_midnight: int, timed: bool
) -> None:
    configured = marked("2026-03-01")
    plan = loaded(configured)
    assert planning.whole(plan) is not None and not planning.whole(plan).timed  # type: ignore[union-attr]
    verdict = planning.probe_verdict(plan, counts(off_midnight=off_midnight), configured)
    whole = planning.whole(replace(plan, date_only=verdict.date_only))
    assert whole is not None and whole.timed == timed
    again = loaded(configured, Request(piece=whole))
    alone = planning.probe_verdict(again, counts(off_midnight=0), configured)
    # In a piece that happens to hold midnights only, the whole window's rule holds.
    assert alone.date_only == (not timed)
    moved = alone.watermark != again.watermark
    assert moved == (not timed)


def test_a_first_load_is_halved_from_the_earliest_stamp() -> None:
    whole = piece(LoadType.FIRST, None, None, "2026-03-02 10:00")
    assert planning.halved(whole, None) is None
    halves = planning.halved(whole, at("2026-02-20 10:00"))
    assert halves is not None
    assert [(half.lower, half.upper) for half in halves] == [
        (None, at("2026-02-25")),
        (at("2026-02-25"), None),
    ]


def test_halving_ends() -> None:
    whole = piece(LoadType.INCREMENTAL, "1900-01-01", "2026-03-02", "2026-03-02")
    current: Piece | None = replace(whole, timed=True)
    halvings = 0
    while current is not None:
        halves = planning.halved(current, None)
        current = halves[0] if halves else None
        halvings += halves is not None
    # 4,096 windows at most, before the shortest of them would have a length of seconds.
    assert halvings == 12


# What a piece takes --------------------------------------------------------------------------


def where(settings: dict[str, object], asked: Piece) -> str:
    mark = asked.lower or NOON
    configured = marked(mark.isoformat(), **settings)
    planned = loaded(configured, Request(piece=asked))
    return planned.query.sql.rpartition("\nWHERE ")[2]


COLUMN = 'v."LAST_UPDATE_DATE"'
LOWER, UPPER = f"{COLUMN} >= CAST(:lower AS DATE)", f"{COLUMN} < CAST(:upper AS DATE)"


def test_the_first_piece_of_a_first_load_takes_rows_without_a_stamp() -> None:
    asked = piece(LoadType.FIRST, None, "2026-01-01", "2026-03-02")
    assert where({}, asked) == f"({UPPER} OR {COLUMN} IS NULL)"


def test_the_last_one_takes_the_future_but_for_an_append_without_keys() -> None:
    asked = piece(LoadType.FIRST, "2026-01-01", None, "2026-03-02")
    assert where({}, asked) == LOWER
    keyless = {"write_disposition": APPEND, "key_columns": ()}
    assert where(keyless, asked) == f"{LOWER} AND {UPPER}"


def test_a_piece_of_a_first_load_keeps_to_the_first_load_date() -> None:
    asked = piece(LoadType.FIRST, "2026-01-01", "2026-02-01", "2026-03-02")
    since = {"first_load_column": "INVOICE_DATE", "first_load_date": at("2025-01-01").date()}
    assert (
        where(since, asked) == f'v."INVOICE_DATE" >= CAST(:first AS DATE) AND {LOWER} AND {UPPER}'
    )


def test_a_piece_has_no_overlap_and_its_watermark_is_its_end() -> None:
    asked = piece(LoadType.INCREMENTAL, "2026-03-01", "2026-03-01 12:00", "2026-03-02")
    plan = loaded(marked("2026-03-01", overlap=timedelta(days=3)), Request(piece=asked))
    assert plan.window is not None
    assert (plan.window.lower, plan.window.upper) == (asked.lower, asked.upper)
    assert (plan.load_type, plan.watermark) == (LoadType.INCREMENTAL, asked.upper)


def test_a_piece_inside_the_overlap_does_not_move_the_watermark_back() -> None:
    asked = piece(LoadType.INCREMENTAL, "2026-02-20", "2026-02-25", "2026-03-02")
    assert loaded(marked("2026-03-01"), Request(piece=asked)).watermark == at("2026-03-01")


def test_the_watermark_after_the_last_piece_is_where_the_one_load_would_have_ended() -> None:
    """Not Oracle's clock by then: rows committed late would fall before the next overlap."""
    asked = piece(LoadType.FIRST, "2026-02-01", None, "2026-03-01 08:00")
    assert loaded(marked("2026-02-01"), Request(piece=asked)).watermark == at("2026-03-01 08:00")


def test_a_backfilled_piece_leaves_the_watermark() -> None:
    asked = piece(LoadType.BACKFILL, "2026-01-01", "2026-02-01", "2026-03-01")
    request = Request(backfill_from=asked.lower, backfill_to=asked.end, piece=asked)
    plan = loaded(marked("2026-03-01"), request)
    assert (plan.load_type, plan.watermark) == (LoadType.BACKFILL, None)


def test_replacing_the_first_piece_replaces_rows_without_a_stamp() -> None:
    settings = {"write_disposition": WINDOW, "key_columns": ()}
    asked = piece(LoadType.FIRST, None, "2026-01-01", "2026-03-02")
    plan = make(source(**settings), Request(piece=asked))
    assert "IS NULL" in bigquery_sql.window_filter(plan)
    later = replace(asked, lower=at("2026-01-01"), upper=at("2026-02-01"))
    plan = loaded(marked("2026-01-01", **settings), Request(piece=later))
    assert "IS NULL" not in bigquery_sql.window_filter(plan)


def test_a_date_only_piece_replaces_whole_days() -> None:
    settings = {"write_disposition": WINDOW, "date_columns": ("LAST_UPDATE_DATE",)}
    asked = piece(LoadType.INCREMENTAL, "2026-02-28 12:00", "2026-03-01 12:00", "2026-03-02")
    plan = loaded(marked("2026-02-28", **settings), Request(piece=asked))
    assert plan.window is not None
    assert (plan.window.lower, plan.window.upper) == (at("2026-02-28"), at("2026-03-02"))
    assert plan.watermark == asked.upper


# Chunks --------------------------------------------------------------------------------------


@given(MOMENTS, MOMENTS, st.sampled_from(PartitionType), st.floats(0, 1))
def test_chunks_cover_the_window_once_from_where_it_stopped(
    one: datetime, other: datetime, unit: PartitionType, share: float
) -> None:
    begin, end = sorted((one, other))
    if begin == end:
        return
    done = begin + (end - begin) * share
    pieces = planning.chunks(Request(backfill_from=begin, backfill_to=end), unit, done)
    assert all(each.lower and each.upper and each.lower < each.upper for each in pieces)
    assert all(before.upper == after.lower for before, after in pairwise(pieces))
    assert all((each.begin, each.end) == (begin, end) for each in pieces)
    if done < end:
        assert (pieces[0].lower, pieces[-1].upper) == (done, end)
    else:
        assert pieces == []


def test_a_piece_is_in_the_record() -> None:
    asked = piece(LoadType.FIRST, "2026-01-01", None, "2026-03-02")
    record = planning.as_dict(loaded(marked("2026-01-01"), Request(piece=asked)))
    assert record["piece"] == {
        "load_type": "first",
        "lower": "2026-01-01T00:00:00",
        "upper": None,
        "begin": "2026-01-01T00:00:00",
        "end": "2026-03-02T00:00:00",
    }
    assert planning.as_dict(make(source()))["piece"] is None


def test_the_earliest_stamp_is_asked_for_now_and_without_dates_before_year_one() -> None:
    query = planning.earliest(make(source(first_load_date=at("2025-01-01").date())))
    assert "AS OF" not in query.sql
    assert "scn" not in query.binds
    assert "0001-01-01" in query.sql
    assert query.sql.endswith(f"WHERE {COLUMN} >= CAST(:first AS DATE)")
