"""What the product relies on in BigQuery: each fact one test.

By default they run on the sandbox. With ETL_TEST_BQ_PROJECT they run, unchanged, on that project
with the default credentials, in a dataset of their own (its name begins with
ETL_TEST_BQ_DATASET, default `etl_contract`), which is deleted afterwards.
"""

# ruff: noqa: DTZ001  BigQuery's DATETIME has no zone, so its Python value has none either.

from __future__ import annotations

import gzip
import io
import math
import os
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import (
    BadRequest,
    Conflict,
    GoogleAPICallError,
    NotFound,
    PreconditionFailed,
)
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google.cloud.bigquery import SchemaField

from tests.sandbox.bigquery.launcher import BigQueryEmulator

SECONDS = 120
ID_AND_TEXT = (SchemaField("id", "INT64"), SchemaField("text", "STRING"))
DAILY = (SchemaField("day", "DATE"), SchemaField("id", "INT64"))


@pytest.fixture(scope="module")
def client() -> Iterator[bigquery.Client]:
    project = os.environ.get("ETL_TEST_BQ_PROJECT")
    if project:
        with bigquery.Client(project=project) as real:
            yield real
        return
    with (
        BigQueryEmulator() as emulator,
        bigquery.Client(
            project=emulator.project,
            credentials=AnonymousCredentials(),
            client_options=ClientOptions(api_endpoint=emulator.host),
        ) as sandbox,
    ):
        yield sandbox


@pytest.fixture(scope="module")
def dataset(client: bigquery.Client) -> Iterator[str]:
    prefix = os.environ.get("ETL_TEST_BQ_DATASET", "etl_contract")
    name = f"{client.project}.{prefix}_{uuid.uuid4().hex[:12]}"
    client.create_dataset(name)
    yield name
    client.delete_dataset(name, delete_contents=True)


@pytest.fixture
def name(dataset: str) -> str:
    """The full name of a table that does not exist yet."""
    return f"{dataset}.t_{uuid.uuid4().hex[:12]}"


@pytest.fixture
def other(dataset: str) -> str:
    return f"{dataset}.u_{uuid.uuid4().hex[:12]}"


@pytest.fixture
def bq(client: bigquery.Client) -> Service:
    return Service(client)


class Service:
    """The client, with the few things that every test does."""

    def __init__(self, client: bigquery.Client) -> None:
        self.client = client

    def query(self, sql: str, **config: Any) -> bigquery.QueryJob:
        job = self.client.query(sql, job_config=bigquery.QueryJobConfig(**config))
        if not config.get("dry_run"):
            job.result(timeout=SECONDS)
        return job

    def rows(self, sql: str, **config: Any) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.query(sql, **config).result(timeout=SECONDS)]

    def create(self, name: str, schema: Any, **properties: Any) -> bigquery.Table:
        table = bigquery.Table(name, schema=schema)
        for attribute, value in properties.items():
            setattr(table, attribute, value)
        return self.client.create_table(table)

    def load(
        self,
        name: str,
        data: bytes,
        job_id: str | None = None,
        size: int | None = None,
        **config: Any,
    ) -> bigquery.LoadJob:
        job = self.client.load_table_from_file(
            io.BytesIO(data),
            name,
            job_id=job_id,
            size=size,
            job_config=bigquery.LoadJobConfig(**config),
        )
        job.result(timeout=SECONDS)
        return job

    def csv(
        self,
        name: str,
        data: bytes,
        job_id: str | None = None,
        size: int | None = None,
        **config: Any,
    ) -> bigquery.LoadJob:
        return self.load(name, data, job_id, size, source_format="CSV", **config)

    def parquet(self, name: str, table: pa.Table, **config: Any) -> bigquery.LoadJob:
        return self.load(name, parquet_bytes(table), source_format="PARQUET", **config)

    def copy(self, sources: Any, target: str, job_id: str | None = None, **config: Any) -> Any:
        job = self.client.copy_table(
            sources, target, job_id=job_id, job_config=bigquery.CopyJobConfig(**config)
        )
        job.result(timeout=SECONDS)
        return job


