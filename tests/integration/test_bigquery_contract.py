"""What the product relies on in BigQuery, each fact one test: jobs, copies, DML and queries.

Loads are in test_bigquery_contract_loads.py, tables in test_bigquery_contract_tables.py; where
they run is said in bigquery_service.py.
"""

# ruff: noqa: DTZ001  BigQuery's DATETIME has no zone, so its Python value has none either.

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from decimal import Decimal
from typing import Any

import pytest
from google.api_core.exceptions import (
    BadRequest,
    Conflict,
    GoogleAPICallError,
    NotFound,
)
from google.cloud import bigquery
from google.cloud.bigquery import SchemaField

from tests.integration import bigquery_service as service
from tests.integration.bigquery_service import (
    DAILY,
    ID_AND_TEXT,
    Service,
    new_id,
    partitioned,
    reason_of,
)
from tests.waiting import HANG_SECONDS

# The fixtures of these tests.
bq, client, dataset = service.bq, service.client, service.dataset
name, other = service.name, service.other


class TestJobIds:
    def test_a_job_keeps_the_callers_id_labels_and_times(self, bq: Service, name: str) -> None:
        before = datetime.now(UTC) - timedelta(minutes=5)
        job_id = new_id()
        bq.csv(name, b"1,a\n", job_id, schema=ID_AND_TEXT, labels={"step": "load"})
        found = bq.client.get_job(job_id)
        assert (found.state, found.error_result, found.labels) == ("DONE", None, {"step": "load"})
        assert before < found.created <= found.started <= found.ended
        assert found.output_rows == 1

    @pytest.mark.parametrize("size", [None, 4], ids=["resumable", "multipart"])
    def test_a_repeated_load_is_a_conflict_and_loads_once(
        self, bq: Service, name: str, size: int | None
    ) -> None:
        job_id = new_id()
        bq.csv(name, b"1,a\n", job_id, size, schema=ID_AND_TEXT)
        with pytest.raises(Conflict) as caught:
            bq.csv(name, b"1,a\n", job_id, size, schema=ID_AND_TEXT)
        assert reason_of(caught.value) == "duplicate"
        assert bq.rows(f"SELECT COUNT(*) FROM `{name}`") == [(1,)]

    def test_a_repeated_query_is_a_conflict_and_runs_once(self, bq: Service, name: str) -> None:
        bq.create(name, ID_AND_TEXT)
        sql, job_id = f"INSERT INTO `{name}` (id) VALUES (1)", new_id()
        bq.client.query(sql, job_id=job_id, job_retry=None).result(timeout=HANG_SECONDS)
        with pytest.raises(Conflict):
            bq.client.query(sql, job_id=job_id, job_retry=None).result(timeout=HANG_SECONDS)
        assert bq.rows(f"SELECT COUNT(*) FROM `{name}`") == [(1,)]
        assert bq.client.get_job(job_id).num_dml_affected_rows == 1

    def test_a_repeated_copy_is_a_conflict_and_copies_once(
        self, bq: Service, name: str, other: str
    ) -> None:
        bq.csv(name, b"1,a\n", schema=ID_AND_TEXT)
        job_id = new_id()
        bq.copy(name, other, job_id, write_disposition="WRITE_APPEND")
        with pytest.raises(Conflict):
            bq.copy(name, other, job_id, write_disposition="WRITE_APPEND")
        assert bq.client.get_table(other).num_rows == 1

    def test_a_failed_job_is_found_with_its_error_and_its_id_is_used(
        self, bq: Service, name: str
    ) -> None:
        job_id = new_id()
        with pytest.raises(BadRequest):
            bq.csv(name, b"x,a\n", job_id, schema=ID_AND_TEXT)
        found = bq.client.get_job(job_id)
        assert (found.state, found.error_result["reason"]) == ("DONE", "invalid")
        with pytest.raises(Conflict):
            bq.csv(name, b"1,a\n", job_id, schema=ID_AND_TEXT)

    def test_an_unknown_job_is_not_found(self, bq: Service) -> None:
        with pytest.raises(NotFound):
            bq.client.get_job(new_id())

    def test_jobs_are_listed_newest_first(self, bq: Service, name: str) -> None:
        since = datetime.now(UTC) - timedelta(minutes=5)
        ids = [new_id(), new_id()]
        for job_id in ids:
            bq.csv(name, b"1,a\n", job_id, schema=ID_AND_TEXT)
        listed = [job.job_id for job in bq.client.list_jobs(min_creation_time=since)]
        assert [job_id for job_id in listed if job_id in ids] == ids[::-1]


