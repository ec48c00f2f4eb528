"""The verdict on what the probe counted, on volumes, and the record of a plan."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_oracle_to_bq import plan as planning
from etl_oracle_to_bq.errors import StageError
from etl_oracle_to_bq.model import (
    BadDates,
    Bind,
    LoadMode,
    PartitionType,
    Request,
)
from tests.unit.plan_facts import (
    APPEND,
    MERGE,
    MOMENT,
    REPLACE,
    SOURCE,
    at,
    counts,
    make,
    marked,
    source,
)

# The verdict on the counts


def test_ordinary_counts_leave_the_plan_as_it_is() -> None:
    plan = make(marked("2026-03-01"))
    verdict = planning.probe_verdict(plan, counts(), SOURCE)
    assert (verdict.query, verdict.window) == (plan.query, plan.window)
    assert (verdict.watermark, verdict.expected_rows) == (plan.watermark, 100)
    assert verdict.warnings == ()


def test_bad_dates_stop_the_run_and_say_how_to_find_them() -> None:
    plan = make(marked("2026-03-01"))
    with pytest.raises(StageError, match=r"3 values of INVOICE_DATE.*SELECT \* FROM") as caught:
        planning.probe_verdict(plan, counts(bad_dates_3=3, bad_dates_4=1), SOURCE)
    assert caught.value.code == "bad-dates"
    assert "CREATED_AT" in str(caught.value)


def test_bad_dates_become_null_and_are_counted_where_the_source_says_so() -> None:
    configured = source(bad_dates=BadDates.NULL)
    plan = make(configured)
    warnings = planning.probe_verdict(plan, counts(bad_dates_3=3), configured).warnings
    assert warnings == ("3 values of INVOICE_DATE are before year 1; NULL was loaded instead.",)


def test_numbers_that_the_planned_decimal_cannot_hold_stop_the_run() -> None:
    plan = make(source())
    assert 'ABS(ROUND(v."AMOUNT", 9)) >= 1' + "0" * 29 in plan.probe.sql
    with pytest.raises(StageError, match="2 values of AMOUNT") as caught:
        planning.probe_verdict(plan, counts(too_big_2=2), SOURCE)
    assert caught.value.code == "value-does-not-fit"


def test_rows_that_no_increment_would_see_are_warned_about() -> None:
    plan = make(marked("2026-03-01"))
    found = counts(null_incremental=4, future_incremental=2)
    missing, future = planning.probe_verdict(plan, found, SOURCE).warnings
    assert missing.startswith("4 rows have no last_update_date")
    assert future.startswith("2 rows have a last_update_date at or after")


def test_dropped_times_of_day_are_counted() -> None:
    configured = source(date_columns=("INVOICE_DATE",))
    plan = make(configured)
    verdict = planning.probe_verdict(plan, counts(time_of_day_3=5), configured)
    assert verdict.warnings == ("5 values of INVOICE_DATE have a time of day, which DATE drops.",)


def test_the_incremental_column_may_not_lose_its_time_of_day() -> None:
    configured = marked("2026-03-01", date_columns=("LAST_UPDATE_DATE",))
    plan = make(configured)
    with pytest.raises(StageError, match="LAST_UPDATE_DATE is among the date columns"):
        planning.probe_verdict(plan, counts(), configured)


@pytest.mark.parametrize("rows", [0, 100])
def test_a_column_without_times_is_read_again_from_midnight(rows: int) -> None:
    configured = marked("2026-03-01")
    plan = make(configured)
    found = counts(window_rows=rows, off_midnight=0)
    verdict = planning.probe_verdict(plan, found, configured)
    assert verdict.watermark == at("2026-03-02")
    assert verdict.query == plan.query
    assert verdict.expected_rows == rows


def test_the_watermark_does_not_go_back_to_a_midnight_it_has_passed() -> None:
    configured = marked("2026-03-02 09:00")
    plan = make(configured)
    verdict = planning.probe_verdict(plan, counts(off_midnight=0), configured)
    assert verdict.watermark == at("2026-03-02 09:00")


def test_a_keyless_append_of_a_column_without_times_stops_at_midnight() -> None:
    configured = marked("2026-03-01", write_disposition=APPEND, key_columns=())
    plan = make(configured)
    verdict = planning.probe_verdict(plan, counts(off_midnight=0), configured)
    assert verdict.window is not None
    assert verdict.window.upper == verdict.watermark == at("2026-03-02")
    assert verdict.query.binds["upper"] == Bind(at("2026-03-02"), "DATE")
    assert verdict.query.binds["lower"] == Bind(at("2026-03-01"), "DATE")
    assert verdict.expected_rows == 90


# Volume


@pytest.mark.parametrize(
    ("settings", "previous", "new", "code"),
    [
        ({}, 10, 0, "empty-replace"),
        ({"allow_empty": True}, 10, 0, None),
        ({}, None, 0, None),
        ({}, 0, 0, None),
        ({}, 10, 1, None),
        ({"shrink_limit_percent": 20}, 100, 79, "shrunk-result"),
        ({"shrink_limit_percent": 20}, 100, 80, None),
    ],
)
def test_a_result_that_shrank_holds_a_replace_and_warns_on_the_others(
    settings: dict[str, object], previous: int | None, new: int, code: str | None
) -> None:
    configured = source(**settings)
    warned = planning.volume_verdict(configured, previous, new, MERGE)
    assert bool(warned) == bool(code)
    if code is None:
        assert planning.volume_verdict(configured, previous, new, REPLACE) == ()
        return
    with pytest.raises(StageError) as caught:
        planning.volume_verdict(configured, previous, new, REPLACE)
    assert caught.value.code == code


# Backfill in chunks

moments = st.datetimes(min_value=at("1990-01-01"), max_value=at("2040-01-01"))


@given(moments, moments, st.sampled_from(PartitionType))
def test_chunks_cover_the_window_once_and_split_where_partitions_begin(
    one: datetime, other: datetime, kind: PartitionType
) -> None:
    lower, upper = sorted((one, other))
    if lower == upper:
        with pytest.raises(ValueError, match="must end after"):
            planning.backfill_chunks(lower, upper, kind)
        return
    chunks = planning.backfill_chunks(lower, upper, kind)
    assert (chunks[0][0], chunks[-1][1]) == (lower, upper)
    assert len(chunks) <= 100
    for (start, end), (following, _) in zip(chunks, [*chunks[1:], (upper, upper)], strict=True):
        assert start < end == following
        assert end == upper or end.replace(minute=0, second=0, microsecond=0) == end


def test_a_window_of_few_days_is_chunked_by_its_daily_partitions() -> None:
    chunks = planning.backfill_chunks(at("2026-01-30 12:00"), at("2026-02-02"), PartitionType.DAY)
    assert chunks == [
        (at("2026-01-30 12:00"), at("2026-01-31")),
        (at("2026-01-31"), at("2026-02-01")),
        (at("2026-02-01"), at("2026-02-02")),
    ]


# The record


def test_the_plan_is_json_and_tells_every_decision() -> None:
    plan = make(marked("2026-03-01"), Request(load_mode=LoadMode.CSV))
    told = json.loads(json.dumps(planning.as_dict(plan)))
    assert told["load_mode"] == "csv"
    assert told["commit"] == "merge"
    assert told["scn"] == 4711
    assert told["window"]["lower"] == "2026-03-01T00:00:00"
    assert told["watermark"] == "2026-03-02T10:00:05"
    assert told["imported_at"] == "2026-03-02T03:00:05.250000+00:00"
    assert told["binds"]["upper"] == {"value": "2026-03-02T10:00:05", "type": "DATE"}
    assert told["columns"][1] == {
        "source": "AMOUNT",
        "oracle_type": "NUMBER",
        "expression": 'ROUND(v."AMOUNT", 9)',
        "name": "amount",
        "type": "NUMERIC",
        "note": "rounded by Oracle to 9 decimals",
    }
    assert "secret" not in json.dumps(told)


def test_imported_at_is_oracles_clock_in_utc() -> None:
    assert make(source()).imported_at == MOMENT.utc.replace(tzinfo=UTC)