def parquet_bytes(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def new_id() -> str:
    return f"contract_{uuid.uuid4().hex}"


def reason_of(error: GoogleAPICallError) -> str:
    return str(error.errors[0]["reason"])


def partitioned(field: str = "day", kind: str = "DAY") -> bigquery.TimePartitioning:
    return bigquery.TimePartitioning(type_=kind, field=field)


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
        bq.client.query(sql, job_id=job_id, job_retry=None).result(timeout=SECONDS)
        with pytest.raises(Conflict):
            bq.client.query(sql, job_id=job_id, job_retry=None).result(timeout=SECONDS)
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
        ids = [new_id(), new_id()]
        for job_id in ids:
            bq.csv(name, b"1,a\n", job_id, schema=ID_AND_TEXT)
        since = datetime.now(UTC) - timedelta(minutes=5)
        listed = [job.job_id for job in bq.client.list_jobs(min_creation_time=since)]
        assert [job_id for job_id in listed if job_id in ids] == ids[::-1]


class TestLoads:
    def test_a_bad_row_loads_nothing(self, bq: Service, name: str) -> None:
        bq.csv(name, b"1,a\n", schema=ID_AND_TEXT)
        with pytest.raises(BadRequest) as caught:
            bq.csv(name, b"2,b\nx,c\n", schema=ID_AND_TEXT)
        assert reason_of(caught.value) == "invalid"
        assert bq.rows(f"SELECT id FROM `{name}`") == [(1,)]

    def test_a_bad_row_leaves_what_should_have_been_replaced(self, bq: Service, name: str) -> None:
        bq.csv(name, b"1,a\n", schema=ID_AND_TEXT)
        with pytest.raises(BadRequest):
            bq.csv(name, b"x,c\n", schema=ID_AND_TEXT, write_disposition="WRITE_TRUNCATE")
        assert bq.rows(f"SELECT id FROM `{name}`") == [(1,)]

    def test_output_rows_are_those_of_the_job(self, bq: Service, name: str) -> None:
        bq.csv(name, b"1,a\n2,b\n", schema=ID_AND_TEXT)
        job = bq.csv(name, b"3,c\n", schema=ID_AND_TEXT)
        assert (job.output_rows, job.input_files, job.input_file_bytes) == (1, 1, 4)
        assert bq.client.get_table(name).num_rows == 3

    def test_truncate_replaces_rows_and_schema(self, bq: Service, name: str) -> None:
        bq.csv(name, b"1,a\n", schema=ID_AND_TEXT)
        bq.csv(
            name,
            b"2.5\n",
            schema=[SchemaField("amount", "NUMERIC")],
            write_disposition="WRITE_TRUNCATE",
        )
        assert bq.rows(f"SELECT * FROM `{name}`") == [(Decimal("2.5"),)]

    def test_write_empty_wants_an_empty_table(self, bq: Service, name: str) -> None:
        for _ in range(2):
            job = bq.csv(name, b"", schema=ID_AND_TEXT, write_disposition="WRITE_EMPTY")
            assert job.output_rows == 0
        bq.csv(name, b"1,a\n", schema=ID_AND_TEXT, write_disposition="WRITE_EMPTY")
        with pytest.raises(Conflict) as caught:
            bq.csv(name, b"1,a\n", schema=ID_AND_TEXT, write_disposition="WRITE_EMPTY")
        assert reason_of(caught.value) == "duplicate"

    def test_create_never_wants_the_table(self, bq: Service, name: str) -> None:
        with pytest.raises(NotFound):
            bq.csv(name, b"1,a\n", schema=ID_AND_TEXT, create_disposition="CREATE_NEVER")

    def test_a_missing_dataset_is_not_found(self, bq: Service, client: bigquery.Client) -> None:
        missing = f"{client.project}.missing_{uuid.uuid4().hex}.t"
        with pytest.raises(NotFound):
            bq.csv(missing, b"1,a\n", schema=ID_AND_TEXT)

    def test_a_new_table_gets_the_jobs_layout_and_description(self, bq: Service, name: str) -> None:
        bq.csv(
            name,
            b"2024-01-02,1\n",
            schema=DAILY,
            time_partitioning=partitioned(kind="MONTH"),
            clustering_fields=["id"],
            destination_table_description="hello",
        )
        table = bq.client.get_table(name)
        assert (table.time_partitioning.type_, table.time_partitioning.field) == ("MONTH", "day")
        assert (table.clustering_fields, table.description) == (["id"], "hello")

    def test_an_append_with_another_layout_is_refused(self, bq: Service, name: str) -> None:
        bq.create(name, DAILY)
        with pytest.raises(BadRequest):
            bq.csv(name, b"2024-01-02,1\n", schema=DAILY, time_partitioning=partitioned())

    def test_a_partition_is_replaced_by_its_decorator(self, bq: Service, name: str) -> None:
        bq.create(name, DAILY, time_partitioning=partitioned())
        bq.csv(name, b"2024-01-01,1\n2024-01-02,2\n", schema=DAILY)
        truncate = {"schema": DAILY, "write_disposition": "WRITE_TRUNCATE"}
        bq.csv(f"{name}$20240102", b"2024-01-02,3\n", **truncate)
        assert bq.rows(f"SELECT id FROM `{name}` ORDER BY id") == [(1,), (3,)]
        with pytest.raises(BadRequest):
            bq.csv(f"{name}$20240102", b"2024-01-03,4\n", **truncate)
        assert bq.rows(f"SELECT id FROM `{name}` ORDER BY id") == [(1,), (3,)]

    def test_one_job_fills_at_most_4000_partitions(self, bq: Service, name: str) -> None:
        bq.create(name, DAILY, time_partitioning=partitioned())
        first = date(2000, 1, 1)
        lines = [f"{first + timedelta(days=n)},{n}\n" for n in range(4001)]
        with pytest.raises(BadRequest):
            bq.csv(name, "".join(lines).encode(), schema=DAILY)
        job = bq.csv(name, "".join(lines[:4000]).encode(), schema=DAILY)
        assert job.output_rows == 4000

    def test_a_null_in_a_required_column_is_refused(self, bq: Service, name: str) -> None:
        schema = [SchemaField("id", "INT64", "REQUIRED"), SchemaField("text", "STRING")]
        bq.create(name, schema)
        rows = pa.table({"id": pa.array([1, None], pa.int64()), "text": ["a", "b"]})
        with pytest.raises(BadRequest):
            bq.parquet(name, rows, schema=schema)
        assert bq.client.get_table(name).num_rows == 0

    def test_an_append_that_changes_a_type_is_refused(self, bq: Service, name: str) -> None:
        bq.create(name, ID_AND_TEXT)
        with pytest.raises(BadRequest):
            bq.csv(name, b"1,2\n", schema=[ID_AND_TEXT[0], SchemaField("text", "INT64")])


class TestParquet:
    def test_columns_match_by_name_whatever_their_order(self, bq: Service, name: str) -> None:
        schema = [SchemaField("a", "STRING"), SchemaField("b", "STRING")]
        bq.create(name, schema)
        bq.parquet(name, pa.table({"B": ["is b"], "a": ["is a"]}), schema=schema)
        assert bq.rows(f"SELECT a, b FROM `{name}`") == [("is a", "is b")]

    def test_a_missing_column_is_null_and_an_extra_one_refused(
        self, bq: Service, name: str
    ) -> None:
        bq.create(name, ID_AND_TEXT)
        bq.parquet(name, pa.table({"id": [1]}))
        with pytest.raises(BadRequest):
            bq.parquet(name, pa.table({"id": [2], "surprise": [1]}))
        assert bq.rows(f"SELECT * FROM `{name}`") == [(1, None)]

    def test_field_addition_adds_nullable_columns(self, bq: Service, name: str) -> None:
        bq.parquet(name, pa.table({"id": [1]}))
        bq.parquet(
            name,
            pa.table({"id": [2], "more": ["x"]}),
            schema_update_options=["ALLOW_FIELD_ADDITION"],
        )
        assert bq.rows(f"SELECT id, more FROM `{name}` ORDER BY id") == [(1, None), (2, "x")]
        assert [field.name for field in bq.client.get_table(name).schema] == ["id", "more"]

    def test_decimals_that_numeric_cannot_hold_are_refused(self, bq: Service, name: str) -> None:
        bq.create(name, [SchemaField("n", "NUMERIC")])
        value = pa.array([Decimal("1.0000000000")], pa.decimal128(38, 10))
        with pytest.raises(BadRequest):
            bq.parquet(name, pa.table({"n": value}), schema=[SchemaField("n", "NUMERIC")])
        wide = pa.array([Decimal("1" * 30)], pa.decimal128(38, 0))
        with pytest.raises(BadRequest):
            bq.parquet(name, pa.table({"n": wide}), schema=[SchemaField("n", "NUMERIC")])
        assert bq.client.get_table(name).num_rows == 0

    def test_a_zoneless_timestamp_is_a_timestamp_unless_the_schema_says_datetime(
        self, bq: Service, name: str, other: str
    ) -> None:
        moments = pa.table({"m": pa.array([datetime(2024, 1, 2, 3, 4, 5)], pa.timestamp("us"))})
        bq.parquet(name, moments)
        bq.parquet(other, moments, schema=[SchemaField("m", "DATETIME")])
        assert bq.client.get_table(name).schema[0].field_type == "TIMESTAMP"
        assert bq.rows(f"SELECT m FROM `{name}`") == [(datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC),)]
        assert bq.rows(f"SELECT m FROM `{other}`") == [(datetime(2024, 1, 2, 3, 4, 5),)]

    def test_truncated_parquet_is_an_invalid_file(self, bq: Service, name: str) -> None:
        data = parquet_bytes(pa.table({"id": list(range(100))}))
        with pytest.raises(BadRequest):
            bq.load(name, data[:-20], source_format="PARQUET", schema=[SchemaField("id", "INT64")])


