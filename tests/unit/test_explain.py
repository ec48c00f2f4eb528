"""What `plan` prints: nothing that the run would decide is left out."""

from __future__ import annotations

from dataclasses import replace

from etl_oracle_to_bq import explain
from etl_oracle_to_bq import plan as planning
from etl_oracle_to_bq.errors import SchemaMismatch, SourceError
from etl_oracle_to_bq.model import Field, PartitionType, Plan
from tests.unit.plan_facts import make, marked, owned, source


def shown(plan: Plan) -> str:
    return explain.as_text(planning.as_dict(replace(plan, expected_rows=1234)))


def test_a_first_load_shows_window_types_sql_and_binds() -> None:
    plan = make(source(partition_column="INVOICE_DATE", partition_type=PartitionType.MONTH))
    text = shown(plan)
    lines = text.splitlines()
    assert lines[0] == "ERP.V_INVOICES → finance.v_invoices (will be created)"
    assert "  load         first, dataframe mode, merge by merge" in lines
    assert "  rows         1,234 in the window now" in lines
    assert "  partitions   by month of invoice_date, clustered by nothing" in lines
    assert any("AMOUNT" in line and "NUMERIC" in line and "ROUND" in text for line in lines)
    sql = lines.index("  SQL") + 1
    assert lines[sql : sql + len(plan.query.sql.splitlines())] == [
        f"    {line}" for line in plan.query.sql.splitlines()
    ]
    for name, bind in plan.query.binds.items():
        assert any(line.startswith(f"    :{name} = ") and bind.type in line for line in lines)


def test_an_increment_shows_its_bounds_and_the_clock_they_are_in() -> None:
    configured = marked("2026-03-01T00:00:00")
    text = shown(make(configured, existing=owned(configured)))
    assert "last_update_date from 2026-03-01T00:00:00 to before 2026-03-02T10:00:05 (DATE)" in text
    assert "(will be created)" not in text
    assert "  watermark    2026-03-02T10:00:05 after commit" in text


def test_every_column_stands_with_both_types_and_its_note() -> None:
    plan = make(source())
    text = shown(plan)
    for column in plan.columns:
        (line,) = (x for x in text.splitlines() if x.startswith(f"    {column.source.name} "))
        assert column.name in line and column.type in line and column.note in line


def test_added_columns_and_warnings_are_shown() -> None:
    plan = replace(make(source()), additions=(Field("new", "STRING"),), warnings=("3 NULL rows",))
    assert "  adds         new" in shown(plan)
    assert "  warning: 3 NULL rows" in shown(plan)


def test_what_stops_a_plan_shows_every_difference() -> None:
    error = SchemaMismatch("differ", code="schema-mismatch", differences=["a: 1", "b: 2"])
    found = explain.error_dict(error)
    assert (found["step"], found["differences"]) == ("plan", ["a: 1", "b: 2"])
    text = explain.as_text({"view": "ERP.V_INVOICES", "error": found})
    assert text.splitlines() == [
        "ERP.V_INVOICES: schema-mismatch: differ",
        f"  {error.action}",
        "  - a: 1",
        "  - b: 2",
    ]


def test_an_error_of_another_kind_has_no_differences() -> None:
    found = explain.error_dict(SourceError("no", code="ORA-00942", step="extract"))
    assert (found["step"], found["differences"]) == ("extract", [])