class TestCopies:
    def test_the_default_wants_an_empty_target(self, bq: Service, name: str, other: str) -> None:
        bq.csv(name, b"1,a\n", schema=ID_AND_TEXT)
        bq.copy(name, other)
        with pytest.raises(Conflict) as caught:
            bq.copy(name, other)
        assert reason_of(caught.value) == "duplicate"
        assert bq.client.get_table(other).num_rows == 1

    def test_append_and_truncate(self, bq: Service, name: str, other: str) -> None:
        bq.csv(name, b"1,a\n2,b\n", schema=ID_AND_TEXT)
        for disposition, rows in (("WRITE_APPEND", 2), ("WRITE_APPEND", 4), ("WRITE_TRUNCATE", 2)):
            bq.copy(name, other, write_disposition=disposition)
            assert bq.client.get_table(other).num_rows == rows

    def test_every_source_is_copied(self, bq: Service, name: str, other: str) -> None:
        bq.csv(name, b"1,a\n", schema=ID_AND_TEXT)
        bq.csv(other, b"2,b\n", schema=ID_AND_TEXT)
        target = f"{name}_both"
        bq.copy([name, other], target)
        assert bq.rows(f"SELECT id FROM `{target}` ORDER BY id") == [(1,), (2,)]

    def test_a_new_table_keeps_partitioning_and_clustering(
        self, bq: Service, name: str, other: str
    ) -> None:
        bq.create(name, DAILY, time_partitioning=partitioned(), clustering_fields=["id"])
        bq.copy(name, other)
        table = bq.client.get_table(other)
        assert (table.time_partitioning.field, table.clustering_fields) == ("day", ["id"])

    @pytest.mark.parametrize("disposition", ["WRITE_APPEND", "WRITE_TRUNCATE"])
    @pytest.mark.parametrize(
        "layout",
        [
            {},
            {"time_partitioning": partitioned(kind="MONTH"), "clustering_fields": ["id"]},
            {"time_partitioning": partitioned()},
        ],
        ids=["plain", "other partitioning", "no clustering"],
    )
    def test_another_layout_is_refused_and_changes_nothing(
        self, bq: Service, name: str, other: str, disposition: str, layout: dict[str, Any]
    ) -> None:
        bq.create(name, DAILY, **layout)
        bq.create(other, DAILY, time_partitioning=partitioned(), clustering_fields=["id"])
        bq.csv(other, b"2024-01-01,1\n", schema=DAILY)
        with pytest.raises(BadRequest):
            bq.copy(name, other, write_disposition=disposition)
        assert bq.client.get_table(other).num_rows == 1

    def test_another_schema_is_refused_on_append(self, bq: Service, name: str, other: str) -> None:
        bq.csv(name, b"1,a\n", schema=ID_AND_TEXT)
        bq.create(other, [SchemaField("id", "INT64"), SchemaField("text", "INT64")])
        with pytest.raises(BadRequest):
            bq.copy(name, other, write_disposition="WRITE_APPEND")

    def test_a_missing_source_is_not_found(self, bq: Service, name: str, other: str) -> None:
        with pytest.raises(NotFound):
            bq.copy(name, other)