ALL_TYPES = (
    SchemaField("i", "INT64"),
    SchemaField("n", "NUMERIC"),
    SchemaField("b", "BIGNUMERIC"),
    SchemaField("f", "FLOAT64"),
    SchemaField("s", "STRING"),
    SchemaField("y", "BYTES"),
    SchemaField("o", "BOOL"),
    SchemaField("d", "DATE"),
    SchemaField("dt", "DATETIME"),
    SchemaField("ts", "TIMESTAMP"),
)
ARROW_TYPES = pa.schema(
    [
        ("i", pa.int64()),
        ("n", pa.decimal128(38, 9)),
        ("b", pa.decimal256(76, 38)),
        ("f", pa.float64()),
        ("s", pa.large_string()),
        ("y", pa.large_binary()),
        ("o", pa.bool_()),
        ("d", pa.date32()),
        ("dt", pa.timestamp("us")),
        ("ts", pa.timestamp("us", "UTC")),
    ]
)
NINES = "9" * 38
EXTREMES: list[tuple[Any, ...]] = [
    (
        -(2**63),
        Decimal("-99999999999999999999999999999.999999999"),
        Decimal(f"-{NINES}.{NINES}"),
        -math.inf,
        'Thai สวัสดี, emoji 🙂, "quotes", tab\t, back\\slash, line\r\nbreak, \\N',
        bytes(range(256)),
        True,
        date(1, 1, 1),
        datetime(1, 1, 1),
        datetime(1, 1, 1, tzinfo=UTC),
    ),
    (
        2**63 - 1,
        Decimal("99999999999999999999999999999.999999999"),
        Decimal(f"{NINES}.{NINES}"),
        5e-324,
        "",
        b"",
        False,
        date(9999, 12, 31),
        datetime(9999, 12, 31, 23, 59, 59, 999999),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ),
    (
        0,
        Decimal("1E-9"),
        Decimal("1E-38"),
        0.1,
        " x ",
        b"\x00",
        None,
        date(4712, 12, 31),
        None,
        None,
    ),
    (None,) * 10,
]
CSV_OF_EXTREMES = (
    "-9223372036854775808,-99999999999999999999999999999.999999999,-{n}.{n},-inf,"
    '"Thai สวัสดี, emoji 🙂, ""quotes"", tab\t, back\\slash, line\r\nbreak, \\N",{b},true,'
    "0001-01-01,0001-01-01 00:00:00,0001-01-01 00:00:00Z\n"
    "9223372036854775807,99999999999999999999999999999.999999999,{n}.{n},5e-324,"
    '"","",false,'
    "9999-12-31,9999-12-31 23:59:59.999999,9999-12-31 23:59:59.999999+00:00\n"
    "0,0.000000001,0.00000000000000000000000000000000000001,0.1,"
    '" x ",AA==,\\N,4712-12-31,\\N,\\N\n' + ",".join(["\\N"] * 10) + "\n"
)


