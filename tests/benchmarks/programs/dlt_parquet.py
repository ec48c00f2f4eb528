"""dlt's own SQL source with its pyarrow backend, into Parquet files on disk.

SQLAlchemy's reflection asks for dictionary views that the sandbox does not have, so dlt is given
the columns, which costs it nothing.
"""

from __future__ import annotations

import os

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"

import dlt
import oracledb
import sqlalchemy as sa
from dlt.sources.sql_database import sql_table

from tests.benchmarks.programs.sandbox import (
    DSN,
    FOLDER,
    PASSWORD,
    TABLE,
    USER,
    answer,
)

TYPES = {
    "DB_TYPE_BINARY_DOUBLE": sa.Double(),
    "DB_TYPE_DATE": sa.DateTime(),
    "DB_TYPE_TIMESTAMP": sa.DateTime(),
    "DB_TYPE_RAW": sa.LargeBinary(),
    "DB_TYPE_CLOB": sa.Text(),
}


def columns() -> list[sa.Column[object]]:
    """The table's columns as SQLAlchemy would find them."""
    with oracledb.connect(user=USER, password=PASSWORD, dsn=DSN) as connection:
        cursor = connection.cursor()
        cursor.execute(f"SELECT * FROM ERP.{TABLE} WHERE 1 = 0")
        return [sa.Column(info.name.lower(), _type(info)) for info in cursor.description]


def _type(info: oracledb.FetchInfo) -> sa.types.TypeEngine[object]:
    if info.type_code is oracledb.DB_TYPE_NUMBER:
        if not info.precision:
            return sa.Numeric(38, 9)
        return sa.Numeric(info.precision, info.scale) if info.scale else sa.BigInteger()
    return TYPES.get(info.type_code.name, sa.String())


address, _, service = DSN.partition("/")
known = sa.MetaData(schema="ERP")
sa.Table(TABLE.lower(), known, *columns())
pipeline = dlt.pipeline(
    "benchmark",
    pipelines_dir=str(FOLDER / "pipelines"),
    destination=dlt.destinations.filesystem(bucket_url=(FOLDER / "out").as_uri()),
    dataset_name="benchmark",
)
table = sql_table(
    credentials=f"oracle+oracledb://{USER}:{PASSWORD}@{address}/?service_name={service}",
    table=TABLE.lower(),
    metadata=known,
    backend="pyarrow",
    chunk_size=50_000,
)
pipeline.run(table, loader_file_format="parquet", write_disposition="replace")
answer(pipeline.last_trace.last_normalize_info.row_counts[TABLE.lower()])
