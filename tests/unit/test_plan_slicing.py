"""Slices: every row in exactly one, about the same size, in the export's own snapshot."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_oracle_to_bq import plan as planning
from etl_oracle_to_bq.model import PartitionType, Plan, Request, Source
from etl_oracle_to_bq.plan.slicing import Counted
from tests.unit.plan_facts import MOMENT, REPLACE, at, make, marked, owned, source

ORIGIN = at("2000-01-01")
DATE = 'v."LAST_UPDATE_DATE"'
BUCKETS = st.dictionaries(
    st.none() | st.integers(-40_000, 40_000), st.integers(1, 10_000), min_size=1
)


def loaded(configured: Source, request: Request | None = None) -> Plan:
    """The plan of a source that was loaded before."""
    return make(configured, request, owned(configured))


def by_date(plan: Plan) -> planning.Cut:
    cut = planning.date_cut(plan)
    assert cut is not None
    return cut


def tails(made: tuple[planning.Slice, ...]) -> list[str]:
    return [each.query.sql.partition("\nWHERE ")[2] for each in made]


def test_dates_are_counted_by_day_at_the_moment_of_the_export() -> None:
    cut = by_date(make(source()))
    assert cut.what == "LAST_UPDATE_DATE by days"
    assert "AS OF SCN :scn" in cut.counting.sql
    assert cut.counting.binds["scn"].value == MOMENT.scn
    # A bind in GROUP BY is refused with ORA-00979, so the bucket is grouped by its name.
    assert cut.counting.sql.endswith('GROUP BY "BUCKET"')


def test_a_short_window_is_counted_by_hour() -> None:
    assert by_date(loaded(marked("2026-03-01"))).what == "LAST_UPDATE_DATE by hours"
    assert by_date(loaded(marked("2026-01-01"))).what == "LAST_UPDATE_DATE by days"


def test_slices_are_ranges_that_meet_and_the_first_takes_rows_without_a_date() -> None:
    plan = make(source())
    made = planning.slices(plan, by_date(plan), [(None, 5), (0, 10), (1, 5), (2, 20)], 2)
    assert tails(made) == [
        f"({DATE} < CAST(:to_bucket AS DATE) OR {DATE} IS NULL)",
        f"{DATE} >= CAST(:from_bucket AS DATE)",
    ]
    assert [each.rows for each in made] == [20, 20]
    edge = ORIGIN + timedelta(days=2)
    assert made[0].query.binds["to_bucket"].value == edge
    assert made[1].query.binds["from_bucket"].value == edge
    assert [each.number for each in made] == [1, 2]


def test_slices_stay_inside_the_window() -> None:
    plan = loaded(marked("2026-01-01"))
    made = planning.slices(plan, by_date(plan), [(0, 10), (1, 10), (2, 10)], 3)
    window = f"{DATE} >= CAST(:lower AS DATE) AND {DATE} < CAST(:upper AS DATE)"
    assert all(tail.startswith(window + " AND ") for tail in tails(made))
    assert all(each.query.binds["lower"].value == at("2026-01-01") for each in made)


@given(BUCKETS, st.integers(2, 8))
def test_every_bucket_is_in_exactly_one_slice(counted: dict[int | None, int], wanted: int) -> None:
    plan = make(source())
    made = planning.slices(plan, by_date(plan), list(counted.items()), wanted)
    assert 1 <= len(made) <= wanted
    assert sum(each.rows for each in made) == sum(counted.values())
    # Replay each slice's bounds on the buckets themselves.
    for each in made:
        binds = each.query.binds
        lower = binds["from_bucket"].value if "from_bucket" in binds else at("0001-01-01")
        upper = binds["to_bucket"].value if "to_bucket" in binds else at("9999-12-31")
        first = "from_bucket" not in binds
        rows = sum(
            n
            for bucket, n in counted.items()
            if (first if bucket is None else lower <= ORIGIN + timedelta(days=bucket) < upper)
        )
        assert rows == each.rows


@given(st.lists(st.integers(1, 100), min_size=200, max_size=300), st.integers(2, 8))
def test_many_buckets_make_even_slices(sizes: list[int], wanted: int) -> None:
    plan = make(source())
    counted: Counted = list(enumerate(sizes))
    made = planning.slices(plan, by_date(plan), counted, wanted)
    assert len(made) == wanted
    assert planning.even(made, wanted)


def test_one_bucket_with_most_rows_is_not_even() -> None:
    plan = make(source())
    made = planning.slices(plan, by_date(plan), [(0, 1), (1, 98), (2, 1)], 2)
    assert planning.largest(made) >= 98
    assert not planning.even(made, 2)


def test_no_slice_begins_before_the_calendar() -> None:
    """Dates before year 1 are in the first slice: no bind could hold such a bound."""
    plan = make(source())
    counted = [(-2_400_100, 40), (-2_400_000, 40), (9, 20)]
    made = planning.slices(plan, by_date(plan), counted, 2)
    assert [each.rows for each in made] == [80, 20]


def test_without_an_incremental_column_the_partition_column_serves() -> None:
    settings = {
        "incremental_column": "",
        "write_disposition": REPLACE,
        "key_columns": (),
        "partition_column": "INVOICE_DATE",
        "partition_type": PartitionType.MONTH,
    }
    assert by_date(make(source(**settings))).what == "INVOICE_DATE by days"
    assert (
        planning.date_cut(
            make(
                source(**settings | {"partition_column": "", "partition_type": PartitionType.NONE})
            )
        )
        is None
    )


def test_a_zoned_column_is_cut_in_utc() -> None:
    plan = make(source(incremental_column="CHANGED_AT"))
    cut = by_date(plan)
    assert "SYS_EXTRACT_UTC" in cut.counting.sql
    made = planning.slices(plan, cut, [(0, 1), (1, 1)], 2)
    assert "FROM_TZ(CAST(:to_bucket AS TIMESTAMP), 'UTC')" in made[0].query.sql


def test_a_whole_number_key_is_cut_by_ranges() -> None:
    plan = make(source())
    numbers = planning.number_range(plan)
    assert numbers is not None and numbers.column.name == "INVOICE_ID"
    cut = planning.number_cut(plan, numbers.column, -5, 994)
    made = planning.slices(plan, cut, [(None, 1), (-5, 10), (500, 10), (990, 10)], 2)
    assert tails(made) == [
        '(v."INVOICE_ID" < :to_bucket OR v."INVOICE_ID" IS NULL)',
        'v."INVOICE_ID" >= :from_bucket',
    ]
    assert made[1].query.binds["from_bucket"].value == 500
    assert planning.number_range(make(source(key_columns=("LAST_UPDATE_DATE",)))) is None
    keyless = planning.number_range(make(source(key_columns=(), write_disposition=REPLACE)))
    assert keyless is not None and keyless.column.name == "INVOICE_ID"


@given(st.integers(-(10**17), 10**17), st.integers(0, 10**17), st.integers(0, 10**17))
def test_a_number_is_in_the_bucket_of_its_range(low: int, span: int, offset: int) -> None:
    plan = make(source())
    numbers = planning.number_range(plan)
    assert numbers is not None
    cut = planning.number_cut(plan, numbers.column, low, low + span)
    width = cut.counting.binds["width"].value
    assert isinstance(width, int)
    value = low + min(offset, span)
    # Oracle's MOD takes the sign of the number.
    bucket = value - (abs(value) % width) * (1 if value >= 0 else -1)
    assert begin_of(cut, bucket) <= value < begin_of(cut, bucket + width)
    assert span // width < 200


def begin_of(cut: planning.Cut, bucket: int) -> int:
    edge = cut.between(bucket, None).binds["from_bucket"].value
    assert isinstance(edge, int)
    return edge


def test_keys_are_hashed_as_one() -> None:
    plan = make(source(key_columns=("INVOICE_ID", "INVOICE_DATE")))
    cut = planning.hash_cut(plan, 4)
    assert cut is not None
    assert 'ORA_HASH(v."INVOICE_ID" || CHR(0) || v."INVOICE_DATE", 3)' in cut.counting.sql
    made = planning.slices(plan, cut, [(0, 9), (1, 11), (2, 10), (3, 10)], 4)
    assert [each.rows for each in made] == [9, 11, 10, 10]
    keyless = planning.hash_cut(make(source(key_columns=(), write_disposition=REPLACE)), 4)
    assert keyless is not None and keyless.what == "hash of number columns"
    # AMOUNT has no declared size: the view may compute it, and differently in each slice.
    assert 'ORA_HASH(v."INVOICE_ID", 3)' in keyless.counting.sql


@pytest.mark.parametrize("wanted", [2, 3, 64])
def test_an_empty_rest_makes_no_slice(wanted: int) -> None:
    plan = make(source())
    assert len(planning.slices(plan, by_date(plan), [(7, 1)], wanted)) == 1
