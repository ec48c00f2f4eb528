"""Targets as they are made, compared, widened and refused, and what stands beside them."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from google.cloud import bigquery

from tests.acceptance.conftest import NewHouse
from tests.acceptance.house import House
from tests.acceptance.oracle import IMPORTED_AT, Oracle, loaded, same
from tests.sandbox.demo import STORE
from tests.sandbox.serve import Sandbox

_numbers = itertools.count(1)
BOOK = {
    "ID": "NUMBER(10)",
    "KIND": "VARCHAR2(10)",
    "DAY": "DATE",
    "AT": "TIMESTAMP(6)",
    "LAST_UPDATE_DATE": "DATE",
}
LATER = "SYSDATE - 1/24"


@pytest.fixture(scope="module")
def house(new_house: NewHouse) -> House:
    made = new_house()
    made.sql("DELETE FROM data_source")
    return made


def book(oracle: Oracle, columns: dict[str, str] | None = None, *rows: str) -> str:
    """A new table of ERP; without rows of its own it gets two entries of today."""
    name = f"BOOK_{next(_numbers)}"
    entries = rows or tuple(
        f"{number}, 'K{number}', TRUNC(SYSDATE), CAST(SYSDATE AS TIMESTAMP), {LATER}"
        for number in (1, 2)
    )
    oracle.table(name, columns or BOOK, *entries)
    return name


def entered(house: House, name: str, **values: Any) -> str:
    """Configure a merged view; returns the name of its target."""
    row = {
        "view": f"ERP.{name}",
        "key_columns": ["ID"],
        "incremental_column": "LAST_UPDATE_DATE",
        "overlap": "1 00:00:00",
        **values,
    }
    house.add(row, store=STORE)
    return name.lower()


@pytest.mark.parametrize(
    ("kind", "column", "declared"),
    [
        ("hour", "AT", "HOUR"),
        ("day", "DAY", "DAY"),
        ("month", "DAY", "MONTH"),
        ("year", "LAST_UPDATE_DATE", "YEAR"),
    ],
)
def test_a_target_is_made_as_configured(
    oracle: Oracle, house: House, kind: str, column: str, declared: str
) -> None:
    name = book(oracle)
    target = entered(
        house,
        name,
        partition_column=column,
        partition_type=kind,
        partition_expiration_days=400,
        require_partition_filter=True,
        cluster_columns=["KIND", "ID"],
        date_columns=["DAY"],
    )
    house.run_one(name)
    made = house.table(target)
    assert made.time_partitioning.type_ == declared
    assert made.time_partitioning.field == column.lower()
    assert made.time_partitioning.expiration_ms == 400 * 24 * 3600 * 1000
    assert made.require_partition_filter is True
    assert made.clustering_fields == ["kind", "id"]
    assert made.labels["managed_by"] == "oracle_to_bq"
    assert made.labels["etl_source"].endswith(f"-erp_{target}")
    types = {field.name: field.field_type for field in made.schema}
    assert types == {
        "id": "INTEGER",
        "kind": "STRING",
        "day": "DATE",
        "at": "DATETIME",
        "last_update_date": "DATETIME",
        IMPORTED_AT: "TIMESTAMP",
    }
    # The view satisfies the required filter, which the bare table demands of everybody.
    assert len(house.target(f"{target}_latest")) == 2
    house.run_one(name)
    assert len(house.target(f"{target}_latest")) == 2


def test_a_target_without_wishes_is_plain(oracle: Oracle, house: House) -> None:
    name = book(oracle)
    target = entered(house, name, write_disposition="replace", key_columns=[])
    house.run_one(name)
    made = house.table(target)
    assert (made.time_partitioning, made.clustering_fields) == (None, None)
    assert f"{target}_latest" not in house.tables()


def test_every_difference_is_told_at_once(oracle: Oracle, house: House) -> None:
    name = book(oracle)
    target = entered(
        house, name, partition_column="DAY", partition_type="month", cluster_columns=["KIND"]
    )
    house.run_one(name)
    oracle.sandbox.database.drop("ERP", name)
    changed = {"ID": "NUMBER(10)", "KIND": "NUMBER(12,2)", "DAY": "DATE", "COLOUR": "VARCHAR2(9)"}
    oracle.table(name, changed | {"LAST_UPDATE_DATE": "DATE"})
    house.change(name, partition_type="day", cluster_columns=["ID"])
    message = house.fails(name, 4, "schema-mismatch")
    for difference in (
        "colour: STRING in the plan, missing in the target",
        "at: missing in the",
        "kind: NUMERIC in the plan, STRING in the target",
        "partitioning: day of day in the plan, month of day in the target",
        "clustering: id in the plan, kind in the target",
    ):
        assert difference in message
    assert len(house.target(target)) == 2


def test_new_columns_are_added_where_the_policy_allows(oracle: Oracle, house: House) -> None:
    name = book(oracle)
    target = entered(house, name)
    house.run_one(name)
    oracle.sandbox.database.drop("ERP", name)
    columns = {name: kind for name, kind in BOOK.items() if name != "AT"} | {"COLOUR": "NCHAR(3)"}
    oracle.table(name, columns, f"3, 'K3', TRUNC(SYSDATE), {LATER}, 'red'")
    message = house.fails(name, 4, "schema-mismatch")
    assert "colour" in message
    house.change(name, schema_policy="add_columns")
    told = house.run_one(name)
    assert "Column at is not in the view; new rows have NULL." in told["warnings"]
    rows = {row["id"]: row for row in house.target(target)}
    assert {number: row["colour"] for number, row in rows.items()} == {1: None, 2: None, 3: "red"}
    assert rows[1]["at"] is not None and rows[3]["at"] is None


def test_a_wider_type_of_the_target_stands(oracle: Oracle, house: House) -> None:
    name = book(oracle)
    target = entered(house, name, column_types={"ID": "NUMERIC"}, cluster_columns=["ID"])
    house.run_one(name)
    house.change(name, column_types={})
    house.run_one(name)
    assert {row["id"] for row in house.target(target)} == {Decimal(1), Decimal(2)}


def test_a_layout_may_be_corrected_after_a_failed_first_load(oracle: Oracle, house: House) -> None:
    name = book(oracle, {"ID": "NUMBER(5)", "RATE": "NUMBER"}, "1, 0.12345678901")
    target = entered(
        house,
        name,
        write_disposition="replace",
        key_columns=[],
        incremental_column="",
        overlap="0",
        bare_numbers="exact",
    )
    house.fails(name, 5, "value-does-not-fit")
    assert target not in house.tables()
    house.change(name, column_types={"RATE": "BIGNUMERIC"})
    house.run_one(name)
    assert [row["rate"] for row in house.target(target)] == [Decimal("0.12345678901")]


def foreign(house: House, name: str, stamp: str = "DATETIME") -> str:
    """A table with the name of a target that somebody else has made."""
    fields = {"id": "INT64", "kind": "STRING", "day": "DATETIME", "at": "DATETIME"}
    fields |= {"last_update_date": "DATETIME", IMPORTED_AT: stamp}
    path = f"{house.client.project}.{house.dataset}.{name.lower()}"
    house.client.create_dataset(house.dataset, exists_ok=True)
    schema = [bigquery.SchemaField(column, kind) for column, kind in fields.items()]
    house.client.create_table(bigquery.Table(path, schema))
    return name.lower()


def test_a_table_of_somebody_else_is_written_only_when_adopted(
    oracle: Oracle, house: House
) -> None:
    name = book(oracle)
    target = entered(house, name)
    foreign(house, name)
    message = house.fails(name, 2, "foreign-target")
    assert "this program did not make it" in message
    assert house.table(target).labels == {}
    house.change(name, adopt=True)
    before = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=2)
    house.run_one(name)
    rows = house.target(target)
    same(loaded(rows), oracle.rows(name))
    # It had ImportedAt without a zone, and keeps it so, in UTC.
    assert all(before < row[IMPORTED_AT] < before + timedelta(hours=1) for row in rows)
    assert house.table(target).labels["managed_by"] == "oracle_to_bq"


# What the sandbox can make of all that is no table; tests/unit/test_load.py has the other kinds.
NO_TABLES = {
    "a view": "CREATE VIEW {path} AS SELECT 1 AS id",
    "a materialized view": "CREATE MATERIALIZED VIEW {path} AS "
    "SELECT id, COUNT(*) AS n FROM {dataset}.base GROUP BY id",
    "a table snapshot": "CREATE SNAPSHOT TABLE {path} CLONE {dataset}.base",
}


def put_in_the_place_of(house: House, dataset: str, table: str, statement: str) -> None:
    house.client.create_dataset(dataset, exists_ok=True)
    house.client.query(f"CREATE TABLE IF NOT EXISTS {dataset}.base (id INT64)").result()
    path = f"{dataset}.{table}"
    house.client.query(statement.format(path=path, dataset=dataset)).result()


@pytest.mark.parametrize("adopt", [False, True], ids=["foreign", "adopted"])
@pytest.mark.parametrize("what", NO_TABLES)
def test_what_is_no_table_is_refused_as_a_target_before_anything_is_read(
    oracle: Oracle, house: House, what: str, adopt: bool
) -> None:
    name = book(oracle)
    target = entered(house, name, adopt=adopt)
    put_in_the_place_of(house, house.dataset, target, NO_TABLES[what])
    message = house.fails(name, 2, "not-a-table")
    assert f"{house.dataset}.{target} is {what}" in message
    assert house.transactions()[-1]["step"] == "plan"
    planned = house.etl("plan", name, "--json")
    error = json.loads(planned.stdout)["plans"][0]["error"]
    assert (planned.returncode, error["code"], error["message"]) == (2, "not-a-table", message)
    assert "Choose another target" in error["action"] and "adopting" in error["action"]


def test_a_load_status_that_is_no_table_is_a_warning(oracle: Oracle, house: House) -> None:
    name = book(oracle)
    dataset = f"{house.dataset}_without_status"
    target = entered(house, name, dataset=dataset)
    put_in_the_place_of(house, dataset, "etl_load_status", NO_TABLES["a view"])
    (warning,) = house.run_one(name)["warnings"]
    assert "not-a-table" in warning and "etl_load_status is a view" in warning
    rows = house.client.query(f"SELECT * FROM {dataset}.{target}").result()
    same(loaded([dict(row.items()) for row in rows]), oracle.rows(name))


def test_the_load_status_tells_success_and_failure(
    erp: Sandbox, oracle: Oracle, house: House
) -> None:
    name = book(oracle)
    target = entered(house, name)
    house.run_one(name)
    good = house.status(name)
    assert (good["state"], good["rows"], good["target"], good["message"]) == (
        "succeeded",
        2,
        target,
        "",
    )
    assert good["watermark"].isoformat(timespec="microseconds") == house.watermark(name)
    assert good["last_success"] == good["last_run"]
    erp.faults.set("error_at_row", row=1, code=1722, text="invalid number", match="BOOK_")
    message = house.fails(name, 3, "ORA-01722")
    bad = house.status(name)
    assert (bad["state"], bad["rows"], bad["message"]) == ("failed", 2, message)
    assert bad["last_run"] > good["last_run"]
    assert (bad["last_success"], bad["watermark"]) == (good["last_success"], good["watermark"])


def test_keys_that_do_not_tell_rows_apart_are_named(oracle: Oracle, house: House) -> None:
    stamp = "TRUNC(SYSDATE), CAST(SYSDATE AS TIMESTAMP), TRUNC(SYSDATE) - 1"
    name = book(oracle, None, f"7, 'A', {stamp}", f"7, 'B', {stamp}")
    target = entered(house, name)
    message = house.fails(name, 5, "duplicate-keys")
    assert "id = 7" in message
    oracle.execute(f"UPDATE ERP.{name} SET ID = NULL WHERE KIND = 'B'")
    assert "id = None" in house.fails(name, 5, "null-keys")
    assert target not in house.tables()


def test_an_empty_result_does_not_replace_a_target(oracle: Oracle, house: House) -> None:
    name = book(oracle)
    target = entered(house, name, write_disposition="replace", key_columns=[])
    house.run_one(name)
    oracle.execute(f"DELETE FROM ERP.{name}")
    assert "before it had 2" in house.fails(name, 5, "empty-replace")
    house.change(name, allow_empty=True)
    assert house.run_one(name)["status"] == "no_rows"
    assert house.target(target) == []
