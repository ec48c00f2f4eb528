"""The plan: which rows, which SQL, which commit, and what is refused before a row moves."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_oracle_to_bq import plan as planning
from etl_oracle_to_bq.errors import ConfigError, DestinationError, SchemaMismatch
from etl_oracle_to_bq.model import (
    Bind,
    Clock,
    CommitMethod,
    Field,
    LoadType,
    PartitionType,
    Request,
    SchemaPolicy,
    Source,
    Watermark,
    WriteDisposition,
)
from tests.unit.plan_facts import (
    APPEND,
    MERGE,
    MOMENT,
    REPLACE,
    SOURCE,
    VIEW,
    WINDOW,
    at,
    counts,
    make,
    marked,
    owned,
    source,
)

# Which rows


@pytest.mark.parametrize(
    ("configured", "request_", "kind"),
    [
        (source(), Request(), LoadType.FIRST),
        (marked("2026-03-01"), Request(), LoadType.INCREMENTAL),
        (marked("2026-03-01"), Request(full=True), LoadType.FULL),
        (marked("2026-03-01"), Request(backfill_from=at("2026-01-01")), LoadType.BACKFILL),
        (marked("2026-03-01", write_disposition=REPLACE), Request(), LoadType.FULL),
    ],
)
def test_the_load_type_follows_request_and_watermark(
    configured: Source, request_: Request, kind: LoadType
) -> None:
    assert make(configured, request_).load_type is kind


def test_an_increment_goes_from_the_watermark_less_the_overlap_to_oracles_clock() -> None:
    lag, overlap = timedelta(minutes=5), timedelta(hours=1)
    plan = make(marked("2026-03-01 08:00", overlap=overlap, safety_lag=lag))
    assert plan.window is not None
    assert plan.window.column == "last_update_date"
    assert plan.window.clock is Clock.DATE
    assert plan.window.lower == at("2026-03-01 07:00")
    assert plan.window.upper == plan.watermark == at("2026-03-02 09:55:05")
    assert plan.query.binds == {
        "lower": Bind(at("2026-03-01 07:00"), "DATE"),
        "upper": Bind(at("2026-03-02 09:55:05"), "DATE"),
        "scn": Bind(4711, "NUMBER"),
    }


@pytest.mark.parametrize(
    ("column", "clock", "upper", "sql", "kind"),
    [
        ("LAST_UPDATE_DATE", Clock.DATE, MOMENT.server, "< CAST(:upper AS DATE)", "DATE"),
        ("CREATED_AT", Clock.TIMESTAMP, MOMENT.server, "< CAST(:upper AS TIMESTAMP)", "TIMESTAMP"),
        (
            "CHANGED_AT",
            Clock.TIMESTAMP_TZ,
            MOMENT.utc,
            "< FROM_TZ(CAST(:upper AS TIMESTAMP), 'UTC')",
            "TIMESTAMP",
        ),
    ],
)
def test_bounds_are_binds_of_the_columns_own_type_and_clock(
    column: str, clock: Clock, upper: datetime, sql: str, kind: str
) -> None:
    plan = make(marked("2026-03-01", incremental_column=column))
    assert plan.window is not None
    assert (plan.window.clock, plan.window.upper) == (clock, upper)
    assert f'v."{column}" {sql}' in plan.query.sql
    assert plan.query.binds["upper"] == Bind(upper, kind)


def test_a_date_bound_has_whole_seconds() -> None:
    plan = make(marked("2026-03-01", safety_lag=timedelta(milliseconds=300)))
    assert plan.watermark == at("2026-03-02 10:00:04")


def test_the_snapshot_stands_before_the_alias_and_is_left_out_without_the_right() -> None:
    plan = make(marked("2026-03-01"))
    assert 'FROM "ERP"."V_INVOICES" AS OF SCN :scn v' in plan.query.sql
    assert 'FROM "ERP"."V_INVOICES" AS OF SCN :scn v' in plan.probe.sql
    plain = planning.make(SOURCE, VIEW, replace(MOMENT, scn=None), None, Request())
    assert 'FROM "ERP"."V_INVOICES" v' in plain.query.sql
    assert "scn" not in plain.query.binds


@pytest.mark.parametrize("request_", [Request(), Request(full=True)])
def test_first_and_full_loads_take_every_row_of_the_first_load_predicate(request_: Request) -> None:
    configured = source(first_load_column="INVOICE_DATE", first_load_date=date(2024, 1, 1))
    plan = make(configured, request_)
    assert plan.query.sql.endswith('WHERE v."INVOICE_DATE" >= CAST(:first AS DATE)')
    assert plan.query.binds["first"] == Bind(at("2024-01-01"), "DATE")
    assert plan.watermark == MOMENT.server
    assert "WHERE" not in make(source(), request_).query.sql


def test_a_keyless_first_load_leaves_to_the_next_run_what_the_next_run_takes() -> None:
    plan = make(source(write_disposition=APPEND, key_columns=()))
    assert plan.query.sql.endswith(
        'WHERE (v."LAST_UPDATE_DATE" < CAST(:upper AS DATE) OR v."LAST_UPDATE_DATE" IS NULL)'
    )
    assert plan.watermark == plan.query.binds["upper"].value


def test_a_backfill_takes_its_window_and_leaves_the_watermark() -> None:
    request = Request(backfill_from=at("2025-01-01"), backfill_to=at("2025-02-01"))
    plan = make(marked("2026-03-01"), request)
    assert plan.window is not None
    assert (plan.window.lower, plan.window.upper) == (at("2025-01-01"), at("2025-02-01"))
    assert plan.watermark is None
    assert planning.probe_verdict(plan, counts(off_midnight=0), SOURCE).watermark is None


def test_a_clock_that_was_set_back_moves_neither_watermark_nor_rows_out_of_reach() -> None:
    plan = make(marked("2026-03-02 10:30", overlap=timedelta(hours=1)))
    assert plan.window is not None
    assert plan.window.lower == at("2026-03-02 09:00:05")
    assert plan.watermark == at("2026-03-02 10:30")
    assert any("set back" in warning for warning in plan.warnings)


def test_a_full_load_sets_the_watermark_to_its_own_bound() -> None:
    plan = make(marked("2027-01-01"), Request(full=True))
    assert plan.watermark == MOMENT.server


@given(
    st.lists(st.integers(min_value=0, max_value=10**9), min_size=1, max_size=12),
    st.sampled_from(["LAST_UPDATE_DATE", "CREATED_AT", "CHANGED_AT"]),
)
def test_consecutive_windows_cover_every_instant_exactly_once(
    steps: list[int], column: str
) -> None:
    configured = source(incremental_column=column, write_disposition=APPEND, key_columns=())
    moment, bounds = MOMENT, []
    for step in steps:
        existing = owned(configured) if configured.watermark else None
        made = planning.make(configured, VIEW, moment, existing, Request())
        assert made.watermark is not None
        lower = made.query.binds.get("lower")
        bounds.append((lower.value if lower else None, made.query.binds["upper"].value))
        configured = replace(configured, watermark=Watermark(made.watermark, configured.scope))
        passed = timedelta(milliseconds=step)
        moment = replace(moment, server=moment.server + passed, utc=moment.utc + passed)
    assert bounds[0][0] is None
    assert all(before[1] == after[0] for before, after in pairwise(bounds))


# The commit


@pytest.mark.parametrize(
    ("disposition", "keyed", "kind", "narrowed", "method"),
    [
        (APPEND, False, LoadType.FIRST, False, CommitMethod.COPY_APPEND),
        (APPEND, False, LoadType.INCREMENTAL, False, CommitMethod.COPY_APPEND),
        (APPEND, False, LoadType.BACKFILL, False, CommitMethod.COPY_APPEND),
        (APPEND, False, LoadType.FULL, True, CommitMethod.COPY_REPLACE),
        (APPEND, True, LoadType.FIRST, False, CommitMethod.INSERT_NEW),
        (APPEND, True, LoadType.FULL, False, CommitMethod.INSERT_NEW),
        (MERGE, True, LoadType.FIRST, False, CommitMethod.MERGE),
        (MERGE, True, LoadType.INCREMENTAL, False, CommitMethod.MERGE),
        (MERGE, True, LoadType.BACKFILL, False, CommitMethod.MERGE),
        (MERGE, True, LoadType.FULL, False, CommitMethod.REPLACE_WINDOW),
        (MERGE, True, LoadType.FULL, True, CommitMethod.REPLACE_WINDOW),
        (WINDOW, True, LoadType.INCREMENTAL, False, CommitMethod.REPLACE_WINDOW),
        (WINDOW, False, LoadType.BACKFILL, False, CommitMethod.REPLACE_WINDOW),
        (WINDOW, False, LoadType.FIRST, False, CommitMethod.COPY_REPLACE),
        (WINDOW, False, LoadType.FULL, True, CommitMethod.REPLACE_WINDOW),
        (WINDOW, True, LoadType.FULL, False, CommitMethod.REPLACE_WINDOW),
        (REPLACE, False, LoadType.FULL, False, CommitMethod.COPY_REPLACE),
    ],
)
def test_each_disposition_has_its_one_commit_job(
    disposition: WriteDisposition, keyed: bool, kind: LoadType, narrowed: bool, method: CommitMethod
) -> None:
    keys = ("INVOICE_ID",) if keyed else ()
    configured = source(write_disposition=disposition, key_columns=keys)
    assert planning.commit_method(configured, kind, narrowed) is method


def test_a_full_load_by_statement_has_a_window_without_bounds() -> None:
    plan = make(marked("2026-03-01"), Request(full=True))
    assert plan.window is not None
    assert (plan.window.lower, plan.window.upper) == (None, None)
    assert planning.replaces_everything(plan)
    assert not planning.replaces_everything(make(marked("2026-03-01")))


def test_a_window_over_a_date_column_has_bounds_at_midnight() -> None:
    configured = marked(
        "2026-03-01 08:00", write_disposition=WINDOW, date_columns=("LAST_UPDATE_DATE",)
    )
    plan = make(configured)
    assert plan.window is not None
    assert plan.window.lower == at("2026-03-01")

    verdict = planning.probe_verdict(plan, counts(off_midnight=0), configured)
    assert verdict.watermark == at("2026-03-02")


def test_replacing_a_window_without_keys_is_warned_about() -> None:
    plan = make(marked("2026-03-01", write_disposition=WINDOW, key_columns=()))
    assert any("Without key columns" in warning for warning in plan.warnings)


# What is refused


@pytest.mark.parametrize(
    ("configured", "request_", "code"),
    [
        (source(key_columns=()), Request(), "invalid-source"),
        (
            source(write_disposition=APPEND, key_columns=(), overlap=timedelta(hours=1)),
            Request(),
            "invalid-source",
        ),
        (source(incremental_column=""), Request(), "invalid-source"),
        (source(incremental_column="AMOUNT"), Request(), "invalid-source"),
        (source(incremental_column="GONE"), Request(), "unknown-column"),
        (source(key_columns=("GONE",)), Request(), "unknown-column"),
        (source(overlap=timedelta(hours=-1)), Request(), "invalid-source"),
        (
            source(first_load_column="REMARK", first_load_date=date(2024, 1, 1)),
            Request(),
            "invalid-source",
        ),
        (
            source(write_disposition=REPLACE),
            Request(backfill_from=at("2026-01-01")),
            "invalid-request",
        ),
        (source(), Request(full=True, backfill_from=at("2026-01-01")), "invalid-request"),
        (source(), Request(backfill_to=at("2026-01-01")), "invalid-request"),
        (
            source(),
            Request(backfill_from=at("2026-01-01"), backfill_to=at("2026-01-01")),
            "invalid-request",
        ),
        (source(), Request(backfill_from=at("2026-01-01T00:00:00+07:00")), "invalid-request"),
        (source(partition_type=PartitionType.DAY), Request(), "invalid-source"),
        (source(partition_column="INVOICE_DATE"), Request(), "invalid-source"),
        (
            source(partition_type=PartitionType.DAY, partition_column="AMOUNT"),
            Request(),
            "invalid-source",
        ),
        (
            source(
                partition_type=PartitionType.HOUR,
                partition_column="INVOICE_DATE",
                date_columns=("INVOICE_DATE",),
            ),
            Request(),
            "invalid-source",
        ),
        (source(cluster_columns=("INVOICE_ID",) * 5), Request(), "invalid-source"),
        (source(cluster_columns=("GONE",)), Request(), "unknown-column"),
        (source(column_types={"INVOICE_ID": "FLOAT64"}), Request(), "invalid-source"),
    ],
)
def test_a_wrong_configuration_is_refused(configured: Source, request_: Request, code: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(configured, request_)
    assert caught.value.code == code
    assert caught.value.view == "ERP.V_INVOICES"


def test_everything_wrong_is_told_at_once() -> None:
    configured = source(key_columns=("GONE",), overlap=timedelta(-1), date_columns=("REMARK",))
    with pytest.raises(ConfigError, match=r"REMARK.*'GONE'.*negative"):
        make(configured)


@pytest.mark.parametrize("disposition", [APPEND, REPLACE])
def test_a_view_without_incremental_column_can_be_replaced_or_appended_once(
    disposition: WriteDisposition,
) -> None:
    configured = source(incremental_column="", key_columns=(), write_disposition=disposition)
    plan = make(configured)
    assert (plan.watermark, plan.window, plan.incremental) == (None, None, "")
    assert set(plan.query.binds) == {"scn"}


def test_a_watermark_of_another_configuration_is_refused_with_both_ways_out() -> None:
    other = replace(marked("2026-03-01"), target="elsewhere")
    with pytest.raises(ConfigError, match=r"--keep.*--reset") as caught:
        make(other)
    assert caught.value.code == "watermark-scope"
    assert make(other, Request(full=True)).load_type is LoadType.FULL


def test_a_table_of_somebody_else_is_refused_until_adopted() -> None:
    foreign = owned(SOURCE, labels={"team": "sales"})
    with pytest.raises(ConfigError) as caught:
        make(source(), existing=foreign)
    assert caught.value.code == "foreign-target"
    other = owned(SOURCE, labels={"managed_by": "oracle_to_bq", "etl_source": "8-other"})
    with pytest.raises(ConfigError, match="8-other"):
        make(source(), existing=other)
    adopted = make(source(adopt=True), existing=foreign).target.labels
    assert adopted == {
        "team": "sales",
        "managed_by": "oracle_to_bq",
        "etl_source": "7-erp_v_invoices",
    }


def test_a_second_first_load_without_keys_is_refused() -> None:
    configured = source(write_disposition=APPEND, key_columns=())
    with pytest.raises(ConfigError) as caught:
        make(configured, existing=owned(configured))
    assert caught.value.code == "target-not-empty"
    assert make(configured, existing=owned(configured, rows=0)).load_type is LoadType.FIRST
    full = make(configured, Request(full=True), owned(configured))
    assert full.commit is CommitMethod.COPY_REPLACE


# The target


def test_a_new_target_has_the_columns_layout_and_labels_of_the_plan() -> None:
    configured = source(
        partition_column="INVOICE_DATE",
        partition_type=PartitionType.MONTH,
        cluster_columns=("INVOICE_ID", "AMOUNT"),
        date_columns=("INVOICE_DATE",),
    )
    plan = make(configured)
    assert plan.creates_target
    assert plan.target.partition_column == "invoice_date"
    assert plan.target.cluster_columns == ("invoice_id", "amount")
    assert plan.target.fields[2] == Field("invoice_date", "DATE")
    assert plan.target.fields[-1] == Field("ImportedAt", "TIMESTAMP")


def test_its_own_target_shows_no_difference_the_next_day() -> None:
    plan = make(marked("2026-03-01"), existing=owned(SOURCE))
    assert not plan.creates_target
    assert plan.additions == ()


def test_all_differences_are_told_at_once_with_both_sides() -> None:
    existing = owned(
        SOURCE,
        partition_column="created_at",
        partition_type=PartitionType.DAY,
        cluster_columns=("invoice_id",),
    )
    fields = [Field("amount", "FLOAT64"), Field("invoice_id", "INT64"), Field("old", "STRING")]
    fields += [field for field in existing.fields[2:] if field.name != "remark"]
    fields[3] = replace(fields[3], mode="REQUIRED")
    with pytest.raises(SchemaMismatch) as caught:
        make(source(), existing=replace(existing, fields=tuple(fields)))
    assert set(caught.value.differences) == {
        "remark: STRING in the plan, missing in the target",
        "old: missing in the view, STRING in the target",
        "amount: NUMERIC in the plan, FLOAT64 in the target",
        "invoice_date: DATETIME in the plan, DATETIME REQUIRED in the target",
        "partitioning: none in the plan, day of created_at in the target",
        "clustering: none in the plan, invoice_id in the target",
    }


def test_a_required_column_is_kept_where_oracle_promises_a_value() -> None:
    existing = owned(SOURCE)
    required = replace(existing.fields[0], mode="REQUIRED")
    plan = make(source(), existing=replace(existing, fields=(required, *existing.fields[1:])))
    assert plan.target.fields[0].mode == "REQUIRED"


def test_new_columns_are_added_at_the_end_and_old_ones_left_where_the_policy_says_so() -> None:
    configured = source(schema_policy=SchemaPolicy.ADD_COLUMNS)
    existing = owned(SOURCE)
    fields = (Field("old", "STRING"), *existing.fields[:-2], existing.fields[-1])
    plan = make(configured, existing=replace(existing, fields=fields))
    assert plan.additions == (Field("remark", "STRING"),)
    assert plan.target.fields == (*fields, Field("remark", "STRING"))
    assert any("Column old" in warning for warning in plan.warnings)


def test_added_columns_excuse_nothing_else() -> None:
    configured = source(schema_policy=SchemaPolicy.ADD_COLUMNS)
    fields = (Field("invoice_id", "STRING"), Field("old", "STRING", "REQUIRED"))
    with pytest.raises(SchemaMismatch) as caught:
        make(configured, existing=owned(SOURCE, fields=fields))
    assert len(caught.value.differences) == 2


def test_an_adopted_target_keeps_its_spelling_types_and_naive_imported_at() -> None:
    existing = owned(SOURCE)
    fields = [replace(field, name=field.name.upper()) for field in existing.fields]
    fields[0] = Field("INVOICE_ID", "NUMERIC")
    fields[-1] = Field("IMPORTEDAT", "DATETIME")
    plan = make(source(adopt=True), existing=replace(existing, fields=tuple(fields)))
    assert plan.target.fields == tuple(fields)
    assert plan.columns[0].type == "NUMERIC"
    assert plan.keys == ("INVOICE_ID",)
    assert plan.incremental == "LAST_UPDATE_DATE"


# Partitions


@pytest.mark.parametrize(
    ("kind", "low", "high", "touched"),
    [
        (PartitionType.NONE, "2026-01-01", "2026-12-31", 1),
        (PartitionType.HOUR, "2026-01-01 10:59", "2026-01-01 11:00", 2),
        (PartitionType.DAY, "2026-01-01", "2026-12-31", 365),
        (PartitionType.MONTH, "2025-12-31", "2026-01-01", 2),
        (PartitionType.YEAR, "2020-06-01", "2026-06-01", 7),
        (PartitionType.DAY, "1959-12-30", "1960-01-01", 2),
        (PartitionType.DAY, "4712-12-31", "4712-12-31", 1),
        (PartitionType.MONTH, "0001-01-01", "9999-12-31", 2401),
    ],
)
def test_partitions_are_counted_as_bigquery_counts_them(
    kind: PartitionType, low: str, high: str, touched: int
) -> None:
    assert planning.partitions_touched(kind, at(low), at(high)) == touched


def test_more_partitions_than_one_job_takes_are_refused() -> None:
    configured = source(partition_column="INVOICE_DATE", partition_type=PartitionType.DAY)
    plan = make(configured)
    assert "TRUNC(v.\"INVOICE_DATE\", 'DD')" in plan.probe.sql
    planning.probe_verdict(plan, counts(partitions=4_000), configured)
    with pytest.raises(DestinationError) as caught:
        planning.probe_verdict(plan, counts(partitions=4_001), configured)
    assert caught.value.code == "partition-limit"