class TestDml:
    @pytest.fixture
    def target(self, bq: Service, name: str) -> str:
        bq.csv(name, b"1,one\n2,two\n3,three\n", schema=ID_AND_TEXT)
        return name

    def stats(self, job: bigquery.QueryJob) -> tuple[int, int, int]:
        found = job.dml_stats
        return found.inserted_row_count, found.updated_row_count, found.deleted_row_count

    def test_insert_update_and_delete_say_what_they_did(self, bq: Service, target: str) -> None:
        insert = bq.query(f"INSERT INTO `{target}` (id) VALUES (4), (5)")
        update = bq.query(f"UPDATE `{target}` SET text = 'x' WHERE id > 3")
        delete = bq.query(f"DELETE FROM `{target}` WHERE id = 1")
        assert self.stats(insert) == (2, 0, 0)
        assert self.stats(update) == (0, 2, 0)
        assert self.stats(delete) == (0, 0, 1)
        assert delete.num_dml_affected_rows == 1
        assert bq.client.get_table(target).num_rows == 4

    def test_merge_inserts_updates_and_deletes(self, bq: Service, target: str) -> None:
        job = bq.query(
            f"MERGE `{target}` AS t USING (SELECT 1 AS id, 'new' AS text UNION ALL SELECT 9, 'nine') "
            "AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET text = s.text "
            "WHEN NOT MATCHED THEN INSERT (id, text) VALUES (s.id, s.text) "
            "WHEN NOT MATCHED BY SOURCE AND t.id = 3 THEN DELETE"
        )
        assert self.stats(job) == (1, 1, 1)
        assert bq.rows(f"SELECT * FROM `{target}` ORDER BY id") == [
            (1, "new"), (2, "two"), (9, "nine"),
        ]  # fmt: skip

    def test_merge_refuses_two_source_rows_for_one_target_row(
        self, bq: Service, target: str
    ) -> None:
        source = "(SELECT 1 AS id, 'a' AS text UNION ALL SELECT 1, 'b')"
        head = f"MERGE `{target}` AS t USING {source} AS s ON t.id = s.id"
        with pytest.raises(BadRequest, match="at most one source row for each target row"):
            bq.query(f"{head} WHEN MATCHED THEN UPDATE SET text = s.text")
        assert bq.rows(f"SELECT text FROM `{target}` WHERE id = 1") == [("one",)]
        bq.query(f"{head} WHEN MATCHED AND s.text = 'b' THEN UPDATE SET text = s.text")
        assert bq.rows(f"SELECT text FROM `{target}` WHERE id = 1") == [("b",)]

    def test_merge_on_false_replaces_a_window(self, bq: Service, target: str) -> None:
        job = bq.query(
            f"MERGE `{target}` AS t USING (SELECT 7 AS id, 'seven' AS text) AS s ON FALSE "
            "WHEN NOT MATCHED BY TARGET THEN INSERT (id, text) VALUES (s.id, s.text) "
            "WHEN NOT MATCHED BY SOURCE AND t.id >= 2 THEN DELETE"
        )
        assert self.stats(job) == (1, 0, 2)
        assert bq.rows(f"SELECT id FROM `{target}` ORDER BY id") == [(1,), (7,)]

    def test_insert_of_what_is_not_there_yet(self, bq: Service, target: str, other: str) -> None:
        bq.csv(other, b"3,three\n4,four\n", schema=ID_AND_TEXT)
        job = bq.query(
            f"INSERT INTO `{target}` (id, text) SELECT id, text FROM `{other}` AS s WHERE NOT "
            f"EXISTS (SELECT 1 FROM `{target}` AS t WHERE t.id = s.id)"
        )
        assert self.stats(job) == (1, 0, 0)

    def test_a_view_with_qualify_shows_the_newest_row_of_each_key(
        self, bq: Service, target: str, other: str
    ) -> None:
        bq.query(f"INSERT INTO `{target}` (id, text) VALUES (1, 'zz')")
        query = (
            f"SELECT * FROM `{target}` WHERE TRUE "
            "QUALIFY ROW_NUMBER() OVER (PARTITION BY id ORDER BY text DESC) = 1"
        )
        view = bigquery.Table(other)
        view.view_query = query
        bq.client.create_table(view)
        assert bq.rows(f"SELECT text FROM `{other}` WHERE id = 1") == [("zz",)]
        found = bq.client.get_table(other)
        assert (found.table_type, found.view_query) == ("VIEW", query)
        bq.client.delete_table(other)
        with pytest.raises(NotFound):
            bq.client.get_table(other)

    def test_a_failing_statement_changes_nothing(self, bq: Service, target: str) -> None:
        with pytest.raises(BadRequest):
            bq.query(f"UPDATE `{target}` SET id = CAST(1 / (id - 2) AS INT64) WHERE TRUE")
        assert bq.rows(f"SELECT SUM(id) FROM `{target}`") == [(6,)]


