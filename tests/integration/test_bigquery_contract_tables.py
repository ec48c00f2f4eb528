"""What the product relies on in BigQuery, each fact one test: tables and partition filters."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.api_core.exceptions import (
    BadRequest,
    Conflict,
    NotFound,
    PreconditionFailed,
)
from google.cloud import bigquery
from google.cloud.bigquery import SchemaField

from tests.integration import bigquery_service as service
from tests.integration.bigquery_service import (
    DAILY,
    ID_AND_TEXT,
    Service,
    partitioned,
)
from tests.waiting import until

# The fixtures of these tests.
bq, client, dataset = service.bq, service.client, service.dataset
name, other = service.name, service.other


class TestTables:
    def test_properties_are_kept_and_can_be_changed(self, bq: Service, name: str) -> None:
        layout = bigquery.TimePartitioning(type_="DAY", field="day", expiration_ms=86_400_000)
        table = bq.create(
            name,
            DAILY,
            time_partitioning=layout,
            clustering_fields=["id"],
            labels={"a": "1", "b": "2"},
            description="one",
            require_partition_filter=True,
        )
        table.labels = {"a": "3", "b": None}
        table.description = "two"
        table.require_partition_filter = False
        bq.client.update_table(table, ["labels", "description", "require_partition_filter"])
        found = bq.client.get_table(name)
        assert (found.labels, found.description) == ({"a": "3"}, "two")
        assert (found.clustering_fields, found.time_partitioning) == (["id"], layout)
        assert not found.require_partition_filter
        assert found.location

    def test_a_stale_etag_is_refused(self, bq: Service, name: str) -> None:
        stale = bq.create(name, ID_AND_TEXT)
        fresh = bq.client.get_table(name)
        fresh.description = "first"
        bq.client.update_table(fresh, ["description"])
        stale.description = "second"
        with pytest.raises(PreconditionFailed):
            bq.client.update_table(stale, ["description"])

    def test_create_twice_is_a_conflict_and_without_dataset_not_found(
        self, bq: Service, name: str, client: bigquery.Client
    ) -> None:
        bq.create(name, ID_AND_TEXT)
        with pytest.raises(Conflict):
            bq.create(name, ID_AND_TEXT)
        with pytest.raises(NotFound):
            bq.create(f"{client.project}.missing_{uuid.uuid4().hex}.t", ID_AND_TEXT)

    @pytest.mark.parametrize(
        "properties",
        [
            {"time_partitioning": partitioned("missing")},
            {"time_partitioning": partitioned("id")},
            {"time_partitioning": partitioned(kind="HOUR")},
            {"clustering_fields": ["missing"]},
            {"clustering_fields": ["ratio"]},
            {"clustering_fields": ["a", "b", "c", "d", "e"]},
        ],
        ids=lambda properties: str(next(iter(properties.values()))),
    )
    def test_impossible_layouts_are_refused(
        self, bq: Service, name: str, properties: dict[str, Any]
    ) -> None:
        schema = [*DAILY, SchemaField("ratio", "FLOAT64")]
        schema += [SchemaField(letter, "STRING") for letter in "abcde"]
        with pytest.raises(BadRequest):
            bq.create(name, schema, **properties)

    def test_columns_are_added_by_update_and_by_alter(self, bq: Service, name: str) -> None:
        bq.csv(name, b"1,a\n", schema=ID_AND_TEXT)
        table = bq.client.get_table(name)
        table.schema = [*table.schema, SchemaField("one", "NUMERIC")]
        bq.client.update_table(table, ["schema"])
        bq.query(
            f"ALTER TABLE `{name}` ADD COLUMN two DATETIME, ADD COLUMN IF NOT EXISTS one INT64"
        )
        kinds = [(field.name, field.field_type) for field in bq.client.get_table(name).schema]
        assert kinds[2:] == [("one", "NUMERIC"), ("two", "DATETIME")]
        assert bq.rows(f"SELECT one, two FROM `{name}`") == [(None, None)]

    def test_ddl_describes_a_table_as_the_api_does(self, bq: Service, name: str) -> None:
        bq.query(
            f"CREATE TABLE `{name}` (id INT64 NOT NULL, rate BIGNUMERIC, at DATETIME) "
            "PARTITION BY DATETIME_TRUNC(at, MONTH) CLUSTER BY id OPTIONS (description = 'x', "
            "labels = [('a', 'b')], require_partition_filter = TRUE, expiration_timestamp = "
            "TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 1 DAY))"
        )
        table = bq.client.get_table(name)
        assert [(f.field_type, f.mode) for f in table.schema] == [
            ("INTEGER", "REQUIRED"),
            ("BIGNUMERIC", "NULLABLE"),
            ("DATETIME", "NULLABLE"),
        ]
        assert table.time_partitioning == partitioned("at", "MONTH")
        assert (table.clustering_fields, table.labels) == (["id"], {"a": "b"})
        assert table.require_partition_filter
        assert table.expires > datetime.now(UTC)
        bq.query(f"ALTER TABLE `{name}` SET OPTIONS (description = 'y')")
        bq.query(f"CREATE TABLE IF NOT EXISTS `{name}` (other STRING)")
        assert bq.client.get_table(name).description == "y"

    def test_a_schema_update_cannot_drop_or_retype(self, bq: Service, name: str) -> None:
        table = bq.create(name, ID_AND_TEXT)
        for schema in (ID_AND_TEXT[:1], [ID_AND_TEXT[0], SchemaField("text", "BYTES")]):
            table.schema = schema
            with pytest.raises(BadRequest):
                bq.client.update_table(table, ["schema"])

    def test_an_expired_table_is_gone(self, bq: Service, name: str) -> None:
        made = bq.create(name, ID_AND_TEXT, expires=datetime.now(UTC) + timedelta(seconds=2))
        assert made.expires is not None
        until(lambda: not exists(bq, name), "the end of the table")
        with pytest.raises(NotFound):
            bq.query(f"SELECT * FROM `{name}`")

    def test_rows_are_counted_after_dml(self, bq: Service, name: str) -> None:
        bq.create(name, ID_AND_TEXT)
        bq.query(f"INSERT INTO `{name}` (id) VALUES (1), (2)")
        assert bq.client.get_table(name).num_rows == 2


def exists(bq: Service, name: str) -> bool:
    try:
        bq.client.get_table(name)
    except NotFound:
        return False
    return True


class TestRequiredPartitionFilter:
    @pytest.fixture
    def guarded(self, bq: Service, name: str) -> str:
        bq.create(name, DAILY, time_partitioning=partitioned(), require_partition_filter=True)
        bq.csv(name, b"2024-01-01,1\n2024-01-02,2\n", schema=DAILY)
        return name

    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT * FROM `{}`",
            "SELECT * FROM `{}` WHERE id = 1",
            "SELECT * FROM `{}` WHERE id = 1 OR day = '2024-01-01'",
            "MERGE `{}` t USING (SELECT 1 AS id) s ON t.id = s.id WHEN MATCHED THEN DELETE",
            "MERGE `{}` t USING (SELECT DATE '2024-01-01' AS day) s ON t.day = s.day "
            "WHEN MATCHED THEN DELETE",
            "DELETE FROM `{}` WHERE id = 1",
        ],
    )
    def test_queries_without_a_filter_are_refused(
        self, bq: Service, guarded: str, sql: str
    ) -> None:
        with pytest.raises(BadRequest, match="partition elimination"):
            bq.query(sql.format(guarded))

    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT * FROM `{}` WHERE day >= '2024-01-02' AND id = 2",
            "SELECT * FROM (SELECT * FROM `{}`) WHERE day = '2024-01-01'",
            "MERGE `{}` t USING (SELECT 1 AS id) s ON t.id = s.id AND t.day = '2024-01-01' "
            "WHEN MATCHED THEN UPDATE SET id = 5",
            "MERGE `{}` t USING (SELECT 1 AS id) s ON t.id = s.id AND (t.day IS NULL OR "
            "t.day IS NOT NULL) WHEN MATCHED THEN UPDATE SET id = 5",
            "DELETE FROM `{}` WHERE day BETWEEN '2024-01-01' AND '2024-01-01'",
        ],
    )
    def test_queries_with_a_filter_run(self, bq: Service, guarded: str, sql: str) -> None:
        bq.query(sql.format(guarded))

    def test_a_view_does_not_hide_the_rule(self, bq: Service, guarded: str, other: str) -> None:
        view = bigquery.Table(other)
        view.view_query = f"SELECT * FROM `{guarded}` WHERE id > 0"
        bq.client.create_table(view)
        with pytest.raises(BadRequest):
            bq.query(f"SELECT * FROM `{other}`")
        assert bq.rows(f"SELECT id FROM `{other}` WHERE day = '2024-01-01'") == [(1,)]

    def test_loads_and_copies_need_no_filter(self, bq: Service, guarded: str, other: str) -> None:
        bq.copy(guarded, other)
        assert bq.client.get_table(other).num_rows == 2
