"""Which queries can skip partitions of a table that demands it."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from bqemulator.catalog.models import TableFieldSchema, TableMeta, TableSchema, TimePartitioning
from bqemulator.domain.errors import InvalidQueryError

from tests.sandbox.bigquery import partition_filter

NOW = datetime(2024, 1, 1, tzinfo=UTC)


def table(name: str, view_query: str | None = None) -> TableMeta:
    return TableMeta(
        project_id="p",
        dataset_id="d",
        table_id=name,
        table_type="VIEW" if view_query else "TABLE",
        schema=TableSchema(fields=(TableFieldSchema(name="day", type="DATE"),)),
        time_partitioning=None
        if view_query or name == "free"
        else TimePartitioning(field="day", require_partition_filter=True),
        view_query=view_query,
        creation_time=NOW,
        last_modified_time=NOW,
        etag="",
    )


TABLES = {
    t.table_id: t
    for t in (
        table("t"),
        table("free"),
        table("plain_view", "SELECT * FROM d.t"),
        table(
            "newest_view",
            "SELECT * FROM d.t WHERE TRUE QUALIFY ROW_NUMBER() OVER (PARTITION BY k) = 1",
        ),
    )
}
CONTEXT: Any = SimpleNamespace(
    catalog=SimpleNamespace(get_table=lambda _project, _dataset, name: TABLES.get(name))
)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM d.t WHERE day = '2024-01-01'",
        "SELECT * FROM d.t AS x WHERE x.k = 1 AND (x.day > @lower)",
        "SELECT * FROM d.t WHERE day IS NULL",
        "SELECT * FROM d.t WHERE NOT day < '2024-01-01'",
        "SELECT * FROM d.t WHERE day = '2024-01-01' OR day IS NULL",
        "SELECT * FROM d.free JOIN d.t ON free.k = t.k AND t.day = '2024-01-01'",
        "WITH c AS (SELECT * FROM d.t) SELECT * FROM c WHERE day = '2024-01-01'",
        "SELECT * FROM d.plain_view WHERE day = '2024-01-01'",
        "INSERT INTO d.t (day) SELECT day FROM d.free",
        "CREATE TABLE d.t (day DATE)",
        "TRUNCATE TABLE d.t",
        "UPDATE d.t SET k = 1 WHERE day = '2024-01-01'",
        "MERGE d.t x USING d.free s ON FALSE WHEN NOT MATCHED BY SOURCE AND x.day = '2024-01-01' "
        "THEN DELETE WHEN NOT MATCHED THEN INSERT (day) VALUES (s.day)",
        "MERGE d.free x USING (SELECT * FROM d.t WHERE day = '2024-01-01') s ON x.k = s.k "
        "WHEN MATCHED THEN DELETE",
        "DECLARE lower DATE; SELECT * FROM d.t WHERE day > lower;",
    ],
)
def test_these_can(sql: str) -> None:
    partition_filter.check(CONTEXT, sql, "p")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM d.t",
        "SELECT * FROM d.t WHERE day = k",
        "SELECT * FROM d.t WHERE day = (SELECT MAX(day) FROM d.free)",
        "SELECT * FROM d.t WHERE day = '2024-01-01' OR k = 1",
        "SELECT * FROM d.t AS a, d.t AS b WHERE a.day = '2024-01-01'",
        "SELECT * FROM d.newest_view WHERE day = '2024-01-01'",
        "DELETE FROM d.t WHERE k = 1",
        "MERGE d.t x USING d.free s ON x.day = s.day WHEN MATCHED THEN DELETE",
        "MERGE d.t x USING d.free s ON FALSE WHEN NOT MATCHED BY SOURCE THEN DELETE",
        "MERGE d.t x USING d.free s ON x.k IS NOT DISTINCT FROM s.k AND (x.day IS NULL OR x.day IS "
        "NOT NULL) WHEN MATCHED THEN DELETE",
        "SELECT 1; SELECT * FROM d.t;",
    ],
)
def test_these_cannot(sql: str) -> None:
    with pytest.raises(InvalidQueryError, match="partition elimination"):
        partition_filter.check(CONTEXT, sql, "p")