class TestQueries:
    def test_a_script_commits_as_one(self, bq: Service, name: str) -> None:
        bq.csv(name, b"1,a\n2,b\n", schema=ID_AND_TEXT)
        bq.query(
            f"BEGIN TRANSACTION; DELETE FROM `{name}` WHERE id = 1; "
            f"INSERT INTO `{name}` (id) VALUES (3); COMMIT TRANSACTION;"
        )
        assert bq.rows(f"SELECT id FROM `{name}` ORDER BY id") == [(2,), (3,)]

    @pytest.mark.parametrize(
        "end", ["SELECT 1 / 0; COMMIT TRANSACTION;", "ROLLBACK TRANSACTION;", ""]
    )
    def test_a_script_without_a_successful_commit_changes_nothing(
        self, bq: Service, name: str, end: str
    ) -> None:
        bq.csv(name, b"1,a\n2,b\n", schema=ID_AND_TEXT)
        script = f"BEGIN TRANSACTION; DELETE FROM `{name}` WHERE TRUE; {end}"
        if "/" in end:
            with pytest.raises(BadRequest):
                bq.query(script)
        else:
            bq.query(script)
        assert bq.client.get_table(name).num_rows == 2

    @pytest.mark.parametrize(
        "sql", ["DELETE FROM `{}` WHERE TRUE", "DELETE FROM `{0}` WHERE id = 1; SELECT 1;"]
    )
    def test_a_dry_run_changes_nothing(self, bq: Service, name: str, sql: str) -> None:
        bq.csv(name, b"1,a\n", schema=ID_AND_TEXT)
        job = bq.query(sql.format(name), dry_run=True, use_query_cache=False)
        assert job.total_bytes_processed > 0
        assert bq.client.get_table(name).num_rows == 1

    def test_a_dry_run_counts_only_the_partitions_that_a_constant_leaves(
        self, bq: Service, name: str
    ) -> None:
        bq.create(name, DAILY, time_partitioning=partitioned())
        bq.csv(name, b"2024-01-01,1\n2024-01-02,2\n2024-01-02,3\n", schema=DAILY)

        def cost(where: str) -> int:
            sql = f"SELECT id FROM `{name}` {where}"
            return int(bq.query(sql, dry_run=True, use_query_cache=False).total_bytes_processed)

        assert cost("") == 24
        assert cost("WHERE day = '2024-01-01'") == 16

    def test_a_limit_on_bytes_stops_a_query(self, bq: Service, name: str) -> None:
        bq.csv(name, b"1,a\n", schema=ID_AND_TEXT)
        with pytest.raises(GoogleAPICallError) as caught:
            bq.query(f"SELECT * FROM `{name}`", maximum_bytes_billed=1, use_query_cache=False)
        assert reason_of(caught.value) == "bytesBilledLimitExceeded"

    def test_a_destination_table_is_written(self, bq: Service, name: str) -> None:
        sql = "SELECT 1 AS id, NUMERIC '1.5' AS amount"
        bq.query(sql, destination=name)
        with pytest.raises(Conflict):
            bq.query(sql, destination=name)
        bq.query(sql, destination=name, write_disposition="WRITE_APPEND")
        assert bq.rows(f"SELECT * FROM `{name}`") == [(1, Decimal("1.5"))] * 2
        assert [f.field_type for f in bq.client.get_table(name).schema] == ["INTEGER", "NUMERIC"]

    def test_parameters_keep_their_type(self, bq: Service) -> None:
        values = {
            "DATETIME": datetime(2024, 1, 2, 3, 4, 5, 6),
            "TIMESTAMP": datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
            "DATE": date(2024, 1, 2),
            "TIME": clock(1, 2, 3),
            "NUMERIC": Decimal("1.000000001"),
            "STRING": "a'b",
            "INT64": 7,
        }
        parameters = [
            bigquery.ScalarQueryParameter(kind.lower(), kind, value)
            for kind, value in values.items()
        ]
        sql = "SELECT " + ", ".join(f"@{kind.lower()}" for kind in values)
        assert bq.rows(sql, query_parameters=parameters) == [tuple(values.values())]

    @pytest.mark.parametrize("sql", ["SELEC 1", "SELECT nothing", "SELECT * FROM UNNEST(1)"])
    def test_a_wrong_query_is_a_bad_request(self, bq: Service, sql: str) -> None:
        with pytest.raises(BadRequest) as caught:
            bq.query(sql)
        assert reason_of(caught.value) == "invalidQuery"

    def test_a_missing_table_is_not_found(self, bq: Service, name: str) -> None:
        with pytest.raises(NotFound):
            bq.query(f"SELECT * FROM `{name}`")
