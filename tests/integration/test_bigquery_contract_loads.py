"""What the product relies on in BigQuery, each fact one test: loads of Parquet and CSV, values."""

# ruff: noqa: DTZ001  BigQuery's DATETIME has no zone, so its Python value has none either.

from __future__ import annotations

import gzip
import math
import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from google.api_core.exceptions import (
    BadRequest,
    Conflict,
    NotFound,
)
from google.cloud import bigquery
from google.cloud.bigquery import SchemaField

from tests.integration import bigquery_service as service
from tests.integration.bigquery_service import (
    DAILY,
    ID_AND_TEXT,
    Service,
    parquet_bytes,
    partitioned,
    reason_of,
)

# The fixtures of these tests.
bq, client, dataset = service.bq, service.client, service.dataset
name, other = service.name, service.other


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
    def test_exponents_are_exact(self, bq: Service, name: str) -> None:
        schema = [SchemaField("n", "NUMERIC"), SchemaField("b", "BIGNUMERIC")]
        bq.csv(name, b"1E-9,-1.5e-37\n0E-9,12E+3\n-2.50E1,.5E2\n", schema=schema)
        assert bq.rows(f"SELECT n, b FROM `{name}` ORDER BY n") == [
            (Decimal(-25), Decimal(50)),
            (Decimal(0), Decimal(12000)),
            (Decimal("1E-9"), Decimal("-1.5E-37")),
        ]
        with pytest.raises(BadRequest):
            bq.csv(name, b"1E-10,0\n", schema=schema)

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