def csv_of_extremes() -> bytes:
    import base64

    return CSV_OF_EXTREMES.format(n=NINES, b=base64.b64encode(bytes(range(256))).decode()).encode()


class TestTypes:
    def test_parquet_keeps_every_value_exactly(self, bq: Service, name: str) -> None:
        columns = list(zip(*EXTREMES, strict=True))
        arrays = [pa.array(c, f.type) for c, f in zip(columns, ARROW_TYPES, strict=True)]
        bq.parquet(name, pa.Table.from_arrays(arrays, schema=ARROW_TYPES), schema=ALL_TYPES)
        assert self.stored(bq, name) == EXTREMES

    def test_csv_keeps_every_value_exactly(self, bq: Service, name: str) -> None:
        bq.csv(
            name,
            csv_of_extremes(),
            schema=ALL_TYPES,
            null_marker="\\N",
            allow_quoted_newlines=True,
        )
        assert self.stored(bq, name) == EXTREMES

    def stored(self, bq: Service, name: str) -> list[tuple[Any, ...]]:
        order = "ORDER BY i IS NULL, s = '', i"
        columns = ", ".join(field.name for field in ALL_TYPES)
        rows = bq.rows(f"SELECT {columns} FROM `{name}` {order}")
        schema = {f.name: f.field_type for f in bq.client.get_table(name).schema}
        assert (schema["n"], schema["b"], schema["dt"]) == ("NUMERIC", "BIGNUMERIC", "DATETIME")
        return [rows[0], rows[2], rows[1], rows[3]]

    def test_bignumeric_sorts_sums_and_compares_exactly(self, bq: Service, name: str) -> None:
        bq.create(name, [SchemaField("b", "BIGNUMERIC")])
        texts = ["-0.00000000000000000000000000000000000001", "-1.5", "10", "9.9", "0.5"]
        bq.csv(name, "\n".join(texts).encode(), schema=[SchemaField("b", "BIGNUMERIC")])
        assert [str(row[0].normalize()) for row in bq.rows(f"SELECT b FROM `{name}` ORDER BY b")] == [
            "-1.5", "-1E-38", "0.5", "9.9", "1E+1",
        ]  # fmt: skip
        total = Decimal("18.89999999999999999999999999999999999999")
        assert bq.rows(f"SELECT SUM(b), MAX(b) FROM `{name}`") == [(total, Decimal(10))]
        sql = f"SELECT COUNT(*) FROM `{name}` WHERE b = BIGNUMERIC '9.9'"
        assert bq.rows(sql) == [(1,)]

    def test_casts_to_numeric_keep_nine_decimals(self, bq: Service) -> None:
        assert bq.rows("SELECT CAST('12345.123456789' AS NUMERIC), NUMERIC '0.000000001'") == [
            (Decimal("12345.123456789"), Decimal("0.000000001"))
        ]

    @pytest.mark.parametrize(
        ("kind", "text"),
        [
            ("INT64", "1.5"),
            ("INT64", "9223372036854775808"),
            ("NUMERIC", "100000000000000000000000000000"),
            ("DATE", "0000-01-01"),
            ("DATE", "2024-02-30"),
            ("DATETIME", "10000-01-01 00:00:00"),
            ("TIMESTAMP", "yesterday"),
            ("BOOL", "maybe"),
            ("BYTES", "not base64!"),
        ],
    )
    def test_a_value_that_does_not_fit_is_refused(
        self, bq: Service, name: str, kind: str, text: str
    ) -> None:
        with pytest.raises(BadRequest):
            bq.csv(name, f"{text}\n".encode(), schema=[SchemaField("v", kind)])


