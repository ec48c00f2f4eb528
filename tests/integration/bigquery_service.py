"""The BigQuery of the contract tests: the sandbox, or a project that the environment names.

With ETL_TEST_BQ_PROJECT the tests run, unchanged, on that project with the default credentials,
in a dataset of their own (its name begins with ETL_TEST_BQ_DATASET, default `etl_contract`),
which is deleted afterwards. A test file takes the fixtures by giving them names of its
own.
"""

from __future__ import annotations

import io
import os
import uuid
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import (
    GoogleAPICallError,
)
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google.cloud.bigquery import SchemaField

from tests.sandbox.bigquery.launcher import BigQueryEmulator
from tests.waiting import HANG_SECONDS

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
            job.result(timeout=HANG_SECONDS)
        return job

    def rows(self, sql: str, **config: Any) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.query(sql, **config).result(timeout=HANG_SECONDS)]

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
        job.result(timeout=HANG_SECONDS)
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
        job.result(timeout=HANG_SECONDS)
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