class TestCsv:
    def test_the_first_line_is_data_unless_skipped(self, bq: Service, name: str) -> None:
        data = b"1,a\n2,b\n3,c\n"
        assert bq.csv(name, data, schema=ID_AND_TEXT).output_rows == 3
        job = bq.csv(name, data, schema=ID_AND_TEXT, skip_leading_rows=2)
        assert job.output_rows == 1

    def test_unquoted_empty_is_null_and_quoted_empty_is_text(self, bq: Service, name: str) -> None:
        bq.csv(name, b'1,\n2,""\n', schema=ID_AND_TEXT)
        assert bq.rows(f"SELECT text FROM `{name}` ORDER BY id") == [(None,), ("",)]

    def test_a_null_marker_leaves_empty_text_alone(self, bq: Service, name: str) -> None:
        bq.csv(name, b"1,\\N\n2,\n", schema=ID_AND_TEXT, null_marker="\\N")
        assert bq.rows(f"SELECT text FROM `{name}` ORDER BY id") == [(None,), ("",)]
        with pytest.raises(BadRequest):
            bq.csv(name, b",x\n", schema=ID_AND_TEXT, null_marker="\\N")

    def test_newlines_in_quotes_need_the_flag(self, bq: Service, name: str) -> None:
        data = b'1,"a\r\nb"\r\n'
        with pytest.raises(BadRequest):
            bq.csv(name, data, schema=ID_AND_TEXT)
        bq.csv(name, data, schema=ID_AND_TEXT, allow_quoted_newlines=True)
        assert bq.rows(f"SELECT text FROM `{name}`") == [("a\r\nb",)]

    def test_delimiters_gzip_and_encodings(self, bq: Service, name: str) -> None:
        bq.csv(name, gzip.compress(b"1|a,b\n"), schema=ID_AND_TEXT, field_delimiter="|")
        bq.csv(name, "2,é\n".encode("latin-1"), schema=ID_AND_TEXT, encoding="ISO-8859-1")
        assert bq.rows(f"SELECT text FROM `{name}` ORDER BY id") == [("a,b",), ("é",)]

    def test_rows_of_another_length_need_a_flag(self, bq: Service, name: str) -> None:
        for data in (b"1\n", b"1,a,more\n"):
            with pytest.raises(BadRequest):
                bq.csv(name, data, schema=ID_AND_TEXT)
        bq.csv(name, b"1\n", schema=ID_AND_TEXT, allow_jagged_rows=True)
        bq.csv(name, b"2,b,more\n", schema=ID_AND_TEXT, ignore_unknown_values=True)
        assert bq.rows(f"SELECT text FROM `{name}` ORDER BY id") == [(None,), ("b",)]

    def test_bad_records_up_to_the_limit_are_left_out_and_reported(
        self, bq: Service, name: str
    ) -> None:
        data = b"1,a\nx,b\n3,c\n"
        job = bq.csv(name, data, schema=ID_AND_TEXT, max_bad_records=1)
        assert (job.output_rows, job.error_result) == (2, None)
        assert job.errors
        assert bq.rows(f"SELECT id FROM `{name}` ORDER BY id") == [(1,), (3,)]

    def test_columns_match_by_position_in_the_jobs_schema(self, bq: Service, name: str) -> None:
        bq.create(name, ID_AND_TEXT)
        bq.csv(name, b"a,1\n", schema=ID_AND_TEXT[::-1])
        assert bq.rows(f"SELECT id, text FROM `{name}`") == [(1, "a")]


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
        bq.create(name, ID_AND_TEXT, expires=datetime.now(UTC) + timedelta(seconds=2))
        assert bq.client.get_table(name).expires is not None
        assert eventually_gone(lambda: bq.client.get_table(name))
        with pytest.raises(NotFound):
            bq.query(f"SELECT * FROM `{name}`")

    def test_rows_are_counted_after_dml(self, bq: Service, name: str) -> None:
        bq.create(name, ID_AND_TEXT)
        bq.query(f"INSERT INTO `{name}` (id) VALUES (1), (2)")
        assert bq.client.get_table(name).num_rows == 2


def eventually_gone(look: Callable[[], object]) -> bool:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            look()
        except NotFound:
            return True
        time.sleep(0.2)
    return False


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
